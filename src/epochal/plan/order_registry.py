"""`ORDERS`: the orders by name, and the names of their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from epochal.errors import Refusal, did_you_mean
from epochal.plan.balanced import Balanced
from epochal.plan.blocks import Blocks
from epochal.plan.buckets import Buckets
from epochal.plan.classwise import Stratified
from epochal.plan.contiguous import Contiguous
from epochal.plan.draws import Replacement, Weighted
from epochal.plan.groups import Groups
from epochal.plan.order import Order, Sequential, Shuffle, ShuffleOnce

ORDERS: dict[str, Order] = {
    kind.name: kind()
    for kind in (
        *(Shuffle, ShuffleOnce, Sequential, Stratified, Balanced, Weighted, Replacement),
        *(Blocks, Groups, Contiguous, Buckets),
    )
}
"""All named orders; some need a length or per-sample values (`Order.missing`)."""


def order_named(name: str, options: Mapping[str, Any] | None = None) -> Order:
    """The order of this name, with its `Order.options`.

    >>> order_named("blocks", {"length": 12})
    Blocks(length=12)

    >>> order_named("shufle")
    Traceback (most recent call last):
    epochal.errors.Refusal: unknown order "shufle"; did you mean "shuffle"? Known: shuffle, shuffle_once, \
sequential, stratified, balanced, weighted, replacement, blocks, groups, contiguous, buckets.
    """
    if name not in ORDERS:
        raise Refusal(did_you_mean("order", name, ORDERS))
    return type(ORDERS[name])(**options) if options else ORDERS[name]
