"""A dense layer lowered by size inside a compiled loop.

On a CPU, XLA pays a fixed price for each library call. A product of a thousand multiplications costs less
as multiply-and-sum, which fuses with its surroundings; a larger one belongs to the vendor's matrix product,
the more so as XLA splits larger loops over threads. The limit was measured (docs/log.md). Accelerators, and
kernels of fewer bits, always take the product.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

FUSED_LIMIT = 2048
"""Most multiplications (batch * inputs * outputs) at which multiply-and-sum is faster on a CPU."""


def dense(inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """`inputs @ kernel + bias` for shapes (batch, i), (i, o), (o,), lowered by size.

    Computed in the dtype of the kernel.
    """
    batch, features = inputs.shape
    small = batch * features * kernel.shape[1] <= FUSED_LIMIT and kernel.dtype == jnp.float32
    if jax.default_backend() == "cpu" and small:
        return (inputs[:, :, None] * kernel[None]).sum(axis=1) + bias
    return inputs.astype(kernel.dtype) @ kernel + bias
