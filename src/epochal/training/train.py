"""`train`, which yields the events of a training, and `fit`, which drains them."""

from __future__ import annotations

import atexit
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from epochal.common.option_text import register_call
from epochal.common.waiting import INTERRUPT_TIMEOUT, join_all
from epochal.curves import Curves
from epochal.data import source_from_xy, y_or_target
from epochal.errors import Refusal, SaveFailed
from epochal.models import check_model
from epochal.runs import Run, refuse_existing
from epochal.runs.run_folder import RunFolder, SaveOptions
from epochal.settings import Options
from epochal.training.agreement import INTERRUPTED, same_micro_batch, start_together
from epochal.training.checkpointer import CheckpointWriter
from epochal.training.events import (
    Checkpointed,
    CheckpointFailed,
    ClusterNote,
    Event,
    Progressed,
    RepeatEnded,
    Resumed,
    RunEnded,
    RunStarted,
    evaluations,
)
from epochal.training.executor import RayCluster
from epochal.training.loop import SnapshotSink, StackProgress, StopSignal, micro_batched
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.progress import Display, EventPrinter, display
from epochal.training.repeats import cluster_for, train_repeats
from epochal.training.request import request_json
from epochal.training.result import StackResult, conclude
from epochal.training.resume_fingerprint import resume_fingerprint
from epochal.training.signatures import settings_of, takes_options
from epochal.training.snapshot import Snapshot, regroup


@register_call("ep.fit")
@takes_options()
def fit(
    model: Any,
    data: Any = None,
    y: Any = None,
    *,
    target: str | int | None = None,
    sample_weight: Any = None,
    progress: bool | None = None,
    out: str | Path | SaveOptions | None = None,
    ray: str | None = None,
    **options: Unpack[Options],
) -> Run:
    """Train `model` on `data` and return the finished `Run`.

    Args:
        model: `MLP(64, 64)`, a Flax NNX module or class, or a pair of functions (init, apply).
        data: the inputs X: an array (n, ...), a list of rows, or a data frame; or inputs and targets:
            a file, "example:NAME", a data frame with its target, `(X, y)`, or a `Dataset`.
        y: the targets: an array, list or Series with one per sample; or, if `data` is a file or a
            data frame, the name of their column.
        target: also the name of that column: `target="price"` is `y="price"`.
        sample_weight: sample weights, likewise.
        progress: whether to show how the data was read and the progress: in a notebook below
            the cell, else on stderr. By default in notebooks and terminals; False is silent (notes are in
            `run.notes`).
        out: a new run folder. Checkpoints are written there
            every 60 seconds (see `SaveOptions`), and `resume` continues after an interruption.
        ray: the address of a Ray cluster for the repeats, such as "auto" or "10.0.0.1:6379";
            the results are the same as here.
        **options: those of a training, by name:

    Returns:
        The run: curves, verdict, metrics with mean, sd and interval over the repeats, `predict`, `report`.
        Ctrl-C ends the training early and returns the results so far, with `run.interrupted` set.

    Raises:
        Refusal: what cannot work, in one sentence, before anything is trained.
        DataFailed: the data became unreadable and nothing was learned; otherwise see `run.failed`.
        SaveFailed: a checkpoint or the run can't be written; earlier ones are intact. If training
            had finished, the error's `run` has the result.
        ProcessLost: no worker is left on the cluster; finished repeats are saved if `out` is given.

    >>> from epochal.models import MLP
    >>> run = fit(MLP(8), "example:iris", epochs=60, batch_size=16, learning_rate=0.02, repeats=2)
    >>> run.plan.updates, run.repeats
    (480, 2)
    >>> run.metrics["validation"]["accuracy"].mean > 0.85
    True
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, [0.5, 1.0, 4.0, 9.0] * 10
    >>> fit(MLP(4), X, y, epochs=2).task.kind
    'regression'
    """
    stop_signal, shown = StopSignal(), display(progress)
    y = y_or_target(y, target)
    events = train(
        model, data, y, sample_weight=sample_weight, stop_signal=stop_signal, out=out, ray=ray, **options
    )
    return run_to_end(events, stop_signal, shown)


