"""The repeats of one training on a cluster.

Each repeat is a separate lane. It is sent with its snapshot, if it has one, and returns its events, its last
snapshot and its result.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from epochal.common.faces import call
from epochal.common.metric_names import declare
from epochal.curves import Curves
from epochal.engine.fed import FedLane
from epochal.engine.lane import Lane
from epochal.errors import Refusal
from epochal.training.checkpointer import Saver
from epochal.training.cluster.dispatch import Cluster
from epochal.training.events import Noted
from epochal.training.hosts import together
from epochal.training.loop import Control, Todo, work
from epochal.training.prepared import Prepared
from epochal.training.result import LaneResult
from epochal.training.snapshot import Remembered

__all__ = ["Driver", "cluster_for", "work_there"]


def cluster_for(prepared: Prepared, address: str | None, folder: str | Path | None) -> Cluster | None:
    """The cluster at that address, ready to train; None if there is no address.

    Args:
        prepared: the training.
        address: of the cluster, such as "auto" or "10.0.0.1:6379".
        folder: its run folder, if it has one.

    Raises:
        Refusal: a training that can't go there, no such cluster, or one with other versions.
    """
    if address is None:
        return None
    others = together()
    if not others.alone:
        raise Refusal(
            f"`ray` is for a training of one process, which sends its repeats; {others.count} train together "
            "here. Leave one of both out."
        )
    if prepared.fed:
        raise Refusal(
            "repeats that go to a Ray cluster need the data in memory, to be sent along; got "
            f"{prepared.dataset.source}, which is streamed: give some of its rows, or `stream=False`."
        )
    devices = prepared.settings.devices
    if (devices or 1) > 1:
        raise Refusal(
            f"`devices` must be 1 where repeats go to a Ray cluster, each on one device; got {devices}."
        )
    remedy = "nothing is kept without a run folder"
    if folder is not None:
        remedy = f"{call('ep.resume', str(folder))} goes on with what was kept, on a cluster or without"
    # A copy, since devices that this one may have looked up can't be sent.
    return Cluster(address, replace(prepared), Driver, remedy)


@dataclass(frozen=True, eq=False)
class _Lane:
    """A repeat that is to be trained elsewhere."""

    repeats: range
    known: Remembered | None
    large: bool
    program = "the training"
    count = 1

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return f"repeat {self.repeats.start + 1}"


class _Back(NamedTuple):
    """What comes back of a lane."""

    told: tuple[range, Curves, int, int, float]
    """As a lane tells it here after a call."""
    remembered: Remembered | None
    """Nothing if it has made no update."""
    result: LaneResult


def work_there(
    cluster: Cluster,
    prepared: Prepared,
    control: Control,
    todo: Todo,
    told: queue.SimpleQueue[Any],
    saver: Saver | None,
) -> None:
    """Have the lanes driven on a cluster; runs in a thread of its own, as `work` does."""
    try:
        left = {}
        while not todo.empty():
            repeats, known = todo.get_nowait()
            left[repeats.start] = _Lane(repeats, known, not prepared.small)
        for lane, back in cluster.done(list(left.values()), _packed, lambda: control.stopped):
            if saver is not None and back.remembered is not None:
                saver.take(back.remembered)
            told.put(back.told)
            told.put(replace(back.result, spec=prepared.spec))  # with the model that is here
            del left[lane.repeats.start]
            words = cluster.heard()
            if words:
                told.put(Noted(words))
        for lane in left.values():
            todo.put((lane.repeats, lane.known))
    except BaseException as error:
        told.put(error)
        return
    # What was stopped before it came back has its end here, as it would have had without a cluster.
    work(prepared, control, todo, told, saver, ())


def _packed(lane: _Lane) -> tuple[tuple[range, Remembered | None], Mapping[int, Any]]:
    return (lane.repeats, lane.known), {}


class Driver:
    """What a worker does for a training: it drives lanes to their ends."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        for metric in prepared.spec.metrics:
            if metric.own and metric.greater_is_better is not None:
                declare(metric.name, metric.greater_is_better)

    def do(
        self, packed: tuple[range, Remembered | None], held: Mapping[int, Any], control: Control
    ) -> _Back | None:
        """What comes of a lane; None if it had not begun when the training was asked to stop."""
        if control.stopped:
            return None
        todo: Todo = queue.SimpleQueue()
        todo.put(packed)
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        last = _Last()
        work(self._prepared, control, todo, told, last, ())
        rows = []
        while True:
            news = told.get()
            if isinstance(news, BaseException):
                raise news
            if news is None:
                return None
            if isinstance(news, LaneResult):
                break
            rows.append(news[1])
            repeats, _, *progress = news
        return _Back((repeats, Curves.concatenate(rows), *progress), last.remembered, news)


class _Last:
    """Keeps what a lane remembers at its end, and nothing before."""

    remembered: Remembered | None = None

    def begin(self, lane: Lane | FedLane, repeats: range) -> None:
        """Nothing to do."""

    def most(self, lane: Lane | FedLane, repeats: range) -> int | None:
        """As many updates as it likes."""

    def due(self, lane: Lane | FedLane, repeats: range) -> bool:
        """Never before its end."""
        return False

    def hand_over(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Nothing to do."""

    def end(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Keep it."""
        self.remembered = remembered()
