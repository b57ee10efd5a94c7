"""Custom metrics: functions, and scikit-learn's scorers."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import direction_of
from epochal.data import Task
from epochal.errors import Refusal, did_you_mean
from epochal.models.losses import label_probabilities, probabilities
from epochal.models.metrics import RESERVED, Metric, metrics_for

SCORER = "sklearn:"
"""The prefix of scikit-learn scorers, as in "sklearn:roc_auc"."""
_TRIED = 4096
"""Samples of the check that a metric works."""


@dataclass(frozen=True)
class CustomMetric:
    """A custom metric, made by `metric`."""

    name: str
    function: Callable[..., Any]
    greater_is_better: bool | None = None
    """None if neither the caller nor the name tells."""


def metric(
    function: Callable[..., Any], name: str | None = None, *, greater_is_better: bool | None = None
) -> CustomMetric:
    """A custom metric for `fit(..., metrics=["accuracy", metric(function)])`.

    Args:
        function: (outputs, targets) -> a number, over all samples of a part. Outputs are the network's:
            logits (n,) for two classes, (n, classes) or (n, labels) for more, and numbers in the
            shape and units of the targets for regression; a function that needs (n, 1) gets that.
            A jax.numpy function is compiled into the training; any other is called with NumPy arrays
            between the updates. Or a scorer of scikit-learn (`make_scorer`, `get_scorer`), which is called
            with an estimator that predicts what the network does.
        name: its name in curves, tables and `monitor`; the function's by default.
        greater_is_better: the direction. By default the scorer's, or
            `function.greater_is_better`, or by its name if that ends like a score or an error; else it
            can't select the best parameters.

    Raises:
        Refusal: no function, or one without a name.

    >>> metric(lambda outputs, targets: abs(outputs - targets).max(), "worst", greater_is_better=False).name
    'worst'
    """
    if not callable(function):
        raise Refusal(f"a metric must be a function (outputs, targets) or a scorer; got {function!r}.")
    scorer = _is_scorer(function)
    if str(getattr(function, "__module__", "")).startswith("sklearn.metrics") and not scorer:
        called = getattr(function, "__name__", "it")
        raise Refusal(
            f"{called} of scikit-learn takes (y_true, y_pred), not outputs: make a scorer of it, "
            f"make_scorer({called}), or name one, such as {SCORER}roc_auc."
        )
    if name is None:
        name = _scorer_name(function) if scorer else getattr(function, "__name__", "")
        if not name.isidentifier():
            raise Refusal('a metric without a name of its own needs one: metrics=[("name", function)].')
    if not isinstance(name, str) or not name.strip() or name != name.strip() or "." in name:
        raise Refusal(f"the name of a metric must be a word without dots; got {name!r}.")
    if name in RESERVED:
        raise Refusal(f'"{name}" is a metric of epochal\'s own; give yours another name: ("my_{name}", ...).')
    if greater_is_better is None:
        direction = True if scorer else getattr(function, "greater_is_better", None)
        greater_is_better = direction_of(name) if direction is None else bool(direction)
    return CustomMetric(name, function, greater_is_better)


def metrics_asked(value: Any) -> tuple[str | CustomMetric, ...]:
    """The `metrics` argument as names and custom metrics.

    >>> metrics_asked("accuracy"), metrics_asked(["accuracy", {"worst": max}])[1].name
    (('accuracy',), 'worst')
    """
    if isinstance(value, str | Mapping | CustomMetric) or callable(value):
        value = [value]
    if not isinstance(value, Sequence):
        raise Refusal(f"`metrics` must be names, functions or scorers; got {value!r}.")
    found: list[str | CustomMetric] = []
    for one in value:
        if isinstance(one, str | CustomMetric):
            found.append(one)
        elif isinstance(one, Mapping):
            found += [metric(function, name) for name, function in one.items()]
        elif isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
            found.append(metric(one[1], one[0]))
        else:
            found.append(metric(one))
    names = [one if isinstance(one, str) else one.name for one in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f'`metrics` must differ in their names; got "{twice[0]}" twice.')
    return tuple(found)


def metrics_of(
    requested: Sequence[str | CustomMetric], task: Task, targets: NDArray[Any], scaled: bool
) -> tuple[Metric, ...]:
    """The metrics for the engine, with custom ones checked on the targets, which are in their own units.

    If the engine's numbers are `scaled`, custom metrics are evaluated on the host.
    """
    found: list[Metric] = []
    for one in requested:
        if isinstance(one, str) and one.startswith(SCORER):
            one = CustomMetric(one, _named_scorer(one.removeprefix(SCORER)), True)
        if isinstance(one, str):
            found += metrics_for(task.kind, (one,))
        else:
            found.append(_tried(one, task, targets, scaled))
    return tuple(found)


def evaluated(metric: Metric, outputs: NDArray[Any], targets: NDArray[Any], classes: int) -> float:
    """The value of a metric on the host; NaN for non-finite outputs or (with a warning) errors."""
    if not np.isfinite(outputs).all():
        return math.nan
    try:
        return float(metric.function(outputs, targets, classes, np))
    except Exception as error:
        warnings.warn(
            f"the metric {metric.name} raised {type(error).__name__}: {error}; it counts as nan.",
            RuntimeWarning,
            stacklevel=2,
        )
        return math.nan


@dataclass(frozen=True)
class _Called:
    function: Callable[..., Any]
    column: bool
    """Whether single outputs are passed as (n, 1) instead of the targets' shape."""
    traced: bool = False
    """Whether JAX can trace it."""

    def __call__(self, outputs: Any, targets: Any, classes: int, xp: Any) -> Any:
        if outputs.size == targets.size:
            outputs = outputs.reshape((len(targets), 1) if self.column else targets.shape)
        on_host = self.traced and isinstance(outputs, np.ndarray)
        return (jax.jit(self.function) if on_host else self.function)(outputs, targets)


