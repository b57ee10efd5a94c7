"""Memory that a program needs, and the largest batch size that fits.

A compiled program reports its memory before it runs. What grows with the batch (activations, gathered
samples) is linear once it dominates, so few compilations are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax

from epochal.common.machine import ENDLESS, free_memory
from epochal.engine.optimizers import Optimizer
from epochal.engine.repeat_stack import RepeatStack
from epochal.models import Variables

MEMORY_SHARE = 0.9
"""The share of free memory to use at most."""

SMALL = 256
"""The batch size compiled first; if it is far from the limit, no other one is compiled."""

SAFE = 20.0
"""How many times the estimate from a small batch must fit to be sufficient."""


def bytes_available() -> int:
    """Free memory of the device; unlimited if it does not report it."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return free_memory()
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return ENDLESS
    return max(0, int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0)))


def device_memory() -> int | None:
    """Memory of the smallest accelerator of this machine; None for a CPU, or if it is not reported.

    The total, not what is free: decisions made by it are the same in every process.
    """
    limits = [
        (device.memory_stats() or {}).get("bytes_limit")
        for device in jax.local_devices()
        if device.platform != "cpu"
    ]
    known = [int(limit) for limit in limits if limit is not None]
    return min(known) if known and len(known) == len(limits) else None


def state_bytes(variables: Variables, optimizer: Optimizer) -> int:
    """Bytes of the state of one repeat and of its gradient, from variables or their shapes.

    >>> import jax.numpy as jnp
    >>> state_bytes(Variables(jnp.zeros(100), ()), Optimizer("adam", elementwise=True, learning_rate=0.1))
    2004
    """
    state = jax.eval_shape(optimizer.with_rate(1.0).init, variables.params)
    trees = (variables, variables, state, variables.params)  # current and best ones; the gradient
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(trees))


def program_bytes(stack: RepeatStack) -> int:
    """Memory of a stack's program besides its arguments, which are already on the device.

    Results that take the place of arguments (the donated parameters) do not count. 0 if the backend does not
    report it.
    """
    try:
        stats = stack._call.memory_analysis()
    except NotImplementedError:  # by a backend without such a report
        stats = None
    if stats is None:
        return 0
    results = stats.output_size_in_bytes - stats.alias_size_in_bytes
    return int(results + stats.temp_size_in_bytes)


def fits(stack: RepeatStack) -> bool:
    """Whether a stack fits in the free memory."""
    return program_bytes(stack) <= MEMORY_SHARE * bytes_available()


def largest_fitting(need: Callable[[int], int], most: int, free: float) -> int | None:
    """The largest size, up to `most`, whose need is at most `free`; None if not even that of 1 is.

    `most`, if it fits. Otherwise the need is interpolated linearly between a size that fits and one that does
    not. It is convex (the largest of several lines: training, evaluation), so this gives a size that fits.
    `need`, which may compile, is called at most 5 times.

    >>> largest_fitting(lambda size: 100 + 7 * size, most=10_000, free=1000)
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


def format_bytes(count: float) -> str:
    """A number of bytes in words.

    >>> format_bytes(2.1e11), format_bytes(5_300_000), format_bytes(12)
    ('210 GB', '5.3 MB', '12 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{float(f'{count / size:.2g}'):,g} {unit}"
    return f"{count:g} bytes"
