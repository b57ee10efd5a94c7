"""The `Order` interface, and the shuffled and sequential orders.

An order maps positions of an epoch to samples and back, as a pure function of (seed, epoch, samples). The
family is open: anything with these methods can be given to `Plan(order=...)`; `ORDERS` of
`plan.order_registry` has those that go by name.

An order may need a length, or a value per sample (its class, weight or group). `missing` names it and `bind`
supplies it. What depends on the samples reaches a compiled program as `arrays`, an argument, so
that another split of the same shape does not compile again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from epochal.errors import Refusal
from epochal.plan import permutation
from epochal.plan.pass_schedule import Segments
from epochal.plan.permutation import Int64s, WhileLoop, python_while
from epochal.plan.sample_values import SampleValues
from epochal.plan.threefry import Array

Arrays = dict[str, np.ndarray[tuple[Any, ...], np.dtype[Any]]]
OrderArrays = Mapping[str, Array]
NOTHING: OrderArrays = MappingProxyType({})


class Backend(NamedTuple):
    """What a table is computed with: `numpy` or `jax.numpy`, and its loop."""

    xp: ModuleType = np
    while_loop: WhileLoop = python_while


class Order(ABC):
    """Which sample comes at which position of an epoch.

    Law: for every seed, epoch and number of samples (`count`), `positions` is the inverse of `samples`, and
    `table` is `samples` of all positions at once. Where `once` is True, `samples` permutes [0, count);
    an order that repeats samples or skips some says how many positions an epoch has (`positions_per_epoch`).
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
    def description(self) -> str:
        """The order in words, for a summary."""

    @property
    def missing(self) -> str:
        """What must be supplied before it can be used, with the remedy; empty if nothing is missing."""
        return ""

    @property
    def options(self) -> dict[str, Any]:
        """Its arguments besides name and data, as JSON."""
        return {}

    def bind(self, values: np.typing.ArrayLike) -> Order:
        """The order with the per-sample values that it `needs`."""
        return self

    @property
    def values(self) -> np.typing.NDArray[Any] | None:
        """The per-sample values given to `bind`, or None."""
        return None

    @property
    def trim_lengths(self) -> tuple[int, ...]:
        """The lengths to which a batch may be trimmed where the rest is padding; empty for most orders."""
        return ()

    def take(self, samples: np.typing.NDArray[np.int64]) -> Order:
        """The order of a subset of the samples, such as the training ones."""
        return self if self.values is None else self.bind(self.values[samples])

    def check(self, samples: int) -> None:
        """Refuse a number of samples that cannot work."""
        if self.missing:
            raise Refusal(f'order "{self.name}" needs {self.missing}.')

    def check_batches(self, batch_size: int, remainder: str) -> None:
        """Refuse batches that the order cannot fill; most orders fill any."""
        return

    def positions_per_epoch(self, samples: int) -> int:
        """How many positions an epoch has."""
        return samples

    def within(self, segments: Segments) -> Order:
        """The order for an epoch that is cut into these batches; most orders ignore them."""
        return self

    def notes(self, samples: int, batch_size: int) -> tuple[str, ...]:
        """Notes for a reader of the plan, sentences without a period."""
        return ()

    @property
    def compiled_part(self) -> Order:
        """The part that is compiled into a program: all but its `arrays`, equal for all of the same shape."""
        return self

    @property
    def arrays(self) -> Arrays:
        """The arrays that `table` reads, by name; zero padding changes nothing."""
        return {}

    @abstractmethod
    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        """The samples at these positions of the epoch, int64, in memory proportional to the positions."""

    @abstractmethod
    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        """The positions of these samples in the epoch: all of the first, ascending, then of the second."""

    @abstractmethod
    def table(
        self,
        seed_words: Array,
        epoch: Array,
        count: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: OrderArrays = NOTHING,
    ) -> Array:
        """The whole epoch, int32 (positions,), for fewer than 2^31 of them; see `permutation.table`.

        `arrays` are those of the order with the samples; its `compiled_part` reads nothing else of them.
        """


class BuiltInOrder(Order):
    """An order whose `_table` takes the epoch as uint32 (1,), and always its arrays."""

    def table(
        self,
        seed_words: Array,
        epoch: Array,
        count: int,
        xp: ModuleType = np,
        while_loop: WhileLoop = python_while,
        arrays: OrderArrays = NOTHING,
    ) -> Array:
        epoch = xp.reshape(xp.asarray(epoch, dtype=xp.uint32), (1,))
        return self._table(seed_words, epoch, count, Backend(xp, while_loop), arrays or self.arrays)

    @abstractmethod
    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        """See `table`."""


