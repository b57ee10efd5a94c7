"""Fault: headers that claim more than there is, and inputs that broke a reader once. Each is a sentence.

Memory is limited to what the process has and 300 MB more: what a header claims must not be taken first.
"""

from __future__ import annotations

import gzip
import json
import resource
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

import epochal as ep
from epochal.applications.word_vectors import WordVectors
from epochal.choose.trials.store import Store
from epochal.data import encoder_from_dict, load
from epochal.data.files import column_types, text_scan
from epochal.data.files.npy import read_array
from epochal.errors import Refusal
from epochal.runs.checkpoints import CheckpointFile, Checkpoints

MORE_BYTES = 300_000_000


@pytest.fixture
def little_memory():
    if sys.platform != "linux":
        pytest.skip("limits are set as on Linux")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + MORE_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(read, *words):
    with pytest.raises(Refusal) as caught:
        read()
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith((".", "?")), sentence
    assert "llocate" not in sentence and "MemoryError" not in sentence, sentence
    for word in words:
        assert word in sentence, sentence


# NumPy ------------------------------------------------------------------------------------------------------


def npy(text, rest=b""):
    data = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(data)) + data + rest


CLAIMS = {
    "terabytes": "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 3)}",
    "more than a number can": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**70}, 3)}}",
    "less than nothing": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (3, 3)}",
    "a program": "__import__('os').system('true')",
    "parentheses": "(" * 900,
    "brackets": "[" * 5000,
    "no line": "{'descr': '''",
}  # fmt: skip


@pytest.mark.parametrize("what", CLAIMS)
def test_an_array_is_not_larger_than_its_file(tmp_path, what, little_memory):
    path = tmp_path / "x.npy"
    path.write_bytes(npy(CLAIMS[what], bytes(100)))
    refused(lambda: load(path), "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("X.npy", path.read_bytes())
        out.writestr("y.npy", path.read_bytes())
    refused(lambda: load(tmp_path / "x.npz"), "x.npz")


def test_an_archive_does_not_unfold_to_more_than_it_can(tmp_path):
    """A megabyte of zeros ten times in itself; and a size that is a lie."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_BZIP2) as out:
        out.writestr(
            "X.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 1000000)}", bytes(9_000_000))
        )
    refused(lambda: load(tmp_path / "x.npz"), "another way than NumPy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "|u1", "|b1"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 0, 3), (2, 3, 4)])
def test_what_numpy_writes_is_read_as_numpy_reads_it(tmp_path, shape, dtype, order):
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    found, wanted = read_array(tmp_path / "x.npy"), np.load(tmp_path / "x.npy", allow_pickle=False)
    np.testing.assert_array_equal(found, wanted, strict=True)
    assert found.flags.f_contiguous == wanted.flags.f_contiguous


# Tables -----------------------------------------------------------------------------------------------------


def test_a_packed_table_that_is_damaged_is_refused(tmp_path):
    content = gzip.compress(b"a,b\n" + b"1.5,2\n" * 2000)
    path = tmp_path / "x.csv.gz"
    for at in range(12, len(content) - 8, 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        refused(lambda: load(path), "x.csv.gz")


def test_a_short_file_that_unfolds_to_very_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_scan, "_UNFOLDED_BYTES", 1 << 19)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"1,2\n" * (1 << 18)))
    refused(lambda: load(path), "unfolds to more than 200 times its size")
    path.write_bytes(
        gzip.compress(b"".join(b"%d,%d\n" % (k * 7919 % 100_003, k % 2) for k in range(1 << 17)))
    )
    assert load(path).samples == 1 << 17, "a table that is only large is read"


@pytest.mark.parametrize("columns", [60_000, 300_000])
def test_a_table_in_words_has_not_very_many_columns(tmp_path, columns):
    path = tmp_path / "x.csv"
    path.write_text(",".join(f"c{k}" for k in range(columns)) + "\n" + (",".join(["1"] * columns) + "\n") * 3)
    refused(lambda: load(path), "a first row of at most 262,144 bytes")


def test_a_table_has_columns_that_can_be_looked_at(monkeypatch):
    monkeypatch.setattr(column_types, "MAX_COLUMNS", 3)
    refused(
        lambda: column_types.normalize_types(pa.table({name: [1] for name in "abcd"})),
        "at most 3 columns; got 4",
    )


def test_a_short_table_of_very_long_texts_is_refused(tmp_path, little_memory):
    """A dictionary of one text of a megabyte, in each of ten thousand rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"x": texts, "y": [0, 1] * 5_000}), tmp_path / "x.parquet")
    for stream in (None, True):
        refused(lambda stream=stream: load(tmp_path / "x.parquet", stream=stream), "must take at most")


