"""Golden cases of image folders as people have them, and of groups: the right outcome of each."""

from __future__ import annotations

import ast
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import epochal as ep
from epochal.data import encoder_from_dict, transform
from epochal.data.registry import read_again

TRIALS = Path(__file__).parents[1] / "trials"
RANDOM = np.random.default_rng(3)


def deep_png(path, array):
    """A PNG file of 16 bits a value in color, which Pillow can't write."""
    height, width = array.shape[:2]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(raw)),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(array, np.ndarray) and array.ndim == 3 and array.dtype == np.uint16:
        deep_png(path, array)
    else:
        (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(path, **options)
    return path


def two_classes(folder, make, suffix="png", count=4):
    """Images of two classes, the second brighter."""
    for number, name in enumerate(("dim", "lit")):
        for index in range(count):
            save(folder / name / f"{index:02d}.{suffix}", make(number))
    return folder


def between(low, high, dtype=np.uint16, shape=(6, 5)):
    """Values of the lower or the upper half of a range."""
    half = (high - low) / 2
    return lambda number: RANDOM.uniform(low + number * half, low + (number + 1) * half, shape).astype(dtype)


def test_classes_of_the_trial_differ_and_what_is_hidden_is_ignored():
    data = ep.load_data(TRIALS / "pixels12bit")
    assert (data.samples, data.shape, data.dtype) == (48, (8, 8, 1), np.uint8)
    assert any("hidden or other files ignored" in note for note in data.raw_notes)
    means = [data.inputs[data.targets == number].mean() for number in (0, 1)]
    assert abs(means[0] - means[1]) > 60
    run = ep.fit(ep.MLP(32), data, epochs=100, batch_size=8)
    assert run.metrics["validation"]["accuracy"].mean >= 0.95
    bright = TRIALS / "pixels12bit" / "bright"
    assert set(run.predict(bright).labels.tolist()) == {"bright"}


@pytest.mark.parametrize(
    ("make", "suffix", "black", "white"),
    [
        (between(0, 4096), "png", 0, 4095),
        (between(0, 1024), "tif", 0, 1023),
        (between(0, 16_384), "png", 0, 16_383),
        (between(0, 256), "png", 0, 255),
        (between(0, 65_536), "png", 0, 65_535),
        (between(30_000, 30_400), "tif", 30_000, 30_400),
        (between(0, 4096, np.int32), "tif", 0, 4095),
        (between(0, 1, np.float32), "tif", 0, 1),
        (between(-3, 5, np.float32), "tif", -3, 5),
        (between(0, 4096, shape=(6, 5, 3)), "png", 0, 4095),
    ],
)
def test_images_of_more_than_8_bits_use_the_range_of_all(tmp_path, make, suffix, black, white):
    folder = two_classes(tmp_path / "shots", make, suffix, count=20)
    data = ep.load_data(folder)
    levels = data.encoder.levels
    room = 0.05 * (white - black)
    assert abs(levels.black - black) < room and abs(levels.white - white) < room
    assert data.inputs[data.targets == 0].max() < 140 and data.inputs[data.targets == 1].min() > 110
    assert data.inputs.max() >= 240 and data.inputs.min() < 15
    assert any("is seen as black" in note for note in data.raw_notes)
    # One image alone is read as it was among the others, after a way through JSON.
    again = transform(encoder_from_dict(data.encoder.to_dict()), folder / "lit" / f"03.{suffix}")
    np.testing.assert_array_equal(again.inputs[0], data.inputs[23])


def test_a_few_broken_pixels_do_not_make_all_others_black(tmp_path):
    folder = two_classes(tmp_path / "shots", between(0, 4096, shape=(64, 64)))
    bad = np.asarray(Image.open(folder / "dim" / "00.png")).copy()
    bad[3, 3] = 65_535
    save(folder / "dim" / "00.png", bad)
    data = ep.load_data(folder)
    assert data.encoder.levels.white == 4095
    assert data.inputs[0, 3, 3, 0] == 255
    assert any("values outside as these" in note for note in data.raw_notes)


def test_new_images_beyond_the_range_are_cut_and_that_is_said(tmp_path):
    data = ep.load_data(two_classes(tmp_path / "shots", between(0, 1024)))
    new = save(tmp_path / "new.png", np.full((6, 5), 2000, np.uint16))
    found = transform(data.encoder, new)
    assert (found.inputs == 255).all()
    assert any("new images have values from 2000 to 2000" in note for note in found.notes)


def test_images_that_are_turned_are_so_in_prediction_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    array = RANDOM.integers(0, 255, (6, 5), dtype=np.uint8)
    for number in range(4):
        for name in "ab":
            save(tmp_path / "shots" / name / f"{number}.png", array, exif=exif)
    data = ep.load_data(tmp_path / "shots")
    np.testing.assert_array_equal(data.inputs[0, ..., 0], np.rot90(array, -1))
    new = transform(data.encoder, tmp_path / "shots" / "a" / "0.png")
    np.testing.assert_array_equal(new.inputs[0], data.inputs[0])


def test_palettes_cmyk_bits_and_frames_become_colors(tmp_path):
    color = RANDOM.integers(0, 255, (6, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(color)
    kinds = {
        "palette.png": picture.quantize(16),
        "cmyk.tif": picture.convert("CMYK"),
        "bits.png": picture.convert("1"),
        "alpha.png": picture.convert("RGBA"),
    }
    clear = picture.quantize(4)
    for name in "ab":
        for file, image in kinds.items():
            save(tmp_path / "shots" / name / file, image)
        clear.save(tmp_path / "shots" / name / "clear.png", transparency=0)
        frames = [Image.fromarray(np.full((6, 5), level, np.uint8)) for level in (40, 200)]
        frames[0].save(tmp_path / "shots" / name / "two.gif", save_all=True, append_images=frames[1:])
    data = ep.load_data(tmp_path / "shots")
    of = {name.split("/")[1]: data.inputs[index] for index, name in enumerate(data.names[:6])}
    np.testing.assert_array_equal(of["alpha.png"], color)
    assert np.abs(of["cmyk.tif"].astype(int) - color).max() <= 2
    assert set(np.unique(of["bits.png"])) <= {0, 255}
    assert (of["two.gif"] == 40).all()
    seen = np.asarray(clear) == 0
    assert (of["clear.png"][seen] == 255).all() and not (of["clear.png"][~seen] == 255).all()
    assert any("2 images have several frames or pages: the first is read" in note for note in data.raw_notes)
    assert any("transparent pixels lie over white" in note for note in data.raw_notes)
    assert any("images have the same pixels as others" in note for note in data.raw_notes)


def test_gray_images_in_files_of_colors_are_said_to_be_gray(tmp_path):
    def gray(number):
        return np.repeat(small(number)[..., None], 3, axis=2)

    data = ep.load_data(two_classes(tmp_path / "shots", gray))
    assert data.shape == (4, 4, 3)
    assert any("all images are gray, though in files of colors" in note for note in data.raw_notes)


def small(number):
    return RANDOM.integers(0, 250, (4, 4), dtype=np.uint8)


def test_images_deeper_in_a_class_folder_are_of_that_class(tmp_path):
    folder = two_classes(tmp_path / "shots", small)
    save(folder / "lit" / "2020" / "may" / "x.png", small(1))
    (folder / "lit" / "__MACOSX").mkdir()
    (folder / "lit" / "loop").symlink_to(folder / "lit")
    (folder / "notes.txt").write_text("x")
    (folder / "lit" / "Thumbs.db").write_text("x")
    data = ep.load_data(folder)
    assert data.samples == 9 and data.targets[data.names.index("lit/2020/may/x.png")] == 1
    assert any("1 image lies in folders within the class folders" in note for note in data.raw_notes)
    assert any("3 hidden or other files" in note for note in data.raw_notes)
    assert transform(data.encoder, folder).targets.tolist() == data.targets.tolist()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train", "test"), ('"test" and "train" are parts', 'train" with test="')),
        (("Training", "val", "test"), ("are parts", "validation=")),
        (("train", "dev"), ("are parts", "validation=")),
    ],
)
def test_parts_are_no_classes(tmp_path, names, words):
    for name in names:
        two_classes(tmp_path / "shots" / name, small)
    with pytest.raises(ep.Refusal) as refused:
        ep.load_data(tmp_path / "shots")
    assert all(word in str(refused.value) for word in words), refused.value
    assert ep.load_data(tmp_path / "shots" / names[0]).task.classes == ("dim", "lit")


def test_parts_without_classes_and_folders_of_subjects_are_refused_by_name(tmp_path):
    for name in ("train", "test"):
        save(tmp_path / "flat" / name / "0.png", small(0))
    with pytest.raises(ep.Refusal, match='"train" has no folder for each class'):
        ep.load_data(tmp_path / "flat")
    for name in ("anna", "bert"):
        two_classes(tmp_path / "people" / name, small)
    with pytest.raises(ep.Refusal, match='"anna" and "bert", each of which holds "dim" and "lit"'):
        ep.load_data(tmp_path / "people")
    shutil.rmtree(tmp_path / "people" / "bert")
    with pytest.raises(ep.Refusal, match=r'got 1, "anna". Give ".*people/anna"'):
        ep.load_data(tmp_path / "people")
    # A class may be called so.
    for name in ("train", "bus"):
        save(tmp_path / "traffic" / name / "0.png", small(0))
    assert ep.load_data(tmp_path / "traffic").task.classes == ("bus", "train")


def test_the_same_picture_in_two_classes_is_named(tmp_path):
    folder = two_classes(tmp_path / "shots", small)
    shutil.copy(folder / "dim" / "01.png", folder / "lit" / "copy.png")
    data = ep.load_data(folder)
    (note,) = [note for note in data.raw_notes if "same pixels" in note]
    assert "dim/01.png and lit/copy.png, of the classes dim and lit" in note


@pytest.fixture
def people(tmp_path):
    """Six people with four pictures each, in two classes."""
    for number, name in enumerate(("ill", "well")):
        for person in range(6):
            for index in range(2):
                save(tmp_path / "scans" / name / f"s{person:02d}_{index:03d}.png", small(number))
    return tmp_path / "scans"


def apart(run, groups):
    """Whether no group is on two sides."""
    return all(len({*part[groups == group]}) == 1 for part in run.split_codes for group in np.unique(groups))


def test_people_in_file_names_stay_on_one_side(people, tmp_path):
    plain = ep.load_data(people)
    (note,) = [note for note in plain.raw_notes if "6 subjects" in note]
    pattern = ast.literal_eval(re.search("`groups_from=([^`]*)`", note)[1])
    for given in (pattern, r"s(\d+)_", r"^s\d+"):
        data = ep.load_data(people, groups_from=given)
        assert data.groups.tolist() == [*np.repeat(range(6), 2)] * 2
        assert read_again(data.recipe).groups.tolist() == data.groups.tolist()
    assert not any("subjects" in note for note in data.raw_notes)
    run = ep.fit(ep.MLP(2), data, epochs=1, batch_size=4, validation=0.3)
    assert apart(run, data.groups) and run.settings["split"] == "groups"
    table = tmp_path / "groups.csv"
    table.write_text("file,group\n" + "".join(f"{name},p{k % 5}\n" for k, name in enumerate(plain.names)))
    data = ep.load_data(people, groups_table=table)
    assert data.groups.tolist() == [k % 5 for k in range(24)]
    assert read_again(data.recipe).groups.tolist() == data.groups.tolist()
    data = ep.load_data(people, groups_table={name: k // 6 for k, name in enumerate(plain.names)})
    assert data.groups.tolist() == [k // 6 for k in range(24)] and data.recipe is None
    with pytest.raises(ep.Refusal, match=r"matches 0 of 24, and not ill/s00_000\.png"):
        ep.load_data(people, groups_from=r"p(\d+)")
    with pytest.raises(ep.Refusal, match="must be a regular expression"):
        ep.load_data(people, groups_from=r"s(\d+")
    with pytest.raises(ep.Refusal, match=r"it lacks 23: ill/s00_001\.png"):
        ep.load_data(people, groups_table={"ill/s00_000.png": 1})


def test_the_command_line_takes_groups_of_images_and_texts(people, tmp_path, monkeypatch, capsys):
    from epochal.cli.main import main

    monkeypatch.chdir(tmp_path)
    small_run = (
        "--epochs",
        "1",
        "--hidden",
        "2",
        "--network",
        "mlp",
        "--no-report",
        "--quiet",
        "--batch-size",
        "8",
    )
    assert main(["train", str(people), "--groups-from", r"s(\d+)_", *small_run, "--out", "a"]) == 0
    assert ep.load("a").settings["split"] == "groups"
    rows = "".join(f"good {k} day,author{k % 5}-{k},{k % 2}\n" for k in range(40))
    Path("texts.csv").write_text("text,who,liked\n" + rows)
    given = ("--text", "text", "--groups", "who", "--groups-from", r"author(\d+)-", "--epochs", "1")
    assert main(["train", "texts.csv", *given, "--no-report", "--quiet", "--out", "b"]) == 0
    assert apart(ep.load("b"), np.arange(40) % 5)


def test_arrays_have_groups_and_an_order_of_groups_splits_by_them():
    inputs, who = RANDOM.normal(size=(40, 2)).astype(np.float32), np.arange(40) // 4
    data = ep.load_data((inputs, inputs[:, 0]), groups=who)
    assert apart(ep.fit(ep.MLP(2), data, epochs=1, batch_size=8), who)
    given = {"epochs": 1, "batch_size": 8, "order": ep.Groups([f"g{k}" for k in who])}
    run = ep.fit(ep.MLP(2), (inputs, inputs[:, 0]), split="groups", **given)
    assert apart(run, who)
    run = ep.fit(ep.MLP(2), (inputs, inputs[:, 0]), **given)
    assert any('`split="groups"` keeps each on one' in note for note in run.data["notes"])
    with pytest.raises(ep.Refusal, match="groups must be one for each of the 40 samples; got 39"):
        ep.load_data((inputs, inputs[:, 0]), groups=who[1:])
