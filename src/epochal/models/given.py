"""Conversion of the `model` argument of `fit` to a `Model`."""

from __future__ import annotations

from typing import Any

from epochal.errors import Refusal
from epochal.models.flax_nnx import FlaxModel, is_flax
from epochal.models.model import Model, functions


def check_model(model: Any, data: Any) -> None:
    """Refuse what is no model, such as samples in its place, and a lack of data, before any is read."""
    named = (
        callable(getattr(model, "with_outputs", None)) or isinstance(model, tuple | type) or is_flax(model)
    )
    if not named:
        as_model(model, 1)
    if data is None:
        raise Refusal("`data` is missing: ep.fit(model, X, y), or ep.fit(model, frame, target=COLUMN).")


def as_model(model: Any, outputs: int) -> Model:
    """The `model` argument of `fit` as a `Model`, with this number of outputs unless it is set."""
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
        "`model` must be an epochal model such as ep.MLP(64, 64) or ep.CNN(32, 64), a Flax NNX module or "
        f"class, or a pair of functions (init, apply); got {type(model).__name__}. It comes first: "
        "ep.fit(ep.MLP(64, 64), data)."
    )
