"""LSTM and GRU layers with hand-written gradients.

The projection of all inputs is one product before the time loop. The gradient loop computes the gradients of
the gates only, and the recurrent kernel's is one product after it,

    ∂loss/∂kernel = Σ_t h_{t-1}ᵀ · ∂loss/∂gates_t = H_previousᵀ @ G,

with the steps of all samples as rows of H and G. Inside the loop it would be one small product a step, and a
sum as large as the kernel.

Products are in the type of the kernel. Where that has fewer than 32 bits, gates, cell states and gradients
along time are float32 all the same: a cell state is a sum over many steps, which rounding would stop from
growing.

A masked step leaves the state unchanged, so the output after the end of a sequence is its last one.
Shapes: T steps of time, B batch, U units.
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from epochal.errors import Refusal, did_you_mean
from epochal.nn.basic import Glorot, make_param, orthogonal

Carry = tuple[jax.Array, ...]
Pair = tuple[jax.Array, jax.Array]


def _hold(mask: jax.Array | None, new: jax.Array, old: jax.Array) -> jax.Array:
    return new if mask is None else jnp.where(mask, new, old)


def _previous(first: jax.Array, states: jax.Array) -> jax.Array:
    return jnp.concatenate([first[None], states[:-1]])


def _wide(values: jax.Array) -> jax.Array:
    """At least float32."""
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _of_product(inputs: jax.Array, gradients: jax.Array) -> jax.Array:
    """The gradient of a kernel shared by all samples and steps: (T, B, a), (T, B, b)."""
    # Axes that are merged by hand can't be sharded, so this stays one product, in memory order; `einsum`
    # would copy both into another order.
    return jnp.tensordot(inputs, gradients, axes=((0, 1), (0, 1)))


@jax.custom_vjp
def _product(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """The inputs of all steps times a kernel, (T, B, b); JAX's own gradient uses a slower order."""
    return inputs @ kernel


_product.defvjp(
    lambda inputs, kernel: (inputs @ kernel, (inputs, kernel)),
    lambda residuals, gradients: (gradients @ residuals[1].T, _of_product(residuals[0], gradients)),
)


