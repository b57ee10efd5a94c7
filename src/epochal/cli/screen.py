"""What does a person see while a network trains?

On a terminal one live line: epoch, losses, rate and remaining time. In a pipe a plain line now and then.
"""

from __future__ import annotations

import io
import math
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from epochal.events import Evaluated, Event, Noted, Progressed, RepeatEnded, Resumed, RunStarted, Unsaved
from epochal.layout import folded
from epochal.printable import printable

if TYPE_CHECKING:
    from epochal.cli.interrupts import Stoppable
    from epochal.prepared import Prepared

__all__ = ["PLAIN_SECONDS", "Screen", "duration", "plain_console", "section"]

PLAIN_SECONDS = 2.0
"""Time between two lines in a pipe."""

RATE_SECONDS = 5.0
"""The time over which the rate of updates is measured."""


class _Console(Console):
    """A console that falls silent when nobody reads it any more, such as after `| head`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Segments whose text can't steer the terminal; the console's own control codes are no text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def plain_console(to_stderr: bool) -> Console:
    """A console that prints text as it is; 80 columns wide where it is no terminal."""
    stream = sys.stderr if to_stderr else sys.stdout
    terminal = stream.isatty()
    if isinstance(stream, io.TextIOWrapper):  # a sign that an encoding lacks is no reason to fail
        stream.reconfigure(errors="replace")
    return _Console(
        stderr=to_stderr, highlight=False, emoji=False, markup=False, width=None if terminal else 80
    )


def section(
    console: Console, title: str, lines: Iterable[str], width: int, *, fold: bool = True, apart: bool = True
) -> None:
    """Print lines under a title, folded to the width unless they are to stay whole.

    An empty line sets it `apart` from what stands before.
    """
    text = folded(lines, width) if fold else "\n".join(f"  {line}".rstrip() for line in lines)
    if apart:
        console.print()
    console.print(Text(title, style="bold"))
    console.print(Text(text), soft_wrap=True)


class Screen:
    """Shows events; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self.quiet = quiet
        self.console = plain_console(to_stderr)
        self._live: Live | None = None
        self._control: Stoppable | None = None
        self._last: dict[int, Evaluated] = {}
        self._progress: Progressed | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._ended = 0
        self._begin = time.monotonic()
        self._said = 0.0
        self._repeats = self._epochs = 1

    def anything_learned(self) -> bool:
        """Whether an update has been heard of."""
        return self._progress is not None and self._progress.updates > 0

    @contextmanager
    def watching(self, control: Stoppable) -> Iterator[None]:
        """Show the live line within; `control` says when the training was asked to end."""
        self._control = control
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with Live(
            console=self.console, refresh_per_second=8, transient=True, get_renderable=self._render
        ) as self._live:
            yield

    def show(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            if not self.quiet:
                self._start(event.prepared)
        elif isinstance(event, Evaluated):
            self._last[event.repeat] = event
        elif isinstance(event, RepeatEnded):
            self._ended += 1
        elif isinstance(event, Progressed):
            self._take(event)
        elif isinstance(event, Resumed) and not self.quiet:
            section(self.console, "Resumed", _resumed(event), min(100, self.console.width))
        elif isinstance(event, Unsaved):
            self._warn(f"not kept: {event.reason}; the training goes on and tries again")
        elif isinstance(event, Noted):
            self._warn(event.words)

    def _warn(self, words: str) -> None:
        plain_console(to_stderr=True).print(Text(f"epochal: {words}"), soft_wrap=True)

    def _take(self, event: Progressed) -> None:
        self._progress = event
        self._recent.append((event.seconds, event.updates))
        while len(self._recent) > 2 and event.seconds - self._recent[0][0] > RATE_SECONDS:
            self._recent.popleft()
        now = time.monotonic()
        if not self.quiet and self._live is None and now - self._said >= PLAIN_SECONDS and self._last:
            self._said = now
            self.console.print(Text("  " + self._line(long=True)), soft_wrap=True)

    def _start(self, prepared: Prepared) -> None:
        self._begin = time.monotonic()
        self._repeats, self._epochs = prepared.settings.repeats, prepared.plan.epochs
        width = min(100, self.console.width)
        for number, (title, lines) in enumerate(_sections(prepared)):
            section(self.console, title, lines, width, apart=number > 0)

    def _render(self) -> Text:
        if self._control is not None and self._control.stopped:
            line = "ending: what has been learned is kept; Ctrl-C again leaves at once"
        elif self._progress is None:
            line = f"compiling for {time.monotonic() - self._begin:.0f} s"
        else:
            room = self.console.width - 1
            tries = (self._line(long=True), *(self._line(long=False, without=n) for n in range(4)))
            line = next((one for one in tries if len(one) <= room), tries[-1])
        return Text(line, no_wrap=True, overflow="ellipsis", end="")

    def _line(self, long: bool, without: int = 0) -> str:
        """Epoch, losses, rate and remaining time; where room is short, `without` the least important ones."""
        latest = list(self._last.values())
        parts = []
        if latest:
            epoch = sum(one.epoch for one in latest) / self._repeats
            of = " of " if long else "/"
            parts.append((0, f"epoch {epoch:,.0f}{of}{self._epochs:,}"))
        for name, label, short, rank in _SHOWN:
            values = [one.columns[name] for one in latest if name in one.columns]
            if values:
                parts.append((rank, f"{label if long else short} {_figure(sum(values) / len(values))}"))
        if self._repeats > 1:
            done = (
                f"{self._ended} of {self._repeats} repeats done"
                if long
                else f"{self._ended}/{self._repeats} done"
            )
            parts.append((2, done))
        if self._progress is not None and len(self._recent) > 1:
            (begin, before), (now, made) = self._recent[0], self._recent[-1]
            if made > before and now > begin:
                rate = (made - before) / (now - begin)
                parts.append((1, f"{rate:,.0f} updates/s" if long else f"{_thousands(rate)}/s"))
                left = self._progress.most_updates - made
                if left > 0:
                    parts.append((0, f"{'at most ' if long else ''}{duration(left / rate)} left"))
        return " · ".join(text for rank, text in parts if rank <= 3 - without)


def _resumed(event: Resumed) -> list[str]:
    if not event.updates:
        return ["nothing was kept yet: from the beginning", *event.notes]
    return [f"from a checkpoint, {event.updates:,} updates over all repeats", *event.notes]


def _sections(prepared: Prepared) -> list[tuple[str, list[str]]]:
    """What is said before the first update."""
    return [
        ("Data", _data(prepared)),
        ("Plan", _plan(prepared)),
        ("Training", _training(prepared)),
    ]


def _data(prepared: Prepared) -> list[str]:
    dataset = prepared.dataset
    shape = " × ".join(f"{size:,}" for size in dataset.shape)
    sizes = [(prepared.part_size(name), name) for name in ("train", "validation", "test")]
    words = [f"{size:,} {_PARTS[name]}" for size, name in sizes if size]
    own = " (each repeat its own split)" if not prepared.shared else ""
    return [
        f"{dataset.source}: {dataset.samples:,} samples, {shape} inputs",
        f"{', '.join(words)}{own}",
        *dataset.notes,
    ]


def _plan(prepared: Prepared) -> list[str]:
    """The plan without its comparison of remainders, which `epochal plan` shows."""
    lines = str(prepared.plan).splitlines()
    end = lines.index("", 2) if "" in lines[2:] else len(lines)
    return [lines[0], *lines[2:end]]


def _training(prepared: Prepared) -> list[str]:
    from epochal.report.of_run import describe_model

    settings, spec = prepared.settings, prepared.spec
    described = getattr(prepared.model, "to_dict", None)
    model = describe_model(described()) if described else type(prepared.model).__name__
    optimizer, rate = spec.optimizer.name, spec.optimizer.learning_rate
    pace = spec.schedule.describe() if rate else ""
    how = f" at {rate:g}" + (f", {pace}" if pace != "constant" else "") if rate else ""
    if settings.repeats == 1:
        seeds = f"1 repeat, seed {settings.seed}"
    else:
        seeds = f"{settings.repeats} repeats, seeds {settings.seed} to {settings.seed + settings.repeats - 1}"
    lines = [f"{model}, {optimizer}{how}", seeds, *prepared.notes]
    if settings.stop is not None:
        lines.append(f"stops early: {prepared.rule.describe()}")
    return lines


_PARTS = {"train": "training", "validation": "validation", "test": "test"}
_SHOWN = (
    ("train.loss", "training loss", "training", 0),
    ("validation.loss", "validation loss", "validation", 0),
    ("validation.accuracy", "accuracy", "accuracy", 3),
    ("validation.r2", "R²", "R²", 3),
)
"""Column, what it is called, in short, and how soon it is left out where room is short."""


def _figure(value: float) -> str:
    """Three digits, so that a figure keeps its width while it moves; two of the very small and large ones.

    >>> _figure(0.4), _figure(0.02174), _figure(12.5), _figure(5.95e-7)
    ('0.400', '0.0217', '12.5', '6.0e-7')
    """
    if value == 0 or 1e-3 <= abs(value) < 1000 or not math.isfinite(value):
        return f"{value:#.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def _thousands(number: float) -> str:
    """A rate in short.

    >>> _thousands(25925.0), _thousands(312.0)
    ('26k', '312')
    """
    return f"{number / 1000:,.0f}k" if number >= 10_000 else f"{number:,.0f}"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(3.2), duration(75), duration(7300)
    ('3 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
