"""The whole graph, for real: from digits to the report."""

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from graphs import ROOT, snakemake

KEYS = (
    "paper dataset study protocol depth layer_width sample_size l2 weight_decay batch_norm dropout activation "
    "augmentation patience label_noise instance_noise epoch repeat seed"
).split()
COLUMNS = (
    "redundancy_train redundancy_test kmeans_train kmeans_test kmeans_train_matched kmeans_test_matched knn lr "
    "accuracy_train accuracy_test loss_train loss_test"
).split()


STUDIES = (
    "capacity",
    "sample_size",
    "training_time",
    "regularisation",
    "label_noise",
    "instance_noise",
    "random_inputs",
)
NETWORKS = Path("results") / "hash_encoders" / "mnist5k" / "networks"


def check_claims(table: pd.DataFrame) -> None:
    """The paper's first claim, from the table alone: with width codes become unique, with training they categorize."""
    trained, untrained = table[table.epoch > 0], table[table.epoch == 0]
    narrow, wide = table.layer_width.min(), table.layer_width.max()
    assert trained[trained.layer_width == narrow].redundancy_train.min() > 0.5
    assert trained[trained.layer_width == wide].redundancy_train.max() < 0.05
    assert trained[trained.layer_width == wide].redundancy_test.max() < 0.05
    after, before = (part[part.layer_width == wide].knn for part in (trained, untrained))
    assert len(after) >= 3
    assert after.mean() - after.std() > before.mean() + before.std()


def test_the_study_table(built):
    table = pd.read_csv(built / "results" / "hash_encoders" / "mnist5k" / "capacity.csv")
    assert list(table) == [*KEYS, "lr_scheme", "code_bits", *COLUMNS] and set(table.lr_scheme) == {"one-vs-one"}
    assert len(table) == 2 * 2 * 2 * 3 * 2 and set(table.depth) == {1, 2} and not table.isna().any().any()
    assert (table.sample_size == 3200).all() and table[table.epoch > 0].epoch.le(12).all()
    metrics = [c for c in COLUMNS if not c.startswith("loss")]
    assert table[metrics].ge(0).all().all() and table[metrics].le(1).all().all()
    assert (table.kmeans_test_matched <= table.kmeans_test).all()
    for _, part in table[table.protocol == "scripts"].groupby("depth"):
        check_claims(part)


def test_redundancy_agrees_with_the_saved_networks(built):
    """The chain from networks to table, redone in numpy: forward pass, codes as rows, distinct rows."""
    import h5py
    from safetensors.numpy import load_file

    folder = built / NETWORKS / "capacity" / "scripts" / "depth=1" / "layer_width=100"
    table = pd.read_csv(folder / "properties.csv").query("epoch > 0").set_index("repeat")
    with h5py.File(built / "results" / "datasets" / "mnist5k.h5") as file:
        x = file["test/images"][:].reshape(1000, -1) / 255
        labels = file["test/labels"][:]
    t = {
        k.removeprefix("0/trained/hidden.0."): v.astype(float)
        for k, v in load_file(folder / "networks_3.safetensors").items()
    }
    for repeat in range(3):
        h = x @ t["weight"][repeat].T + t["bias"][repeat]
        h = (h - t["mean"][repeat]) / np.sqrt(t["variance"][repeat] + 1e-3) * t["scale"][repeat] + t["shift"][repeat]
        codes = {row.tobytes() for row in h > 0}
        assert table.redundancy_test[repeat] == pytest.approx(1 - len(codes) / 1000, abs=0.0015)
        logits = np.maximum(h, 0) @ t["0/trained/head.weight"][repeat].T + t["0/trained/head.bias"][repeat]
        assert table.accuracy_test[repeat] == pytest.approx(np.mean(logits.argmax(1) == labels), abs=0.0015)


def test_training_log_says_what_it_does(built):
    log = (built / NETWORKS / "sample_size/scripts/depth=1/layer_width=30/networks_2.train_mlps.log").read_text()
    assert "mnist5k sample_size scripts width 30: 2 of 2 cohorts done | finished" in log


