"""Compilation of programs, and caches of what was compiled.

Within a process by `Spec` and shapes; between processes by JAX's persistent cache in the user's cache folder
(`EPOCHAL_CACHE` names another; empty turns it off). Neither changes a bit of any result.
"""

from __future__ import annotations

import functools
import operator
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from epochal.engine.lapack_deadlock import in_turn
from epochal.engine.program import init_repeat_state, over_repeats
from epochal.engine.schedules import Schedule
from epochal.engine.spec import Spec
from epochal.engine.state import RepeatState
from epochal.errors import Refusal
from epochal.models import Model, Variables, model_input_dtype, shapes_of

Sample = jax.ShapeDtypeStruct


@functools.cache
def _use_cache() -> None:
    """Turn on JAX's persistent compilation cache, unless the user has configured one."""
    chosen = os.environ.get("EPOCHAL_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "epochal" / "xla"
    folder = (base if chosen is None else Path(chosen)).expanduser()
    if chosen == "" or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


class _Slot:
    """One program of the cache: the first caller compiles it, others wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.program: Any = None


_lock = threading.Lock()


@functools.lru_cache(maxsize=128)
def _slot(key: Any) -> _Slot:
    return _Slot()


def _make_draw(spec: Spec, shapes: Variables, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """The function keys -> initial repeats."""

    def draw(key: jax.Array) -> RepeatState:
        return init_repeat_state(spec, spec.model.init(key, jnp.zeros(shape, dtype)))

    if jax.default_backend() == "cpu":  # one repeat at a time: see `engine.lapack_deadlock`
        return lambda keys: jax.lax.map(draw, keys)
    return over_repeats(spec.n_repeats, draw, (0,))


def initial_repeats(spec: Spec, given: Variables | None, keys: jax.Array, sample: Sample) -> RepeatState:
    """Initial repeats: drawn by key, or from given variables, of which those that are None are drawn.

    `keys` are (repeats,), `sample` is shape and dtype of one sample's stored inputs.
    """
    if given is None:
        seen = (sample.shape, np.dtype(model_input_dtype(sample.dtype)))
        return compiled(_make_draw, spec, sample, (keys,), *seen)(keys)

    is_none = functools.partial(operator.is_, None)
    lacking = any(map(is_none, jax.tree.leaves(given, is_leaf=is_none)))

    def started(key: jax.Array) -> RepeatState:
        variables = given
        if lacking:
            drawn = _variables(spec.model, sample.shape, np.dtype(model_input_dtype(sample.dtype)))(key)
            variables = jax.tree.map(lambda a, b: b if a is None else a, given, drawn, is_leaf=is_none)
        return init_repeat_state(spec, jax.tree.map(jnp.asarray, variables))

    each = [started(key) for key in (keys if lacking else keys[:1])]
    stacked: RepeatState = jax.tree.map(lambda *all_: jnp.stack(all_), *each * (spec.n_repeats // len(each)))
    return spec.mesh.put(stacked)


@functools.lru_cache(maxsize=16)
def _variables(model: Model, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    return jax.jit(lambda key: model.init(key, jnp.zeros(shape, dtype)))


def _compiled_in(spec: Spec) -> Spec:
    """The spec without the optimizer's and schedule's numbers, which are arguments of the program."""
    optimizer, schedule = spec.optimizer, spec.schedule
    rate = None if optimizer.learning_rate is None else 1.0
    return replace(
        spec,
        optimizer=replace(optimizer, learning_rate=rate),
        schedule=Schedule(schedule.kind, warmup=min(schedule.warmup, 1), every=1),
    )


def compiled(
    make: Callable[..., Callable[..., Any]],
    spec: Spec,
    sample: Sample,
    arguments: tuple[Any, ...],
    *options: Any,
    donate: tuple[int, ...] = (),
) -> Any:
    """The compiled function `make(spec, shapes, *options)` for arguments shaped like these.

    Different programs may be compiled in parallel. `make` is a module-level function, which identifies the
    program, `sample` is shape and dtype of one sample's stored inputs, `donate` are indices of arguments.
    """
    _use_cache()
    spec = _compiled_in(spec)
    leaves, structure = jax.tree.flatten(arguments)
    shaped = tuple(spec.mesh.shaped(leaf) for leaf in leaves)
    with _lock:
        slot = _slot((spec, make, options, sample.shape, str(sample.dtype), structure, shaped))
    with slot.lock:
        if slot.program is None:
            function = make(spec, shapes_of(spec.model, sample.shape, sample.dtype), *options)
            # Results are replicated over the mesh.
            traced = jax.jit(function, donate_argnums=donate, out_shardings=spec.mesh.replicated)
            lowered = traced.lower(*jax.tree.unflatten(structure, shaped))
            slot.program = in_turn(lowered, compiled_from(lowered, spec.deterministic), spec.mesh.size)
        return slot.program


OPTIONS = {"xla_gpu_deterministic_ops": True}
"""Deterministic operations (or an error at compilation), and no race between kernels."""


def always_same(deterministic: bool) -> bool:
    """Whether results are bit-identical on the default device."""
    return deterministic or jax.default_backend() != "gpu"


def determinism_note() -> str:
    """The note of a run with `deterministic`."""
    if jax.default_backend() == "gpu":
        return "deterministic: the same bits every time, by XLA's deterministic operations"
    return f"deterministic: this device ({jax.default_backend()}) gives the same bits every time in any case"


def options_for(deterministic: bool) -> dict[str, Any] | None:
    """Compiler options for `jax.jit(compiler_options=...)`."""
    return dict(OPTIONS) if deterministic and jax.default_backend() == "gpu" else None


def compiled_from(lowered: Any, deterministic: bool) -> Any:
    """Compile a lowered program.

    Raises:
        Refusal: an operation has no deterministic form on this device.
    """
    try:
        return lowered.compile(compiler_options=options_for(deterministic))
    except jax.errors.JaxRuntimeError as error:
        why = " ".join(str(error).split())
        if not deterministic or "deterministic" not in why:
            raise
        raise Refusal(
            f"`deterministic` must be False for this model: XLA says {why[:200].rstrip('. ')}. It may be "
            "the gradient of a pooling; epochal.nn.max_pool has one."
        ) from error
