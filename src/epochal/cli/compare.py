"""epochal compare: which batch size, learning rate or optimizer is best for a table?"""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli import train
from epochal.cli.again import copyable, given_words, same_command
from epochal.cli.choice_folder import folder_for, interruptible, write_report
from epochal.cli.choice_options import compare_options, compared, request
from epochal.cli.command import Command
from epochal.cli.network_options import networks, variants
from epochal.cli.say import say, say_document
from epochal.cli.train import folder_name, load_data, own_model

if TYPE_CHECKING:
    from epochal.choose.comparison import Comparison, Row
    from epochal.cli.choice_screen import ChoiceScreen
    from epochal.data import Dataset

__all__ = ["command"]

MOST_ROWS = 20
"""Settings on the screen; the report and --json have all of them."""

TIED = "="
"""Marks a setting without a significant difference from the best one."""


NETWORK = ("network", "hidden", "activation")
"""Options of a network of which a comparison may have several."""
AXES = ("batch_size", "learning_rate", "optimizer", "epochs", "schedule", "order", "remainder", *NETWORK)
OWN = (*AXES, "repeats", "target_value", "out", "no_report", "as_json", "quiet")
"""Options of both commands that a training does not take over from the comparison as they are."""


@click.command("compare", cls=Command)
@click.argument("data")
@compare_options
@click.pass_context
def command(
    ctx: click.Context, /, data: str, out: Path | None, as_json: bool, quiet: bool, **given: Any
) -> None:
    """Compare batch sizes, learning rates, optimizers or networks on DATA.

    \b
    epochal compare example:breast-cancer --batch-size 1,8,32,128,full
    epochal compare table.csv --optimizer sgd,adam --learning-rate 0.01,0.03

    DATA is what `epochal train` takes. All combinations of the lists train on the same samples and seeds;
    one that is clearly behind ends early. The same command goes on where it was interrupted.
    """
    from epochal.cli.choice_screen import ChoiceScreen
    from epochal.run.choices import keep_choice

    screen = ChoiceScreen(quiet=quiet, to_stderr=as_json)
    dataset = load_data(data, given)
    folder = folder_for("compare", folder_name(data), out, request(dataset, given))
    command_line = same_command(ctx, data)
    found = _compare(dataset, given, folder, screen, command_line)
    arguments = _arguments(ctx, data, found)
    words = shlex.join(["epochal", "train", *arguments])
    keep_choice(folder, command=command_line, train=["epochal", "train", *arguments])
    report = None if given["no_report"] else write_report(folder, found.report)
    if as_json:
        paths = {"folder": str(folder), "report": None if report is None else str(report)}
        say_document(found.to_dict() | {"command": words} | paths)
    elif quiet:
        say(f"{folder}  {found.answer}")
    if not quiet:
        _conclude(screen, found, words)
        screen.paths([("Folder", folder), *([("Report", report)] if report is not None else [])])


def _compare(
    dataset: Dataset, given: dict[str, Any], folder: Path, screen: ChoiceScreen, command_line: list[str]
) -> Comparison:
    from epochal.choose.compare import compare

    with own_model(given["model"]):
        model, options = networks(given, dataset), compared(given, dataset)
        screen.data(dataset)
        with interruptible(folder, screen, command_line) as control:
            return compare(model, dataset, folder=folder, control=control, watch=screen.show, **options)


def _arguments(ctx: click.Context, data: str, found: Comparison) -> list[str]:
    """What `epochal train` is given to train with the best setting, on the same samples and seed."""
    row = found.row(found.best)
    options = row.options
    words = [data, "--batch-size", str(options["batch_size"]), "--epochs", str(options["epochs"])]
    if row.learning_rate is not None:
        words += ["--learning-rate", repr(row.learning_rate)]
    if "stop" in options:
        words += ["--max-updates", str(row.updates)]
    usual = {one.name: one.default for one in train.command.params}
    chosen = {name: options[name] for name in ("optimizer", "order", "remainder")}
    for name, word in {**chosen, "schedule": options["schedule"].kind}.items():
        words += [f"--{name}", word] if word != usual[name] else []
    named = dict(variants(ctx.params))
    own = named.get(row.axes.get("model", ""), next(iter(named.values())))
    for name in NETWORK:
        words += [f"--{name}", own[name]] if own[name] is not None else []
    known = {one.name or "" for one in train.command.params}
    return words + given_words(ctx, without=OWN, of=known)


