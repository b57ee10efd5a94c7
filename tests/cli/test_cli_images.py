"""The command line with folders of images, from files to predictions that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from processes import process

COUNT = 20
SMALL = ("--network", "mlp", "--hidden", "8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of three classes that differ in where they are bright, one of them spoiled; and an array."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(2)
    images, labels = [], []
    for number, name in enumerate(("left", "middle", "right")):
        (folder / "shapes" / name).mkdir(parents=True)
        for index in range(COUNT):
            pixels = random.integers(0, 60, (6, 6))
            pixels[:, 2 * number : 2 * number + 2] += 150
            images.append(pixels.astype(np.uint8))
            labels.append(name)
            suffix = ("png", "jpg", "bmp", "gif", "tif", "webp")[index % 6]
            Image.fromarray(images[-1]).save(folder / "shapes" / name / f"{index:02d}.{suffix}")
    (folder / "shapes" / "left" / "00.png").write_bytes(b"")
    np.savez(folder / "shapes.npz", X=np.stack(images), y=np.array(labels))
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    from epochal.cli.main import main

    given = ["--skip-bad", "--epochs", "30", *SMALL, "--learning-rate", "0.02", "--no-report", "--gray"]
    varied = ["--augment", "crop:1,brightness:0.1", "--quiet", "--out", str(place / "run")]
    assert main(["train", str(place / "shapes"), *given, *varied]) == 0
    return place / "run"


def joined(text: str) -> str:
    return " ".join(text.split())


def test_a_bad_image_is_refused_by_name(place: Path):
    done = process("train", "shapes", cwd=place)
    assert (done.status, done.out) == (2, "") and done.err.count("\n") == 1
    assert "left/00.png can't: it is empty (0 bytes)" in done.err and "--skip-bad" in done.err


def test_what_was_left_out_and_varied_is_written_down(run: Path):
    written = json.loads((run / "run.json").read_text())
    said = "1 of 60 images can't be read and is left out (left/00.png: it is empty (0 bytes))."
    assert said in written["data"]["notes"]
    assert written["settings"]["augment"] == ["crop:1", "brightness:0.1"]


def test_predictions_name_files_and_say_how_many_are_right(call: Any, place: Path, run: Path):
    done = call("predict", run, place / "shapes", "--json")
    said = done.json
    assert len(said["rows"]) == 59 and said["rows"][0]["file"] == "left/01.jpg"
    right = sum(row["predicted class"] == row["file"].split("/")[0] for row in said["rows"])
    assert said["accuracy"] == pytest.approx(right / 59)
    assert said["accuracy"] > 0.9


def test_one_file_an_array_and_a_folder_without_classes_are_predicted(call: Any, place: Path, run: Path):
    done = call("predict", run, place / "shapes/right/00.png")
    assert done.out.splitlines()[1].startswith('"00.png","right",')
    done = call("predict", run, place / "shapes/right")
    assert len(done.out.splitlines()) == 1 + COUNT and "ccuracy" not in done.err
    done = call("predict", run, place / "shapes.npz")
    assert len(done.out.splitlines()) == 1 + 3 * COUNT and "Accuracy" in done.err


def test_trace_names_files(call: Any, place: Path, run: Path):
    done = call("trace", run, "--update", "1")
    assert "files: " in done.out and "/" in done.out.split("files: ")[1]


def test_arrays_of_bytes_are_fine_tuned_with_the_first_layer_frozen(call: Any, place: Path, run: Path):
    start = ("--initial", run, "--freeze", "0")
    done = call(
        *(
            "train",
            place / "shapes.npz",
            "--epochs",
            2,
            *SMALL,
            *start,
            "--out",
            place / "tuned",
            "--no-report",
        )
    )
    assert done.status == 0, done.err
    said = joined(done.out)
    assert "the inputs are bytes: the model sees 0 to 255 as 0 to 1." in said
    assert "starts from run (repeat 1): 4 arrays, by their names" in said
    assert "frozen: 296 of 323 parameters" in said
    settings = json.loads((place / "tuned" / "run.json").read_text())["settings"]
    assert (settings["freeze"], settings["initial"]) == (["0"], {"path": str(run)})
    assert not settings["standardize"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--resize", "8"), "--resize, --color and --skip-bad are about a folder of images"),
        (("--resize", "axb"), "resize must be HxW"),
        (("--reinitialize", "0"), "--reinitialize belongs to --initial"),
        (("--augment", "spin:3"), 'unknown transform "spin"'),
    ],
)
def test_options_that_cannot_work_are_refused(
    refuse: Any, place: Path, arguments: tuple[str, ...], words: str
):
    refuse("train", place / "shapes.npz", *arguments, words=[words])
