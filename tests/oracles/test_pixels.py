"""Oracle: the pixels of image files are those of the arrays that were written, turned as they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import epochal as ep
from epochal.data.images.pixels import header, pixels
from epochal.errors import DataFailed

RANDOM = np.random.default_rng(1)
GRAY = RANDOM.integers(0, 256, (5, 8), dtype=np.uint8)
COLOR = RANDOM.integers(0, 256, (5, 8, 3), dtype=np.uint8)
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}
"""What EXIF orientations ask for, in NumPy's words."""


def written(path: Path, array: NDArray[Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
@pytest.mark.parametrize("array", [GRAY, COLOR], ids=["gray", "color"])
def test_formats_without_loss(tmp_path: Path, array: NDArray[np.uint8], suffix: str):
    path = written(tmp_path / f"a.{suffix}", array, **({"lossless": True} if suffix == "webp" else {}))
    channels = 1 if array.ndim == 2 else 3
    np.testing.assert_array_equal(pixels(path, channels), array.reshape(5, 8, channels))
    assert header(path)[:2] == (5, 8)
    assert header(path).gray == (array.ndim == 2 and suffix != "webp")  # WebP knows colors only


def test_formats_with_loss_are_near_and_of_a_gif_the_first_frame_counts(tmp_path: Path):
    smooth = np.add.outer(np.arange(16) * 8, np.arange(16) * 7).astype(np.uint8)
    found = pixels(written(tmp_path / "a.jpg", smooth, quality=95), 1)[..., 0]
    assert np.abs(found.astype(int) - smooth).max() <= 6
    frames = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pixels(tmp_path / "a.gif", 1) == 40).all()


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_exif_orientation_is_respected(tmp_path: Path, orientation: int, suffix: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = written(tmp_path / f"a.{suffix}", GRAY, exif=exif)
    wanted = TURNS[orientation](GRAY)
    np.testing.assert_array_equal(pixels(path, 1)[..., 0], wanted)
    assert header(path)[:2] == wanted.shape
    assert pixels(path, 1, (3, 9)).shape == (3, 9, 1)


def test_sixteen_bits_become_eight_and_transparency_lies_over_white(tmp_path: Path):
    deep = (GRAY.astype(np.uint16) * 257).astype(np.uint16)
    np.testing.assert_array_equal(pixels(written(tmp_path / "deep.png", deep), 1)[..., 0], GRAY)
    alpha = np.full((5, 8, 1), 255, np.uint8)
    alpha[:2] = 0
    path = written(tmp_path / "clear.png", np.concatenate([COLOR, alpha], axis=2))
    found = pixels(path, 3)
    assert (found[:2] == 255).all() and header(path).transparent
    np.testing.assert_array_equal(found[2:], COLOR[2:])


def test_resizing_averages_what_falls_together(tmp_path: Path):
    """Halved, the mean of the image stays, and what is constant stays as it is."""
    large = RANDOM.integers(0, 256, (40, 40), dtype=np.uint8)
    found = pixels(written(tmp_path / "a.png", large), 1, (20, 20))
    assert abs(found.mean() - large.mean()) < 1.5 and found.std() < 0.7 * large.std()
    flat = written(tmp_path / "b.png", np.full((40, 30), 77, np.uint8))
    assert (pixels(flat, 1, (7, 9)) == 77).all()


def folder(place: Path, colors: bool = False) -> Path:
    for name in "ab":
        for number in range(5):
            array = COLOR if colors and (name, number) == ("b", 2) else GRAY + np.uint8(number)
            written(place / name / f"{number}.png", array)
    return place


def test_channels_are_recognized_and_can_be_said(tmp_path: Path):
    gray = ep.load_data(folder(tmp_path / "gray"))
    assert gray.shape == (5, 8, 1) and any("`color=True`" in note for note in gray.raw_notes)
    mixed = ep.load_data(folder(tmp_path / "mixed", colors=True))
    assert mixed.shape == (5, 8, 3) and any("1 of 10 images have colors" in note for note in mixed.notes)
    np.testing.assert_array_equal(mixed.inputs[0], np.repeat(GRAY[..., None], 3, axis=2))
    said = ep.load_data(tmp_path / "mixed", color=False)
    luma = np.asarray(Image.fromarray(COLOR).convert("L"))
    np.testing.assert_array_equal(said.inputs[7][..., 0], luma)
    assert ep.load_data(tmp_path / "gray", color=True).shape == (5, 8, 3)


def test_streamed_images_are_the_same_and_one_that_vanishes_is_named(tmp_path: Path):
    """Images that stay in their files are decoded by worker processes, batch by batch."""
    held = ep.load_data(folder(tmp_path))
    streamed = ep.load_data(tmp_path, stream=True)
    try:
        assert streamed.fingerprint == held.fingerprint and streamed.names == held.names
        samples = np.array([7, 0, 3])
        np.testing.assert_array_equal(streamed.inputs.take(samples), held.inputs[samples])
        (tmp_path / "b" / "2.png").unlink()
        with pytest.raises(DataFailed, match=r"b/2\.png: it does not exist"):
            streamed.inputs.take(samples)
    finally:
        streamed.inputs.close()


def test_arrays_keep_their_units(tmp_path: Path):
    """Bytes divided by 255 are bytes again for a run of bytes; channels that stand first are moved aloud."""
    first = np.stack([np.moveaxis(COLOR, -1, 0)] * 12)
    dataset = ep.load_data((first, np.arange(12) % 2))
    np.testing.assert_array_equal(dataset.inputs[0], COLOR)
    assert any("channels first: moved last" in note for note in dataset.raw_notes)
    run = ep.fit(ep.MLP(2), (np.stack([COLOR] * 12), np.arange(12) % 2), epochs=1, batch_size=4)
    wanted = run.predict(COLOR[None]).values
    for new in (
        COLOR[None] / 255,
        (COLOR[None] / 255).astype(np.float32),
        COLOR[None].astype(float),
        first[:1],
    ):
        np.testing.assert_array_equal(run.predict(new).values, wanted)
    floats = ep.load_data((np.stack([COLOR] * 12).astype(np.float32), np.arange(12) % 2))
    assert floats.standardize and floats.continuous.tolist() == [True], "one scale for all pixels"
    shares = ep.load_data((np.stack([COLOR] * 12) / 255, np.arange(12) % 2))
    assert not shares.standardize
