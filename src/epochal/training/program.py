"""Digests that identify optimizers, losses and models without a name.

The digest is of the traced update with its constants. A folder of trials is continued only by a call that
would train the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from epochal.engine.evaluate import forward
from epochal.engine.program import fresh
from epochal.engine.rules import Observation
from epochal.engine.schedules import Schedule
from epochal.engine.state import Part
from epochal.engine.update import Packing, update
from epochal.models import seen_dtype, shapes_of
from epochal.training.prepared import Prepared


def state_shapes(prepared: Prepared) -> dict[str, Any]:
    """The state of one repeat: numbers of arrays and values, and a digest of shapes."""
    leaves = jax.tree_util.tree_leaves_with_path(state_of(prepared))
    lines = [f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}" for path, leaf in leaves]
    return {
        "arrays": len(leaves),
        "numbers": sum(leaf.size for _, leaf in leaves),
        "shapes": hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
    }


def state_of(prepared: Prepared) -> Any:
    """The shapes and dtypes of the state of one repeat."""
    spec = prepared.spec
    key = jax.eval_shape(lambda: jax.random.key(0))
    sample = jax.ShapeDtypeStruct(prepared.dataset.shape, seen_dtype(prepared.dataset.dtype))
    return jax.eval_shape(lambda key, sample: fresh(spec, spec.model.init(key, sample)), key, sample)


def rule_digest(prepared: Prepared) -> str:
    """Sixteen hexadecimal digits of a stopping rule."""
    rule = prepared.spec.rule
    number: Any = jax.ShapeDtypeStruct((), np.float32)
    seen = Observation(number, dict.fromkeys(prepared.spec.columns, number))
    return _digest(jax.make_jaxpr(rule.init)(), jax.make_jaxpr(rule.step)(jax.eval_shape(rule.init), seen))


def program_digest(prepared: Prepared) -> str:
    """Sixteen hexadecimal digits of a training's update and outputs.

    Shapes and constants count; names and addresses of functions do not.
    Host callbacks are not covered. Another version of JAX may write the same program differently.
    """
    spec, dataset = prepared.spec, prepared.dataset
    assert dataset.targets is not None
    shapes = shapes_of(spec.model, dataset.shape, dataset.dtype)
    size = prepared.plan.segments[0][1]
    key = jax.eval_shape(lambda: jax.random.key(0))
    dtype = seen_dtype(dataset.dtype)
    whole, sample = jax.ShapeDtypeStruct((), np.int32), jax.ShapeDtypeStruct(dataset.shape, dtype)
    batch = Part(
        jax.ShapeDtypeStruct((size, *dataset.shape), dtype),
        jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), seen_dtype(dataset.targets.dtype)),
        None,
    )
    rates = Schedule().rates(1.0, 1)
    step = update(spec, Packing(spec, shapes.params))
    begin = jax.make_jaxpr(lambda key, sample: fresh(spec, spec.model.init(key, sample)))
    repeat = state_of(prepared)
    judged = jax.make_jaxpr(lambda variables, inputs: forward(spec.model, variables, inputs))
    return _digest(
        begin(key, sample),
        jax.make_jaxpr(step)(repeat, batch, key, whole, whole, rates, whole),
        judged(shapes, batch.inputs),
    )


def _digest(*programs: Any) -> str:
    found = hashlib.sha256()
    for traced in programs:
        found.update(_UNSTEADY.sub("", traced.pretty_print(use_color=False)).encode())
        for constant in _constants(traced):
            found.update(_bytes_of(constant))
    return found.hexdigest()[:16]


_UNSTEADY = re.compile(r"0x[0-9a-fA-FX]+|\b(name|fwd|bwd)=\S+")
"""Parts of a printed program that are not computation: addresses and names of functions."""


def _constants(traced: Any) -> Iterator[Any]:
    """The constants of a program and of those that it calls.

    Programs are recognized by their equations, since classes differ among versions of JAX.
    """
    if isinstance(traced, tuple | list):
        for value in traced:
            yield from _constants(value)
    elif hasattr(traced, "eqns"):
        yield from getattr(traced, "consts", ())
        for equation in traced.eqns:
            literals: list[Any] = [getattr(operand, "val", None) for operand in equation.invars]
            yield from (value for value in literals if np.ndim(value))
            for value in equation.params.values():
                yield from _constants(value)


def _bytes_of(constant: Any) -> bytes:
    if jax.numpy.issubdtype(getattr(constant, "dtype", np.float32), jax.dtypes.prng_key):
        constant = jax.random.key_data(constant)
    array = np.asarray(constant)
    return f"{array.dtype}{array.shape}".encode() + array.tobytes()
