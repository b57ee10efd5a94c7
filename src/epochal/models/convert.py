"""The `model` argument of `fit` as a `Model`, and models named as `package.module:function`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from epochal.errors import Refusal, did_you_mean
from epochal.models.flax_nnx import FlaxModel, is_flax
from epochal.models.model import Model, functions


def check_model(model: Any) -> None:
    """Refuse what is no model, such as samples in its place, before any data is read."""
    named = (
        callable(getattr(model, "with_outputs", None)) or isinstance(model, tuple | type) or is_flax(model)
    )
    if not named:
        as_model(model, 1)


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
        "ep.fit(model, X, y)."
    )


def _imported(path: str) -> Any:
    """The function `package.module:function`; modules of the working folder are found, too."""
    module_name, separator, name = path.partition(":")
    if not separator or not module_name or not name:
        raise Refusal(f'`model` must be named as package.module:function; got "{path}".')
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        what = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise Refusal(f'model "{path}" can\'t be imported: {" ".join(what.split())}.') from error
    if not hasattr(module, name):
        known = [other for other in dir(module) if not other.startswith("_")]
        raise Refusal(did_you_mean(f"function in {module_name}", name, known))
    make = getattr(module, name)
    if not callable(make):
        raise Refusal(f'model "{path}" must be a function (inputs, outputs); got {type(make).__name__}.')
    return make


class NamedModel:
    """A model made by a named function, which a run folder can name; compared by name and model."""

    def __init__(self, path: str, model: Any) -> None:
        self.path, self._model = path, model
        self.init, self.apply = model.init, model.apply

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedModel) and (self.path, self._model) == (other.path, other._model)

    def __hash__(self) -> int:
        return hash((self.path, self._model))

    def computing_in(self, dtype: Any) -> NamedModel:
        """The model with layers that compute in this dtype, if it has such."""
        own = getattr(self._model, "computing_in", None)
        return self if own is None else NamedModel(self.path, own(dtype))

    @classmethod
    def of(cls, path: str, shape: Sequence[int], outputs: int) -> NamedModel:
        """The model of a path, which is called with (inputs, outputs) and returns what `fit` takes.

        `inputs` is the number of input columns, or the shape of one sample if it has more than one axis.
        """
        make, inputs = _imported(path), shape[0] if len(shape) == 1 else tuple(shape)
        try:
            made = make(inputs, outputs)
        except Exception as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise Refusal(f'model "{path}" failed when called with ({inputs}, {outputs}): {what}.') from error
        return cls(path, as_model(made, outputs))

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"kind": "import", "path": self.path}
