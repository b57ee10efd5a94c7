"""How fast is an update on a GPU, in float32 and in bfloat16, beside PyTorch and Keras on JAX?

pip install -e ".[bench,cuda]"
python -m benchmarks gpu                                      # writes results/gpu.md and gpu.json
python -m benchmarks.gpu --device cpu --smoke --out FOLDER    # tries the script where there is no GPU
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cnn, lstm
from benchmarks.gpu_peers import CONTENDERS, EPOCHAL, Unable, Workload
from benchmarks.measure import RESULTS, ROUNDS, Cell, Measured, Table, Trial, alternate
from benchmarks.peers import times_faster

PRECISIONS = ("float32", "bfloat16")
HEADINGS = {
    "worked": "worked example (MLP 8-12-8-1, batch 5)",
    "mlp": "MLP 784-512-512-10, batch 128",
    "wide": "the same, batch 4,096",
    "cnn": "CNN 28 x 28, batch 64",
    "lstm": "LSTM 64 over 50 steps, batch 32",
}


def dense(*hidden: int) -> Any:
    import epochal as ep

    return ep.MLP(*hidden)


def dense_torch(*sizes: int) -> Any:
    import torch

    layers = [layer for size in pairwise(sizes) for layer in (torch.nn.Linear(*size), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


def dense_keras(*units: int) -> Callable[[Any], list[Any]]:
    return lambda layers: [*(layers.Dense(size, "relu") for size in units[:-1]), layers.Dense(units[-1])]


def workloads() -> dict[str, Workload]:
    """The trainings of the tables for CPUs, and one that gives a GPU more to do."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def classes(count: int, most: int) -> np.ndarray:
        return random.integers(0, most, count).astype(np.int32)

    series = normal(3200, lstm.STEPS, lstm.FEATURES)
    mlp = Workload(
        normal(12_800, 784), classes(12_800, 10), 128, 40, 4,
        partial(dense, 512, 512), partial(dense_torch, 784, 512, 512, 10), dense_keras(512, 512, 10),
    )  # fmt: skip
    return {
        "worked": Workload(
            normal(200, 8), classes(200, 2), 5, 200, 10,
            partial(dense, 12, 8), partial(dense_torch, 8, 12, 8, 1), dense_keras(12, 8, 1),
        ),
        "mlp": mlp,
        "wide": replace(
            mlp, inputs=normal(40_960, 784), targets=classes(40_960, 10), batch_size=4096,
            epochs=200, few_epochs=20,
        ),
        "cnn": Workload(
            normal(6400, 28, 28, 1), classes(6400, 10), 64, 40, 4,
            cnn.epochal_network, cnn.build_torch, cnn.keras_layers, images=True,
        ),
        "lstm": Workload(
            series, series.mean(axis=(1, 2)), 32, 20, 2,
            lstm.epochal_network, lstm.build_torch,
            lambda layers: [layers.LSTM(lstm.UNITS), layers.Dense(1)],
        ),
    }  # fmt: skip


def shortened(workload: Workload) -> Workload:
    """Two batches of it, for a few epochs: enough to see that all run."""
    few = 2 * min(workload.batch_size, 64)
    size = few // 2
    return replace(
        workload, inputs=workload.inputs[:few], targets=workload.targets[:few], batch_size=size, epochs=2,
        few_epochs=1,
    )  # fmt: skip


def race(table: Table, chosen: Mapping[str, Workload], names: list[str], device: str, rounds: int) -> None:
    """Measure all contenders on all workloads, and fill the rows."""
    found: dict[str, dict[str, Measured]] = {}
    unable: dict[str, str] = {}
    for key, workload in chosen.items():
        ready: dict[str, Callable[[], Trial]] = {}
        for name in names:
            for precision in PRECISIONS:
                try:
                    trial = CONTENDERS[name](workload, precision, device)
                except Unable as why:
                    unable[name] = str(why)
                else:
                    ready[f"{name}, {precision}"] = partial(lambda made: made, trial)
        print(f"{key}: {len(ready)} contenders", file=sys.stderr, flush=True)
        found[key] = alternate(ready, rounds)
    table.skipped += [f"{name}: {why}" for name, why in unable.items()]
    ours = f"{EPOCHAL}, float32"
    for row in dict.fromkeys(name for measured in found.values() for name in measured):
        cells: dict[str, Cell] = {"contender": row}
        for key, measured in found.items():
            cells[f"{key}_per_update"] = measured[row].clock.times(1e6)
            cells[f"{key}_ratio"] = None if row == ours else times_faster(measured, row, ours)
        table.rows.append(cells)


def columns(keys: Mapping[str, Any]) -> dict[str, str]:
    found = {"contender": ""}
    for key in keys:
        found |= {
            f"{key}_per_update": f"µs per update, {HEADINGS[key]}",
            f"{key}_ratio": "to epochal in float32",
        }
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--smoke", action="store_true", help="two updates of each, one round: does all run?")
    parser.add_argument("--only", default="", metavar="WORDS", help="contenders whose name has one of them")
    parser.add_argument("--workloads", default="", metavar="KEYS", help=", ".join(HEADINGS))
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER")
    asked = parser.parse_args(arguments)
    # Two frameworks share the card, so neither may take all of it beforehand.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if asked.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    if jax.default_backend() != asked.device:
        print(
            f'JAX computes on "{jax.default_backend()}" here, not on a {asked.device}: '
            'pip install -e ".[bench,cuda]", or try the script with --device cpu --smoke --out FOLDER.',
            file=sys.stderr,
        )
        return 2
    keys = [key for key in asked.workloads.split(",") if key] or list(HEADINGS)
    chosen = {key: shortened(one) if asked.smoke else one for key, one in workloads().items() if key in keys}
    words = [word for word in asked.only.split(",") if word]
    names = [name for name in CONTENDERS if name == EPOCHAL or not words or any(w in name for w in words)]
    rounds = 1 if asked.smoke else ROUNDS
    table = Table(
        "gpu",
        f"Updates on {'a GPU' if asked.device == 'gpu' else 'a CPU'}, in float32 and in bfloat16",
        columns(chosen),
        notes=[
            f"Median of {rounds} alternating rounds (min–max); ratios are formed within a round. No "
            "evaluations, but for those that epochal makes of one batch before and after all epochs.",
            'bfloat16: precision="bfloat16", torch.autocast, the policy mixed_bfloat16. float32: products in '
            "TF32 where the card has it, in all of them.",
            "PyTorch: samples on the device, orders drawn there, fused Adam; images with channels last. "
            "“CUDA graphs”: the whole update is captured once, from the gather of the batch to the step.",
        ],
    )
    race(table, chosen, names, asked.device, rounds)
    table.publish(asked.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
