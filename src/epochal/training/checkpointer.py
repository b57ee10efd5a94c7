"""Background writing of checkpoints.

Lanes hand over snapshots; one thread writes them. At most one is being written and one is waiting. An error
is raised when the next one is handed over, or at the end.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from epochal.common.faces import call
from epochal.engine.fed import FedLane
from epochal.engine.lane import Lane
from epochal.engine.spec import Spec
from epochal.errors import SaveFailed
from epochal.runs.checkpoints import Checkpoints, Piece, find
from epochal.runs.home import RunFolder
from epochal.training.loop import Keeper
from epochal.training.snapshot import Remembered, merged, piece_of

SHARE = 0.02
"""The most of the time that saving may block training, with checkpoints by the clock."""

TOGETHER_SECONDS = 0.5
"""How long a checkpoint waits for other lanes."""

SMALL_BYTES = 4 << 20
"""Most bytes of all snapshots together that are written as one file."""


class Saver(Keeper):
    """The checkpoints of one training, while it runs.

    Args:
        checkpoints: the folder of checkpoints.
        place: how often, and what to do on failure.
        spec: of the training.
        known: snapshots of repeats from which the training was resumed.
        told: called with (updates, seconds), or with the reason of a failure.
    """

    keeps = True

    def __init__(
        self,
        checkpoints: Checkpoints,
        place: RunFolder,
        spec: Spec,
        known: Iterable[Remembered] = (),
        told: Callable[[int, float | str], object] = lambda updates, what: None,
    ) -> None:
        self._checkpoints, self._place, self._rhythm = checkpoints, place, place.rhythm
        self._monitor, self._sign, self._told = spec.monitor, spec.sign, told
        self._latest: dict[int, Remembered] = {one.repeats.start: one for one in known}
        self._pieces: dict[int, tuple[Remembered, Piece]] = {}
        self._before: dict[int, tuple[int, float]] = {}
        self._running: set[int] = set()
        self._handed: set[int] = set()
        self._condition = threading.Condition()
        self._waiting = self._writing = self._ended = False
        self._error: SaveFailed | None = None
        self._taken = time.monotonic()
        self._pause = self._rhythm.count if self._rhythm.unit == "seconds" else 0.0
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="epochal-save")
        self._thread.start()

    def begin(self, lane: Lane | FedLane, repeats: range) -> None:
        """A lane begins or resumes."""
        with self._condition:
            self._before[repeats.start] = (lane.update, time.monotonic())
            self._running.add(repeats.start)

    def most(self, lane: Lane | FedLane, repeats: range) -> int | None:
        """Most updates until the next snapshot; None if by the clock."""
        count, unit = int(self._rhythm.count), self._rhythm.unit
        if unit == "seconds":
            return None
        if unit == "updates":
            return count - lane.update % count
        per = lane.per_epoch
        if per is not None:
            return count * per - lane.update % (count * per)
        epoch = lane.plan.locate(lane.update)[0] if lane.update < lane.plan.updates else lane.plan.epochs
        following = min((epoch // count + 1) * count, lane.plan.epochs)
        return max(1, lane.plan.first_update(following) - lane.update) if following > epoch else 1

    def due(self, lane: Lane | FedLane, repeats: range) -> bool:
        """Whether a snapshot is due."""
        update, at = self._before[repeats.start]
        if lane.update == update:
            return False
        if self._rhythm.unit == "seconds":
            return time.monotonic() - at >= self._pause
        if self._rhythm.unit == "updates":
            return lane.update % int(self._rhythm.count) == 0
        per, count = lane.per_epoch, int(self._rhythm.count)
        if per is not None:
            return lane.update % (count * per) == 0
        position = lane.progress.position
        return int(position.index) == 0 and int(position.epoch) % count == 0

    def hand_over(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """Save a snapshot in the background."""
        begin = time.monotonic()
        one = remembered()
        timed = self._rhythm.unit == "seconds"
        with self._condition:
            self._raise()
            # By the clock, a newer snapshot replaces a waiting one; otherwise each one is written.
            while self._waiting and not timed and self._error is None:
                self._condition.wait()
            self._latest[repeats.start] = one
            self._handed.add(repeats.start)
            self._waiting = True
            self._condition.notify_all()
        now = time.monotonic()
        if timed:
            self._pause = max(self._rhythm.count, (now - begin) / SHARE)
        self._before[repeats.start] = (lane.update, now)

    def end(self, lane: Lane | FedLane, repeats: range, remembered: Callable[[], Remembered]) -> None:
        """A lane has ended; its snapshot stays in all further checkpoints."""
        one = remembered()
        with self._condition:
            self._latest[repeats.start] = one
            self._running.discard(repeats.start)
            self._condition.notify_all()

    def take(self, one: Remembered) -> None:
        """Save the final snapshot of a lane that was trained elsewhere: by the clock, or at once."""
        now = time.monotonic()
        with self._condition:
            self._raise()
            self._latest[one.repeats.start] = one
            if self._rhythm.unit != "seconds" or now - self._taken >= self._pause:
                self._waiting, self._taken = True, now
                self._condition.notify_all()

    def close(self) -> None:
        """Write a last checkpoint of all snapshots, and wait for it.

        Raises:
            SaveFailed: it could not be written.
        """
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
        if self._error is not None and (self._place.if_unsaved == "stop" or self._ended):
            raise self._error

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                if self._rhythm.unit == "seconds":
                    # Lanes that began together are due about together: one checkpoint for all of them.
                    self._condition.wait_for(lambda: self._running <= self._handed, TOGETHER_SECONDS)
                latest = dict(self._latest)
                self._handed.clear()
                self._waiting = False
                self._condition.notify_all()
            self._write(latest)

    def _write(self, latest: Mapping[int, Remembered]) -> None:
        begin = time.monotonic()
        updates = sum(one.updates for one in latest.values())
        try:
            self._checkpoints.save(updates, self._as_pieces(latest), self._value(latest))
        except Exception as error:  # lanes wait for this thread, so any error is reported
            words = error.sentence if isinstance(error, SaveFailed) else self._unforeseen(updates, error)
            hint = (
                f" {call('ep.resume', str(self._place.path))} goes on from the last."
                if find(self._checkpoints.folder)
                else ""
            )
            with self._condition:
                self._error = SaveFailed(words + hint)
                self._error.__cause__ = error
                self._condition.notify_all()
            self._told(updates, words.rstrip("."))
            return
        with self._condition:
            self._error = None
        self._told(updates, time.monotonic() - begin)

    def _as_pieces(self, latest: Mapping[int, Remembered]) -> list[Piece]:
        """A piece for each lane, the same object while the lane has not advanced."""
        for start, one in latest.items():
            if start not in self._pieces or self._pieces[start][0] is not one:
                self._pieces[start] = (one, piece_of(one))
        pieces = [self._pieces[start][1] for start in sorted(latest)]
        size = sum(tensor.nbytes for piece in pieces for tensor in piece.tensors.values())
        return [merged(pieces)] if size <= SMALL_BYTES and len(pieces) > 1 else pieces

    def _value(self, latest: Mapping[int, Remembered]) -> float | None:
        """The mean over repeats of the last monitored value; lower is better."""
        found = [
            float(own.columns[self._monitor][-1])
            for one in latest.values()
            for repeat in one.repeats
            if len(own := one.curves.of(repeat))
        ]
        value = self._sign * sum(found) / len(found) if found else math.nan
        return value if math.isfinite(value) else None

    def _unforeseen(self, updates: int, error: Exception) -> str:
        """Why a checkpoint failed for other reasons than the disk, such as memory."""
        words = " ".join(str(error).split()).rstrip(".")
        why = f"{type(error).__name__}: {words}" if words else type(error).__name__
        return f"checkpoint {updates} can't be made: {why}; {self._checkpoints.left}."
