"""How do batch size and updates trade off where the answer is known in closed form?

Gradient descent on L(θ) = ½ Σ h_i θ_i² with gradients h_i θ_i + noise of variance c_i/B, where h_i = c_i and
both are 1/i, from θ_i of mean 0 and variance 1 (the noisy quadratic model: Zhang et al. 2019, Which
algorithmic choices matter at which batch sizes?, arXiv 1907.04164). Prints the fewest updates to three
targets at each batch size, the hyperbola through them, and the noise scale on the way there.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.choose.statistics.hyperbola import fit_hyperbola
from epochal.choose.statistics.noise_measurement import block_sums
from epochal.choose.statistics.noise_scale import NoiseScale
from epochal.models import Variables, model_from_functions

Floats = NDArray[np.float64]

DIMENSIONS = 1000
CURVATURE = 1 / np.arange(1.0, DIMENSIONS + 1)
"""h in each direction, and c, the variance of a sample's gradient."""
RATES = np.geomspace(1e-5, 1.95, 70)
BATCH_SIZES = 2 ** np.arange(17)
START = float(CURVATURE.sum()) / 2
"""E L before the first update."""
TARGETS = (0.1, 0.03, 0.01)
"""As shares of it."""
DOUBLINGS = 24
SAMPLES = 1024
"""Gradients of one measurement of the noise scale."""


def second_moments(updates: ArrayLike, rates: ArrayLike) -> tuple[Floats, Floats]:
    """E θ_i² = first + second/B after some updates at a constant rate, in closed form.

    An update is θ_i ← (1 - α h_i) θ_i - α ξ_i, so E θ_i² shrinks by r_i = (1 - α h_i)² and grows by α² c_i/B:
    a geometric sum.

    Args:
        updates: how many; shape (cases,).
        rates: α, above 0 and below 2; shape (cases,).

    Returns:
        The parts of the start and of the noise; each of shape (cases, dimensions).
    """
    rate = np.asarray(rates, dtype=np.float64)[:, None]
    step = rate * CURVATURE
    kept = (1 - step) ** (2 * np.asarray(updates, dtype=np.float64)[:, None])
    return kept, (1 - kept) * rate / (2 - step)


def losses(updates: ArrayLike, rates: ArrayLike) -> tuple[Floats, Floats]:
    """E L = first + second/B; takes what `second_moments` takes, each part of shape (cases,)."""
    first, second = second_moments(updates, rates)
    return first @ CURVATURE / 2, second @ CURVATURE / 2


def min_updates(target: float) -> tuple[Floats, Floats]:
    """The fewest updates to a loss at each batch size, and the rate that needs them.

    At each rate the updates are doubled until the loss is there, and bisected. A loss that dips below the
    target and rises again between two doublings is missed; that does not happen at the best rates.

    Args:
        target: the loss.

    Returns:
        Updates and rates; each of shape (batch sizes,).
    """
    doubled = 2.0 ** np.arange(DOUBLINGS)
    cases = np.meshgrid(doubled, RATES, indexing="ij")
    first, second = (part.reshape(cases[0].shape) for part in losses(*(axis.ravel() for axis in cases)))
    there = first[:, :, None] + second[:, :, None] / BATCH_SIZES <= target
    above = np.where(there.any(axis=0), doubled[there.argmax(axis=0)], np.inf)
    # Only rates whose last doubling began below the best one's end can be the best.
    rate, size = np.nonzero(above / 2 < above.min(axis=0))
    high = above[rate, size]
    low = np.where(high == 1, 0, high / 2)
    while (high - low > 1).any():
        middle = np.ceil((low + high) / 2)
        first, second = losses(middle, RATES[rate])
        reached = first + second / BATCH_SIZES[size] <= target
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    updates = np.full(above.shape, np.inf)
    updates[rate, size] = high
    return updates.min(axis=0), RATES[updates.argmin(axis=0)]


def noise_scale(moments: Floats) -> float:
    """B_simple = Σ c_i / Σ h_i² E θ_i², of the expected squared gradient."""
    return float(CURVATURE.sum() / (CURVATURE**2 @ moments))


def measured_noise_scale(moments: Floats, seed: int) -> NoiseScale:
    """The same from gradients of single samples, at one point θ that has these moments exactly."""
    deviation = jnp.asarray(np.sqrt(CURVATURE))
    curvature = jnp.asarray(CURVATURE)
    quadratic = model_from_functions(
        lambda key, sample: jnp.ones(DIMENSIONS),
        lambda theta, noise: (curvature * theta**2).sum() / 2 + noise @ theta,
    )
    draw, order = jax.random.split(jax.random.key(seed))
    noise = deviation * jax.random.normal(draw, (SAMPLES, DIMENSIONS))
    point = Variables(jnp.asarray(np.sqrt(moments)), ())
    sums = block_sums(quadratic, lambda outputs, _: outputs, point, noise, jnp.zeros(SAMPLES), key=order)
    return sums.noise_scale()


def main() -> None:
    """Print the table, the fits, and the noise scale along the way at batch size 32."""
    for share in TARGETS:
        updates, rates = min_updates(share * START)
        curve = fit_hyperbola(BATCH_SIZES, updates)
        print(f"\nto {share:g} of the first loss: {curve}")
        print("batch size  updates  fitted      rate")
        for size, needed, rate in zip(BATCH_SIZES, updates, rates, strict=True):
            print(f"{size:10,}  {needed:7,.0f}  {float(curve.steps(size)):6,.0f}  {rate:8.2g}")
    updates, rates = min_updates(TARGETS[0] * START)
    print("\nnoise scale at batch size 32 on the way to 0.1 of the first loss")
    for part in (0, 0.25, 0.5, 0.75, 1):
        done = round(part * updates[5])
        first, second = second_moments([done], rates[5:6])
        moments = (first + second / BATCH_SIZES[5])[0]
        print(f"after {done:3} updates: {noise_scale(moments):6.1f}; {measured_noise_scale(moments, done)}")


if __name__ == "__main__":
    main()
