"""`Prepared`: a training that is ready to start."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.data import Dataset, Scaling, Split, TargetScaling, Task, Timeline, Vocabulary
from epochal.data.lazy import MemoryArray
from epochal.data.streams.iterators import IteratorArray
from epochal.engine.memory import device_memory, state_bytes
from epochal.engine.mesh import DeviceMesh
from epochal.engine.prefetch import Reader
from epochal.engine.repeat_stack import StackData
from epochal.engine.rules import Never, Rule
from epochal.engine.spec import Spec
from epochal.engine.state import PerRepeat, SplitPart
from epochal.engine.streamed_stack import StreamedStackData
from epochal.errors import Refusal
from epochal.models import Model, model_input_dtype, shapes_of
from epochal.models.initial import InitialVariables
from epochal.plan import Order, Plan
from epochal.plan.order import Arrays
from epochal.plan.threefry import threefry2x32, uint32_words
from epochal.settings import Settings
from epochal.stopping import Budget, budgets
from epochal.training.class_weights import weights_of_classes
from epochal.training.repeat_stacks import SMALL_UPDATE, RepeatStacks, parameters_of, stacks_for

_INIT, _NOISE = 1, 2
"""Purposes of random keys; the order and the split use the seed itself."""


@dataclass(frozen=True)
class SplitSamples:
    """The samples of all repeats."""

    dataset: Dataset
    validation: Dataset | None
    test: Dataset | None
    splits: tuple[Split, ...]
    scalings: tuple[Scaling | Vocabulary | None, ...]
    target_scalings: tuple[TargetScaling | None, ...]
    settings: Settings
    """`split` resolved; "split" dropped from `vary` if all repeats share it."""

    @property
    def task(self) -> Task:
        """What is predicted."""
        assert self.dataset.task is not None
        return self.dataset.task


@dataclass(frozen=True)
class Prepared(SplitSamples):
    """A training that is ready to start: `part(repeat, name)` and `stack_data(repeats)` give its samples."""

    plan: Plan
    order: Order
    """With the values of all samples; that of a repeat's plan has those of its training samples."""
    model: Model
    """For prediction; `spec.model` is the one for training: rounding, augmented, partly frozen."""
    model_argument: Any
    """The `model` argument."""
    initial: InitialVariables
    loss_name: str
    spec: Spec
    """For one repeat; a stack of several replaces `repeats`."""
    notes: tuple[str, ...] = ()
    """What was adjusted to start it, one sentence each; those on the data are with the data set."""

    @property
    def small(self) -> bool:
        """Whether one core is enough for an update."""
        parameters = parameters_of(self.model, self.dataset.shape, self.dataset.dtype)
        return parameters * self._micro_batch_size <= SMALL_UPDATE

    @cached_property
    def stacks(self) -> RepeatStacks:
        """The distribution of repeats over programs and devices."""
        return self._stacks(unvmapped=self.streamed or not self.fits_vmapped)

    def _stacks(self, unvmapped: bool) -> RepeatStacks:
        settings = self.settings
        return stacks_for(settings.repeats, settings.devices, self._micro_batch_size, self.small, unvmapped)

    @cached_property
    def max_vmapped(self) -> int:
        """Most vmapped repeats that fit."""
        return max(map(len, self._stacks(unvmapped=self.streamed).repeat_ranges))

    @cached_property
    def fits_vmapped(self) -> bool:
        """Whether an accelerator has the memory for vmapped repeats."""
        limit, repeats = device_memory(), self.max_vmapped
        if limit is None or repeats == 1:
            return True
        shapes = shapes_of(self.spec.model, self.dataset.shape, self.dataset.dtype)
        each = state_bytes(shapes, self.spec.optimizer)
        samples = sum(
            one.inputs.nbytes
            for one in (self.dataset, self.validation)
            if one is not None and isinstance(one.inputs, np.ndarray)
        )
        return samples * (1 if self.same_samples else repeats) <= (limit - repeats * each) / 2

    @property
    def _micro_batch_size(self) -> int:
        """The largest number of samples per forward pass, as requested."""
        micro_batch, most = self.settings.micro_batch, self.plan.batch_sizes[0]
        return min(micro_batch, most) if isinstance(micro_batch, int) else most

    def close(self) -> None:
        """Release resources of reading; samples can be read again."""
        for dataset in (self.dataset, self.validation, self.test):
            if dataset is not None and not isinstance(dataset.inputs, np.ndarray):
                dataset.inputs.close()

    @property
    def streamed(self) -> bool:
        """Whether the host streams the training samples to the device."""
        return not isinstance(self.dataset.inputs, np.ndarray)

    @property
    def endless(self) -> bool:
        """Whether the training samples come from an iterator without length."""
        return isinstance(self.dataset.inputs, IteratorArray)

    @property
    def eval_interval(self) -> int:
        """The evaluation interval, in the unit of the spec."""
        every, unit = self.settings.evaluation
        per = self.plan.updates_per_epoch
        return every if per is None or unit == "updates" else min(every * per, 2**31 - 1)

    @property
    def rule(self) -> Rule:
        """The stopping rule, with budgets, which are not part of the program."""
        return self.settings.stop if self.settings.stop is not None else Never()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets, checked by the host."""
        return budgets(self.rule)

    @property
    def same_samples(self) -> bool:
        """Whether all repeats have the same samples."""
        return self.settings.repeats == 1 or "split" not in self.settings.vary

    @cached_property
    def on_relative_targets(self) -> frozenset[str]:
        """Metrics in target units, evaluated here on ratios to the last value of the window."""
        line = self.dataset.timeline
        ratios = line is not None and bool((line.scale != 1).any())
        return frozenset(one.name for one in self.spec.metrics if ratios and one.in_target_units)

    @cached_property
    def same_validation(self) -> bool:
        """Whether all repeats validate on the same samples, so that they tell nothing about other ones."""
        if self.same_samples or self.validation is not None:
            return True
        first, *others = (one.validation for one in self.splits)
        return all(np.array_equal(first, one) for one in others)

    def seed(self, repeat: int, purpose: str) -> int:
        """The seed of one repeat for "split", "init" or "order"."""
        return self.settings.seed + (repeat if purpose in self.settings.vary else 0)

    def plan_of(self, repeat: int) -> Plan:
        """The plan of one repeat: batches of the same number and size, in its own order."""
        order = self.order.take(self.splits[repeat].train)
        return self.plan.with_(seed=self.seed(repeat, "order"), order=order)

    def order_arrays(self, repeats: Sequence[int]) -> dict[str, NDArray[Any]]:
        """The per-sample arrays (repeats, ...) of the order, of one shape, so that one program serves all."""
        if self.order.values is None:
            return {}

        def arrays(repeat: int) -> Arrays:
            return self.plan_of(repeat).order.arrays

        own = [arrays(repeat) for repeat in repeats]
        every = own[:1] if self.same_samples else [arrays(repeat) for repeat in range(self.settings.repeats)]
        stacked = {}
        for name in own[0]:
            largest = np.max([one[name].shape for one in every], axis=0)
            stacked[name] = np.stack(
                [np.pad(one[name], [(0, more) for more in largest - one[name].shape]) for one in own]
            )
        return stacked

    def data_of(self, name: str) -> Dataset:
        """The data set of a part's samples."""
        own = {"train": None, "validation": self.validation, "test": self.test}[name]
        return self.dataset if own is None else own

    def _where(self, repeat: int, name: str) -> tuple[Dataset, NDArray[np.int64]]:
        """The data set of a part, and its indices there."""
        own = self.data_of(name)
        if own is not self.dataset:
            return own, np.arange(own.samples, dtype=np.int64)
        index: NDArray[np.int64] = getattr(self.splits[repeat], name)
        return self.dataset, index

    def indices(self, repeat: int, name: str) -> NDArray[np.int64]:
        """The indices in its data set of a part in one repeat."""
        return self._where(repeat, name)[1]

    def part(self, repeat: int, name: str) -> SplitPart:
        """The samples of "train", "validation" or "test" in one repeat, as the model sees them."""
        reader = self.reader(repeat, name)
        return reader.part(np.arange(len(reader)))

    def targets_and_weights(self, repeat: int, name: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """The targets of a part as the loss gets them, and the weights."""
        dataset, index = self._where(repeat, name)
        assert dataset.targets is not None
        targets, scaling = dataset.targets[index], self.target_scalings[repeat]
        if scaling is not None:
            targets = scaling.apply(targets)
        targets = targets.astype(model_input_dtype(targets.dtype), copy=False)
        return targets, self._weights(dataset, index, self.splits[repeat].train)

    def windows_of(self, repeat: int, name: str) -> tuple[Timeline, NDArray[np.int64]] | None:
        """Positions in time of a part's windows; None for other samples."""
        dataset, index = self._where(repeat, name)
        return None if dataset.timeline is None else (dataset.timeline, index)

    def truth(self, repeat: int, name: str) -> NDArray[np.float64]:
        """Regression targets of a part in full precision."""
        dataset, index = self._where(repeat, name)
        assert dataset.targets is not None
        values = dataset.targets[index].astype(np.float64)
        return values if dataset.timeline is None else dataset.timeline.inverse_transform(values, index)

    def to_target_units(self, repeat: int, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of a part, converted from the loss's to the target's units."""
        scaling, (dataset, index) = self.target_scalings[repeat], self._where(repeat, name)
        if scaling is not None:
            values = scaling.inverse_transform(values)
        return values if dataset.timeline is None else dataset.timeline.inverse_transform(values, index)

    def inverse_transform(self, repeat: int, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Targets or outputs of a part, converted from the engine's to the target's units."""
        regression = self.task.is_regression
        return self.to_target_units(repeat, name, values.astype(np.float64)) if regression else values

    def _weights(
        self, dataset: Dataset, index: NDArray[np.int64], train: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        by_class = weights_of_classes(self.settings.class_weight, self.dataset, train)
        if by_class is None and dataset.sample_weight is None:
            return None

        def raw(of: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
            weights = np.ones(len(rows))
            if of.sample_weight is not None:
                weights *= of.sample_weight[rows]
            if by_class is not None:
                assert of.targets is not None
                weights *= by_class[of.targets[rows]]
            return weights

        mean = raw(self.dataset, train).mean()
        if not mean > 0:
            raise Refusal("the weights of the training samples must not all be 0.")
        return (raw(dataset, index) / mean).astype(np.float32)

    def stack_data(self, repeats: range, devices: tuple[jax.Device, ...] = ()) -> StackData:
        """The samples, seeds and rates of a stack, on each of its devices."""
        names = [name for name in ("train", "validation") if self.part_size(name)]
        if self.same_samples:
            parts = tuple(self.part(repeats[0], name) for name in names)
        else:
            stacked = [[self.part(repeat, name) for repeat in repeats] for name in names]
            parts = tuple(
                samples[0] if len(repeats) == 1 else jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
                for samples in stacked
            )
        per_repeat, keys = self._per_repeat(repeats, self.order_arrays(repeats)), self._keys(repeats, _INIT)
        parts, per_repeat, keys = DeviceMesh(devices).put((parts, per_repeat, keys))
        inverse = tuple(functools.partial(self.inverse_transform, repeat) for repeat in repeats)
        return StackData(parts, self.same_samples or len(repeats) == 1, per_repeat, keys, inverse)

    def streamed_stack_data(self, repeat: int, devices: tuple[jax.Device, ...] = ()) -> StreamedStackData:
        """The data of a streamed repeat."""
        readers = {
            name: self.reader(repeat, name) for name in ("train", "validation") if self.part_size(name)
        }
        only = range(repeat, repeat + 1)
        per_repeat, keys = DeviceMesh(devices).put((self._per_repeat(only, {}), self._keys(only, _INIT)))
        inputs = self.dataset.inputs
        following = inputs.next_samples if isinstance(inputs, IteratorArray) else None
        inverse = functools.partial(self.inverse_transform, repeat)
        return StreamedStackData(self.plan_of(repeat).passes, readers, per_repeat, keys, following, inverse)

    def rows_of(self, repeat: int, epoch: int, index: int) -> NDArray[np.int64]:
        """The source rows of a batch, counted from 1."""
        numbers = self.plan_of(repeat).batch(epoch, index)
        return numbers + 1 if self.endless else self.dataset.row_numbers[self.splits[repeat].train[numbers]]

    def reader(self, repeat: int, name: str) -> Reader:
        """The samples of a part in one repeat, to be read on demand."""
        dataset, index = self._where(repeat, name)
        inputs = dataset.inputs
        rows = MemoryArray(inputs, inputs.dtype) if isinstance(inputs, np.ndarray) else inputs
        return Reader(rows, index, *self.targets_and_weights(repeat, name), self.scalings[repeat])

    def _per_repeat(self, repeats: range, order_arrays: dict[str, NDArray[Any]]) -> PerRepeat:
        rates = self.spec.schedule.rates(self.spec.optimizer.learning_rate or 1.0, self.plan.updates)
        outputs = self.task.targets if self.task.is_regression else 1
        target_scale = np.ones((len(repeats), outputs), np.float32)
        for row, repeat in enumerate(repeats):
            scaling = self.target_scalings[repeat]
            if scaling is not None:
                target_scale[row] = 1 / scaling.inverse_scale
        return PerRepeat(
            order=np.stack([uint32_words(self.seed(repeat, "order")) for repeat in repeats]),
            dropout_keys=self._keys(repeats, _NOISE),
            rates=jax.tree.map(lambda number: np.full(len(repeats), number), rates),
            target_scale=target_scale,
            order_arrays=order_arrays,
        )

    def _keys(self, repeats: range, purpose: int) -> jax.Array:
        counter = (np.zeros(1, np.uint32), np.full(1, purpose, np.uint32))
        data = []
        for repeat in repeats:
            key = uint32_words(self.seed(repeat, "init"))
            data.append(np.concatenate(threefry2x32((key[:1], key[1:]), counter)))
        return jax.random.wrap_key_data(jax.numpy.asarray(np.stack(data)), impl="threefry2x32")

    def part_size(self, name: str) -> int:
        """The size of a part; the same in every repeat."""
        return len(self._where(0, name)[1])
