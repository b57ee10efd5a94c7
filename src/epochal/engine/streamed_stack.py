"""`StreamedRepeatStack`: one repeat whose samples reach the device in chunks.

The updates, their order and the evaluations are those of a `RepeatStack` of one repeat. The host decides
where a call ends, which has no influence on the result.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from epochal.common.waiting import interruptible
from epochal.engine import prefetch
from epochal.engine.evaluate import EVALUATION_ROWS, forward, halved
from epochal.engine.optimizers import eval_params
from epochal.engine.program import over_repeats
from epochal.engine.repeat_stack import CALL_SECONDS, BaseRepeatStack, InverseTransform, StackEvaluation
from epochal.engine.sharded import ShardedBatch
from epochal.engine.spec import Spec
from epochal.engine.state import PerRepeat, RepeatState, TrainState
from epochal.engine.update import ParamRaveler, make_update_step
from epochal.errors import DataFailed
from epochal.models import Variables, evaluated
from epochal.plan import Plan

Samples = TypeVar("Samples")


class StreamedStackData(NamedTuple):
    """The data of a streamed stack."""

    plan: Plan
    """Of passes (`Plan.passes`), with the seed of its repeat's order."""
    readers: dict[str, prefetch.Reader]
    """The parts by name: "train", and "validation" if there is one."""
    per_repeat: PerRepeat
    init_keys: jax.Array
    next_samples: prefetch.NextSamples | None = None
    """The next samples of a source without length."""
    inverse_transform: InverseTransform | None = None
    """The units of targets and outputs, for metrics on the host."""


