"""Candidate batch sizes."""

from __future__ import annotations

from contextlib import suppress

from epochal.errors import Refusal
from epochal.plan import Plan

MOST_BATCHES = 20_000
"""Most updates per epoch of a candidate batch size."""


def possible_sizes(plan: Plan) -> list[int]:
    """The candidate batch sizes that the plan's order can fill.

    >>> from epochal.plan import Stratified
    >>> possible_sizes(Plan(20, "full", 1, order=Stratified([0, 1, 2, 2] * 5)))
    [4, 8, 20]
    """
    found = []
    for size in usual_sizes(plan.turns):
        with suppress(Refusal):
            found.append(int(plan.with_(batch_size=size).batch_size))
    return found


def usual_sizes(samples: int) -> list[int]:
    """The candidate batch sizes: powers of two, and all samples.

    Without sizes with too many updates per epoch.

    >>> usual_sizes(142), usual_sizes(1_000_000)[0]
    ([1, 2, 4, 8, 16, 32, 64, 142], 64)
    """
    powers = [2**power for power in range(samples.bit_length()) if 2**power <= samples / 1.5]
    return [*(size for size in powers if samples / size <= MOST_BATCHES), samples]
