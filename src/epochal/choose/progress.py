"""How far is a comparison?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Step", "Watch"]


@dataclass(frozen=True)
class Step:
    """A sign of life of a comparison or an advice, after each training.

    phase    what is being done, such as "tuning the learning rate".
    done     trainings of this phase that have ended, of `total`.
    seconds  since the start, by the clock.
    words    what was learned in this step; empty most of the time.
    where    how many workers train on how many nodes, if not this process does.
    """

    phase: str
    done: int
    total: int
    seconds: float
    words: str = ""
    where: str = ""


Watch = Callable[[Step], None]
