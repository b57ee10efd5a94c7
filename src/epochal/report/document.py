"""What a report of a run says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves import Curves, PrecisionRecall, Summary, Verdict
from epochal.plan import Plan
from epochal.report.forecast import Forecasts, forecasts_of
from epochal.report.words import conditions
from epochal.runs import ClassFigures, Run, Threshold
from epochal.runs.evaluation_text import results_table
from epochal.training.describe import describe_model


@dataclass(frozen=True, eq=False)
class Confusion:
    """How classes were taken for one another: counts of shape (repeats, classes, classes), rows true."""

    classes: Sequence[str]
    counts: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Residuals:
    """True and predicted values of the validation samples, all repeats pooled; `target` is their name."""

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    target: str


@dataclass(frozen=True, eq=False)
class ReportDocument:
    """Everything that a report shows, as plain data.

    headline       the main metric over repeats, at the best parameters; None without validation.
    headline_name  its curve name: `validation.accuracy`.
    ensemble       the main metric of the mean prediction of the repeats, if known.
    results        all figures at the best parameters as rows of text, the first with the heads.
    per_repeat     one mapping a repeat; its keys become the columns, in this order.
    per_class      by part and class.
    at_threshold   part, metric, its value above one half, its value with the threshold.
    baseline       the baseline by curve name: a number or one per repeat.
    """

    title: str
    verdict: Verdict
    curves: Curves
    headline: Summary | None = None
    headline_name: str = "validation.loss"
    ensemble: float | None = None
    results: Sequence[Sequence[str]] = ()
    remarks: Sequence[str] = ()
    caution: str = ""
    plan_text: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    per_repeat: Sequence[Mapping[str, Any]] = ()
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    forecasts: Forecasts | None = None
    per_class: Mapping[str, Mapping[str, ClassFigures]] = field(default_factory=dict)
    precision_recall: Mapping[str, Sequence[PrecisionRecall]] = field(default_factory=dict)
    threshold: Threshold | None = None
    at_threshold: Sequence[tuple[str, str, Summary, Summary]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    data_notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, ArrayLike] = field(default_factory=dict)

    def level(self, name: str) -> float | None:
        """What the baseline reaches of a curve, the mean over repeats."""
        level = self.baseline.get(name)
        return None if level is None else float(np.mean(np.asarray(level, float)))


def document_of(run: Run) -> ReportDocument:
    """The content of the page about a run."""
    headline, plan = run.headline, _plan_of(run)
    part, _, metric = ("" if headline is None else headline[0]).partition(".")
    held_out, seeds = run.scores.get("validation"), [outcome.seed for outcome in run.outcomes]
    confusion = residuals = None
    if held_out is not None and held_out.confusion is not None and run.task.is_classification:
        confusion = Confusion(run.task.classes, np.asarray(held_out.confusion, np.float64))
    elif held_out is not None and held_out.true is not None and held_out.predicted is not None:
        true, predicted = np.ravel(held_out.true), np.ravel(held_out.predicted)
        residuals = Residuals(true, predicted, str(run.data.get("target") or "target"))
    return ReportDocument(
        title=f"{run.data['source']} · {describe_model(run.settings['model'])}",
        verdict=run.verdict,
        curves=run.curves,
        headline=None if headline is None else headline[1],
        headline_name="validation.loss" if headline is None else headline[0],
        ensemble=None if headline is None else run.ensemble.get(part, {}).get(metric),
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
            **conditions(run.conditions),
            "date": run.conditions["date"][:16].replace("T", " ") + " UTC",
            "seeds": str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
            "fingerprint": run.data["fingerprint"],
        },
        baseline=run.baseline,
    )


def _plan_of(run: Run) -> Plan:
    """The plan; for an iterator, one pass through the samples received."""
    came, plan = run.data["sizes"]["train"], run.plan
    if len(run.splits[0]) or not 0 < came < plan.samples:
        return plan
    size = min(plan.batch_sizes[0], came)
    return Plan(came, size, 1, seed=plan.seed, order="sequential", remainder=plan.remainder)


def _per_repeat(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "repeat": outcome.repeat + 1,
            "seed": outcome.seed,
            "stopped": outcome.stopped,
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            **{
                f"{part}.{name}": summary.per_repeat[outcome.repeat]
                for part, scores in run.scores.items()
                for name, summary in scores.metrics.items()
            },
        }
        for outcome in run.outcomes
    ]