@dataclass(frozen=True)
class _Scored:
    scorer: Callable[..., Any]
    task: Task

    def __call__(self, outputs: Any, targets: Any, classes: int, xp: Any) -> Any:
        outputs, targets = np.asarray(outputs, np.float64), np.asarray(targets)
        true = targets.astype(np.int64) if self.task.is_multilabel else targets
        if self.task.is_classification:
            true = _plain(self.task.labels)[targets]
        estimator = _estimators()[self.task.is_regression](self.task, outputs.reshape(len(targets), -1))
        return self.scorer(estimator, np.zeros((len(targets), 1)), true)


def _plain(labels: NDArray[Any]) -> NDArray[Any]:
    return labels.astype(str) if labels.dtype == object else labels


@functools.cache
def _estimators() -> tuple[Any, Any]:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
        def __init__(self, task: Task, outputs: NDArray[np.float64]) -> None:
            self.task, self.outputs = task, outputs
            self.several = task.is_multilabel
            # Sorted labels, as in scikit-learn; probabilities follow them.
            labels = _plain(task.labels)
            self.order = np.argsort(labels, kind="stable")
            self.classes_: Any = [np.array([0, 1])] * len(labels) if self.several else labels[self.order]

        def predict(self, X: Any) -> Any:
            if self.several:
                return (self.outputs > 0).astype(np.int64)
            chosen = probabilities(self.outputs, np).argmax(axis=1)
            return _plain(self.task.labels)[chosen]

        def predict_proba(self, X: Any) -> Any:
            if self.several:
                by_label = label_probabilities(self.outputs, np)
                return [np.stack([1 - one, one], axis=1) for one in by_label.T]
            return probabilities(self.outputs, np)[:, self.order]

        def decision_function(self, X: Any) -> Any:
            if self.several:
                return self.outputs
            found = self.predict_proba(X)
            logits = np.log(np.maximum(found, 1e-300))
            return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # likewise
        def __init__(self, task: Task, outputs: NDArray[np.float64]) -> None:
            self.task, self.outputs = task, outputs

        def predict(self, X: Any) -> Any:
            return self.outputs[:, 0] if self.outputs.shape[1] == 1 else self.outputs

    return Classifier, Regressor


def _is_scorer(function: Any) -> bool:
    return any(one.__module__ == "sklearn.metrics._scorer" for one in type(function).__mro__)


def _scorer_name(scorer: Any) -> str:
    """The name of a scorer's score function, as scikit-learn names its own scorers."""
    function = getattr(scorer, "_score_func", None)
    sign = "neg_" if getattr(scorer, "_sign", 1) < 0 else ""
    return sign + str(getattr(function, "__name__", ""))


@functools.cache
def _named_scorer(name: str) -> Any:
    from sklearn.metrics import get_scorer, get_scorer_names

    if name not in get_scorer_names():
        raise Refusal(did_you_mean("scorer of scikit-learn", name, get_scorer_names()))
    return get_scorer(name)


def _tried(custom: CustomMetric, task: Task, targets: NDArray[Any], scaled: bool) -> Metric:
    options: dict[str, Any] = {"bounds": (-math.inf, math.inf), "custom": True, "host": True}
    options["greater_is_better"] = custom.greater_is_better
    scorer = _is_scorer(custom.function)
    functions = (
        [_Scored(custom.function, task)]
        if scorer
        else [_Called(custom.function, column) for column in (False, True)]
    )
    few = targets[np.unique(np.linspace(0, len(targets) - 1, _TRIED).astype(np.int64))]
    noise = np.random.default_rng(0).normal(size=(len(few), task.outputs))
    outputs = noise * few.std() + few.mean() if task.is_regression else noise
    failed: Exception | None = None
    for function in functions:
        form = Metric(custom.name, function, (task.kind,), **options)
        if isinstance(function, _Called) and _is_traceable(function, outputs, few):
            return replace(form, host=scaled, function=replace(function, traced=True))
        try:
            value = function(outputs, few, len(task.classes), np)
        except Exception as error:
            failed = failed or error
            continue
        if np.shape(value) != () or not isinstance(value, float | int | np.generic | np.ndarray | jax.Array):
            raise Refusal(
                f"the metric {custom.name} must give one number for all samples; got "
                f"{type(value).__name__} of the shape {np.shape(value)}."
            )
        return form
    message = " ".join(f"{type(failed).__name__}: {failed}".split())[:200].rstrip(".: ")
    wanted = "a scorer" if scorer else "a function (outputs, targets) that gives one number"
    raise Refusal(f"the metric {custom.name} must be {wanted}; it raised {message}.") from failed


def _is_traceable(function: _Called, outputs: NDArray[Any], targets: NDArray[Any]) -> bool:
    of_engine = np.int32 if targets.dtype.kind in "iu" else np.float32
    shapes = jax.ShapeDtypeStruct(outputs.shape, np.float32), jax.ShapeDtypeStruct(targets.shape, of_engine)
    try:
        value = jax.eval_shape(lambda outputs, targets: function(outputs, targets, 0, jnp), *shapes)
    except Exception:
        return False
    return getattr(value, "shape", None) == ()
