"""Many trainings of one setting that differ in initial weights and order alone, on each of several splits.

Those of a split go through one compiled program in step, the one that `compare` makes for the setting,
so that a training takes about a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import epochal as ep
from epochal.choose.trials.trial import Candidate
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.engine.repeat_stack import RepeatStack
from epochal.settings import Settings
from epochal.training.loop import curves_of

__all__ = ["KINDS", "Kind", "trained"]

Floats = NDArray[np.float64]

ROWS, HELD = 100, 20
BATCH_SIZE = 16


@dataclass(frozen=True)
class Kind:
    """A table and how it is learned: the targets are made of inputs, (rows, 4), with scatter of their own."""

    target: Callable[[Floats, np.random.Generator], NDArray[Any]]
    hidden: int
    learning_rate: float
    epochs: int

    def table(self) -> tuple[Floats, NDArray[Any]]:
        """Always the same rows."""
        random = np.random.default_rng(0)
        inputs = random.normal(size=(ROWS, 4))
        return inputs, self.target(inputs, random)


def _score(inputs: Floats) -> Floats:
    return np.asarray(inputs[:, 0] + inputs[:, 1] * inputs[:, 2])


KINDS = {
    "classes": Kind(
        lambda inputs, random: (_score(inputs) + random.normal(size=ROWS) > 0).astype(int), 8, 0.02, 20
    ),
    "numbers": Kind(lambda inputs, random: _score(inputs) + random.normal(size=ROWS), 8, 0.02, 20),
    # Some trainings get stuck, and their losses lie far above the others'.
    "skewed": Kind(lambda inputs, random: (inputs[:, 0] * inputs[:, 1] > 0).astype(int), 4, 0.1, 40),
    "heavy tails": Kind(
        lambda inputs, random: 3 * inputs[:, 0] * inputs[:, 1] + 0.1 * random.standard_t(2, ROWS), 8, 0.1, 40
    ),
}


def trained(kind: Kind, draws: int, splits: int) -> Floats:
    """The validation losses after each epoch, shape (draws, splits, evaluations)."""
    inputs, targets = kind.table()
    random = np.random.default_rng(1)
    return np.stack(
        [_of_split(kind, inputs, targets, random.permutation(ROWS), draws, split) for split in range(splits)],
        axis=1,
    )


def _of_split(
    kind: Kind, inputs: Floats, targets: NDArray[Any], rows: NDArray[np.int64], draws: int, split: int
) -> Floats:
    held, rest = rows[:HELD], rows[HELD:]
    model = ep.MLP(kind.hidden)
    # A repeat has the seed and its number: those of another split have others.
    options = {
        "validation": (inputs[held], targets[held]),
        "repeats": draws,
        "seed": draws * split,
        "monitor": None,
        "batch_size": BATCH_SIZE,
        "learning_rate": kind.learning_rate,
        "epochs": kind.epochs,
    }
    runner = TrialRunner(prepare_shared(model, (inputs[rest], targets[rest]), Settings(**options)))
    prepared = runner.prepared(Candidate("equal", model, {}))
    stack = RepeatStack(
        spec=replace(prepared.spec, n_repeats=draws),
        plan=prepared.plan,
        data=runner.base.stack_data(range(draws)),
        eval_interval=prepared.plan.first_update(1),
        last_update=prepared.plan.updates,
        initial=prepared.initial.variables,
    )
    found = []
    while not stack.done:
        found += stack.advance()
    curves = curves_of(stack.plan, stack.spec.metric_names, range(draws), [*found, *stack.finish()])
    losses = np.stack([curves.of(draw).columns["validation.loss"] for draw in range(draws)])
    assert losses.shape[1] == kind.epochs + 1 and np.isfinite(losses).all()
    return losses
