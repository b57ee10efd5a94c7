"""The repeats of a training, in threads of this machine, or each as a task on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from epochal.common.metric_names import declare
from epochal.common.option_text import call
from epochal.curves import Curves
from epochal.errors import Refusal
from epochal.training.events import ClusterNote
from epochal.training.executor import RayCluster, Threads, WorkItem
from epochal.training.loop import SnapshotSink, StackProgress, StopSignal, train_stack
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.result import StackResult
from epochal.training.snapshot import Snapshot


def train_repeats(
    prepared: Prepared,
    stop_signal: StopSignal,
    on_progress: Callable[[Any], object],
    sink: SnapshotSink,
    repeat_ranges: Sequence[range],
    snapshots: dict[int, Snapshot],
    cluster: RayCluster | None,
) -> None:
    """Train stacks of repeats, on this machine or a cluster; runs in a thread of its own.

    `on_progress` is called with what stacks report (`StackProgress`), their results (`StackResult`) and
    `ClusterNote` events, and at the end with None or an error. `snapshots`: keyed by the stack's first
    repeat; entries are removed as used.
    """
    large = cluster is not None and not prepared.small and jax.default_backend() == "cpu"
    work_items = [
        WorkItem(repeat_range, f"repeat {repeat_range.start + 1}", large=large)
        for repeat_range in repeat_ranges
    ]

    def trained(
        repeat_range: range, devices: tuple[jax.Device, ...], stopped: Callable[[], bool]
    ) -> StackResult | None:
        try:
            return train_stack(
                prepared,
                stop_signal,
                on_progress,
                sink,
                repeat_range,
                snapshots.pop(repeat_range.start, None),
                devices,
                stopped,
            )
        except BaseException as error:
            on_progress(error)  # at once: another stack may hang until somebody closes what it reads
            raise

    try:
        if cluster is not None:
            for work_item, (advanced, snapshot, result) in cluster.map_unordered(work_items):
                work_items.remove(work_item)
                if snapshot is not None:
                    sink.take(snapshot)
                on_progress(advanced)
                on_progress(result)
                if words := cluster.news():
                    on_progress(ClusterNote(words))
        # Repeats that stopped on the cluster are finished here, as in a local run.
        for _, result in Threads(trained, prepared.stacks.device_groups).map_unordered(work_items):
            on_progress(result)
        on_progress(None)
    except BaseException as error:
        on_progress(error)


def cluster_for(
    prepared: Prepared,
    address: str | None,
    folder: str | Path | None,
    stop_signal: StopSignal,
    resources: ExitStack,
    snapshots: Mapping[int, Snapshot] | None = None,
) -> RayCluster | None:
    """The Ray cluster at that address, ready to train repeats; None if there is no address.

    `resources` close the cluster; `snapshots` are by repeat. A training that can't go there is refused.
    """
    if address is None:
        return None
    if not process_group().alone:
        raise Refusal(
            f"`ray` is for a training of one process, which sends its repeats; {process_group().count} train "
            "together here. Leave one of both out."
        )
    if prepared.streamed:
        raise Refusal(
            "repeats that go to a Ray cluster need the data in memory, to be sent along; got "
            f"{prepared.dataset.source}, which is streamed: give some of its rows, or `stream=False`."
        )
    if (devices := prepared.settings.devices or 1) > 1:
        raise Refusal(
            f"`devices` must be 1 where repeats go to a Ray cluster, each on one device; got {devices}."
        )
    remedy = "nothing is kept without a run folder"
    if folder is not None:
        remedy = f"{call('ep.resume', str(folder))} goes on with what was kept, on a cluster or without"
    given = dict(snapshots or {})
    cluster = RayCluster(
        address,
        _trainer,
        replace(prepared),  # a copy, since devices that this one may have looked up can't be sent
        lambda repeat_range, put: (repeat_range, given.get(repeat_range.start)),
        lambda: stop_signal.stopped,
        remedy,
    )
    resources.callback(cluster.close)
    return cluster


_Returned = tuple[StackProgress, Snapshot | None, StackResult]
"""All that a stack reported, as one; its snapshot, if it has made an update; its result."""


def _trainer(prepared: Prepared) -> Callable[..., _Returned | None]:
    """The function with which a worker trains stacks."""
    for metric in prepared.spec.metrics:
        if metric.custom and metric.greater_is_better is not None:
            declare(metric.name, metric.greater_is_better)

    def trained(
        work: tuple[range, Snapshot | None], devices: tuple[jax.Device, ...], stopped: Callable[[], bool]
    ) -> _Returned | None:
        repeat_range, snapshot = work
        reports, last = list[StackProgress](), _Last()
        result = train_stack(
            prepared, StopSignal(), reports.append, last, repeat_range, snapshot, devices, stopped
        )
        if result is None:
            return None
        rows = Curves.concatenate([one.curves for one in reports])
        return reports[-1]._replace(curves=rows), last.snapshot, result

    return trained


class _Last(SnapshotSink):
    keeps = True
    snapshot: Snapshot | None = None

    def end(self, repeat_range: range, snapshot: Callable[[], Snapshot]) -> None:
        self.snapshot = snapshot()
