"""How are two optimizers, losses or models told apart that have no name?

By the program that they make: the traced update of a training, with the numbers that are written into it. A
folder of trials is continued only by a call that would train the same.
"""

from __future__ import annotations

import hashlib
import re

import jax
import numpy as np

from epochal.engine.program import fresh
from epochal.engine.schedules import Schedule
from epochal.engine.state import Part
from epochal.engine.update import packing, update
from epochal.models import seen_dtype, shapes_of
from epochal.prepared import Prepared

__all__ = ["program_digest"]


def program_digest(prepared: Prepared) -> str:
    """Sixteen hexadecimal digits of the update that a training makes, shapes and written-in numbers included.

    Names and addresses of functions do not count, what they compute does.
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
        jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), dataset.targets.dtype),
        None,
    )
    rates = Schedule().rates(1.0, 1)
    step = update(spec, packing(spec, shapes.params))
    begin = jax.make_jaxpr(lambda key, sample: fresh(spec, spec.model.init(key, sample)))
    repeat = jax.eval_shape(lambda key, sample: fresh(spec, spec.model.init(key, sample)), key, sample)
    found = hashlib.sha256()
    for traced in (begin(key, sample), jax.make_jaxpr(step)(repeat, batch, key, whole, whole, rates, whole)):
        found.update(re.sub(r"0x[0-9a-f]+", "", str(traced)).encode())
        for constant in traced.consts:
            found.update(np.asarray(constant).tobytes())
    return found.hexdigest()[:16]
