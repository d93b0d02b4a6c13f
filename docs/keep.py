"""Keep full-scale results under docs/results, with the provenance of everything they were made from.

python docs/keep.py RESULTS hash_encoders DATASET STUDY [NAME]    keeps DATASET_STUDY.csv and .json, or NAME_STUDY, in
    which networks of other protocols, depths and widths stay as they were kept before; draws published_DATASET.png anew
python docs/keep.py RESULTS layers DATASET [NAME]                 keeps DATASET_layers.csv and .json, or NAME_layers
python docs/keep.py RESULTS comparison DATASET [NAME]             keeps DATASET_retrieval.csv (the metrics that the
    documentation shows), _encoding_time.csv, _published_retrieval.csv and .json, or NAME_...
python docs/keep.py RESULTS tgsh DATASET BENCHMARK                keeps tgsh_BENCHMARK_*.csv (of all pairs of tasks four
    digits after the point) and tgsh_BENCHMARK.json
python docs/keep.py RESULTS equihash DATABASE                     keeps equihash_DATABASE.csv, the metrics of known
    fingerprints beside their predictions, or of other models by themselves and by number of probes, and .json
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "docs")]
from tables_comparison import KEPT as METRICS  # noqa: E402
from tables_reproduction import main_protocol  # noqa: E402

from rehash.figures.style import save_figure  # noqa: E402
from rehash.hash_encoders.figures.published import plot_published  # noqa: E402
from rehash.provenance import json_files  # noqa: E402
from rehash.store import write_csv  # noqa: E402

KEPT = Path(__file__).parent / "results"
PROBES = (1, 10, 100, 1000)
TGSH = (
    "training",
    "accuracy",
    "task_similarity",
    "task_correlation",
    "recovery",
    "codes",
    "generated",
    "manifolds",
    "sign_bits",
    "transfer",
    "transfer_correlation",
    "forward",
    "forward_curve",
    "one_shot",
    "published",
    "published_similarity",
    "baselines",
    "baseline_costs",
)


def hash_encoders(results: Path, dataset: str, study: str, kept: str = "") -> tuple[str, dict[str, Path], list[Path]]:
    """Name; kept name -> table; provenance of a study, its cohorts and its dataset."""
    folder, name = results / "hash_encoders" / dataset, f"{kept or dataset}_{study}"
    made_by = [folder / f"{study}.json", *json_files(folder / "networks" / study)]
    return name, {name: folder / f"{study}.csv"}, made_by


def beside_earlier(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows of a study's table, and those kept in `path` of the cohorts (protocol, depth, width) that it has not."""
    if not path.exists():
        return table
    before, cohort = pd.read_csv(path), ["protocol", "depth", "layer_width"]
    others = before[~before.set_index(cohort).index.isin(table.set_index(cohort).index)]
    return pd.concat([others, table], ignore_index=True).sort_values(cohort, kind="stable")


def layers(results: Path, dataset: str, kept: str = "") -> tuple[str, dict[str, Path], list[Path]]:
    """Name; kept name -> table; provenance of networks' layers."""
    folder, name = results / "hash_encoders" / dataset, f"{kept or dataset}_layers"
    return name, {name: folder / "layers.csv"}, [folder / "layers.json", *json_files(folder / "models")]


def comparison(results: Path, dataset: str, kept: str = "") -> tuple[str, dict[str, Path], list[Path]]:
    """Name; kept name -> table; provenance of a comparison of sources of codes, and of each source's codes."""
    folder, name = results / "comparison" / dataset, kept or dataset
    tables = {"retrieval": "retrieval", "encoding_time": "encoding_time", "published_retrieval": "published"}
    made_by = json_files(folder)
    return (
        f"{name}_retrieval",
        {f"{name}_{kept}": folder / f"{own}.csv" for kept, own in tables.items() if (folder / f"{own}.csv").exists()},
        made_by,
    )


def tgsh(results: Path, dataset: str, benchmark: str) -> tuple[str, dict[str, Path], list[Path]]:
    """Name; kept name -> table; provenance of a benchmark."""
    folder, name = results / "tgsh" / dataset / benchmark, f"tgsh_{benchmark}"
    tables = {f"{name}_{table}": folder / f"{table}.csv" for table in TGSH}
    return name, {kept: path for kept, path in tables.items() if path.exists()}, sorted(folder.glob("*.json"))


def equihash(results: Path, database: str) -> tuple[str, dict[str, Path], list[Path]]:
    """Name; kept name -> table; provenance of a database, its images, and the fingerprints of its models."""
    wing, name = results / "equihash", f"equihash_{database}"
    folder = wing / "databases" / database
    folders = [folder, *sorted((wing / "models").glob(f"*/*/*/*/{database}"))]
    made_by = sorted([*(results / "datasets").glob("*.json"), *(wing / "banks").glob("*.json")])
    made_by += [path for folder in folders for path in json_files(folder)]
    if len(pd.read_csv(folder / "predicted.csv")):
        return name, {name: folder / "predicted.csv"}, made_by
    return name, {name: folder / "retrieval.csv", f"{name}_probes": folder / "probes.csv"}, made_by


if __name__ == "__main__":
    results, dataset = Path(sys.argv[1]), sys.argv[3]
    keepers = {"hash_encoders": hash_encoders, "layers": layers, "comparison": comparison, "tgsh": tgsh}
    keepers["equihash"] = equihash
    name, tables, made_by = keepers[sys.argv[2]](results, *sys.argv[3:])
    # Of a study, and of a benchmark, what is not made again stays, and its provenance with it.
    earlier = KEPT / f"{name}.json"
    stays = sys.argv[2] in ("hash_encoders", "tgsh") and earlier.exists()
    provenance = json.loads(earlier.read_text(encoding="utf-8")) if stays else {}
    for kept, path in tables.items():
        if path.name == "retrieval.csv" and sys.argv[2] == "comparison":
            table = pd.read_csv(path)
            write_csv(table[table.metric.isin(METRICS)], KEPT / f"{kept}.csv")
        elif path.name == "probes.csv":
            table = pd.read_csv(path)
            write_csv(table[table.probes.isin(PROBES)], KEPT / f"{kept}.csv")
        elif path.name in ("transfer.csv", "task_similarity.csv"):  # a row for each pair of tasks and network
            table = pd.read_csv(path).drop(columns=["dataset", "benchmark"])  # the same in each row
            write_csv(table.round(4), KEPT / f"{kept}.csv")
        elif sys.argv[2] == "hash_encoders":
            write_csv(beside_earlier(pd.read_csv(path), KEPT / f"{kept}.csv"), KEPT / f"{kept}.csv")
        else:
            shutil.copy(path, KEPT / f"{kept}.csv")
    if sys.argv[2] != "equihash":
        made_by = [results / "datasets" / f"{dataset}.json", *made_by]
    provenance |= {str(path.relative_to(results)): json.loads(path.read_text(encoding="utf-8")) for path in made_by}
    (KEPT / f"{name}.json").write_text(json.dumps(provenance, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if sys.argv[2] == "hash_encoders":
        save_figure(plot_published(main_protocol(dataset)), KEPT.parent / f"published_{dataset}.png")
