"""Models as pure functions, losses and metrics."""

from epochal.models.built_in import ACTIVATIONS as ACTIVATIONS, MLP as MLP, BuiltIn as BuiltIn
from epochal.models.convert import FlaxModel as FlaxModel, as_model as as_model, check_model as check_model
from epochal.models.custom import (
    CustomMetric as CustomMetric,
    evaluated as evaluated,
    metric as metric,
    metrics_asked as metrics_asked,
    metrics_of as metrics_of,
)
from epochal.models.losses import (
    LOSSES as LOSSES,
    Loss as Loss,
    label_probabilities as label_probabilities,
    loss_for as loss_for,
    probabilities as probabilities,
    smoothed as smoothed,
)
from epochal.models.metrics import (
    METRICS as METRICS,
    Metric as Metric,
    bounds_of as bounds_of,
    default_metrics as default_metrics,
    indicators as indicators,
    metrics_for as metrics_for,
)
from epochal.models.model import (
    FunctionModel as FunctionModel,
    Model as Model,
    PyTree as PyTree,
    Variables as Variables,
    as_model_input as as_model_input,
    build_for_inputs as build_for_inputs,
    described as described,
    model_from_functions as model_from_functions,
    model_input_dtype as model_input_dtype,
    shapes_of as shapes_of,
)
from epochal.models.subsets import of_subsets as of_subsets, weighted_means as weighted_means
from epochal.models.wrappers import (
    Embedded as Embedded,
    MixedPrecision as MixedPrecision,
    Pairwise as Pairwise,
    computing_in as computing_in,
    embedded as embedded,
    embedded_shape as embedded_shape,
    without_embeddings as without_embeddings,
)
