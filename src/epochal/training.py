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
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Unpack, cast

import jax
import numpy as np

from epochal.conclude import LaneResult, conclude
from epochal.curves import Curves
from epochal.engine.fed import FedLane
from epochal.engine.lane import Evaluation, Lane, Source
from epochal.engine.memory import SHARE, besides, bytes_available, bytes_said, largest
from epochal.errors import DataFailed, Refusal
from epochal.events import Evaluated, Event, Progressed, RepeatEnded, RunEnded, RunStarted
from epochal.plan import Plan
from epochal.prepare import prepare
from epochal.prepared import Prepared
from epochal.run import Run
from epochal.settings import Options, Settings

__all__ = [
    "Control",
    "curves_of",
    "fit",
    "make_lane",
    "micro_batched",
    "train",
]


class Control:
    """Ends a training from outside: `stop()` lets each repeat finish its call and keep what it has."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        """Ask all repeats to end at the next update boundary that the host sees."""
        self._event.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._event.is_set()


def fit(model: Any, data: Any, **options: Unpack[Options]) -> Run:
    """Train `model` on `data` and return the finished `Run`.

    Args:
        model: `MLP(64, 64)`, a Flax NNX module or class, or a pair of functions (init, apply).
        data: a file, "example:NAME", a data frame with its target, `(inputs, targets)`, or a `Dataset`.
        **options: see `Settings`: batch_size, epochs, optimizer, learning_rate, repeats, seed, ...

    Returns:
        The run: curves, verdict, metrics with mean, sd and interval over the repeats, `predict`, `report`.
        Ctrl-C ends the training early and returns what there is, with `run.interrupted` set.

    Raises:
        Refusal: what cannot work, in one sentence, before anything is trained.
        DataFailed: the data can't be read any more and nothing was learned; else the run says so (`failed`).

    >>> from epochal.models import MLP
    >>> run = fit(MLP(8), "example:iris", epochs=60, batch_size=16, learning_rate=0.02, repeats=2)
    >>> run.plan.updates, run.repeats
    (480, 2)
    >>> run.metrics["validation"]["accuracy"].mean > 0.85
    True
    """
    control = Control()
    events = cast(_Events, train(model, data, control=control, **options))
    while True:
        try:
            for event in events:
                if isinstance(event, RunEnded):
                    return event.run
        except KeyboardInterrupt:
            if control.stopped:
                events.close()
                raise
            control.stop()


def train(
    model: Any, data: Any, *, control: Control | None = None, **options: Unpack[Options]
) -> Iterator[Event]:
    """Train and yield events: `RunStarted`, then `Evaluated`, `Progressed`, `RepeatEnded`, last `RunEnded`.

    Takes what `fit` takes. Everything is checked at the call, before the first event is asked for. Closing
    the iterator ends the training.
    """
    prepared = micro_batched(prepare(model, data, Settings.of(options)))
    return _Events(prepared, control or Control())


class _Events(Iterator[Event]):
    """The events of one training. An interrupt while waiting for the next one loses none of them.

    The threads that drive lanes know the queue and the control, not this object: when it is no longer
    wanted, or the process ends, they are told to stop, and do at the end of their call.
    """

    def __init__(self, prepared: Prepared, control: Control) -> None:
        self._prepared, self._control = prepared, control
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: deque[Event] = deque([RunStarted(prepared)])
        self._expected: int | None = None
        self._results: list[LaneResult] = []
        self._curves: list[Curves] = []
        self._done: dict[int, int] = {}
        self._begin = 0.0
        self._ended = False
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
                curves = Curves.concatenate(self._curves)
                run = conclude(self._prepared, self._results, curves, self._control.stopped)
                self._prepared.close()
                self._waiting.append(RunEnded(run))
                self._ended = True
            else:
                self._take(self._queue.get())
        return self._waiting.popleft()

    def close(self) -> None:
        """End the training now."""
        self._ended = True
        self._waiting.clear()
        self._control.stop()
        self._prepared.close()  # first, too: a process that hangs while it reads would hold up its lane
        if self._end is not None:
            self._end()
        self._prepared.close()

    def _start(self) -> None:
        self._begin = time.perf_counter()
        lanes, teams = self._prepared.lanes.repeats, self._prepared.lanes.teams
        todo: queue.SimpleQueue[range] = queue.SimpleQueue()
        for repeats in lanes:
            todo.put(repeats)
        job = (self._prepared, self._control, todo, self._queue)
        threads = [threading.Thread(target=_work, args=(*job, team), daemon=True) for team in teams]
        self._end = weakref.finalize(self, _stop, self._control, threads)
        self._expected = len(lanes)
        for thread in threads:
            thread.start()

    def _take(self, news: Any) -> None:
        """Turn what a lane says into events."""
        if isinstance(news, BaseException):
            self.close()
            raise news
        if news is None:
            assert self._expected is not None
            self._expected -= 1
            return
        if isinstance(news, LaneResult):
            self._results.append(news)
            for outcome in news.outcomes(self._prepared):
                self._waiting.append(RepeatEnded(outcome.repeat, outcome.epochs, outcome.stopped))
            return
        repeats, evaluations, updates, most, seconds = news
        if evaluations:
            rows = curves_of(self._prepared.plan, self._prepared.spec.columns, repeats, evaluations)
            self._curves.append(rows)
            self._waiting.extend(_events_of(rows))
        self._done[repeats.start] = updates * len(repeats)
        clock = time.perf_counter() - self._begin
        count = self._prepared.settings.repeats
        self._waiting.append(Progressed(sum(self._done.values()), most * count, clock, seconds))


def _work(
    prepared: Prepared,
    control: Control,
    todo: queue.SimpleQueue[range],
    told: queue.SimpleQueue[Any],
    devices: tuple[jax.Device, ...],
) -> None:
    """Drive one lane after the other on these devices; runs in a thread of its own."""
    while True:
        try:
            repeats = todo.get_nowait()
        except queue.Empty:
            return
        try:
            told.put(_drive(prepared, control, repeats, told, devices))
        except BaseException as error:
            told.put(error)
            return


def _drive(
    prepared: Prepared,
    control: Control,
    repeats: range,
    told: queue.SimpleQueue[Any],
    devices: tuple[jax.Device, ...],
) -> LaneResult | None:
    """Drive a lane to its end and return what it learned; None if it had not begun when asked to stop."""
    if control.stopped and repeats.start > 0:
        return None
    with closing(make_lane(prepared, repeats, devices=devices)) as lane:
        return _to_its_end(prepared, control, repeats, lane, told)


def _to_its_end(
    prepared: Prepared,
    control: Control,
    repeats: range,
    lane: Lane | FedLane,
    told: queue.SimpleQueue[Any],
) -> LaneResult:
    seconds = [one.seconds for one in prepared.budgets if one.seconds is not None]
    reason, failed = "", ""
    while not lane.done:
        if control.stopped:
            reason = "interrupted"
        elif seconds and lane.seconds >= min(seconds):
            reason = f"the budget of {min(seconds):g} seconds is spent"
        try:
            news = lane.finish() if reason else lane.advance()
        except DataFailed as error:
            if not lane.update:
                raise
            reason = failed = str(error).rstrip(".")
            news = _last_words(lane)
        told.put((repeats, news, lane.update, lane.last_update, lane.seconds))
        if reason:
            break
    reason = reason or lane.ended
    if not reason and lane.update >= lane.last_update < prepared.plan.updates:
        reason = f"the budget of {lane.last_update:,} updates is spent"
    return LaneResult.of(lane, repeats, reason, failed)


def _last_words(lane: Lane | FedLane) -> list[Evaluation]:
    """A last evaluation of what was learned before the data failed, if the data for it can be read."""
    try:
        return lane.finish()
    except DataFailed:
        return []


def _stop(control: Control, threads: Sequence[threading.Thread]) -> None:
    control.stop()
    for thread in threads:
        if thread.is_alive():
            thread.join()


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
) -> Lane | FedLane:
    """A lane for some repeats, compiled and at its first update; `source` holds its samples, if any does."""
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
    }
    if prepared.fed:
        return FedLane(source=prepared.fed_source(repeats[0], devices), **common)
    return Lane(source=prepared.source(repeats, devices) if source is None else source, **common)