PARQUET = {
    "a date of no calendar": {"x": pa.array([2**30] * 60, pa.date32()), "y": [0, 1] * 30},
    "a time of no calendar": {"x": pa.array([2**62] * 60, pa.timestamp("ms")), "y": [0, 1] * 30},
}


@pytest.mark.parametrize("what", PARQUET)
@pytest.mark.parametrize("stream", [None, True])
def test_dates_that_no_calendar_has_are_refused(tmp_path, what, stream):
    pq.write_table(pa.table(PARQUET[what]), tmp_path / "x.parquet")
    refused(lambda: load(tmp_path / "x.parquet", stream=stream), "years 1 to 9999")


def test_integers_beyond_floats_are_read(tmp_path):
    wide = pa.array([2**64 - 1 - k * 2**40 for k in range(60)], pa.uint64())
    pq.write_table(pa.table({"x": [k % 7 for k in range(60)], "y": wide}), tmp_path / "x.parquet")
    assert load(tmp_path / "x.parquet", task="regression").samples == 60


def test_names_of_columns_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"abcdefgh": [1.0, 2.0, 3.0], "y": [0, 1, 0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abc\xff\xfegh"))
    for stream in (None, True):
        refused(lambda stream=stream: load(path, stream=stream), "x.parquet")


def test_names_that_stand_twice_are_refused_in_a_streamed_table(tmp_path):
    table = pa.table([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [0, 1, 0]], names=["a", "a", "y"])
    pq.write_table(table, tmp_path / "x.parquet")
    refused(lambda: load(tmp_path / "x.parquet", stream=True), '"a" stands twice')


def test_a_damaged_conversion_is_made_again(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [k / 7 for k in range(60)], "y": [k % 2 for k in range(60)]}), path)
    first = load(path, stream=True)
    [made] = [one for one in (tmp_path / ".x.parquet.epochal").iterdir() if one.is_dir()]
    for name in ("dataset.json", "inputs.npy", "targets.npy", "rows.npy"):
        (made / name).write_bytes((made / name).read_bytes()[:-5])
        again = load(path, stream=True)
        assert again.fingerprint == first.fingerprint and (again.targets == first.targets).all()


# Images -----------------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("side", [20_000, 2**31 - 1])
def test_a_picture_is_not_larger_than_one_believes(tmp_path, side, little_memory):
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10)))
        + chunk(b"IEND", b"")
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bomb.png").write_bytes(bomb)
    refused(lambda: load(tmp_path), "bomb.png")


# Parameters, words, comparisons -----------------------------------------------------------------------------


def test_a_keras_archive_is_not_larger_than_one_believes(tmp_path, little_memory):
    from epochal.models import shapes_of
    from epochal.models.initial import initial_variables

    pytest.importorskip("h5py")
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_BZIP2) as out:
        out.writestr("model.weights.h5", bytes(50_000_000))
    shapes = shapes_of(ep.MLP(4, outputs=1), (3,), np.dtype(np.float32))
    refused(lambda: initial_variables(tmp_path / "x.keras", shapes), "it claims 50,000,000")


@pytest.mark.parametrize("line", ["king nan 1", "king 1e999 1", "king 1 2 3", "king", "king x y"])
def test_word_vectors_are_finite_numbers(tmp_path, line):
    (tmp_path / "x.txt").write_text(f"1 2\n{line}\n")
    refused(lambda: WordVectors.load(tmp_path / "x.txt"), "line 2")


@pytest.mark.parametrize("first", ["1 0", "1 -3", "x y", "", "1 2 3", "1e3 2"])
def test_word_vectors_begin_with_two_numbers(tmp_path, first):
    (tmp_path / "x.txt").write_text(f"{first}\nking 1 2\n")
    refused(lambda: WordVectors.load(tmp_path / "x.txt"))


def test_words_that_are_nested_deeply_are_none(tmp_path):
    vectors = {"vectors": np.zeros((1, 2), np.float32)}
    save_file(vectors, tmp_path / "x.safetensors", metadata={"words": "[" * 10_000})
    refused(lambda: WordVectors.load(tmp_path / "x.safetensors"), "holds no word vectors")


