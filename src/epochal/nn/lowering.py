"""Which form of an operation is fast on this device?

On accelerators the vendor's kernels are. On a CPU, XLA's convolution inside a compiled loop is a naive one
on one thread: there, shifted slices and one matrix product are the faster form (docs/log.md).
"""

from __future__ import annotations

from typing import Literal

import jax

__all__ = ["Form", "form"]

Form = Literal["slices", "vendor"]


def form() -> Form:
    """The form that is fast on the default device."""
    return "slices" if jax.default_backend() == "cpu" else "vendor"
