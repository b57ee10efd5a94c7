"""Which orders can an epoch have?

An order maps positions of an epoch to samples and back, as a pure function of (seed, epoch, samples). The
family is open: anything with these methods can be given to `Plan(order=...)`; `ORDERS` has those that go
by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal, did_you_mean
from epochal.plan import permutation
from epochal.plan.permutation import WhileLoop, python_while
from epochal.plan.threefry import Array

__all__ = ["ORDERS", "Order", "Sequential", "Shuffle", "ShuffleOnce", "order_named"]

Int64s = npt.NDArray[np.int64]


class Order(ABC):
    """Which sample comes at which position of an epoch.

    Law: for every seed, epoch and number of samples, `samples` is a bijection of [0, samples), `positions`
    is its inverse, and `table` is `samples` of all positions at once.
    """

    name: ClassVar[str]
    fixed: ClassVar[bool]
    """Whether every epoch has the same order."""
    words: ClassVar[str]
    """What the order does, for a summary."""

    @abstractmethod
    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """The samples at these positions of the epoch, int64, in memory proportional to the positions."""

    @abstractmethod
    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """The positions of these samples in the epoch."""

    @abstractmethod
    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
    ) -> Array:
        """The whole epoch, int32 (samples,), for fewer than 2^31 samples; see `permutation.table`."""


@dataclass(frozen=True)
class Shuffle(Order):
    """A new random order in every epoch.

    >>> Shuffle().samples(seed=0, epoch=0, samples=10, positions=[0, 1, 2]).tolist()
    [4, 8, 7]
    """

    name: ClassVar[str] = "shuffle"
    fixed: ClassVar[bool] = False
    words: ClassVar[str] = "a new random order in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return permutation.permute(seed, epoch, samples, positions)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return permutation.inverse(seed, epoch, samples, values)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
    ) -> Array:
        """See `Order`."""
        return permutation.table(seed_words, epoch, samples, xp, while_loop)


@dataclass(frozen=True)
class ShuffleOnce(Order):
    """One random order, that of epoch 0 of `Shuffle`, in every epoch.

    >>> order = ShuffleOnce()
    >>> bool((order.samples(7, 0, 10, range(10)) == order.samples(7, 5, 10, range(10))).all())
    True
    """

    name: ClassVar[str] = "shuffle_once"
    fixed: ClassVar[bool] = True
    words: ClassVar[str] = "one random order, the same in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return permutation.permute(seed, 0, samples, positions)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return permutation.inverse(seed, 0, samples, values)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
    ) -> Array:
        """See `Order`."""
        return permutation.table(seed_words, np.zeros(1, np.uint32), samples, xp, while_loop)


@dataclass(frozen=True)
class Sequential(Order):
    """The samples as they come, in every epoch.

    >>> Sequential().samples(seed=0, epoch=3, samples=10, positions=[0, 1, 2]).tolist()
    [0, 1, 2]
    """

    name: ClassVar[str] = "sequential"
    fixed: ClassVar[bool] = True
    words: ClassVar[str] = "the samples as they come, in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return np.array(positions, dtype=np.int64, ndmin=1)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """See `Order`."""
        return np.array(values, dtype=np.int64, ndmin=1)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
    ) -> Array:
        """See `Order`."""
        return xp.arange(samples, dtype=xp.int32)


ORDERS: dict[str, Order] = {order.name: order for order in (Shuffle(), ShuffleOnce(), Sequential())}


def order_named(name: str) -> Order:
    """The order that goes by this name.

    >>> order_named("shufle")
    Traceback (most recent call last):
    epochal.errors.Refusal: unknown order "shufle"; did you mean "shuffle"? Known: shuffle, shuffle_once, \
sequential.
    """
    if name not in ORDERS:
        raise Refusal(did_you_mean("order", name, ORDERS))
    return ORDERS[name]
