"""The fingerprint of a training that is compared on resume: what must be equal to go on.

Everything that moves a parameter or decides which one is the best: samples, order, model, rule. Not its
length (epochs, budgets), the place of its files, or its device.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import jax
import numpy as np

from epochal.data import Dataset
from epochal.engine.evaluate import forward
from epochal.engine.program import init_repeat_state
from epochal.engine.rules import Never, Observation
from epochal.engine.schedules import Schedule
from epochal.engine.state import SplitPart
from epochal.engine.update import ParamRaveler, make_update_step
from epochal.models import model_input_dtype, shapes_of
from epochal.settings import DECLARED
from epochal.training.json_settings import CODECS, given_in_words, write_model, write_settings
from epochal.training.json_values import NotSerializable
from epochal.training.prepared import Prepared
from epochal.training.shapes import parts_of_program

FORMAT = 1
"""The version of the state and its semantics; other versions are not resumed."""


_WITHIN = ("batch_size", "updates_per_epoch", "order", "remainder", "task", "evaluate_train")
"""What is compared as it was settled, within the plan, the data and the parts that are evaluated."""


def resume_fingerprint(prepared: Prepared) -> dict[str, Any]:
    """What must be equal to resume a training, as JSON; `differences` compares two."""
    settings, spec, plan, order = prepared.settings, prepared.spec, prepared.plan, prepared.order
    written = write_settings(settings)
    model = write_model(prepared.model)
    own = any(given_in_words(written[name]) is not None for name in ("optimizer", "loss", "augment"))
    every, unit = settings.evaluation
    start = prepared.initial.variables
    found = {
        "format": FORMAT,
        "data": {**_data(prepared.dataset), "streamed": prepared.streamed},
        "validation": _data(prepared.validation) or written["validation"],
        "test": _data(prepared.test) or written["test"],
        "held_out": _digest(prepared.splits[0].validation, prepared.splits[0].test),
        "seed": settings.seed,
        "repeats": settings.repeats,
        "vary": sorted(settings.vary),
        "plan": {
            "samples": None if prepared.endless else plan.samples,
            "batch_size": "full" if plan.is_full else int(plan.batch_size),
            "batch_schedule": None if plan.batch_schedule is None else plan.batch_schedule.to_dict(),
            "remainder": plan.remainder,
            "updates_per_epoch": plan.updates_per_epoch,
            "order": order.name,
            "order_options": order.options,
            "order_values": None if order.values is None else _digest(order.values),
        },
        "model": model,
        "state": state_shapes(prepared),
        "initial": None if start is None else _digest(*jax.tree.leaves(start)),
        "optimizer": spec.optimizer.name,
        "optimizer_options": dict(spec.optimizer.options),
        "learning_rate": spec.optimizer.learning_rate,
        "schedule": {name: getattr(spec.schedule, name) for name in spec.schedule.__dataclass_fields__},
        "weight_decay": spec.optimizer.weight_decay,
        "loss": prepared.loss_name,
        "metrics": [metric.name for metric in spec.metrics],
        "monitor": spec.monitor,
        "stop": _rule(prepared),
        "evaluate_every": f"{every} {unit}",
        "evaluated": list(spec.parts),
        "standardize": getattr(prepared.scalings[0], "standardizes", False),
        "micro_batch": spec.micro_batch,
        "program": _digested(program_digest(prepared)) if own or not _complete(model) else None,
    }
    same = [name for name, one in DECLARED.items() if one.fixed_on_resume and name not in (*_WITHIN, *found)]
    return found | {name: written[name] for name in same}


def _complete(model: Any) -> bool:
    """Whether a serialized model is complete: built-in networks only."""
    if model.get("kind") == "pairwise":
        return _complete(model["of"])
    return given_in_words(model) is None and model.get("kind") != "import"


def _rule(prepared: Prepared) -> Any:
    """The rule without its budgets, which limit only the length."""
    rule = prepared.spec.rule
    if isinstance(rule, Never):
        return None
    try:
        return {"words": rule.describe(), "rule": CODECS["stop"].write(rule)}
    except NotSerializable:
        return {"words": rule.describe(), **_digested(rule_digest(prepared))}


def _digested(digest: str) -> dict[str, str]:
    """A digest of a program with its environment, since layers depend on the device."""
    return {"digest": digest, "jax": jax.__version__, "backend": jax.default_backend()}


def _data(dataset: Dataset | None) -> dict[str, Any]:
    if dataset is None:
        return {}
    encoder = None if dataset.encoder is None else dataset.encoder.to_dict()
    return {
        "samples": dataset.samples,
        "fingerprint": dataset.fingerprint,
        "shape": list(dataset.shape),
        "dtype": str(dataset.dtype),
        "task": None if dataset.task is None else dataset.task.to_dict(),
        "encoder": hashlib.sha256(json.dumps(encoder, sort_keys=True, default=str).encode()).hexdigest(),
    }


def _digest(*arrays: Any) -> str:
    found = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(array.data)
    return found.hexdigest()


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
    sample = jax.ShapeDtypeStruct(prepared.dataset.shape, model_input_dtype(prepared.dataset.dtype))
    return jax.eval_shape(lambda *given: init_repeat_state(spec, spec.model.init(*given)), key, sample)


def rule_digest(prepared: Prepared) -> str:
    """Sixteen hexadecimal digits of a stopping rule."""
    rule = prepared.spec.rule
    number: Any = jax.ShapeDtypeStruct((), np.float32)
    observation = Observation(number, dict.fromkeys(prepared.spec.metric_names, number))
    return _program_digest(
        jax.make_jaxpr(rule.init)(), jax.make_jaxpr(rule.step)(jax.eval_shape(rule.init), observation)
    )


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
    dtype = model_input_dtype(dataset.dtype)
    whole, sample = jax.ShapeDtypeStruct((), np.int32), jax.ShapeDtypeStruct(dataset.shape, dtype)
    batch = SplitPart(
        jax.ShapeDtypeStruct((size, *dataset.shape), dtype),
        jax.ShapeDtypeStruct((size, *dataset.targets.shape[1:]), model_input_dtype(dataset.targets.dtype)),
        None,
    )
    rates = Schedule().rates(1.0, 1)
    step = make_update_step(spec, ParamRaveler(spec, shapes.params))
    begin = jax.make_jaxpr(lambda key, sample: init_repeat_state(spec, spec.model.init(key, sample)))
    repeat_state = state_of(prepared)
    judged = jax.make_jaxpr(lambda variables, inputs: forward(spec.model, variables, inputs))
    return _program_digest(
        begin(key, sample),
        jax.make_jaxpr(step)(repeat_state, batch, key, whole, whole, rates, whole),
        judged(shapes, batch.inputs),
    )


def _program_digest(*programs: Any) -> str:
    found = hashlib.sha256()
    for traced in programs:
        found.update(_UNSTEADY.sub("", traced.pretty_print(use_color=False)).encode())
        for part in parts_of_program(traced):
            values: list[Any] = [getattr(operand, "val", None) for operand in part.invars]
            literals = [value for value in values if np.ndim(value)]
            for constant in getattr(part, "consts", ()) if hasattr(part, "eqns") else literals:
                if jax.numpy.issubdtype(getattr(constant, "dtype", np.float32), jax.dtypes.prng_key):
                    constant = jax.random.key_data(constant)
                array = np.asarray(constant)
                found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()[:16]


_UNSTEADY = re.compile(r"0x[0-9a-fA-FX]+|\b(name|fwd|bwd)=\S+")
"""Parts of a printed program that are not computation: addresses and names of functions."""
