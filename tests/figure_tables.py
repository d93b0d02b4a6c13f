"""Made-up tables that the figures of equihash are drawn from, and readers of what was drawn."""

from collections.abc import Iterator
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from scipy import stats

from rehash.equihash.evaluation.retrieval import distance_statistics
from rehash.intervals import clopper_pearson

MODELS = ("shannon_hamming", "hash_net", "jmlh", "hash_net_shannon", "pairs_of_bits", "discrete")
BITS = 64
SMALL, SIZES = (("10mdb", 10_000),), (10**6, 10**7, 10**8, 10**9)
LAMBDAS = (0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
FPR, ICR = "false_positive_rate", "irrelevant_collision_rate"
PANELS = ("true_positive_rate", FPR, "recall", "jaccard", "perfect_retrieval_rate", ICR)
PUBLISHED = {
    "shannon_hamming": (0.48, 0.472, 0.433, 0.315),
    "shannon_hamming_groups": (0.467, 0.466, 0.458, 0.427),
    "hash_net_20": (0.267, 0.193, 0.113, 0.051),
    "hash_net_15": (0.287, 0.179, 0.083, 0.029),
    "hash_net_10": (0.118, 0.037, 0.01, 0.002),
}


# --- tables


def _runs(models: int | list[str], seeds: int, databases=(("10mdb", 10**7),)) -> Iterator[tuple[int, int, dict]]:
    """The model's number, the seed and the keys of each network on each database; models by their names or number."""
    for database, size in databases:
        for m, model in enumerate(MODELS[:models] if isinstance(models, int) else models):
            for seed in range(seeds):
                keys = {"task": "mnist", "model": model, "variant": "default", "seed": seed}
                yield m, seed, {**keys, "database": database, "database_size": size}


def _rate(metric: str, value, n: int, below: float = 0.02, above: float = 0.03) -> dict:
    return {"metric": metric, "value": value, "low": value - below, "high": value + above, "n": n}


def training(models: int = 3, seeds: int = 5, steps: int = 20) -> pd.DataFrame:
    """Curves that rise as training's do; precision has no value at first, where nothing is found."""
    i = np.arange(steps + 1)
    part, tables = 1 - np.exp(-i / 4), []
    for m, seed, keys in _runs(models, seeds):
        chance = np.random.default_rng([m, seed])
        for split in ("train", "valid"):
            most = 0.9 - 0.12 * m - 0.05 * (split == "valid")
            level = np.clip(most * part + 0.02 * chance.normal(size=len(i)), 0, 1)
            entropy = np.clip(0.4 + 0.58 * part + 0.01 * chance.normal(size=len(i)), 0, 1)
            found = {"recall_at_0": level**3, "recall_at_2": level**1.5, "distinct_codes": 0.2 + 0.7 * part - 0.03 * m}
            found |= {"precision_at_0": np.where(i < 3, np.nan, 0.99 - 0.05 * m * (1 - part))}
            found |= {"precision_at_2": np.where(i < 2, np.nan, 0.95 - 0.08 * m)}
            found |= {"entropy_worst_1": entropy, "entropy_worst_3": 3 * entropy**2}
            found |= {"same_distance_median": 20 * (1 - part) + m, "different_distance_median": 10 + 22 * part}
            tables.append(pd.DataFrame({**keys, "step": 5000 * i, "split": split, "pairs": 1000, **found}))
    return pd.concat(tables, ignore_index=True)


def diagnostics(models: int = 2, seeds: int = 1, steps: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each number rises by 1 a seed and falls with the step; the first model has two terms, others pairs of two kinds."""
    rows, bars, bits = [], [], np.arange(-BITS, BITS)
    for m, seed, keys in _runs(models, seeds):
        terms = {"gradient": ("hamming", "shannon") if m == 0 else ("pairs",)}
        terms["pair_gradient"] = ("same",) if m == 0 else ("same", "different")
        for i in range(1, steps + 1):
            about, value = {**keys, "step": 1000 * i}, 1 + seed + m + 6 / i
            for quantity in ("clipped", "largest_gradient", "saturated", "largest_logit"):
                for statistic, share in (("mean", 0.5), ("most", 1.0)):
                    found = value * share * (quantity != "clipped")
                    rows.append({**about, "quantity": quantity, "of": "all", "statistic": statistic, "value": found})
            for quantity, of in terms.items():
                for place, term in enumerate(of):
                    for statistic, share in (
                        ("least", 0.0),
                        ("q05", 0.4),
                        ("median", 1.0),
                        ("q95", 2.0),
                        ("most", 9.0),
                    ):
                        found = value * share * 10**-place
                        rows.append({**about, "quantity": quantity, "of": term, "statistic": statistic, "value": found})
            for kind in terms["pair_gradient"]:
                counts = np.random.default_rng([m, seed, i]).binomial(2 * BITS, 0.8 if kind == "same" else 0.5, 200)
                about |= {"split": "train", "quantity": "agreement", "pairs_of": kind}
                low, many = np.unique(bits[np.minimum(counts, 2 * BITS - 1)], return_counts=True)
                bars.append(pd.DataFrame({**about, "low": low, "high": low + 1, "count": many}))
    return pd.DataFrame(rows), pd.concat(bars, ignore_index=True)


def checkpoints(models: int = 2, seeds: int = 1, steps=(0, 1000, 5000)) -> pd.DataFrame:
    """Metrics of two sizes of a database that rise with the step; the first model has no false positive at the end."""
    rows = []
    for size in (10**6, 10**7):
        for m, seed, keys in _runs(models, seeds, [("10mdb", size)]):
            for place, step in enumerate(steps):
                last = place == len(steps) - 1
                variant = "default" if last else f"step={step}"
                about = {**keys, "variant": variant, "step": step}
                recall = 0.1 + 0.2 * place - 0.05 * m + 0.01 * seed**2
                rows += [{**about, **_rate(metric, recall, 10_000)} for metric in ("recall", "perfect_retrieval_rate")]
                rate = 10.0 ** (-2 - place) * (1 + seed) * (m > 0 or not last)
                rows += [{**about, **_rate(metric, rate, 9_000, rate / 2, rate + 2e-6)} for metric in (FPR, ICR)]
                rows.append({**about, **_rate("recall_at_0", 0.5, 2000)})
    return pd.DataFrame(rows)


@cache
def distances(models: int = 3, seeds: int = 3, pairs: int = 20_000) -> tuple[pd.DataFrame, ...]:
    """Histograms, rates and statistics of trained and untrained networks; the first has no fallout."""
    bars, rates, bits = [], [], np.arange(BITS + 1)
    for m, seed, keys in _runs(models, seeds):
        for variant, near, p in (("default", 0.5 + 0.07 * m, 0.5), ("untrained", 0.88, 0.4)):
            chance, about = np.random.default_rng([m, seed, len(variant)]), {**keys, "variant": variant}
            same = near**bits / (near**bits).sum()
            different = 0.002 * m * same + (1 - 0.002 * m) * stats.binom.pmf(bits, BITS, p)
            for kind, metric, shares in (("same", "recall", same), ("different", "fallout", different)):
                counts = chance.multinomial(pairs, shares / shares.sum())
                bars.append(pd.DataFrame({**about, "pairs_of": kind, "distance": bits, "count": counts, "bits": BITS}))
                for r, hits in enumerate(counts.cumsum()[:4].tolist()):
                    rate = dict(zip(("low", "high"), clopper_pearson(hits, pairs)), value=hits / pairs, n=pairs)
                    rates.append({**about, "metric": f"{metric}_at_{r}", **rate})
    histogram = pd.concat(bars, ignore_index=True)
    return histogram, pd.DataFrame(rates), distance_statistics(histogram)


def family(
    values=LAMBDAS, seeds: int = 5, models: int = 1, sizes=(10**7,), parameter="entropy_weight", zero_above: int = 99
) -> pd.DataFrame:
    """Recall falls and collisions fall as a value rises; there is no collision from the place `zero_above` on."""
    rows = []
    for m, seed, keys in _runs(models, seeds, [("10mdb", size) for size in sizes]):
        for place, value in enumerate(values):
            chance, part = np.random.default_rng([m, place, seed]), place / max(1, len(values) - 1)
            icr = 10 ** (-4 - 5 * part + 0.2 * chance.normal() + m) * (place < zero_above)
            recall = 0.6 - 0.3 * part**2 + 0.02 * chance.normal() - 0.1 * m
            keys |= {"family": "lambda", "variant": f"v{place}", "parameter": parameter, "parameter_value": value}
            rows += [{**keys, **_rate(ICR, icr, 10**6, icr / 2, icr + 1e-10)}]
            shares = {"recall": recall, "perfect_retrieval_rate": 0.9 * recall}
            rows += [{**keys, **_rate(metric, share, 10**6, 0.001, 0.001)} for metric, share in shares.items()]
    return pd.DataFrame(rows)


def buckets(models: int = 2, seeds: int = 1, databases=SMALL) -> pd.DataFrame:
    """Most buckets are small, sizes 1 to 5 follow each other, some stand alone; and the labels' expected numbers."""
    rows = []
    for m, seed, keys in _runs(models, seeds, databases):
        counts = {b: keys["database_size"] // (10 ** (b - 1) * (m + 1)) + 7 * seed for b in range(1, 6)}
        counts |= {9: 2 + seed, 40 + seed: 1}
        rows += [{**keys, "bucket_size": b, "buckets": n} for b, n in counts.items()]
    for _, _, keys in _runs(["labels"], 1, databases):
        keys |= {"variant": "expected", "seed": np.nan}
        expected = {1: keys["database_size"] / 4, 2: keys["database_size"] / 8, 3: 7.25, 4: 0.5, 5: 0.499}
        rows += [{**keys, "bucket_size": b, "buckets": n} for b, n in expected.items()]
    return pd.DataFrame(rows)


def query_buckets(models: int = 2, seeds: int = 1, databases=SMALL) -> pd.DataFrame:
    """Of 1,000 positive queries most retrieve nothing, some one or a few items, right or wrong; one of them 1,234."""
    rows = []
    for m, seed, keys in _runs(models, seeds, databases):
        found = {("missed", 0): 600 - 10 * seed, ("found", 1): 200 + 10 * seed, ("missed", 1): 100 - 20 * m}
        found |= {
            ("found", 2): 40,
            ("found", 9): 59 + 20 * m,
            ("missed", 1234): 1,
            ("negative", 0): 90,
            ("negative", 3): 10,
        }
        rows += [{**keys, "asked": kind, "retrieved": n, "queries": count} for (kind, n), count in found.items()]
    return pd.DataFrame(rows)


def probes(models: int = 2, seeds: int = 1, databases=SMALL, most: int = 1000) -> pd.DataFrame:
    """Recall that rises and precision that falls, and has no value for the second model's first two probes."""
    t, tables = np.arange(1, most + 1), []
    for m, seed, keys in _runs(models, seeds, databases):
        found = {"recall": (0.4 - 0.05 * m + 0.02 * seed**2) * t**0.1}
        found["precision"] = np.where((t < 3) & (m == 1), np.nan, 0.9 - 0.1 * np.log10(t) - 0.03 * seed**2)
        tables += [pd.DataFrame({**keys, "probes": t, **_rate(*metric, 500)}) for metric in found.items()]
    return pd.concat(tables, ignore_index=True)


def retrieval(models: int = 5, sizes=SIZES, seeds: int = 1, zero_below: float = 0) -> pd.DataFrame:
    """Shares that fall with the size, small rates that grow; no false positive in databases below `zero_below`."""
    rows = []
    for m, seed, keys in _runs(models, seeds):
        chance = np.random.default_rng([m, seed])
        for s, size in enumerate(sizes):
            n = dict.fromkeys(PANELS, 10_000) | {FPR: 9_000}
            found = [_rate(metric, 0.8 - 0.1 * m - 0.05 * s + 0.01 * chance.normal(), n[metric]) for metric in PANELS]
            for rate in found:
                if rate["metric"] in (FPR, ICR):
                    value = 10 ** (m + s - 9 + chance.normal() / 5) * (size >= zero_below)
                    rate |= {"value": value, "low": value / 2, "high": 3 * value or 2e-6}
            found.append(_rate("internal_collisions", float(chance.integers(2000, 9000)), size, 40, 50))
            for r in range(2):
                found.append(_rate(f"recall_at_{r}", 0.5 + r / 10 + s / 100, 2000))
                found.append(_rate(f"fallout_at_{r}", 0.0, 2000, 0.0, 0.0018))
            rows += [{**keys, "database_size": size, **rate} for rate in found]
    return pd.DataFrame(rows)


def published(ours: int = 0, seeds: int = 1, digits: int = 0) -> pd.DataFrame:
    """The README's rates, beside `ours` of the same models and `digits` of other ones."""
    rows = []
    for place, (model, rates) in enumerate(PUBLISHED.items()):
        for size, rate in zip(SIZES, rates):
            theirs = {"task": "natural", "database_size": size, "published": rate}
            for _, seed, keys in _runs([model], seeds if place < ours else 0, [("natural_1b", size)]):
                value, status = rate + 0.01 * (seed + 1) ** 2 * (place + 1), "outside" if seed else "inside"
                rows.append({**keys, **theirs, **_rate("", value, 10**6), "status": status})
            if place >= ours:
                rows.append({**theirs, "model": model, "status": "not run"})
    for m, seed, keys in _runs(digits, seeds, [("small", 20_000)]):
        rate = _rate("", 0.6 - 0.1 * m + 0.02 * seed**2, 2000)
        rows.append({**keys, "task": "digits", **rate, "status": "no published value"})
    columns = "task database model variant seed database_size published value low high n status why".split()
    return pd.DataFrame(rows).reindex(columns=columns)


def only(table: pd.DataFrame, **values) -> pd.DataFrame:
    """The rows that have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def with_variant(table: pd.DataFrame) -> pd.DataFrame:
    """The table, and its first model once more as another variant."""
    return pd.concat([table, only(table, model=MODELS[0], variant="default").assign(variant="lambda=1")])


def by_t(values, *, geometric: bool = False) -> tuple[float, float]:
    """Student's 95% interval, by scipy; of the geometric mean, that of the logarithms."""
    if geometric:
        return tuple(np.exp(by_t(np.log(values))))
    return stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))


# --- what was drawn


def lines_of(panel, **properties) -> list:
    """Lines of a panel that have these properties (by the names of their getters)."""
    wanted = {f"get_{name}": value for name, value in properties.items()}
    return [line for line in panel.lines if all(getattr(line, get)() == value for get, value in wanted.items())]


def joined(panel) -> list:
    """Lines that join their points."""
    return [line for line in panel.lines if line.get_linestyle() != "None"]


def marks(panel, marker: str) -> list:
    """What was drawn with this marker and without a line, if it has points."""
    return [line for line in lines_of(panel, marker=marker, linestyle="None") if len(line.get_xdata())]


def points(line) -> dict[float, float]:
    """The points of a line that are there."""
    x, y = (np.asarray(values, float) for values in line.get_data())
    return dict(zip(x[~np.isnan(y)].tolist(), y[~np.isnan(y)].tolist()))


def bars(panel) -> list[tuple[float, tuple[float, float]]]:
    """Where the vertical bars of a panel stand, and their ends."""
    collections = [collection for collection in panel.collections if isinstance(collection, LineCollection)]
    segments = [segment for collection in collections for segment in collection.get_segments() if len(segment) == 2]
    found = [(round(float(x), 9), tuple(sorted((y, end)))) for (x, y), (_, end) in segments if abs(end - y) > 0]
    return sorted(found)


def ends_of_bars(panel) -> list[tuple[float, float]]:
    """The ends of all vertical bars of a panel."""
    return sorted(ends for _, ends in bars(panel))


def band(collection) -> dict[float, tuple[float, float]]:
    """Ends of a band, by where they are."""
    corners = np.concatenate([path.vertices for path in collection.get_paths()])
    return {x: (corners[corners[:, 0] == x, 1].min(), corners[corners[:, 0] == x, 1].max()) for x in set(corners[:, 0])}


def words(labels) -> list[str]:
    """The texts of some labels, or of a figure's legend."""
    texts = labels.legends[0].get_texts() if isinstance(labels, plt.Figure) else labels
    return [text.get_text() for text in texts]
