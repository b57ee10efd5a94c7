"""Built-in metrics, computed over all samples of a part at once.

Each is written once, in operations that NumPy and jax.numpy share: the engine computes it inside the compiled
program at every evaluation, and the final metrics come from the same code in 64-bit floats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from epochal.common.metric_names import declare
from epochal.errors import Refusal, did_you_mean
from epochal.models.losses import LOSSES, probabilities

Array = Any
OfCounts = Callable[[Array, Array, Array, Array, Any], Array]
"""(true positives, predicted and true counts (..., classes), samples (..., 1), xp) -> (...)."""


@dataclass(frozen=True)
class Metric:
    """A metric: `function(outputs, targets, classes, xp)` gives a scalar."""

    name: str
    function: Callable[[Array, Array, int, Any], Array]
    tasks: tuple[str, ...]
    bounds: tuple[float, float]
    """The range of its values."""
    in_target_units: bool = False
    """Whether the value scales with the target (RMSE, MAE) and has its units."""
    custom: bool = False
    """Whether it is a custom metric."""
    host: bool = False
    """Whether it is evaluated outside the compiled program."""
    greater_is_better: bool | None = True
    """None if not given."""
    of_counts: OfCounts | None = None
    """The metric as a function of counts, if they determine it."""
    sample_size_of: str = "samples"
    """Which samples the sample size of its interval counts: "samples" all; "classes" those of each class;
    "true" those of the second of two classes, else of each; "predicted" those predicted so; "both" both."""


def _classes_of(outputs: Array, xp: Any) -> Array:
    logits = outputs.reshape(outputs.shape[0], -1)
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(xp.int32)
    return logits.argmax(axis=1).astype(xp.int32)


def indicators(outputs: Array, targets: Array, classes: int, xp: Any) -> tuple[Array, Array]:
    """Indicators of the predicted and of the true classes or labels of each sample, both (n, classes)."""
    if targets.ndim > 1:
        return outputs.reshape(targets.shape) > 0, targets > 0
    every = xp.arange(classes)[None]
    return _classes_of(outputs, xp)[:, None] == every, targets[:, None] == every


def accuracy(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """The share of samples whose most probable class is correct."""
    return (_classes_of(outputs, xp) == targets).sum() / targets.shape[0]


def _counted(name: str, of: OfCounts, tasks: tuple[str, ...], on: str, lowest: float = 0.0) -> Metric:
    def function(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
        predicted, true = indicators(outputs, targets, classes, xp)
        hits = (predicted & true).sum(axis=0)
        samples = xp.asarray([targets.shape[0]])
        return of(hits, predicted.sum(axis=0), true.sum(axis=0), samples, xp)

    return Metric(name, function, tasks, bounds=(lowest, 1.0), of_counts=of, sample_size_of=on)


def _accuracy(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    return hits.sum(axis=-1) / true.sum(axis=-1)


def _balanced_accuracy(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """The mean over occurring classes of their recall."""
    present = true > 0
    found = xp.where(present, hits / xp.maximum(true, 1), 0.0).sum(axis=-1)
    return found / xp.maximum(present.sum(axis=-1), 1)


def _f1(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """2 TP / (2 TP + FP + FN): of the second of two classes, else the mean over occurring classes."""
    return _of_classes(_share(2 * hits, predicted + true, xp), true, xp)


def _precision(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """TP / (TP + FP), 0 of none: of the second of two classes, else the mean over occurring classes."""
    return _of_classes(_share(hits, predicted, xp), true, xp)


def _recall(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """TP / (TP + FN): of the second of two classes, else the mean over occurring classes."""
    return _of_classes(_share(hits, true, xp), true, xp)


def _share(part: Array, whole: Array, xp: Any) -> Array:
    return xp.where(whole > 0, part / xp.maximum(whole, 1), 0.0)


def _of_classes(values: Array, true: Array, xp: Any) -> Array:
    """The value of the second of two classes, else the mean over occurring classes, NaN without any."""
    present = true > 0
    if true.shape[-1] == 2:
        return xp.where(present[..., 1], values[..., 1], xp.nan)
    return xp.where(present, values, 0.0).sum(axis=-1) / xp.maximum(present.sum(axis=-1), 1)


def _mcc(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """Matthews correlation coefficient; for several classes Gorodkin's (2004).

    1 is perfect, 0 is chance or always predicting the same. A common class is counted by the samples without
    it, so that 32-bit floats are enough for a rare one beside it.
    """
    common = predicted + true > samples
    hits = xp.where(common, samples - predicted - true + hits, hits) / samples
    variances = [(count / samples) * ((samples - count) / samples) for count in (predicted, true)]
    predicted, true = (xp.where(common, samples - count, count) / samples for count in (predicted, true))
    spread = variances[0].sum(axis=-1) * variances[1].sum(axis=-1)
    known = spread > 0
    together = (hits - predicted * true).sum(axis=-1)
    return xp.where(known, together / xp.sqrt(xp.where(known, spread, 1.0)), 0.0)


def _area(scores: Array, positive: Array, xp: Any) -> Array:
    """The probability that a positive sample scores above a negative one, ties half (Mann-Whitney)."""
    ordered = xp.sort(scores)
    below = xp.searchsorted(ordered, scores, side="left")
    upto = xp.searchsorted(ordered, scores, side="right")
    ranks = (below + upto + 1) / 2
    positives = positive.sum()
    negatives = positive.shape[0] - positives
    # Centered ranks keep the sum small, which 32-bit floats need when there are many samples.
    centered = xp.where(positive, ranks - (positive.shape[0] + 1) / 2, 0.0).sum()
    area = 0.5 + centered / xp.maximum(positives, 1) / xp.maximum(negatives, 1)
    return xp.where((positives > 0) & (negatives > 0), area, xp.nan)


def _average_precision(scores: Array, positive: Array, xp: Any) -> Array:
    """The mean of the precision at the score of each positive sample.

    That is the sum of P_n (R_n - R_(n-1)) over the distinct scores, where samples of one score count as one
    step: the area under the precision-recall curve as steps, without interpolation.
    """
    rising = xp.argsort(scores)
    before = xp.searchsorted(scores[rising], scores, side="left")
    found = xp.concatenate([xp.zeros(1, int), xp.cumsum(positive[rising])])
    positives = positive.sum()
    at = (positives - found[before]) / (positive.shape[0] - before)
    return xp.where(positives > 0, xp.where(positive, at, 0.0).sum() / xp.maximum(positives, 1), xp.nan)


def _against_the_rest(area: Callable[[Array, Array, Any], Array]) -> Callable[..., Array]:
    """A binary metric; with more classes, its one-versus-rest mean."""

    def function(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
        if classes == 2:
            logits = outputs.reshape(outputs.shape[0], -1)
            scores = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
            return area(scores, targets == 1, xp)
        shares = probabilities(outputs, xp)
        areas = xp.stack([area(shares[:, k], targets == k, xp) for k in range(classes)])
        return _mean_of(areas, ~xp.isnan(areas), xp)

    return function


def _mean_of(values: Array, known: Array, xp: Any) -> Array:
    """The mean of known values; NaN without any."""
    mean = xp.where(known, values, 0.0).sum() / xp.maximum(known.sum(), 1)
    return xp.where(known.any(), mean, xp.nan)


def rmse(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """The root of the mean squared error."""
    return xp.sqrt(((outputs.reshape(targets.shape) - targets) ** 2).mean())


def mae(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """The mean absolute error."""
    return xp.abs(outputs.reshape(targets.shape) - targets).mean()


def r2(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """1 - residual variance / target variance, the mean over outputs; predicting the mean gives 0."""
    true = targets.reshape(targets.shape[0], -1)
    error = ((outputs.reshape(true.shape) - true) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    return xp.where(total > 0, 1 - error / xp.where(total > 0, total, 1.0), xp.nan).mean()


def label_accuracy(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """The share of correct labels, over all samples and labels: 1 - Hamming loss."""
    return ((outputs.reshape(targets.shape) > 0) == (targets > 0)).mean()


def exact_match(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
    """The share of samples with all labels correct."""
    return ((outputs.reshape(targets.shape) > 0) == (targets > 0)).all(axis=1).mean()


def _f1_micro(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """2 TP / (2 TP + FP + FN), over all samples and labels together."""
    return _share(2 * hits.sum(axis=-1), (predicted + true).sum(axis=-1), xp)


def _f1_macro(hits: Array, predicted: Array, true: Array, samples: Array, xp: Any) -> Array:
    """The mean over labels of 2 TP / (2 TP + FP + FN), 0 of none."""
    return _share(2 * hits, predicted + true, xp).mean(axis=-1)


def _of_each_label(area: Callable[[Array, Array, Any], Array]) -> Callable[..., Array]:
    """The mean of a binary metric over labels that have both positive and negative samples."""

    def function(outputs: Array, targets: Array, classes: int, xp: Any) -> Array:
        scores, true = outputs.reshape(targets.shape), targets > 0
        found = xp.stack([area(scores[:, k], true[:, k], xp) for k in range(targets.shape[1])])
        return _mean_of(found, true.any(axis=0) & ~true.all(axis=0), xp)

    return function


_UNIT = (0.0, 1.0)
_CLASSES, _LABELS, _NUMBERS = ("binary", "multiclass"), ("multilabel",), ("regression",)
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, _CLASSES, _UNIT, of_counts=_accuracy),
        _counted("balanced_accuracy", _balanced_accuracy, _CLASSES, "classes"),
        Metric("roc_auc", _against_the_rest(_area), _CLASSES, _UNIT, sample_size_of="classes"),
        Metric(
            "average_precision", _against_the_rest(_average_precision), _CLASSES, _UNIT, sample_size_of="true"
        ),
        _counted("f1", _f1, _CLASSES, "both"),
        _counted("precision", _precision, _CLASSES, "predicted"),
        _counted("recall", _recall, _CLASSES, "true"),
        _counted("mcc", _mcc, _CLASSES, "classes", lowest=-1.0),
        Metric("label_accuracy", label_accuracy, _LABELS, _UNIT),
        Metric("exact_match", exact_match, _LABELS, _UNIT),
        _counted("f1_micro", _f1_micro, _LABELS, "samples"),
        _counted("f1_macro", _f1_macro, _LABELS, "both"),
        Metric("roc_auc_macro", _of_each_label(_area), _LABELS, _UNIT, sample_size_of="classes"),
        Metric(
            "average_precision_macro",
            _of_each_label(_average_precision),
            _LABELS,
            _UNIT,
            sample_size_of="true",
        ),
        Metric("r2", r2, _NUMBERS, (-inf, 1.0)),
        Metric("rmse", rmse, _NUMBERS, (0.0, inf), in_target_units=True, greater_is_better=False),
        Metric("mae", mae, _NUMBERS, (0.0, inf), in_target_units=True, greater_is_better=False),
    )
}

for _one in METRICS.values():
    declare(_one.name, _one.greater_is_better is not False)

RESERVED = frozenset((*METRICS, "loss", "running_loss"))
"""Names that custom metrics may not have."""


def default_metrics(kind: str) -> tuple[Metric, ...]:
    """The default metrics of a kind of task; the first is the main one."""
    names = {"multilabel": ("label_accuracy", "f1_macro"), "regression": ("r2", "rmse")}
    return tuple(METRICS[name] for name in names.get(kind, ("accuracy",)))


def metrics_for(kind: str, names: tuple[str, ...] | None = None) -> tuple[Metric, ...]:
    """The metrics by name, or all that fit the task."""
    if names is None:
        return tuple(metric for metric in METRICS.values() if kind in metric.tasks)
    for name in names:
        if name not in METRICS:
            raise Refusal(did_you_mean("metric", name, METRICS))
        if kind not in METRICS[name].tasks:
            fitting = ", ".join(metric.name for metric in metrics_for(kind))
            raise Refusal(f'metric "{name}" does not fit a {kind} task; use one of: {fitting}.')
    return tuple(METRICS[name] for name in names)


def bounds_of(name: str, loss: str) -> tuple[float, float]:
    """The range of a metric, or of the "loss" of that name."""
    if name in METRICS:
        return METRICS[name].bounds
    return (0.0, inf) if name == "loss" and loss in LOSSES else (-inf, inf)
