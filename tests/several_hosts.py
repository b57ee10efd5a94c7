"""What does a process among several learn? Run as a program in each of them; process 0 prints JSON.

    python several_hosts.py HOST:PORT I N

All trainings one after the other in the same processes, so that start-up is paid once; in the last one the
last process dies (`cli/test_cli_hosts.py`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import epochal as ep

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(61, 4)).astype(np.float32)
X[:, 0] = np.arange(61)
Y = (X[:, 1] + X[:, 2] * X[:, 3] > 0).astype(np.int32)


@dataclass(frozen=True)
class Ledger:
    """Logistic regression that takes down in whole numbers which sample was in which slot of which batch."""

    def init(self, key: jax.Array, sample: jax.Array) -> ep.Variables:
        return ep.Variables({"kernel": jnp.full((3, 1), 0.1)}, {"seen": jnp.int32(1)})

    def apply(
        self, variables: ep.Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, Any]:
        slots, seen = jnp.arange(1, len(inputs) + 1), variables.state["seen"]
        batch = (slots * inputs[:, 0].astype(jnp.int32)).sum() % 9973
        after = (seen * 31 + batch) % 65521 if training else seen
        return inputs[:, 1:] @ variables.params["kernel"], {"seen": after}


USUAL = {"optimizer": "momentum", "learning_rate": 0.05, "standardize": False, "epochs": 3}
TRAININGS: dict[str, dict[str, Any]] = {
    "memory": {"batch_size": 10, "validation": 0.2, "repeats": 2, "stop": ep.Patience(2)},
    "streamed": {"batch_size": 9, "validation": 0.2, "stream": True, "evaluate_train": True},
}


def learned(name: str) -> dict[str, Any]:
    """What is known at the end of a training: parameters, which batches were seen, curves, why it stopped."""
    run = ep.fit(Ledger(), (X, Y), **{**USUAL, **TRAININGS[name]})
    return {
        "parameters": [np.asarray(one.last.params["kernel"]).ravel().tolist() for one in run.fitted],
        "batches": [int(one.last.state["seen"]) for one in run.fitted],
        "updates": run.curves.update.tolist(),
        "curves": {key: column.tolist() for key, column in run.curves.columns.items()},
        "stopped": [one.stopped for one in run.outcomes],
    }


def refused(index: int) -> str:
    """What all say where one process is given something else than the others."""
    try:
        ep.fit(Ledger(), (X, Y), **{**USUAL, "batch_size": 8 + index})
    except ep.Refusal as refusal:
        return str(refusal)
    return ""


def lost(index: int, count: int) -> str:
    """What is said when the last process dies while all train."""
    options = {**USUAL, **TRAININGS["memory"], "epochs": 10**6, "stop": None, "evaluate_every": 10**5}
    try:
        for event in ep.train(Ledger(), (X, Y), **options):
            if isinstance(event, ep.Progressed) and event.updates > 100 and index == count - 1:
                os.kill(os.getpid(), signal.SIGKILL)
    except ep.ProcessLost as error:
        return str(error)
    return ""


def handles_termination() -> bool:
    """Whether anything in this process, C++ included, catches SIGTERM; false where that can't be known."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")), 0)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


if __name__ == "__main__":
    address, index, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ep.init_distributed(address, process_id=index, processes=count)
    found: dict[str, Any] = {name: learned(name) for name in TRAININGS}
    found["handles_termination"] = handles_termination()
    found |= {"refused": refused(index), "lost": lost(index, count)}
    if index == 0:
        print(json.dumps(found))
