"""Waits that Ctrl-C can end: the main thread never blocks inside a device call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

PATIENCE_SECONDS = 2.0
"""How long a process interrupted twice waits for device calls, which usually take a tenth of a second."""

Result = TypeVar("Result")


def interruptible(call: Callable[[], Result]) -> Result:
    """`call()`; if called from the main thread, it runs in another one.

    >>> interruptible(lambda: 1 + 1)
    2
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    found: Future[Result] = Future()

    def run() -> None:
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True, name="epochal-device").start()
    return found.result()


def ended(threads: Iterable[threading.Thread], seconds: float | None = None) -> bool:
    """Whether all threads have ended, within that many seconds."""
    until = None if seconds is None else time.monotonic() + seconds
    threads = list(threads)
    for thread in threads:
        thread.join(None if until is None else max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
