"""Baselines: what always predicting the same, or a random order, reaches."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.curves.statistics import Floats, Ints
from epochal.engine.evaluate import forward
from epochal.models import METRICS, Loss, Metric, evaluated, shapes_of
from epochal.runs.metrics import mean_loss
from epochal.training.prepared import Prepared
from epochal.training.scoring import in_units_of

Index = NDArray[Any] | slice
MetricOf = Callable[[Any], float]
"""A metric of samples, by index."""

QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
"""Quantiles of the training targets that are tried as constants, besides their mean."""

MAX_CLASSES = 20
"""The most frequent classes that are tried as constants."""

MAX_ROWS = 10_000
"""Most training samples used to choose a constant."""


def baseline_metrics(
    prepared: Prepared, repeat: int, names: Collection[str] | None = None, *, on: str = "validation"
) -> dict[str, float]:
    """The baseline on all samples of a part in a repeat, by loss and metric (`baseline_functions`)."""
    functions = baseline_functions(prepared, repeat, names, on=on)
    values = {name: of(slice(None)) for name, of in functions.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def baseline_functions(
    prepared: Prepared, repeat: int, names: Collection[str] | None = None, *, on: str = "validation"
) -> dict[str, MetricOf]:
    """The baseline on samples of a part in a repeat, as functions of rows.

    For the log loss it predicts the class or label frequencies of the training samples, for the squared
    error the mean of their targets. For other losses it is the constant with the lowest mean loss over the
    training samples, weighted as they are (`best_constant`). For a metric it is the constant that is best
    on the training samples, among those, quantiles of the targets, and each class. A constant has
    no ranks, so its ROC AUC is 0.5; for the average precision it is a random order (`random_order`).

    `names` are metrics, or "loss", all by default; those that fail on constant outputs are left out. `on` is
    the part; constants are always chosen on the training samples.
    """
    wanted = {"loss", *(metric.name for metric in prepared.spec.metrics)}
    wanted = wanted if names is None else wanted & set(names)
    found = _direct(prepared, repeat, wanted, on)
    rest = [metric for metric in prepared.spec.metrics if metric.name in wanted - set(found)]
    searched = callable(prepared.settings.loss) or prepared.loss_name not in ("log_loss", "squared_error")
    constants = _candidates(prepared, repeat) if rest or ("loss" in wanted and searched) else []
    if searched:
        best = best_constant(prepared, repeat, constants)
        constants = constants if best is None else [best, *constants]
        if best is not None and "loss" in wanted:
            targets, weights = prepared.targets_and_weights(repeat, on)
            outputs = jnp.broadcast_to(jnp.asarray(best, np.float32), (len(targets), *best.shape))
            losses = np.asarray(prepared.spec.loss(outputs, jnp.asarray(targets)), np.float64)
            found["loss"] = functools.partial(_mean_loss_of, losses, weights)
    for metric in rest:
        figure = _by_metric(prepared, repeat, metric, constants, on)
        found |= {} if figure is None else {metric.name: figure}
    return found


def best_constant(prepared: Prepared, repeat: int, starts: Sequence[Floats]) -> Floats | None:
    """The constant output with the lowest mean loss over the training samples of a repeat.

    Searched from the best of `starts` and of zeros with the gradient of the loss (L-BFGS: Liu & Nocedal
    1989, On the limited memory BFGS method for large scale optimization). None where the loss has no finite
    value on constant outputs.
    """
    from scipy.optimize import minimize  # late: importing SciPy is slower than most calls

    targets, weights = prepared.targets_and_weights(repeat, "train")
    rows = _some(len(targets))
    targets, given = targets[rows], None if weights is None else weights[rows]
    dataset, model = prepared.dataset, prepared.model
    variables = shapes_of(model, dataset.shape, dataset.dtype)
    one = jax.ShapeDtypeStruct((1, *dataset.shape), dataset.dtype)
    shape = jax.eval_shape(functools.partial(forward, model), variables, one).shape[1:]
    counted = _ones(targets, given)
    slope = _mean_loss_and_slope(prepared.spec.loss)

    def at(flat: Floats) -> tuple[float, Floats]:
        value, gradient = slope(jnp.asarray(flat.reshape(shape), np.float32), targets, counted)
        return float(value), np.asarray(gradient, np.float64).ravel()

    begin = [np.zeros(shape), *(one.reshape(shape) for one in starts if one.size == math.prod(shape))]
    try:
        values = [at(one.ravel())[0] for one in begin]
        if not np.isfinite(values).any():
            return None
        best = int(np.nanargmin(values))
        found = minimize(at, begin[best].ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 50})
        if np.isfinite(found.x).all() and at(found.x)[0] <= values[best]:
            return np.asarray(found.x.reshape(shape))
        return begin[best]
    except Exception:  # a custom function may raise anything on constant outputs
        return None


@functools.lru_cache(maxsize=16)
def _mean_loss_and_slope(loss: Loss) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """The compiled (constant, targets, weights) -> (weighted mean loss of the constant output, gradient)."""

    def mean(constant: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
        outputs = jnp.broadcast_to(constant, (targets.shape[0], *constant.shape))
        return (loss(outputs, targets) * weights).sum() / weights.sum()

    return jax.jit(jax.value_and_grad(mean))


def _ones(targets: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[np.float32]:
    return np.ones(len(targets), np.float32) if weights is None else weights.astype(np.float32)


def _some(samples: int) -> Ints:
    """Evenly spaced samples to choose a constant on."""
    return np.unique(np.linspace(0, samples - 1, min(samples, MAX_ROWS)).astype(np.int64))


def _candidates(prepared: Prepared, repeat: int) -> list[Floats]:
    """Constant outputs to try, each (outputs,) in the units of the loss."""
    train, weights = prepared.targets_and_weights(repeat, "train")
    ones = _ones(train, weights).astype(np.float64)
    task = prepared.task
    if task.is_classification:
        counts = np.bincount(train, weights=ones, minlength=len(task.classes))
        logs = np.log(np.maximum(counts / counts.sum(), 1e-9))
        each = np.eye(len(counts))[np.argsort(-counts, kind="stable")[:MAX_CLASSES]]
        return [one[1:] - one[:1] if task.outputs == 1 else one for one in (logs, *each)]
    if task.is_multilabel:
        shares = np.clip(np.average(train, axis=0, weights=ones), 1e-9, 1 - 1e-9)
        return [np.log(shares / (1 - shares)), np.ones_like(shares), -np.ones_like(shares)]
    numbers = train.astype(np.float64).reshape(len(train), -1)
    if weights is None:
        spread = np.quantile(numbers, QUANTILES, axis=0)
    else:
        counted = np.broadcast_to(ones[:, None], numbers.shape)
        spread = np.quantile(numbers, QUANTILES, axis=0, weights=counted, method="inverted_cdf")
    return [np.average(numbers, axis=0, weights=ones), *spread]


def _by_metric(
    prepared: Prepared, repeat: int, metric: Metric, constants: Sequence[Floats], on: str
) -> MetricOf | None:
    """The metric on samples of a part, for the constant that is best on the training samples."""
    if metric.greater_is_better is None:
        return None
    sign = 1.0 if metric.greater_is_better else -1.0
    try:
        train = [_metric_of(prepared, repeat, metric, one, "train") for one in constants]
        rows = _some(prepared.part_size("train"))
        values = np.array([sign * of(rows) for of in train])
        if not np.isfinite(values).any():
            return None
        return _metric_of(prepared, repeat, metric, constants[int(np.nanargmax(values))], on)
    except Exception:  # a custom network's outputs may have another shape
        return None


def _metric_of(prepared: Prepared, repeat: int, metric: Metric, constant: Floats, part: str) -> MetricOf:
    """A metric of a constant output on samples of a part, as in evaluations."""
    true, _ = prepared.targets_and_weights(repeat, part)
    shape = constant.shape
    if prepared.task.is_regression and constant.size == math.prod(true.shape[1:]):
        shape = true.shape[1:]
    outputs = np.broadcast_to(constant.reshape(shape), (len(true), *shape)).astype(np.float64)
    if prepared.task.is_regression:
        true = true.astype(np.float64)
    outputs, true = (in_units_of(prepared, repeat, part, one, metric) for one in (outputs, true))

    def figure(rows: Index) -> float:
        with warnings.catch_warnings():  # warnings about constants are not the user's fault
            warnings.simplefilter("ignore")
            return evaluated(metric, outputs[rows], true[rows], prepared.spec.classes)

    return figure


def _direct(prepared: Prepared, repeat: int, names: Collection[str], on: str) -> dict[str, MetricOf]:
    """The baselines that need no search."""
    train, given = prepared.targets_and_weights(repeat, "train")
    targets, weights = prepared.targets_and_weights(repeat, on)
    ones = _ones(train, given).astype(np.float64)
    known, found = "" if callable(prepared.settings.loss) else prepared.loss_name, dict[str, MetricOf]()
    if prepared.task.is_classification:
        each = targets[:, None] == np.arange(len(prepared.task.classes))[prepared.task.kind == "binary" :]
        found["average_precision"] = functools.partial(random_order, each)
        counts = np.bincount(train, weights=ones, minlength=len(prepared.task.classes))
        losses = -np.log(np.maximum(counts / counts.sum(), 1e-9))[targets]
        if given is None:
            found["accuracy"] = functools.partial(_mean, targets == counts.argmax())
    elif prepared.task.is_multilabel:
        found["average_precision_macro"] = functools.partial(random_order, targets > 0)
        shares = np.clip(np.average(train, axis=0, weights=ones), 1e-9, 1 - 1e-9)
        losses = -np.where(targets > 0, np.log(shares), np.log(1 - shares)).mean(axis=1)
        if given is None:
            found["label_accuracy"] = functools.partial(_mean, (targets > 0) == (shares > 0.5))
    else:
        if known != "squared_error":
            return {}
        mean = np.asarray(np.average(train.astype(np.float64), axis=0, weights=ones))
        losses = ((targets.astype(np.float64) - mean) ** 2).reshape(len(targets), -1).mean(axis=1)
        found = {name: _metric_of(prepared, repeat, METRICS[name], mean, on) for name in ("r2", "rmse")}
    if known:
        found["loss"] = functools.partial(_mean_loss_of, losses, weights)
    return {name: figure for name, figure in found.items() if name in names}


def _mean(values: NDArray[Any], rows: Index) -> float:
    return float(values[rows].mean())


def random_order(positive: NDArray[np.bool_], rows: Index = slice(None)) -> float:
    """The expected average precision of a random order, the mean over columns (n, classes); NaN without any.

    (P - 1) / (n - 1) + H_n / n · (1 - (P - 1) / (n - 1)) for P of n samples, with the harmonic number H_n
    (Bestgen 2015, Exact expected average precision of the random baseline for system evaluation).
    """
    positive = positive[rows]
    samples, counts = len(positive), positive.sum(axis=0)
    counts = counts[(counts > 0) & ((counts < samples) | (len(counts) == 1))]
    share = (counts - 1) / max(samples - 1, 1)
    found = share + (1 / np.arange(1, samples + 1)).mean() * (1 - share)
    return float(found.mean()) if len(found) else math.nan


def _mean_loss_of(losses: Floats, weights: NDArray[Any] | None, rows: Index) -> float:
    return mean_loss(losses[rows], None if weights is None else weights[rows])
