"""Fault: image files and folders that are damaged, mixed, hostile or not what they seem."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import epochal as ep
from epochal.data import transform


def draw(path: Path, size: tuple[int, int] = (6, 5), mode: str = "L", level: int = 90) -> Path:
    """An image of noise; `size` is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(abs(hash(path.name)) % 2**32)
    shape = size if mode == "L" else (*size, len(mode))
    values = np.clip(random.normal(level, 40, shape), 0, 255).astype(np.uint8)
    Image.fromarray(values, mode=None).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of six images each."""
    for name in ("cats", "dogs"):
        for number in range(6):
            draw(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes that claim to be a large image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content


def spoil(path: Path, fault: str) -> None:
    """Put something else in the place of an image."""
    if fault == "truncated":
        content = draw(path, (64, 64)).read_bytes()
        path.write_bytes(content[: len(content) // 2])
        return
    path.unlink()
    if fault == "empty":
        path.touch()
    elif fault == "text":
        path.write_text("this is no image")
    elif fault == "huge":
        path.write_bytes(png_claiming(60_000, 60_000))
    elif fault == "suspicious":
        path.write_bytes(png_claiming(10_000, 10_000))
    elif fault == "folder":
        path.mkdir()
    elif fault == "link":
        path.symlink_to(path.parent / "gone.png")


FAULTS = {
    "empty": "it is empty (0 bytes)",
    "truncated": "image file is truncated",
    "text": "its content is no JPEG, PNG, BMP, GIF, TIFF or WebP image",
    "huge": "it claims more than 89,478,485 pixels",
    "suspicious": "it claims more than 89,478,485 pixels",
    "folder": "it is a folder",
    "link": "it is a link to a file that does not exist",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_image_is_refused_with_its_name_and_reason_or_left_out_and_counted(folder: Path, fault: str):
    if fault == "truncated":
        for path in folder.glob("*/*.png"):
            draw(path, (64, 64))
    spoil(folder / "dogs" / "3.png", fault)
    with pytest.raises(ep.Refusal) as refused:
        ep.load_data(folder)
    assert "dogs/3.png" in str(refused.value) and FAULTS[fault] in str(refused.value)
    assert "skip_bad=True" in str(refused.value)
    dataset = ep.load_data(folder, skip_bad=True)
    assert dataset.samples == 11 and "dogs/3.png" not in dataset.names
    assert np.bincount(dataset.targets).tolist() == [6, 5]
    (note,) = [note for note in dataset.raw_notes if "left out" in note]
    assert note.startswith("1 of 12 images can't be read") and FAULTS[fault] in note


def test_images_that_are_left_out_are_no_ones_pixels(folder: Path):
    """The others keep their pixels and classes, whichever is bad and whenever that is found."""
    good = ep.load_data(folder)
    for number, fault in ((0, "empty"), (2, "text"), (5, "truncated")):
        spoil(folder / "cats" / f"{number}.png", fault)
    # Sizes differ now, so all are brought to that which the good ones have.
    left = ep.load_data(folder, skip_bad=True, resize=(6, 5))
    for name, pixels, label in zip(left.names, left.inputs, left.targets, strict=True):
        at = good.names.index(name)
        np.testing.assert_array_equal(pixels, good.inputs[at])
        assert label == good.targets[at]
    assert left.samples == 9


def test_sizes_that_differ_are_named_and_a_size_is_suggested(folder: Path):
    draw(folder / "dogs" / "4.png", (9, 7))
    with pytest.raises(ep.Refusal) as refused:
        ep.load_data(folder)
    for words in ("cats/0.png has 6×5", "dogs/4.png has 9×7", "resize=(6, 5)"):
        assert words in str(refused.value)
    assert ep.load_data(folder, resize=(6, 5)).shape == (6, 5, 1)


def loose(folder: Path) -> None:
    draw(folder / "stray.png")


def only_one_class(folder: Path) -> None:
    for path in (folder / "dogs").iterdir():
        path.unlink()
    (folder / "dogs").rmdir()


def an_empty_class(folder: Path) -> None:
    (folder / "birds").mkdir()


def all_bad(folder: Path) -> None:
    for path in folder.glob("dogs/*.png"):
        path.write_text("x")


def flat(folder: Path) -> None:
    for path in list(folder.glob("*/*.png")):
        path.rename(folder / f"{path.parent.name}-{path.name}")
    for name in ("cats", "dogs"):
        (folder / name).rmdir()


def parts(folder: Path) -> None:
    for name in ("cats", "dogs"):
        (folder / "train").mkdir(exist_ok=True)
        (folder / name).rename(folder / "train" / name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (loose, 'beside them, "stray.png" first'),
        (only_one_class, "at least 2 sub-folders"),
        (an_empty_class, 'the class "birds" must have at least 1 image'),
        (flat, "12 images and no sub-folder"),
        (parts, "holds folders of images. Give"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_folders_that_are_no_classes_are_refused(folder: Path, change: Any, words: str):
    change(folder)
    with pytest.raises(ep.Refusal) as refused:
        ep.load_data(folder)
    assert words in str(refused.value)


def test_a_class_of_which_nothing_is_left_is_refused(folder: Path):
    all_bad(folder)
    with pytest.raises(ep.Refusal, match='class "dogs" must have at least 1 image that can be read'):
        ep.load_data(folder, skip_bad=True)


def test_what_is_hidden_or_no_image_is_ignored_and_counted(folder: Path):
    (folder / "cats" / ".hidden.png").write_text("x")
    (folder / "cats" / "Thumbs.db").write_text("x")
    (folder / "cats" / "more").mkdir()
    (folder / ".git").mkdir()
    dataset = ep.load_data(folder)
    assert dataset.samples == 12
    assert "3 hidden or other files and 1 folder within class folders ignored." in dataset.raw_notes


@pytest.mark.parametrize("size", [(0, 4), (4,), "8x8", (4.0, 4), (True, 4), (99_999, 99_999)])
def test_sizes_that_are_none_are_refused(folder: Path, size: Any):
    with pytest.raises(ep.Refusal, match="resize must"):
        ep.load_data(folder, resize=size)


def test_new_images_of_another_size_are_refused_unless_they_are_resized(folder: Path, tmp_path: Path):
    other = draw(tmp_path / "large.png", (12, 12))
    encoder = ep.load_data(folder).encoder
    with pytest.raises(
        ep.Refusal, match=r"new images must have 6×5 as the training images had; large\.png has 12×12"
    ):
        transform(encoder, other)
    resized = ep.load_data(folder, resize=(6, 5)).encoder
    assert transform(resized, other).inputs.shape == (1, 6, 5, 1)


def test_nothing_is_warned_of_and_filters_are_as_before(folder: Path):
    before = list(warnings.filters)
    spoil(folder / "cats" / "1.png", "suspicious")
    ep.load_data(folder, skip_bad=True)
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (np.full((3, 6, 5, 1), 0.5, np.float32), "got float32 from 0.5 to 0.5"),
        (np.full((3, 6, 5, 1), 300), "got int64 from 300 to 300"),
        (np.full((3, 6, 5, 1), -1.0), "got float64 from -1 to -1"),
        (np.zeros((3, 5, 6, 1), np.uint8), "new samples must have the shape"),
    ],
)
def test_arrays_that_are_no_bytes_are_refused_where_bytes_were_trained_on(folder: Path, new: Any, words: str):
    with pytest.raises(ep.Refusal) as refused:
        transform(ep.load_data(folder).encoder, new)
    assert words in str(refused.value)


def test_bytes_are_refused_where_other_numbers_were_trained_on():
    random = np.random.default_rng(0)
    data = random.random((20, 4, 4, 1)).astype(np.float32), np.arange(20) % 2
    run = ep.fit(ep.MLP(2), data, epochs=1, batch_size=8)
    with pytest.raises(ep.Refusal, match="must be numbers in the units of the training samples"):
        run.predict(np.zeros((2, 4, 4, 1), np.uint8))
