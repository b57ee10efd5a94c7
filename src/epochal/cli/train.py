"""epochal train: a network trained on a table, images, a series or texts."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import Command
from epochal.cli.files import check_folder
from epochal.cli.hosts_options import join_others, same_folder
from epochal.cli.network_options import model, told
from epochal.cli.options import column, columns, image_options, reading_options
from epochal.cli.rank_options import pairs_asked
from epochal.cli.reading import reading_progress
from epochal.cli.running import exit_status, last_words, watched
from epochal.cli.saving_options import saving
from epochal.cli.say import say_document, say_note
from epochal.cli.series_options import windows_of
from epochal.cli.text_options import texts_of
from epochal.cli.train_options import settings, train_options
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.cli.screen import Screen
    from epochal.data import Dataset
    from epochal.runs import Run
    from epochal.training.loop import Control
    from epochal.training.train import Events

__all__ = ["command", "folder_name", "load_data", "own_model", "result", "train_and_save"]


@click.command("train", cls=Command)
@click.argument("data")
@train_options
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
    leads = join_others(given)
    folder = same_folder(folder)
    if leads:
        if out is not None:
            from epochal.runs import refuse_existing

            refuse_existing(out)
        check_folder(folder)
    from epochal.cli.screen import Screen

    screen = Screen(quiet=quiet or not leads, to_stderr=as_json)
    run, path = train_and_save(data, given, folder, screen)
    if leads:
        if as_json:
            say_document(result(run, path))
        last_words(run, path, quiet=quiet, as_json=as_json)
    ctx.exit(exit_status(run))


def train_and_save(source: str, given: dict[str, Any], folder: Path, screen: Screen) -> tuple[Run, Path]:
    """Train as these options say and show it; the run is in its folder."""
    control, events = _prepare(source, given, folder, screen.quiet)
    return watched(events, control, screen), folder


def _prepare(source: str, given: dict[str, Any], folder: Path, quiet: bool) -> tuple[Control, Events]:
    """Read the data and settle everything; what cannot work is refused here."""
    from epochal.runs.place import RunFolder
    from epochal.training.loop import Control
    from epochal.training.train import train

    dataset = load_data(source, given, quiet)
    for note in dataset.noticed:
        if quiet and " is the target; " in note:  # rows that were left out: no result goes without that
            say_note(note)
    control = Control()
    out = RunFolder(folder, report=not given["no_report"], **saving(given))
    with own_model(given["model"]):
        return control, train(
            model(given, dataset),
            dataset,
            control=control,
            out=out,
            ray=given["ray"],
            **settings(given, dataset),
        )


@contextmanager
def own_model(name: str | None) -> Iterator[None]:
    """Within, a mistake in a model of the user's own is a refusal that names it; None is no such model."""
    try:
        yield
    except Exception as error:
        ours = isinstance(error, Refusal | click.exceptions.Exit)
        if name is None or ours or os.environ.get("EPOCHAL_DEBUG"):
            raise
        first = " ".join(str(error).partition("\n")[0].split()).rstrip(".")
        raise Refusal(f'model "{name}" failed: {type(error).__name__}: {first}.') from error


def load_data(source: str, given: dict[str, Any], quiet: bool = False) -> Dataset:
    """The samples, read as these options say."""
    from epochal.data import load, rank_pairs, windows
    from epochal.data.texts.texts import text

    asked = {
        "target": column(given["target"]),
        **{name: columns(given[name]) for name in ("keep", "drop", "categorical", "numeric")},
        **{name: given[name] for name in ("decimal", "date_format")},
        **reading_options(given),
    }
    pairs = pairs_asked(given)
    if pairs is not None:
        return rank_pairs(source, **asked, **pairs)
    read = texts_of(given)
    if read is not None:
        for name in ("keep", "drop", "categorical", "numeric", "decimal", "date_format"):
            del asked[name]
        if given["groups_table"] is not None:
            raise Refusal("--groups-table is about images; name a column with --groups for texts.")
        rest = {
            "task": given["task"],
            "sample_weight": column(given["sample_weight"]),
            "groups": column(given["groups"]),
            "groups_from": given["groups_from"],
        }
        return told(text(source, **rest, **asked, **read), given)
    cut = windows_of(given)
    if cut is not None:
        return told(windows(source, **asked, **cut), given)
    dataset = load(
        source,
        task=given["task"],
        sample_weight=column(given["sample_weight"]),
        groups=column(given["groups"]),
        groups_from=given["groups_from"],
        groups_table=given["groups_table"],
        **image_options(given),
        stream=given["stream"],
        progress=reading_progress(quiet),
        **asked,
    )
    return told(dataset, given)


def result(run: Run, path: Path) -> dict[str, Any]:
    """What --json prints."""
    from epochal.data.records import plain

    document: dict[str, Any] = plain(
        {
            "run": str(path),
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
            "best_epoch": run.best_epoch,
            "verdict": run.verdict,
            "caution": run.caution,
            "metrics": run.metrics,
            "per_class": run.per_class,
            "threshold": run.threshold,
            "at_threshold": run.at_threshold,
            "forecasts": run.forecasts,
            "settings": run.settings,
            "data": {
                key: run.data[key]
                for key in ("source", "samples", "sizes", "features", "notes", "fingerprint")
            },
            "conditions": run.conditions,
            "interrupted": run.interrupted,
            "failed": run.failed,
        }
    )
    return document


def folder_name(source: str) -> str:
    """What folders about that data are called."""
    name = source.removeprefix("example:") if source.startswith("example:") else Path(source).stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".-")[:60] or "run"


def new_folder(source: str) -> Path:
    """A run folder of its own in runs/, named after the data and the time."""
    safe, stamp = folder_name(source), datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = Path("runs") / f"{safe}-{stamp}"
    count = 2
    while path.exists():
        path = Path("runs") / f"{safe}-{stamp}-{count}"
        count += 1
    return path
