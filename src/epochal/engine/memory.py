"""Memory that a program needs, and the largest batch size that fits.

A compiled program reports its memory before it runs. What grows with the batch (activations, gathered
samples) is linear once it dominates, so few compilations are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from epochal.common.machine import ENDLESS, free_memory
from epochal.engine.optimizers import Optimizer
from epochal.models import Variables

if TYPE_CHECKING:
    from epochal.engine.lane import Lane

__all__ = [
    "SHARE",
    "besides",
    "bytes_available",
    "bytes_needed",
    "bytes_said",
    "device_memory",
    "fits",
    "largest",
    "state_bytes",
]

SHARE = 0.9
"""Of the memory that is free, at most so much is taken."""

SMALL = 256
"""A batch whose program is compiled first; if it is far from the limit, no other one is."""

SAFE = 20.0
"""How many times the estimate from a small batch must fit, so that it is enough."""


def bytes_needed(lane: Lane) -> int:
    """The memory that a lane's program takes while it runs: arguments, results and what lies between.

    Results that take the place of arguments (the parameters, which are donated) count once. It is 0 where
    the backend does not say.
    """
    stats = _stats(lane)
    if stats is None:
        return 0
    return int(
        stats.argument_size_in_bytes
        + stats.output_size_in_bytes
        - stats.alias_size_in_bytes
        + stats.temp_size_in_bytes
    )


def bytes_available() -> int:
    """The free memory of the device that trains; without a figure from it, the device counts as endless."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return free_memory()
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return ENDLESS
    return max(0, int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0)))


def device_memory() -> int | None:
    """Bytes that the smallest accelerator of this machine can hold; None for a CPU, or where it isn't said.

    What is used of it at the moment does not count: what is decided by it is decided alike in every process.
    """
    limits = [
        (device.memory_stats() or {}).get("bytes_limit")
        for device in jax.local_devices()
        if device.platform != "cpu"
    ]
    known = [int(limit) for limit in limits if limit is not None]
    return min(known) if known and len(known) == len(limits) else None


def state_bytes(variables: Variables, optimizer: Optimizer) -> int:
    """What one repeat carries along, and the gradient besides.

    Args:
        variables: of the model, or their shapes.
        optimizer: what moves them.

    >>> import jax.numpy as jnp
    >>> state_bytes(Variables(jnp.zeros(100), ()), Optimizer("adam", elementwise=True, learning_rate=0.1))
    2004
    """
    moments = jax.eval_shape(optimizer.at(1.0).init, variables.params)
    held = (variables, variables, moments, variables.params)  # now and at best; the gradient
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(held))


def fits(lane: Lane, share: float = SHARE) -> bool:
    """Whether a lane can run in a share of the memory that is free.

    Its samples and parameters are there already: only what the program needs besides them must be free.
    """
    return besides(lane) <= share * bytes_available()


def largest(need: Callable[[int], int], most: int, free: float) -> int | None:
    """The largest size, up to `most`, whose need is at most `free`; None if not even that of 1 is.

    `most`, if it fits. Else between a size that fits and one that does not the need is taken for a straight
    line. It is convex in truth (the largest of several lines: training, evaluation), so that the line gives a
    size that fits. At most 5 needs are asked for, each of which may cost a compilation.

    >>> largest(lambda size: 100 + 7 * size, most=10_000, free=1000)
    128
    """
    low = min(SMALL, most)
    needed = need(low)
    if needed * (most / low) * SAFE <= free:
        return most
    high, above = most, need(most)
    if above <= free:
        return most
    if needed > free:
        high, above, low = low, needed, 1
        needed = need(low)
        if needed > free:
            return None
    for _ in range(2):
        between = low + math.floor((high - low) * (free - needed) / (above - needed))
        if between <= low:
            break
        found = need(between)
        if found > free:
            high, above = between, found
        else:
            low, needed = between, found
    return low


def _stats(lane: Lane) -> Any:
    """What the compiler says about the memory of a lane's program; None if it says nothing."""
    try:
        return lane._call.memory_analysis()
    except NotImplementedError:
        return None


def besides(lane: Lane) -> int:
    """What a lane needs besides its arguments, which are on the device before it runs."""
    stats = _stats(lane)
    return 0 if stats is None else bytes_needed(lane) - int(stats.argument_size_in_bytes)


def bytes_said(count: float) -> str:
    """A number of bytes as people say it.

    >>> bytes_said(2.1e11), bytes_said(5_300_000), bytes_said(12)
    ('210 GB', '5.3 MB', '12 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{float(f'{count / size:.2g}'):,g} {unit}"
    return f"{count:g} bytes"
