"""Which samples form each update?"""

from epochal.plan.order import ORDERS, Order, Sequential, Shuffle, ShuffleOnce
from epochal.plan.permutation import ALGORITHM
from epochal.plan.plan import Plan, Turn
from epochal.plan.remainder import REMAINDERS
from epochal.plan.threefry import words

__all__ = [
    "ALGORITHM",
    "ORDERS",
    "REMAINDERS",
    "Order",
    "Plan",
    "Sequential",
    "Shuffle",
    "ShuffleOnce",
    "Turn",
    "words",
]
