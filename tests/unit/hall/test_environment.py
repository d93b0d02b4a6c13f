"""What the user has set up for other purposes reaches no result: not matplotlib's settings, nor locale, nor variables."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphs import ROOT
from rehash.digest import SCRIPTS
from rehash.environment import settle
from rehash.store import write_csv
from toys import capacity_table

# Draws figures, writes tables, makes a section of the report and takes digests of code; prints a checksum of each.
WORK = """
import os, sys
from rehash.config import load_schema
from rehash.digest import SCRIPTS, code_digest
from rehash.figures.drawing import draw_figure
from rehash.graph import digest_of
from rehash.hash_encoders.registry import WING
from rehash.report.sections import section
from rehash.store import file_digest, read_csv, value_digest, write_csv

os.chdir(sys.argv[1])
figure = WING.figures["capacity"]
stem = "results/hash_encoders/d/capacity"
table = read_csv("table.csv")
write_csv(table, f"{stem}.csv")
outputs = {kind: f"{stem}.{kind}" for kind in ("pdf", "png")}
draw_figure([f"{stem}.csv"], outputs, draw=figure.draw, page="", settings={"kmeans": "test"})
entry = {
    "wing": "hash_encoders", "name": "capacity", "of": "d", "title": "capacity", "stem": stem, "tables": [f"{stem}.csv"],
    "provenance": f"{stem}.json", "files": {}, "summary": figure.summary, "claims": figure.claims,
    "headline": figure.headline, "published": figure.published, "page": "results/report/dataset-d.html",
}
made = section(entry, SCRIPTS.parent / "report" / "phase_chart.rst")
assert not made["missing"], made["missing"]
for name in sorted(outputs):
    print(name, file_digest(outputs[name]))
print("csv", file_digest(f"{stem}.csv"))
print("section", value_digest({key: str(value) for key, value in made.items()}))
print("schema", value_digest(load_schema()))
print("code", *map(code_digest, ("build_dataset", "collect_baselines", "write_report")))
print("figure", digest_of("draw_figure", "rehash.tgsh.figures.labels:task_words")(None))
"""
SETTINGS = "text.usetex: True\nfont.size: 40\naxes.facecolor: red\naxes.formatter.use_locale: True\nsavefig.dpi: 20\n"


def checksums(folder: Path, **variables: str) -> dict[str, str]:
    """What `WORK` prints, run from a folder in an environment of its own."""
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    write_csv(capacity_table(), folder / "table.csv")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "PYTHONPATH": str(SCRIPTS), **variables}
    done = subprocess.run(
        [sys.executable, "work.py", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        preexec_fn=lambda: os.umask(0o077 if "TMPDIR" in variables else 0o022),
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.slow
def test_a_hostile_environment_changes_no_byte(tmp_path):
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    for folder in (plain, hostile):
        folder.mkdir()
    (hostile / "matplotlibrc").write_bytes(b"# gr\xf6\xdfer\n" + SETTINGS.encode())  # of the working folder, Latin-1
    (hostile / "mine").mkdir()
    (hostile / "mine" / "matplotlibrc").write_text(SETTINGS, encoding="utf-8")
    found = checksums(
        hostile,
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        MATPLOTLIBRC=str(hostile / "mine" / "matplotlibrc"),
        MPLCONFIGDIR=str(hostile / "mine"),
        HOME="/proc/nobody",
        TMPDIR="/nowhere",
        # A locale whose encoding is ASCII, and Python kept from taking UTF-8 in its place.
        LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii",
        PYTHONHASHSEED="7",
        PYTHONWARNINGS="error",
        PYTHONDONTWRITEBYTECODE="1",
        OMP_NUM_THREADS="3", OMP_DYNAMIC="true", OPENBLAS_NUM_THREADS="3", NUMEXPR_NUM_THREADS="3",
        SOURCE_DATE_EPOCH="0", TZ="Asia/Tokyo",
    )  # fmt: skip
    assert len(found) == 7 and found == checksums(plain)


def test_a_users_settings_do_not_reach_a_matplotlib_that_is_there_already(tmp_path):
    """In a notebook somebody may have imported and styled it."""
    code = (
        "import matplotlib; matplotlib.rcParams['font.size'] = 40; matplotlib.rcParams['text.usetex'] = True\n"
        "import rehash.hash_encoders.figures.capacity\n"
        "print(matplotlib.rcParams['font.size'], matplotlib.rcParams['text.usetex'], matplotlib.get_backend())"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
    assert done.stdout.split() == ["9.0", "False", "Agg"], done.stderr


def test_the_style_comes_before_any_matplotlib():
    """Whatever imports matplotlib lies in a package that imports the style first."""
    for path in sorted((SCRIPTS / "rehash").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "import matplotlib" in text or "from matplotlib" in text:
            assert path.parent.name == "figures", path
            home = (path.parent / "__init__.py").read_text(encoding="utf-8")
            own = path.parent == SCRIPTS / "rehash" / "figures"
            assert own or "from rehash.figures import style" in home, path


def test_jobs_get_nothing_that_changes_sums_or_stops_them():
    environment = {
        "OMP_DYNAMIC": "true", "OMP_THREAD_LIMIT": "1", "MKL_CBWR": "COMPATIBLE", "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2", "PYTHONPATH": f"/foreign{os.pathsep}/lib{os.pathsep}", "HOME": "/h", "LC_ALL": "C",
        "NUMBA_DISABLE_JIT": "1", "NUMBA_BOUNDSCHECK": "1", "TRITON_INTERPRET": "1", "NUMBA_CACHE_DIR": "/n",
    }  # fmt: skip
    for _ in range(2):  # Snakemake's jobs read the rules once more
        settle(environment, "/lib")
        kept = {"PYTHONPATH": f"/lib{os.pathsep}/foreign", "HOME": "/h", "LC_ALL": "C", "NUMBA_CACHE_DIR": "/n"}
        assert environment == kept
    empty = {}
    settle(empty, "/lib")
    assert empty == {"PYTHONPATH": "/lib"}, "an empty part would be the working folder"


# ---------------------------------------------------------------------------------------------------------------------
# Text files

FILES = [*sorted(SCRIPTS.rglob("*.py")), *sorted((ROOT / "docs").glob("*.py"))]


def without_encoding(path: Path) -> list[int]:
    """Lines that read or write text in the locale's encoding; ruff sees them only where it knows the type."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {word.arg: word.value for word in node.keywords}
        mode = next((a.value for a in node.args[1:2] if isinstance(a, ast.Constant)), "r")
        text = (
            name in ("read_text", "write_text")
            or (isinstance(node.func, ast.Name) and name == "open" and "b" not in mode)
            or getattr(given.get("text"), "value", False) is True
            or (name == "basicConfig" and "filename" in given)
        )
        if text and "encoding" not in given:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_text_files_have_an_encoding(path):
    assert not without_encoding(path)


def test_what_snakemake_reads_in_the_locales_encoding_is_ascii():
    rules = [*ROOT.glob("Snakefile"), *(ROOT / "workflow").glob("Snakefile"), *ROOT.glob("workflow/rules/*.smk")]
    for path in [*rules, *SCRIPTS.glob("*.py")]:
        assert path.read_bytes().isascii(), path
