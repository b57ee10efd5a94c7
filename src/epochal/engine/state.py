"""The state of a training between two updates.

`TrainState` is all of it: stopping after any update and going on from it is the same as never having stopped.
The order is stateless, and keys are derived from (seed, epoch, batch).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from epochal.engine.schedules import Rates
from epochal.models import PyTree

Array = Any
"""An array on the device, or a NumPy array on its way there."""

RUNNING, RULE, BROKEN_UPDATE, BROKEN_EVALUATION = range(4)


class Position(NamedTuple):
    """The position of a lane in its plan; scalars, int32 unless noted."""

    epoch: Array
    index: Array
    """The next batch of the epoch."""
    start: Array
    """Position in the order of the epoch's first batch (`Plan.start`)."""
    until: Array
    """Epochs or updates until the next evaluation."""
    update: Array
    """Updates made so far; only schedules read it, which refuse 2^31 of them."""
    due: Array
    """Whether an evaluation precedes the next update."""
    counted: Array
    """Samples used since the last evaluation, uint32: the remainder by 2^32."""
    counted_high: Array
    """How often 2^32 of them, uint32."""

    @property
    def seen(self) -> Array:
        """Samples used since the last evaluation, as a float."""
        return self.counted_high * 2.0**32 + self.counted

    def evaluated(self) -> Position:
        """The same place after an evaluation: none is due, no sample has been used since."""
        return self._replace(
            due=self.due & False, counted=self.counted * 0, counted_high=self.counted_high * 0
        )


class RepeatState(NamedTuple):
    """The state of one repeat; in a lane each leaf has a leading axis of repeats."""

    params: PyTree
    optimizer: PyTree
    model: PyTree
    best_params: PyTree
    best_model: PyTree
    best_value: Array
    best_epoch: Array
    best_index: Array
    halves: Array
    """(2, 2): the monitored value of both validation halves, where the first half was best and where the
    second was (`spec.halving`); NaN before, and (0, 2) without.
    """
    rule: PyTree
    running_loss: Array
    """Sum of the losses since the last evaluation."""
    running_rest: Array
    """The rounding error of that sum (Kahan 1965)."""
    broken_epoch: Array
    broken_index: Array
    """The first update whose loss or parameters were not finite; -1 if none."""
    status: Array
    """RUNNING, or why it stopped."""


class TrainState(NamedTuple):
    """The whole state of a lane."""

    position: Position
    repeats: RepeatState


class LaneState(NamedTuple):
    """A snapshot of a lane between two updates, on the host."""

    train_state: TrainState
    """NumPy arrays; those of repeats have the lane's leading axis."""
    update: int
    seconds: float
    """Training time so far."""
    samples: int = 0
    """Samples taken so far from a source without length."""


class Part(NamedTuple):
    """The samples of one part of a split, ready for the model; with or without an axis of repeats."""

    inputs: Array
    targets: Array
    weights: Array | None


class PerRepeat(NamedTuple):
    """What differs between repeats besides their samples, with a leading axis of repeats."""

    order: Array
    """Seed words (repeats, 2) of the order, uint32."""
    dropout_keys: Array
    """Keys (repeats,) of dropout and augmentation."""
    rates: Rates
    target_scale: Array
    """The unit of the (standardized) target, (repeats, outputs)."""
    order_arrays: dict[str, Array]
    """The order's per-sample values (`Order.arrays`), each with a leading axis of repeats."""


class Limits(NamedTuple):
    """The limits of one call, int32 scalars."""

    updates: Array
    """Updates of this call."""
    end_epoch: Array
    end_index: Array
    eval_interval: Array
    """Epochs or updates between two evaluations."""
    per_epoch: Array
    """Updates per epoch, where it is not a pass; else 0."""


class Evaluations(NamedTuple):
    """Evaluations of one call: a fixed number of places, the first `count` filled."""

    count: Array
    epoch: Array
    index: Array
    running: Array
    """Repeats that were running at the evaluation (places, repeats)."""
    values: Array
    """(places, repeats, columns), float32."""