def test_studies_vary_what_they_say(built):
    """Each study's table has every cell of its grid, each repeat, and the factors that were in force."""
    folder = built / "results" / "hash_encoders" / "mnist5k"
    table = {study: pd.read_csv(folder / f"{study}.csv") for study in STUDIES}
    assert all(set(table[study].study) == {study} for study in STUDIES)
    sizes = table["sample_size"].groupby(["layer_width", "sample_size"]).repeat.nunique()
    assert sizes.to_dict() == {(w, n): 2 for w in (3, 30) for n in (10, 300, 3200)}
    assert set(table["training_time"].epoch) == {0, 1, 4} and len(table["training_time"]) == 2 * 2 * 3 * 2
    grid = table["regularisation"].groupby(["dropout", "activation", "augmentation"]).repeat.nunique()
    assert len(grid) == 8 and (grid == 2).all()
    held = table["regularisation"][["l2", "weight_decay", "batch_norm", "patience"]].drop_duplicates()
    assert held.to_numpy().tolist() == [[0.001, 0.001, True, 3]]
    for noise in ("label_noise", "instance_noise"):
        assert set(table[noise][noise]) == {0, 1}
    inputs = table["random_inputs"].groupby("inputs").size()
    assert inputs.to_dict() == dict.fromkeys(("permuted", "test", "uniform", "uniform_negative"), 2 * 12)


def test_studies_agree_where_they_meet(built):
    """The same network in two studies: no noise, the whole sample, the protocol's own regularisers."""
    folder = built / "results" / "hash_encoders" / "mnist5k"
    table = {study: pd.read_csv(folder / f"{study}.csv").set_index("repeat") for study in STUDIES}
    columns = ["redundancy_train", "redundancy_test", "knn", "lr", "kmeans_test", "accuracy_test"]
    clean = [table[noise][table[noise][noise] == 0] for noise in ("label_noise", "instance_noise")]
    assert clean[0][columns].equals(clean[1][columns])
    place = ["layer_width", "sample_size", "epoch"]
    pictures = table["random_inputs"].query("inputs == 'test'").set_index(place, append=True)
    along = table["training_time"].set_index(place, append=True)
    assert (pictures.redundancy.sort_index() == along.redundancy_test.sort_index()).all()
    noisy = table["label_noise"][table["label_noise"].label_noise == 1]
    assert noisy.accuracy_test.max() < 0.3 < clean[0].accuracy_test.min(), "labels that say nothing teach nothing"


def test_phase_chart_and_regions_tables(built):
    folder = built / "results" / "hash_encoders" / "mnist5k"
    chart, study = pd.read_csv(folder / "phase_chart.csv"), pd.read_csv(folder / "sample_size.csv")
    point = chart.query("plane == 'sample_size' and layer_width == 30 and sample_size == 300").iloc[0]
    assert point.redundancy == pytest.approx(
        study.query("layer_width == 30 and sample_size == 300").redundancy_train.mean()
    )
    assert set(chart.query("plane == 'training_time'").epoch) == {0, 1, 4}
    assert set(chart.query("plane == 'depth'").depth) == {1, 2}
    both = chart.query("plane == 'sample_size_training_time'")
    assert set(both.sample_size) == {300, 3200} and set(both.epoch) == {0, 1, 4}
    lines = pd.read_csv(folder / "regions.csv")
    assert (lines.nearest_face > 0).all() and (lines.chord >= 2 * lines.nearest_face * (1 - 1e-9)).all()
    # 2 protocols, 2 depths, 2 moments and 3 repeats; 1 protocol, 2 epochs and 2 repeats; 3, 3 and 2 ways of 20 lines.
    assert lines.groupby("networks").size().to_dict() == {"capacity": 24 * 8 * 20, "training_time": 4 * 8 * 20}
    assert set(lines[lines.networks == "training_time"].epoch) == {0, 4}
    # A repeat is the same network before its training in both studies.
    before = lines[(lines.epoch == 0) & (lines.protocol == "scripts") & (lines.depth == 1) & (lines.repeat < 2)]
    of = [before[before.networks == study] for study in ("capacity", "training_time")]
    assert of[0].chord.tolist() == of[1].chord.tolist()
    page = (folder / "phase_chart.html").read_text()
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_published_values_are_context_here(built):
    table = pd.read_csv(built / "results" / "hash_encoders" / "mnist5k" / "published.csv")
    assert set(table.verdict) == {"context"} and set(table.published_dataset) == {"mnist"}
    assert (
        set(table.layer_width) == {3, 100}
        and set(table.depth) == {1}
        and {"knn", "lr", "kmeans_test"} <= set(table.metric)
    )


