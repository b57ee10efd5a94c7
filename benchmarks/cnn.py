"""How fast is an update of a convolutional network on images of 28 x 28?"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.measure import Aim, Table
from benchmarks.networks import (
    EPOCHAL,
    KERAS,
    NOTE,
    TORCH,
    TORCH_LAST,
    Task,
    columns,
    epochal,
    keras_on_jax,
    race,
    torch_eager,
)
from benchmarks.peers import fastest, times_faster


def build_torch() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def keras_layers(layers: Any) -> list[Any]:
    return [
        layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(64, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10),
    ]  # fmt: skip


def epochal_network() -> Any:
    import epochal as ep

    return ep.CNN(32, 64, dense=(128,))


def main() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(1280, 28, 28, 1)).astype(np.float32)
    classes = generator.integers(0, 10, 1280).astype(np.int32)
    task = Task(images, classes, batch_size=64, epochs=5)
    first = Task(images.transpose(0, 3, 1, 2).copy(), classes, batch_size=64, epochs=5)
    table = Table(
        "cnn",
        "CNN 28 x 28: 3 x 3 convolutions 32 and 64, each with 2 x 2 max pooling, dense 128, batch 64, Adam",
        columns(),
        notes=[NOTE, "The aim is against the better of PyTorch's two memory formats."],
    )
    found = race(
        table,
        {
            EPOCHAL: lambda: epochal(task, epochal_network()),
            TORCH: lambda: torch_eager(first, build_torch),
            TORCH_LAST: lambda: torch_eager(first, build_torch, channels_last=True),
            KERAS: lambda: keras_on_jax(task, keras_layers),
        },
        task.updates,
    )
    if TORCH in found:
        best = fastest(found, (TORCH, TORCH_LAST))
        table.aims.append(Aim(f"times faster than {best}", times_faster(found, best), 1.3))
    table.publish()


if __name__ == "__main__":
    main()