class PerSample(BuiltInOrder):
    """An order by one value per sample, which the dataclass field named `_field` holds as `SampleValues`."""

    _field: ClassVar[str]
    _value: ClassVar[str]
    """What a value is called."""
    _remedy: ClassVar[str]
    """What is missing without values."""

    def __post_init__(self) -> None:
        given = getattr(self, self._field)
        if given is not None and not isinstance(given, SampleValues):
            object.__setattr__(self, self._field, SampleValues(self._read(given)))

    @staticmethod
    @abstractmethod
    def _read(values: np.typing.ArrayLike) -> np.typing.NDArray[Any]:
        """The values, checked."""

    @property
    def missing(self) -> str:
        return self._remedy if self.values is None else ""

    @property
    def values(self) -> np.typing.NDArray[Any] | None:
        held: SampleValues | None = getattr(self, self._field)
        return None if held is None else held.values

    @property
    def _values(self) -> np.typing.NDArray[Any]:
        assert self.values is not None
        return self.values

    def bind(self, values: np.typing.ArrayLike) -> Self:
        return replace(self, **{self._field: values})  # type: ignore[type-var]  # orders are dataclasses

    @property
    def compiled_part(self) -> Self:
        return replace(self, **{self._field: None})  # type: ignore[type-var]  # likewise

    def check(self, samples: int) -> None:
        super().check(samples)
        if len(self._values) != samples:
            raise Refusal(
                f'order "{self.name}" must have a {self._value} for each of the {samples:,} samples; '
                f"got {len(self._values):,}."
            )


class ById(PerSample):
    """An order by the class or group of each sample, an id from 0."""

    @cached_property
    def _counts(self) -> Int64s:
        """Samples of each id."""
        return np.bincount(self._values).astype(np.int64)

    @cached_property
    def _sorted(self) -> Int64s:
        return np.argsort(self._values, kind="stable").astype(np.int64)

    @cached_property
    def _first(self) -> Int64s:
        """Where each id begins in `_sorted`."""
        return np.cumsum(self._counts) - self._counts


@dataclass(frozen=True)
class Shuffle(BuiltInOrder):
    """A new random order in every epoch.

    >>> Shuffle().samples(seed=0, epoch=0, count=10, positions=[0, 1, 2]).tolist()
    [4, 8, 7]
    """

    name: ClassVar[str] = "shuffle"
    description: ClassVar[str] = "a new random order in every epoch"
    fixed: ClassVar[bool] = False

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        return permutation.permute(seed, 0 if self.fixed else epoch, count, positions)

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        return permutation.inverse(seed, 0 if self.fixed else epoch, count, values)

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        return permutation.table(seed_words, np.zeros(1, np.uint32) if self.fixed else epoch, count, *on)


@dataclass(frozen=True)
class ShuffleOnce(Shuffle):
    """One random order, that of epoch 0 of `Shuffle`, in every epoch.

    >>> order = ShuffleOnce()
    >>> bool((order.samples(7, 0, 10, range(10)) == order.samples(7, 5, 10, range(10))).all())
    True
    """

    name: ClassVar[str] = "shuffle_once"
    description: ClassVar[str] = "one random order, the same in every epoch"
    fixed: ClassVar[bool] = True


@dataclass(frozen=True)
class Sequential(BuiltInOrder):
    """The samples as they come, in every epoch.

    >>> Sequential().samples(seed=0, epoch=3, count=10, positions=[0, 1, 2]).tolist()
    [0, 1, 2]
    """

    name: ClassVar[str] = "sequential"
    description: ClassVar[str] = "the samples as they come, in every epoch"
    fixed: ClassVar[bool] = True

    def samples(self, seed: int, epoch: int, count: int, positions: np.typing.ArrayLike) -> Int64s:
        return np.array(positions, dtype=np.int64, ndmin=1)

    def positions(self, seed: int, epoch: int, count: int, values: np.typing.ArrayLike) -> Int64s:
        return np.array(values, dtype=np.int64, ndmin=1)

    def _table(self, seed_words: Array, epoch: Array, count: int, on: Backend, arrays: OrderArrays) -> Array:
        return on.xp.arange(count, dtype=on.xp.int32)
