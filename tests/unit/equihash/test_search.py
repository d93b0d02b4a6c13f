"""A search: the nearest of all items, images of any kind as views, what cannot be asked, and a page that stands alone."""

import json
import re
import shutil
import subprocess
import tracemalloc
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from rehash.bits import pack
from rehash.config import over_defaults, validated
from rehash.equihash import asked, search
from rehash.equihash.databases.labels import labels as labels_of
from rehash.equihash.databases.queries import Queries
from rehash.equihash.images.task import Task
from rehash.equihash.index import nearest as module
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.nearest import nearest
from rehash.errors import InputError
from rehash.resources import template
from small_index import build, merge, random_codes

KEYS = {"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "d"}
GREY = Task.of({"kind": "noisy", "grid": [1, 2], "picture": [20, 10]})
COLOUR = Task.of({"kind": "warped", "grid": [1, 1], "picture": [20, 30]})


# ---------------------------------------------------------------------------------------------------------------------
# The nearest of all


@pytest.mark.parametrize("width, partitions, block", [(8, 3, 2**16), (2, 1, 7), (3, 2, 100), (16, 2, 33)])
def test_the_nearest_of_all_items(tmp_path, monkeypatch, width, partitions, block):
    monkeypatch.setattr(module, "_BITS", block * 8 * width)
    rng, n_bits = np.random.default_rng(width), 8 * width
    codes = random_codes(400, width)
    codes[300:] = codes[:100]
    index = Index.open(build(tmp_path, codes, 2, partitions))
    logits = rng.normal(size=(4, n_bits)).astype(np.float32)
    logits[0] = np.where(np.unpackbits(codes[5]), 1, -1) * np.abs(logits[0])
    for count in (1, 10, 1000):
        for query, found in zip(logits, nearest(index, logits, count)):
            apart = np.unpackbits(codes, axis=1).astype(bool) ^ (query > 0)
            distances, costs = apart.sum(1), (apart * np.abs(query.astype(np.float64))).sum(1)
            order = sorted(range(400), key=lambda item: (distances[item], costs[item], item))[:count]
            assert found.ids.tolist() == order and found.distances.tolist() == distances[order].tolist()
            assert np.allclose(found.costs, costs[order]) and (found.codes == codes[order]).all()
            assert found.counts.tolist() == np.bincount(distances, minlength=n_bits + 1).tolist()
    assert nearest(index, logits, 1)[0].ids.tolist() == [5], "of two items with one fingerprint the first"
    with pytest.raises(InputError, match=rf"logits of queries are \(4, {n_bits - 1}\); expected \(n, {n_bits}\)"):
        nearest(index, logits[:, 1:], 1)


def test_all_items_are_compared_in_little_memory(tmp_path):
    """A bucket that holds everything is no exception."""
    index = Index.open(build(tmp_path, np.zeros((10**6, 8), np.uint8), 1, 1))
    tracemalloc.start()
    (found,) = nearest(index, np.ones((1, 64)), 5)
    assert tracemalloc.get_traced_memory()[1] < 1.2e8
    tracemalloc.stop()
    assert found.ids.tolist() == [0, 1, 2, 3, 4] and found.counts[64] == 10**6


# ---------------------------------------------------------------------------------------------------------------------
# Images as views


def squares(height: int, width: int) -> np.ndarray:
    """An image in colour whose quarters differ."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 30, 30)
    image[: height // 2, width // 2 :] = (30, 200, 30)
    image[height // 2 :, : width // 2] = (30, 30, 200)
    return image


def test_a_view_is_shown_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    view, notes = search.as_view(tmp_path / "a.png", GREY)
    assert (view == pixels).all() and notes == ["20 x 20 pixels"]


@pytest.mark.parametrize("task, shape", [(GREY, (20, 20)), (COLOUR, (20, 30, 3))])
def test_images_of_any_size_are_cropped_scaled_and_said_so(tmp_path, task, shape):
    wide = squares(200, 500)
    Image.fromarray(wide).save(tmp_path / "a.png")
    view, notes = search.as_view(tmp_path / "a.png", task)
    assert view.shape == shape and view.dtype == np.uint8
    side = 200 * shape[1] // shape[0]
    middle = wide[:, (500 - side) // 2 : (500 + side) // 2]
    middle = middle if task is COLOUR else np.asarray(Image.fromarray(middle).convert("L"))
    for rows in (slice(2, 8), slice(12, 18)):  # within the quarters all pixels of a crop are alike
        for columns in (slice(2, shape[1] // 2 - 2), slice(shape[1] // 2 + 2, -2)):
            y, x = 10 * rows.start, 10 * (columns.start or 0)
            assert (np.abs(view[rows, columns].astype(int) - middle[y, x].astype(int)) <= 1).all()
    assert notes[0] == "500 x 200 pixels" and f"scaled to {shape[1]} x {shape[0]}" in notes[-1]
    assert any("converted to grey" in note for note in notes) == (task is GREY)


def test_images_are_read_as_a_person_sees_them(tmp_path):
    image, exif = Image.fromarray(squares(20, 20)), Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    upright, notes = search.as_view(tmp_path / "turned.png", GREY)
    assert (upright == np.asarray(image.rotate(-90).convert("L"))).all()
    assert notes[1] == "turned upright, as its orientation tag says"
    exif[0x0112] = 1
    image.save(tmp_path / "upright.jpg", exif=exif)
    assert not any("turned" in note for note in search.as_view(tmp_path / "upright.jpg", GREY)[1])
    clear = image.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    view, notes = search.as_view(tmp_path / "clear.png", GREY)
    assert (view == 255).all() and any("laid over white" in note for note in notes)
    deep = np.arange(400, dtype=np.uint16).reshape(20, 20) * 100
    Image.fromarray(deep).save(tmp_path / "deep.png")
    view, notes = search.as_view(tmp_path / "deep.png", GREY)
    assert (view == np.rint(deep * (255 / 39900))).all() and any("0 ... 39900" in note for note in notes)
    grey, _ = search.as_view(tmp_path / "deep.png", COLOUR)
    assert grey.shape == (20, 30, 3) and (grey == grey[..., :1]).all()


def test_images_that_cannot_be_read_are_named(tmp_path):
    Image.fromarray(squares(200, 200)).save(tmp_path / "a.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:700])
    Image.fromarray(np.full((20, 20), 500, np.uint16)).save(tmp_path / "flat.png")
    for name, message in [("cut.jpg", r"cut\.jpg: damaged JPEG"), ("flat.png", r"flat\.png: every pixel is 500")]:
        with pytest.raises(InputError, match=message):
            search.as_view(tmp_path / name, GREY)


@pytest.mark.parametrize("task", [GREY, COLOUR])
def test_a_network_is_shown_an_image_as_it_is_shown_views(tmp_path, task):
    """Bytes in three channels, or floats on [0, 1] in one."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, task.shape[2], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    seen = []

    def network(views: torch.Tensor) -> torch.Tensor:
        seen.append(views)
        return torch.tensor([[0.5, -1.0]])

    encoder = SimpleNamespace(mosaics=SimpleNamespace(task=task, device=torch.device("cpu")), network=network)
    query = search._of_image(encoder, tmp_path / "a.png", {"name": "a.png"})
    (views,) = seen
    assert views.shape == (1, *task.shape) and views.dtype == task.dtype and query.logits.tolist() == [0.5, -1]
    if task is COLOUR:
        assert (views[0].permute(1, 2, 0).numpy() == pixels).all() and (query.view == pixels).all()
    else:
        grey = np.asarray(Image.fromarray(pixels).convert("L"))
        assert np.allclose(views[0, 0].numpy(), grey / 255, atol=1e-7) and (query.view == grey).all()


# ---------------------------------------------------------------------------------------------------------------------
# What is asked


@cache
def default() -> dict:
    return validated(over_defaults({}))


def config_of(query) -> dict:
    return {**default(), "query": query}


def test_what_is_asked(tmp_path, monkeypatch):
    """Seen from where the user stands; else from the working folder."""
    stands, works = tmp_path / "stands", tmp_path / "works"
    for folder in (stands / "more" / "deep", works):
        folder.mkdir(parents=True)
    for path in ("stands/a.png", "works/a.png", "works/b.png", "stands/more/c.png", "stands/more/deep/d.png"):
        Image.fromarray(squares(4, 4)).save(tmp_path / path)
    (stands / "more" / "text.txt").write_text("no image")
    monkeypatch.chdir(works)

    def found(query):
        return asked.queries(config_of(query), "small", str(stands))

    assert found("a.png") == [{"kind": "image", "name": "a.png", "path": str(stands / "a.png")}]
    assert found("b.png")[0]["path"] == str(works / "b.png") and found(str(works / "a.png"))[0]["name"] == "a.png"
    assert [query["name"] for query in found("more")] == ["c.png", "deep/d.png"]
    both = [{"kind": "item", "number": 19999}, {"kind": "positive", "number": 7}, {"kind": "negative", "number": 0}]
    assert found(["item:19999", "positive:7", "negative:0"]) == both
    params = asked.search_params(config_of(["more", "item:3"]), "small", str(stands))
    assert [set(query) for query in params["asked"]] == [{"kind", "name", "content"}] * 2 + [{"kind", "number"}]
    assert asked.search_place(config_of(["more", "item:3"]), "small", str(stands)) == [
        str(stands / "more" / "c.png"), str(stands / "more" / "deep" / "d.png")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query, message",
    [
        (None, "query: there is none; say what to search for: --config query=photo.jpg"),
        ([], "query: there is none"),
        ("c.png", r"query: c\.png does not exist, seen from \S+stands or \S+; say what"),
        ("text.txt", r"query: text\.txt is not an image that can be read here; expected a PNG, JPEG"),
        ("empty.png", r"query: empty\.png is empty"),
        ("void", "query: void: a folder without images"),
        ("item:20000", "query: item:20000: the database small has the items 0 to 19,999"),
        ("positive:500", "query: positive:500: the database small has the positive queries 0 to 499"),
        ("item:x", "query: item:x: expected a whole number from 0, as in item:7"),
        ("item:-1", "query: item:-1: expected a whole number from 0"),
        (["item:1"] * 51, "query: a page shows at most 50 queries, and these are more"),
    ],
)
def test_what_cannot_be_asked(tmp_path, query, message):
    stands = tmp_path / "stands"
    (stands / "void").mkdir(parents=True)
    (stands / "text.txt").write_text("text")
    (stands / "empty.png").touch()
    with pytest.raises(InputError, match=message):
        asked.queries(config_of(query), "small", str(stands))


def test_synthetic_fingerprints_cannot_be_searched():
    run = {"task": "digits", "model": "shannon_hamming", "variant": "synthetic", "seed": "1", "database": "small"}
    with pytest.raises(InputError, match="is synthetic, so it has no network that could be shown an image"):
        asked.search_inputs(config_of("item:1"), **run, stands=".")


# ---------------------------------------------------------------------------------------------------------------------
# The page


@pytest.fixture(scope="module")
def found(small, tmp_path_factory):
    """A folder with the page and table of a search for an image, an item, and queries."""
    folder = tmp_path_factory.mktemp("search")
    Image.fromarray(squares(60, 90)).save(folder / "<photo>.png")
    queries = [{"kind": "image", "name": "<photo>.png", "content": ""}, {"kind": "item", "number": 77}]
    queries += [{"kind": "positive", "number": 3}, {"kind": "negative", "number": 5}]
    files = (small.weights[0], small.bank, None, merge(folder, small.shards, 2), small.labels, small.queries)
    outputs = {"page": folder / "search.html", "table": folder / "search.csv"}
    how = {"shown": small.shown, "compute": small.compute, "keys": KEYS, "nearest_items": 9, "probes": 40}
    page = template("search.html.j2")
    search.search_index(*files, [str(folder / "<photo>.png")], page, outputs, asked=queries, **how)
    before = outputs["page"].read_bytes()
    search.search_index(*files, [str(folder / "<photo>.png")], page, outputs, asked=queries, **how)
    assert outputs["page"].read_bytes() == before
    return folder


def test_a_search_finds_what_is_nearest(small, found):
    table = pd.read_csv(found / "search.csv")
    assert list(table)[:7] == [*KEYS, "query", "name"] and table.groupby("query").size().tolist() == [9] * 4
    labels = labels_of(small.database, np.arange(1500))
    items = small.logits(small.mosaics.items(labels, 0, seed=5, name="d", kind="database")).numpy() > 0
    wanted = labels[77:78]
    image = np.asarray(Image.open(found / "<photo>.png").convert("L").crop((15, 0, 75, 60)).resize((20, 20), 2))
    asked_views = [
        torch.from_numpy(image.copy()).float().div(255)[None, None],
        small.mosaics.items(wanted, 77, seed=5, name="d", kind="database"),
    ]
    for number, view in enumerate(asked_views, start=1):
        logits = small.logits(view)[0].numpy()
        distances = (items ^ (logits > 0)).sum(1)
        rows = table[table["query"] == number]
        assert rows.distance.tolist() == sorted(distances)[:9] == distances[rows.item].tolist()
        assert rows.label.tolist() == labels[rows.item].tolist()
        flips = (np.arange(256)[:, None] >> np.arange(8)[::-1] & 1).astype(bool)
        order = np.argsort(flips @ np.abs(logits.astype(float)), kind="stable").tolist()
        for row in rows.itertuples():
            rank = order.index(int(np.flatnonzero((flips == (items[row.item] ^ (logits > 0))).all(1))[0])) + 1
            assert row.probe == rank if rank <= 40 else np.isnan(row.probe)
    assert table[table["query"] == 1].same_label.isna().all()
    mine = table[table["query"] == 2]
    assert (mine.same_label.astype(bool) == (mine.label == wanted[0])).all() and 0 in mine.distance.tolist()
    assert not table[table["query"] == 4].same_label.astype(bool).any(), "no item has the label of a negative query"
    label = Queries.read(small.queries).positive[1500][0][3]
    count = (labels == label).sum()
    said = f"{count} items have its label" if count > 1 else "1 item has its label"
    assert (
        f"a query of the database: a new view of its label; {said}. Its label is {label}."
        in (found / "search.html").read_text()
    )


def test_a_search_in_another_networks_index_is_refused(small, tmp_path):
    files = (small.weights[1], small.bank, None, merge(tmp_path, small.shards, 1), small.labels, None, [])
    outputs = {"page": tmp_path / "search.html", "table": tmp_path / "search.csv"}
    how = {"shown": small.shown, "compute": small.compute, "keys": KEYS, "nearest_items": 9, "probes": 40}
    with pytest.raises(InputError, match=r"partition_0\.h5: is of model \w+; expected model \w+, as the network and"):
        search.search_index(*files, template(), outputs, asked=[{"kind": "item", "number": 1}], **how)
    assert not outputs["page"].exists() and not outputs["table"].exists()


def test_the_page_in_a_browser_without_network(found, tmp_path):
    """No request, no word cut off on a telephone, every picture there and named, and every item within reach of a key."""
    text = (found / "search.html").read_text()
    assert not re.search(r"https?:|src=\"(?!data:)|<script|url\(", text) and "&lt;photo&gt;.png" in text
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    words = [browser or pytest.skip("no Chromium on this machine (see make browser)")]
    words += "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()
    words += ["--allow-file-access-from-files", "--virtual-time-budget=4000", f"--user-data-dir={tmp_path / 'profile'}"]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        words = ["unshare", "-n", *words]
    (tmp_path / "page.html").write_text(text)
    told = (
        "JSON.stringify({inner: this.contentWindow.innerWidth, free: d.clientWidth, needed: d.scrollWidth, "
        "pictures: [...doc.images].map(i => [i.naturalWidth, i.clientWidth, i.alt]), "
        "keys: [...doc.querySelectorAll('li[tabindex=\\'0\\'], nav a')].length, "
        "cut: [...doc.querySelectorAll('.told, p, h1, h2')].filter(e => e.scrollWidth > e.clientWidth + 1).length})"
    )
    load = f"const doc = this.contentDocument, d = doc.documentElement; document.body.setAttribute('data-told', {told})"
    for width in (1280, 390):
        frame = f'<body><iframe src="page.html" width="{width}" height="900" frameborder="0" onload="{load}"></iframe>'
        (tmp_path / "frame.html").write_text(frame)
        dom = subprocess.run(
            [*words, "--dump-dom", f"file://{tmp_path / 'frame.html'}"], capture_output=True, text=True, timeout=120
        )
        found_there = re.search(r'data-told="([^"]*)"', dom.stdout)
        assert found_there, dom.stderr
        facts = json.loads(found_there[1].replace("&quot;", '"').replace("&amp;", "&"))
        assert facts["inner"] == width and facts["needed"] <= facts["free"] and facts["cut"] == 0
        assert len(facts["pictures"]) == facts["keys"] == 4 * 10, (
            "a picture of each query and item; a link or stop of each"
        )
        assert all(natural == 20 and shown >= 90 and alt for natural, shown, alt in facts["pictures"])


def test_codes_are_packed_as_the_index_has_them(small, found):
    page = (found / "search.html").read_text()
    view = small.mosaics.items(labels_of(small.database, np.arange(77, 78)), 77, seed=5, name="d", kind="database")
    assert f"<code>{pack(small.logits(view).numpy() > 0).tobytes().hex(' ', 2)}</code>" in page
