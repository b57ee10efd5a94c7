"""Selection of the progress display: terminal, notebook, or none."""

from __future__ import annotations

import sys

from epochal.common.option_text import render_message
from epochal.errors import Refusal
from epochal.training.events import (
    CheckpointFailed,
    ClusterNote,
    Event,
    Progressed,
    Resumed,
    RunEnded,
    RunStarted,
)
from epochal.training.loop import StopSignal
from epochal.training.progress.notebook import Notebook, in_notebook
from epochal.training.progress.opening import data_lines, training_lines
from epochal.training.progress.status import Display, Status


def display(progress: bool | None) -> Display | None:
    """The display for a training: a notebook, stderr if it is a terminal, or none.

    True always shows it (as plain lines if stderr is no terminal), False never.
    """
    if not (progress is None or isinstance(progress, bool)):
        raise Refusal(f"progress must be True, False or None; got {progress!r}.")
    if progress is False:
        return None
    if in_notebook():
        return Notebook()
    if progress or (sys.stderr is not None and sys.stderr.isatty()):
        from epochal.training.progress.terminal import Terminal  # rich is imported only for a display

        return Terminal()
    return None


class EventPrinter:
    """Shows the events of a training."""

    def __init__(self, shown: Display, stop_signal: StopSignal) -> None:
        self._display, self._status = shown, Status(stop_signal)

    def take(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            parts = [("Data", data_lines(event.prepared)), ("Training", training_lines(event.prepared))]
            loader = event.prepared.dataset.loader
            self._display.opening(
                [(title, [render_message(line, loader) for line in lines]) for title, lines in parts]
            )
        self._status.take(event)
        notes: tuple[str, ...] = ()
        match event:
            case RunStarted() | Progressed():
                self._display.show(self._status)
            case Resumed(updates=0):
                notes = ("resumed from the beginning: there was no checkpoint yet", *event.notes)
            case Resumed():
                notes = (f"resumed after {event.updates:,} updates", *event.notes)
            case CheckpointFailed():
                notes = (f"not saved: {event.reason}; the training goes on and tries again",)
            case ClusterNote():
                notes = (event.text,)
            case RunEnded():
                self._display.close(self._status.last_line())
                notes = (event.run.failed, event.save_error)
        for sentence in filter(None, notes):
            self._display.note(render_message(sentence))

    def close(self) -> None:
        """Stop showing."""
        self._display.close()
