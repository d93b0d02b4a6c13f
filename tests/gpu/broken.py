"""Checks that go well or wrong, by which the runner is tested."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from runner import Options


def passes(options: Options) -> dict[str, Any]:
    """Return a number."""
    return {"status": "passed", "number": 42}


def raises(options: Options) -> dict[str, Any]:
    """Raise an error."""
    raise ValueError("found 3, expected 4")


def crashes(options: Options) -> dict[str, Any]:
    """End as a fault in compiled code does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def hangs(options: Options) -> dict[str, Any]:
    """Wait for nothing."""
    time.sleep(600)
    return {}
