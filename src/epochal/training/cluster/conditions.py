"""What must be equal on another machine for a training to give the same figures."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["conditions", "differences"]

PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax")
"""Whose versions decide the figures, besides epochal's own."""


def conditions() -> dict[str, str]:
    """What must be the same in all processes, so that a training gives the same figures in each."""
    import jax

    from epochal.common.version import VERSION

    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "epochal": VERSION}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    device = jax.devices()[0]
    found["device"] = device.platform if device.platform == "cpu" else device.device_kind
    return found | {"code of epochal": _code()}


@cache
def _code() -> str:
    """Eight digits of the source: a version that is being worked on keeps its number."""
    folder, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:8]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in words; empty if nothing does.

    >>> differences({"jax": "0.10.2", "numpy": "2.4"}, {"jax": "0.9.0", "numpy": "2.4"})
    'jax 0.9.0 there and 0.10.2 here'
    """
    return ", ".join(
        f"{name} {there.get(name, 'none')} there and {mine} here"
        for name, mine in here.items()
        if there.get(name) != mine
    )
