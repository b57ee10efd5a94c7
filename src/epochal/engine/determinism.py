"""How does a GPU come to the same bits every time?

Some of its operations add numbers up in whatever order threads arrive, and which kernel computes a product
is decided by a race at every compilation. XLA has an option against both. It is passed with each program, so
that no environment has to be set before JAX starts, and programs with and without it live side by side. Other
devices need none.
"""

from __future__ import annotations

from typing import Any

import jax

from epochal.errors import Refusal

__all__ = ["always_same", "compiled_from", "determinism_note", "options_for"]

OPTIONS = {"xla_gpu_deterministic_ops": True}
"""Operations that give the same bits every time, or an error at compilation; and no race for kernels."""


def always_same(deterministic: bool) -> bool:
    """Whether programs give the same bits every time on the device that computes."""
    return deterministic or jax.default_backend() != "gpu"


def determinism_note() -> str:
    """What is said of a training that was asked for it."""
    if jax.default_backend() == "gpu":
        return "deterministic: the same bits every time, by XLA's deterministic operations"
    return f"deterministic: this device ({jax.default_backend()}) gives the same bits every time in any case"


def options_for(deterministic: bool) -> dict[str, Any] | None:
    """What the compiler is to be told, as `jax.jit(compiler_options=...)` takes it."""
    return dict(OPTIONS) if deterministic and jax.default_backend() == "gpu" else None


def compiled_from(lowered: Any, deterministic: bool) -> Any:
    """The compiled program of a lowered one.

    Raises:
        Refusal: an operation has no deterministic form on this device.
    """
    try:
        return lowered.compile(compiler_options=options_for(deterministic))
    except jax.errors.JaxRuntimeError as error:
        said = " ".join(str(error).split())
        if not deterministic or "deterministic" not in said:
            raise
        raise Refusal(
            f"`deterministic` must be False for this model: XLA says {said[:200].rstrip('. ')}. It may be "
            "the gradient of a pooling; epochal.nn.max_pool has one."
        ) from error
