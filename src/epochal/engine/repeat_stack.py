"""`RepeatStack`: one or several repeats, vmapped in one compiled program, advanced call by call."""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.common.waiting import interruptible
from epochal.engine.compiler import compiled, initial_repeats
from epochal.engine.evaluate import decide, metrics_of_part
from epochal.engine.mesh import DeviceMesh
from epochal.engine.optimizers import eval_params
from epochal.engine.program import make_call, over_repeats
from epochal.engine.spec import PARTS, BatchLayout, Spec
from epochal.engine.state import RUNNING, Cursor, Limits, PerRepeat, SplitPart, StackState, TrainState
from epochal.engine.update import ParamRaveler
from epochal.models import Variables, evaluated
from epochal.plan import Plan
from epochal.plan.pass_schedule import Phase

CALL_SECONDS = 0.1
"""Target duration of a call, after which the host can report progress, save and handle an interrupt."""

InverseTransform = Callable[[str, NDArray[Any]], NDArray[Any]]
"""Converts targets or outputs of a part of one repeat to their own units: (part, values)."""


class StackEvaluation(NamedTuple):
    """One evaluation of the active repeats of a stack."""

    update: int
    seconds: float
    """Training time of the stack so far, without compilation."""
    active: NDArray[np.bool_]
    values: NDArray[np.float32]
    """(repeats of the stack, columns of the spec)."""
    samples: int | None = None
    """Samples used so far, where the plan does not determine it."""


class StackData(NamedTuple):
    """The data of a stack: parts, whether repeats share them, and what differs between repeats."""

    parts: tuple[SplitPart, ...]
    same_samples: bool
    per_repeat: PerRepeat
    init_keys: jax.Array
    inverse_transform: tuple[InverseTransform, ...] = ()
    """Per repeat, for metrics on the host."""


@dataclass
class BaseRepeatStack(ABC):
    """Repeats that are trained together: `advance` until `done`, then `finish`."""

    spec: Spec
    plan: Plan
    """Of passes (`Plan.passes`)."""
    data: Any
    eval_interval: int
    last_update: int
    """The update after which training ends: the plan's last, or earlier with a budget."""
    initial: Any = None
    """Variables with which every repeat starts; those that are None each draws."""
    fixed_updates_per_call: int | None = None
    """Updates per call, for tests; by default adapted to the speed."""
    per_epoch: int | None = None
    """Updates per epoch, where an epoch is not a pass."""
    devices: tuple[jax.Device, ...] = ()
    """Devices that hold the data and share each batch; empty for JAX's default."""
    resume_from: StackState | None = None
    """The snapshot to continue from, freed once on the device; None to start anew."""

    end_reason = ""
    """Why training ended early, if the source was exhausted."""

    def _begin(self, sample: jax.ShapeDtypeStruct) -> None:
        """Put the state of the snapshot on the devices, or a new one for samples stored like this."""
        self.spec = spec = replace(self.spec, mesh=DeviceMesh(self.devices))
        self.sample = sample
        self.updates_per_call = self.fixed_updates_per_call or (64 if spec.mesh.local else 1)
        if self.resume_from is None:
            self.update, self.seconds, self.samples = 0, 0.0, 0
            cursor = self._cursor()
            repeat_states = initial_repeats(spec, self.initial, self.data.init_keys, sample)
        else:
            (cursor, repeat_states), self.update, self.seconds, self.samples = self.resume_from
            repeat_states = spec.mesh.put(repeat_states)
            self.resume_from = None
        self.train_state = TrainState(cursor, repeat_states)

    def _cursor(self, samples_since_eval: int = 0) -> Cursor:
        """The cursor after the updates made, so many samples after the last evaluation."""
        plan, update, every = self.plan, self.update, self.eval_interval
        pass_index, index = plan.locate(update) if update < plan.updates else (plan.epochs, 0)
        by_updates = self.spec.evaluate_unit == "updates"
        until = every - (update if by_updates else pass_index) % every
        high, low = divmod(samples_since_eval, 2**32)
        return Cursor(
            pass_index=np.int32(pass_index),
            index=np.int32(index),
            start=np.int32(plan.start(pass_index) if pass_index < plan.epochs else 0),
            until_eval=np.int32(until),
            update=np.int32(min(update, 2**31 - 1)),
            eval_due=np.bool_(until == every and (by_updates or index == 0)),
            samples_since_eval=np.uint32(low),
            samples_since_eval_high=np.uint32(high),
        )

    @property
    def done(self) -> bool:
        """Whether the plan is at its end or all repeats have stopped."""
        if bool(self.train_state.cursor.eval_due):
            return False
        return self.update >= self.last_update or self.stopped

    @property
    def stopped(self) -> bool:
        """Whether all repeats have stopped."""
        return bool((np.asarray(self.train_state.repeat_states.status) != RUNNING).all())

    @property
    def epochs(self) -> float:
        """Epochs made so far."""
        return self.update / self.per_epoch if self.per_epoch else self.plan.epochs_after(self.update)

    @abstractmethod
    def advance(self, max_updates: int | None = None) -> list[StackEvaluation]:
        """Make updates for about a tenth of a second, at most `max_updates`, with the evaluations due."""

    def finish(self) -> list[StackEvaluation]:
        """End: a last evaluation, unless there was one after the last update."""
        if self.update and not self.train_state.cursor.samples_used:
            return []
        cursor, repeat_states = self.train_state
        self.train_state = TrainState(cursor._replace(eval_due=np.bool_(True)), repeat_states)
        return self.advance(0)

    def snapshot(self) -> StackState:
        """An immutable snapshot to continue from: a copy, since the arrays are donated in the next call."""
        copy = jax.tree.map(lambda leaf: np.array(leaf), self.train_state)
        return StackState(copy, self.update, self.seconds, self.samples)

    def close(self) -> None:  # noqa: B027 (samples in memory leave nothing to release)
        """Release what is read from."""

    def _decide(self, metrics: NDArray[np.float32], halves: NDArray[np.float32]) -> tuple[Any, Any]:
        """Apply the metrics of an evaluation: (values, were they active) of all repeats."""
        cursor = self.train_state.cursor
        arguments = (self.train_state.repeat_states, metrics, halves, cursor, np.float32(self.epochs))
        repeat_states, values, active = self._program(make_decide, arguments)(*arguments)
        self.train_state = TrainState(cursor.evaluated(), repeat_states)
        return np.asarray(values), np.asarray(active)

    def _program(
        self, make: Any, arguments: tuple[Any, ...], *options: Any, donate: tuple[int, ...] = ()
    ) -> Any:
        return compiled(make, self.spec, self.sample, arguments, *options, donate=donate)

    def _adapt(self, made: int, seconds: float) -> None:
        if self.fixed_updates_per_call is None:
            wanted = int(made * CALL_SECONDS / max(seconds, 1e-6))
            self.updates_per_call = max(1, min(wanted, self.updates_per_call * 8, 2**30))


