"""Progress of slow reading."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_QUIET_SECONDS, _PLAIN_SECONDS = 1.0, 5.0
"""Nothing is printed before the first; in a pipe lines are so far apart."""


def reading_progress(quiet: bool) -> Callable[[str, int, int], None] | None:
    """What `load` tells how far it is: a live line on a terminal, a line now and then in a pipe."""
    if quiet:
        return None
    begin: dict[str, float] = {}
    printed: dict[str, float] = {}
    stream = sys.stderr

    def report(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        first = begin.setdefault(what, now)
        live, ended = stream.isatty(), done >= total
        if ended and live and what in printed:
            stream.write("\r\x1b[K")
        apart = 0.1 if live else _PLAIN_SECONDS
        if ended or now - first < _QUIET_SECONDS or now - printed.get(what, 0.0) < apart:
            return
        printed[what] = now
        stream.write(
            ("\r" if live else "") + _line(what, done, total, now - first) + ("\x1b[K" if live else "\n")
        )
        stream.flush()

    return report


def _line(what: str, done: int, total: int, seconds: float) -> str:
    """How far, how fast, and how long still.

    >>> _line("images read", 500, 2000, 10.0)
    '  500 of 2,000 images read · 50/s · 30 s left'
    """
    from epochal.common.durations import duration

    rate = done / seconds
    return f"  {done:,} of {total:,} {what} · {rate:,.0f}/s · {duration(round((total - done) / rate))} left"
