"""CPU cores and free memory that this process may use, control groups included."""

from __future__ import annotations

import os
from pathlib import Path

ENDLESS = 2**62
"""Unlimited: the system does not report its free memory."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Free memory of this process in bytes, without swapping; `ENDLESS` if unknown.

    The system's available memory, or what a control group (a container) leaves, if less.
    """
    return min(_of_system(), _of_group(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))


def _of_system() -> int:
    """Available memory on Linux, elsewhere the free pages."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return ENDLESS


def _of_group(membership: Path, root: Path) -> int:
    """What the control groups of this process (version 1 or 2) and their parents leave, or unlimited."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return ENDLESS
    left = ENDLESS
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
    """The number in a file; None without one ("max")."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _reclaimable(path: Path, name: str) -> int:
    """Bytes of reclaimable page cache, which count as used."""
    try:
        rows = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
        return int(rows.get(name, 0))
    except (OSError, ValueError):
        return 0
