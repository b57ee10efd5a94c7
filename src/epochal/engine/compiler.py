"""Compilation of programs, and caches of what was compiled.

Within a process by `Spec` and shapes; between processes by JAX's persistent cache in the user's cache folder
(`EPOCHAL_CACHE` names another; empty turns it off). Neither changes a bit of any result.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from epochal.engine.determinism import compiled_from
from epochal.engine.factorizing import in_turn
from epochal.engine.program import build, fresh, over_repeats
from epochal.engine.schedules import Schedule
from epochal.engine.spec import Spec
from epochal.engine.state import Limits, Part, Progress, Repeat, Seeds
from epochal.models import Model, Variables, seen_dtype, shapes_of


def cache_folder() -> Path | None:
    """The folder of JAX's persistent cache, or None if it is off."""
    chosen = os.environ.get("EPOCHAL_CACHE")
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "epochal" / "xla"


@functools.cache
def use_cache() -> None:
    """Turn JAX's persistent compilation cache on, unless the user has configured one."""
    folder = cache_folder()
    if folder is None or jax.config.values["jax_compilation_cache_dir"] is not None:
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
def _slot(spec: Spec, signature: Any, shared: bool | None) -> _Slot:
    return _Slot()


def _compiled(spec: Spec, signature: Any, shared: bool | None, build_it: Callable[[], Any]) -> Any:
    """The program of that slot; different programs may compile in parallel."""
    with _lock:
        slot = _slot(spec, signature, shared)
    with slot.lock:
        if slot.program is None:
            slot.program = build_it()
        return slot.program


def _call(spec: Spec, signature: Any, shared: bool) -> Any:
    progress, seeds, parts, limits = jax.tree.unflatten(*signature)
    sample = _sample(parts, shared)
    shapes = shapes_of(spec.model, sample.shape, sample.dtype)
    program = build(spec, shapes, shared)
    arguments = (progress, seeds, parts, limits)
    return _program(spec, program, arguments, donate=(0,))


def _program(
    spec: Spec, function: Callable[..., Any], arguments: tuple[Any, ...], donate: tuple[int, ...] = ()
) -> Any:
    """The compiled function for these arguments, with results replicated over the mesh."""
    traced = jax.jit(function, donate_argnums=donate, out_shardings=spec.mesh.replicated)
    lowered = traced.lower(*arguments)
    return in_turn(lowered, compiled_from(lowered, spec.deterministic), spec.mesh.size)


def _init(spec: Spec, signature: Any) -> Any:
    keys, sample = jax.tree.unflatten(*signature)

    def draw(key: jax.Array) -> Repeat:
        return fresh(spec, spec.model.init(key, jax.numpy.zeros(sample.shape, sample.dtype)))

    if jax.default_backend() == "cpu":  # one repeat at a time: see `engine.factorizing`
        return _program(spec, lambda keys: jax.lax.map(draw, keys), (keys,))
    return _program(spec, over_repeats(spec.repeats, draw, (0,)), (keys,))


def _sample(parts: tuple[Part, ...], shared: bool) -> jax.ShapeDtypeStruct:
    inputs = parts[0].inputs
    return jax.ShapeDtypeStruct(inputs.shape[1 if shared else 2 :], seen_dtype(inputs.dtype))


def _compiled_in(spec: Spec) -> Spec:
    """The spec without the optimizer's and schedule's numbers, which are arguments of the program."""
    optimizer, schedule = spec.optimizer, spec.schedule
    rate = None if optimizer.learning_rate is None else 1.0
    return replace(
        spec,
        optimizer=replace(optimizer, learning_rate=rate),
        schedule=Schedule(schedule.kind, warmup=min(schedule.warmup, 1), every=1),
    )


def given_init(spec: Spec, given: Variables, keys: jax.Array, shape: tuple[int, ...], dtype: Any) -> Repeat:
    """Initial repeats from given variables; those that are None are drawn by key.

    Args:
        spec: for that many repeats.
        given: variables of the spec's model.
        keys: (repeats,), from which they are drawn.
        shape: of the inputs of one sample.
        dtype: of the stored inputs.
    """

    def none(leaf: Any) -> bool:
        return leaf is None

    lacking = any(map(none, jax.tree.leaves(given, is_leaf=none)))

    def started(key: jax.Array) -> Repeat:
        variables = given
        if lacking:
            drawn = _drawing(spec.model, shape, np.dtype(seen_dtype(dtype)))(key)
            variables = jax.tree.map(lambda a, b: b if a is None else a, given, drawn, is_leaf=none)
        return fresh(spec, jax.tree.map(jnp.asarray, variables))

    each = [started(key) for key in (keys if lacking else keys[:1])]
    stacked: Repeat = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each * (spec.repeats // len(each)))
    return spec.mesh.put(stacked)


@functools.lru_cache(maxsize=16)
def _drawing(model: Model, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    return jax.jit(lambda key: model.init(key, jnp.zeros(shape, dtype)))


def _signature(spec: Spec, tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(spec.mesh.shaped(leaf) for leaf in leaves)


def compiled_call(
    spec: Spec, progress: Progress, seeds: Seeds, parts: tuple[Part, ...], limits: Limits, shared: bool
) -> Any:
    """The compiled function (progress, seeds, parts, limits) -> (progress, rows); donates `progress`."""
    use_cache()
    spec, signature = _compiled_in(spec), _signature(spec, (progress, seeds, parts, limits))
    return _compiled(spec, signature, shared, lambda: _call(spec, signature, shared))


def compiled_init(spec: Spec, keys: jax.Array, parts: tuple[Part, ...], shared: bool) -> Any:
    """The compiled function keys -> initial repeats."""
    use_cache()
    spec, signature = _compiled_in(spec), _signature(spec, (keys, _sample(parts, shared)))
    return _compiled(spec, signature, None, lambda: _init(spec, signature))


def compiled(
    make: Callable[[Spec, Variables], Callable[..., Any]],
    spec: Spec,
    sample: jax.ShapeDtypeStruct,
    arguments: tuple[Any, ...],
    donate: tuple[int, ...] = (),
) -> Any:
    """The compiled function `make(spec, shapes)` for arguments shaped like these.

    Args:
        make: a module-level function, which identifies the program.
        spec: what is compiled in.
        sample: shape and dtype of one sample's stored inputs.
        arguments: of the function.
        donate: indices of the donated arguments.
    """
    use_cache()
    spec, signature = _compiled_in(spec), _signature(spec, arguments)

    def build_it() -> Any:
        function = make(spec, shapes_of(spec.model, sample.shape, sample.dtype))
        return _program(spec, function, jax.tree.unflatten(*signature), donate)

    return _compiled(spec, (make, sample.shape, str(sample.dtype), signature), None, build_it)
