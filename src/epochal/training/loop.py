"""The loop that advances lanes to their end, and saves snapshots."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

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

__all__ = ["Advanced", "Control", "Keeper", "curves_of", "make_lane", "micro_batched", "train_lane"]


class Keeper:
    """Keeps what lanes have learned, such as a `Saver`; this one keeps nothing."""

    keeps = False

    def begin(self, lane: Lane | FedLane, repeats: range) -> None:
        """A lane begins, or goes on."""

    def most(self, lane: Lane | FedLane, repeats: range) -> int | None:
        """How many updates the lane may make until it hands over; None for as many as it likes."""
        return None

    def due(self, lane: Lane | FedLane, repeats: range) -> bool:
        """Whether the lane is to hand over what it remembers now."""
        return False

    def hand_over(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Take what a lane remembers while it goes on."""

    def end(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Take what a lane remembers that makes no more updates."""

    def take(self, one: Remembered) -> None:
        """Take what a lane remembers at its end that was trained elsewhere."""


class Advanced(NamedTuple):
    """What a lane reports after a call.

    rows     its new evaluations.
    updates  how many each of its repeats has made.
    most     how many each makes at most.
    seconds  their training time.
    """

    repeats: range
    rows: Curves
    updates: int
    most: int
    seconds: float


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


def train_lane(
    prepared: Prepared,
    control: Control,
    report: Callable[[Advanced], object],
    keeper: Keeper,
    repeats: range,
    known: Remembered | None,
    devices: tuple[jax.Device, ...],
    stopped: Callable[[], bool],
) -> LaneResult | None:
    """Train a lane to its end, or to where `control` or the executor stops it; None if it had not begun then.

    `report` is called after each call of the program; `known` is what is remembered of its repeats.
    """

    def asked() -> bool:
        return control.stopped or stopped()

    try:
        if together().decide("a lane", asked(), any) and repeats.start > 0 and known is None:
            return None
        kept, curves = (None, []) if known is None else (known.kept, [known.curves])
        lane = make_lane(prepared, repeats, devices=devices, kept=kept)
        del kept, known  # they may be large, and the lane has its own
        with closing(lane):
            return _Drive(prepared, control, asked, repeats, lane, report, keeper, curves).to_its_end()
    except BaseException as error:
        cause = together().cause(error)
        if cause is error:
            raise
        raise cause from error


@dataclass(eq=False)
class _Drive:
    """One lane, driven to its end."""

    prepared: Prepared
    control: Control
    asked: Callable[[], bool]
    repeats: range
    lane: Lane | FedLane
    report: Callable[[Advanced], object]
    keeper: Keeper
    curves: list[Curves]

    def to_its_end(self) -> LaneResult:
        """Make the updates that are left and evaluate what came out."""
        lane, keeper, repeats, reason, failed = self.lane, self.keeper, self.repeats, "", ""
        keeper.begin(lane, repeats)
        while not lane.done:
            most, reason, signal = agreed_call(self._wish())
            if reason == INTERRUPTED:
                self.control.stop(signal)
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
            if keeper.due(lane, repeats) and not lane.done:
                keeper.hand_over(lane, repeats, self._remembered)
        reason = reason or lane.ended
        if not reason and lane.update >= lane.last_update < self.prepared.plan.updates:
            reason = f"the budget of {lane.last_update:,} updates is spent"
        # Kept is the place before the last evaluation, which a longer training would not make there.
        if lane.update:
            keeper.end(lane, repeats, self._remembered)
        try:
            self._tell(lane.finish())
        except DataFailed:
            if not failed:
                raise
        return LaneResult.of(lane, repeats, reason, failed)

    def _wish(self) -> Call:
        """How long this process would have the next call, and why it would have none."""
        lane, reason = self.lane, ""
        seconds = min((one.seconds for one in self.prepared.budgets if one.seconds is not None), default=None)
        if self.asked():
            reason = INTERRUPTED
        elif seconds is not None and lane.seconds >= seconds:
            reason = f"the budget of {seconds:g} seconds is spent"
        most = self.keeper.most(lane, self.repeats)
        budget = lane.budget if most is None else min(lane.budget, most)
        return Call(budget, reason, self.control.signal)

    def _tell(self, evaluations: Sequence[Evaluation]) -> None:
        lane, prepared = self.lane, self.prepared
        rows = curves_of(prepared.plan, prepared.spec.columns, self.repeats, evaluations)
        if self.keeper.keeps and len(rows):
            self.curves.append(rows)
        self.report(Advanced(self.repeats, rows, lane.update, lane.last_update, lane.seconds))

    def _remembered(self) -> Remembered:
        """All that the lane knows now."""
        curves = Curves.concatenate(self.curves)
        self.curves = [curves]
        return Remembered(self.repeats, self.lane.keep(), curves)


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
