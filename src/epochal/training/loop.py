"""The loop that advances stacks to their end, and saves snapshots."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves
from epochal.engine.memory import MEMORY_SHARE, bytes_available, format_bytes, largest_fitting, program_bytes
from epochal.engine.repeat_stack import BaseRepeatStack, RepeatStack, StackData, StackEvaluation
from epochal.engine.state import StackState
from epochal.engine.streamed_stack import StreamedRepeatStack
from epochal.errors import DataFailed, Refusal
from epochal.plan import Plan
from epochal.training.agreement import INTERRUPTED, Call, agreed_call
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.result import StackResult
from epochal.training.snapshot import Snapshot


class SnapshotSink:
    """The interface of savers of snapshots; this one saves nothing."""

    keeps = False

    def begin(self, stack: BaseRepeatStack, repeat_range: range) -> None:
        """A stack begins or resumes."""

    def max_updates(self, stack: BaseRepeatStack) -> int | None:
        """Most updates until the next snapshot; None if no number of updates decides when it is due."""
        return None

    def due(self, stack: BaseRepeatStack, repeat_range: range) -> bool:
        """Whether a snapshot is due."""
        return False

    def hand_over(
        self, stack: BaseRepeatStack, repeat_range: range, snapshot: Callable[[], Snapshot]
    ) -> None:
        """Take a snapshot of a running stack."""

    def end(self, repeat_range: range, snapshot: Callable[[], Snapshot]) -> None:
        """Take the last snapshot of a stack."""

    def take(self, one: Snapshot) -> None:
        """Take the last snapshot of a stack that was trained elsewhere."""


class StackProgress(NamedTuple):
    """What a stack reports after a call: new evaluations, and updates so far and at most of each repeat."""

    repeat_range: range
    curves: Curves
    updates: int
    max_updates: int
    seconds: float


class StopSignal:
    """Stops a training: `stop()` lets each repeat finish its call and keep its results."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.os_signal = 0
        """The operating system's signal that stopped it, here or in another process of the group; else 0."""

    def stop(self, os_signal: int = 0) -> None:
        """Stop all repeats at the next end of a call."""
        self.os_signal = self.os_signal or os_signal
        self._event.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._event.is_set()


def train_stack(
    prepared: Prepared,
    stop_signal: StopSignal,
    on_progress: Callable[[StackProgress], object],
    sink: SnapshotSink,
    repeat_range: range,
    resume_from: Snapshot | None,
    devices: tuple[jax.Device, ...],
    stopped: Callable[[], bool],
) -> StackResult | None:
    """Train a stack until it ends, or `stop_signal` or the executor stops it; None if it had not begun.

    `on_progress` is called after each call of the program; `resume_from` is its snapshot, if any.
    """
    seconds = min((one.seconds for one in prepared.budgets if one.seconds is not None), default=None)

    def proposal() -> Call:
        """The next call that this process wants, or why none."""
        reason = ""
        if stop_signal.stopped or stopped():
            reason = INTERRUPTED
        elif seconds is not None and stack.seconds >= seconds:
            reason = f"the budget of {seconds:g} seconds is spent"
        most = sink.max_updates(stack)
        updates = stack.updates_per_call
        return Call(updates if most is None else min(updates, most), reason, stop_signal.os_signal)

    def add_evaluations(evaluations: Sequence[StackEvaluation]) -> None:
        rows = curves_of(prepared.plan, prepared.spec.metric_names, repeat_range, evaluations)
        if sink.keeps and len(rows):
            curves.append(rows)
        on_progress(StackProgress(repeat_range, rows, stack.update, stack.last_update, stack.seconds))

    def snapshot() -> Snapshot:
        curves[:] = [Curves.concatenate(curves)]
        return Snapshot(repeat_range, stack.snapshot(), curves[0])

    with process_group().reporting_errors(), ExitStack() as resources:
        interrupted = process_group().decide("a stack", stop_signal.stopped or stopped(), any)
        if interrupted and repeat_range.start > 0 and resume_from is None:
            return None
        state = None if resume_from is None else resume_from.state
        curves = [] if resume_from is None else [resume_from.curves]
        stack = make_stack(prepared, repeat_range, devices=devices, resume_from=state)
        resources.callback(stack.close)
        del state, resume_from  # may be large, and the stack has its own copy
        reason = failed = ""
        sink.begin(stack, repeat_range)
        while not stack.done:
            most, reason, os_signal = agreed_call(proposal())
            if reason == INTERRUPTED:
                stop_signal.stop(os_signal)
            if reason:
                break
            try:
                stack.updates_per_call = max(stack.updates_per_call, most)  # that of process 0 counts
                add_evaluations(stack.advance(most))
            except DataFailed as error:
                if not stack.update or not process_group().alone:
                    raise
                reason = failed = error.sentence.rstrip(".")
                break
            if sink.due(stack, repeat_range) and not stack.done:
                sink.hand_over(stack, repeat_range, snapshot)
        reason = reason or stack.end_reason
        if not reason and stack.update >= stack.last_update < prepared.plan.updates:
            reason = f"the budget of {stack.last_update:,} updates is spent"
        # Take the snapshot before the final evaluation: a run with more epochs would not evaluate here.
        if stack.update:
            sink.end(repeat_range, snapshot)
        try:
            add_evaluations(stack.finish())
        except DataFailed:
            if not failed:
                raise
        return StackResult.of(stack, repeat_range, reason, failed)