def test_a_flipped_bit_in_a_trial_is_no_result(tmp_path):
    """Each bit of the file: what is found is what was kept, or nothing."""
    from epochal.choose.trials.trial import Trial
    from epochal.curves import Curves

    count = np.arange(3)
    columns = {"validation.loss": np.array([0.5, 0.25, 0.125])}
    curves = Curves(np.zeros(3, int), count / 3, count * 4, count * 64, count * 1e-3, columns)
    Store(tmp_path / "a", {}).add("key", Trial("one", 0, curves, 8, 0.5, ""))
    line = (tmp_path / "a" / "trials.jsonl").read_bytes()
    for at in range(len(line) - 1):
        (tmp_path / "a" / "trials.jsonl").write_bytes(line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :])
        found = Store(tmp_path / "a", {}).find("key", "one", 0)
        if found is not None:
            assert (
                found.updates == 8
                and (found.curves.columns["validation.loss"] == columns["validation.loss"]).all()
            )


# Schemas ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "x.csv"
    path.write_text(
        "size,color,bought\n" + "".join(f"{k}.5,{'rg'[k % 2]},{'yn'[k % 3 > 0]}\n" for k in range(40))
    )
    return json.loads(json.dumps(load(path).encoder.to_dict()))


WRONG = {
    "a name that is a number": lambda schema: schema["names"].__setitem__(0, 5),
    "a column that is not there": lambda schema: schema["columns"][0].update(index=99),
    "a field too many": lambda schema: schema["columns"][0].update(__class__="os"),
    "a field that lacks": lambda schema: schema["columns"][0].pop("index"),
    "a kind that is none": lambda schema: schema["columns"][0].update(kind="pickle"),
    "a category without levels": lambda schema: schema["columns"][1].update(levels=[], missing=False),
    "a level twice": lambda schema: schema["columns"][1].update(levels=["r", "r"]),
    "a target in words": lambda schema: schema.update(target="2"),
    "true as a number": lambda schema: schema.update(target=True),
    "one class": lambda schema: schema["task"].update(classes=["y"]),
    "columns that are none": lambda schema: schema.update(columns={}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_schema_is_what_a_table_has(schema, what):
    changed = json.loads(json.dumps(schema))
    WRONG[what](changed)
    refused(lambda: encoder_from_dict(changed), "what describes the data is damaged")
    assert encoder_from_dict(schema).to_dict() == schema


# Places outside of a folder ---------------------------------------------------------------------------------


def test_nothing_outside_of_a_run_folder_is_removed(tmp_path):
    """Checkpoints that are a link to a folder of numbered folders: they would be given up as old ones."""
    precious = tmp_path / "years" / "2024"
    precious.mkdir(parents=True)
    (precious / "thesis.tex").write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    (run / "checkpoints").symlink_to(tmp_path / "years")
    refused(lambda: Checkpoints(run, {"seed": 1}), "must be a folder in the run folder; it is a link")
    (run / "checkpoints").unlink()
    (run / "checkpoints").mkdir()
    for name in ("2024", "tmp-x", "trash-y"):
        (run / "checkpoints" / name).symlink_to(precious)
    kept = Checkpoints(run, {"seed": 1})
    for updates in (1, 2, 3):
        kept.save(updates, [CheckpointFile("repeats-0", {"a": np.zeros(2, np.float32)}, {})])
    assert (precious / "thesis.tex").read_text() == "precious"


def test_a_lock_that_is_a_link_is_not_written_through(tmp_path):
    from epochal.runs.run_folder import locked

    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "mine.txt")

    def take():
        with locked(tmp_path / "run"):
            pass

    refused(take, "can't be written")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_device_is_no_table(tmp_path):
    (tmp_path / "x.csv").symlink_to("/dev/zero")
    refused(lambda: load(tmp_path / "x.csv"), "regular file")


def test_links_that_lead_out_of_a_folder_of_images_are_told(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / name / "1.png")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "private.png")
    (tmp_path / "photos" / "a" / "2.png").symlink_to(tmp_path / "private.png")
    dataset = load(tmp_path / "photos")
    assert any("a/2.png" in note and "outside" in note for note in dataset.raw_notes), dataset.raw_notes
    (tmp_path / "photos" / "a" / "2.png").unlink()
    assert not any("outside" in note for note in load(tmp_path / "photos").raw_notes)


def test_a_link_in_a_circle_is_no_picture(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    (tmp_path / "a" / "2.png").symlink_to("2.png")
    refused(lambda: load(tmp_path), "a/2.png can't: it is a link to a file that does not exist")
    assert load(tmp_path, skip_bad=True).samples == 2


def test_bytes_of_a_page_that_are_half_characters_are_written(tmp_path):
    from epochal.report.page import write_whole

    assert write_whole("a\ud800b", tmp_path / "x.html").read_text() == "a?b"
