"""Learned hashing: codes of networks, how unique they are, how well they group, and searches by them.

The functions that a program of one's own calls take arrays and need no Snakemake:

    codes, properties, regions, retrieval, entropy, index, and Index, pack, unpack, InputError

Each is imported when it is first used, so that `import rehash` costs nothing, and what needs no torch does not wait for
it. All other modules can be imported by their names; the workflow's scripts do so.
"""

from importlib import import_module

__version__ = "1.0.0"

# Where each public name is. (As texts: the digests of the workflow's scripts follow imports, and none needs these.)
_PUBLIC = {
    "codes": "rehash.api.codes",
    "properties": "rehash.api.properties",
    "regions": "rehash.api.regions",
    "retrieval": "rehash.api.retrieval",
    "entropy": "rehash.api.entropy",
    "index": "rehash.api.index",
    "Index": "rehash.equihash.index.lookup",
    "pack": "rehash.bits",
    "unpack": "rehash.bits",
    "InputError": "rehash.errors",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'rehash' has no attribute '{name}'; it has {', '.join(_PUBLIC)}")
    globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