def curves_of(
    plan: Plan, names: Sequence[str], repeats: Sequence[int], evaluations: Sequence[StackEvaluation]
) -> Curves:
    """Evaluations of a stack as compact rows, since there may be millions."""
    if not any(one.active.any() for one in evaluations):
        return Curves.empty(names)
    at, row = np.nonzero([one.active for one in evaluations])
    updates = tuple(one.update for one in evaluations)
    epochs, samples = _after(plan, updates)
    if evaluations[0].samples is not None:
        samples = np.array([one.samples for one in evaluations])
    values = np.array([one.values for one in evaluations])[at, row].astype(np.float64)
    return Curves(
        np.array(repeats)[row],
        epochs[at],
        np.array(updates)[at],
        samples[at],
        np.array([one.seconds for one in evaluations])[at],
        dict(zip(names, values.T, strict=True)),
    )


@functools.lru_cache(maxsize=64)
def _after(plan: Plan, updates: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Epochs and samples; cached, since trainings of a comparison are evaluated after the same updates."""
    epochs = np.array([plan.epochs_after(update) for update in updates])
    return epochs, np.array([plan.samples_after(update) for update in updates])


def micro_batched(prepared: Prepared) -> Prepared:
    """Choose an automatic micro-batch: the whole batch, or the largest that fits.

    At most 7 programs are compiled, and none is run; the program of a fitting whole batch is used for
    training.
    """
    if prepared.settings.micro_batch != "auto":
        return prepared
    if prepared.streamed:
        raise Refusal(
            "`micro_batch` must be a number for samples that stay in a file, which are read while training; "
            'got "auto".'
        )
    stacks = prepared.stacks
    repeat_range, device_group, workers = (
        max(stacks.repeat_ranges, key=len),
        stacks.device_groups[0],
        stacks.programs_per_device,
    )
    data, most = prepared.stack_data(repeat_range, device_group), prepared.plan.batch_sizes[0]

    def with_(size: int | None, *notes: str) -> Prepared:
        return replace(prepared, spec=replace(prepared.spec, micro_batch=size), notes=notes)

    @functools.cache
    def need(size: int) -> int:
        cut = with_(size if size < most else None)
        stack = cast(RepeatStack, make_stack(cut, repeat_range, data=data, devices=device_group))
        return workers * max(_needs(stack))

    free = bytes_available()
    if need(most) <= MEMORY_SHARE * free:
        return prepared
    found = largest_fitting(need, most, MEMORY_SHARE * free)
    if found is None:
        raise Refusal(
            f"the model must fit into memory with one sample at a time, which needs about "
            f"{format_bytes(need(1))}; {format_bytes(free)} are free. Use a smaller model."
        )
    even = -(-most // -(-most // found))  # equal micro-batches, if that needs no more of them
    chosen = even if need(even) <= MEMORY_SHARE * free else found
    why = f"needs about {format_bytes(need(most))} and {format_bytes(free)} are free"
    return with_(chosen, f"micro-batches of {chosen:,} samples: a whole batch of {most:,} {why}")


def _needs(stack: RepeatStack) -> Iterator[int]:
    """Memory of each phase's program besides the samples."""
    for phase in range(len(stack.plan.phases)):
        stack.enter(phase)
        yield program_bytes(stack)


def make_stack(
    prepared: Prepared,
    repeat_range: range,
    fixed_updates_per_call: int | None = None,
    data: StackData | None = None,
    devices: tuple[jax.Device, ...] = (),
    resume_from: StackState | None = None,
) -> BaseRepeatStack:
    """A stack for some repeats, compiled, at its first update, or where `resume_from` was taken."""
    limits = [one.updates for one in prepared.budgets if one.updates is not None]
    common: dict[str, Any] = {
        "spec": replace(prepared.spec, n_repeats=len(repeat_range)),
        "plan": prepared.plan.passes,
        "per_epoch": prepared.plan.updates_per_epoch,
        "eval_interval": prepared.eval_interval,
        "last_update": min([prepared.plan.updates, *limits]),
        "initial": prepared.initial.variables,
        "fixed_updates_per_call": fixed_updates_per_call,
        "devices": devices,
        "resume_from": resume_from,
    }
    if prepared.streamed:
        return StreamedRepeatStack(data=prepared.streamed_stack_data(repeat_range[0], devices), **common)
    return RepeatStack(data=prepared.stack_data(repeat_range, devices) if data is None else data, **common)
