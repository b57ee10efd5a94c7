"""Unbiased estimates of the gradient's signal and noise.

The gradient of a sample is the true gradient G plus noise with covariance Σ. The simple noise scale
B_simple = tr(Σ)/|G|² is the batch size at which the noise of a batch's mean gradient is as large as the
gradient itself (McCandlish et al. 2018, An empirical model of large-batch training, arXiv 1812.06162). Both
parts are estimated without bias, apart from each other; the ratio comes last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from epochal.curves.statistics import Floats, Ints, t_quantile

CLEAR = 2.0  # standard errors by which |G|² must be above 0; tests measure how rarely pure noise gets there


class NoiseParts(NamedTuple):
    """Estimates of the two parts of the noise scale: tr(Σ), summed over the parameters, and |G|²."""

    trace: float
    squared_norm: float  # of the true gradient; without bias, so it may be negative


def _of_sums(squares: np.float64, gram: np.float64, samples: int) -> NoiseParts:
    return noise_parts(float(squares) / samples, float(gram) / samples**2, samples)


def noise_parts(mean_square: float, square_of_mean: float, samples: int) -> NoiseParts:
    """The parts from the mean of ‖g_i‖² over at least two samples, and ‖ḡ‖² of their mean gradient.

    >>> noise_parts(mean_square=5.0, square_of_mean=2.0, samples=4)  # a variance has n - 1 below it
    NoiseParts(trace=4.0, squared_norm=1.0)
    """
    trace = (mean_square - square_of_mean) * samples / (samples - 1)
    return NoiseParts(trace, square_of_mean - trace / samples)


@dataclass(frozen=True)
class NoiseScale:
    """B_simple of some samples at fixed parameters, in samples, with a 95 % interval."""

    value: float | None  # tr(Σ)/|G|²; None if |G|² is not significantly above 0
    # low, high: the interval. Without a value, `low` is what the noise scale exceeds and `high` is infinite
    low: float
    high: float
    trace: float  # tr(Σ)
    squared_norm: float  # |G|²; without bias, so it may be negative
    samples: int  # number of gradients
    reason: str = ""  # why there is no value, in one sentence; else empty

    def __str__(self) -> str:
        if self.value is None:
            return f"noise scale not known: {self.reason}"
        interval = f"95 % interval {self.low:.3g}–{self.high:.3g}"
        return f"noise scale {self.value:.3g} ({interval}; {self.samples:,} samples)"


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Block sums of the gradients of samples in random order."""

    sizes: Ints  # samples of each block; shape (blocks,)
    squares: Floats  # sum of ‖g_i‖² of each block; shape (blocks,)
    gram: Floats  # products of the blocks' summed gradients; shape (blocks, blocks)

    @property
    def samples(self) -> int:
        """All samples."""
        return int(self.sizes.sum())

    @property
    def parts(self) -> NoiseParts:
        """The parts of all samples."""
        return _of_sums(self.squares.sum(), self.gram.sum(), self.samples)

    def without(self, block: int) -> NoiseParts:
        """The parts of all samples but those of one block."""
        rest = self.gram.sum() - 2 * self.gram[block].sum() + self.gram[block, block]
        samples = self.samples - int(self.sizes[block])
        return _of_sums(self.squares.sum() - self.squares[block], rest, samples)

    def noise_scale(self) -> NoiseScale:
        """B_simple with the interval of the block jackknife on its logarithm.

        Each block is left out in turn (Efron & Stein 1981, The jackknife estimate of variance). There is no
        value where |G|² is less than 2 of its standard errors above 0, or where that depends on one block.

        >>> gradients = np.random.default_rng(0).normal(0.5, 1.0, size=(16, 40, 10))  # B_simple = 10/2.5
        >>> sums = gradients.sum(axis=1)
        >>> blocks = BlockSums(np.full(16, 40), (gradients**2).sum(axis=(1, 2)), sums @ sums.T)
        >>> print(blocks.noise_scale())
        noise scale 3.99 (95 % interval 3.56–4.47; 640 samples)
        """
        blocks, samples = len(self.sizes), self.samples
        if samples < blocks:
            reason = (
                f"a noise scale needs at least {blocks} samples, one for each block; there are {samples}."
            )
            return NoiseScale(None, 0.0, math.inf, math.nan, math.nan, samples, reason)
        trace, norm = self.parts
        found = partial(NoiseScale, trace=trace, squared_norm=norm, samples=samples)
        if not (math.isfinite(trace) and math.isfinite(norm)):
            return found(None, 0.0, math.inf, reason="the gradients are not finite.")
        if trace <= 0:
            return found(None, 0.0, math.inf, reason="the gradients of all samples are the same.")
        factor = t_quantile(0.975, blocks - 1)
        left = [self.without(block) for block in range(blocks)]
        error = _jackknife_error([one.squared_norm for one in left])
        if norm < CLEAR * error or min(one.squared_norm for one in left) <= 0:
            above = max(norm, 0.0) + factor * error
            reason = (
                f"the mean gradient of {samples:,} samples can't be told from noise "
                f"(|G|² = {norm:.2g} ± {error:.2g})."
            )
            return found(None, trace / above if above > 0 else 0.0, math.inf, reason=reason)
        value = trace / norm
        half = factor * _jackknife_error([math.log(one.trace / one.squared_norm) for one in left])
        return found(value, value * math.exp(-half), value * math.exp(half))


def _jackknife_error(left_out: list[float]) -> float:
    values = np.array(left_out)
    return float(np.sqrt((len(values) - 1) * values.var()))
