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

RUNNING, RULE, DIVERGED_UPDATE, DIVERGED_EVALUATION = range(4)


class Cursor(NamedTuple):
    """How far a stack has come in its plan; scalars, int32 unless noted."""

    pass_index: Array
    index: Array
    """The next batch of the pass."""
    start: Array
    """The position in the order of the first batch of the pass (`Plan.start`)."""
    until_eval: Array
    """Epochs or updates until the next evaluation."""
    update: Array
    """Updates made so far; only schedules read it, which refuse 2^31 of them."""
    eval_due: Array
    """Whether an evaluation precedes the next update."""
    samples_since_eval: Array
    """Samples used since the last evaluation, uint32: the low word."""
    samples_since_eval_high: Array
    """The high word, uint32."""

    @property
    def samples_used(self) -> Array:
        """Samples used since the last evaluation, as a float."""
        return self.samples_since_eval_high * 2.0**32 + self.samples_since_eval

    def evaluated(self) -> Cursor:
        """The same cursor after an evaluation: none is due, no sample has been used since."""
        due, low, high = self.eval_due & False, self.samples_since_eval * 0, self.samples_since_eval_high * 0
        return self._replace(eval_due=due, samples_since_eval=low, samples_since_eval_high=high)


class RepeatState(NamedTuple):
    """The state of one repeat; in a stack each leaf has a leading axis of repeats."""

    params: PyTree
    optimizer: PyTree
    model: PyTree
    best_params: PyTree
    best_model: PyTree
    best_value: Array
    best_pass: Array
    best_index: Array
    halves: Array
    """(2, 2), [i, j]: the monitored value of validation half j at the epoch where half i was best (NaN
    before); (0, 2) without `spec.halving`."""
    rule: PyTree
    running_loss: Array
    """Sum of the losses since the last evaluation."""
    running_rest: Array
    """The rounding error of that sum (Kahan 1965)."""
    diverged_pass: Array
    diverged_index: Array
    """The first update whose loss or parameters were not finite; -1 if none."""
    status: Array
    """RUNNING, or why it stopped."""


class TrainState(NamedTuple):
    """The whole state of a stack."""

    cursor: Cursor
    repeat_states: RepeatState


class StackState(NamedTuple):
    """A snapshot of a stack between two updates, on the host."""

    train_state: TrainState
    """NumPy arrays; those of repeats have the stack's leading axis."""
    update: int
    seconds: float
    """Training time so far."""
    samples: int = 0
    """Samples taken so far from a source without length."""


class SplitPart(NamedTuple):
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
    end_pass: Array
    end_index: Array
    eval_interval: Array
    """Epochs or updates between two evaluations."""
    per_epoch: Array
    """Updates per epoch, where an epoch is not a pass; else 0."""


class Evaluations(NamedTuple):
    """Evaluations of one call: a fixed number of rows, the first `count` filled."""

    count: Array
    pass_index: Array
    index: Array
    active: Array
    """Repeats that were active at the evaluation (rows, repeats)."""
    values: Array
    """(rows, repeats, columns), float32."""
