"""Learning curves with known answers, drawn from a generative model.

A repeat's training loss falls by an exponential; its validation loss follows, and turns up where the truth is
overfitting. Repeats differ in level, speed and rise (log-normal effects of split and start); evaluations
scatter
with correlated neighbors (a first-order autoregression); few validation samples move the level of a whole
repeat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves

__all__ = ["TRUTHS", "Known", "drawn"]

Floats = NDArray[np.float64]

TRUTHS = (
    "overfitting",
    "slight overfitting",
    "good fit",
    "still improving",
    "slowly improving",
    "underfitting",
    "noise",
    "unstable",
    "good fit, stopped",
    "overfitting, stopped",
)
"""What a curve may be: "slowly improving" is a power of the epochs, and those "stopped" patience ended."""


@dataclass(frozen=True)
class Known:
    """Curves with their answer."""

    truth: str
    curves: Curves
    baseline: dict[str, Floats]
    samples: int
    training_samples: int
    loss: str
    rise: float
    """The end of these repeats' mean less its minimum, but for scatter, in the units of the loss."""
    left: float
    """By which share of itself the expected end would still fall in the epochs that were planned."""


def drawn(truth: str, repeats: int, rng: np.random.Generator) -> Known:
    """Curves of one kind."""
    stopped = truth.endswith(", stopped")
    kind = truth.partition(",")[0]
    epochs = int(rng.choice([30, 60, 100, 200]))
    t = np.arange(epochs + 1.0)
    loss = str(rng.choice(["log_loss", "squared_error"]))
    level = 1.0 if loss == "squared_error" else float(rng.uniform(0.5, 1.1))
    samples = int(rng.choice([40, 100, 150, 500]))
    shape = (repeats, t.size)

    def effect(sd: float) -> Floats:
        return np.exp(rng.normal(0, sd, (repeats, 1)))

    start = level * rng.uniform(1.0, 1.5)
    lowest = level * rng.uniform(0.08, 0.75)
    speed = epochs * rng.uniform(0.03, 0.12)
    slow = epochs * rng.uniform(0.15, 0.5)
    factor = np.ones(shape)
    rise = 0.0
    if kind in ("overfitting", "slight overfitting"):
        rise = float(rng.uniform(0.3, 1.6) if kind == "overfitting" else rng.uniform(0.04, 0.15))
        turn, power = epochs * rng.uniform(0.1, 0.5) * effect(0.25), rng.uniform(0.7, 1.5)
        climb = np.clip((t - turn) / (epochs - turn), 0, 1) ** power
        factor = 1 + rise * effect(rng.uniform(0.2, 0.9)) * climb
    if kind == "still improving":
        speed = slow = epochs * rng.uniform(0.5, 1.2)
        start = max(start, 2.2 * lowest)
    if kind == "underfitting":
        lowest, start = level * rng.uniform(0.87, 0.94), level * rng.uniform(1.0, 1.3)
    if kind == "noise":
        lowest = level * rng.uniform(1.0, 1.03)
        factor = 1 + rng.choice([0.0, 0.0, rng.uniform(0.1, 1.5)]) * effect(0.3) * (t / epochs)
    scale = effect(0.03 if kind in ("underfitting", "noise") else rng.uniform(0.03, 0.2))
    paces = effect(0.15)
    fall = np.exp(-t / (speed * paces))
    if kind == "slowly improving":
        power, floor = rng.uniform(0.45, 1.5), 1e-3 * level
        fall, lowest = (1 + t / (epochs * rng.uniform(0.01, 0.05) * paces)) ** -power, floor
    validation = scale * (lowest * factor + (start - lowest) * fall)
    expected = validation.copy()
    if kind in ("underfitting", "still improving"):
        training = validation - 0.01 * level
    elif kind == "slowly improving":
        training = 0.9 * validation
    elif kind == "noise" and factor.max() == 1:
        training = level * (0.97 + 0.2 * np.exp(-t / speed)) * np.ones(shape)
    else:
        bottom = lowest * (rng.uniform(0.05, 0.5) if "overfitting" in kind or kind == "noise" else 0.8)
        training = bottom + (start - bottom) * np.exp(-t / (slow * paces))
    scatter = rng.uniform(0.004, 0.05)
    if kind == "unstable":
        jumps = (rng.random(shape) < rng.uniform(0.15, 0.3)) * rng.exponential(0.6 * level, shape)
        training, validation = training + jumps, validation + jumps
    validation = validation * (1 + _correlated(rng, shape, scatter))
    training = training * (1 + _correlated(rng, shape, scatter / 3))
    known = {"validation.loss": np.full(repeats, level) * _offset(rng, repeats, samples)}
    validation *= known["validation.loss"][:, None] / level
    known["train.loss"] = np.full(repeats, level)
    ends = np.full(repeats, t.size)
    if stopped:
        patience = int(rng.choice([5, 10, 20]))
        ends = np.array([_stop(row, patience) for row in validation])
    keep = t < ends[:, None]
    repeat, at = np.nonzero(keep)
    columns = {"train.loss": training[keep], "validation.loss": validation[keep]}
    curves = Curves(repeat, at, at * 10, at * 100, at * 0.01, columns)
    after = np.minimum.accumulate(expected[:, ::-1], axis=1)[:, ::-1]
    last, mean = (np.arange(repeats), ends - 1), expected.mean(axis=0)
    left = 1 - float(after[last].mean() / expected[last].mean())
    return Known(truth, curves, known, samples, 4 * samples, loss, float(mean[-1] - mean.min()), left)


def _correlated(rng: np.random.Generator, shape: tuple[int, int], sd: float) -> Floats:
    """Scatter whose neighbors are correlated, and at times have fatter tails than the normal's."""
    rho = rng.uniform(0, 0.8)
    steps = rng.standard_t(5, shape) * np.sqrt(3 / 5)
    found = np.empty(shape)
    found[:, 0] = steps[:, 0]
    for k in range(1, shape[1]):
        found[:, k] = rho * found[:, k - 1] + np.sqrt(1 - rho**2) * steps[:, k]
    return sd * found


def _offset(rng: np.random.Generator, repeats: int, samples: int) -> Floats:
    """What a validation set of so many samples does to the level of a repeat."""
    return np.exp(rng.normal(0, 0.5 / np.sqrt(samples), repeats))


def _stop(row: Floats, patience: int) -> int:
    """Where patience ends a repeat: one past its last evaluation."""
    best = np.minimum.accumulate(row)
    since = np.arange(row.size) - np.array([int(np.argmin(row[: k + 1])) for k in range(row.size)])
    fired = np.flatnonzero(since >= patience)
    return int(fired[0]) + 1 if fired.size and best.size else row.size
