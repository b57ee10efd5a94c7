"""How fast is an update of a recurrent network of 64 units over 50 steps?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.measure import Aim, Table
from benchmarks.networks import (
    EPOCHAL,
    KERAS,
    NOTE,
    TORCH,
    Task,
    columns,
    epochal,
    keras_on_jax,
    race,
    torch_eager,
)
from benchmarks.peers import times_faster

STEPS, FEATURES, UNITS = 50, 8, 64


def build_torch() -> Any:
    import torch

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.LSTM(FEATURES, UNITS, batch_first=True)
            self.dense = torch.nn.Linear(UNITS, 1)

        def forward(self, inputs: Any) -> Any:
            return self.dense(self.layer(inputs)[0][:, -1])

    return Last()


def epochal_network() -> Any:
    import epochal as ep

    return ep.LSTM(UNITS)


def main() -> None:
    generator = np.random.default_rng(0)
    series = generator.normal(size=(3200, STEPS, FEATURES)).astype(np.float32)
    task = Task(series, series.mean(axis=(1, 2)).astype(np.float32), batch_size=32, epochs=4)
    table = Table(
        "lstm", f"LSTM {UNITS}, {STEPS} steps of {FEATURES} features, batch 32, Adam", columns(), notes=[NOTE]
    )
    found = race(
        table,
        {
            EPOCHAL: lambda: epochal(task, epochal_network()),
            TORCH: lambda: torch_eager(task, build_torch),
            KERAS: lambda: keras_on_jax(task, lambda layers: [layers.LSTM(UNITS), layers.Dense(1)]),
        },
        task.updates,
    )
    if TORCH in found:
        table.aims.append(Aim(f"times as fast as {TORCH}", times_faster(found, TORCH), 1.0))
    table.publish()


if __name__ == "__main__":
    main()
