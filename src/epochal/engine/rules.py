"""The interface between the engine and stopping rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax


class Observation(NamedTuple):
    """One evaluation of one repeat: the epoch (with its fraction) and its metrics by name, scalars."""

    epoch: jax.Array
    metrics: dict[str, jax.Array]


@runtime_checkable
class Rule(Protocol):
    """Accumulates over evaluations, and says when to stop; traced into the compiled program. Hashable."""

    def init(self) -> Any:
        """The state before the first evaluation, a tree of arrays."""

    def step(self, state: Any, observation: Observation) -> tuple[Any, jax.Array]:
        """The state after an evaluation, and whether to stop."""

    def reason(self, state: Any) -> str:
        """Why it stopped, in words, from the final state."""

    def describe(self) -> str:
        """The rule in words."""

    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the rule reads, such as "validation.loss"."""
        return ()


@runtime_checkable
class Waits(Protocol):
    """What a rule that waits for a better validation loss has besides."""

    def waited(self, state: Any) -> bool:
        """Whether it stopped only because the validation loss no longer improved, by the final state."""


@dataclass(frozen=True)
class HostRule(Rule):
    """A rule that no evaluation fires: the host decides when training ends."""

    def init(self) -> tuple[()]:
        return ()

    def step(self, state: Any, observation: Observation) -> tuple[Any, jax.Array]:
        return state, jax.numpy.bool_(False)


@dataclass(frozen=True)
class Never(HostRule):
    """No stopping rule: training ends after the planned epochs."""

    def reason(self, state: Any) -> str:
        return ""

    def describe(self) -> str:
        return "after all epochs"