def run_to_end(events: Events, stop_signal: StopSignal, shown: Display | None = None) -> Run:
    """Read the events up to the last, and return its run; Ctrl-C stops it early, a second one leaves."""
    printer = None if shown is None else EventPrinter(shown, stop_signal)
    ended: RunEnded | None = None
    try:
        while ended is None:
            try:
                for event in events:
                    if isinstance(event, RunEnded):
                        ended = event
                    if printer is not None:
                        printer.take(event)
            except KeyboardInterrupt:
                if stop_signal.stopped:
                    events.close_within_timeout()
                    raise
                stop_signal.stop()
    finally:
        if printer is not None:
            printer.close()
    if ended.save_error:
        raise SaveFailed(ended.save_error, ended.run)
    return ended.run


@takes_options()
def train(
    model: Any,
    data: Any = None,
    y: Any = None,
    *,
    target: str | int | None = None,
    sample_weight: Any = None,
    stop_signal: StopSignal | None = None,
    out: str | Path | SaveOptions | None = None,
    ray: str | None = None,
    **options: Unpack[Options],
) -> Events:
    """Train and yield events: `RunStarted`, then `Evaluated`, `Progressed`, `RepeatEnded`, last `RunEnded`.

    Takes the arguments of `fit`; with `out` there are `Checkpointed`, with `ray` there may be `ClusterNote`.
    All is checked at the call, before the first event. Closing the iterator ends the training.

    Args:
        model: as in `fit`.
        data: as in `fit`.
        y: as in `fit`.
        target: as in `fit`.
        sample_weight: as in `fit`.
        stop_signal: stops it (`StopSignal.stop`).
        out: as in `fit`.
        ray: as in `fit`.
        **options: those of a training, by name:
    """
    y = y_or_target(y, target)
    saving = None if out is None else out if isinstance(out, SaveOptions) else SaveOptions(out)

    def settled() -> Prepared:
        if saving is not None and process_group().is_main_process:
            refuse_existing(saving.path)
        check_model(model, data)
        settings = settings_of(options, ("sample_weight", "out", "ray", "progress"))
        reading = {"task": settings.task, "stream": settings.stream, "workers": settings.workers}
        return micro_batched(prepare(model, source_from_xy(data, y, sample_weight, **reading), settings))

    prepared = same_micro_batch(process_group().run_on_all("whether it can be trained", settled))

    def begin() -> RunFolder | None:
        if saving is None:
            return None
        return RunFolder.begin(saving, request_json(prepared), resume_fingerprint(prepared))

    folder = None if saving is None else Path(saving.path)
    stop_signal = stop_signal or StopSignal()
    with ExitStack() as resources:
        cluster = cluster_for(prepared, ray, folder, stop_signal, resources)
        run_folder = start_together(prepared, begin, folder)
        if run_folder is not None:
            resources.callback(run_folder.close)
        resources = resources.pop_all()
    return Events(prepared, stop_signal, resources, run_folder, cluster)


