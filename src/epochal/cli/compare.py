"""epochal compare: batch sizes, learning rates, optimizers or networks compared on a table."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import click

from epochal.cli import train
from epochal.cli.arguments import GRID_OPTIONS, compare_arguments
from epochal.cli.command import Command
from epochal.cli.flags import COMPARE
from epochal.cli.networks import OWNERS, networks, variants
from epochal.cli.options import DATA, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.study_folder import copyable, given_words, run_study
from epochal.common.text import duration

if TYPE_CHECKING:
    from epochal.choose.comparison.comparison import Comparison, Row
    from epochal.cli.study_screen import StudyScreen

MAX_ROWS = 20  # settings on the screen; the report and --json have all of them


NETWORK = ("network", "hidden", "activation")  # options of a network of which a comparison may have several
OWN = (*GRID_OPTIONS, *NETWORK, "repeats", "target_value", "margin", "out", "no_report", "as_json", "quiet")
"""Options of both commands that a training does not take over from the comparison as they are."""


@click.command("compare", cls=Command)
@click.argument("data", type=DATA)
@flags(COMPARE, "compare")
@click.pass_context
def command(ctx: click.Context, /, data: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Compare batch sizes, learning rates, optimizers or networks on DATA.

    \b
    epochal compare example:breast-cancer --batch-size 1,8,32,128,full
    epochal compare table.csv --optimizer sgd,adam --learning-rate 0.01,0.03

    DATA is what `epochal train` takes. All combinations of the lists train on the same samples and seeds;
    one that is clearly behind ends early. The same command goes on where it was interrupted.
    """
    from epochal.choose.comparison.compare import compare

    found, line, paths = run_study(ctx, data, compare, networks, compare_arguments, _arguments, _conclude)
    if as_json:
        echo_json(found.to_dict() | {"command": shlex.join(line)} | paths)
    elif quiet:
        echo(f"{paths['folder']}  {found.answer}")


def _arguments(ctx: click.Context, data: str, found: Comparison) -> list[str]:
    """What `epochal train` is given to train with the recommended setting, on the same samples and seed."""
    row = found.recommended_row
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
        value = ",".join(map(str, own[name])) if isinstance(own[name], tuple) else own[name]
        words += [f"--{name}", value] if value is not None else []
    foreign = [of for of in OWNERS if own[of] is None]  # of the other networks and schedules compared
    foreign += [] if options["schedule"].every else ["step_every"]
    foreign += [] if options["schedule"].floor else ["schedule_floor"]
    return words + given_words(ctx, without=(*OWN, *foreign), of=train.command)


def _conclude(screen: StudyScreen, found: Comparison, line: list[str]) -> None:
    from epochal.choose.comparison.sentences import at_best

    screen.answer(found.answer)
    screen.section(f"Settings, {found.budget}", _table(found, screen.width - 2), wrap=False)
    screen.section("Read it like this", _legend(found))
    screen.section("The three regimes of gradient descent", _regimes(found, screen.width - 2), wrap=False)
    if found.hyperbola is not None:
        meaning = "critical: above it, larger batches save few updates"
        if found.hyperbola.estimated:
            meaning += "; fewest: with very large or small batches"
        most = found.data["sizes"]["train"]
        if found.hyperbola.estimated and found.hyperbola.critical_batch_size > most:
            meaning = (
                f"an estimate beyond all {most:,} training samples: up to the full batch, larger batches "
                "need fewer updates"
            )
        screen.section("Updates to the target against the batch size", [str(found.hyperbola), meaning])
    screen.section("Notes", found.notes)
    screen.section("Cost", [found.usage.text])
    if found.recommended is None:
        return
    lines, row = copyable(line, screen.width - 2), found.recommended_row
    when = f", best {at_best(row)}" if row.quality.repeats else ""
    screen.section(f"To train with {row.name}{when}", lines, wrap=False)


