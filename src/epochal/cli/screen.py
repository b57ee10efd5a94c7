"""Progress of a training on the screen.

On a terminal one live line: epoch, losses, rate and remaining time. In a pipe a plain line now and then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from epochal.common.faces import spoken
from epochal.training.events import Event, Noted, Progressed, Resumed, RunStarted, Unsaved
from epochal.training.progress.opening import data_lines, plan_lines, training_lines
from epochal.training.progress.status import Status
from epochal.training.progress.terminal import PLAIN_SECONDS, live, plain_console, section

if TYPE_CHECKING:
    from epochal.training.loop import Control
    from epochal.training.prepared import Prepared


class Screen:
    """Shows events; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self.quiet = quiet
        self.console = plain_console(to_stderr)
        self._live: Live | None = None
        self._status = Status()
        self._said = 0.0

    def anything_learned(self) -> bool:
        """Whether an update has been heard of."""
        progress = self._status.progress
        return progress is not None and progress.updates > 0

    @contextmanager
    def watching(self, control: Control) -> Iterator[None]:
        """Show the live line within; `control` says when the training was asked to end."""
        self._status.control = control
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with live(self.console, self._render) as self._live:
            yield

    def show(self, event: Event) -> None:
        """Take one event."""
        self._status.take(event)
        if isinstance(event, RunStarted):
            if not self.quiet:
                self._start(event.prepared)
        elif isinstance(event, Progressed):
            self._now_and_then()
        elif isinstance(event, Resumed) and not self.quiet:
            section(self.console, "Resumed", _resumed(event), min(100, self.console.width))
        elif isinstance(event, Unsaved):
            self._warn(f"not kept: {event.reason}; the training goes on and tries again")
        elif isinstance(event, Noted):
            self._warn(event.words)

    def _warn(self, words: str) -> None:
        plain_console(to_stderr=True).print(Text(f"epochal: {spoken(words)}"), soft_wrap=True)

    def _now_and_then(self) -> None:
        """A plain line, where there is no live one."""
        now = time.monotonic()
        due = now - self._said >= PLAIN_SECONDS and self._status.evaluated
        if due and not self.quiet and self._live is None:
            self._said = now
            self.console.print(Text("  " + self._status.line(long=True)), soft_wrap=True)

    def _start(self, prepared: Prepared) -> None:
        width = min(100, self.console.width)
        sections = (
            ("Data", data_lines(prepared)),
            ("Plan", plan_lines(prepared)),
            ("Training", training_lines(prepared)),
        )
        for number, (title, lines) in enumerate(sections):
            section(self.console, title, lines, width, apart=number > 0)

    def _render(self) -> Text:
        line = self._status.fitted(self.console.width - 1)
        return Text(line, no_wrap=True, overflow="ellipsis", end="")


def _resumed(event: Resumed) -> list[str]:
    if not event.updates:
        return ["it was ended before its first checkpoint: from the beginning", *event.notes]
    return [f"from a checkpoint, {event.updates:,} updates over all repeats", *event.notes]
