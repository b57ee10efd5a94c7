"""WHAT is fitted: models as pure functions, losses and metrics."""

from __future__ import annotations

from typing import Any

from epochal.errors import Refusal
from epochal.models.embedded import Embedded, embedded, embedded_shape, without_embeddings
from epochal.models.flax_nnx import FlaxModel, is_flax
from epochal.models.losses import LOSSES, Loss, label_probabilities, loss_for, probabilities, smoothed
from epochal.models.metrics import METRICS, Metric, bounds_of, default_metrics, metrics_for
from epochal.models.mlp import ACTIVATIONS, MLP
from epochal.models.model import (
    FunctionModel,
    Model,
    PyTree,
    Variables,
    functions,
    learned_dtype,
    refuse_ids,
    seen,
    seen_dtype,
    settled,
    shapes_of,
)
from epochal.models.own import OwnMetric, evaluated, metric, metrics_asked, metrics_of
from epochal.models.pairwise import Pairwise
from epochal.models.precision import PRECISIONS, Mixed, checked_precision, computing_in
from epochal.models.subsets import of_subsets, weighted_means
from epochal.models.threshold import best_threshold, checked_threshold, confusion_at

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "METRICS",
    "MLP",
    "PRECISIONS",
    "Embedded",
    "FlaxModel",
    "FunctionModel",
    "Loss",
    "Metric",
    "Mixed",
    "Model",
    "OwnMetric",
    "Pairwise",
    "PyTree",
    "Variables",
    "as_model",
    "best_threshold",
    "bounds_of",
    "check_model",
    "checked_precision",
    "checked_threshold",
    "computing_in",
    "confusion_at",
    "default_metrics",
    "embedded",
    "embedded_shape",
    "evaluated",
    "functions",
    "label_probabilities",
    "learned_dtype",
    "loss_for",
    "metric",
    "metrics_asked",
    "metrics_for",
    "metrics_of",
    "of_subsets",
    "probabilities",
    "refuse_ids",
    "seen",
    "seen_dtype",
    "settled",
    "shapes_of",
    "smoothed",
    "weighted_means",
    "without_embeddings",
]


def check_model(model: Any) -> None:
    """Refuse what is no model, before any data is read: samples, most often, that stand in its place."""
    named = (
        callable(getattr(model, "with_outputs", None)) or isinstance(model, tuple | type) or is_flax(model)
    )
    if not named:
        as_model(model, 1)


def as_model(model: Any, outputs: int) -> Model:
    """What `fit` was given, as a `Model` with that number of outputs where it leaves them open."""
    complete = getattr(model, "with_outputs", None)
    if callable(complete) and not isinstance(model, type):
        completed: Model = complete(outputs)
        return completed
    if is_flax(model):
        return FlaxModel(model)
    if isinstance(model, tuple) and len(model) == 2 and all(callable(part) for part in model):
        return functions(*model)
    if isinstance(model, Model) and not isinstance(model, type):
        return model
    raise Refusal(
        "model must be an epochal model such as ep.MLP(64, 64) or ep.CNN(32, 64), a Flax NNX module or "
        f"class, or a pair of functions (init, apply); got {type(model).__name__}. It comes first: "
        "ep.fit(model, X, y)."
    )
