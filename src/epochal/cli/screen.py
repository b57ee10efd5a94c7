"""Progress of a training on the screen.

On a terminal one live line: epoch, losses, rate and remaining time. In a pipe a plain line now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from epochal.common.option_text import render_message
from epochal.training.events import CheckpointFailed, ClusterNote, Event, Progressed, Resumed, RunStarted
from epochal.training.progress.opening import data_lines, plan_lines, training_lines
from epochal.training.progress.status import Status
from epochal.training.progress.terminal import Terminal, plain_console, section

if TYPE_CHECKING:
    from epochal.choose.trials.progress import Pace
    from epochal.training.loop import StopSignal
    from epochal.training.prepared import Prepared


class LiveScreen:
    """A terminal with a line of progress, silent if `quiet`."""

    def __init__(self, quiet: bool, to_stderr: bool, progress: Status | Pace) -> None:
        self.quiet, self._progress, self._terminal = quiet, progress, Terminal(to_stderr)
        self.console: Console = self._terminal.console

    @contextmanager
    def watching(self, stop_signal: StopSignal) -> Iterator[None]:
        """Show the live line within; `stop_signal` says when the work was asked to end."""
        self._progress.stop_signal = stop_signal
        if not self.quiet:
            self._terminal.show(self._progress)
        try:
            yield
        finally:
            self._terminal.close()


def print_places(console: Console, places: Iterable[tuple[str, object]]) -> None:
    """Print where everything is, by label."""
    console.print()
    for label, place in places:
        console.print(Text(f"{label:<8}", style="bold").append(str(place), style="not bold"), soft_wrap=True)


class Screen(LiveScreen):
    """Shows events; reads them only."""

    def __init__(self, quiet: bool, to_stderr: bool) -> None:
        self._status = Status()
        super().__init__(quiet, to_stderr, self._status)

    def anything_learned(self) -> bool:
        """Whether an update has been heard of."""
        progress = self._status.progress
        return progress is not None and progress.updates > 0

    def show(self, event: Event) -> None:
        """Take one event."""
        self._status.take(event)
        if isinstance(event, RunStarted):
            if not self.quiet:
                self._start(event.prepared)
        elif isinstance(event, Progressed):
            if self._status.evaluated and not self.quiet:
                self._terminal.print_if_due(partial(self._status.line, long=True))
        elif isinstance(event, Resumed) and not self.quiet:
            begun = f"from a checkpoint, {event.updates:,} updates over all repeats"
            if not event.updates:
                begun = "it was ended before its first checkpoint: from the beginning"
            section(self.console, "Resumed", [begun, *event.notes], self._terminal.width)
        elif isinstance(event, CheckpointFailed):
            self._warn(f"not kept: {event.reason}; the training goes on and tries again")
        elif isinstance(event, ClusterNote):
            self._warn(event.text)

    def _warn(self, text: str) -> None:
        plain_console(to_stderr=True).print(Text(f"epochal: {render_message(text)}"), soft_wrap=True)

    def _start(self, prepared: Prepared) -> None:
        parts = {"Data": data_lines, "Plan": plan_lines, "Training": training_lines}
        self._terminal.opening([(title, lines(prepared)) for title, lines in parts.items()])
