"""Background writing of checkpoints.

Stacks hand over snapshots; one thread writes them. At most one is being written and one is waiting. An error
is raised when the next one is handed over, or at the end.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from epochal.common.option_text import call
from epochal.engine.repeat_stack import BaseRepeatStack
from epochal.engine.spec import Spec
from epochal.errors import SaveFailed
from epochal.runs.checkpoints import CheckpointFile, find
from epochal.runs.run_folder import RunFolder
from epochal.training.events import Checkpointed, CheckpointFailed
from epochal.training.loop import SnapshotSink
from epochal.training.snapshot import Snapshot, checkpoint_file, merged

BLOCKING_SHARE = 0.02
"""The most of the time that saving may block training, with checkpoints by the clock."""

TOGETHER_SECONDS = 0.5
"""How long a checkpoint waits for other stacks."""

SMALL_BYTES = 4 << 20
"""Most bytes of all snapshots together that are written as one file."""


class CheckpointWriter(SnapshotSink):
    """The checkpoints of one training, while it runs; it was resumed from `snapshots`, if any."""

    keeps = True

    def __init__(
        self,
        run_folder: RunFolder,
        spec: Spec,
        snapshots: Iterable[Snapshot],
        on_progress: Callable[[Any], object],
    ) -> None:
        self._checkpoints, self._options = run_folder.checkpoints, run_folder.options
        self._interval = run_folder.options.interval
        self._monitor, self._sign, self._on_progress = spec.monitor, spec.sign, on_progress
        self._latest: dict[int, Snapshot] = {one.repeat_range.start: one for one in snapshots}
        self._files: dict[int, tuple[Snapshot, CheckpointFile]] = {}
        self._marks: dict[int, tuple[int, int | None, float]] = {}
        self._running: set[int] = set()
        self._handed: set[int] = set()
        self._condition = threading.Condition()
        self._waiting = self._ended = False
        self._error: SaveFailed | None = None
        self._taken = time.monotonic()
        self._timed = self._interval.unit == "seconds"
        self._pause = self._interval.count if self._timed else 0.0
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="epochal-save")
        self._thread.start()

    def begin(self, stack: BaseRepeatStack, repeat_range: range) -> None:
        with self._condition:
            self._running.add(repeat_range.start)
        self._mark(stack, repeat_range)

    def _mark(self, stack: BaseRepeatStack, repeat_range: range) -> None:
        """Note where a stack is, and after which update its next snapshot is due, unless by the clock."""
        most = self.max_updates(stack)
        following = None if most is None else stack.update + most
        self._marks[repeat_range.start] = (stack.update, following, time.monotonic())

    def max_updates(self, stack: BaseRepeatStack) -> int | None:
        count, unit = int(self._interval.count), self._interval.unit
        if unit == "seconds":
            return None
        per = 1 if unit == "updates" else stack.per_epoch
        if per is not None:
            return count * per - stack.update % (count * per)
        plan = stack.plan
        epoch = plan.locate(stack.update)[0] if stack.update < plan.updates else plan.epochs
        following = (epoch // count + 1) * count
        return plan.first_update(following) - stack.update if following <= plan.epochs else None

    def due(self, stack: BaseRepeatStack, repeat_range: range) -> bool:
        update, following, at = self._marks[repeat_range.start]
        if self._timed:
            return stack.update != update and time.monotonic() - at >= self._pause
        return following is not None and stack.update >= following

    def hand_over(
        self, stack: BaseRepeatStack, repeat_range: range, snapshot: Callable[[], Snapshot]
    ) -> None:
        """Save a snapshot in the background."""
        begin = time.monotonic()
        one = snapshot()
        with self._condition:
            self._raise()
            # By the clock, a newer snapshot replaces a waiting one; otherwise each one is written.
            while self._waiting and not self._timed and self._error is None:
                self._condition.wait()
            self._latest[repeat_range.start] = one
            self._handed.add(repeat_range.start)
            self._waiting = True
            self._condition.notify_all()
        if self._timed:
            self._pause = max(self._interval.count, (time.monotonic() - begin) / BLOCKING_SHARE)
        self._mark(stack, repeat_range)

    def end(self, repeat_range: range, snapshot: Callable[[], Snapshot]) -> None:
        one = snapshot()
        with self._condition:
            self._latest[repeat_range.start] = one
            self._running.discard(repeat_range.start)
            self._condition.notify_all()

    def take(self, one: Snapshot) -> None:
        """Save the final snapshot of a stack that was trained elsewhere: by the clock, or at once."""
        now = time.monotonic()
        with self._condition:
            self._raise()
            self._latest[one.repeat_range.start] = one
            if not self._timed or now - self._taken >= self._pause:
                self._waiting, self._taken = True, now
                self._condition.notify_all()

    def close(self) -> None:
        """Write a last checkpoint of all snapshots, and wait for it; `SaveFailed` if it can't be written."""
        if self._thread.is_alive():
            with self._condition:
                self._waiting = self._waiting or bool(self._latest)
                self._running.clear()
                self._ended = True
                self._error = None  # the last attempt counts
                self._condition.notify_all()
            self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None and (self._options.on_checkpoint_error == "stop" or self._ended):
            raise self._error

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                if self._timed:
                    # Stacks that began together are due about together: one checkpoint for all of them.
                    self._condition.wait_for(lambda: self._running <= self._handed, TOGETHER_SECONDS)
                latest = dict(self._latest)
                self._handed.clear()
                self._waiting = False
                self._condition.notify_all()
            self._write(latest)

    def _write(self, latest: Mapping[int, Snapshot]) -> None:
        begin = time.monotonic()
        updates = sum(one.updates for one in latest.values())
        try:
            self._checkpoints.save(updates, self._as_files(latest), self._value(latest))
        except Exception as error:  # stacks wait for this thread, so any error is reported
            if isinstance(error, SaveFailed):
                words = error.sentence
            else:  # another reason than the disk, such as memory
                what = " ".join(str(error).split()).rstrip(".")
                why = ": ".join(filter(None, (type(error).__name__, what)))
                words = f"checkpoint {updates} can't be made: {why}; {self._checkpoints.left}."
            hint = ""
            if find(self._checkpoints.folder):
                hint = f" {call('ep.resume', str(self._options.path))} goes on from the last."
            with self._condition:
                self._error = SaveFailed(words + hint)
                self._error.__cause__ = error
                self._condition.notify_all()
            self._on_progress(CheckpointFailed(updates, words.rstrip(".")))
            return
        with self._condition:
            self._error = None
        self._on_progress(Checkpointed(updates, time.monotonic() - begin))

    def _as_files(self, latest: Mapping[int, Snapshot]) -> list[CheckpointFile]:
        for start, one in latest.items():
            if start not in self._files or self._files[start][0] is not one:
                self._files[start] = (one, checkpoint_file(one))
        files = [self._files[start][1] for start in sorted(latest)]
        size = sum(tensor.nbytes for file in files for tensor in file.tensors.values())
        return [merged(files)] if size <= SMALL_BYTES and len(files) > 1 else files

    def _value(self, latest: Mapping[int, Snapshot]) -> float | None:
        """The mean over repeats of the last monitored value; lower is better."""
        found = [
            float(own.columns[self._monitor][-1])
            for one in latest.values()
            for repeat in one.repeat_range
            if len(own := one.curves.of(repeat))
        ]
        value = self._sign * sum(found) / len(found) if found else math.nan
        return value if math.isfinite(value) else None
