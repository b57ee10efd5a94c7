"""The interface between the engine and stopping rules."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax


class Observation(NamedTuple):
    """One evaluation of one repeat: the epoch (with its fraction) and the columns of the curve, scalars."""

    epoch: jax.Array
    columns: dict[str, jax.Array]


@runtime_checkable
class Rule(Protocol):
    """A fold over evaluations, traced into the compiled program. Rules must be hashable."""

    def init(self) -> Any:
        """The state before the first evaluation, a tree of arrays."""
        ...

    def step(self, state: Any, seen: Observation) -> tuple[Any, jax.Array]:
        """The state after an evaluation, and whether to stop."""
        ...

    def reason(self, state: Any) -> str:
        """Why it stopped, in words, from the final state."""
        ...

    def describe(self) -> str:
        """The rule in words."""
        ...

    def columns(self) -> tuple[str, ...]:
        """The columns that the rule reads."""
        ...


class Never:
    """Train for the planned epochs."""

    def init(self) -> tuple[()]:
        """No state."""
        return ()

    def step(self, state: Any, seen: Observation) -> tuple[Any, jax.Array]:
        """Go on."""
        return state, jax.numpy.bool_(False)

    def reason(self, state: Any) -> str:
        """It never stops."""
        return ""

    def describe(self) -> str:
        """The rule in words."""
        return "after all epochs"

    def columns(self) -> tuple[str, ...]:
        """It reads nothing."""
        return ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Never)

    def __hash__(self) -> int:
        return hash(Never)
