"""The stopping rule of short trainings: at the target, or without improvement.

Both limits are numbers in the state of the rule, not parts of the program: trainings with other limits share
one compilation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from epochal.common.metric_names import higher_is_better
from epochal.engine.rules import Observation


class _State(NamedTuple):
    target: jax.Array
    """In the direction in which lower is better; minus infinity for none."""
    patience: jax.Array
    """Epochs without improvement; infinite for no limit."""
    change: jax.Array
    """By how much a value must be better to be an improvement."""
    best: jax.Array
    best_epoch: jax.Array


@dataclass(frozen=True)
class Until:
    """Stop at a target of `monitor`, or after a number of epochs without improvement.

    A fresh state has no limits; `limited` gives the state with some.
    """

    monitor: str

    @property
    def _sign(self) -> float:
        return -1.0 if higher_is_better(self.monitor) else 1.0

    def init(self) -> _State:
        """No limits, nothing seen."""
        infinite = jnp.float32(jnp.inf)
        return _State(-infinite, infinite, jnp.float32(0), infinite, jnp.float32(0))

    def limited(self, target: float | None, patience: float | None, change: float = 0.0) -> _State:
        """The state before the first evaluation of a training with limits."""
        goal = -np.inf if target is None else self._sign * target
        wait = np.inf if patience is None else patience
        numbers: Any = np.array([goal, wait, change, np.inf, 0.0], np.float32)
        return _State(*numbers)

    def step(self, state: _State, seen: Observation) -> tuple[_State, jax.Array]:
        """Compare with the target and with the best so far."""
        value = self._sign * seen.columns[self.monitor]
        better = value < state.best - state.change
        best = jnp.where(better, value, state.best)
        epoch = jnp.where(better, seen.epoch, state.best_epoch)
        stop = (value <= state.target) | (seen.epoch - epoch >= state.patience)
        return state._replace(best=best, best_epoch=epoch), stop

    def reason(self, state: Any) -> str:
        """Which of the two it was."""
        return f"{self.monitor} reached its target, or nothing improved for {float(state.patience):g} epochs"

    def describe(self) -> str:
        """The rule in words."""
        return f"{self.monitor} at its target, or without improvement"

    def columns(self) -> tuple[str, ...]:
        """The watched column."""
        return (self.monitor,)
