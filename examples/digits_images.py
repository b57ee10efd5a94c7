"""How well are digits read from a folder of images, with a convolutional network and images that vary?

    python examples/digits_images.py [--repeats 5] [--epochs 60] [--arrays]

scikit-learn's 1,797 handwritten digits of 8 × 8 pixels are written out as PNG files, one folder a class; one
file is spoiled, as happens. A fifth of the images is for testing: it decides nothing and is looked at once.
The network, its rate and its augmentation were chosen on validation parts of other seeds (docs/log.md).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

import epochal as ep

NETWORK = ep.CNN(32, 64, dense=(128,), batch_norm=True, dropout=0.3)
AUGMENT = (ep.Shift(0.7), ep.Rotate(10))


def as_bytes() -> NDArray[np.uint8]:
    """The digits (n, 8, 8, 1), whose pixels of 0 to 16 become bytes."""
    return np.rint(load_digits().images * 255 / 16).astype(np.uint8)[..., None]


def write_folder(folder: Path) -> None:
    """One folder a digit."""
    for number, (pixels, label) in enumerate(zip(as_bytes(), load_digits().target, strict=True)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0]).save(place / f"{number:04d}.png")


def train(data: object, epochs: int, repeats: int, seed: int = 0) -> ep.Run:
    """Repeats with splits of their own; the best epoch of each is that of the best validation loss."""
    return ep.fit(
        NETWORK,
        data,
        batch_size=64,
        epochs=epochs,
        learning_rate=3e-3,
        schedule="cosine",
        augment=AUGMENT,
        validation=0.1,
        test=0.2,
        repeats=repeats,
        seed=seed,
        evaluate_every=5,
        evaluate_train=False,
    )


def main() -> None:
    """Write the folder, spoil a file, train, and predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--arrays", action="store_true", help="from arrays in memory, without any file")
    asked = parser.parse_args()
    if asked.arrays:
        run = train((as_bytes(), load_digits().target), asked.epochs, asked.repeats)
        print(f"test accuracy, images from arrays: {run.metrics['test']['accuracy']}")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "digits"
        write_folder(folder)
        spoiled = folder / "3" / "0003.png"
        spoiled.write_bytes(spoiled.read_bytes()[:60])
        try:
            ep.load_data(folder)
        except ep.Refusal as refusal:
            print(refusal)
        dataset = ep.load_data(folder, skip_bad=True)
        print("\n".join(dataset.notes))
        run = train(dataset, asked.epochs, asked.repeats)
        print(f"test accuracy, images from files: {run.metrics['test']['accuracy']}")
        prediction = run.predict(folder / "7")
        read = float((prediction.labels == "7").mean())
        print(f"{prediction.names[0]} is a {prediction.labels[0]}; of the sevens {read:.1%} are read as 7")


if __name__ == "__main__":
    main()
