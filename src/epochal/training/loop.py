"""The loop that advances lanes to their end, and saves snapshots."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, cast

import jax
import numpy as np

from epochal.curves import Curves
from epochal.engine.fed import FedLane
from epochal.engine.lane import Evaluation, Lane, Source
from epochal.engine.memory import SHARE, besides, bytes_available, bytes_said, largest
from epochal.engine.state import Kept
from epochal.errors import DataFailed, Refusal
from epochal.plan import Plan
from epochal.training.agreement import INTERRUPTED, Call, agreed_call
from epochal.training.hosts import together
from epochal.training.prepared import Prepared
from epochal.training.result import LaneResult
from epochal.training.snapshot import Remembered

__all__ = ["Control", "Keeper", "Todo", "curves_of", "make_lane", "micro_batched", "work"]

Todo: TypeAlias = "queue.SimpleQueue[tuple[range, Remembered | None]]"
"""Lanes that nobody drives yet, and what is remembered of them."""


class Keeper(Protocol):
    """Whoever keeps what lanes remember, such as a `Saver`."""

    def begin(self, lane: Lane | FedLane, repeats: range) -> None:
        """A lane begins, or goes on."""

    def most(self, lane: Lane | FedLane, repeats: range) -> int | None:
        """How many updates the lane may make until it hands over; None for as many as it likes."""

    def due(self, lane: Lane | FedLane, repeats: range) -> bool:
        """Whether the lane is to hand over what it remembers now."""

    def hand_over(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Take what a lane remembers while it goes on."""

    def end(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Take what a lane remembers that makes no more updates."""


class Control:
    """Ends a training from outside: `stop()` lets each repeat finish its call and keep what it has."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signal = 0
        """The number of the signal that stopped it, in this process or in one that trains with it; else 0."""

    def stop(self, signal: int = 0) -> None:
        """Ask all repeats to end at the next update boundary that the host sees."""
        self.signal = self.signal or signal
        self._event.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._event.is_set()


def work(
    prepared: Prepared,
    control: Control,
    todo: Todo,
    told: queue.SimpleQueue[Any],
    saver: Keeper | None,
    devices: tuple[jax.Device, ...],
) -> None:
    """Drive one lane after the other on these devices; runs in a thread of its own."""
    while True:
        try:
            repeats, known = todo.get_nowait()
        except queue.Empty:
            return
        try:
            if together().decide("a lane", control.stopped, any) and repeats.start > 0 and known is None:
                told.put(None)  # it had not begun when the training was asked to stop
                continue
            kept, curves = (None, []) if known is None else (known.kept, [known.curves])
            lane = make_lane(prepared, repeats, devices=devices, kept=kept)
            del kept, known  # they may be large, and the lane has its own
            with closing(lane):
                told.put(_Drive(prepared, control, repeats, lane, told, saver, curves).to_its_end())
        except BaseException as error:
            told.put(together().cause(error))
            return


class _Drive:
    """One lane, driven to its end."""

    def __init__(
        self,
        prepared: Prepared,
        control: Control,
        repeats: range,
        lane: Lane | FedLane,
        told: queue.SimpleQueue[Any],
        saver: Keeper | None,
        curves: list[Curves],
    ) -> None:
        self._prepared, self._control, self._repeats, self._lane = prepared, control, repeats, lane
        self._told, self._saver = told, saver
        self._curves = curves
        self._seconds = min(
            (one.seconds for one in prepared.budgets if one.seconds is not None), default=float("inf")
        )

    def to_its_end(self) -> LaneResult:
        """Make the updates that are left and evaluate what came out."""
        lane, saver, repeats, reason, failed = self._lane, self._saver, self._repeats, "", ""
        if saver is not None:
            saver.begin(lane, repeats)
        while not lane.done:
            most, reason, signal = agreed_call(self._wish())
            if reason == INTERRUPTED:
                self._control.stop(signal)
            if reason:
                break
            try:
                lane.budget = max(lane.budget, most)  # that of process 0 counts
                self._tell(lane.advance(most))
            except DataFailed as error:
                if not lane.update or not together().alone:
                    raise
                reason = failed = error.sentence.rstrip(".")
                break
            if saver is not None and saver.due(lane, repeats) and not lane.done:
                saver.hand_over(lane, repeats, self._remembered)
        reason = reason or lane.ended
        if not reason and lane.update >= lane.last_update < self._prepared.plan.updates:
            reason = f"the budget of {lane.last_update:,} updates is spent"
        # Kept is the place before the last evaluation, which a longer training would not make there.
        if saver is not None and lane.update:
            saver.end(lane, repeats, self._remembered)
        try:
            self._tell(lane.finish())
        except DataFailed:
            if not failed:
                raise
        return LaneResult.of(lane, repeats, reason, failed)

    def _wish(self) -> Call:
        """How long this process would have the next call, and why it would have none."""
        lane, saver, reason = self._lane, self._saver, ""
        if self._control.stopped:
            reason = INTERRUPTED
        elif lane.seconds >= self._seconds:
            reason = f"the budget of {self._seconds:g} seconds is spent"
        most = None if saver is None else saver.most(lane, self._repeats)
        budget = lane.budget if most is None else min(lane.budget, most)
        return Call(budget, reason, self._control.signal)

    def _tell(self, evaluations: Sequence[Evaluation]) -> None:
        lane, prepared = self._lane, self._prepared
        rows = curves_of(prepared.plan, prepared.spec.columns, self._repeats, evaluations)
        if self._saver is not None and len(rows):
            self._curves.append(rows)
        self._told.put((self._repeats, rows, lane.update, lane.last_update, lane.seconds))

    def _remembered(self) -> Remembered:
        """All that the lane knows now."""
        curves = Curves.concatenate(self._curves)
        self._curves = [curves]
        return Remembered(self._repeats, self._lane.keep(), curves)


def curves_of(
    plan: Plan, names: Sequence[str], repeats: Sequence[int], evaluations: Sequence[Evaluation]
) -> Curves:
    """Evaluations of a lane as rows of the curves: compact, since there may be millions of them."""
    rows = [
        (
            repeat,
            plan.epochs_after(one.update),
            one.update,
            plan.samples_after(one.update) if one.samples is None else one.samples,
            one.seconds,
        )
        for one in evaluations
        for repeat, running in zip(repeats, one.running, strict=True)
        if running
    ]
    if not rows:
        return Curves.empty(names)
    values = np.concatenate([one.values[one.running] for one in evaluations]).astype(np.float64)
    repeat, epoch, update, samples, seconds = (np.array(column) for column in zip(*rows, strict=True))
    columns = dict(zip(names, values.T, strict=True))
    return Curves(repeat, epoch, update, samples, seconds, columns)


def micro_batched(prepared: Prepared) -> Prepared:
    """With the micro-batch chosen, where that was asked for: the whole batch, or the largest that fits.

    At most 7 programs are compiled, and none is run; that of a whole batch which fits is the one that trains.
    """
    if prepared.settings.micro_batch != "auto":
        return prepared
    if prepared.fed:
        raise Refusal(
            "micro_batch must be a number for samples that stay in a file, which are read while training; "
            'got "auto".'
        )
    lanes = prepared.lanes
    repeats, team, workers = max(lanes.repeats, key=len), lanes.teams[0], lanes.at_once
    source, most = prepared.source(repeats, team), prepared.plan.batch_sizes[0]

    def with_(size: int | None, *remarks: str) -> Prepared:
        return replace(prepared, spec=replace(prepared.spec, micro_batch=size), remarks=remarks)

    @functools.cache
    def need(size: int) -> int:
        cut = with_(size if size < most else None)
        lane = cast(Lane, make_lane(cut, repeats, source=source, devices=team))
        return workers * max(_needs(lane))

    free = bytes_available()
    if need(most) <= SHARE * free:
        return prepared
    found = largest(need, most, SHARE * free)
    if found is None:
        raise Refusal(
            f"the model must fit into memory with one sample at a time, which needs about "
            f"{bytes_said(need(1))}; {bytes_said(free)} are free. Use a smaller model."
        )
    even = -(-most // -(-most // found))  # as many pieces, about equal, if they need no more
    chosen = even if need(even) <= SHARE * free else found
    why = f"a whole batch of {most:,} needs about {bytes_said(need(most))} and {bytes_said(free)} are free"
    return with_(chosen, f"micro-batches of {chosen:,} samples: {why}")


def _needs(lane: Lane) -> Iterator[int]:
    """The memory that the program of each phase takes besides the samples."""
    for phase in range(len(lane.plan.phases)):
        lane.enter(phase)
        yield besides(lane)


def make_lane(
    prepared: Prepared,
    repeats: range,
    fixed_budget: int | None = None,
    source: Source | None = None,
    devices: tuple[jax.Device, ...] = (),
    kept: Kept | None = None,
) -> Lane | FedLane:
    """A lane for some repeats, compiled; `source` holds its samples, if any does.

    It is at its first update, or where it was `kept`.
    """
    limits = [one.updates for one in prepared.budgets if one.updates is not None]
    common: dict[str, Any] = {
        "spec": replace(prepared.spec, repeats=len(repeats)),
        "plan": prepared.plan.passes,
        "per_epoch": prepared.plan.updates_per_epoch,
        "every": prepared.every,
        "last_update": min([prepared.plan.updates, *limits]),
        "initial": prepared.start.variables,
        "fixed_budget": fixed_budget,
        "devices": devices,
        "kept": kept,
    }
    if prepared.fed:
        return FedLane(source=prepared.fed_source(repeats[0], devices), **common)
    return Lane(source=prepared.source(repeats, devices) if source is None else source, **common)
