"""Real trainings with known answers: tiny tables made to overfit, underfit, diverge, be noise, or be learned.

The answer does not rest on a verdict. Tables made to overfit, or to be learned, are checked on 4,000 fresh
rows, on
which one training in ten repeats is validated: the fresh loss must end more (or less) than a tenth above
its least.
Trainings made to diverge must end with a training loss that is not finite, or no lower than it began. A
table that fails is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import epochal as ep

__all__ = ["CASES", "Training", "trainings"]

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


SGD = {"optimizer": "sgd"}
CASES = tuple(
    Made(truth, classes, rows, signal, scatter, hidden, epochs, more, parity)
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


def _is_so(made: Made, X: Floats, y: NDArray[Any], rng: np.random.Generator) -> bool:
    """Whether a table shows what it was made for, by other means than a verdict."""
    if made.truth in ("overfitting", "good fit"):
        trained = made.rows * 4 // 5
        fresh = made.fit(X[:trained], y[:trained], 10, 900, validation=made.rows_of(FRESH, rng))
        mean = fresh.curves.summary("validation.loss").mean
        return bool(mean[-1] > 1.1 * mean.min()) == (made.truth == "overfitting")
    if made.truth == "unstable":
        run = made.fit(X, y, 5, 900)
        loss = [run.curves.of(repeat).columns["train.loss"] for repeat in run.curves.repeats]
        return all(not row[-1] < row[0] for row in loss)
    return True
