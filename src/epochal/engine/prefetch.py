"""`Prefetcher`: a plan's batches, read ahead in chunks and put on the device.

The plan is the sampler: the batches after update u are a pure function of u, so reading can begin anywhere.
It reads chunks of equally sized batches in threads, a few chunks ahead of the device, and frees the memory of
a chunk when its updates are done. Nothing in it grows with the data.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from epochal.data.lazy import LazyArray
from epochal.data.standardize import Scaling
from epochal.data.texts.tokens import Vocabulary
from epochal.engine.gradient import micro_batches
from epochal.engine.mesh import ALONE, DeviceMesh
from epochal.engine.sharded import EMPTY, ShardedBatch, shard_rows
from epochal.engine.state import SplitPart
from epochal.plan import Plan

CHUNK_BYTES = 16 << 20
"""Most bytes of a chunk's inputs, unless one batch needs more."""

AHEAD = 2
"""Chunks that are read ahead of the device."""

READ_SECONDS = 0.5
"""Most seconds to read a chunk, as estimated from earlier ones, so that progress is reported in between."""

MAX_BATCHES = 4096
"""Batches in a chunk, at most."""

ReadPart = Callable[[NDArray[np.int64], NDArray[Any] | None], SplitPart]
NextSamples = Callable[[int], tuple[NDArray[Any], NDArray[Any]]]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Reader:
    """One part of a split: samples by their index in the part, ready for the engine."""

    rows: LazyArray
    index: NDArray[np.int64]
    """The index in `rows` of each sample of the part."""
    targets: NDArray[Any]
    weights: NDArray[np.float32] | None
    scaling: Scaling | Vocabulary | None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample's inputs after reading."""
        return int(np.prod(self.rows.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the inputs after reading."""
        dtype = self.rows.dtype if self.scaling is None else self.scaling.dtype
        return np.dtype(np.float32) if dtype == np.float64 else dtype

    def inputs(self, samples: NDArray[np.int64], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The inputs of these samples, scaled."""
        straight = self.rows.dtype == self.dtype
        read = self.rows.take(self.index[samples], out if straight else None)
        if self.scaling is not None:
            return self.scaling.apply(read, out=read if straight else out)
        if straight:
            return read
        out = np.empty(read.shape, self.dtype) if out is None else out
        out[...] = read
        return out

    def part(self, samples: NDArray[np.int64], out: NDArray[Any] | None = None) -> SplitPart:
        """These samples with their targets and weights."""
        weights = None if self.weights is None else self.weights[samples]
        return SplitPart(self.inputs(samples, out), self.targets[samples], weights)


def sharded(reader: Reader, mesh: DeviceMesh, samples: NDArray[np.int64]) -> ShardedBatch:
    """These samples without weights, sharded over the mesh; only the shards of this process are read."""
    own = shard_rows(((1, len(samples)),), mesh.size)[mesh.local_indices]
    taken = own != EMPTY
    mine = samples[own[taken]]
    inputs, targets = (_filled(values, taken)[0] for values in (reader.inputs(mine), reader.targets[mine]))
    return ShardedBatch(mesh.place(SplitPart(inputs, targets, None), axis=0), len(samples))


def _filled(values: NDArray[Any], taken: NDArray[np.bool_], batches: int = 1, room: int = 1) -> NDArray[Any]:
    """Values of consecutive batches in the rows that are taken, (room, *taken, ...)."""
    if taken.all() and room == batches:
        return values.reshape(room, *taken.shape, *values.shape[1:])
    out = np.zeros((room, *taken.shape, *values.shape[1:]), values.dtype)
    out[:batches, taken] = values.reshape(batches, -1, *values.shape[1:])
    return out


class Segment(NamedTuple):
    """Consecutive batches of one size in one epoch."""

    update: int
    epoch: int
    batch: int
    """Index in the epoch of the first one."""
    batches: int
    size: int


def segments_of(plan: Plan, update: int, last: int, most: Callable[[int], int]) -> Iterator[Segment]:
    """The batches of the updates from `update` up to `last`, at most `most(size)` of a size in one segment.

    >>> list(segments_of(Plan(10, 4, 2), 1, 5, lambda size: 8))
    [Segment(update=1, epoch=0, batch=1, batches=1, size=4), \
Segment(update=2, epoch=0, batch=2, batches=1, size=2), \
Segment(update=3, epoch=1, batch=0, batches=2, size=4)]
    """
    while update < last:
        epoch, batch = plan.locate(update)
        before = 0
        for batches, size in plan.segments_in(epoch):
            if batch < before + batches:
                together = min(before + batches - batch, most(size), last - update)
                yield Segment(update, epoch, batch, together, size)
                update += together
                break
            before += batches


def map_ahead(
    executor: ThreadPoolExecutor, function: Callable[[Item], Result], tasks: Iterator[Item], count: int
) -> Iterator[Result]:
    """`map` in order, with up to `count` tasks ahead of the one in use."""
    waiting: deque[Future[Result]] = deque(executor.submit(function, task) for task in islice(tasks, count))
    try:
        while waiting:
            result = waiting.popleft().result()
            for task in islice(tasks, 1):
                waiting.append(executor.submit(function, task))
            yield result
            del result
    finally:
        for future in waiting:
            future.cancel()


class Chunk(NamedTuple):
    """The batches of a segment on the device."""

    segment: Segment
    samples: ShardedBatch
    """Leaves `(room, devices, rows, ...)`, of which the first `segment.batches` are filled."""
    memory: NDArray[np.uint8]
    """The host buffer of the inputs, to be reused."""


class Prefetcher:
    """The chunks of a plan from `update` up to `last`, read ahead of their use in threads.

    A chunk's inputs have at most `chunk_bytes`, or are those of one batch.

    Where `next_samples` gives those of an iterator without length, one chunk is read ahead. When it is
    exhausted, the samples that do not fill a batch form a smaller one, or are dropped if the plan drops; the
    plan may have more updates than that.
    """

    def __init__(
        self,
        plan: Plan,
        reader: Reader,
        executor: ThreadPoolExecutor,
        update: int,
        last: int,
        chunk_bytes: int = CHUNK_BYTES,
        mesh: DeviceMesh = ALONE,
        micro_batch: int | None = None,
        next_samples: NextSamples | None = None,
    ) -> None:
        self._plan, self._reader, self._chunk_bytes = plan, reader, chunk_bytes
        self._mesh, self._micro_batch = mesh, micro_batch
        self._counts: dict[int, int] = {}
        for count, size in (segment for phase in plan.phases for segment in phase.segments):
            self._counts[size] = max(count, self._counts.get(size, 0))
        self._max_batches = 1 if mesh.local else MAX_BATCHES
        self._free: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()
        wanted = segments_of(plan, update, last, lambda size: min(self.room(size), self._max_batches))
        self.chunks: Iterator[Chunk]
        if next_samples is None:
            self.chunks = map_ahead(executor, self._read, wanted, AHEAD)
        else:
            gathered = map_ahead(executor, functools.partial(self._gather, next_samples), wanted, 1)
            self.chunks = chain.from_iterable(takewhile(bool, gathered))

    def room(self, size: int) -> int:
        """How many batches of this size fit in a chunk."""
        fitting = self._chunk_bytes // max(1, size * self._reader.sample_bytes)
        # A program is compiled per room; an epoch with a single batch of a size needs room for one.
        return max(1, min(fitting, self._counts.get(size, fitting), MAX_BATCHES))

    def recycle(self, chunk: Chunk) -> None:
        """Reuse the memory of a chunk whose updates are done."""
        with self._lock:
            self._free.append(chunk.memory)

    def _read(self, segment: Segment) -> Chunk:
        reader, begin = self._reader, time.perf_counter()
        samples = self._plan.batches(segment.epoch, segment.batch, segment.batches)
        chunk = self._placed(segment, lambda indices, out: reader.part(samples[indices], out))
        self._took(segment, time.perf_counter() - begin)
        return chunk

    def _gather(self, next_samples: NextSamples, segment: Segment) -> list[Chunk]:
        """The batches of a segment for which there are samples; none once the iterator is exhausted."""
        begin = time.perf_counter()
        inputs, targets = next_samples(segment.batches * segment.size)
        whole, rest = divmod(len(inputs), segment.size)
        found = []
        if whole:
            found.append((segment._replace(batches=whole), slice(whole * segment.size)))
        if rest and self._plan.remainder != "drop":
            last = Segment(segment.update + whole, segment.epoch, segment.batch + whole, 1, rest)
            found.append((last, slice(-rest, None)))
        chunks = []
        for one, rows in found:

            def some(indices: NDArray[np.int64], out: NDArray[Any] | None, rows: slice = rows) -> SplitPart:
                taken = np.take(inputs[rows], indices, axis=0, out=out, mode="clip")
                return SplitPart(taken, targets[rows][indices], None)

            chunks.append(self._placed(one, some))
        self._took(segment, time.perf_counter() - begin)
        return chunks

    def _took(self, segment: Segment, seconds: float) -> None:
        """Adapt the number of batches read together to the time of the last read."""
        if not self._mesh.local:
            return
        wanted = int(segment.batches * READ_SECONDS / max(seconds, 1e-6))
        most = min(4 * max(segment.batches, self._max_batches), MAX_BATCHES)
        self._max_batches = max(1, min(wanted, most))

    def _placed(self, segment: Segment, part_of: ReadPart) -> Chunk:
        """The chunk of a segment, sharded over the devices.

        `part_of(indices, out)` reads samples by their index in the segment: only those that go to devices of
        this process.
        """
        reader, room = self._reader, self.room(segment.size)
        cut = micro_batches(segment.size, self._micro_batch)
        own = shard_rows(cut, self._mesh.size)[self._mesh.local_indices]
        taken = own != EMPTY
        indices = (np.arange(segment.batches)[:, None] * segment.size + own[taken]).reshape(-1)
        shape = (room, *own.shape, *reader.rows.shape[1:])
        memory, inputs = self._memory(shape, reader.dtype)
        if taken.all():
            read = part_of(indices, inputs.reshape(-1, *shape[3:])[: len(indices)])
        else:
            read = part_of(indices, None)
            inputs[: segment.batches, taken] = read.inputs.reshape(segment.batches, -1, *shape[3:])
        targets, weights = (
            None if values is None else _filled(values, taken, segment.batches, room) for values in read[1:]
        )
        part = self._mesh.place(SplitPart(inputs, targets, weights), axis=1)
        return Chunk(segment, ShardedBatch(part, segment.size), memory)

    def _memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """A buffer for the inputs of a chunk, reused if possible, and the array in it.

        Aligned for XLA, so that a CPU device reads it without a copy.
        """
        needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        with self._lock:
            fitting = [place for place, memory in enumerate(self._free) if len(memory) >= needed + 64]
            memory = self._free.pop(fitting[0]) if fitting else None
        if memory is None:
            memory = np.zeros(needed + 64, np.uint8)
        begin = -memory.ctypes.data % 64
        return memory, memory[begin : begin + needed].view(dtype).reshape(shape)
