"""The `Order` interface, and the shuffled and sequential orders.

An order maps positions of an epoch to samples and back, as a pure function of (seed, epoch, samples). The
family is open: anything with these methods can be given to `Plan(order=...)`; `plan.named.ORDERS` has those
that go by name.

An order may need a length, or a value per sample (its class, weight or group). `lacks` names what is missing
and `bind` supplies it. What depends on the samples reaches a compiled program as `arrays`, an argument, so
that another split of the same shape does not compile again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from epochal.errors import Refusal
from epochal.plan import permutation
from epochal.plan.permutation import WhileLoop, python_while
from epochal.plan.remainder import Segments
from epochal.plan.threefry import Array

Int64s = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]
NOTHING: Mapping[str, Array] = MappingProxyType({})


class Order(ABC):
    """Which sample comes at which position of an epoch.

    Law: for every seed, epoch and number of samples, `positions` is the inverse of `samples`, and `table` is
    `samples` of all positions at once. Where `once` is True, `samples` is a bijection of [0, samples); an
    order that repeats samples or skips some says how many positions an epoch has (`turns`).
    """

    name: ClassVar[str]
    fixed: ClassVar[bool]
    """Whether all epochs have the same order."""
    once: ClassVar[bool] = True
    """Whether each sample is used exactly once per epoch."""
    needs: ClassVar[str] = ""
    """The per-sample values that it needs: "classes", "weights", "groups", or nothing."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The order in words, for a summary."""

    @property
    def lacks(self) -> str:
        """What must be supplied before it can be used, with the remedy; empty if nothing is missing."""
        return ""

    @property
    def options(self) -> dict[str, Any]:
        """Its arguments besides name and data, as JSON."""
        return {}

    def bind(self, values: npt.ArrayLike) -> Order:
        """The order with the per-sample values that it `needs`."""
        return self

    @property
    def values(self) -> npt.NDArray[Any] | None:
        """The per-sample values given to `bind`, or None."""
        return None

    @property
    def trims(self) -> tuple[int, ...]:
        """The lengths to which a batch may be trimmed where the rest is padding; empty for most orders."""
        return ()

    def take(self, samples: npt.NDArray[np.int64]) -> Order:
        """The order of a subset of the samples, such as the training ones."""
        return self if self.values is None else self.bind(self.values[samples])

    def check(self, samples: int) -> None:
        """Refuse a number of samples that cannot work."""
        if self.lacks:
            raise Refusal(f'order "{self.name}" needs {self.lacks}.')

    def check_batches(self, batch_size: int, remainder: str) -> None:
        """Refuse batches that the order cannot fill; most orders fill any."""
        return

    def turns(self, samples: int) -> int:
        """How many positions an epoch has."""
        return samples

    def within(self, segments: Segments) -> Order:
        """The order for an epoch that is cut into these batches; most orders ignore them."""
        return self

    def notes(self, samples: int, batch_size: int) -> tuple[str, ...]:
        """Notes for a reader of the plan, sentences without a period."""
        return ()

    @property
    def form(self) -> Order:
        """The part that is compiled into a program: all but its `arrays`, equal for all of the same shape."""
        return self

    @property
    def arrays(self) -> Arrays:
        """The arrays that `table` reads, by name; zero padding changes nothing."""
        return {}

    @abstractmethod
    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        """The samples at these positions of the epoch, int64, in memory proportional to the positions."""

    @abstractmethod
    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        """The positions of these samples in the epoch: all of the first, ascending, then of the second."""

    @abstractmethod
    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
        """The whole epoch, int32 (turns,), for fewer than 2^31 of them; see `permutation.table`.

        `arrays` are those of the order with the samples; its `form` reads nothing else of them.
        """


@dataclass(frozen=True)
class Shuffle(Order):
    """A new random order in every epoch.

    >>> Shuffle().samples(seed=0, epoch=0, samples=10, positions=[0, 1, 2]).tolist()
    [4, 8, 7]
    """

    name: ClassVar[str] = "shuffle"
    fixed: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return "a new random order in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        return permutation.permute(seed, epoch, samples, positions)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        return permutation.inverse(seed, epoch, samples, values)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
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

    @property
    def words(self) -> str:
        return "one random order, the same in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        return permutation.permute(seed, 0, samples, positions)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        return permutation.inverse(seed, 0, samples, values)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
        return permutation.table(seed_words, np.zeros(1, np.uint32), samples, xp, while_loop)


@dataclass(frozen=True)
class Sequential(Order):
    """The samples as they come, in every epoch.

    >>> Sequential().samples(seed=0, epoch=3, samples=10, positions=[0, 1, 2]).tolist()
    [0, 1, 2]
    """

    name: ClassVar[str] = "sequential"
    fixed: ClassVar[bool] = True

    @property
    def words(self) -> str:
        return "the samples as they come, in every epoch"

    def samples(self, seed: int, epoch: int, samples: int, positions: npt.ArrayLike) -> Int64s:
        return np.array(positions, dtype=np.int64, ndmin=1)

    def positions(self, seed: int, epoch: int, samples: int, values: npt.ArrayLike) -> Int64s:
        return np.array(values, dtype=np.int64, ndmin=1)

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        samples: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: Mapping[str, Array] = NOTHING,
    ) -> Array:
        return xp.arange(samples, dtype=xp.int32)