@dataclass
class RepeatStack(BaseRepeatStack):
    """Vmapped repeats with samples in memory.

    Where the batch size changes, each phase has its own program, and the state passes on.
    """

    data: StackData

    def __post_init__(self) -> None:
        inputs = self.data.parts[0].inputs
        self._begin(jax.ShapeDtypeStruct(inputs.shape[1 if self.data.same_samples else 2 :], inputs.dtype))
        whole = self.last_update >= self.plan.updates
        end = (self.plan.epochs, 0) if whole else self.plan.locate(self.last_update)
        self._end = (np.int32(end[0]), np.int32(end[1]))
        self.enter(max(0, sum(phase.update < self.update for phase in self.plan.phases) - 1))

    def enter(self, phase: int) -> None:
        """Switch to the program of a phase, compiling it if needed."""
        self.phase, data = phase, self.data
        spec = replace(self.spec, layout=BatchLayout.of(self.plan, phase))
        arguments = (self.train_state, data.per_repeat, data.parts, self._limits(0))
        self._call = compiled(make_call, spec, self.sample, arguments, data.same_samples, donate=(0,))

    def _limits(self, updates: int) -> Limits:
        end, following = self._end, self._following
        if following is not None:
            end = (np.int32(following.first), np.int32(0))
        return Limits(np.int32(updates), *end, np.int32(self.eval_interval), np.int32(self.per_epoch or 0))

    @property
    def _following(self) -> Phase | None:
        """The next phase, if training reaches it."""
        later = self.plan.phases[self.phase + 1 : self.phase + 2]
        return later[0] if later and later[0].update < self.last_update else None

    def advance(self, max_updates: int | None = None) -> list[StackEvaluation]:
        """As `BaseRepeatStack.advance`, in one call of the program."""
        following = self._following
        due = self.train_state.cursor.eval_due
        if following is not None and self.update == following.update and not due:
            self.enter(self.phase + 1)
        updates = self.updates_per_call if max_updates is None else min(self.updates_per_call, max_updates)
        if self.spec.host_metrics:
            before = self._evaluate()
            return before if self.done else [*before, *self._made(updates), *self._evaluate()]
        return self._made(updates)

    def _evaluate(self) -> list[StackEvaluation]:
        """The evaluation that is due, if any, with the host's metrics."""
        train_state, spec, data = self.train_state, self.spec, self.data
        if not bool(train_state.cursor.eval_due):
            return []
        begin = time.perf_counter()
        parts = tuple(data.parts[PARTS.index(name)] for name in spec.parts)
        arguments = (train_state.repeat_states, parts, data.per_repeat.target_scale)
        measure = self._program(make_measure, arguments, data.same_samples)
        measured, outputs = interruptible(lambda: jax.block_until_ready(measure(*arguments)))
        metrics = np.array(measured)
        for row in map(int, np.flatnonzero(np.asarray(train_state.repeat_states.status) == RUNNING)):
            inverse = data.inverse_transform[row]
            for number, (name, part) in enumerate(zip(spec.parts, parts, strict=True)):
                true = inverse(name, np.asarray(part.targets if data.same_samples else part.targets[row]))
                predicted = np.asarray(outputs[number][row], np.float64)
                if true.dtype.kind == "f" and predicted.size == true.size:
                    predicted = inverse(name, predicted.reshape(true.shape))
                for place, metric in enumerate(spec.metrics, start=number * (len(spec.metrics) + 1) + 1):
                    if metric.host:
                        metrics[row, place] = evaluated(metric, predicted, true, spec.classes)
        values, active = self._decide(metrics, np.zeros((spec.n_repeats, 2), np.float32))
        self.seconds += time.perf_counter() - begin
        return [StackEvaluation(self.update, self.seconds, active, values)]

    def _made(self, updates: int) -> list[StackEvaluation]:
        """Run one call of up to `updates` updates and return its evaluations."""

        def call() -> tuple[TrainState, Any, float]:
            begin = time.perf_counter()
            arguments = (self.train_state, self.data.per_repeat, self.data.parts, self._limits(updates))
            train_state, rows = jax.block_until_ready(self._call(*arguments))
            return train_state, rows, time.perf_counter() - begin

        self.train_state, rows, took = interruptible(call)
        before, cursor = self.update, self.train_state.cursor
        self.update = self._update_at(int(cursor.pass_index), int(cursor.index))
        done = self.update - before
        if done and updates == self.updates_per_call:
            self._adapt(updates, took)
        evaluations = []
        filled_rows = [np.asarray(column)[: int(rows.count)] for column in rows[1:]]
        for pass_index, index, active, metrics in zip(*filled_rows, strict=True):
            update = self._update_at(int(pass_index), int(index))
            seconds = self.seconds + took * ((update - before) / done if done else 1.0)
            evaluations.append(StackEvaluation(update, seconds, active, metrics))
        self.seconds += took
        return evaluations

    def _update_at(self, pass_index: int, index: int) -> int:
        if pass_index >= self.plan.epochs:
            return self.plan.updates
        return self.plan.first_update(pass_index) + index


def make_measure(spec: Spec, shapes: Variables, same_samples: bool) -> Any:
    """The function (repeat_states, parts, target scale) -> (metrics, outputs) of all repeats.

    Metrics (repeats, columns but the first) have NaN for the metrics of the host, which need the outputs of
    each part, (repeats, n, ...). `same_samples` is whether all repeats share the samples.
    """
    raveler = ParamRaveler(spec, shapes.params)

    def measure(repeat_state: Any, parts: tuple[SplitPart, ...], target_scale: jax.Array) -> Any:
        variables = Variables(
            raveler.unravel(eval_params(repeat_state.optimizer, repeat_state.params)), repeat_state.model
        )
        found = [metrics_of_part(spec, variables, part, target_scale) for part in parts]
        return jnp.stack([value for metrics, _ in found for value in metrics]), [one for _, one in found]

    return over_repeats(spec.n_repeats, measure, (0, None if same_samples else 0, 0))


def make_decide(spec: Spec, shapes: Variables) -> Any:
    """`decide` of a stack: (states, metrics, halves, cursor, epoch) -> (states, rows, active)."""
    return over_repeats(spec.n_repeats, functools.partial(decide, spec), (0, 0, 0, None, None))
