"""The `model` argument of `fit` as a `Model`: Flax NNX modules, functions, and `package.module:function`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from epochal.errors import Refusal, did_you_mean
from epochal.models.model import Applied, Model, PyTree, Variables, model_from_functions


def is_flax(model: Any) -> bool:
    """Whether `model` is an NNX module, a module class, or a factory `rngs -> module`."""
    if "flax.nnx" not in sys.modules:
        return False
    from flax import nnx

    if isinstance(model, nnx.Module) or (inspect.isclass(model) and issubclass(model, nnx.Module)):
        return True
    if not callable(model):
        return False
    try:
        return "rngs" in inspect.signature(model).parameters
    except ValueError:  # a built-in has no signature
        return False


class FlaxModel:
    """A Flax NNX module as a `Model`.

    A factory (`rngs -> module`, a module class included) draws its own parameters for each repeat. An
    instance starts every repeat from its own parameters, and is not modified. Streams of
    random numbers are keyed by (seed, epoch, update), not by the module's counters.

    Two models of the same factory are equal, so that they share compiled programs, as long as the factory
    makes the same module (a closure may have changed what it makes). A model of an instance is equal to
    itself only: its parameters are part of it.
    """

    def __init__(self, module: Any, computing_in: Any = None) -> None:
        from flax import nnx

        self._module = module
        self._factory: Callable[..., Any] | None = None if isinstance(module, nnx.Module) else module
        self.name = getattr(module, "__name__", type(module).__name__)
        if self._factory is None:
            self._initial = Variables(*self._variables(module))
            module = nnx.clone(module)
        else:
            factory = self._factory
            module = nnx.eval_shape(lambda: factory(rngs=nnx.Rngs(0)))
        if computing_in is not None:
            _set_dtype(module, computing_in)
        self._graphs = {}
        for training in (True, False):
            module.train() if training else module.eval()
            self._graphs[training], *states = nnx.split(module, nnx.Param, nnx.RngState, ...)
        self._params, self._streams, self._state = (jax.eval_shape(lambda one=one: one) for one in states)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, FlaxModel) or self._factory is None or self._factory is not other._factory:
            return False
        try:
            return bool(self._graphs == other._graphs)
        except (TypeError, ValueError):  # an attribute that can't be compared, such as an array
            return False

    def __hash__(self) -> int:
        return id(self) if self._factory is None else id(self._factory)

    def computing_in(self, dtype: Any) -> FlaxModel:
        """The model with this dtype in layers that have none set."""
        return FlaxModel(self._module, dtype)

    @staticmethod
    def _variables(module: Any) -> tuple[PyTree, PyTree]:
        from flax import nnx

        _, params, _, state = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return nnx.to_pure_dict(params), nnx.to_pure_dict(state)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Build the module, or use the instance's parameters."""
        from flax import nnx

        if self._factory is None:
            return self._initial
        return Variables(*self._variables(self._factory(rngs=nnx.Rngs(key))))

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Call the module on a batch, in training or evaluation mode."""
        from flax import nnx

        leaves, tree = jax.tree.flatten(self._streams)
        drawn = [
            jax.random.fold_in(key, index)
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else jnp.zeros(leaf.shape, leaf.dtype)
            for index, leaf in enumerate(leaves)
        ]
        states = [jax.tree.map(lambda leaf: leaf, one) for one in (self._params, self._state)]
        for one, values in zip(states, variables, strict=True):
            nnx.replace_by_pure_dict(one, values)
        module = nnx.merge(self._graphs[training], states[0], jax.tree.unflatten(tree, drawn), states[1])
        outputs = module(inputs)
        return outputs, self._variables(module)[1]


def _set_dtype(module: Any, dtype: Any) -> None:
    """Set the dtype in which layers compute.

    Not for batch normalization, whose running statistics would be rounded; it computes in float32.
    """
    from flax import nnx

    for _, layer in nnx.iter_modules(module):
        if not isinstance(layer, nnx.BatchNorm) and hasattr(layer, "param_dtype"):
            layer.dtype = dtype if getattr(layer, "dtype", dtype) is None else layer.dtype


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
        return model_from_functions(*model)
    if isinstance(model, Model) and not isinstance(model, type):
        return model
    raise Refusal(
        "`model` must be an epochal model such as ep.MLP(64, 64) or ep.CNN(32, 64), a Flax NNX module or "
        f"class, or a pair of functions (init, apply); got {type(model).__name__}. It comes first: "
        "ep.fit(ep.MLP(64, 64), data)."
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
