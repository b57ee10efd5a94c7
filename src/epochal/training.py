"""How is a network trained?

    for event in train(MLP(64, 64), (X, y), batch_size=32, epochs=150): ...

`train` is the one loop. It settles everything (`prepare`), sends the repeats out in lanes, each a compiled
program (`engine`), hands on what they tell as events, and closes with a `Run`. Leave the loop to stop.
`fit` drains it.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast

import jax
import numpy as np

from epochal.agreed import INTERRUPTED, Call, agreed_call, begun, same_micro_batch
from epochal.asked import document, identity
from epochal.conclude import LaneResult, conclude
from epochal.curves import Curves
from epochal.engine.fed import FedLane
from epochal.engine.lane import Evaluation, Lane, Source
from epochal.engine.memory import SHARE, besides, bytes_available, bytes_said, largest
from epochal.engine.state import Kept
from epochal.errors import DataFailed, Refusal, SaveFailed
from epochal.events import (
    Checkpointed,
    Evaluated,
    Event,
    Progressed,
    RepeatEnded,
    Resumed,
    RunEnded,
    RunStarted,
    Unsaved,
)
from epochal.hosts import together
from epochal.plan import Plan
from epochal.prepare import prepare
from epochal.prepared import Prepared
from epochal.remembered import Remembered, in_step
from epochal.run import Run, refuse_existing
from epochal.run.home import Home
from epochal.run.place import RunFolder
from epochal.saving import Saver
from epochal.settings import Options, Settings

__all__ = [
    "Control",
    "Events",
    "curves_of",
    "drained",
    "fit",
    "make_lane",
    "micro_batched",
    "train",
]


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


def fit(
    model: Any, data: Any, *, out: str | Path | RunFolder | None = None, **options: Unpack[Options]
) -> Run:
    """Train `model` on `data` and return the finished `Run`.

    Args:
        model: `MLP(64, 64)`, a Flax NNX module or class, or a pair of functions (init, apply).
        data: a file, "example:NAME", a data frame with its target, `(inputs, targets)`, or a `Dataset`.
        out: a new run folder. The training lives there from its first moment on: what was learned is kept
            every 60 seconds (`RunFolder` says it otherwise), and `resume` goes on after whatever happened.
        **options: see `Settings`: batch_size, epochs, optimizer, learning_rate, repeats, seed, ...

    Returns:
        The run: curves, verdict, metrics with mean, sd and interval over the repeats, `predict`, `report`.
        Ctrl-C ends the training early and returns what there is, with `run.interrupted` set.

    Raises:
        Refusal: what cannot work, in one sentence, before anything is trained.
        DataFailed: the data can't be read any more and nothing was learned; else the run says so (`failed`).
        SaveFailed: a checkpoint or the run can't be written; what was kept before is intact.

    >>> from epochal.models import MLP
    >>> run = fit(MLP(8), "example:iris", epochs=60, batch_size=16, learning_rate=0.02, repeats=2)
    >>> run.plan.updates, run.repeats
    (480, 2)
    >>> run.metrics["validation"]["accuracy"].mean > 0.85
    True
    """
    control = Control()
    return drained(train(model, data, control=control, out=out, **options), control)


def drained(events: Events, control: Control) -> Run:
    """The run at the end of the events; Ctrl-C ends it early, a second one leaves."""
    while True:
        try:
            for event in events:
                if isinstance(event, RunEnded):
                    if event.unsaved:
                        raise SaveFailed(event.unsaved)
                    return event.run
        except KeyboardInterrupt:
            if control.stopped:
                events.close()
                raise
            control.stop()


def train(
    model: Any,
    data: Any,
    *,
    control: Control | None = None,
    out: str | Path | RunFolder | None = None,
    **options: Unpack[Options],
) -> Events:
    """Train and yield events: `RunStarted`, then `Evaluated`, `Progressed`, `RepeatEnded`, last `RunEnded`.

    Takes what `fit` takes; with `out` there are `Checkpointed`, too. Everything is checked at the call,
    before the first event is asked for. Closing the iterator ends the training.
    """
    place = None if out is None else out if isinstance(out, RunFolder) else RunFolder(out)
    if place is not None and together().leads:
        refuse_existing(place.path)
    prepared = same_micro_batch(micro_batched(prepare(model, data, Settings.of(options))))

    def begin() -> Home | None:
        return None if place is None else Home.begin(place, document(prepared), identity(prepared))

    home = begun(prepared, begin, None if place is None else Path(place.path))
    return Events(prepared, control or Control(), home)


class Events(Iterator[Event]):
    """The events of one training. An interrupt while waiting for the next one loses none of them.

    The threads that drive lanes know the queue and the control, not this object: when it is no longer
    wanted, or the process ends, they are told to stop, and do at the end of their call.
    """

    def __init__(
        self,
        prepared: Prepared,
        control: Control,
        home: Home | None = None,
        known: Mapping[int, Remembered] | None = None,
        resumed: Resumed | None = None,
    ) -> None:
        self._prepared, self._control, self._home = prepared, control, home
        self._known = known or {}
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: deque[Event] = deque([RunStarted(prepared)])
        if resumed is not None:
            self._waiting.append(resumed)
        self._expected: int | None = None
        self._results: list[LaneResult] = []
        self._curves: list[Curves] = [one.curves for one in self._known.values()]
        self._done: dict[int, int] = {repeat: one.updates for repeat, one in self._known.items()}
        self._begin = 0.0
        self._ended = False
        self._saver: Saver | None = None
        self._end: Any = None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while not self._waiting:
            if self._ended:
                raise StopIteration
            if self._expected is None:
                self._start()
            elif len(self._results) == self._expected:
                # Nothing is taken from the queue here, so an interrupt may come again and again.
                self._waiting.append(self._conclude())
                self._ended = True
            else:
                self._take(self._queue.get())
        return self._waiting.popleft()

    def _conclude(self) -> RunEnded:
        """What the lanes have learned as a run, in its folder if it has one."""
        unsaved = ""
        try:
            if self._saver is not None:
                self._saver.close()
        except SaveFailed as error:
            unsaved = str(error)
        while not self._queue.empty():
            self._take(self._queue.get())  # the last checkpoints
        curves = Curves.concatenate(self._curves)
        run = conclude(self._prepared, self._results, curves, self._control.stopped)
        self._prepared.close()
        if self._home is not None:
            try:
                run = self._home.publish(run)
            except (Refusal, SaveFailed) as error:
                unsaved = unsaved or str(error)
            self._home.close()
        return RunEnded(run, unsaved)

    def close(self) -> None:
        """End the training now."""
        self._ended = True
        self._waiting.clear()
        self._control.stop()
        self._prepared.close()  # first, too: a process that hangs while it reads would hold up its lane
        if self._end is not None:
            self._end()
        elif self._home is not None:
            self._home.close()
        self._prepared.close()

    def abandon(self) -> None:
        """Leave at once: what was kept stays, and a folder in which nothing was goes."""
        self._control.stop()
        if self._home is not None:
            self._home.close()

    def _start(self) -> None:
        self._begin = time.perf_counter()
        repeats, teams = self._prepared.lanes.repeats, self._prepared.lanes.teams
        lanes = [lane for group in repeats for lane in in_step(self._known, group)]
        if self._home is not None:
            known = [one for _, one in lanes if one is not None]
            spec, told = self._prepared.spec, self._queue
            self._saver = Saver(
                self._home.checkpoints,
                self._home.place,
                spec,
                known,
                lambda updates, what: told.put(
                    Unsaved(updates, what) if isinstance(what, str) else Checkpointed(updates, what)
                ),
            )
        todo: queue.SimpleQueue[tuple[range, Remembered | None]] = queue.SimpleQueue()
        for lane in lanes:
            todo.put(lane)
        job = (self._prepared, self._control, todo, self._queue, self._saver)
        threads = [threading.Thread(target=_work, args=(*job, team), daemon=True) for team in teams]
        self._end = weakref.finalize(self, _stop, self._control, threads, self._saver, self._home)
        self._expected = len(lanes)
        for thread in threads:
            thread.start()

    def _take(self, news: Any) -> None:
        """Turn what a lane says into events."""
        if isinstance(news, BaseException):
            self.close()
            raise news
        if isinstance(news, Checkpointed | Unsaved):
            self._waiting.append(news)
            return
        if news is None:
            assert self._expected is not None
            self._expected -= 1
            return
        if isinstance(news, LaneResult):
            self._results.append(news)
            for outcome in news.outcomes(self._prepared):
                self._waiting.append(RepeatEnded(outcome.repeat, outcome.epochs, outcome.stopped))
            return
        repeats, rows, updates, most, seconds = news
        if len(rows):
            self._curves.append(rows)
            self._waiting.extend(_events_of(rows))
        self._done[repeats.start] = updates * len(repeats)
        clock = time.perf_counter() - self._begin
        count = self._prepared.settings.repeats
        self._waiting.append(Progressed(sum(self._done.values()), most * count, clock, seconds))


def _work(
    prepared: Prepared,
    control: Control,
    todo: queue.SimpleQueue[tuple[range, Remembered | None]],
    told: queue.SimpleQueue[Any],
    saver: Saver | None,
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
            kept = None if known is None else known.kept
            with closing(make_lane(prepared, repeats, devices=devices, kept=kept)) as lane:
                told.put(_Drive(prepared, control, repeats, lane, told, saver, known).to_its_end())
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
        saver: Saver | None,
        known: Remembered | None,
    ) -> None:
        self._prepared, self._control, self._repeats, self._lane = prepared, control, repeats, lane
        self._told, self._saver = told, saver
        self._curves = [] if known is None else [known.curves]
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
                reason = failed = str(error).rstrip(".")
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


def _stop(
    control: Control, threads: Sequence[threading.Thread], saver: Saver | None, home: Home | None
) -> None:
    """End the threads; what they have learned is kept, if the training has a folder."""
    control.stop()
    for thread in threads:
        if thread.is_alive():
            thread.join()
    if saver is not None:
        with suppress(SaveFailed):
            saver.close()
    if home is not None:
        home.close()


def _events_of(rows: Curves) -> Iterator[Evaluated]:
    names = list(rows.columns)
    figures = zip(*(column.tolist() for column in rows.columns.values()), strict=True)
    coordinates = (rows.repeat, rows.epoch, rows.update, rows.samples, rows.seconds)
    at = zip(*(column.tolist() for column in coordinates), strict=True)
    for (repeat, epoch, update, samples, seconds), found in zip(at, figures, strict=True):
        yield Evaluated(repeat, epoch, update, samples, seconds, dict(zip(names, found, strict=True)))


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
    repeats, team, workers = lanes.repeats[0], lanes.teams[0], lanes.at_once
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