def evaluate_in_blocks(
    reader: prefetch.Reader,
    read: Callable[[NDArray[np.int64]], Samples],
    score: Callable[[Samples], Any],
    executor: ThreadPoolExecutor,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The outputs (n, ...) and losses (n,) of all samples of a part, read in blocks of one size.

    `read` takes the numbers of samples, `score` what was read, for (outputs, losses). The last block reaches
    back into the one before, so that one program serves all; repeated samples are left out.
    """

    count, outputs, losses = len(reader), [], []
    size = max(1, min(count, EVALUATION_ROWS, prefetch.CHUNK_BYTES // max(1, reader.sample_bytes)))
    starts = range(0, count, size)
    blocks = (np.arange(start, start + size) for start in (min(one, count - size) for one in starts))
    for start, part in zip(starts, prefetch.map_ahead(executor, read, blocks, prefetch.AHEAD), strict=True):
        again = max(0, start - (count - size))
        found = score(part)
        outputs.append(np.asarray(found[0], np.float32)[again:])
        losses.append(np.asarray(found[1], np.float64)[again:])
    return np.concatenate(outputs), np.concatenate(losses)


class ChunkRange(NamedTuple):
    """Which updates of a chunk to make, int32 scalars."""

    low: Any
    high: Any
    pass_index: Any
    index: Any
    """The index in the pass of the chunk's first batch."""
    update: Any
    """Its update."""


@dataclass
class StreamedRepeatStack(BaseRepeatStack):
    """One repeat, whose samples are streamed."""

    data: StreamedStackData
    chunk_bytes: int = prefetch.CHUNK_BYTES

    def __post_init__(self) -> None:
        train = self.data.readers["train"]
        self.spec = replace(self.spec, layout=self.spec.layout.streamed)
        self._begin(jax.ShapeDtypeStruct(train.rows.shape[1:], train.dtype))
        self._compiling = 0.0
        self._executor = ThreadPoolExecutor(prefetch.AHEAD, thread_name_prefix="epochal-prefetch")
        self._failure: DataFailed | None = None
        plan, next_samples = self.data.plan, self.data.next_samples
        if next_samples is not None:
            _skip(next_samples, self.samples)
        cut = (self.chunk_bytes, self.spec.mesh, self.spec.micro_batch)
        update, last = self.update, self.last_update
        self._prefetcher = prefetch.Prefetcher(plan, train, self._executor, update, last, *cut, next_samples)
        self._chunk: prefetch.Chunk | None = None

    def close(self) -> None:
        """Stop reading."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def advance(self, max_updates: int | None = None) -> list[StackEvaluation]:
        """As `BaseRepeatStack.advance`, in as many calls as there are chunks and evaluations."""
        begin, compiled_before = time.perf_counter(), self._compiling

        def elapsed() -> float:
            return time.perf_counter() - begin - (self._compiling - compiled_before)

        evaluations: list[StackEvaluation] = []
        left = self.updates_per_call if max_updates is None else min(self.updates_per_call, max_updates)
        while True:
            if bool(self.train_state.cursor.eval_due):
                row, active = self._evaluate()
                samples = None if self.data.next_samples is None else self.samples
                seconds = self.seconds + elapsed()
                evaluations.append(StackEvaluation(self.update, seconds, active, row, samples))
            late = self.fixed_updates_per_call is None and self.spec.mesh.local and elapsed() >= CALL_SECONDS
            if late or left <= 0 or self.update >= self.last_update or self.stopped:
                break
            try:
                left -= self._run_chunk(left)
            except DataFailed:
                if not evaluations:
                    raise
                break  # report the finished evaluations first; the next call fails again
        self.seconds += elapsed()
        return evaluations

    def _run_chunk(self, left: int) -> int:
        """Make up to `left` updates of one chunk, up to the next evaluation; return their number."""
        if self._failure is not None:
            raise self._failure
        if self._chunk is None:
            try:
                self._chunk = next(self._prefetcher.chunks, None)
            except DataFailed as error:
                self._failure = error
                raise
        if self._chunk is None:
            self._run_dry()
            return 0
        segment = self._chunk.segment
        low = self.update - segment.update
        high = min(segment.batches, low + left)
        if self.spec.evaluate_unit == "updates":
            high = min(high, low + self.eval_interval - self.update % self.eval_interval)
        numbers = (low, high, segment.epoch, segment.batch, min(segment.update, 2**31 - 1))
        chosen = ChunkRange(*map(np.int32, numbers))
        arguments = (self.train_state.repeat_states, self.data.per_repeat, self._chunk.samples, chosen)
        program = self._program(make_run_chunk, arguments, donate=(0,))
        begin = time.perf_counter()
        repeat_states: RepeatState = interruptible(lambda: jax.block_until_ready(program(*arguments)))
        diverged = int(np.asarray(repeat_states.diverged_index)[0])
        made = high - low if diverged < 0 else diverged + 1 - (segment.batch + low)
        self._adapt(made, time.perf_counter() - begin)
        if low + made == segment.batches:
            self._prefetcher.recycle(self._chunk)
            self._chunk = None
        self.update += made
        self.samples += made * segment.size
        cursor = self._cursor(int(self.train_state.cursor.samples_used) + made * segment.size)
        if diverged >= 0:
            cursor = cursor._replace(eval_due=np.bool_(True))
        self.train_state = TrainState(cursor, repeat_states)
        return made

    def _run_dry(self) -> None:
        per = self.per_epoch
        assert per is not None
        if not self.update:
            raise DataFailed(
                f"the source ended before it had filled a batch of {int(self.plan.batch_size):,} samples, "
                'and `remainder="drop"` leaves out the rest. Use a smaller batch_size, or `remainder="keep"`.'
            )
        self.end_reason = (
            f"the source ended after {self.samples:,} samples: {self.update:,} updates, "
            f"{self.update / per:g} epochs of {per:,} updates"
        )
        self.last_update = self.update

    def _evaluate(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Evaluate the parts in blocks and apply `decide`: (row of values, was it active)."""
        spec = self.spec
        metrics: list[float] = []
        halves = np.zeros(2, np.float32)
        for name in spec.parts:
            reader = self.data.readers[name]
            read = functools.partial(prefetch.sharded, reader, spec.mesh)
            scored = evaluate_in_blocks(reader, read, self._score, self._executor)
            of = functools.partial(self._metric_values, name, *scored)
            metrics += of(slice(None))
            if name == "validation" and spec.halving:
                halves[:] = [of(half)[spec.monitor_index] for half in halved(len(reader), spec.halving)]
        return self._decide(np.asarray(metrics, np.float32)[None], halves[None])

    def _metric_values(
        self,
        name: str,
        outputs: NDArray[np.float32],
        losses: NDArray[np.float64],
        rows: NDArray[np.int64] | slice,
    ) -> list[float]:
        """The loss and the metrics of some samples of a part from its outputs, in 64-bit floats."""
        spec, inverse, reader = self.spec, self.data.inverse_transform, self.data.readers[name]
        targets, target_scale = reader.targets, np.asarray(self.data.per_repeat.target_scale)[0]
        weights = None if reader.weights is None else reader.weights[rows]
        weighs = weights is None or bool(weights.any())
        metrics = [float(np.average(losses[rows], weights=weights)) if weighs else float("nan")]
        for metric in spec.metrics:
            scored, true = outputs.astype(np.float64), targets
            if metric.custom:
                if inverse is not None and targets.dtype.kind == "f" and scored.size == targets.size:
                    scored, true = (inverse(name, one) for one in (scored.reshape(targets.shape), targets))
                metrics.append(evaluated(metric, scored[rows], true[rows], spec.classes))
                continue
            if metric.in_target_units:
                scale = target_scale if targets.ndim > 1 else target_scale[0]
                scored, true = scored.reshape(targets.shape) * scale, targets * scale
            metrics.append(float(metric.function(scored[rows], true[rows], spec.classes, np)))
        return metrics

    def _score(self, samples: ShardedBatch) -> Any:
        arguments = (self.train_state.repeat_states, samples)
        outputs, losses = self._program(make_score, arguments)(*arguments)
        return outputs[0], losses[0]

    def _program(
        self, make: Any, arguments: tuple[Any, ...], *options: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        """The compiled program; compilation does not count as training time."""
        begin = time.perf_counter()
        program = super()._program(make, arguments, *options, donate=donate)
        self._compiling += time.perf_counter() - begin
        return program


def make_run_chunk(spec: Spec, shapes: Variables) -> Any:
    """The function (repeat_state, per_repeat, chunk, chosen) -> repeat_state: the chosen updates of a chunk.

    Leaves of a chunk have a leading axis of batches, (room, devices, rows, ...).
    """
    step = make_update_step(spec, ParamRaveler(spec, shapes.params))

    def run(
        repeat_state: RepeatState, own: PerRepeat, chunk: ShardedBatch, chosen: ChunkRange
    ) -> RepeatState:
        def body(number: jax.Array, repeat_state: RepeatState) -> RepeatState:
            batch: ShardedBatch = jax.tree.map(
                lambda leaf: lax.dynamic_index_in_dim(leaf, number, keepdims=False), chunk
            )
            index, count = chosen.index + number, chosen.update + number
            return step(repeat_state, batch, own.dropout_keys, chosen.pass_index, index, own.rates, count)

        repeat_state = lax.fori_loop(chosen.low, chosen.high, body, repeat_state)
        diverged = (repeat_state.diverged_index >= 0) & (repeat_state.diverged_pass < 0)
        return repeat_state._replace(
            diverged_pass=jnp.where(diverged, chosen.pass_index, repeat_state.diverged_pass)
        )

    return over_repeats(1, run, (0, 0, None, None))


def make_score(spec: Spec, shapes: Variables) -> Any:
    """The function (repeat_state, samples) -> (outputs, losses) of sharded samples."""
    raveler = ParamRaveler(spec, shapes.params)

    def score(repeat_state: RepeatState, samples: ShardedBatch) -> tuple[jax.Array, jax.Array]:
        part = samples.whole()
        variables = Variables(
            raveler.unravel(eval_params(repeat_state.optimizer, repeat_state.params)), repeat_state.model
        )
        outputs = forward(spec.model, variables, part.inputs, spec.mesh)
        return outputs, spec.loss(outputs, spec.mesh.replicate(part.targets))

    return over_repeats(1, score, (0, None))


def _skip(next_samples: prefetch.NextSamples, samples: int) -> None:
    while samples:
        taken = len(next_samples(min(samples, 4096))[0])
        if not taken:
            raise DataFailed(
                f"the source ended {samples:,} samples before the point where the training goes on."
            )
        samples -= taken