def _conclude(screen: ChoiceScreen, found: Comparison, words: str) -> None:
    """Print the answer first, then what it rests on."""
    from epochal.choose.words import said_time, taken

    screen.answer(found.answer)
    screen.section(f"Settings, {found.at}", _table(found, screen.width - 2), fold=False)
    screen.section("Read it like this", _legend(found))
    screen.section("The three regimes of gradient descent", _regimes(found, screen.width - 2), fold=False)
    if found.hyperbola is not None:
        screen.section("Updates to the target against the batch size", [str(found.hyperbola)])
    screen.section("Notes", found.notes)
    cost = found.cost
    spent = f"{cost.trainings:,} trainings, {cost.updates:,} updates; {said_time(cost.seconds)} for this call"
    screen.section("Cost", [spent])
    lines = copyable(shlex.split(words), screen.width - 2)
    screen.section(f"To train with {taken(found)}", lines, fold=False)


def _table(found: Comparison, width: int) -> list[str]:
    """The settings, the best first."""
    from epochal.choose.words import said_time
    from epochal.cli.choice_screen import Column, quality, set_in_columns

    rows = found.rows[:MOST_ROWS]
    names = [f"{_mark(found, row)} {row.name}" for row in rows]
    columns = [
        Column("rate", [_rate(row) for row in rows]),
        Column(found.column.replace(".", " "), [quality(row.quality) for row in rows]),
        Column("to the best (95 %)", [_difference(found, row) for row in rows], right=False),
        Column("best epoch", [_number(row.best_epoch.mean) for row in rows]),
        Column("updates", [f"{row.updates:,}" for row in rows]),
        Column("time", [said_time(row.seconds) for row in rows]),
        Column("to target", [_effort(row) for row in rows]),
        Column("remark", [_remark(row) for row in rows], right=False),
    ]
    lines = set_in_columns(names, columns, width)
    more = len(found.rows) - len(rows)
    return [*lines, f"and {more} more, in the report and --json"] if more else lines


def _mark(found: Comparison, row: Row) -> str:
    if row.name == found.best:
        return "*"
    return TIED if row.name in found.tied else " "


def _legend(found: Comparison) -> list[str]:
    others = [name for name in found.tied if name != found.best]
    marks = ["* the best mean"]
    if others:
        marks.append(f"{TIED} no significant difference from the best (corrected)")
    lines = [
        "; ".join(marks),
        "±: standard deviation of one repeat; (95 %): interval of one comparison alone",
        "time: of one training, without evaluations",
    ]
    if found.target is not None:
        lines.append(f"to target: updates until {found.target:.4g} ({found.target_words})")
    return lines


def _rate(row: Row) -> str:
    """The learning rate that was found; one that was given is in the name or the same for all."""
    return "" if row.tuned is None else f"{row.tuned.rate:.3g}"


def _difference(found: Comparison, row: Row) -> str:
    """This setting less the best one, in the unit of the judged column, with its interval."""
    from epochal.cli.choice_screen import ranged

    paired = row.difference
    if paired is None or not math.isfinite(paired.mean):
        return ""
    better = 1 if paired.a == row.name else -1
    sign = better if found.higher_is_better else -better
    ends = paired.ci95
    written = paired.differences.written
    middle = f"{'+' if sign * paired.mean > 0 else ''}{written(sign * paired.mean)}"
    if ends is None:
        return middle
    low, high = sorted(sign * end for end in ends)
    return f"{middle} ({ranged(written(low), written(high))})"


def _effort(row: Row) -> str:
    from epochal.choose.reached import written

    effort = row.effort
    if effort is None:
        return ""
    if effort.reached == 0:
        return "not reached"
    some = f" ({effort.reached}/{effort.repeats})" if effort.reached < effort.repeats else ""
    return f"{written(effort.expected)}{some}"


def _remark(row: Row) -> str:
    remarks = [f"{row.broken} of {row.repeats} broke"] if row.broken else []
    if row.dropped is not None:
        remarks.append(f"ended after {row.repeats} repeats")
    return ", ".join(remarks)


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ""


def _regimes(found: Comparison, width: int) -> list[str]:
    """Batch, mini-batch and stochastic gradient descent, each with its best setting."""
    from epochal.choose.words import said_time
    from epochal.cli.choice_screen import Column, quality, set_in_columns

    shown = [(regime.name, found.row(regime.row)) for regime in found.regimes if regime.row is not None]
    missing = [regime.name for regime in found.regimes if regime.row is None]
    rows = [row for _, row in shown]
    columns = [
        Column("best setting", [row.name for row in rows], right=False),
        Column(found.column.replace(".", " "), [quality(row.quality) for row in rows]),
        Column("updates", [f"{row.updates:,}" for row in rows]),
        Column("time", [said_time(row.seconds) for row in rows]),
    ]
    lines = set_in_columns([name for name, _ in shown], columns, width) if shown else []
    return [*lines, *(f"{name}: not among the settings" for name in missing)]
