"""Does a training that is killed at random moments, again and again, end as if it never had been?

    python -m tests.kills --kills 200 --seed 1

Each case is trained once without interruption. Then `epochal train` is started and killed (SIGKILL) after a
random time, and `epochal resume` is started and killed, until one of them comes to its end. Parameters,
curves, outcomes and predictions must be the same, bit for bit; only what the clock measured may differ.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from tests.cli.processes import EPOCHAL

BYTES = ("best.safetensors", "last.safetensors", "scaling.safetensors", "split.parquet")

_KEPT = ("--no-report", "--quiet")
CASES: dict[str, tuple[str, ...]] = {
    "iris, shuffle, keep": ("example:iris", "-b", "32", "-e", "100", "--checkpoint-every", "1epoch"),
    "iris, carry, 3 repeats": (
        *("example:iris", "-b", "7", "-e", "60", "--remainder", "carry", "--repeats", "3"),
        *("--checkpoint-every", "37updates"),
    ),
    "iris, stratified, drop, early stopping": (
        *("example:iris", "-b", "16", "-e", "2000", "--order", "stratified", "--remainder", "drop"),
        *("--repeats", "2", "--patience", "25", "--min-delta", "0.0005", "--checkpoint-every", "3epochs"),
    ),
    "breast cancer, balanced, spread, momentum": (
        *("example:breast-cancer", "-b", "50", "-e", "100", "--order", "balanced", "--remainder", "spread"),
        *("--optimizer", "momentum", "--learning-rate", "0.02", "--checkpoint-every", "11updates"),
    ),
    "diabetes, blocks, by the clock": (
        *("example:diabetes", "-b", "20", "-e", "400", "--order", "blocks", "--block-length", "8"),
        *("--schedule", "cosine", "--checkpoint-every", "1s"),
    ),
    "wine, full batch, replacement, dropout": (
        *("example:wine", "-b", "full", "-e", "300", "--dropout", "0.3", "--order", "replacement"),
        *("--evaluate-every", "7 updates", "--checkpoint-every", "5updates"),
    ),
    "breast cancer, a batch that grows, patience": (
        *("example:breast-cancer", "-b", "16", "--grow-batch", "40:64,90:full", "-e", "200"),
        *("--patience", "60", "--repeats", "2", "--checkpoint-every", "2epochs"),
    ),
    "breast cancer, streamed, weighted by class": (
        *("example:breast-cancer", "--stream", "-b", "24", "-e", "60", "--class-weight", "balanced"),
        *("--checkpoint-every", "50updates", "--keep-checkpoints", "5"),
    ),
}


@dataclass
class Count:
    """What was done in a case."""

    kills: int = 0
    resumed: int = 0
    finished: int = 0
    before_first: int = 0
    """Kills before a checkpoint was kept."""


def command(case: str, folder: Path) -> list[str]:
    """What trains, or goes on if there is a run folder."""
    if (folder / "request.json").is_file():
        return [*EPOCHAL, "resume", str(folder), "--quiet"]
    return [*EPOCHAL, "train", *CASES[case], "--out", str(folder), *_KEPT]


def reference(case: str, place: Path) -> tuple[Path, float]:
    """The run that nobody interrupts, and how long it took."""
    folder, begin = place / "reference", time.monotonic()
    subprocess.run(command(case, folder), check=True, stdout=subprocess.DEVNULL)
    return folder, time.monotonic() - begin


def killed(case: str, folder: Path, seconds: float, rng: random.Random, most: int, count: Count) -> None:
    """Train to the end, killed at up to `most` random moments."""
    kills = 0
    while True:
        before = kept(folder)
        with subprocess.Popen(
            command(case, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            count.resumed += "resume" in process.args
            if kills < most and ends_late(process, folder, seconds, rng, before):
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                count.kills += 1
                count.before_first += not before
                continue
            _, err = process.communicate(timeout=600)
        if process.returncode != 0:
            raise AssertionError(f"{case}: exit status {process.returncode} after {kills} kills: {err}")
        count.finished += 1
        return


def kept(folder: Path) -> set[str]:
    """The names in the folder of checkpoints, half-written ones included."""
    place = folder / "checkpoints"
    return {path.name for path in place.iterdir()} if place.is_dir() else set()


def ends_late(
    process: subprocess.Popen[str], folder: Path, seconds: float, rng: random.Random, before: set[str]
) -> bool:
    """Wait for a random moment; whether the process is still there.

    Half of the moments are anywhere in its life: starting, compiling, concluding. The others come soon after
    a checkpoint has been begun, so that most of the kills are among updates and files.
    """
    anywhere = rng.random() < 0.5
    end = time.monotonic() + (rng.uniform(0.3, seconds) if anywhere else 60.0)
    while process.poll() is None and time.monotonic() < end:
        if not anywhere and kept(folder) - before:
            time.sleep(rng.uniform(0, 0.3))
            break
        time.sleep(0.002)
    return process.poll() is None


def differences(one: Path, other: Path) -> list[str]:
    """In what two run folders differ, the clock apart."""
    found = [name for name in BYTES if (one / name).read_bytes() != (other / name).read_bytes()]
    tables = ["metrics.parquet", *(path.name for path in one.glob("predictions-*.parquet"))]
    for name in tables:
        columns, others = (_columns(folder / name) for folder in (one, other))
        found += [f"{name}: {column}" for column in columns if columns[column] != others.get(column)]
    documents = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    for document in documents:
        for outcome in document["outcomes"]:
            del outcome["seconds"]
    names = ("outcomes", "plan", "scores", "verdict", "baseline", "settings")
    return found + [f"run.json: {name}" for name in names if documents[0][name] != documents[1][name]]


def _columns(path: Path) -> dict[str, bytes]:
    """The bytes of each column, that of the clock apart."""
    table = pq.read_table(path)
    return {name: table[name].to_numpy().tobytes() for name in table.column_names if name != "seconds"}


def trial(case: str, kills: int, runs: int, seed: int, say: bool = True) -> Count:
    """Kill several runs of a case; raises if one of them ends in another way than the reference."""
    rng, count = random.Random(f"{seed} {case}"), Count()
    place = Path(tempfile.mkdtemp(prefix="epochal-kills-"))
    try:
        wanted, seconds = reference(case, place)
        while count.kills < kills or count.finished < runs:
            folder = place / f"run-{count.finished}"
            left = max(1, kills - count.kills)
            killed(case, folder, seconds, rng, min(left, rng.randint(2, 12)), count)
            wrong = differences(wanted, folder)
            if wrong:
                shutil.copytree(folder, place.with_name(place.name + "-wrong"))
                raise AssertionError(f"{case}: another result after {count}: {', '.join(wrong)}")
            shutil.rmtree(folder)
        if say:
            print(f"{case}: {count}, all equal to the run of {seconds:.1f} s without", flush=True)
        return count
    finally:
        shutil.rmtree(place)


def main() -> None:
    """Go through the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", action="append", choices=list(CASES))
    asked = parser.parse_args()
    cases = asked.case or list(CASES)
    total = Count()
    for case in cases:
        count = trial(case, -(-asked.kills // len(cases)), 1, asked.seed)
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(count, name))
    print(f"{total.kills} kills, {total.resumed} times resumed, {total.finished} runs finished: all equal")


if __name__ == "__main__":
    main()
