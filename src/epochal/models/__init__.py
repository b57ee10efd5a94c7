"""Models as pure functions, losses and metrics."""

from epochal.models.built_in import ACTIVATIONS, MLP, BuiltIn
from epochal.models.convert import FlaxModel, as_model, check_model
from epochal.models.losses import LOSSES, Loss, label_probabilities, loss_for, probabilities, smoothed
from epochal.models.metrics import METRICS, Metric, bounds_of, default_metrics, hits_of, metrics_for
from epochal.models.model import (
    FunctionModel,
    Model,
    PyTree,
    Variables,
    described,
    functions,
    seen,
    seen_dtype,
    settled,
    shapes_of,
)
from epochal.models.own import OwnMetric, evaluated, metric, metrics_asked, metrics_of
from epochal.models.subsets import of_subsets, weighted_means
from epochal.models.wrappers import (
    Embedded,
    Mixed,
    Pairwise,
    computing_in,
    embedded,
    embedded_shape,
    without_embeddings,
)

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "METRICS",
    "MLP",
    "BuiltIn",
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
    "bounds_of",
    "check_model",
    "computing_in",
    "default_metrics",
    "described",
    "embedded",
    "embedded_shape",
    "evaluated",
    "functions",
    "hits_of",
    "label_probabilities",
    "loss_for",
    "metric",
    "metrics_asked",
    "metrics_for",
    "metrics_of",
    "of_subsets",
    "probabilities",
    "seen",
    "seen_dtype",
    "settled",
    "shapes_of",
    "smoothed",
    "weighted_means",
    "without_embeddings",
]
