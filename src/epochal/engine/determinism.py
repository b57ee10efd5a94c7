"""Deterministic compilation on GPUs.

By default a GPU adds numbers in the order in which threads arrive, and picks kernels by a race at every
compilation. XLA's options against both are passed with each program, so no environment variable is needed,
and programs with and without them can run in one process. Other devices need none.
"""

from __future__ import annotations

from typing import Any

import jax

from epochal.errors import Refusal

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
