"""Real trainings with known answers: tiny tables made to overfit, underfit, diverge, be noise, or be learned.

The answer does not rest on a verdict. Tables made to overfit, or to be learned, are checked on 4,000 fresh
rows, on which one training in ten repeats is validated: the fresh loss must end more (or less) than a tenth
above its minimum, and where it is a good fit twice the epochs must lower it by less than a tenth. Of varied
ones it must end a fifth above, and its minimum be a tenth below the baseline; those that need more epochs are
trained twice as long there, and must gain a tenth of the baseline by it. Trainings made to diverge must end
with a training loss that is not finite, or no lower than it began. A table that fails is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import epochal as ep

__all__ = ["CASES", "VARIED", "Training", "trainings", "varied"]

Floats = NDArray[np.float64]
FRESH = 4_000


@dataclass(frozen=True)
class Made:
    """A table by its truth, with a training that shows it."""

    truth: str
    classes: bool
    rows: int
    signal: float
    scatter: float
    hidden: int
    epochs: int
    more: dict[str, Any]
    parity: float = 0.0

    def rows_of(self, count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[Any]]:
        """Inputs and targets."""
        X = rng.normal(size=(count, 8))
        score = self.signal * (X[:, 0] + 0.7 * X[:, 1] - 0.5 * X[:, 2])
        score += self.parity * np.sign(X[:, 3] * X[:, 4] * X[:, 5] * X[:, 6])
        score += self.scatter * rng.normal(size=count)
        return X, (score > 0).astype(np.int64) if self.classes else score

    def fit(self, X: Floats, y: NDArray[Any], repeats: int, seed: int, **more: Any) -> ep.Run:
        """Train."""
        settings = {"learning_rate": 0.01, "batch_size": 16} | self.more | more
        model = ep.MLP(self.hidden)
        return ep.fit(model, X, y, repeats=repeats, epochs=self.epochs, seed=seed, progress=False, **settings)


@dataclass(frozen=True)
class Training:
    """A training with the truth about it."""

    truth: str
    run: ep.Run
    classes: bool = True


SGD = {"optimizer": "sgd"}
CASES = tuple(
    # Of numbers, 40 epochs would leave a tenth of the loss to the next 40.
    Made(
        truth,
        classes,
        rows,
        signal,
        scatter,
        hidden,
        2 * epochs if truth == "good fit" and not classes else epochs,
        more,
        parity,
    )
    for truth, rows, signal, scatter, hidden, epochs, more, parity in (
        ("overfitting", 200, 2.0, 1.5, 64, 60, {}, 0.0),
        ("good fit", 600, 2.0, 0.5, 8, 40, {"learning_rate": 0.003}, 0.0),
        ("still improving", 300, 1.5, 0.5, 8, 20, {"learning_rate": 0.001}, 0.0),
        ("underfitting", 1000, 0.3, 0.1, 1, 30, {"batch_size": 32}, 1.0),
        ("noise", 150, 0.0, 1.0, 16, 40, {}, 0.0),
        ("unstable", 200, 1.0, 0.5, 32, 40, SGD | {"learning_rate": 4.0, "batch_size": 4}, 0.0),
        ("overfitting, stopped", 200, 2.0, 1.5, 64, 100, {"stop": ep.Patience(10)}, 0.0),
    )
    for classes in (True, False)
)


def trainings(tables: int, repeats: tuple[int, ...]) -> Iterator[Training]:
    """Each case on several tables with each number of repeats, where fresh rows agree."""
    for number, made in enumerate(CASES):
        for table in range(tables):
            rng = np.random.default_rng([number, table])
            X, y = made.rows_of(made.rows, rng)
            if not _is_so(made, X, y, rng):
                continue
            for count in repeats:
                yield Training(made.truth, made.fit(X, y, count, 10 * count))


VARIED = {
    ("overfitting", False): 20,
    ("overfitting", True): 20,
    ("noise", False): 80,
    ("noise", True): 80,
    ("still improving", False): 40,
    ("still improving", True): 40,
}
"""How many tables of each truth, of numbers and of classes, that differ in signal, scatter and size."""

_SHAPES = {
    "overfitting": ((120, 32, 60, 0.01), (200, 64, 60, 0.01), (300, 64, 100, 0.003)),
    "noise": ((60, 16, 40, 0.01), (150, 16, 40, 0.01), (300, 64, 40, 0.003)),
    "still improving": ((200, 8, 20, 0.001), (300, 16, 15, 0.001)),
}
"""Rows, hidden units, epochs and learning rate, in turn: few shapes, so that few programs are compiled."""
_TRIES = 3
"""Times as many tables are made, at most, as are wanted."""


def varied(share: float = 1.0, repeats: int = 5) -> Iterator[Training]:
    """Tables of each kind that are what they were made for, trained with the usual number of repeats."""
    for place, ((truth, classes), wanted) in enumerate(VARIED.items()):
        found, most = 0, max(1, round(share * wanted))
        for table in range(_TRIES * most):
            rng = np.random.default_rng([100 + place, table])
            rows, hidden, epochs, rate = _SHAPES[truth][table % len(_SHAPES[truth])]
            signal = 0.0 if truth == "noise" else float(rng.uniform(1.0, 2.5))
            scatter = float(rng.uniform(1.0, 2.5)) if truth == "overfitting" else 0.5
            made = Made(
                truth,
                classes,
                rows,
                signal,
                max(scatter, 1.0 - signal),
                hidden,
                epochs,
                {"learning_rate": rate},
            )
            X, y = made.rows_of(rows, rng)
            if found < most and _is_so(made, X, y, rng):
                found += 1
                yield Training(truth, made.fit(X, y, repeats, 1000 * table), classes)


def _is_so(made: Made, X: Floats, y: NDArray[Any], rng: np.random.Generator) -> bool:
    """Whether a table shows what it was made for, by other means than a verdict."""
    if made.truth == "good fit":
        longer, trained = replace(made, epochs=2 * made.epochs), made.rows * 4 // 5
        fresh = longer.fit(X[:trained], y[:trained], 10, 900, validation=made.rows_of(FRESH, rng))
        mean = fresh.curves.summary("validation.loss").mean
        lowest, end = mean[: made.epochs + 1].min(), mean[made.epochs]
        return bool(end <= 1.1 * lowest and mean[made.epochs :].min() > 0.9 * end)
    if made.truth == "overfitting":
        trained = made.rows * 4 // 5
        fresh = made.fit(X[:trained], y[:trained], 10, 900, validation=made.rows_of(FRESH, rng))
        mean = fresh.curves.summary("validation.loss").mean
        if made in CASES:
            return bool(mean[-1] > 1.1 * mean.min())
        return bool(mean[-1] > 1.2 * mean.min() and mean.min() < 0.9 * _level(fresh))
    if made.truth == "still improving" and made not in CASES:
        longer = replace(made, epochs=2 * made.epochs)
        fresh = longer.fit(X, y, 10, 900, validation=made.rows_of(FRESH, rng))
        mean = fresh.curves.summary("validation.loss").mean
        return bool(mean[made.epochs] - mean[-1] > 0.1 * _level(fresh))
    if made.truth == "unstable":
        run = made.fit(X, y, 5, 900)
        loss = [run.curves.of(repeat).columns["train.loss"] for repeat in run.curves.repeats]
        return all(not row[-1] < row[0] for row in loss)
    return True


def _level(run: ep.Run) -> float:
    """What the baseline reaches on fresh rows."""
    return float(np.mean(run.baseline["validation.loss"]))
