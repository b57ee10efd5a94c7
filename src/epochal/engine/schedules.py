"""Learning rate schedules, as a function of the update.

The kind of a schedule is compiled in, its numbers are not: another number of epochs or another rate runs the
same program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from epochal.errors import Refusal, did_you_mean

SCHEDULES = ("constant", "cosine", "linear", "exponential", "inverse_sqrt", "step")


@dataclass(frozen=True)
class Schedule:
    """A learning rate schedule over updates.

    Args:
        kind: "constant"; "cosine" falls to `floor` of the rate along half a cosine (Loshchilov and Hutter
            2017, without restarts), "linear" linearly; "step" multiplies it by `factor` after
            every `every` updates, "exponential" does so continuously; "inverse_sqrt" falls with the
            square root of the updates, from the end of the warm-up on (Vaswani et al. 2017, section 5.3).
        warmup: updates over which the rate first rises linearly, from rate / warmup; 0 for none.
        every: updates between two steps, or in which "exponential" is at `factor` (Optax: transition_steps).
        factor: the multiplier of a step (Optax: decay_rate).
        floor: the fraction of the rate at which "cosine" and "linear" end.

    >>> Schedule("cosine", warmup=100).describe()
    'cosine decay after 100 updates of warm-up'
    """

    kind: str = "constant"
    warmup: int = 0
    every: int = 0
    factor: float = 0.1
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULES:
            raise Refusal(did_you_mean("schedule", self.kind, SCHEDULES))
        if self.warmup < 0:
            raise Refusal(f"`warmup` must be at least 0 updates; got {self.warmup}.")
        if self.kind in ("step", "exponential") and self.every < 1:
            raise Refusal(f'schedule "{self.kind}" needs every, at least 1 update; got {self.every}.')
        if self.floor and self.kind not in ("cosine", "linear"):
            raise Refusal(f'floor belongs to "cosine" and "linear"; leave it out for "{self.kind}".')
        if not 0 <= self.floor <= 1:
            raise Refusal(f"floor must be a fraction of the rate, between 0 and 1; got {self.floor:g}.")

    def describe(self) -> str:
        """The schedule in words."""
        words = {
            "constant": "constant",
            "cosine": "cosine decay",
            "linear": "linear decay",
            "exponential": f"exponential decay, times {self.factor:g} in {self.every:,} updates",
            "inverse_sqrt": "decay with the inverse square root",
            "step": f"times {self.factor:g} every {self.every:,} updates",
        }[self.kind]
        return words + (f" after {self.warmup:,} updates of warm-up" if self.warmup else "")

    def rates(self, learning_rate: float, updates: int) -> Rates:
        """The numbers for the compiled program, for this many updates."""
        if updates >= 2**31 and self != Schedule():
            raise Refusal(f"a schedule counts less than 2^31 updates; got {updates}. Use a constant rate.")
        warmup, counted, every = (
            np.int32(min(count, 2**31 - 1)) for count in (self.warmup, updates, self.every)
        )
        rate, factor, floor = (np.float32(number) for number in (learning_rate, self.factor, self.floor))
        return Rates(rate, warmup, counted, every, factor, floor)


class Rates(NamedTuple):
    """The numbers of a schedule as arrays, which may differ between repeats."""

    peak: Any
    warmup: Any
    updates: Any
    every: Any
    factor: Any
    floor: Any


def learning_rate(schedule: Schedule, rates: Rates, update: jax.Array) -> jax.Array:
    """The learning rate of an update, counted from 0.

    >>> schedule = Schedule("cosine")
    >>> rates = schedule.rates(0.1, 100)
    >>> [round(float(learning_rate(schedule, rates, jnp.int32(u))), 3) for u in (0, 50, 100)]
    [0.1, 0.05, 0.0]
    """
    rate = rates.peak
    since = jnp.maximum(update - rates.warmup, 0)
    if schedule.kind == "cosine":
        span = jnp.maximum(rates.updates - rates.warmup, 1)
        share = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(since / span, 1)))
        rate = rate * (rates.floor + (1 - rates.floor) * share)
    elif schedule.kind == "linear":
        left = 1 - jnp.minimum(since / jnp.maximum(rates.updates - rates.warmup, 1), 1)
        rate = rate * (rates.floor + (1 - rates.floor) * left)
    elif schedule.kind == "exponential":
        rate = rate * rates.factor ** (since / rates.every)
    elif schedule.kind == "inverse_sqrt":
        risen = jnp.maximum(rates.warmup, 1)
        rate = rate * jnp.sqrt(risen / jnp.maximum(update + 1, risen))
    elif schedule.kind == "step":
        rate = rate * rates.factor ** (since // rates.every)
    if schedule.warmup:
        rate = jnp.where(update < rates.warmup, rates.peak * (update + 1) / rates.warmup, rate)
    return rate
