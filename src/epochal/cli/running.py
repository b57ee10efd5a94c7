"""A training on the command line, from start to exit status."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli import interrupts
from epochal.cli.say import say
from epochal.common.metric_names import label_of
from epochal.errors import SaveFailed
from epochal.training.events import Event, RunEnded

if TYPE_CHECKING:
    from epochal.cli.screen import Screen
    from epochal.runs import Run
    from epochal.training.loop import Control
    from epochal.training.train import Events


def watched(events: Events, control: Control, screen: Screen) -> Run:
    """Show a training to its end and say the result; the first signal ends it, the next one leaves.

    Raises:
        SaveFailed: the run could not be written; its result has been said all the same.
    """
    with interrupts.stopping(control, screen.anything_learned):
        try:
            ended = shown(events, control, screen)
            if control.signal:
                interrupts.heard(control.signal)
            if not screen.quiet:
                from epochal.cli.conclusion import conclude

                conclude(screen.console, ended.run, None if ended.unsaved else ended.run.folder)
        except KeyboardInterrupt:
            events.abandon()
            if not screen.anything_learned():
                raise
            interrupts.told()
            say("epochal: interrupted.", err=True)
            raise click.exceptions.Exit(interrupts.status()) from None
    if ended.unsaved:
        raise SaveFailed(ended.unsaved)
    return ended.run


def shown(events: Iterable[Event], control: Control, screen: Screen) -> RunEnded:
    """Show all events; the last one is returned."""
    with screen.watching(control):
        for event in events:
            screen.show(event)
            if isinstance(event, RunEnded):
                return event
    raise AssertionError("a training ends with RunEnded")


def last_words(run: Run, path: Path, *, quiet: bool, as_json: bool) -> None:
    """The last words: the result in a line if nothing else was said, and how to go on."""
    if quiet and not as_json:
        headline = run.headline
        say(f"{path}" + (f"  {label_of(headline[0])} {headline[1]}" if headline is not None else ""))
    if run.failed:
        say(f"epochal: {run.failed}. What was learned before is kept.", err=True)
    if run.interrupted or run.failed:
        say(f"epochal: to go on: epochal resume {shlex.quote(str(path))}{_named_again(run)}", err=True)


def _named_again(run: Run) -> str:
    """What is to be said of a model of the user's own, which nothing imports unless it is named."""
    described: dict[str, Any] = getattr(run.model, "to_dict", dict)()
    own = described.get("of", described)  # the network that ranks a pair by its two
    return f" --model {shlex.quote(own['path'])}" if own.get("kind") == "import" else ""


def exit_status(run: Run) -> int:
    """Of a training that has ended."""
    return interrupts.status() if run.interrupted else 1 if run.failed else 0
