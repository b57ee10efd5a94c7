"""Assembly of a report from a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from epochal.plan import Plan
from epochal.report.document import Confusion, ReportDocument, Residuals
from epochal.report.forecast import forecasts_of
from epochal.report.html import conditions_said
from epochal.report.page import write_page
from epochal.runs import Run
from epochal.runs.results_table import results_table
from epochal.training.describe import describe_model

__all__ = ["document_of", "write_report"]


def write_report(run: Run, path: str | Path) -> Path:
    """Write the page about a run."""
    return write_page(document_of(run), path)


def document_of(run: Run) -> ReportDocument:
    """The content of the page about a run."""
    headline, plan = run.headline, _plan_of(run)
    held_out = run.scores.get("validation")
    confusion = residuals = None
    if held_out is not None and held_out.confusion is not None and run.task.is_classification:
        confusion = Confusion(run.task.classes, held_out.confusion)
    elif held_out is not None and held_out.true is not None and held_out.predicted is not None:
        true, predicted = np.ravel(held_out.true), np.ravel(held_out.predicted)
        residuals = Residuals(true, predicted, str(run.data.get("target") or "target"))
    return ReportDocument(
        title=f"{run.data['source']} · {describe_model(run.settings['model'])}",
        verdict=run.verdict,
        curves=run.curves,
        headline=None if headline is None else headline[1],
        headline_name="validation.loss" if headline is None else headline[0],
        ensemble=None if headline is None else _ensemble(run, headline[0]),
        results=results_table(run),
        remarks=run.remarks,
        caution=run.caution,
        plan_text=str(plan),
        plan=plan.to_dict(),
        per_repeat=_per_repeat(run),
        confusion=confusion,
        residuals=residuals,
        forecasts=forecasts_of(run),
        per_class=run.per_class,
        precision_recall={
            part: run.precision_recall(part) for part, one in run.scores.items() if one.labels is not None
        },
        threshold=run.threshold,
        at_threshold=[
            (part, name, run.metrics[part][name], summary)
            for part, figures in run.at_threshold.items()
            for name, summary in figures.items()
        ],
        data={
            "source": run.data["source"],
            "samples": run.data["samples"],
            **{f"{name} samples": size for name, size in run.data["sizes"].items() if size},
            "inputs": " × ".join(str(size) for size in run.data["shape"]),
            "target": run.data["target"],
            "task": run.task.kind,
            **(
                {"labels" if run.task.is_multilabel else "classes": ", ".join(run.task.classes)}
                if run.task.classes
                else {}
            ),
        },
        data_notes=run.data["notes"],
        settings=run.settings,
        conditions={
            **conditions_said(run.conditions),
            "date": run.conditions["date"][:16].replace("T", " ") + " UTC",
            "seeds": _seeds(run),
            "fingerprint": run.data["fingerprint"],
        },
        baseline=run.baseline,
    )


def _ensemble(run: Run, name: str) -> float | None:
    part, _, metric = name.partition(".")
    return run.ensemble.get(part, {}).get(metric)


def _plan_of(run: Run) -> Plan:
    """The plan; for an iterator, one pass through the samples received."""
    came = run.data["sizes"]["train"]
    if len(run.splits[0]) or not 0 < came < run.plan.samples:
        return run.plan
    return Plan(
        came,
        min(run.plan.batch_sizes[0], came),
        1,
        seed=run.plan.seed,
        order="sequential",
        remainder=run.plan.remainder,
    )


def _seeds(run: Run) -> str:
    seeds = [outcome.seed for outcome in run.outcomes]
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _per_repeat(run: Run) -> list[dict[str, Any]]:
    rows = []
    for outcome in run.outcomes:
        row: dict[str, Any] = {
            "repeat": outcome.repeat + 1,
            "seed": outcome.seed,
            "stopped": outcome.stopped,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
        }
        for part, scores in run.scores.items():
            for name, summary in scores.metrics.items():
                row[f"{part}.{name}"] = summary.per_repeat[outcome.repeat]
        rows.append(row)
    return rows
