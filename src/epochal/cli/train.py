"""epochal train: a network trained on a table, images, a series or texts."""

from __future__ import annotations

import datetime
import itertools
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli import interrupts
from epochal.cli.arguments import saving, train_arguments
from epochal.cli.command import Command
from epochal.cli.data import load_data
from epochal.cli.files import check_folder
from epochal.cli.flags import TRAIN
from epochal.cli.networks import model
from epochal.cli.options import DATA, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.processes import join_others, same_folder
from epochal.common.metric_names import label_of
from epochal.errors import Refusal, SaveFailed
from epochal.training.events import Event, RunEnded

if TYPE_CHECKING:
    from epochal.cli.screen import Screen
    from epochal.runs import Run
    from epochal.training.loop import StopSignal
    from epochal.training.train import Events


@click.command("train", cls=Command)
@click.argument("data", type=DATA)
@flags(TRAIN, "train")
@click.pass_context
def command(
    ctx: click.Context, /, data: str, out: Path | None, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Train a network on DATA: a CSV, TSV, Parquet, .npy or .npz file, a folder with
    one sub-folder of images for each class, or example:NAME.

    \b
    epochal train example:breast-cancer --repeats 5
    epochal train table.csv --target price --batch-size 16 --patience 10
    epochal train sales.csv --window 12 --test 0.2
    epochal train reviews.csv --text review --target liked

    Defaults are in [brackets].
    """
    folder = new_folder(data) if out is None else out
    is_main_process = join_others(given)
    folder = same_folder(folder)
    if is_main_process:
        if out is not None:
            from epochal.runs import refuse_existing

            refuse_existing(out)
        check_folder(folder)
    from epochal.cli.screen import Screen

    screen = Screen(quiet=quiet or not is_main_process, to_stderr=as_json)
    run = train_and_save(data, given, folder, screen)
    ctx.exit(print_end(run, is_main_process, quiet, as_json))


def train_and_save(source: str, given: dict[str, Any], folder: Path, screen: Screen) -> Run:
    """Train into this folder as these options say, and show it."""
    from epochal.runs.run_folder import SaveOptions
    from epochal.training.loop import StopSignal
    from epochal.training.train import train

    dataset = load_data(source, given, screen.quiet)
    stop_signal = StopSignal()
    out = SaveOptions(folder, report=not given["no_report"], **saving(given))
    with custom_model_errors(given["model"]):
        network, ray = model(given, dataset), given["ray"]
        events = train(network, dataset, stop_signal=stop_signal, out=out, ray=ray, **train_arguments(given))
    return show_training(events, stop_signal, screen)


@contextmanager
def custom_model_errors(name: str | None) -> Iterator[None]:
    """Within, a mistake in a model of the user's own is a refusal that names it; None is no such model."""
    try:
        yield
    except Exception as error:
        ours = isinstance(error, Refusal | click.exceptions.Exit)
        if name is None or ours or os.environ.get("EPOCHAL_DEBUG"):
            raise
        first = " ".join(str(error).partition("\n")[0].split()).rstrip(".")
        raise Refusal(f'model "{name}" failed: {type(error).__name__}: {first}.') from error


def result(run: Run) -> dict[str, Any]:
    """What --json prints."""
    from epochal.data.records import plain

    fields = ("best_epoch", "verdict", "metric_warning", "metrics", "per_class", "threshold", "at_threshold")
    return plain(
        {
            "run": str(run.folder),
            "plan": run.plan.to_dict(),
            "task": run.task,
            "stopped": [
                {
                    "repeat": outcome.repeat + 1,
                    "seed": outcome.seed,
                    "epochs": outcome.epochs,
                    "updates": outcome.updates,
                    "reason": outcome.stopped,
                }
                for outcome in run.outcomes
            ],
            **{name: getattr(run, name) for name in (*fields, "forecasts", "settings")},
            "data": {
                key: run.data[key]
                for key in ("source", "samples", "sizes", "features", "notes", "fingerprint")
            },
            **{name: getattr(run, name) for name in ("environment", "interrupted", "failed")},
        }
    )


def folder_name(source: str) -> str:
    """What folders about that data are called."""
    name = source.removeprefix("example:") if source.startswith("example:") else Path(source).stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".-")[:60] or "run"


def new_folder(source: str) -> Path:
    """A run folder of its own in runs/, named after the data and the time."""
    safe, stamp = folder_name(source), datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    ends = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    paths = (Path("runs") / f"{safe}-{stamp}{end}" for end in ends)
    return next(path for path in paths if not path.exists())


def show_training(events: Events, stop_signal: StopSignal, screen: Screen) -> Run:
    """Show a training to its end and print the result; the first signal ends it, the second one leaves."""
    with interrupts.stopping(stop_signal, screen.anything_learned):
        try:
            ended = show_events(events, stop_signal, screen)
            if stop_signal.os_signal:
                interrupts.note_signal(stop_signal.os_signal)
            if not screen.quiet:
                from epochal.cli.conclusion import show_result

                show_result(screen.console, ended.run, None if ended.save_error else ended.run.folder)
        except KeyboardInterrupt:
            events.close_without_waiting()
            if not screen.anything_learned():
                raise
            interrupts.announce()
            echo("epochal: interrupted.", err=True)
            raise click.exceptions.Exit(interrupts.status()) from None
    if ended.save_error:
        raise SaveFailed(ended.save_error)
    return ended.run


def show_events(events: Iterable[Event], stop_signal: StopSignal, screen: Screen) -> RunEnded:
    """Show all events; the last one is returned."""
    with screen.watching(stop_signal):
        for event in events:
            screen.show(event)
            if isinstance(event, RunEnded):
                return event
    raise AssertionError("a training ends with RunEnded")


def print_end(run: Run, is_main_process: bool, quiet: bool, as_json: bool) -> int:
    """Print the result if nothing else was printed, and how to resume; returns the exit status."""
    status = interrupts.status() if run.interrupted else 1 if run.failed else 0
    if not is_main_process:
        return status
    if as_json:
        echo_json(result(run))
    elif quiet:
        headline = run.headline
        echo(f"{run.folder}" + (f"  {label_of(headline[0])} {headline[1]}" if headline is not None else ""))
    if run.failed:
        echo(f"epochal: {run.failed}. What was learned before is kept.", err=True)
    if run.interrupted or run.failed:
        described: dict[str, Any] = getattr(run.model, "to_dict", dict)()
        own = described.get("of", described)  # the network that ranks a pair by its two
        # Nothing imports a model of the user's own unless it is named.
        named = f" --model {shlex.quote(own['path'])}" if own.get("kind") == "import" else ""
        echo(f"epochal: to go on: epochal resume {shlex.quote(str(run.folder))}{named}", err=True)
    return status