class Events(Iterator[Event]):
    """The events of one training. An interrupt while waiting loses none of them.

    The threads of stacks reference the queue and the stop signal, not this object: when it is garbage-
    collected, or the process ends, they are stopped at the end of their call.
    """

    def __init__(
        self,
        prepared: Prepared,
        stop_signal: StopSignal,
        resources: ExitStack,
        run_folder: RunFolder | None = None,
        cluster: RayCluster | None = None,
        snapshots: Mapping[int, Snapshot] | None = None,
        resumed: Resumed | None = None,
    ) -> None:
        self._prepared, self._stop_signal, self._cluster = prepared, stop_signal, cluster
        self._run_folder, self._snapshots = run_folder, dict(snapshots or {})
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting: deque[Event] = deque([RunStarted(prepared)])
        if resumed is not None:
            self._waiting.append(resumed)
        self._started = self._trained = self._ended = False
        self._results: list[StackResult] = []
        self._curves: list[Curves] = [one.curves for one in self._snapshots.values()]
        self._done: dict[int, int] = {repeat: one.updates for repeat, one in self._snapshots.items()}
        self._begin = 0.0
        self._writer: CheckpointWriter | None = None
        self._resources = resources
        # What the threads have learned is saved, if the training has a folder.
        self._end = weakref.finalize(self, resources.close)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        while not self._waiting:
            if self._ended:
                raise StopIteration
            if not self._started:
                self._start()
            elif self._trained:
                # Nothing is taken from the queue here, so interrupts are safe.
                self._waiting.append(self._conclude())
                self._ended = True
            else:
                self._take(self._queue.get())
        return self._waiting.popleft()

    def _conclude(self) -> RunEnded:
        save_error = ""
        try:
            if self._writer is not None:
                self._writer.close()
        except SaveFailed as error:
            save_error = error.sentence
        while not self._queue.empty():
            self._take(self._queue.get())  # the last checkpoints
        curves = Curves.concatenate(self._curves)
        started = sum(len(result.repeat_range) for result in self._results)
        stopped = any(result.reason == INTERRUPTED for result in self._results)  # or none, at the last moment
        interrupted = stopped or started < self._prepared.settings.repeats
        run = conclude(self._prepared, self._results, curves, interrupted)
        self._prepared.close()
        if self._cluster is not None:
            run = replace(run, environment=run.environment | {"trained_on": self._cluster.summary()})
            self._cluster.close()
        if self._run_folder is not None:
            try:
                run = self._run_folder.publish(run)
            except (Refusal, SaveFailed) as error:
                save_error = save_error or error.sentence
            self._run_folder.close()
        return RunEnded(run, save_error)

    def close(self) -> None:
        """End the training now, and wait for its threads."""
        self._ended = True
        self._waiting.clear()
        self._stop_signal.stop()
        self._prepared.close()  # first: a process that hangs while reading would block its stack
        self._end()
        self._prepared.close()

    def close_within_timeout(self) -> None:
        """As `close`, but wait for a device call that hangs only `INTERRUPT_TIMEOUT`; checkpoints stay."""
        closing = threading.Thread(target=self.close, daemon=True)
        closing.start()
        if not join_all([closing], INTERRUPT_TIMEOUT) and self._run_folder is not None:
            atexit.register(self._run_folder.close)

    def close_without_waiting(self) -> None:
        """As `close`, but wait for nothing: checkpoints stay, and a folder without any is removed."""
        self._end.detach()  # first: otherwise garbage collection of this object waits for its threads
        self._stop_signal.stop()
        if self._run_folder is not None:
            self._run_folder.close()

    def _start(self) -> None:
        self._begin = time.perf_counter()
        prepared, stop_signal, on_progress = self._prepared, self._stop_signal, self._queue.put
        repeat_ranges, cluster = prepared.stacks.repeat_ranges, self._cluster
        if cluster is not None:
            repeat_ranges = tuple(range(one, one + 1) for one in range(prepared.settings.repeats))
        stacks = [stack for one in repeat_ranges for stack in regroup(self._snapshots, one)]
        snapshots = {stack.start: one for stack, one in stacks if one is not None}
        self._snapshots = {}  # a resumed stack no longer needs it, and it may be large
        sink = SnapshotSink()
        if self._run_folder is not None:
            kept = snapshots.values()
            sink = self._writer = CheckpointWriter(self._run_folder, prepared.spec, kept, on_progress)
            self._resources.enter_context(suppress(SaveFailed))
            self._resources.callback(self._writer.close)
        job = (prepared, stop_signal, on_progress, sink, [stack for stack, _ in stacks], snapshots, cluster)
        thread = threading.Thread(target=train_repeats, args=job, daemon=True)
        self._resources.callback(join_all, [thread])
        self._resources.callback(stop_signal.stop)
        self._started = True
        thread.start()

    def _take(self, news: Any) -> None:
        match news:
            case BaseException():
                self.close()
                raise news
            case None:
                self._trained = True
            case Checkpointed() | CheckpointFailed() | ClusterNote():
                self._waiting.append(news)
            case StackResult():
                self._results.append(news)
                for one in news.outcomes(self._prepared):
                    self._waiting.append(RepeatEnded(one.repeat, one.epochs, one.stopped))
            case StackProgress(repeat_range, rows, updates, most, seconds):
                if len(rows):
                    self._curves.append(rows)
                    self._waiting.extend(evaluations(rows))
                self._done |= dict.fromkeys(repeat_range, updates)
                clock, most = time.perf_counter() - self._begin, most * self._prepared.settings.repeats
                self._waiting.append(Progressed(sum(self._done.values()), most, clock, seconds))