def _table(found: Comparison, width: int) -> list[str]:
    from epochal.choose.comparison.sentences import behind, ert_in_words, mark_of
    from epochal.cli.study_screen import TextColumn, quality, set_in_columns

    rows = found.rows[:MAX_ROWS]
    names = [f"{mark_of(found, row) or ' '} {row.name}" for row in rows]
    best_epochs = [row.best_epoch.mean for row in rows]
    columns = [
        TextColumn("rate", ["" if row.tuned is None else f"{row.tuned.rate:.3g}" for row in rows]),
        TextColumn(found.monitor.replace(".", " "), [quality(row.quality) for row in rows]),
        TextColumn("to the best mean", [behind(found, row) for row in rows], right=False),
        TextColumn("best epoch", [f"{one:.3g}" if math.isfinite(one) else "" for one in best_epochs]),
        TextColumn("updates", [f"{row.updates:,}" for row in rows]),
        TextColumn("time", [duration(row.seconds) for row in rows]),
        TextColumn("to target", [ert_in_words(row) for row in rows]),
        TextColumn("remark", [_remark(row) for row in rows], right=False),
    ]
    lines = set_in_columns(names, columns, width)
    more = len(found.rows) - len(rows)
    return [*lines, f"and {more} more, in the report and --json"] if more else lines


def _legend(found: Comparison) -> list[str]:
    from epochal.choose.comparison.sentences import marks_of
    from epochal.choose.statistics.paired_statistics import ALPHA
    from epochal.choose.statistics.paired_test import confidence

    lines = [
        *filter(None, [marks_of(found)]),
        f"±: standard deviation of one repeat; in brackets: interval of the difference, {confidence(ALPHA)} "
        "for all comparisons together",
        "each repeat is read at the epoch that is best for another repeat, so that no lucky moment counts; a "
        "training keeps its own best epoch",
        "recommended: the best mean, or the fastest within one standard error of it, if 1.5 times faster",
        "time: of one training, without evaluations",
    ]
    if found.settings.get("target_standardized"):
        known = any(name.endswith(".rmse") for row in found.rows for name in row.metrics)
        units = "; RMSE is in the target's units" if known else ""
        lines.append(f"loss: of standardized targets (mean 0, sd 1){units}")
    if found.margin > 0 and len(found.rows) > 1:
        lines.append(f"practically the same: shown to differ by less than {found.margin:.2g} (--margin)")
    repeats = {row.tuned.repeats for row in found.rows if row.tuned is not None}
    if repeats:
        lines.append(
            "rate: the lowest within one standard error of the best of those tried, on "
            f"{max(repeats)} other repeats"
        )
    if found.target_value is not None:
        running_times = [row.updates_to_target for row in found.rows if row.updates_to_target is not None]
        some = any(0 < one.reached < one.repeats for one in running_times)
        counted = "; repeats that missed it count with all their updates (in brackets, how many reached it)"
        until = f"to target: expected updates until {found.target_value:.4g} ({found.target_text})"
        lines.append(f"{until}{counted if some else ''}")
    return lines


def _remark(row: Row) -> str:
    notes = [f"{row.diverged} of {row.repeats} diverged"] if row.diverged else []
    if row.dropped is not None:
        notes.append(f"ended after {row.repeats} repeats")
    return ", ".join(notes)


def _regimes(found: Comparison, width: int) -> list[str]:
    from epochal.cli.study_screen import TextColumn, quality, set_in_columns

    shown = [(regime.name, found.row(regime.row)) for regime in found.regimes if regime.row is not None]
    if len(shown) == 1:
        return []
    missing = [regime.name for regime in found.regimes if regime.row is None]
    rows = [row for _, row in shown]
    columns = [
        TextColumn("best setting", [row.name for row in rows], right=False),
        TextColumn(found.monitor.replace(".", " "), [quality(row.quality) for row in rows]),
        TextColumn("updates", [f"{row.updates:,}" for row in rows]),
        TextColumn("time", [duration(row.seconds) for row in rows]),
    ]
    lines = set_in_columns([name for name, _ in shown], columns, width) if shown else []
    return [*lines, *(f"{name}: not among the settings" for name in missing)]
