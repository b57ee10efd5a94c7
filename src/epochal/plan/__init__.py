"""Plans: which samples form which update."""

from epochal.plan.balanced import Balanced
from epochal.plan.batches import Turn
from epochal.plan.blocks import Blocks
from epochal.plan.buckets import Buckets
from epochal.plan.classwise import Stratified
from epochal.plan.draws import Replacement, Weighted
from epochal.plan.groups import Groups
from epochal.plan.named import ORDERS, READY, order_named
from epochal.plan.order import Order, Sequential, Shuffle, ShuffleOnce
from epochal.plan.permutation import ALGORITHM
from epochal.plan.plan import Plan
from epochal.plan.remainder import REMAINDERS
from epochal.plan.sizes import BatchSchedule
from epochal.plan.threefry import words
from epochal.plan.tracks import Tracks

__all__ = [
    "ALGORITHM",
    "ORDERS",
    "READY",
    "REMAINDERS",
    "Balanced",
    "BatchSchedule",
    "Blocks",
    "Buckets",
    "Groups",
    "Order",
    "Plan",
    "Replacement",
    "Sequential",
    "Shuffle",
    "ShuffleOnce",
    "Stratified",
    "Tracks",
    "Turn",
    "Weighted",
    "order_named",
    "words",
]
