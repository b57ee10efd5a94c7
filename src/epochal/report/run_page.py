"""The page about a run: what its template shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from epochal.common.text import counted, mean_count
from epochal.curves import KINDS, Curves, Summary, Verdict, statistic_label
from epochal.plan import Plan
from epochal.report.figures import confusion_of, figure_data
from epochal.report.formatting import environment, fixed, format_value, minute, named, quality
from epochal.report.page import Cell, Table, render
from epochal.report.plot_data import level_of
from epochal.runs import ClassMetrics, ForecastScores, Run
from epochal.runs.evaluation_text import format_mean_sd, results_table
from epochal.training.describe import describe_model

_SIGNS = {
    "overfitting": ("↗", "warn"),
    "underfitting": ("→", "warn"),
    "good fit": ("✓", "good"),
    "stopped in time": ("✓", "good"),
    "leveled off": ("→", "open"),
    "undecided": ("?", "open"),
    "still improving": ("↘", "open"),
    "unstable": ("⚡", "bad"),
    "no significant difference from chance": ("≈", "bad"),
    "not judged": ("?", "open"),
}
assert set(_SIGNS) == {kind.removeprefix("probably ") for kind in KINDS}

MAX_CLASSES = 20
"""With more classes, the matrix is drawn as a figure."""

_MAX_ROWS = 200
_MANY = {"class": "classes", "label": "labels"}


def run_page(run: Run) -> str:
    """The page as text."""
    title = f"{run.data['source']} · {describe_model(run.settings['model'])}"
    of = "label" if run.task.is_multilabel else "class"
    precision_recall = {
        part: run.precision_recall(part) for part, one in run.scores.items() if one.labels is not None
    }
    seeds = [outcome.seed for outcome in run.outcomes]
    own_conditions = {
        **environment(run.environment),
        "date": minute(run.environment["date"]),
        "seeds": str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        "fingerprint": run.data["fingerprint"],
    }
    return render(
        "run.html",
        title=title,
        kind="training report",
        heading=title,
        byline=[*_length(run.curves), own_conditions["date"], str(own_conditions.get("device") or "")],
        figures=figure_data(run, precision_recall),
        run=run,
        answer=_answer(run.verdict),
        headline=_headline(run),
        strip=_strip(run),
        judged={statistic_label(name): value for name, value in run.verdict.statistics.items()},
        steps=list(_steps(run.forecasts)),
        repeats=len(run.curves.repeats),
        results=_results(run),
        each_repeat=_each_repeat(run),
        confusion=_confusion(run),
        classes=list(_classes(run.per_class, of)),
        of=of,
        ranked=len({one.name for curves in precision_recall.values() for one in curves}),
        threshold=_threshold(run),
        plan=plan_received(run),
        data=_data(run, of),
        conditions=own_conditions,
    )


def _length(curves: Curves) -> list[str]:
    if not len(curves):
        return []
    parts = [counted(len(curves.repeats), "repeat"), f"{curves.epoch.max():,.6g} epochs"]
    return parts + ([f"{int(curves.update.max()):,} updates"] if curves.update.max() > 0 else [])


def plan_received(run: Run) -> Plan:
    """The plan; for an iterator, one pass through the samples received."""
    came, plan = run.data["sizes"]["train"], run.plan
    if len(run.split_codes[0]) or not 0 < came < plan.samples:
        return plan
    size = min(plan.batch_sizes[0], came)
    return Plan(came, size, 1, seed=plan.seed, order="sequential", remainder=plan.remainder)


def _data(run: Run, of: str) -> dict[str, Any]:
    data, classes = run.data, ", ".join(run.task.classes)
    return {
        "source": data["source"],
        "samples": data["samples"],
        **{f"{name} samples": size for name, size in data["sizes"].items() if size},
        "inputs": " × ".join(map(str, data["shape"])),
        "target": data["target"],
        "task": run.task.kind,
        **({_MANY[of]: classes} if classes else {}),
    }


def _answer(verdict: Verdict) -> dict[str, str]:
    sign, tone = _SIGNS[verdict.kind.removeprefix("probably ")]
    tone = "warn" if verdict.kind == "probably unstable" else tone
    if verdict.warnings:
        kind, *others = verdict.warnings
        return {"sign": "!", "tone": "bad", "kind": kind, "sentence": " ".join([*others, verdict.sentence])}
    kind, _, rest = verdict.sentence.partition(": ")
    if not (rest and len(kind) <= 60):
        kind, rest = verdict.kind.capitalize(), verdict.sentence
    return {"sign": sign, "tone": tone, "kind": kind, "sentence": rest[0].upper() + rest[1:]}


def _headline(run: Run) -> dict[str, Any] | None:
    if run.headline is None:
        return None
    (name, summary), notes = run.headline, []
    if summary.sd is not None:
        notes.append(f"± sd of {summary.repeats} repeats")
        if summary.ci95 is not None:
            low, high = (fixed(end, summary) for end in summary.ci95)
            notes.append(f"95 % interval for new samples {low} to {high}")
    elif summary.repeats:
        notes.append("1 repeat: no interval")
    part, _, metric = name.partition(".")
    together = run.ensemble.get(part, {}).get(metric)
    if together is not None:
        notes.append(f"ensemble {fixed(together, summary)} (the mean prediction of the repeats)")
    left_out = len(summary.per_repeat) - summary.repeats
    if left_out:
        notes.append(f"{left_out} not finite, left out")
    base = level_of(run.baseline, name)
    if base is not None:
        notes.append(f"baseline {fixed(base, summary)}")
    return {
        "name": named(name),
        "value": quality(summary),
        "spread": "" if summary.sd is None else fixed(summary.sd, summary),
        "notes": notes,
    }


def _strip(run: Run) -> dict[str, Any] | None:
    """Where each repeat, the interval of the mean and the baseline lie on a line of 280 units."""
    name, summary = run.headline or ("", None)
    values = [] if summary is None else [value for value in summary.per_repeat if math.isfinite(value)]
    if summary is None or len(values) < 2 or summary.ci95 is None:
        return None
    base = level_of(run.baseline, name)
    levels = [] if base is None else [base]
    ends = [*values, *summary.ci95, *levels]
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> float:
        return round(8 + 264 * (value - low) / span, 1)

    left, right = map(at, summary.ci95)
    return {
        "baseline": list(map(at, levels)),
        "dots": list(map(at, values)),
        "left": left,
        "width": max(round(right - left, 1), 1),
    }


def _results(run: Run) -> Table:
    head, *rows = results_table(run)
    # A cell may break before its parenthesis only.
    return Table(
        head,
        [
            [Cell(name), *(Cell(cell.replace(" ± ", "\xa0±\xa0"), by=0.0) for cell in cells)]
            for name, *cells in rows
        ],
    )


def _each_repeat(run: Run) -> Table:
    measured = {
        f"{part}.{name}": summary.per_repeat
        for part, scores in run.scores.items()
        for name, summary in scores.metrics.items()
    }
    rows: list[list[Any]] = [
        [one.repeat + 1, one.seed, one.stopped, one.epochs, one.best_epoch]
        + [values[one.repeat] for values in measured.values()]
        for one in run.outcomes
    ]
    heads = ("repeat", "seed", "stopped", "epochs", "best_epoch", *measured)
    return Table(
        list(map(named, heads)), [[Cell(format_value(value), by=value) for value in row] for row in rows]
    )


def _confusion(run: Run) -> dict[str, Any] | None:
    counts = confusion_of(run)
    if counts is None:
        return None
    mean = counts.mean(axis=0)
    totals = mean.sum(axis=1, keepdims=True)
    share = np.divide(mean, totals, out=np.zeros_like(mean), where=totals > 0)
    names = run.task.classes
    rows = [(name, list(zip(mean[i], share[i], strict=True))) for i, name in enumerate(names)]
    return {"names": names, "rows": rows if len(names) <= MAX_CLASSES else [], "repeats": len(counts)}


def _classes(parts: Mapping[str, Mapping[str, ClassMetrics]], of: str) -> Iterator[tuple[str, Table, str]]:
    for part, classes in parts.items():
        if not classes:
            continue
        shown, note = list(classes.items()), ""
        if len(shown) > _MAX_ROWS:
            note = f"The {_MAX_ROWS} of {len(shown):,} {_MANY[of]} with the lowest F1 are shown."
            shown = sorted(shown, key=lambda one: one[1].f1.mean)[:_MAX_ROWS]
        rows = [
            [
                Cell(name),
                *map(
                    _spread if metrics.support.mean else lambda _: Cell("–"),
                    (metrics.precision, metrics.recall, metrics.f1),
                ),
                Cell(mean_count(metrics.support.mean), by=metrics.support.mean),
            ]
            for name, metrics in shown
        ]
        yield (
            f"Each {of}, {part}",
            Table((of, "precision", "recall", "F1", "samples"), rows, kind="classes"),
            note,
        )


def _threshold(run: Run) -> Table:
    rows = [
        [Cell(f"{part} {name}".replace("_", " ")), _spread(run.metrics[part][name]), _spread(summary)]
        for part, metrics in run.at_threshold.items()
        for name, summary in metrics.items()
    ]
    return Table(("", "above 0.5", "above the threshold"), rows, kind="classes")


def _spread(summary: Summary) -> Cell:
    digits = min(max(summary.decimals, 2), 4)
    ends = "" if summary.ci95 is None else " to ".join(f"{end:.{digits}f}" for end in summary.ci95)
    return Cell(format_mean_sd(summary), ends, by=summary.mean)


def _steps(forecasts: Mapping[str, ForecastScores]) -> Iterator[Table]:
    for part, found in forecasts.items():
        if len(found.rmse_by_step) == 1:
            continue
        rows = []
        for step, rmse in enumerate(found.rmse_by_step):
            ends = "" if rmse.ci95 is None else f" ({' to '.join(map(rmse.format_value, rmse.ci95))})"
            own = Cell(f"{rmse.format_value(rmse.mean)}{ends}", by=rmse.mean)
            rivals = [one.rmse_by_step[step].mean for one in found.naive]
            rows.append(
                [Cell(str(step + 1), by=step), own, *(Cell(rmse.format_value(one), by=one) for one in rivals)]
            )
        yield Table(("step ahead", f"RMSE, {part}", *(f"RMSE of {one.name}" for one in found.naive)), rows)
