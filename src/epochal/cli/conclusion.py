"""The result of a training on the screen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from epochal.cli.screen import print_places
from epochal.common.metric_names import label_of
from epochal.common.text import aligned
from epochal.curves import picture
from epochal.data import PairEncoder
from epochal.runs import Run, evaluation_text as tables
from epochal.runs.per_class import per_class
from epochal.training.progress.terminal import section

_MAX_REASONS, _MAX_STEPS = 6, 12
_OF_CLASSES = ("precision", "recall")  # what the table of the classes says


def show_result(console: Console, run: Run, folder: Path | None) -> None:
    """Print the result: the curve, the verdict, the metrics, and where everything is."""
    width = max(60, min(100, console.width))
    color, encoding = console.is_terminal and not console.no_color, console.encoding or "ascii"
    drawing = picture(run.curves, width, 18, color, encoding=encoding, monitor=str(run.settings["monitor"]))
    console.print()
    console.print(Text.from_ansi(drawing), soft_wrap=True)
    section(console, "Verdict", [*run.verdict.warnings, run.verdict.sentence, run.verdict.remedy], width)
    several, rows = run.repeats > 1, tables.results_table(run, without=_OF_CLASSES)
    over = f", over {run.repeats} repeats" if several else " (1 repeat: no interval)"
    results = [*aligned(rows if several else rows[1:]), *run.metric_notes]
    results += [run.metric_warning] if run.metric_warning else []
    chosen = run.settings.get("positive") is not None or isinstance(run.encoder, PairEncoder)
    if run.task.kind == "binary" and not chosen:
        other = shlex.quote(run.task.classes[0])
        results.append(f"With --positive {other}, F1, precision and recall are of that class.")
    section(console, f"Results at the best epoch{over}", results, width)
    if run.forecasts:
        heading = "Against forecasts that need no training, on the same windows"
        section(console, heading, _forecasts(run), width)
    for heading, lines in [*class_sections(run), *threshold_section(run)]:
        section(console, heading, lines, width)
    section(console, "Stopped", _reasons(run), width)
    places: list[tuple[str, object]] = []
    if folder is not None:
        report = folder / "report.html"
        places = [("Run", folder), *([("Report", report)] if report.is_file() else [])]
        if not (run.interrupted or run.failed):  # which is resumed first
            places.append(("Next", f"epochal predict {shlex.quote(str(folder))} NEW_DATA"))
    print_places(console, places)


def _forecasts(run: Run) -> list[str]:
    """A sentence for each part and naive forecast; where there are several steps ahead, the RMSE of each."""
    lines = []
    for part, found in run.forecasts.items():
        lines += [f"{part}: {sentence}" for sentence in found.sentences]
    for part, found in run.forecasts.items():
        if len(found.rmse_by_step) == 1:
            continue
        ends = " (95 %)" if found.rmse_by_step[0].sd is not None else ""
        rows = [("step ahead", f"{part} RMSE{ends}", *(naive.name for naive in found.naive))]
        for step, rmse in enumerate(found.rmse_by_step[:_MAX_STEPS]):
            mean, between = tables.cells(rmse)
            own = f"{mean} ({between})" if rmse.sd is not None else _single(rmse.mean)
            rows.append((str(step + 1), own, *(_single(one.rmse_by_step[step].mean) for one in found.naive)))
        lines += aligned(rows)
        if len(found.rmse_by_step) > _MAX_STEPS:
            lines.append(f"and {len(found.rmse_by_step) - _MAX_STEPS} more steps, in run.json and the report")
    return lines


def _single(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def _reasons(run: Run) -> list[str]:
    reasons: dict[str, list[int]] = {}
    for outcome in run.outcomes:
        reasons.setdefault(outcome.stopped, []).append(outcome.repeat + 1)
    planned = int(run.settings["repeats"])
    left_out = planned - run.repeats
    begun = [f"{left_out} of {planned} repeats had not begun and are left out"] if left_out > 0 else []
    if len(reasons) == 1:
        return [*reasons, *begun]
    lines = [
        f"{'repeat' if len(who) == 1 else 'repeats'} {', '.join(map(str, who))}: {why}"
        for why, who in reasons.items()
    ]
    more = len(lines) - _MAX_REASONS
    if more > 1:
        lines = [*lines[:_MAX_REASONS], f"and {more} more, in run.json and the report"]
    return lines + begun


def class_sections(run: Run) -> list[tuple[str, list[str]]]:
    """A title and lines for each part: a table of the classes as predicted, or the most confused of many."""
    classes, most = len(run.task.classes), tables.MAX_CLASSES
    few = classes <= most
    lines = {part: _table(run, part, few or run.task.is_multilabel) for part in run.per_class}
    at = tables.by_threshold(run.threshold)
    what = "Classes" if few else "Most often confused"
    if run.task.is_multilabel:
        what = "Labels" if few else f"Labels with the lowest F1, {most} of {classes:,}"
    over = tables.over_repeats(run.repeats)
    return [(f"{what}, {part}{at} ({over})", shown) for part, shown in lines.items() if shown]


def threshold_section(run: Run) -> list[tuple[str, list[str]]]:
    """What the threshold changes, if the run has one: the metrics of decisions at one half and with it."""
    if run.threshold is None:
        return []
    rows: list[Sequence[str]] = [("", "above 0.5", "above the threshold")]
    for part, metrics in run.at_threshold.items():
        for name, summary in metrics.items():
            both = map(tables.format_mean_sd, (run.metrics[part][name], summary))
            rows.append((f"{part} {label_of(name)}", *both))
    chosen = run.threshold.rule != "given" and "validation" in run.at_threshold
    aside = (
        ["It was chosen on the validation samples: look at the test metrics to judge it."] if chosen else []
    )
    return [("Threshold", [str(run.threshold), *aligned(rows), *aside])]


def _table(run: Run, part: str, each: bool) -> list[str]:
    if not each:
        heads = ("true", "taken for", "samples", "of its class")
        pairs = run.most_confused(part, most=tables.MAX_PAIRS)
        lines = tables.confusion_table(pairs, heads, run.task.classes)
        return lines or ["none: every sample is in its class"]
    counts = run.scores[part].confusion_at_threshold
    found = run.per_class[part] if counts is None else per_class(counts, run.task.classes)
    if len(found) > tables.MAX_CLASSES:
        found = dict(sorted(found.items(), key=lambda one: one[1].f1.mean)[: tables.MAX_CLASSES])
    return tables.class_table(found, "samples", tables.distinct(list(found)))
