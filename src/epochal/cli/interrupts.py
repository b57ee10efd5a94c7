"""What do Ctrl-C and a termination signal do?

Everywhere: leave with status 130. While a network trains: the first one ends the training and keeps what it
has learned; the second one leaves at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, Protocol

__all__ = ["Stoppable", "leave", "stopping", "terminate_as_interrupt"]


class Stoppable(Protocol):
    """What can be asked to end, such as `training.Control`."""

    def stop(self) -> None:
        """Ask it to end."""

    @property
    def stopped(self) -> bool:
        """Whether it was asked."""


class _Worth(Protocol):
    def __call__(self) -> bool:
        """Whether anything has been learned that is worth keeping."""


def terminate_as_interrupt() -> None:
    """Let SIGTERM do what Ctrl-C does."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def stopping(control: Stoppable, worth: _Worth) -> Iterator[None]:
    """Within, the first signal stops `control` if there is anything to keep; the next one interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        if control.stopped or not worth():
            control.stop()
            raise KeyboardInterrupt
        control.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(status: int) -> NoReturn:
    """End the process now: no compilation or training in another thread is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
