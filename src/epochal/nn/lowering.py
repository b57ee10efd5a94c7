"""The fast form of an operation for the default device.

Vendor kernels on accelerators. On a CPU, XLA's convolution inside a compiled loop is naive and
single-threaded: shifted slices and one matrix product are faster (docs/log.md).
"""

from __future__ import annotations

from typing import Literal

import jax

Form = Literal["slices", "vendor"]


def form() -> Form:
    """The form that is fast on the default device."""
    return "slices" if jax.default_backend() == "cpu" else "vendor"
