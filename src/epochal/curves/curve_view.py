"""The curves of a run in the form that its tests need: lower is better, with reference values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.common.metric_names import constant_of, higher_is_better, label_of
from epochal.curves import limits
from epochal.curves.curves import Curves
from epochal.curves.statistics import Floats, ending, last_known, majority_mean, t_factor, tail, three_digits

_POWERS = {"squared_error": 0.5, "huber": 0.5, "absolute_error": 1.0}  # of a likelihood, by loss
_OVERLAP = 0.25  # validation to training samples, if the training samples are unknown


@dataclass(frozen=True)
class CurveView:
    """The curves, lower is better, and reference values; the fields are arguments of `judge`."""

    curves: Curves
    metric: str
    given_baseline: Mapping[str, ArrayLike] | None
    validation_samples: int
    training_samples: int | None
    settings: Mapping[str, Any]
    effective_samples: float | None = None
    same_samples: bool = False
    interval: tuple[float, float] | None = None
    roc_auc: tuple[float, float] | None = None
    monitor: str = ""
    stopped_early: bool = False
    has_warnings: bool = False

    @cached_property
    def epochs(self) -> Floats:
        """Where the curves were evaluated; shape (points,)."""
        return self.curves.values(self.curves.names[0])[0] if self.curves.columns else np.empty(0)

    @cached_property
    def minimized(self) -> Floats | None:
        """The judged curve, lower is better, shape (repeats, points); None without held-out samples."""
        values = None if self.metric.startswith("train.") else self._measured(self.metric)
        return -values if values is not None and self.higher_is_better else values

    @cached_property
    def training(self) -> Floats | None:
        """The training loss, at fixed parameters if it was measured so; shape (repeats, points)."""
        return self._measured(self.training_name)

    @property
    def training_name(self) -> str:
        """The name of that loss."""
        return "train.running_loss" if self._measured("train.loss") is None else "train.loss"

    def _measured(self, name: str) -> Floats | None:
        column = self.curves.columns.get(name)
        return None if column is None or not np.isfinite(column).any() else self.curves.values(name)[1]

    @cached_property
    def baseline(self) -> dict[str, Floats]:
        """The baseline's values by curve name, one for each repeat."""
        return {
            name: np.broadcast_to(np.asarray(value, float), self.repeats)
            for name, value in (self.given_baseline or {}).items()
        }

    @cached_property
    def reference_loss(self) -> float:
        """A loss worth 100 %: that of the baseline, or, if unknown, of the first evaluation."""
        first = [None if values is None else values[:, 0] for values in (self.minimized, self.training)]
        for column in (self.baseline.get(self.metric), *first):
            if column is not None:
                sizes = np.abs(column[np.isfinite(column)])
                if sizes.size and sizes.mean() > 0:
                    return float(sizes.mean())
        return 1.0

    @property
    def effective(self) -> float:
        """Independent samples with as much evidence."""
        return self.validation_samples if self.effective_samples is None else self.effective_samples

    @property
    def test_train_ratio(self) -> float:
        """Validation to training samples, where repeats split them at random.

        Repeats with the same held-out samples differ by seeds alone: the error due to these samples is judged
        by their number (`log_likelihood_ratio`) or, for losses without a likelihood, as for a usual split.
        """
        overlap = self.validation_samples / self.training_samples if self.training_samples else _OVERLAP
        if not self.same_samples:
            return overlap
        return 0.0 if self.known_likelihood else min(overlap, _OVERLAP)

    @property
    def window(self) -> int:
        """Number of last evaluations whose mean is the end of a curve."""
        points = self.epochs.size
        return max(1, min(max(3, points // 20), points // 3))

    @property
    def repeats(self) -> int:
        """Number of repeats."""
        return len(self.curves.repeats)

    @property
    def evaluations(self) -> int:
        """Evaluations of the median repeat."""
        assert self.minimized is not None
        return int(np.median(np.isfinite(self.minimized).sum(axis=1)))

    @property
    def last_epoch(self) -> float:
        """The last evaluated epoch: nothing is claimed beyond."""
        return float(self.epochs[-1]) if self.epochs.size else 0.0

    @property
    def constant_in_words(self) -> str:
        """The baseline in words: what it always predicts."""
        if "average_precision" in self.metric:
            return constant_of(self.metric)
        if self.metric.endswith("accuracy"):
            return "always predicting the most frequent class"
        constants = {
            "log_loss": "class frequencies",
            "squared_error": "training mean",
            "absolute_error": "training median",
        }
        constant = constants.get(str(self.settings.get("loss")))
        return "always predicting the same" if constant is None else f"always predicting the {constant}"

    @property
    def higher_is_better(self) -> bool:
        """Whether higher values of the judged curve are better, so that it was negated."""
        return higher_is_better(self.metric)

    @property
    def label(self) -> str:
        """The judged curve in words."""
        return label_of(self.metric)

    def lower_bound(self, differences: Floats, confidence: float = 0.9) -> float:
        """The lower end of a two-sided interval of a mean difference over overlapping splits.

        By default the one-sided 95 % bound, for directed tests.
        """
        half = t_factor(differences.size, test_train_ratio=self.test_train_ratio, confidence=confidence)
        return float(differences.mean()) - half * float(differences.std(ddof=1))

    def log_likelihood_ratio(self, worse: float, better: float) -> float:
        """The log likelihood ratio of two predictors on the validation samples, from their mean losses.

        For a log loss it is samples · (worse - better), exactly; for a squared loss, with normal errors,
        samples / 2 · log(worse / better), and for a Huber loss no less; for an absolute one, with Laplace's,
        samples · log(worse / better). If the worse predictor were the true one, a ratio of 20 would have
        a probability of at most 1/20 (Markov's inequality), whatever the spread of single losses. Samples are
        the effective ones: duplicates and concentrated weights add no evidence.
        """
        if not self.effective:
            return math.inf if worse > better else -math.inf
        if (
            self.higher_is_better
        ):  # an accuracy or the like: a normal approximation of the difference of two shares
            share = min(max(-(worse + better) / 2, 0.0), 1.0)
            variance = max(2 * share * (1 - share), 1e-3) / self.effective
            return math.copysign((worse - better) ** 2 / (2 * variance), worse - better)
        if self.loss == "log_loss":
            return self.effective * (worse - better)
        if self.loss not in _POWERS:  # no likelihood belongs to it, and none is claimed
            return -math.inf
        if min(worse, better) <= 0:
            return math.inf if worse > better else -math.inf
        return self.effective * _POWERS[self.loss] * math.log(worse / better)

    def rise_of(self, log_ratio: float, minimum: float) -> float:
        """The rise above a loss with this log likelihood ratio: the inverse of `log_likelihood_ratio`."""
        if not self.effective:
            return 0.0
        if self.higher_is_better:
            share = min(max(-minimum, 0.0), 1.0)
            return math.sqrt(2 * log_ratio * max(2 * share * (1 - share), 1e-3) / self.effective)
        if self.loss == "log_loss":
            return log_ratio / self.effective
        if self.loss not in _POWERS:
            return math.inf
        return minimum * math.expm1(min(log_ratio / self.effective / _POWERS[self.loss], 50.0))

    @property
    def known_likelihood(self) -> bool:
        """Whether sample losses are evidence by themselves (`log_likelihood_ratio`)."""
        return self.higher_is_better or self.loss == "log_loss" or self.loss in _POWERS

    def flat_tolerance(self, minimum: float) -> float:
        """How far a flat curve may rise: a fifth of its minimum, or, for scores, of the learned gain."""
        if not self.higher_is_better and minimum > 0:
            return limits.FLAT * minimum
        baseline = self.baseline.get(self.metric)
        if baseline is None:
            return limits.RISE * self.reference_loss
        return limits.FLAT * abs(float(np.mean(baseline)) - (-minimum if self.higher_is_better else minimum))

    def in_words(self, change: float, minimum: float) -> str:
        """A change of the loss from its minimum, in the unit of sentences and as a share.

        For squared errors the typical error: a tenth where the loss changes by a fifth.
        """
        if self.higher_is_better or minimum <= 0:
            return three_digits(abs(change))
        share, base = change / minimum, minimum
        if self.displayed != self.metric:
            share, base = math.sqrt(max(0.0, 1 + share)) - 1, self.displayed_at_best()
        return f"{three_digits(abs(share) * base)} ({percent(abs(share))})"

    @property
    def loss(self) -> str:
        """The name of the loss; without settings, the default one of curves with or without an accuracy."""
        usual = any(name.endswith("accuracy") for name in self.curves.names)
        return str(self.settings.get("loss") or ("log_loss" if usual else "squared_error"))

    @property
    def displayed(self) -> str:
        """The curve of sentences: for squared errors the typical error, in units of the target."""
        loss, error = self.metric, self.metric.replace(".loss", ".rmse")
        known = error in self.curves.columns and bool(np.isfinite(self.curves.columns[error]).any())
        wanted = self.loss == "squared_error" and "rmse" not in self.settings.get("on_relative_targets", ())
        return error if known and wanted and loss.endswith(".loss") else loss

    @property
    def displayed_label(self) -> str:
        """The curve of sentences in words."""
        typical = f"typical {self.metric.partition('.')[0]} error (RMSE)"
        return label_of(self.displayed) if self.displayed == self.metric else typical

    @property
    def baseline_in_words(self) -> str:
        """The baseline's value of that curve, in parentheses; empty if unknown."""
        baseline = self.baseline.get(self.displayed)
        if baseline is None:
            return ""
        return f" ({self.constant_in_words} gives {three_digits(float(np.mean(baseline)))})"

    def displayed_at_best(self) -> float:
        """The mean over repeats of that curve at each one's best evaluation."""
        best = self.curves.best(self.metric)
        updates, array = self.curves.values(self.displayed, "updates")
        at = np.searchsorted(updates, best.update[best.update >= 0])
        values = array[best.update >= 0][np.arange(at.size), at]
        return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else math.nan

    def displayed_at_end(self) -> tuple[float, float]:
        """The last epoch of that curve's mean, and its value there, as in a picture."""
        mean = self.curves.summary(self.displayed).mean
        last = int(np.flatnonzero(np.isfinite(mean))[-1])
        return float(self.epochs[last]), float(mean[last])

    def end_in_picture(self, name: str) -> float:
        """The last value of a curve's mean, as in a picture."""
        mean = self.curves.summary(name).mean
        return float(mean[np.isfinite(mean)][-1])

    @property
    def end_over_best(self) -> float:
        """The last value of the mean curve over its minimum; NaN if undefined."""
        if self.minimized is None or self.higher_is_better:
            return math.nan
        mean = majority_mean(self.minimized)
        mean = mean[np.isfinite(mean)]
        ends = [row[np.isfinite(row)][-1] for row in self.minimized if np.isfinite(row).any()]
        if not mean.size or mean.min() <= 0:
            return math.nan
        return max(float(mean[-1]), float(np.mean(ends))) / float(mean.min())

    @property
    def end_over_own_best(self) -> float:
        """The mean over repeats of the last value over the lowest one; scatter raises it, too."""
        if self.minimized is None or self.higher_is_better:
            return math.nan
        rows = [row[np.isfinite(row)] for row in self.minimized if np.isfinite(row).any()]
        ends, minimum = np.array([row[-1] for row in rows]), np.array([row.min() for row in rows])
        if (minimum <= 0).any():
            return math.nan
        return max(float((ends / minimum).mean()), float(ends.mean() / minimum.mean()))

    @property
    def exhausted(self) -> bool:
        """Whether the training loss is nearly zero: a millionth of the reference."""
        return self.training is not None and abs(self.training_end()) < 1e-6 * self.reference_loss

    def training_end(self) -> float:
        """The mean training loss at the end."""
        assert self.training is not None
        return ending(self.training, 1)

    @property
    def training_reference_loss(self) -> float:
        """The baseline's loss on the training samples, or if unknown on the others."""
        baseline = self.baseline.get("train.loss")
        return self.reference_loss if baseline is None or not baseline.mean() > 0 else float(baseline.mean())

    def training_share(self) -> float | None:
        """The share of the baseline loss that training has removed, at the end."""
        if self.training is None or self.higher_is_better or self.training_reference_loss <= 0:
            return None
        return 1 - ending(self.training, self.window) / self.training_reference_loss

    def final_losses(self) -> tuple[Floats, Floats]:
        """The final training loss of each repeat, and the gap to the judged curve.

        Both relative to the baseline on the same samples, if known: few validation
        samples that happen to be hard are as hard for the baseline, and make no gap.
        """
        assert self.training is not None and self.minimized is not None
        rows = [r for r, row in enumerate(self.minimized) if np.isfinite(row).any()]
        last = [last_known(self.minimized[r]) for r in rows]
        train, held_out = (
            np.array([tail(curve[r], at, self.window) for r, at in zip(rows, last, strict=True)])
            for curve in (self.training, self.minimized)
        )
        gaps = held_out - train
        if self.metric in self.baseline and "train.loss" in self.baseline:
            gaps -= (self.baseline[self.metric] - self.baseline["train.loss"])[rows]
        return train, gaps

    def statistics(self) -> dict[str, Any]:
        """The statistics of every verdict."""
        best = self.curves.best(self.metric)
        known = best.value[np.isfinite(best.value)]
        baseline = self.baseline.get(self.metric)
        return {
            "repeats": self.repeats,
            "evaluations": self.evaluations,
            "epochs": self.last_epoch,
            "validation_samples": self.validation_samples,
            "best_epoch": best.median_epoch,
            "best_epoch_range": [float(np.nanmin(best.epoch)), float(np.nanmax(best.epoch))],
            "best_value": float(known.mean()),
            **({} if self.interval is None else {"best_value_interval": list(self.interval)}),
            **({} if baseline is None else {"baseline": float(baseline.mean())}),
        }


def percent(share: float) -> str:
    """A share in percent with two digits.

    >>> percent(0.0731), percent(1.2), percent(0.0004)
    ('7.3%', '120%', '0.04%')
    """
    return f"{share:.0%}" if share >= 0.1 else f"{100 * share:.2g}%"
