"""Waits that Ctrl-C can end: neither the main thread nor the end of the process waits for a device call."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn, TypeVar

from epochal.common.option_text import render_message

INTERRUPT_TIMEOUT = 2.0
"""How long a process interrupted twice waits for device calls, which usually take a tenth of a second."""

Result = TypeVar("Result")


def interruptible(call: Callable[[], Result]) -> Result:
    """`call()`; if called from the main thread, it runs in another one.

    >>> interruptible(lambda: 1 + 1)
    2
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    from concurrent.futures import Future  # late: the command line imports this module first

    found: Future[Result] = Future()

    def run() -> None:
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True, name="epochal-device").start()
    return found.result()


def join_all(threads: Iterable[threading.Thread], seconds: float | None = None) -> bool:
    """Wait for the threads, at most that many seconds altogether; whether all have ended."""
    until = None if seconds is None else time.monotonic() + seconds
    threads = list(threads)
    for thread in threads:
        thread.join(None if until is None else max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def end_process(status: int, sentence: str = "") -> NoReturn:
    """End the process now: no compilation or training in another thread is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    if sentence:
        with suppress(OSError):
            after = "\n" if status > 128 and sys.stderr.isatty() else ""  # the terminal has shown ^C
            os.write(2, f"{after}epochal: {render_message(sentence)}\n".encode())
    os._exit(status)
