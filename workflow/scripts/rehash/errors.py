"""Errors that say what is wrong, where, and what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Error of something from outside (a config, a file, a request) that is not as it has to be."""


def unknown(what: str, name: object, valid: Iterable[object], where: str) -> InputError:
    """Return an InputError for a name that is not one of `valid`; it suggests the nearest valid one, if any is near.

    >>> print(unknown("dataset", "mnits", ["mnist", "cifar10"], "config: datasets"))
    config: datasets: unknown dataset 'mnits'; did you mean 'mnist'? Valid: cifar10, mnist
    """
    names = sorted(str(v) for v in valid)
    nearest = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
    return InputError(f"{where}: unknown {what} '{name}'{hint} Valid: {', '.join(names) or 'none'}")
