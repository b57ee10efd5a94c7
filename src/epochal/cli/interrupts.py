"""Handling of Ctrl-C and termination signals.

They leave at once, with status 130 (143 after a termination signal). Where a file is being written, the
partial file is removed first. During training, the first one ends the training and keeps what it has learned.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from epochal.common.waiting import end_process

if TYPE_CHECKING:
    from epochal.training.loop import StopSignal

NOTHING_KEPT = "interrupted before anything was kept; the same command starts again."
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


_last = [int(signal.SIGINT)]  # the signal that came last


def status() -> int:
    """The exit status after an interruption, as shells have it: 130, or 143 if it was asked to terminate."""
    return 128 + _last[-1]


def note_signal(signal: int) -> None:
    """Note a signal that came to another process: it ends this one, too."""
    _last.append(signal)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> Any:
        _last.append(number)
        return handler(number, frame)

    try:
        before = {number: signal.signal(number, handle) for number in _SIGNALS}
    except ValueError:  # only the main thread has signals
        before = {}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


_announced = threading.Event()


def announce() -> None:
    """Note that the interruption was printed; another signal on the way out then prints nothing."""
    _announced.set()


def leaving() -> Any:
    """Within, a signal ends the process where it stands: there is nothing to tidy up."""
    _announced.clear()
    return _handling(
        lambda number, frame: end_process(128 + number, "" if _announced.is_set() else NOTHING_KEPT)
    )


def unwinding() -> Any:
    """Within, a signal raises KeyboardInterrupt, so that half-written files are removed."""
    return _handling(signal.default_int_handler)


@contextmanager
def stopping(stop_signal: StopSignal, has_results: Callable[[], bool]) -> Iterator[None]:
    """Within, the first signal sets `stop_signal` if it `has_results` to keep; the next one interrupts.

    One more, while that unwinds, ends the process where it stands, rather than cut off the unwinding halfway.
    """
    interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        again = stop_signal.stopped
        stop_signal.stop(number)
        if interrupted:
            end_process(128 + number, "interrupted.")
        if again or not has_results():
            interrupted = True
            raise KeyboardInterrupt

    with _handling(handle):
        yield
