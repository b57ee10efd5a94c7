"""Estimators for scikit-learn: `EpochalClassifier` and `EpochalRegressor`."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from epochal.models import MLP
from epochal.runs import Run
from epochal.settings import Settings
from epochal.stopping import Patience
from epochal.training.train import fit

Floats = NDArray[np.float64]

NETWORK = (64, 64)
"""Hidden units where no model is given, as on the command line."""

ELSEWHERE = frozenset(
    (
        "seed",
        "task",
        "test",
        "stream",
        "workers",
        "threshold",
        "split",
        "gap",
        "stateful",
        "optimizer_options",
    )
)
"""Options of a training that an estimator has in other words, or not at all."""

OWN: dict[str, Any] = {"validation": 0.0, "patience": None, "optimizer_options": None, "random_state": 0}
"""What an estimator has in other words, with its defaults: nothing is held out unless asked."""


def _signature() -> inspect.Signature:
    """That of the constructors: a network, then the options of a training, as `Settings` declares them."""
    usual = Settings()
    named = {
        one.name: getattr(usual, one.name) for one in fields(Settings) if one.name not in ELSEWHERE
    } | OWN
    first, rest = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("self", first), inspect.Parameter("model", first, default=None)]
    parameters += [inspect.Parameter(name, rest, default=value) for name, value in named.items()]
    return inspect.Signature(parameters)


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share; scikit-learn reads the parameters from the constructor's signature."""

    _signature: ClassVar[inspect.Signature] = _signature()
    run_: Run
    n_features_in_: int

    def __init__(self, model: Any = None, **options: Any) -> None:
        given = self._signature.bind(self, model, **options)
        given.apply_defaults()
        for name, value in given.arguments.items():
            if name != "self":
                setattr(self, name, value)

    __init__.__signature__ = _signature  # type: ignore[attr-defined]  # functions may have one

    def _checked(self, X: Any, *, reset: bool, **checks: Any) -> Any:
        """Inputs as numbers; a data frame with other columns is left to the reader of tables."""
        if hasattr(X, "dtypes") and not all(getattr(kind, "kind", "O") in "buif" for kind in X.dtypes):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return validate_data(self, X, reset=reset, accept_sparse="csr", **checks)

    def _train(self, X: Any, y: Any, sample_weight: Any, task: str) -> Self:
        options = self.get_params(deep=False)
        model, seed, patience = (options.pop(name) for name in ("model", "random_state", "patience"))
        options = {name: value for name, value in options.items() if value is not None}
        if patience is not None:
            options["stop"] = Patience(patience)
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        model = MLP(*NETWORK) if model is None else model
        self.run_ = fit(
            model, X, y, sample_weight=sample_weight, task=task, seed=seed, progress=False, **options
        )
        return self

    def _predicted(self, X: Any) -> Floats:
        check_is_fitted(self)
        return self.run_.predict(self._checked(X, reset=False)).values

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def n_iter_(self) -> int:
        """The epochs of the longest repeat."""
        return int(np.ceil(max(one.epochs for one in self.run_.outcomes)))


def _weighed(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """The samples that count, and their weights: without weights all of them."""
    if sample_weight is None:
        return X, y, None
    weights = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    keep = weights > 0
    if not keep.any():
        raise ValueError("sample_weight must not be zero for all samples.")
    return X[keep], y[keep], weights[keep]


class EpochalClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]  # likewise
    """A network as a classifier of scikit-learn: two classes, several, or labels.

    Args:
        model: the network, as `ep.fit` takes it; `ep.MLP(64, 64)` by default.
        patience: stop after so many epochs without improvement of the monitored metric.
        validation: the share of the samples of `fit` that is held out, or data of its own; none by default.
        random_state: the seed; a `RandomState` draws one, and so does None.
        **options: of a training, as in `ep.Settings`.

    Attributes:
        classes_: the classes in order; the labels' numbers where the targets are an indicator matrix.
        run_: the finished `ep.Run`: curves, verdict, report.
        n_iter_: the epochs of the longest repeat.
        n_features_in_: the number of input columns.
        feature_names_in_: their names, where the inputs were a data frame.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> found = EpochalClassifier(epochs=60, batch_size=16, learning_rate=0.02).fit(X, y)
    >>> found.predict(X[:2]).tolist(), found.score(X, y) > 0.9, found.n_iter_
    ([0, 0], True, 60)
    """

    classes_: NDArray[Any]

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on inputs (n, features), classes (n,) or labels (n, labels), and weights (n,).

        Raises:
            ValueError: inputs that are no samples, and what cannot be trained (`ep.Refusal`).
        """
        X = self._checked(X, reset=True, ensure_min_samples=2)
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            y = np.asarray(y)
            X, y, sample_weight = _weighed(X, y, sample_weight)
            self.classes_ = np.arange(y.shape[1])
            return self._train(X, y, sample_weight, "multilabel")
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        X, y, sample_weight = _weighed(X, y, sample_weight)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"EpochalClassifier needs at least 2 classes; got 1 class ({self.classes_[0]!r})."
            )
        return self._train(X, codes, sample_weight, "classification")

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities (n, classes), or (n, labels), the means over the repeats."""
        return self._predicted(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable classes (n,), or labels (n, labels) whose probability is above one half."""
        values = self._predicted(X)
        if self.run_.task.is_multilabel:
            return (values > 0.5).astype(np.int64)
        return self.classes_[values.argmax(axis=1)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class EpochalRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]  # likewise
    """A network as a regressor of scikit-learn, of one target or several.

    The arguments and attributes are those of `EpochalClassifier`, but for `classes_`.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> found = EpochalRegressor(epochs=20, learning_rate=0.01).fit(X, y)
    >>> found.predict(X).shape, found.score(X, y) > 0.4
    ((442,), True)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on inputs (n, features), targets (n,) or (n, targets), and weights (n,).

        Raises:
            ValueError: inputs that are no samples, and what cannot be trained (`ep.Refusal`).
        """
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        X, y, sample_weight = _weighed(X, y, sample_weight)
        return self._train(X, y, sample_weight, "regression")

    def predict(self, X: Any) -> Floats:
        """Numbers (n,), or (n, targets), the means over the repeats."""
        values = self._predicted(X)
        return values[:, 0] if values.ndim > 1 and values.shape[1] == 1 else values
