"""How fast is an update where the matrix products are the work? MLP 784-512-512-10."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.measure import Aim, Table
from benchmarks.peers import (
    BY_HAND,
    EPOCHAL,
    KERAS,
    KERAS_MANY,
    SCIKIT_LEARN,
    TORCH,
    TORCH_FUSED,
    Workload,
    race,
    race_columns,
    times_faster,
)

PEERS = (TORCH, TORCH_FUSED, KERAS, KERAS_MANY, SCIKIT_LEARN)


def mlp(batch_size: int, epochs: int) -> Workload:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(12_800, 784)).astype(np.float32)
    targets = generator.integers(0, 10, 12_800).astype(np.int32)
    return Workload(inputs, targets, hidden=(512, 512), classes=10, batch_size=batch_size, epochs=epochs)


def main() -> None:
    table = Table(
        "mlp",
        "MLP 784-512-512-10, Adam, 12,800 samples",
        race_columns("ms", {"large": "batch 128", "small": "batch 32"}),
        notes=[
            "Median of 5 alternating rounds (min–max); ratios are formed within a round. No evaluations, "
            "but for those that epochal makes of 64 samples before the first and after the last epoch.",
            "The last two columns are of batch size 128.",
            "“40 updates a call”: Keras with steps_per_execution=40. "
            "“Fused Adam”: torch.optim.Adam(fused=True).",
        ],
    )
    large = mlp(batch_size=128, epochs=12)
    variants = {"large": large, "small": replace(large, batch_size=32)}
    others = (BY_HAND, *PEERS)
    measured = race(table, variants, (EPOCHAL, *others), dict.fromkeys(others, 1), scale=1e3)

    for variant, batch_size, bound in (("large", 128, 1.3), ("small", 32, 1.0)):
        found = measured[variant]
        for name in (TORCH, TORCH_FUSED):
            if name in found:
                what = f"batch size {batch_size}, times faster than {name}"
                table.aims.append(Aim(what, times_faster(found, name), bound))
    table.publish()


if __name__ == "__main__":
    main()
