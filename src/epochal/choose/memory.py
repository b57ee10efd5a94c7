"""What is the largest batch that fits into memory, found without running out of it?

A compiled program says how much memory it will take before it is run. What grows with the batch (activations,
gathered samples) is a straight line once it outweighs all else, so few compilations are enough.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from epochal.choose.setting import Setting
from epochal.choose.trial import Job

if TYPE_CHECKING:
    from epochal.choose.bench import Bench
    from epochal.engine.lane import Lane

__all__ = ["bytes_available", "bytes_needed", "fits", "largest_batch", "too_large"]

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
    """The free memory of the device that trains; without a figure from it, the device counts as endless.

    On a CPU it is what the system calls available, or what is left of the limit of a control group.
    """
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return min(_of_system(), _of_group(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return _ENDLESS
    return max(0, int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0)))


def fits(lane: Lane, share: float = SHARE) -> bool:
    """Whether a lane can run in a share of the memory that is free.

    Its samples and parameters are there already: only what the program needs besides them must be free.
    """
    return _besides(lane) <= share * bytes_available()


def largest_batch(bench: Bench, setting: Setting) -> int | None:
    """The largest batch of a setting that fits; None if not even one sample does. Nothing is trained.

    All samples, if they fit. Else between a batch that fits and one that does not the need is taken for a
    straight line. It is convex in truth (the largest of several lines: training, evaluation), so that the
    line gives a batch that fits. At most 5 programs are compiled.

    Args:
        bench: what holds the samples.
        setting: what is trained; its batch size has no influence.
    """
    samples = bench.base.plan.samples
    free = SHARE * bytes_available()
    low = min(SMALL, samples)
    need = _need(bench, setting, low)
    if need * (samples / low) * SAFE <= free:
        return samples
    high, above = samples, _need(bench, setting, samples)
    if above <= free:
        return samples
    if need > free:
        high, above, low = low, need, 1
        need = _need(bench, setting, low)
        if need > free:
            return None
    for _ in range(2):
        between = low + math.floor((high - low) * (free - need) / (above - need))
        if between <= low:
            break
        found = _need(bench, setting, between)
        if found > free:
            high, above = between, found
        else:
            low, need = between, found
    return low


def too_large(bench: Bench, setting: Setting) -> str:
    """Why a setting is left out, in one sentence; empty if it fits."""
    size, free = bench.prepared(setting).plan.batch_size, bytes_available()
    need = _need(bench, setting, size)
    if need <= SHARE * free:
        return ""
    return f"batch size {size:,} needs about {_said(need)} and {_said(free)} are free: left out"


_ENDLESS = 2**62


def _stats(lane: Lane) -> Any:
    """What the compiler says about the memory of a lane's program; None if it says nothing."""
    try:
        return lane._call.memory_analysis()
    except NotImplementedError:
        return None


def _besides(lane: Lane) -> int:
    """What a lane needs besides its arguments, which are on the device before it runs."""
    stats = _stats(lane)
    return 0 if stats is None else bytes_needed(lane) - int(stats.argument_size_in_bytes)


def _need(bench: Bench, setting: Setting, batch_size: int) -> int:
    """What a batch size needs besides the samples; its program is compiled and not run."""
    sized = setting.with_(f"{setting.name} | memory of {batch_size}", batch_size=batch_size)
    return _besides(bench.lane([Job(sized, 0, 1, 1)]))


def _of_system() -> int:
    """The memory that Linux calls available, elsewhere the free pages."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _ENDLESS


def _of_group(membership: Path, root: Path) -> int:
    """What the control groups of this process (version 1 or 2) and those above them leave; else endless."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return _ENDLESS
    left = _ENDLESS
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, names = root / path.lstrip("/"), ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            folder, names = root / "memory" / path.lstrip("/"), _FIRST_VERSION
        else:
            continue
        for place in (folder, *folder.parents):
            limit, used = _number(place / names[0]), _number(place / names[1])
            if limit is not None and used is not None:
                left = min(left, max(0, limit - used + _reclaimable(place / "memory.stat", names[2])))
            if place == root:
                break
    return left


_FIRST_VERSION = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _number(path: Path) -> int | None:
    """The number in a file; None if there is none ("max")."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _reclaimable(path: Path, name: str) -> int:
    """Bytes of files that are held in memory, counted as used and given up where they are in the way."""
    try:
        rows = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
        return int(rows.get(name, 0))
    except (OSError, ValueError):
        return 0


def _said(count: float) -> str:
    """A number of bytes as people say it.

    >>> _said(2.1e11), _said(5_300_000), _said(12)
    ('210 GB', '5.3 MB', '12 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{float(f'{count / size:.2g}'):,g} {unit}"
    return f"{count:g} bytes"
