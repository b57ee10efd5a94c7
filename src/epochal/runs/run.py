"""`Run`: the record of a finished training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from epochal.common.late_bound import late_bound
from epochal.common.metric_names import label_of
from epochal.common.option_text import render_message
from epochal.curves import Curves, PrecisionRecall, Summary, Verdict, precision_recall, summarize
from epochal.data import SampleEncoder, Task
from epochal.errors import Refusal
from epochal.models import Model
from epochal.plan import Plan
from epochal.runs.evaluation import Evaluation
from epochal.runs.forecast import ForecastScores, Observed
from epochal.runs.metrics import few_samples
from epochal.runs.outcome import Fitted, Outcome, Scores
from epochal.runs.per_class import ClassMetrics, Confused, decided, most_confused, per_class
from epochal.runs.prediction import Prediction, Ranking
from epochal.runs.run_warnings import notes_on_metrics
from epochal.runs.threshold import Threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training: its plan, repeats, curves, parameters and verdict.

    `run.curves.plot()`, `run.verdict`, `run.predict(X_new)`, `run.report("report.html")`.
    """

    plan: Plan
    task: Task
    model: Model | None
    """None in a record that was read without its parameters."""
    settings: dict[str, Any]
    curves: Curves
    outcomes: tuple[Outcome, ...]
    fitted: tuple[Fitted, ...]
    verdict: Verdict
    scores: dict[str, Scores]
    """By part: "validation" and "test", if any."""
    data: dict[str, Any]
    """A description of the data: source, features, notes, fingerprint."""
    encoder: SampleEncoder | None
    environment: dict[str, Any]
    """Versions, device and date of the measurements."""
    baseline: dict[str, list[float]] = field(default_factory=dict)
    forecasts: dict[str, ForecastScores] = field(default_factory=dict)
    """For windows of a series: RMSE by step ahead, compared with naive forecasts, by part."""
    observed: Observed | None = None
    """For windows of a series: the forecast column, row by row."""
    order_seeds: tuple[int, ...] = ()
    """The seed of each repeat's order; see `plan_of`."""
    threshold: Threshold | None = None
    """The decision threshold of the second of two classes, if not one half."""
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """The source row of each sample, counted from 1; empty for a source without length."""
    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """Hashes of inputs and target of each sample, by which `evaluate` finds training rows; empty for streamed
    samples, or more than 4,194,304.
    """
    names: tuple[str, ...] = ()
    """Names of samples, such as image files; empty if rows have only numbers."""
    split_codes: tuple[NDArray[np.uint8], ...] = ()
    """For each repeat the part of each sample: 1 training, 2 validation, 3 test, 0 none."""
    order_values: NDArray[Any] | None = None
    """The order's per-sample values (class, weight or group); None for most orders."""
    interrupted: bool = False
    failed: str = ""
    """Why the data became unreadable, if that ended the training."""
    folder: Path | None = None

    @property
    def repeats(self) -> int:
        """Number of repeats."""
        return len(self.outcomes)

    @property
    def history(self) -> Any:
        """The curves as a data frame: repeat (from 1), epoch, update, samples, seconds, and all columns.

        Epoch 0 is the evaluation before the first update. A pandas frame, or an Arrow table without pandas.
        """
        return self.curves.to_frame()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes before training: how the data was read, and what was adjusted."""
        raw_notes = [*self.data.get("notes", ()), *self.data.get("training_notes", ())]
        loader = "" if self.encoder is None else self.encoder.loader
        return tuple(dict.fromkeys(render_message(note, loader) for note in raw_notes))

    @property
    def precision(self) -> str:
        """The option `precision` (not the metric): "float32" or "bfloat16", what the model computes in."""
        return str(self.settings.get("precision", "float32"))

    def plan_of(self, repeat: int) -> Plan:
        """The plan of one repeat, with its seed and the order's values of its training samples."""
        order = self.plan.order
        if self.order_values is not None:
            order = order.bind(self.order_values[self.split_codes[repeat] == 1])
        return self.plan.with_(seed=self.order_seeds[repeat], order=order)

    @cached_property
    def metrics(self) -> dict[str, dict[str, Summary]]:
        """Mean and sd over repeats, and a 95 % interval, by part and name, at the best parameters.

        The interval is for new samples and a network trained this way on this data
        (`epochal.curves.intervals.new_samples`); it need not be centered at the mean of validation metrics,
        which are optimistic due to the choice of the epoch. For regression the errors in units of the
        target come first, then R².
        """
        first = {name: place for place, name in enumerate(("rmse", "mae", "r2"))}
        return {
            part: dict(sorted(scores.metrics.items(), key=lambda one: first.get(one[0], len(first))))
            for part, scores in self.scores.items()
        }

    @property
    def ensemble(self) -> dict[str, dict[str, float]]:
        """The metrics of the mean prediction of the repeats, which `predict` gives, by part and name.

        For "test" only, whose samples no repeat has seen; empty without it, or with one repeat.
        """
        return {part: scores.ensemble for part, scores in self.scores.items() if scores.ensemble}

    @cached_property
    def per_class(self) -> dict[str, dict[str, ClassMetrics]]:
        """Precision, recall, F1 and support of each class or label, by part and name, over repeats.

        `run.per_class["validation"]["yes"].recall.mean`; empty for regression.
        """
        return {
            part: per_class(scores.confusion, self.task.classes)
            for part, scores in self.scores.items()
            if scores.confusion is not None and not self.task.is_regression
        }

    @cached_property
    def at_threshold(self) -> dict[str, dict[str, Summary]]:
        """The metrics of decisions with the threshold of each repeat; empty without a threshold.

        `run.metrics` has them at one half. Those of "validation" are optimistic, since the
        threshold was chosen there.
        """
        return {
            part: {
                name: summarize(values, interval=False)
                for name, values in decided(scores.confusion_at_threshold).items()
            }
            for part, scores in self.scores.items()
            if scores.confusion_at_threshold is not None
        }

    def most_confused(self, part: str = "validation", most: int = 10) -> list[Confused]:
        """The most frequent confusions of classes in a part."""
        scores = self.scores.get(part)
        if self.task.is_multilabel:
            raise Refusal("labels are not taken for one another; per_class has the metrics of each.")
        if scores is None or scores.confusion is None:
            known = ", ".join(self.per_class) or "none"
            raise Refusal(f'part must be one with classes ({known}); got "{part}".')
        return most_confused(scores.confusion, self.task.classes, most)

    def precision_recall(self, part: str = "validation") -> list[PrecisionRecall]:
        """Precision against recall over the repeats: of the second of two classes, or of each class or label.

        Args:
            part: "validation" or "test".
        """
        scores = self.scores.get(part)
        if scores is None or scores.labels is None or scores.probabilities is None:
            known = ", ".join(name for name, one in self.scores.items() if one.labels is not None) or "none"
            raise Refusal(f'part must be one whose probabilities were kept ({known}); got "{part}".')
        several, labels = scores.probabilities.shape[2] > 1, scores.labels

        def positive(number: int) -> list[NDArray[np.bool_]]:
            return list(labels[..., number] == 1 if self.task.is_multilabel else labels == number)

        found = [
            precision_recall(name, list(scores.probabilities[..., column]), positive(number))
            for column, (number, name) in enumerate(list(enumerate(self.task.classes))[0 if several else 1 :])
        ]
        return [one for one in found if one is not None]

    def plot_precision_recall(
        self,
        path: str | Path | None = None,
        *,
        part: str | None = None,
        style: str = "auto",
        ax: Axes | Sequence[Axes] | None = None,
    ) -> Figure:
        """Plot precision against recall, a panel per class.

        The thick line is the mean over repeats, thin ones are the repeats, the band is the 95 % interval of
        the mean. Dashed is the base rate, the precision of random predictions.

        Args:
            path: also save there, in the format of the suffix.
            part: "validation" or "test"; all by default.
            style: "light", "dark", or "auto" (transparent).
            ax: one Axes per panel; a new figure by default.
        """
        known = [name for name, one in self.scores.items() if one.labels is not None]
        parts = [part] if part is not None else known or ["validation"]
        curves = {name: self.precision_recall(name) for name in parts}
        return late_bound("plot_precision_recall")(curves, path, style=style, ax=ax)

    @property
    def main_metric(self) -> str:
        """The metric shown first: for a single number or a series, the error in its own units."""
        if not self.task.is_regression:
            return "label_accuracy" if self.task.is_multilabel else "accuracy"
        return "rmse" if self.observed is not None or self.task.outputs == 1 else "r2"

    @property
    def headline(self) -> tuple[str, Summary] | None:
        """The main metric, of test if there is one, else of validation."""
        found = [
            (f"{part}.{name}", self.metrics[part][name])
            for part in ("test", "validation")
            for name in (self.main_metric, "loss")
            if name in self.metrics.get(part, ())
        ]
        return found[0] if found else None

    @property
    def metric_warning(self) -> str:
        """A warning about the metrics, in a sentence; empty with test samples."""
        part, sentences = ("test" if "test" in self.scores else "validation"), []
        scores = self.scores.get(part)
        if scores is None:
            return ""
        if part == "validation" and str(self.settings.get("monitor", "")).startswith("validation."):
            allowed = "; the intervals allow for that" if scores.corrected else ""
            sentences.append(
                "The epoch was chosen on the same validation rows, so the metrics are slightly optimistic"
                f"{allowed}. Use `test=0.2` for an unbiased estimate."
            )
        if scores.true is not None and scores.predicted is not None:
            few = few_samples(scores.true, scores.predicted, self.repeats)
            if few is not None:
                sentences.append(
                    f"{few[0]:,} of {few[1]:,} {part} samples make half of the squared error: the intervals "
                    "of RMSE and R² are too narrow."
                )
        return " ".join(sentences)

    @property
    def ending(self) -> str:
        """When it ended, and why, as a clause: "after 27 to 39 of 100 epochs: no improvement ..."."""
        ends = sorted(outcome.epochs for outcome in self.outcomes)
        planned = float(self.plan.epochs)
        if not ends or ends[0] >= planned:
            return f"after all of its {self.plan.epochs:,} epochs"
        span = f"{ends[0]:,.4g}" + (f" to {ends[-1]:,.4g}" if ends[-1] > ends[0] else "")
        why = dict.fromkeys(
            re.sub(r" \(best at .*\)$", "", one.stopped) for one in self.outcomes if one.epochs < planned
        )
        return f"after {span} of {self.plan.epochs:,} epochs: {'; '.join(why)}"

    @property
    def metric_notes(self) -> list[str]:
        """Notes needed to read the metrics, one sentence each."""
        shown, scaled = next(iter(self.metrics.values()), {}), bool(self.settings.get("target_standardized"))
        return notes_on_metrics(self.task, shown, self.repeats, scaled=scaled, ensemble=bool(self.ensemble))

    @property
    def best_epoch(self) -> Summary:
        """The best epoch, over repeats."""
        return summarize([outcome.best_epoch for outcome in self.outcomes])

    def predict(
        self,
        data: Any,
        *,
        parameters: str = "best",
        skip_bad: bool = False,
        with_inputs: bool = False,
        id: str | int | Sequence[str | int] = (),
    ) -> Prediction:
        """Predict new samples with the mean of the repeats, the best parameters of each by default.

        Args:
            data: a file, a data frame, or an array of inputs (n, ...), encoded as the training data was.
            parameters: "best" or "last".
            skip_bad: whether to leave out unreadable images; by default as in training.
            with_inputs: whether to show all columns of the data beside the predictions in `to_arrow`,
                `to_pandas` and `write`, with the file's text.
            id: columns to show, by name or by number from 1, such as a customer's ID.
        """
        return late_bound("predict")(self, data, parameters, skip_bad, with_inputs=with_inputs, id=id)

    def evaluate(
        self, data: Any, targets: Any = None, *, parameters: str = "best", skip_bad: bool = False
    ) -> Evaluation:
        """Evaluate on labeled data: every metric over the repeats, and of their mean prediction.

        Training rows among them are reported. The loss is weighted by sample weights if the data has
        some, not by class weights; the other metrics are unweighted.

        Args:
            data: a file or data frame with the target, or inputs (n, ...) with `targets` beside them.
            targets: classes or numbers (n,), or the name of a column of the data frame.
            parameters: "best" or "last".
            skip_bad: whether to leave out unreadable images.

        Raises:
            Refusal: there is no target, or the data does not fit the run.
        """
        return late_bound("evaluate")(self, data, targets, parameters=parameters, skip_bad=skip_bad)

    def plot_forecast(
        self, path: str | Path | None = None, *, step: int = 1, series: str | None = None, style: str = "auto"
    ) -> Any:
        """Plot the forecasts of validation and test windows against the truth, with Matplotlib.

        The line is the mean over repeats, the band one standard deviation of the repeats to both sides.

        Args:
            path: a .png, .svg or .pdf file to write; the figure is returned in any case.
            step: the step ahead to plot.
            series: the name of a series; the first by default.
            style: "light", "dark", or "auto" (transparent, for either background).

        Raises:
            Refusal: the run was not trained on windows of a series, or has no such step or series.
        """
        return late_bound("plot_forecast")(self, path, step, series, style)

    def rank(self, data: Any, *, by: Any = None, parameters: str = "best") -> Ranking:
        """Score items with the mean of the repeats, and rank those of a group.

        The run must be one of a `Pairwise` model on pairs of items (`load_rank_pairs`).

        Args:
            data: a file or data frame with the columns that the items had, or an array of inputs (n, ...).
            by: the group of each item; by default the group column of the training, if the
                data has it; otherwise all items are ranked together.
            parameters: "best" or "last".
        """
        return late_bound("rank")(self, data, by=by, parameters=parameters)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write a self-contained page about the run."""
        return Path(late_bound("write_page")(late_bound("run_page")(self), path))

    def save(self, folder: str | Path) -> Path:
        """Write a run folder; it must not exist yet."""
        return late_bound("save")(self, folder)

    def summary(self) -> str:
        """A few lines of text."""
        lines = [str(self.verdict)]
        if self.headline is not None:
            name = label_of(self.headline[0])
            lines.insert(0, f"{name[0].upper()}{name[1:]}: {self.headline[1]}")
        lines += [note for note in self.notes if "left out" in note]
        for part, found in self.forecasts.items():
            lines += [f"{part}: {sentence}" for sentence in found.sentences]
        return "\n".join(lines)

    __str__ = summary

    def __repr__(self) -> str:
        result = ""
        if self.headline is not None:
            name, found = self.headline
            spread = "" if found.sd is None else f" ± {found.format_value(found.sd)}"
            result = f", {label_of(name)} {found.format_value(found.mean)}{spread}"
        repeats = "1 repeat" if self.repeats == 1 else f"{self.repeats} repeats"
        return f"Run({repeats}, {self.plan.epochs} epochs{result}, {self.verdict.kind})"

    def _repr_html_(self) -> str:
        return late_bound("run_html")(self)
