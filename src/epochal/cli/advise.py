"""epochal advise: batch size, learning rate and number of epochs for a table."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import click

from epochal.cli import train
from epochal.cli.arguments import advise_arguments
from epochal.cli.command import Command
from epochal.cli.flags import ADVISE
from epochal.cli.networks import model
from epochal.cli.options import DATA, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.study_folder import copyable, given_words, run_study
from epochal.common.metric_names import label_of
from epochal.common.text import aligned, duration
from epochal.errors import Refusal

if TYPE_CHECKING:
    from epochal.choose.advice.advice import Advice, Tried
    from epochal.cli.study_screen import StudyScreen
    from epochal.runs import Run

ADVISED = ("batch_size", "learning_rate", "epochs")
OWN = (*ADVISED, "repeats", "target_value", "out", "no_report", "as_json", "quiet")
"""Options of both commands that a training does not take over from the advice."""


@click.command("advise", cls=Command)
@click.argument("data", type=DATA)
@flags(ADVISE, "advise")
@click.pass_context
def command(ctx: click.Context, /, data: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Advise a batch size, a learning rate and a number of epochs for DATA.

    \b
    epochal advise example:breast-cancer
    epochal advise table.csv --target price --goal quality --train

    DATA is what `epochal train` takes. Short trainings are made to find out; the same command goes on
    where it was interrupted. --quiet prints nothing but the command that trains as advised. Where nothing
    beats the baseline there is no such command: --quiet and --train then end with status 1.
    """
    from epochal.choose.advice.advise import advise

    if given["all_data"] and not given["train"]:
        raise Refusal("--all-data belongs to --train; give that, too.")
    found, line, paths = run_study(ctx, data, advise, model, advise_arguments, _arguments, _conclude)
    command_line = shlex.join(line)
    run = _train(line[2:], quiet, as_json) if given["train"] and found.recommended else None
    if as_json:
        result = None if run is None else train.result(run)
        echo_json(found.to_dict() | {"command": command_line or None, **paths, "run": result})
    elif quiet and found.recommended:
        echo(command_line if run is None else run.folder)
    if not found.recommended and (quiet or given["train"]):
        echo(f"epochal: {found.answer}", err=True, wrap=True)
        ctx.exit(1)
    ctx.exit(130 if run is not None and run.interrupted else 0)


def _arguments(ctx: click.Context, data: str, found: Advice) -> list[str]:
    """What `epochal train` is given to train as advised, on the same samples and with the same model."""
    size = found.batch_size
    whole = size == found.data["sizes"]["train"]
    arguments = [data, "--batch-size", "full" if whole else str(size)]
    if found.learning_rate is not None:
        arguments += ["--learning-rate", repr(found.learning_rate)]
    arguments += ["--epochs", str(math.ceil(found.epochs.value))]
    left_out = (*OWN, "validation", "monitor") if ctx.params["all_data"] else OWN
    arguments += given_words(ctx, without=left_out, of=train.command)
    return [*arguments, "--validation", "0"] if ctx.params["all_data"] else arguments


def _train(arguments: list[str], quiet: bool, as_json: bool) -> Run:
    from epochal.cli.files import check_folder
    from epochal.cli.screen import Screen

    given = train.command.make_context("epochal train", list(arguments)).params
    folder = train.new_folder(given["data"])
    check_folder(folder)
    return train.train_and_save(given["data"], given, folder, Screen(quiet=quiet, to_stderr=as_json))


def _conclude(screen: StudyScreen, found: Advice, line: list[str]) -> None:
    screen.answer(found.answer)
    if found.recommended:
        screen.section("Advice", _choices(found))
    target = f"Target: {found.target_text}; {found.target_value:.3g} on average."
    sure = (found.tied_text, "" if found.goal == "quality" else target, found.decided_by)
    screen.section("How sure", list(filter(None, sure)) if found.recommended else [])
    screen.section("Measured", _tried(found, screen.width - 2), wrap=False)
    screen.section("Read it like this", _legend(found))
    screen.section("What to expect" if found.recommended else "On fresh seeds", _expected(found))
    screen.section("Notes", found.notes)
    screen.section("Cost", _cost(found))
    if found.recommended:
        screen.section("To train with it", copyable(line, screen.width - 2), wrap=False)


def _choices(found: Advice) -> list[str]:
    rate, epochs = found.learning_rate, found.epochs
    between = epochs.range_in_words(",.0f")
    where = (
        ""
        if not between or between.startswith("only")
        else f"{between}: where four fifths of the repeats are best"
    )
    return aligned(
        [
            ("batch size", f"{found.batch_size:,}", ""),
            *([] if rate is None else [("learning rate", f"{rate:.3g}", "")]),
            ("epochs", f"{epochs.value:,.0f}", "; ".join(filter(None, (where, epochs.note)))),
        ]
    )


