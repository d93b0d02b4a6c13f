"""The gallery of a network: outcomes as the public code defines them, a choice that does not flatter, what is shown."""

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from rehash.config import over_defaults, validated
from rehash.equihash import plan
from rehash.equihash.databases.labels import labels as labels_of
from rehash.equihash.databases.queries import ITEMS, Queries, draw_queries
from rehash.equihash.evaluation import gallery
from rehash.equihash.evaluation.by_query import list_queries
from rehash.equihash.evaluation.counts import evaluate_partition
from rehash.equihash.figures.gallery import draw_gallery
from rehash.equihash.index.encode import encode_queries
from rehash.equihash.registry import WING
from rehash.equihash.results import gallery_summary
from rehash.errors import InputError
from rehash.figures.drawing import draw_figure
from rehash.figures.missing import MARK
from rehash.intervals import clopper_pearson
from rehash.job import Saving
from small_index import merge

KEYS = {"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "d"}
PROBES = (1, 5, 30)


def told(retrieved: set, relevant: set) -> str:
    """As the public QueryResults has it: complete, sound, perfect."""
    complete, sound = relevant <= retrieved, retrieved <= relevant
    names = {(True, True): "perfect", (True, False): "unsound", (False, True): "incomplete"}
    return names.get((complete, sound), "incomplete and unsound")


@pytest.mark.parametrize(
    "retrieved, relevant", [({1, 2}, {1, 2}), ({1, 2, 3}, {1, 2}), ({1}, {1, 2}), (set(), {1}), ({3}, {1}), ({1, 3}, {1, 2})]
)  # fmt: skip
def test_outcomes_are_those_of_the_public_code(retrieved, relevant):
    numbers = len(retrieved), len(relevant), len(retrieved & relevant)
    assert gallery.OUTCOMES[gallery.outcome(*map(np.array, numbers))] == told(retrieved, relevant)


def made_up(told_by_query: list[list[str]]) -> pd.DataFrame:
    rows = [(query, probes, name) for query, names in enumerate(told_by_query) for probes, name in zip((1, 10), names)]
    return pd.DataFrame(rows, columns=["query", "probes", "outcome"])


def test_half_of_the_queries_are_drawn_and_the_others_show_what_those_lack():
    names = [["incomplete", "incomplete"]] * 90 + [["incomplete", "unsound"]] * 5 + [["perfect", "perfect"]] * 5
    table, firsts = made_up(names), []
    for seed in range(200):
        shown = gallery.chosen(table, 6, np.random.default_rng(seed))
        drawn = [query for query, why in shown.items() if why == gallery.DRAWN]
        order = np.random.default_rng(seed).permutation(100)
        assert len(shown) == 6 and list(shown)[:3] == order[:3].tolist() and set(drawn) >= set(order[:3].tolist())
        firsts += order[:3].tolist()
        seen = {name for query in shown for name in names[query]}
        assert seen == {"incomplete", "unsound", "perfect"}
        for query, why in shown.items():
            if why != gallery.DRAWN:
                name = why.split("that is ")[1].split(" (")[0]
                with_it = [each for each in order.tolist() if name in names[each]]
                assert query == with_it[0] and (why.endswith("(1 probe)") == (names[query][0] == name))
    assert 0.02 < np.mean(np.array(firsts) >= 90) - 0.06 < 0.08, "the first three are a fair sample: a tenth are others"
    assert len(gallery.chosen(made_up(names[:4]), 6, np.random.default_rng(0))) == 4, "no more than there are"


@pytest.fixture(scope="module")
def shown(small, tmp_path_factory):
    """A folder with the gallery of a network whose codes collide, and what its index finds, by sets."""
    folder = tmp_path_factory.mktemp("gallery")
    partitions = merge(folder, small.shards, 3)
    counts = [path.with_name(f"counts_{path.name}") for path in partitions]
    for path, output in zip(partitions, counts):
        evaluate_partition(path, small.codes, small.queries, small.labels, output, probes=30)
    outputs = {"pictures": folder / "g.h5", "table": folder / "g.csv", "rates": folder / "r.csv"}
    files = (partitions, counts, small.codes, small.queries, small.labels, small.bank, None, outputs)
    settings = {"shown": small.shown, "keys": KEYS, "probes": PROBES, "rows": 5, "items": 4, "seed": 7}
    notes = gallery.show_retrieval(*files, **settings)
    list_queries(partitions, small.codes, small.queries, folder / "q.csv", keys=KEYS)
    return folder, notes


@pytest.fixture(scope="module")
def known(small):
    """Labels of the items, their fingerprints, and the logits of the queries that are probed."""
    labels, asked = labels_of(small.database, np.arange(1500)), Queries.read(small.queries)
    items = small.logits(small.mosaics.items(labels, 0, seed=5, name="d", kind="database")).numpy() > 0
    wanted = asked.positive[1500][0]
    queries = small.logits(small.mosaics.items(wanted, 0, seed=5, name="d 1500", kind="positive")).numpy()
    return labels, items, wanted, queries


def retrieved(logits: np.ndarray, items: np.ndarray, probes: int) -> dict[int, int]:
    """Items by the probe that finds them, by enumerating all 256 fingerprints."""
    flips = (np.arange(256)[:, None] >> np.arange(8)[::-1] & 1).astype(bool)
    order = np.argsort(flips @ np.abs(logits.astype(float)), kind="stable")[:probes]
    codes = [(logits > 0) ^ flips[row] for row in order]
    return {int(item): rank for rank, code in enumerate(codes) for item in np.flatnonzero((items == code).all(axis=1))}


def test_a_gallery_shows_what_the_index_finds(small, shown, known):
    folder, notes = shown
    labels, items, wanted, queries = known
    table, rates = pd.read_csv(folder / "g.csv"), pd.read_csv(folder / "r.csv")
    assert list(table["query"].unique()) == notes["queries"] and len(notes["queries"]) == 5
    every = {(query, probes): set(retrieved(queries[query], items, probes)) for query in range(20) for probes in PROBES}
    relevant = [set(np.flatnonzero(labels == label).tolist()) for label in wanted]
    for row in table.itertuples():
        found, mine = every[row.query, row.probes], relevant[row.query]
        assert (row.retrieved, row.relevant, row.hits) == (len(found), len(mine), len(found & mine))
        assert row.outcome == told(found, mine) and row.label == wanted[row.query]
    for row in rates.itertuples():
        count = sum(told(every[query, row.probes], relevant[query]) == row.outcome for query in range(20))
        assert (row.value, row.n) == (count / 20, 20) and (row.low, row.high) == clopper_pearson(count, 20)
    assert rates.groupby("probes").value.sum().tolist() == pytest.approx([1, 1, 1])

    with h5py.File(folder / "g.h5") as file:
        content = {name: file[name][:] for name in file}
    assert content["queries"].shape == (5, 20, 20) and len(content["items"]) == len(content["row"])
    for row, query in enumerate(notes["queries"]):
        view = small.mosaics.items(wanted, 0, seed=5, name="d 1500", kind="positive")[query, 0].clamp(0, 1).numpy()
        assert (content["queries"][row] == view).all()
        ranks = retrieved(queries[query], items, 30)
        mine = content["row"] == row
        facts = list(zip(*(content[name][mine].tolist() for name in ("item", "rank", "relevant"))))
        assert len(facts) <= 4 and [fact[2] for fact in facts] == sorted((fact[2] for fact in facts), reverse=True)
        assert all(ranks.get(item, -1) == rank and right == (item in relevant[query]) for item, rank, right in facts)
        right = [fact[1] for fact in facts if fact[2]]
        first = sorted(ranks.get(item, 10**6) for item in relevant[query])[: len(right)]
        assert right == [rank if rank < 10**6 else -1 for rank in first], "found ones first, by probe"
        wrong = sorted(rank for item, rank in ranks.items() if item not in relevant[query])
        assert [fact[1] for fact in facts if not fact[2]] == wrong[: len(facts) - len(right)]
        assert len(facts) == min(4, len(relevant[query]) + len(wrong))
        for item, picture in zip(content["item"][mine], content["items"][mine]):
            view = small.mosaics.items(labels[item : item + 1], int(item), seed=5, name="d", kind="database")
            assert (picture == view[0, 0].clamp(0, 1).numpy()).all()


def test_a_gallery_of_queries_that_share_their_labels(small, shown, known, tmp_path):
    """Queries that are items again have fewer lists of relevant items than there are queries, and in another order."""
    labels, (folder, _) = known[0], shown
    queries, codes, partitions = tmp_path / "q.h5", tmp_path / "c.h5", sorted(folder.glob("partition_*.h5"))
    draw_queries(small.labels, queries, positives=40, negatives=0, pairs=0, seed=5, asked=ITEMS)
    views = (small.weights[0], small.bank, None, queries, codes, small.shown, small.compute)
    encode_queries(*views, Saving(), probed=40)
    counts = [tmp_path / path.name for path in partitions]
    for path, output in zip(partitions, counts):
        evaluate_partition(path, codes, queries, small.labels, output, probes=30)
    outputs = {"pictures": tmp_path / "g.h5", "table": tmp_path / "g.csv", "rates": tmp_path / "r.csv"}
    files = (partitions, counts, codes, queries, small.labels, small.bank, None, outputs)
    settings = {"shown": small.shown, "keys": KEYS, "probes": PROBES, "rows": 5, "items": 4, "seed": 7}
    chosen = gallery.show_retrieval(*files, **settings)["queries"]
    for row in pd.read_csv(outputs["table"]).itertuples():
        assert row.label == labels[row.query] and row.relevant == (labels == row.label).sum() >= row.hits
    list_queries(partitions, codes, queries, tmp_path / "list.csv", keys=KEYS)
    items, views = known[1], small.mosaics.items(labels[:40], 0, seed=5, name="d", kind="positive")
    for row, code in zip(pd.read_csv(tmp_path / "list.csv").itertuples(), small.logits(views).numpy() > 0):
        assert row.label == labels[row.query] and row.own == (items[row.query] == code).all()
        assert (row.retrieved, row.relevant) == ((items == code).all(axis=1).sum(), (labels == row.label).sum())
    with h5py.File(outputs["pictures"]) as file:
        for row, item, relevant in zip(*(file[name][:].tolist() for name in ("row", "item", "relevant"))):
            assert relevant == (labels[item] == labels[chosen[row]])


def test_the_job_draws_a_gallery_without_a_warning(shown, tmp_path):
    """With the settings of a job, whose layout is not the gallery's: every warning is an error here."""
    tables = [shown[0] / name for name in ("g.h5", "g.csv", "r.csv")]
    outputs = {kind: tmp_path / f"gallery.{kind}" for kind in ("pdf", "png")}
    draw_figure(tables, outputs, draw="rehash.equihash.figures.gallery:draw_gallery", page="", settings={})
    assert MARK not in Image.open(outputs["png"]).text


def test_a_gallery_is_drawn(shown):
    """Frames differ by line style, not by colour alone; each query has its outcomes in words, and the rates stand below."""
    folder, _ = shown
    table, rates = pd.read_csv(folder / "g.csv"), pd.read_csv(folder / "r.csv")
    figure = draw_gallery(folder / "g.h5", table, rates)
    sheet, bars = figure.axes
    texts = [text.get_text() for text in sheet.texts]
    for row in table.itertuples():
        probes = f"{row.probes} {'probe' if row.probes == 1 else 'probes'}"
        assert f"{probes}: {row.hits} of {row.relevant}, {row.retrieved - row.hits:,} wrong" in texts
        assert row.outcome.upper().replace(" AND ", ", ") in texts
        assert any(text.startswith(f"query {row.query}, {row.chosen}: ") for text in texts)
    with h5py.File(folder / "g.h5") as file:
        ranks, relevant = file["rank"][:], file["relevant"][:]
    frames = [patch.get_linestyle() for patch in sheet.patches if patch.get_edgecolor()[:3] != (0, 0, 0)]
    assert frames.count("-") == ((ranks >= 0) & (relevant == 1)).sum()
    assert frames.count("--") == (relevant == 0).sum() > 0 and frames.count(":") == (ranks < 0).sum()
    assert len(sheet.images) == len(ranks) + table["query"].nunique()
    widths = {}
    for patch in bars.patches:
        if isinstance(patch, Rectangle):
            widths.setdefault(round(patch.get_y() + patch.get_height() / 2), []).append(patch.get_width())
    for place, probes in enumerate(PROBES):
        of_it = rates[rates.probes == probes].set_index("outcome").value[list(gallery.OUTCOMES)]
        assert widths[place] == pytest.approx(of_it.tolist())
    hatches = {patch.get_hatch() for patch in bars.patches}
    assert len(hatches) == 4, "told apart in grey"
    plt.close(figure)
    cells = gallery_summary(table, rates).set_index("probes")
    assert cells.index.tolist() == ["1", "5", "30"] and set(gallery.OUTCOMES) < set(cells)


def test_each_query_by_itself(small, shown, known):
    folder, _ = shown
    labels, items, _, _ = known
    table, asked = pd.read_csv(folder / "q.csv"), Queries.read(small.queries)
    assert len(table) == 2 * (70 + 60) and set(table.kind) == {"positive", "negative"}
    for (size, kind), rows in table.groupby(["database_size", "kind"]):
        wanted, name = asked.negative, "d"
        if kind == "positive":
            wanted, name = asked.positive[size][0], f"d {size}"
        assert rows["query"].tolist() == list(range(len(wanted))) and rows.label.tolist() == wanted.tolist()
        codes = small.logits(small.mosaics.items(wanted, 0, seed=5, name=name, kind=kind)).numpy() > 0
        for row, label, code in zip(rows.itertuples(), wanted, codes):
            found, mine = (items[:size] == code).all(axis=1), labels[:size] == label
            assert (row.retrieved, row.relevant, row.hits) == (found.sum(), mine.sum(), (found & mine).sum())


def test_what_a_gallery_is_planned_with():
    config = validated(over_defaults({"equihash": {"databases": {"small": {"probes": 50, "gallery": {"rows": 3}}}}}))
    assert plan.gallery_params(config, "small") == {"probes": [1, 10], "rows": 3, "items": 6, "seed": 2021}
    (run,) = plan.gallery_runs(config, "small")
    assert ("gallery", run) in plan.asked(config) and run["variant"] != "untrained"
    assert not any(name == "gallery" and of["database"] != "small" for name, of in plan.asked(config))
    (entry,) = [entry for entry in WING.entries(config) if entry["name"] == "gallery"]
    words = f"network {run['model']}, {run['variant']}, seed {run['seed']}"
    assert entry["data"] == f"Database small, task digits, 20,000 items; {words}."
    small = config["equihash"]["databases"]["small"]
    small |= {"probed": 0}
    with pytest.raises(InputError, match=r"databases\.small: a gallery shows positive queries that are probed"):
        plan.retrieval_inputs(config, "digits", "small")
    small |= {"labels": "unknown"}
    with pytest.raises(InputError, match=r"databases\.small: labels are unknown, so that its items cannot be shown"):
        plan.retrieval_inputs(config, "digits", "small")
    with pytest.raises(InputError, match=r"small\.gallery\.models: unknown model 'shanon_hamming'"):
        validated(over_defaults({"equihash": {"databases": {"small": {"gallery": {"models": ["shanon_hamming"]}}}}}))
