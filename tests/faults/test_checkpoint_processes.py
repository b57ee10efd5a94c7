"""Faults: SIGKILL at random moments of real processes that save as fast as they can, one after the other.

Each goes on where the one before was killed. A second writer is refused as long as one lives, and no longer.
"""

from __future__ import annotations

import json
import subprocess
import sys

KILLS = 25
SCRIPT = """
import json, os, random, signal, struct, sys, time
from pathlib import Path

import numpy as np

from epochal.errors import Refusal
from epochal.runs.checkpoints import Checkpoints, CheckpointFile, newest
from epochal.runs.run_folder import locked

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
ended = CheckpointFile("ended", {"x": np.arange(9.0)}, {})


def save_for_ever(pipe):
    with locked(folder):
        checkpoints = Checkpoints(folder, {"seed": 1}, keep_every=7)
        found, _ = checkpoints.newest()
        updates, same = (0, ended) if found is None else (found.updates, found.files[0])
        while True:
            updates += 1
            moving = CheckpointFile("moving", {"x": np.full(30_000, updates)}, {"updates": updates})
            checkpoints.save(updates, [same, moving], value=abs(updates - 40))
            os.write(pipe, struct.pack("<Q", updates))


random.seed(1)
last, refused = 0, 0
for _ in range(kills):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        save_for_ever(writer)
    os.close(writer)
    os.read(reader, 8)
    try:
        with locked(folder):
            pass
    except Refusal as refusal:
        refused += f"process {child} on " in str(refusal)
    time.sleep(random.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = b"".join(iter(lambda: os.read(reader, 1 << 16), b""))
    os.close(reader)
    saved = struct.unpack("<Q", told[-8:])[0] if told else last + 1
    found, passed_over = newest(folder)
    assert passed_over == (), passed_over
    assert found.updates in (saved, saved + 1), (found.updates, saved)
    assert found.files[0].tensors["x"].tolist() == list(range(9))
    assert (found.files[1].tensors["x"] == found.updates).all()
    assert found.files[1].about == {"updates": found.updates}
    last = found.updates
Checkpoints(folder, {"seed": 1})
left = sorted(int(path.name) for path in (folder / "checkpoints").iterdir())
print(json.dumps({"refused": refused, "last": last, "left": left}))
"""


def test_what_was_saved_outlives_every_kill(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["refused"] == KILLS
    assert found["last"] >= KILLS and found["left"][-1] == found["last"]
    assert 40 in found["left"] or found["last"] < 40, "the best is kept over all lives"
