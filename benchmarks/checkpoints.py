"""What does a checkpoint cost, how large is it, and how long does it take to go on from it?"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.measure import Aim, Table, Trial, alternate
from epochal.runs.checkpoints import CheckpointFile, Checkpoints, newest

INTERVAL = 60.0
"""Seconds between checkpoints, if nothing else is asked for."""
STATES = {
    "small: 30 arrays, 21 kB": (30, 180),
    "medium: 30 arrays, 10 MB": (30, 83_000),
    "large: 30 arrays, 1 GB": (30, 8_333_333),
}
LARGE = list(STATES)[-1]


def state(arrays: int, size: int) -> CheckpointFile:
    """Numbers that no file system can compress or share."""
    random = np.random.default_rng(0)
    tensors = {f"0/params/{k}": random.random(size, np.float32) for k in range(arrays)}
    return CheckpointFile("repeats-0", tensors, {"curve": [0.5] * 100})


def plain_trial(folder: Path, piece: CheckpointFile) -> Trial:
    """The same bytes by write and fsync alone: what the disk gives."""
    content = [memoryview(value).cast("B") for value in piece.tensors.values()]
    numbers = count()

    def trial() -> float:
        path = folder / f"plain-{next(numbers)}"
        os.sync()
        started = time.perf_counter()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for view in content:
            while view:
                view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        os.close(descriptor)
        seconds = time.perf_counter() - started
        path.unlink()
        return seconds

    return trial


def save_trial(folder: Path, piece: CheckpointFile) -> Trial:
    """The whole protocol, from the first write to the removal of the checkpoint before the last."""
    folder.mkdir()
    checkpoints, numbers = Checkpoints(folder, {"seed": 0}), count(1)

    def trial() -> float:
        os.sync()
        again = CheckpointFile(piece.name, piece.tensors, piece.about)  # a new object: nothing is linked
        started = time.perf_counter()
        checkpoints.save(next(numbers), [again])
        return time.perf_counter() - started

    return trial


def load_trial(folder: Path, piece: CheckpointFile) -> Trial:
    """From the folder to arrays in memory, every byte verified; the file is in the system's page cache."""
    folder.mkdir()
    Checkpoints(folder, {"seed": 0}).save(1, [piece])

    def trial() -> float:
        started = time.perf_counter()
        found, _ = newest(folder)
        seconds = time.perf_counter() - started
        assert found is not None
        return seconds

    return trial


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    table = Table(
        "checkpoints",
        "Checkpoints: saving, size, and going on",
        {
            "state": "",
            "megabytes": "MB on disk",
            "save": "save, s",
            "share": f"% of {INTERVAL:.0f} s",
            "disk": "plain write + fsync, s",
            "ratio": "speed of the disk used",
            "load": "load and verify, s",
        },
        notes=[
            "Median of 5 alternating rounds (min–max). Save: the whole protocol of a checkpoint, hashing, "
            "syncing, renaming, reading back and removing the one before the last included, in the calling "
            "thread; the share is what it would cost a training that waits for it every minute.",
            "The speed of the disk used: seconds of a plain write and fsync of the same bytes to one file, "
            "over seconds of saving, round by round. Reading and loading find the bytes in memory.",
        ],
    )
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for label, (arrays, size) in STATES.items():
            piece = state(arrays, size)
            place = folder / str(size)
            place.mkdir()
            contenders: dict[str, Callable[[], Trial]] = {
                "plain": partial(plain_trial, place, piece),
                "save": partial(save_trial, place / "save", piece),
                "load": partial(load_trial, place / "load", piece),
            }
            measured = alternate(contenders)
            saved, plain = measured["save"].clock, measured["plain"].clock
            ratio = plain.per(saved)
            table.rows.append(
                {
                    "state": label,
                    "megabytes": size_of(place / "load") / 1e6,
                    "save": saved,
                    "share": saved.times(100 / INTERVAL),
                    "disk": plain,
                    "ratio": ratio,
                    "load": measured["load"].clock,
                }
            )
            if label == LARGE:
                table.aims.append(Aim("1 GB: share of the disk's speed", ratio.median, 0.5))
            else:
                share = saved.times(100 / INTERVAL).median
                table.aims.append(
                    Aim(f"{label}: % of the time, saved once a minute", share, 2.0, at_most=True)
                )
            shutil.rmtree(place)
    table.publish()


if __name__ == "__main__":
    main()
