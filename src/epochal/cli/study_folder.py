"""The course of a comparison or an advice: its folder, interruptions, and command lines to copy."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from epochal.cli.command import GIVEN
from epochal.cli.data import load_data
from epochal.cli.files import check_folder, replacing
from epochal.cli.interrupts import NOTHING_KEPT, status, stopping
from epochal.cli.output import echo
from epochal.cli.train import custom_model_errors, folder_name
from epochal.common.version import VERSION
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.cli.study_screen import StudyScreen
    from epochal.data import Dataset
    from epochal.training.loop import StopSignal

T = TypeVar("T")

_ASIDE = ("data", "out", "no_report", "as_json", "quiet", "yes", "train", "all_data", "ray")
"""Options that have no influence on which trainings are made."""

OTHERS = ("request.json", "request.json.partial", "timings.jsonl", "study.json")
"""What a folder holds besides finished trainings: worth nothing without one."""


def folder_for(what: str, data: str, dataset: Dataset, given: Mapping[str, Any]) -> Path:
    """The named folder, or else the one that these samples and options always have; it can be written."""
    from epochal.choose.trials.store import digest

    options = {name: value for name, value in given.items() if name not in _ASIDE}
    request = {"version": VERSION, "data": dataset.fingerprint, "options": options}
    own = Path("runs") / f"{what}-{folder_name(data)}-{digest(request)}"
    folder: Path = given["out"] or own
    if folder.exists() and not folder.is_dir():
        raise Refusal(f'"{folder}" must be a folder; it is a file. Name another one with --out.')
    check_folder(folder)
    return folder


def run_study(
    ctx: click.Context,
    data: str,
    decide: Callable[..., T],
    network: Callable[..., Any],
    options: Callable[[Mapping[str, Any]], dict[str, Any]],
    train: Callable[[click.Context, str, T], list[str]],
    show: Callable[[StudyScreen, T, list[str]], None],
) -> tuple[T, list[str], dict[str, str | None]]:
    """Run `decide` (compare or advise) on DATA, write folder and page, and print the result by `show`.

    `network` makes its model, `options` its keyword arguments, and `train` those of the command that trains
    with the result, which is returned with that command and the paths of folder and page.
    """
    from epochal.cli.study_screen import StudyScreen
    from epochal.runs.studies import write_study
    from epochal.training.progress.opening import dataset_lines

    given, what = ctx.params, str(ctx.info_name)
    screen = StudyScreen(quiet=given["quiet"], to_stderr=given["as_json"])
    command = ["epochal", what, data, *given_words(ctx)]
    dataset = load_data(data, given)
    folder = folder_for(what, data, dataset, given)
    with custom_model_errors(given["model"]):
        model, arguments = network(given, dataset), options(given)
        screen.opening("Data", dataset_lines(dataset))
        with interruptible(folder, screen, command) as stop_signal:
            found: Any = decide(
                model, dataset, folder=folder, stop_signal=stop_signal, watch=screen.show, **arguments
            )
    line = ["epochal", "train", *train(ctx, data, found)] if found.recommended else []
    write_study(folder, command=command, train=line)
    page = None if given["no_report"] else folder / "report.html"
    if page is not None:
        with replacing(page) as partial:
            found.report(partial, **({"command": shlex.join(line)} if what == "advise" else {}))
    # What is known only after the split belongs on the screen, too; the page has it with the data.
    late = tuple(note for note in found.data["notes"] if note not in dataset.raw_notes)
    show(screen, replace(found, notes=(*late, *found.notes)), line)
    screen.paths(folder, page)
    return found, line, {"folder": str(folder), "report": None if page is None else str(page)}


@contextmanager
def interruptible(folder: Path, screen: StudyScreen, command: Sequence[str]) -> Iterator[StopSignal]:
    """Within, the first signal stops it once a training is kept; a folder without any is removed."""
    from epochal.runs.studies import TRIALS, trainings_in, write_study
    from epochal.training.loop import StopSignal

    stop_signal = StopSignal()
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    if before := trainings_in(folder):
        screen.opening("Folder", [f"{_trainings(before)} in {folder} already"])
    try:
        with screen.watching(stop_signal), stopping(stop_signal, (folder / TRIALS).is_file):
            yield stop_signal
    except KeyboardInterrupt:
        kept = trainings_in(folder)
        way_on = f"interrupted; {_trainings(kept)} kept; the same command goes on from there."
        echo(f"epochal: {way_on if kept else NOTHING_KEPT}", err=True)
        raise click.exceptions.Exit(status()) from None
    finally:
        if new and not trainings_in(folder):
            for name in OTHERS:
                (new[0] / name).unlink(missing_ok=True)
            with suppress(OSError):  # as far as the folders that were made hold nothing else
                for path in new:
                    path.rmdir()
        elif trainings_in(folder):
            with suppress(OSError):
                write_study(folder, command=command)


def _trainings(count: int) -> str:
    return f"{count:,} trainings are" if count > 1 else "1 training is"


def given_words(
    ctx: click.Context, without: Collection[str] = (), of: click.Command | None = None
) -> list[str]:
    """The options that were given, by flag or in a file, with their values: all, or those that `of` has."""
    known = {one.name for one in (of or ctx.command).params}
    options = {one.name: one for one in ctx.command.params if isinstance(one, click.Option)}
    words = []
    for name, value in ctx.meta[GIVEN].items():
        if name in options and name not in without and name in known:
            option = options[name]
            if option.is_flag:
                words.append(option.opts[0] if value else option.secondary_opts[0])
            else:
                values = value if isinstance(value, list | tuple) else [value]
                words += [word for one in values for word in (option.opts[0], one)]
    return words


def copyable(words: Sequence[str], width: int) -> list[str]:
    r"""A command line as lines that a shell takes for one; each that goes on ends with a backslash.

    >>> copyable(["epochal", "train", "a b.csv", "--epochs", "5"], 25)
    ["epochal train 'a b.csv' \\", '  --epochs 5']
    """
    parts: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if before.startswith("--") and not word.startswith("--"):  # the value of an option
            parts[-1] += f" {shlex.quote(word)}"
        else:
            parts.append(shlex.quote(word))
    lines = parts[:1]
    for part in parts[1:]:
        if len(f"{lines[-1]} {part} \\") > width:
            lines[-1] += " \\"
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}"
    return lines
