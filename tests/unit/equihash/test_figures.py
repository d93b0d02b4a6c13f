"""What holds for each figure of the wing: its layout, its legend, its file and its caption."""

from itertools import pairwise

import matplotlib.pyplot as plt
import pytest

from figure_tables import (
    SIZES,
    buckets,
    checkpoints,
    diagnostics,
    distances,
    family,
    probes,
    published,
    query_buckets,
    retrieval,
    training,
    with_variant,
    words,
)
from graphs import ROOT
from rehash.equihash.figures.checkpoints import plot_checkpoints
from rehash.equihash.figures.diagnostics import plot_diagnostics
from rehash.equihash.figures.distances import plot_distances
from rehash.equihash.figures.family import plot_family
from rehash.equihash.figures.index import plot_bucket_sizes, plot_probes
from rehash.equihash.figures.query_buckets import plot_query_buckets
from rehash.equihash.figures.retrieval import plot_published, plot_retrieval
from rehash.equihash.figures.training import plot_training
from rehash.figures.style import save_figure
from rehash.report.markup import html_from_rst

CAPTIONS = sorted((ROOT / "workflow" / "report").glob("equihash_*.rst"))
FOUR = tuple(("10mdb", size) for size in SIZES)
DRAWN = {
    "training": lambda: plot_training(training(6, 3, steps=6)),
    "training of one": lambda: plot_training(training(1, 1, steps=0)),
    "diagnostics": lambda: plot_diagnostics(*diagnostics(5, 3)),
    "diagnostics of one": lambda: plot_diagnostics(*diagnostics(1, 1, 1)),
    "checkpoints": lambda: plot_checkpoints(checkpoints(4, 3)),
    "checkpoints of one": lambda: plot_checkpoints(checkpoints(1, 1, (0, 7))),
    "distances": lambda: plot_distances(*distances(6, 2, 300)),
    "distances of one": lambda: plot_distances(*distances(1, 1, 300)),
    "family": lambda: plot_family(family(models=2, zero_above=8)),
    "family of one": lambda: plot_family(family([0.01], seeds=1, zero_above=0)),
    "buckets": lambda: plot_bucket_sizes(buckets(5, 3, FOUR)),
    "buckets of one": lambda: plot_bucket_sizes(buckets(1)),
    "query buckets": lambda: plot_query_buckets(query_buckets(5, 3, FOUR)),
    "query buckets of one": lambda: plot_query_buckets(query_buckets(1)),
    "probes": lambda: plot_probes(probes(5, 1, FOUR)),
    "probes of one": lambda: plot_probes(probes(1)),
    "retrieval": lambda: plot_retrieval(retrieval(seeds=3, zero_below=10**7)),
    "retrieval of one size": lambda: plot_retrieval(retrieval(1, (20_000,), zero_below=10**9)),
    "published": lambda: plot_published(published(ours=5, digits=3)),
    "published, long names": lambda: plot_published(published(digits=1).replace({"model": r"$"}, "_" * 40, regex=True)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_panels_have_room_and_all_is_named(name):
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    title = figure.get_suptitle()
    assert title.startswith(("task mnist", "perfect retrieval")) and "nan" not in title
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1
    for panel in figure.axes:
        if not panel.get_visible():
            continue
        assert panel.get_xlabel() and panel.get_ylabel() and (panel.get_title() or "published" in name)
        box, label = panel.get_window_extent(), panel.yaxis.label.get_window_extent()
        assert box.width > 150 and box.y0 - 15 < label.y0 and label.y1 < box.y1 + 15
        texts = sorted(text.get_window_extent().extents.tolist() for text in panel.get_xticklabels() if text.get_text())
        assert all(left[2] < right[0] for left, right in pairwise(texts))


@pytest.mark.parametrize(
    ("plot", "table", "ending"),
    [(plot_training, training(2, 1, 2), ""), (plot_bucket_sizes, buckets(), ""), (plot_probes, probes(most=9), ""),
     (plot_retrieval, retrieval(2), ""), (plot_published, published(digits=2), ", digits")],
)  # fmt: skip
def test_variants_are_named_where_a_model_has_several(plot, table, ending):
    names = [f"{name}{ending}" for name in ("shannon_hamming, default", "hash_net", "shannon_hamming, lambda=1")]
    found = words(plot(with_variant(table)))
    assert found[found.index(names[0]) :][:3] == names


def test_a_figure_is_written(tmp_path):
    save_figure(plot_family(family(zero_above=2)), tmp_path / "f.png")
    assert plt.imread(tmp_path / "f.png").shape[1] > 700


@pytest.mark.parametrize("name", ["buckets", "published"])
def test_a_figure_is_written_the_same_twice(tmp_path, name):
    for path in (tmp_path / "a.pdf", tmp_path / "b.pdf"):
        save_figure(DRAWN[name](), path)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_captions_are_sound(caption):
    page = html_from_rst(caption.read_text())
    assert "What to see" in page and "Against the published" in page
