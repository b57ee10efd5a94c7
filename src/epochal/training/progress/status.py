"""The interface of displays, and the progress line that they make of events."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from epochal.common.text import duration
from epochal.training.events import Evaluated, Event, Progressed, RepeatEnded, RunStarted
from epochal.training.loop import StopSignal

RATE_SECONDS = 5.0
"""The window of the rate of updates, in seconds."""

_SHOWN = (
    ("train.loss", "training loss", "training", 0),
    ("validation.loss", "validation loss", "validation", 0),
    ("validation.accuracy", "accuracy", "accuracy", 3),
    ("validation.r2", "R²", "R²", 3),
)
"""Column, name, short name, and the order in which they are dropped from a short line."""


class Line(Protocol):
    """The progress of something."""

    @property
    def share(self) -> float | None:
        """The share done, in [0, 1]; None if unknown."""

    def fitted(self, room: int) -> str:
        """A line of at most `room` characters."""


class Display(Protocol):
    """The interface of displays."""

    def opening(self, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Show titled lines before the first update."""

    def show(self, line: Line) -> None:
        """Show the progress; called about ten times a second."""

    def note(self, words: str) -> None:
        """Show a permanent line."""

    def close(self, last: str = "") -> None:
        """Stop; `last` stays visible."""


def short_number(value: float) -> str:
    """A number in three digits, so that its width is constant; very small and large ones in two.

    >>> short_number(0.4), short_number(0.02174), short_number(12.5), short_number(5.95e-7)
    ('0.400', '0.0217', '12.5', '6.0e-7')
    """
    if value == 0 or 1e-3 <= abs(value) < 1000 or not math.isfinite(value):
        return f"{value:#.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def thousands(number: float) -> str:
    """A rate in short.

    >>> thousands(25925.0), thousands(312.0)
    ('26k', '312')
    """
    return f"{number / 1000:,.0f}k" if number >= 10_000 else f"{number:,.0f}"


class Rate:
    """Updates or trainings a second over the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Note how many are done by now."""
        self._recent.append((now, done))
        while len(self._recent) > 2 and now - self._recent[0][0] > self._seconds:
            self._recent.popleft()

    @property
    def per_second(self) -> float | None:
        """The rate; None where it is not known."""
        if len(self._recent) < 2:
            return None
        (begin, before), (now, done) = self._recent[0], self._recent[-1]
        return (done - before) / (now - begin) if done > before and now > begin else None


class Status:
    """Makes a progress line of events."""

    def __init__(self, stop_signal: StopSignal | None = None) -> None:
        self.stop_signal = stop_signal
        """For whether the training was asked to stop."""
        self.progress: Progressed | None = None
        self._last: dict[int, Evaluated] = {}
        self._over: set[int] = set()
        self._rate = Rate(RATE_SECONDS)
        self._begin = time.monotonic()
        self._repeats = self._epochs = 1

    def take(self, event: Event) -> None:
        """Process an event."""
        if isinstance(event, RunStarted):
            self._begin = time.monotonic()
            self._repeats, self._epochs = event.prepared.settings.repeats, event.prepared.plan.epochs
        elif isinstance(event, Evaluated):
            self._last[event.repeat] = event
        elif isinstance(event, RepeatEnded):
            self._over.add(event.repeat)
        elif isinstance(event, Progressed):
            self.progress = event
            self._rate.add(event.seconds, event.updates)

    @property
    def evaluated(self) -> bool:
        """Whether there was an evaluation."""
        return bool(self._last)

    @property
    def share(self) -> float | None:
        """The share of all updates done, at least; None before the first."""
        if self.progress is None or not self.progress.max_updates:
            return None
        return min(1.0, self.progress.updates / self.progress.max_updates)

    def fitted(self, room: int) -> str:
        """The line, of at most `room` characters if possible."""
        if self.stop_signal is not None and self.stop_signal.stopped:
            return "ending: what has been learned is kept; Ctrl-C again leaves at once"
        if self.progress is None:
            return f"compiling for {time.monotonic() - self._begin:.0f} s"
        tries = (self.line(long=True), *(self.line(long=False, without=n) for n in range(4)))
        return next((one for one in tries if len(one) <= room), tries[-1])

    def line(self, *, long: bool, without: int = 0) -> str:
        """Epoch, losses, rate and remaining time, `without` the least important ones."""
        parts = [(0, self._epoch(long)), *self._losses(long)] if self._last else []
        if self._repeats > 1:
            of, many = (" of ", " repeats") if long else ("/", "")
            parts.append((2, f"{len(self._over)}{of}{self._repeats}{many} done"))
        rate = self._rate.per_second
        if self.progress is not None and rate is not None:
            parts.append((1, f"{rate:,.0f} updates/s" if long else f"{thousands(rate)}/s"))
            left = self.progress.max_updates - self.progress.updates
            if left > 0:
                parts.append((0, f"{'at most ' if long else ''}{duration(round(left / rate))} left"))
        return " · ".join(text for rank, text in parts if rank <= 3 - without)

    def last_line(self) -> str:
        """The final line: epoch, losses and duration."""
        parts = [self._epoch(True), *(text for _, text in self._losses(True))] if self._last else []
        return " · ".join([*parts, duration(round(time.monotonic() - self._begin))])

    @property
    def _shown(self) -> list[Evaluated]:
        """The last evaluations of the repeats that still run, or of all where none does."""
        running = [one for repeat, one in self._last.items() if repeat not in self._over]
        return running or list(self._last.values())

    def _epoch(self, long: bool) -> str:
        epoch = sum(one.epoch for one in self._shown) / len(self._shown)
        return f"epoch {epoch:,.0f}{' of ' if long else '/'}{self._epochs:,}"

    def _losses(self, long: bool) -> list[tuple[int, str]]:
        found = []
        for name, label, short, rank in _SHOWN:
            values = [one.columns[name] for one in self._shown if name in one.columns]
            if values:
                found.append((rank, f"{label if long else short} {short_number(sum(values) / len(values))}"))
        return found