def _tried(found: Advice, width: int) -> list[str]:
    from epochal.choose.comparison.sentences import ranged, telling
    from epochal.choose.statistics.time_to_target import format_amount, format_amount_range
    from epochal.cli.study_screen import TextColumn, set_in_columns

    if len(found.tried) < 2:
        return []
    rows, digits = found.tried, found.quality.format_value
    names = [f"{_mark(found, one)} {_name(one)}" for one in rows]
    if found.goal == "quality":
        cost = TextColumn(label_of(found.monitor), [digits(one.value[0]) for one in rows])
        ends = [list(map(telling(digits, *one.effect[1:]), one.effect)) for one in rows]
        apart = [f"{middle} ({ranged(low, high)})" for middle, low, high in ends]
        title = "difference (95 %)"
    else:
        write = duration if found.goal == "time" else format_amount
        cells = [write(one.value[0]) if math.isfinite(one.value[0]) else "not reached" for one in rows]
        cost = TextColumn(f"{found.goal} to target", cells)
        apart = [f"{format_amount(one.effect[0])} ({format_amount_range(*one.effect[1:])})" for one in rows]
        title = f"relative {'time' if found.goal == 'time' else found.goal} (95 %)"
    apart = ["" if one.is_reference else text for one, text in zip(rows, apart, strict=True)]
    if found.goal == "quality":
        first = [
            TextColumn("repeats", [f"{one.repeats}" for one in rows]),
            TextColumn("epochs", [f"{one.epochs:,}" if one.epochs else "diverged" for one in rows]),
        ]
    else:
        first = [TextColumn("reached", [f"{one.updates_to_target.reached} of {one.repeats}" for one in rows])]
    return set_in_columns(names, [*first, cost, TextColumn(title, apart, right=False)], width)


MARKS = {
    "*": "advised",
    "+": "reference of the differences, not advised",
    "=": "no significant difference",
    "<": "significantly better in the search, and not advised",
    "x": "left out: it failed on fresh seeds",
    "-": "given up after the first seeds, not shown to be worse",
    " ": "no mark: worse, no better than the baseline, or diverged",
}
"""How a setting stands."""


def _mark(found: Advice, one: Tried) -> str:
    if found.advises(one):
        return "*"
    if one.is_reference:
        return "+"
    marks = {"=": one.tied, "x": one.left_out, "<": one.ahead, "-": one.given_up}
    return next((mark for mark, holds in marks.items() if holds), " ")


def _legend(found: Advice) -> list[str]:
    if len(found.tried) < 2:
        return []
    used = {_mark(found, one) for one in found.tried}
    marks = "; ".join(f"{mark} {meaning}".strip() for mark, meaning in MARKS.items() if mark in used)
    lines = [marks] if marks else []
    reference = next((one for one in found.tried if one.is_reference), None)
    against = "the advised" if reference is None or found.advises(reference) else _name(reference)
    if found.goal == "quality":
        lines.append(f"difference: from {against}, on the same seeds; these seeds chose the setting")
        lines.append("repeats: on the first seeds for what was given up, on further ones for the rest")
        lines.append("epochs: after so many a setting is read: those that are best for its other repeats")
    else:
        lines.append(f"reached: repeats that reached the target; relative: to {against}")
        lines.append("to target: expected; repeats that missed it count with all that they spent")
    return lines


def _name(one: Tried) -> str:
    rate = "" if one.learning_rate is None else f", rate {one.learning_rate:.3g}"
    return f"batch {one.batch_size:,}{rate}"


def _expected(found: Advice) -> list[str]:
    from epochal.choose.comparison.sentences import ranged, telling

    metrics = {found.monitor: found.quality, **found.metrics}
    rows = [(label_of(name), str(summary)) for name, summary in metrics.items()]
    rate = "" if found.learning_rate is None else f", learning rate {found.learning_rate:.3g}"
    final = f"batch size {found.batch_size:,}{rate}, {found.epochs.value:,.0f} epochs"
    lines = [] if found.recommended else [f"of the nearest of those that were searched: {final}"]
    lines += aligned([*rows, *((name, str(one.quality)) for name, one in found.beside.items())])
    for name, one in found.beside.items():
        lines.append(f"{name}: {one.text}; {label_of(found.monitor)} on the same seeds")
        if (less := one.difference) and less.ci95:
            middle, low, high = map(telling(less.format_value, *less.ci95), (less.mean, *less.ci95))
            that = "the advised" if found.recommended else "the nearest"
            lines[-1] += f"; {that} less it: {middle} ({ranged(low, high)})"
    lines.append(
        "the intervals are those of the mean on new rows; these seeds chose only the epochs of the defaults, "
        "for each repeat by the others"
    )
    if found.recommended:
        lines.append(f"one training as advised takes about {duration(found.seconds)}")
    return lines


def _cost(found: Advice) -> list[str]:
    cost = found.usage
    times = f"{cost.of_one_training:.2g}" if cost.of_one_training < 100 else f"{cost.of_one_training:,.0f}"
    share = f"{100 * cost.of_grid:.2g} %"
    return [
        cost.text,
        *([f"{times} times the updates of one training as advised"] if found.recommended else []),
        f"{share} of the exhaustive grid ({cost.grid})" if cost.grid else f"{share} of the exhaustive grid",
    ]
