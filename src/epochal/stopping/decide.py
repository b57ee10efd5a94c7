"""Stopping rules applied to a finished curve."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from epochal.curves import Curves
from epochal.engine.rules import Observation, Rule


@dataclass(frozen=True)
class Continue:
    """The rule does not stop before the end of the curve."""


@dataclass(frozen=True)
class Stop:
    """The rule stops at an epoch, for a reason."""

    reason: str
    epoch: float


def decide(rule: Rule, curves: Curves, repeat: int = 0) -> Continue | Stop:
    """Apply `rule` to the evaluations of one repeat, as the engine would."""
    one = curves.of(repeat)
    state = rule.init()
    for row in range(len(one.epoch)):
        columns = {name: jnp.float32(values[row]) for name, values in one.columns.items()}
        state, stop = rule.step(state, Observation(jnp.float32(one.epoch[row]), columns))
        if bool(stop):
            return Stop(rule.reason(state), float(one.epoch[row]))
    return Continue()
