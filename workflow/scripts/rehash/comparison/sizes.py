"""Memory and run time that the comparison's jobs ask for, from the size of their work."""

from __future__ import annotations

from rehash.comparison.kinds import is_real, kind_of
from rehash.comparison.plan import bits_of, retrieval_config, source_config
from rehash.graph import Size, minutes

_BASE_MB = 1500  # Python, torch and scikit-learn


def fitting_mb(size: Size, attempt: int) -> int:
    """Return the memory to fit a baseline: all samples, also as float32, and some squares of the inputs."""
    square = 8 * size.inputs**2 / 1e6
    projected = 4 * size.train * min(size.inputs, 512) / 1e6
    features = 4 * size.mb / size.number_bytes  # float32
    return int((_BASE_MB + size.mb + features + 6 * square + 2 * projected) * attempt)


def fitting_minutes(size: Size, attempt: int) -> int:
    """Return a generous run time limit: an eigendecomposition of the inputs' covariance, and 50 rotations a length."""
    products = 4 * size.train * size.inputs**2 + 30 * size.inputs**3
    return minutes(products / 5e9 / 60 + size.train / 5e3, attempt)


def encoding_mb(config: dict, dataset: str, source: str, size: Size, attempt: int) -> int:
    """Return the memory to encode: all samples, the codes of one encoder, and what a network holds for a batch."""
    block = source_config(config, source)
    numbers = size.inputs if kind_of(block).real else 4096
    codes = (size.train + size.test) * (4 * numbers if is_real(block) else 32) / 1e6
    return int((2 * _BASE_MB + 3 * size.mb + 2 * codes) * attempt)


def encoding_minutes(config: dict, dataset: str, source: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit: 10 ms an input, encoder and thread for a network, 1 ms for anything else."""
    block = source_config(config, source)
    count = kind_of(block).repeats(config, dataset, block) * len(bits_of(config, dataset, source))
    each = 0.01 if block["kind"] in ("layer", "equihash") else 0.001
    return minutes((size.train + size.test) * count * each / 60, attempt)


def measuring_mb(config: dict, dataset: str, source: str, input_mb: float, attempt: int) -> int:
    """Return the memory to measure retrieval: the codes, blocks of distances, and each query's values and resamples."""
    resamples = retrieval_config(config, dataset)["resamples"]
    return int((_BASE_MB + 4 * input_mb + 16 * resamples / 1000 * 80) * attempt)


def measuring_minutes(config: dict, dataset: str, source: str, attempt: int) -> int:
    """Return a generous run time limit: three minutes an encoder, ten of real numbers."""
    block = source_config(config, source)
    count = kind_of(block).repeats(config, dataset, block) * len(bits_of(config, dataset, source))
    return minutes((10 if is_real(block) else 3) * count, attempt)
