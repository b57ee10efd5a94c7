"""How long from pressing return to the prompt? Whole processes, start to exit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.measure import Aim, Table, Trial, alternate
from benchmarks.peers import INSTALL
from benchmarks.worked_example import worked_example

EPOCHAL = str(Path(sys.executable).with_name("epochal"))
PLAN = ("--batch-size", "5", "--epochs", "1000")
IMPORTS: dict[str, dict[str, str]] = {
    "numpy": {},
    "jax": {},
    "sklearn": {},
    "torch": {},
    "keras": {"KERAS_BACKEND": "jax"},
}


def write_table(path: Path) -> None:
    """The worked example as a CSV file with a header, the target last."""
    workload = worked_example(evaluate=True)
    names = [*(f"x{number}" for number in range(1, 9)), "y"]
    rows = np.column_stack([workload.inputs, workload.targets])
    np.savetxt(path, rows, fmt=["%.6f"] * 8 + ["%d"], delimiter=",", header=",".join(names), comments="")


def seconds_of(command: list[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    finished = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {finished.returncode}:\n{finished.stderr}")
    return seconds


def prepare_train(folder: Path, cold: bool) -> Trial:
    """`epochal train` with a new run folder each time, and a new cache each time if it is to be cold."""
    data = folder / "worked_example.csv"
    write_table(data)
    numbers = count()

    def trial() -> float:
        number = next(numbers)
        cache = folder / (f"cache-{number}" if cold else "cache")
        run = folder / f"run-{'cold' if cold else 'warm'}-{number}"
        settings = ["--hidden", "12,8", *PLAN, "--validation", "0", "--seed", "0", "--quiet"]
        return seconds_of(
            [EPOCHAL, "train", str(data), *settings, "--out", str(run)], {"EPOCHAL_CACHE": str(cache)}
        )

    return trial


def prepare_command(command: list[str], environment: Mapping[str, str]) -> Trial:
    return lambda: seconds_of(command, environment)


def main() -> None:
    table = Table(
        "startup",
        "Whole processes, start to exit",
        {"command": "", "seconds": "s"},
        notes=[
            "Median of 5 alternating rounds (min–max). All packages are in the system's page cache.",
            "train: the worked example from a CSV file, `--hidden 12,8 --batch-size 5 --epochs 1000`, 40,000 "
            "updates, with its run folder. Cold: no compilation cache. Warm: that of an earlier run.",
        ],
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contenders: dict[str, Callable[[], Trial]] = {
            "epochal plan 200": partial(prepare_command, [EPOCHAL, "plan", "200", *PLAN], {}),
            "epochal train, cold": partial(prepare_train, folder, cold=True),
            "epochal train, warm": partial(prepare_train, folder, cold=False),
        }
        for module, environment in IMPORTS.items():
            if find_spec(module) is None:
                table.skipped.append(f"{module}: not installed; {INSTALL}")
                print(f"skipped {table.skipped[-1]}", flush=True)
                continue
            label = f"python -c 'import {module}'" + (" on JAX" if environment else "")
            contenders[label] = partial(
                prepare_command, [sys.executable, "-c", f"import {module}"], environment
            )
        measured = alternate(contenders)

    table.rows += [{"command": command, "seconds": figures.clock} for command, figures in measured.items()]
    for command, bound in (
        ("epochal plan 200", 0.3),
        ("epochal train, cold", 6.0),
        ("epochal train, warm", 3.5),
    ):
        table.aims.append(Aim(f"{command}, seconds", measured[command].clock.median, bound, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