def test_figures_exist_and_are_not_empty(built):
    folder = built / "results" / "hash_encoders" / "mnist5k"
    for study in (*STUDIES, "depth", "phase_chart", "regions", "regions_time", "published"):
        picture = imread(folder / f"{study}.png")
        assert picture.shape[0] > 400 and picture.shape[1] > 1000 and picture.std() > 0.05, study
        assert (folder / f"{study}.pdf").read_bytes()[:5] == b"%PDF-"


def test_figure_draws_the_table(built):
    from rehash.hash_encoders.figures.capacity import plot_capacity

    table = pd.read_csv(built / "results" / "hash_encoders" / "mnist5k" / "capacity.csv")
    figure = plot_capacity(table)
    assert [axis.get_ylabel() for axis in figure.axes[:2]] == ["redundancy ratio", "accuracy (share of test inputs)"]
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}  # first row: protocol figures, depth 1
    chosen = table[(table.protocol == "figures") & (table.depth == 1) & (table.epoch > 0)]
    for label, metric in (("K-NN", "knn"), ("network", "accuracy_test"), ("logistic regression", "lr")):
        assert lines[label].get_xdata().tolist() == [3, 100]
        assert np.allclose(lines[label].get_ydata(), [chosen[chosen.layer_width == w][metric].mean() for w in (3, 100)])


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or pytest.skip("no Chromium on this machine and none could be installed (see make browser)")


CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --window-size=1400,2400 --virtual-time-budget=8000 --allow-file-access-from-files"
).split()
# What a reader does, and what is then to be seen.
PROBE = """
const shown = {}, $ = what => document.querySelector(what), all = what => [...document.querySelectorAll(what)];
shown.pictures = all("figure img").map(i => [i.naturalWidth, i.clientWidth, i.alt]);
shown.landmarks = ["header", "nav", "main", "footer"].map(name => all(name).length);
shown.unnamed = all("nav, section, dialog, [role=region]").filter(
  e => !e.ariaLabel && !document.getElementById(e.getAttribute("aria-labelledby"))).length;
shown.headings = all("h1, h2, h3").map(h => +h.tagName[1]);
shown.ink = [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor];
const table = $("table.numbers"), cells = () => [...table.tBodies[0].rows].map(row => row.cells[SORTED].innerText.trim());
if (table) {
  const button = table.tHead.rows[0].cells[SORTED].querySelector("button");
  table.closest("details").open = true;
  button.focus();
  shown.focused = document.activeElement === button;
  button.click();
  shown.up = cells();
  button.click();
  shown.down = cells();
  shown.sorted = table.tHead.rows[0].cells[SORTED].ariaSort;
}
const link = $("figure a"), dialog = $("dialog");
link.focus();
link.click();
shown.large = [dialog.open, dialog.querySelector("img").clientWidth, document.activeElement.innerText];
dialog.close();
shown.back = document.activeElement === link;
dispatchEvent(new Event("beforeprint"));
shown.printed = all("details").every(one => one.open);
dispatchEvent(new Event("afterprint"));
shown.folded = all("details").filter(one => !one.open).length;
document.body.setAttribute("data-shown", encodeURIComponent(JSON.stringify(shown)));
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> list[str]:
    """The command of a browser without a network."""
    words = [browser(), *CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        words = ["unshare", "-n", *words]  # no network device at all
    return words


def seen(chromium: list[str], page: Path, sorted_by: int = 1, *more: str) -> dict:
    """What `PROBE` finds on a page; `sorted_by` is a column of its first table."""
    probe = PROBE.replace("SORTED", str(sorted_by))
    script = f"<script>addEventListener('load', () => {{ {probe} }})</script></body>"
    # Beside the page, so that its links lead where they lead.
    copy = page.with_name(f"probe-{page.name}")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", script))
    try:
        words = [*chromium, *more, "--dump-dom", f"file://{copy}"]
        dom = subprocess.run(words, capture_output=True, text=True, timeout=120)
    finally:
        copy.unlink()
    found = re.search(r'data-shown="([^"]*)"', dom.stdout)
    assert found, dom.stderr
    return json.loads(unquote(found[1]))


@pytest.fixture(scope="module")
def report(built, tmp_path_factory) -> Path:
    """The report and its pages alone, without the files that they link to."""
    folder = tmp_path_factory.mktemp("sent")
    shutil.copy(built / "results" / "report.html", folder)
    shutil.copytree(built / "results" / "report", folder / "report")
    return folder


def test_the_report_in_a_browser_without_network(report, chromium, tmp_path):
    first, page = report / "report.html", report / "report" / "dataset-mnist5k.html"
    dark = "--blink-settings=preferredColorScheme=0"
    looks = {first: seen(chromium, first), page: seen(chromium, page, 1, dark)}
    for look in looks.values():
        pictures = [(natural, wide) for natural, wide, _ in look["pictures"] if wide]
        assert pictures and all(natural > 600 and shown > 350 for natural, shown in pictures), pictures
        assert look["landmarks"] == [1, 1, 1, 1] and look["unnamed"] == 0
        steps = zip(look["headings"], look["headings"][1:])
        assert look["headings"][0] == 1 and look["headings"].count(1) == 1 and all(b - a <= 1 for a, b in steps)
        opened, width, focused = look["large"]
        assert opened and width >= 1300 and focused == "Close" and look["back"], "large, and back to where one was"
        assert look["printed"] and look["folded"] > 5, "unfolded in print, folded on the screen"
    assert looks[first]["ink"] == ["rgb(28, 32, 37)", "rgb(255, 255, 255)"]
    assert looks[page]["ink"] == ["rgb(230, 232, 234)", "rgb(20, 23, 26)"], "in the dark"
    alts = [alt for _, _, alt in looks[first]["pictures"]]
    assert alts[1].startswith("Capacity on mnist5k. On mnist5k (protocol figures") and len(alts) == 1 + 4 * 3
    names = [str(digit) for digit in range(10)]
    assert looks[page]["focused"] and looks[page]["sorted"] == "descending"
    assert looks[page]["up"] == [*names, ""] and looks[page]["down"] == [*names[::-1], ""], "an empty cell stays last"
    numbers = seen(chromium, report / "report" / "database-small.html", 2)
    told = [float(cell.replace(",", "")) for cell in numbers["up"]]
    assert told == sorted(told) and [float(cell.replace(",", "")) for cell in numbers["down"]] == told[::-1]
    assert len(set(told)) > 1
    # The window of a desk's browser is never as narrow as a telephone's, but a frame can be.
    measure = (
        "const d = this.contentDocument.documentElement; document.body.dataset.widths += "
        "[this.contentWindow.innerWidth, d.clientWidth, d.scrollWidth].join(' ') + ';'"
    )
    frames = "".join(
        f'<iframe src="{path.relative_to(report)}" width="{width}" height="900" onload="{measure}"></iframe>'
        for path in looks for width in (1280, 390)
    )  # fmt: skip
    (report / "frames.html").write_text(f'<style>iframe {{ border: 0 }}</style><body data-widths="">{frames}')
    words = [*chromium, "--dump-dom", f"file://{report / 'frames.html'}"]
    dom = subprocess.run(words, capture_output=True, text=True, timeout=120).stdout
    widths = [list(map(int, of.split())) for of in re.search(r'data-widths="([^"]*);"', dom)[1].split(";")]
    assert sorted(inner for inner, _, _ in widths) == [390, 390, 1280, 1280]
    assert all(needed <= free for _, free, needed in widths), "nothing but images and tables is wider than the page"
    shot = tmp_path / "shot.png"
    subprocess.run([*chromium, f"--screenshot={shot}", f"file://{first}"], capture_output=True, timeout=120, check=True)
    assert len(np.unique(imread(shot).reshape(-1, imread(shot).shape[2]), axis=0)) > 100, "more than a blank page"


def test_report_reads_well(built):
    folder = built / "results"
    paths = [folder / "report.html", *sorted((folder / "report").glob("*.html"))]
    pages = {path.relative_to(folder).as_posix(): path.read_text() for path in paths}
    assert all(path.stat().st_size < 5e6 for path in paths)
    whole, first, text = "".join(pages.values()), pages["report.html"], pages["report/dataset-mnist5k.html"]
    assert not re.search(r"(src|href)=\"?https?:", whole) and "system-message" not in whole
    assert 'class="claim missing"' not in whole, "a figure, box or table could not be made"
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", whole))
    # The first page: a card and three main figures a work, and what stands beside published values.
    cards = re.findall(r'<article class="card">(.*?)</article>', first, re.DOTALL)
    assert len(cards) == 4 and first.count('<article class="work">') == 4 * 3
    assert all("<dd>" in card and 'class="verdict' in card for card in cards)
    known = {row[0]: row[1:] for row in re.findall(r'<th scope="row">(.*?)</th><td>([\d,]+)</td><td>(\d+)</td>', first)}
    published = pd.read_csv(folder / "hash_encoders" / "mnist5k" / "published.csv")
    kinds = published.metric.replace({"kmeans_test": "kmeans", "kmeans_train": "kmeans"})
    beside = len({*zip(published.study, kinds, published.layer_width, published.x)})
    assert known["Hash encoders"] == ("1,078", str(beside)) and known["Equihash"] == ("20", "0")
    capacity = text.split('id="hash_encoders-mnist5k-capacity"')[1].split("</section>")[0]
    claims = re.findall(r"<strong>(.*)\.</strong> Protocol (\w+)", capacity)
    assert sorted(p for _, p in claims) == ["figures"] * 4 + ["scripts"] * 4, "two of each depth"
    told = [verdict for verdict, protocol in claims if protocol == "scripts"]
    assert told[0] == told[2] == "Falls, beyond the spread" and told[3] == "Rises, beyond the spread"
    others = ("depth", "phase_chart", "layers", "regions", "regions_time", "published")
    assert text.count('<section id="hash_encoders-') == len(STUDIES) + len(others)
    # Of two benchmarks; the definition and transfer; held out, by width.
    assert whole.count('<section id="tgsh-') == 8 + 5 + 2 * 2 + 2
    # Views, fields; training and distances; diagnostics, a family; indexes; a gallery, checkpoints, the published rates.
    assert whole.count('<section id="equihash-') == 3 + 1 + 3 * 2 + 2 + 3 * 4 + 3
    for name, page in pages.items():
        for link in re.findall(r'href="([^"]+)"', page):
            path, _, anchor = unquote(link).partition("#")
            place = ((folder / name).parent / path).resolve() if path else folder / name
            assert place.is_file(), (name, link)
            assert not anchor or f' id="{anchor}"' in pages[place.relative_to(folder.resolve()).as_posix()], (
                name,
                link,
            )
    table = pd.read_csv(folder / "hash_encoders" / "mnist5k" / "capacity.csv")
    knn = table[(table.protocol == "scripts") & (table.layer_width == 100) & (table.epoch > 0) & (table.depth == 1)].knn
    assert f"{knn.mean():.3f} ± {knn.std():.3f}" in text
    knn = table[(table.protocol == "figures") & (table.layer_width == 100) & (table.epoch > 0) & (table.depth == 1)].knn
    assert f"names the class of {100 * knn.mean():.1f} ± {100 * knn.std():.1f}% of the test inputs" in first


def test_snakemakes_own_report(built, tmp_path):
    """All figures that the config asks for are in it, each as it is drawn, with its caption."""
    snakemake(built, "--report", tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        shown = {archive.read(name) for name in archive.namelist() if name.endswith(".png")}
        page = archive.read("report/report.html").decode()
    drawn = {path.read_bytes() for path in (built / "results").rglob("*.png") if path.with_suffix(".pdf").exists()}
    assert shown <= drawn and len(shown) > 60
    assert page.count("<strong>What to see.") >= len(shown)


def test_all_provenance_is_collected(built):
    """By the command of docs/trust.md."""
    snakemake(built, "provenance", "--forcerun", "collect_provenance", "--cores", 1)
    found = json.loads((built / "results" / "provenance.json").read_text())
    rules = {facts["rule"] for facts in found.values()}
    assert {"build_dataset", "train_mlps", "train_flynet", "train_hash", "evaluate_index", "collect_study"} <= rules
    assert all((built / "results" / name).exists() for name in found)
    assert {str(p.relative_to(built / "results")) for p in (built / "results").rglob("networks_*.json")} <= set(found)


def test_the_walkthroughs_python(built, monkeypatch):
    """As it stands; what it says of one digit, beside a loop over bits."""
    (code,) = re.findall("```python\n(.*?)```", (ROOT / "docs" / "walkthrough.md").read_text("utf-8"), flags=re.S)
    monkeypatch.chdir(built)
    found = {}
    exec(code, found)
    bits = [[f"{byte:08b}" for byte in row] for row in (found["code"], *found["codes"])]
    texts = ["".join(row) for row in bits]
    apart = [sum(a != b for a, b in zip(texts[0], text)) for text in texts[1:]]
    assert apart == found["distances"].tolist() and len(texts[0]) == 16 and found["label"] == 7
    assert found["redundancy"] == pytest.approx((len(texts) - 1 - len({*texts[1:]})) / (len(texts) - 1))
    assert found["nearest"].tolist() == [found["labels"][i] for i in np.argsort(apart, kind="stable")[:8]]


def test_second_run_does_nothing(built):
    assert "Nothing to be done" in snakemake(built, "all", "--cores", 1)


def test_a_mirror_of_rubbish_stops_the_graph_with_a_clear_error(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "train-images-idx3-ubyte.gz").write_bytes(b"<html>moved</html>")
    (tmp_path / "local.yaml").write_text(f"datasets: {{mnist: {{mirrors: ['{tmp_path / 'mirror'}']}}}}\n")
    target = "results/downloads/mnist/train-images-idx3-ubyte"
    output = snakemake(tmp_path, target, "--cores", 1, check=False, configs=[tmp_path / "local.yaml"])
    assert "train-images-idx3-ubyte: no mirror had it" in output and "not a gzip file" in output
    assert not Path(tmp_path / target).exists()


@pytest.mark.long
def test_the_demo_shows_the_claim(tmp_path):
    """Three widths of the default configuration's first study; `make demo` runs the others, too."""
    target = "results/hash_encoders/mnist5k/capacity.pdf"
    widths = tmp_path / "widths.yaml"
    widths.write_text("hash_encoders: {capacity: {mnist5k: {layer_widths: [3, 30, 100]}}}")
    snakemake(tmp_path, target, "--cores", 2, configs=[widths], timeout=1800)
    table = pd.read_csv(tmp_path / "results" / "hash_encoders" / "mnist5k" / "capacity.csv")
    assert table.groupby(["layer_width", "epoch"]).size().groupby("layer_width").sum().min() >= 6
    check_claims(table)


@pytest.mark.long
def test_the_whole_demo(tmp_path):
    """Every study of the default configuration, as `make demo` runs it."""
    snakemake(tmp_path, "all", "--cores", 2, configs=[], timeout=3600)
    folder = tmp_path / "results" / "hash_encoders" / "mnist5k"
    capacity = pd.read_csv(folder / "capacity.csv")
    assert capacity.layer_width.nunique() >= 8
    check_claims(capacity)
    assert set(pd.read_csv(folder / "phase_chart.csv").regime) >= {"under-expressive", "sufficiently-expressive"}
    sizes = pd.read_csv(folder / "sample_size.csv").query("layer_width == 100").groupby("sample_size").knn
    assert sizes.mean().is_monotonic_increasing, "more inputs, codes that categorize better"
    noise = pd.read_csv(folder / "label_noise.csv").groupby("label_noise").knn.mean()
    assert noise.is_monotonic_decreasing, "labels that say less, codes that categorize worse"
