"""Which samples form each update?"""

from epochal.plan.blocks import Blocks
from epochal.plan.buckets import Buckets
from epochal.plan.draws import Replacement
from epochal.plan.named import ORDERS, READY, order_named
from epochal.plan.order import Order, Sequential, Shuffle, ShuffleOnce
from epochal.plan.permutation import ALGORITHM
from epochal.plan.plan import Plan, Turn
from epochal.plan.remainder import REMAINDERS
from epochal.plan.threefry import words
from epochal.plan.tracks import Tracks

__all__ = [
    "ALGORITHM",
    "ORDERS",
    "READY",
    "REMAINDERS",
    "Blocks",
    "Buckets",
    "Order",
    "Plan",
    "Replacement",
    "Sequential",
    "Shuffle",
    "ShuffleOnce",
    "Tracks",
    "Turn",
    "order_named",
    "words",
]