@jax.custom_vjp
def lstm(
    projected: jax.Array, kernel: jax.Array, h: jax.Array, c: jax.Array, mask: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, o = σ(gates), g = tanh(gate), c_t = f ⊙ c_{t-1} + i ⊙ g, h_t = o ⊙ tanh(c_t)

    Args:
        projected: (T, B, 4 U), the inputs times their kernel, with the bias: gates i, f, g, o; as the kernel,
            float32 or fewer bits.
        kernel: (U, 4 U), the recurrent one.
        h: (B, U), the state before the first step.
        c: (B, U), the cell state before the first step.
        mask: (T, B, 1), true where a step counts.

    Returns:
        The states (T, B, U) and the last cell state (B, U).
    """
    return _lstm_forward(projected, kernel, h, c, mask)[0]


def _lstm_forward(
    projected: jax.Array, kernel: jax.Array, h: jax.Array, c: jax.Array, mask: jax.Array | None = None
) -> tuple[Pair, Any]:
    def step(carry: Pair, x: Any) -> tuple[Pair, Any]:
        h, c = carry
        gates, on = x
        i, f, g, o = jnp.split(_wide(gates) + h @ kernel, 4, axis=-1)
        i, f, o, g = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o), jnp.tanh(g)
        new_c = _hold(on, f * c + i * g, c)
        new_h = _hold(on, (o * jnp.tanh(new_c)).astype(h.dtype), h)
        return (new_h, new_c), (new_h, new_c, jnp.concatenate([i, f, g, o], axis=-1).astype(h.dtype))

    start = h.astype(kernel.dtype), _wide(c)
    (_, last), (states, cell_states, gates) = lax.scan(step, start, (projected, mask))
    return (states, last), (states, cell_states, gates, kernel, h, c, mask)


def _lstm_backward(residuals: Any, gradients: Pair) -> Any:
    states, cell_states, gates, kernel, h, c, mask = residuals
    d_states, d_last = gradients
    before, back = _previous(_wide(c), cell_states), kernel.T

    def step(carry: Pair, x: Any) -> tuple[Pair, jax.Array]:
        dh, dc = carry
        d_state, gates, cell_state, previous, on = x
        i, f, g, o = jnp.split(_wide(gates), 4, axis=-1)
        dh = dh + d_state
        tanh_c = jnp.tanh(cell_state)
        dc_total = dc + dh * o * (1 - tanh_c * tanh_c)
        d_gates = jnp.concatenate(
            [
                dc_total * g * i * (1 - i),
                dc_total * previous * f * (1 - f),
                dc_total * i * (1 - g * g),
                dh * tanh_c * o * (1 - o),
            ],
            axis=-1,
        )
        d_gates = _hold(on, d_gates, jnp.zeros_like(d_gates)).astype(back.dtype)
        rest = 0 if on is None else jnp.where(on, 0, dh)
        return (_wide(d_gates @ back) + rest, _hold(on, dc_total * f, dc)), d_gates

    (dh, dc), d_gates = lax.scan(
        step, (_wide(jnp.zeros_like(h)), d_last), (d_states, gates, cell_states, before, mask), reverse=True
    )
    d_kernel = _of_product(_previous(h.astype(states.dtype), states), d_gates)
    return d_gates, d_kernel, dh.astype(h.dtype), dc.astype(c.dtype), None


lstm.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def gru(
    projected: jax.Array, kernel: jax.Array, bias: jax.Array, h: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Gated recurrent unit (Cho et al. 2014, the reset after the product as in cuDNN and PyTorch).

    r, z = σ(gates), n = tanh(gate + r ⊙ (h_{t-1} K_n + bias)), h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}

    Args:
        projected, kernel: (T, B, 3 U) and (U, 3 U), as for `lstm`, with the gates r, z, n.
        bias: (U,), of the candidate n, inside the reset.
        h, mask: as for `lstm`.

    Returns:
        The states (T, B, U).
    """
    return _gru_forward(projected, kernel, bias, h, mask)[0]


def _gru_forward(
    projected: jax.Array, kernel: jax.Array, bias: jax.Array, h: jax.Array, mask: jax.Array | None = None
) -> tuple[jax.Array, Any]:
    units = h.shape[-1]

    def step(h: jax.Array, x: Any) -> tuple[jax.Array, Any]:
        gates, on = x
        product = _wide(h.astype(kernel.dtype) @ kernel)
        r, z = jnp.split(jax.nn.sigmoid(gates[:, : 2 * units] + product[:, : 2 * units]), 2, axis=-1)
        inner = product[:, 2 * units :] + bias
        n = jnp.tanh(gates[:, 2 * units :] + r * inner)
        new = _hold(on, (1 - z) * n + z * h, h)
        residuals = (new, jnp.concatenate([r, z, n, inner], axis=-1))
        return new, tuple(one.astype(kernel.dtype) for one in residuals)

    _, (states, gates) = lax.scan(step, _wide(h), (projected, mask))
    return states, (states, gates, kernel, bias, h, mask)


def _gru_backward(residuals: Any, d_states: jax.Array) -> Any:
    states, gates, kernel, bias, h, mask = residuals
    before, back, units = _previous(h.astype(states.dtype), states), kernel.T, h.shape[-1]

    def step(dh: jax.Array, x: Any) -> tuple[jax.Array, jax.Array]:
        d_state, gates, previous, on = x
        r, z, n, inner = jnp.split(_wide(gates), 4, axis=-1)
        dh = dh + d_state
        d_n = dh * (1 - z) * (1 - n * n)
        d_r, d_z = d_n * inner * r * (1 - r), dh * (previous - n) * z * (1 - z)
        # The candidate gate has two gradients: to the inputs, and inside the reset to the state.
        d_gates = jnp.concatenate([d_r, d_z, d_n * r, d_n], axis=-1)
        d_gates = _hold(on, d_gates, jnp.zeros_like(d_gates)).astype(back.dtype)
        return _hold(on, dh * z + d_gates[:, : 3 * units] @ back, dh), d_gates

    dh, d_gates = lax.scan(step, _wide(jnp.zeros_like(h)), (d_states, gates, before, mask), reverse=True)
    inside = d_gates[..., : 3 * units]
    d_projected = jnp.concatenate([d_gates[..., : 2 * units], d_gates[..., 3 * units :]], axis=-1)
    d_kernel = _of_product(before, inside)
    d_bias = _wide(inside[..., 2 * units :]).sum(axis=(0, 1)).astype(bias.dtype)
    return d_projected, d_kernel, d_bias, dh.astype(h.dtype), None


gru.defvjp(_gru_forward, _gru_backward)

CELLS = {"lstm": 4, "gru": 3}
"""The gates of each kind of cell."""


class Recurrent(nnx.Module):
    """A recurrent layer over (batch, time, features).

    Initializers are those of the network `LSTM`.

    Args:
        features: of the inputs.
        units: of the state.
        cell: "lstm" or "gru".
        rngs: Flax's random numbers.

    >>> layer = Recurrent(3, 8, cell="lstm", rngs=nnx.Rngs(0))
    >>> outputs, carry = layer(jnp.zeros((2, 5, 3)))
    >>> outputs.shape, [part.shape for part in carry]
    ((2, 5, 8), [(2, 8), (2, 8)])
    """

    def __init__(
        self, features: int, units: int, *, cell: Literal["lstm", "gru"] = "lstm", rngs: nnx.Rngs
    ) -> None:
        if cell not in CELLS:
            raise Refusal(did_you_mean("cell", cell, CELLS))
        self.cell, self.units, gates = cell, units, CELLS[cell]
        self.kernel = make_param(rngs, (features, gates * units), Glorot(gates))
        self.recurrent = make_param(rngs, (units, gates * units), orthogonal)
        bias = jnp.zeros(gates * units)
        self.bias = nnx.Param(bias.at[units : 2 * units].set(1) if cell == "lstm" else bias)
        self.inner_bias = nnx.Param(jnp.zeros(units)) if cell == "gru" else nnx.data(None)

    def initial_carry(self, batch: int) -> Carry:
        """The initial state: zeros."""
        return (jnp.zeros((batch, self.units)),) * (2 if self.cell == "lstm" else 1)

    def __call__(
        self, inputs: jax.Array, carry: Carry | None = None, mask: jax.Array | None = None
    ) -> tuple[jax.Array, Carry]:
        """Run over time.

        Args:
            inputs: (batch, time, features).
            carry: the state to start from, of the shapes of `initial_carry`; zeros by default.
            mask: (batch, time), true where a step counts; all by default.

        Returns:
            The states (batch, time, units), and the carry after the last step.
        """
        start = self.initial_carry(len(inputs)) if carry is None else carry
        steps, kernel = inputs.swapaxes(0, 1), self.kernel[...]
        projected = (_product(steps.astype(kernel.dtype), kernel) + self.bias[...]).astype(kernel.dtype)
        on = None if mask is None else mask.T[..., None]
        if self.cell == "lstm":
            states, cell_state = lstm(projected, self.recurrent[...], *start, on)
            return states.swapaxes(0, 1), (states[-1], cell_state)
        assert self.inner_bias is not None
        states = gru(projected, self.recurrent[...], self.inner_bias[...], *start, on)
        return states.swapaxes(0, 1), (states[-1],)
