"""The page about a run: what its template shows of a document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epochal.curves import KINDS, Summary, figure_label
from epochal.report.document import ReportDocument, document_of
from epochal.report.figures import figure_data
from epochal.report.page import Cell, Table, render, write_whole
from epochal.report.words import count, counted, named, plain
from epochal.runs import ClassFigures, Run

_SIGNS = {
    "overfitting": ("↗", "warn"),
    "probably overfitting": ("↗", "warn"),
    "underfitting": ("→", "warn"),
    "probably underfitting": ("→", "warn"),
    "good fit": ("✓", "good"),
    "stopped in time": ("✓", "good"),
    "leveled off": ("→", "open"),
    "undecided": ("?", "open"),
    "still improving": ("↘", "open"),
    "probably still improving": ("↘", "open"),
    "unstable": ("⚡", "bad"),
    "probably unstable": ("⚡", "warn"),
    "no detectable difference from chance": ("≈", "bad"),
    "not judged": ("?", "open"),
}
assert set(_SIGNS) == set(KINDS)

MOST_CLASSES = 20
"""With more classes, the matrix is drawn as a picture."""

_MOST_ROWS = 200


def write_report(run: Run, path: str | Path) -> Path:
    """Write the page about a run as one self-contained HTML file; it appears whole or not at all."""
    return write_whole(run_page(document_of(run)), path)


def run_page(document: ReportDocument) -> str:
    """The page as text."""
    figures = figure_data(document)
    of = "label" if document.data.get("task") == "multilabel" else "class"
    return render(
        "run.html",
        title=document.title,
        kind="training report",
        heading=document.title,
        byline=_byline(document),
        figures=figures,
        page=document,
        answer=_answer(document),
        headline=_headline(document),
        strip=_strip(document),
        judged={figure_label(name): value for name, value in document.verdict.figures.items()},
        steps=list(_steps(document)),
        repeats=len(document.curves.repeats),
        results=_results(document),
        each_repeat=_each_repeat(document.per_repeat),
        confusion=_confusion(document),
        classes=list(_classes(document.per_class, of)),
        of=of,
        ranked=len({one.name for curves in document.precision_recall.values() for one in curves}),
        threshold=_threshold(document),
    )


def _byline(document: ReportDocument) -> list[str]:
    curves, parts = document.curves, []
    if len(curves):
        parts = [count(len(curves.repeats), "repeat"), f"{curves.epoch.max():,.6g} epochs"]
        if curves.update.max() > 0:
            parts.append(f"{int(curves.update.max()):,} updates")
    return parts + [str(document.conditions.get(key) or "") for key in ("date", "device")]


def _answer(document: ReportDocument) -> dict[str, str]:
    """The shape of the curve, or what matters more than it, in a few words, and the rest in a sentence."""
    verdict = document.verdict
    sign, tone = _SIGNS[verdict.kind]
    if verdict.concerns:
        kind, *others = verdict.concerns
        return {"sign": "!", "tone": "bad", "kind": kind, "sentence": " ".join([*others, verdict.sentence])}
    kind, _, rest = verdict.sentence.partition(": ")
    if not (rest and len(kind) <= 60):
        kind, rest = verdict.kind.capitalize(), verdict.sentence
    return {"sign": sign, "tone": tone, "kind": kind, "sentence": rest[0].upper() + rest[1:]}


def _headline(document: ReportDocument) -> dict[str, Any] | None:
    summary, notes = document.headline, []
    if summary is None:
        return None
    if summary.sd is not None:
        notes.append(f"± sd of {summary.repeats} repeats")
        if summary.ci95 is not None:
            low, high = (_fixed(end, summary) for end in summary.ci95)
            notes.append(f"95 % interval for new samples {low} to {high}")
    elif summary.repeats:
        notes.append("1 repeat: no interval")
    if document.ensemble is not None:
        notes.append(f"ensemble {_fixed(document.ensemble, summary)} (the mean prediction of the repeats)")
    left_out = len(summary.per_repeat) - summary.repeats
    if left_out:
        notes.append(f"{left_out} not finite, left out")
    base = document.level(document.headline_name)
    if base is not None:
        notes.append(f"baseline {_fixed(base, summary)}")
    return {
        "name": named(document.headline_name),
        "figure": _fixed(summary.mean, summary),
        "spread": "" if summary.sd is None else _fixed(summary.sd, summary),
        "notes": notes,
    }


def _fixed(value: float, summary: Summary) -> str:
    return summary.written(value) if math.isfinite(value) else "not finite"


def _strip(document: ReportDocument) -> dict[str, Any] | None:
    """Where each repeat, the interval of the mean and the baseline lie on a line of 280 units."""
    summary = document.headline
    values = [] if summary is None else [value for value in summary.per_repeat if math.isfinite(value)]
    if summary is None or len(values) < 2 or summary.ci95 is None:
        return None
    base = document.level(document.headline_name)
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


def _results(document: ReportDocument) -> Table | None:
    if len(document.results) < 2:
        return None
    head, *rows = document.results
    return Table(  # a cell may break before its parenthesis only
        head,
        [
            [
                Cell(name),
                *(
                    Cell(cell.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"), by=0.0)
                    for cell in cells
                ),
            ]
            for name, *cells in rows
        ],
    )


def _each_repeat(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[Cell(plain(row.get(name)), by=row.get(name)) for name in names] for row in rows]
    return Table(list(map(named, names)), cells) if names else None


def _confusion(document: ReportDocument) -> dict[str, Any] | None:
    found = document.confusion
    if found is None:
        return None
    mean = found.counts.mean(axis=0)
    totals = mean.sum(axis=1, keepdims=True)
    share = np.divide(mean, totals, out=np.zeros_like(mean), where=totals > 0)
    names = list(map(str, found.classes))
    rows = [(name, list(zip(mean[i], share[i], strict=True))) for i, name in enumerate(names)]
    return {"names": names, "rows": rows if len(names) <= MOST_CLASSES else [], "repeats": len(found.counts)}


def _classes(parts: Mapping[str, Mapping[str, ClassFigures]], of: str) -> Iterator[tuple[str, Table, str]]:
    """A table per part of the samples: mean ± sd with the 95 % interval below, a row per class."""
    for part, classes in parts.items():
        if not classes:
            continue
        shown, note = list(classes.items()), ""
        if len(shown) > _MOST_ROWS:
            many = {"class": "classes", "label": "labels"}[of]
            note = f"The {_MOST_ROWS} of {len(shown):,} {many} with the lowest F1 are shown."
            shown = sorted(shown, key=lambda one: one[1].f1.mean)[:_MOST_ROWS]
        rows = [
            [
                Cell(name),
                *map(_spread, (figures.precision, figures.recall, figures.f1)),
                Cell(counted(figures.support.mean), by=figures.support.mean),
            ]
            for name, figures in shown
        ]
        yield (
            f"Each {of}, {part}",
            Table((of, "precision", "recall", "F1", "samples"), rows, kind="classes"),
            note,
        )


def _threshold(document: ReportDocument) -> Table:
    rows = [
        [Cell(f"{part} {name}".replace("_", " ")), _spread(half), _spread(with_it)]
        for part, name, half, with_it in document.at_threshold
    ]
    return Table(("", "above 0.5", "above the threshold"), rows, kind="classes")


def _spread(summary: Summary) -> Cell:
    if summary.sd is None:
        return Cell(f"{summary.mean:.3f}", by=summary.mean)
    digits = min(max(summary.decimals, 2), 4)
    ends = "" if summary.ci95 is None else " to ".join(f"{end:.{digits}f}" for end in summary.ci95)
    return Cell(f"{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}", ends, by=summary.mean)


def _steps(document: ReportDocument) -> Iterator[Table]:
    for part, found in () if document.forecasts is None else document.forecasts.scores.items():
        if len(found.rmse_by_step) == 1:
            continue
        rows = []
        for step, rmse in enumerate(found.rmse_by_step):
            ends = "" if rmse.ci95 is None else f" ({' to '.join(map(rmse.written, rmse.ci95))})"
            own = Cell(f"{rmse.written(rmse.mean)}{ends}", by=rmse.mean)
            rivals = [one.rmse_by_step[step].mean for one in found.naive]
            rows.append(
                [Cell(str(step + 1), by=step), own, *(Cell(rmse.written(one), by=one) for one in rivals)]
            )
        yield Table(("step ahead", f"RMSE, {part}", *(f"RMSE of {one.name}" for one in found.naive)), rows)
