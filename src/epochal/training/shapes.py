"""Checks of model, loss and optimizer on abstract samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax

from epochal.data import Task
from epochal.engine.spec import Spec
from epochal.errors import Refusal
from epochal.models import Variables, model_input_dtype
from epochal.training.prepared import Prepared


def tried(what: str, call: Callable[[], Any]) -> Any:
    """`call()`; an error of a custom function becomes a refusal that names it."""
    try:
        return call()
    except Refusal:
        raise
    except Exception as error:
        words = _words(error)
        words = (words if len(words) <= 200 else f"{words[:200]}…").rstrip(".: ")
        raise Refusal(f"{what} must be a function that JAX can trace; it raised {words}.") from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def traced(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The output shapes of a function, without computing."""
    return tried(what, lambda: jax.eval_shape(function, *arguments))


def parts_of_program(value: Any) -> Iterator[Any]:
    """The programs in a value and their equations, each followed by those that it calls.

    Programs are recognized by their equations, since classes differ among versions of JAX.
    """
    if isinstance(value, tuple | list):
        for one in value:
            yield from parts_of_program(one)
    elif hasattr(value, "eqns"):
        yield value
        for equation in value.eqns:
            yield equation
            yield from parts_of_program(list(equation.params.values()))


def check_fit(prepared: Prepared, reuse: Prepared | None = None) -> None:
    """Model, loss and optimizer must work on abstract samples of the task, before anything runs.

    With functions that worked for `reuse`, only the outputs for this batch size are looked at.
    """
    spec, dataset, task = prepared.spec, prepared.dataset, prepared.task
    size = prepared.plan.batch_sizes[0]
    scaling = prepared.scalings[0]
    dtype = model_input_dtype(dataset.dtype if scaling is None else scaling.dtype)
    sample = jax.ShapeDtypeStruct(dataset.shape, dtype)
    batch = jax.ShapeDtypeStruct((size, *dataset.shape), dtype)
    assert dataset.targets is not None
    kind = model_input_dtype(dataset.targets.dtype)
    targets = jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), kind)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = traced("the model's init", spec.model.init, key, sample)
    outputs = _check_outputs(spec, task, variables, batch, key)
    if reuse is not None and _functions(spec) == _functions(reuse.spec):
        return
    for length in spec.layout.order.trim_lengths:
        _check_cut(spec, variables, jax.ShapeDtypeStruct((size, length), dtype), outputs, key)
    losses = traced("the loss", spec.loss, outputs, targets)
    shape = getattr(losses, "shape", type(losses).__name__)
    if shape != (size,):
        raise Refusal(f"the loss must give one value for each sample, shape ({size},); got {shape}.")

    def mean_loss(params: Any, state: Any, inputs: Any, wanted: Any, key: Any) -> Any:
        return spec.loss(spec.model.apply(Variables(params, state), inputs, key, True)[0], wanted).mean()

    traced("the gradient of the loss", jax.grad(mean_loss), *variables, batch, targets, key)
    _check_optimizer(spec, variables.params)


def _functions(spec: Spec) -> tuple[Any, ...]:
    return spec.model, spec.loss, spec.optimizer.given, spec.layout.order.trim_lengths


def _check_cut(spec: Spec, variables: Variables, batch: Any, outputs: Any, key: Any) -> None:
    try:
        found = jax.eval_shape(lambda v, x, k: spec.model.apply(v, x, k, True)[0], variables, batch, key)
        wrong = "" if found.shape == outputs.shape else f"gives the shape {found.shape} there"
    except Exception as error:
        wrong = f"raised {_words(error)}"[:200].rstrip(".: ")
    if wrong:
        raise Refusal(
            f'order "{spec.layout.order.name}" needs a model that takes samples of any length, such as '
            f"TextClassifier(); this one {wrong} (length {batch.shape[1]})."
        )


def _check_outputs(spec: Spec, task: Task, variables: Variables, batch: Any, key: Any) -> Any:
    """The model's outputs for a batch, checked for the task's shape."""
    size = batch.shape[0]
    for training in (False, True):
        words = f"the model's apply in {'training' if training else 'evaluation'}"
        found = traced(
            words, lambda v, x, k, on=training: spec.model.apply(v, x, k, on), variables, batch, key
        )
        if not isinstance(found, tuple) or len(found) != 2:
            raise Refusal(f"{words} must return (outputs, state); got {type(found).__name__}.")
    wanted = [(size, task.outputs), *([(size,)] if task.outputs == 1 else [])]
    if task.kind == "binary":
        wanted.append((size, 2))
    shape = getattr(found[0], "shape", type(found[0]).__name__)
    if shape not in wanted:
        raise Refusal(
            f"the model's outputs must have shape (batch, {task.outputs}) for this {task.kind} task; "
            f"got {shape} for a batch of {size}."
        )
    return found[0]


def _check_optimizer(spec: Spec, params: Any) -> None:
    """Check that an Optax object needs gradients and parameters only."""
    optimizer = spec.optimizer.given
    if optimizer is None:
        return
    state = traced("the optimizer's init", optimizer.init, params)
    try:
        jax.eval_shape(optimizer.update, params, state, params)
    except Exception as error:
        raise Refusal(
            "`optimizer` must be an Optax object that updates from gradients and parameters alone; its "
            f"update raised {_words(error)[:200].rstrip('.: ')}. Choose another, or name one."
        ) from error
