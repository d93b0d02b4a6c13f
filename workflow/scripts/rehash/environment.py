"""The environment that jobs get: nothing of the user's that would reach results, or stop a job over a trifle."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# They change the number of threads behind a job's back, or the instructions that sums are made with. (The numbers of
# threads themselves are set by Snakemake, and again by `rehash.training.set_reproducible`.)
_SUMS = (
    *("OMP_DYNAMIC", "OMP_THREAD_LIMIT", "MKL_DYNAMIC", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"),
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),
    *("NPY_DISABLE_CPU_FEATURES", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)
# A warning of a library would end a job; and some libraries need their docstrings.
_PYTHON = ("PYTHONWARNINGS", "PYTHONOPTIMIZE")
# Compiled functions would be interpreted, hundreds of times as slow, or checked as they run. Where numba keeps them is
# the user's business.
_COMPILERS, _KEPT = ("NUMBA_", "TRITON_INTERPRET"), "NUMBA_CACHE_DIR"


def settle(environ: MutableMapping[str, str], library: str) -> None:
    """Change an environment, in place, into the one for jobs.

    Variables that reach results are dropped, and `library`, the folder with this package, comes first on Python's path,
    before anything else of the same name. (What matplotlib takes from the environment: `rehash.figures.style`.)
    """
    compilers = [name for name in environ if name.startswith(_COMPILERS) and name != _KEPT]
    for name in (*_SUMS, *_PYTHON, *compilers):
        environ.pop(name, None)
    others = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", library)]
    environ["PYTHONPATH"] = os.pathsep.join([library, *others])
