"""Code that may crash, in a process of its own."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")


def isolated(items: Callable[..., Iterable[T]], *arguments: Any) -> Iterator[T]:
    """What `items(*arguments)` gives, made in a process of its own, which ends with this iterator or its process.

    Libraries in C can be made to crash by a damaged file. There that is an error; here it would be the end of the job.
    The process is a fork: Snakemake's scripts cannot be imported a second time without doing their work again.

    Args:
        items: a function whose items can be pickled; it must not use a GPU or threads of this process.

    Raises:
        RuntimeError: the process died. Else what `items` raises.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(receiver, sender, items, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            item, error, more = receiver.recv()
            if error is not None:
                raise error
            if not more:
                return
            yield item
    except EOFError:
        process.join()
        code = process.exitcode
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        raise RuntimeError(f"the process that read it died of {how}") from None
    finally:
        receiver.close()
        process.kill()
        process.join()


def _send(receiver: Connection, sender: Connection, items: Callable[..., Iterable[T]], arguments: tuple) -> None:
    receiver.close()  # else this process would hold it open and never see that nobody reads any more
    faulthandler.disable()  # a crash is told by who reads
    with contextlib.suppress(BrokenPipeError):
        try:
            for item in items(*arguments):
                sender.send((item, None, True))
            sender.send((None, None, False))
        except BrokenPipeError:
            raise
        except Exception as error:
            sender.send((None, error, False))
