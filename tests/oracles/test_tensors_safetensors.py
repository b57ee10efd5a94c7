"""Oracle: the safetensors library reads what epochal writes, and would write the same; and the reverse."""

from __future__ import annotations

import json
import struct

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from epochal.errors import Refusal
from epochal.runs import disk, tensors
from epochal.runs.disk import Digest, measure
from epochal.runs.tensors import read_tensors, write_tensors

KNOWN = [
    np.dtype(kind) for kind in ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "c8", "f8", "i8", "u8"]
]
NAMES = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda name: name != "__metadata__")
ARRAYS = st.sampled_from(KNOWN).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
STATES = st.dictionaries(NAMES, ARRAYS, max_size=6)
# Of no arrays and no texts the library makes what is not JSON, so there is at least one.
METADATA = st.none() | st.dictionaries(
    NAMES, st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=1
)


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert found[name].tobytes() == value.tobytes(), name


@settings(max_examples=60)
@given(STATES, METADATA)
def test_the_bytes_are_those_of_the_library(tmp_path_factory, state, metadata):
    file = tmp_path_factory.mktemp("tensors") / "ours"
    written = write_tensors(file, state, metadata)
    content = file.read_bytes()
    assert written == measure(file) and written.size == len(content)
    plain = {name: np.asarray(value, order="C") for name, value in state.items()}
    theirs = safetensors.numpy.save(plain, metadata)
    assert content == theirs
    same(safetensors.numpy.load(content), state)
    found, about = read_tensors(file, written)
    same(found, state)
    assert about == (metadata or {})


@pytest.mark.parametrize(
    ("kind", "name"),
    [(ml_dtypes.bfloat16, "BF16"), (ml_dtypes.float8_e4m3fn, "F8_E4M3"), (ml_dtypes.float8_e5m2, "F8_E5M2")],
)
def test_small_floats_go_both_ways(tmp_path, kind, name):
    """NumPy has none, so the library is asked for the raw bytes."""
    state = {"half": np.arange(-6, 6).astype(kind).reshape(3, 4), "one": np.float32(2)}
    write_tensors(tmp_path / "ours", state)
    raw = dict(safetensors.deserialize((tmp_path / "ours").read_bytes()))
    assert (raw["half"]["dtype"], raw["half"]["shape"]) == (name, [3, 4])
    assert bytes(raw["half"]["data"]) == state["half"].tobytes()
    found = read_tensors(tmp_path / "ours")[0]
    assert found["half"].dtype == kind
    same(found, {"half": state["half"], "one": np.asarray(state["one"])})


def test_arrays_in_any_layout_are_written_as_their_values(tmp_path):
    base = np.arange(24, dtype=np.float64).reshape(4, 6)
    state = {
        "turned": base.T,
        "every second": base[:, ::2],
        "backward": base[::-1],
        "big": base.astype(">f8"),
    }
    write_tensors(tmp_path / "ours", state)
    for found in (read_tensors(tmp_path / "ours")[0], safetensors.numpy.load_file(tmp_path / "ours")):
        for name, value in state.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_large_arrays_are_hashed_beside_the_writing(tmp_path, monkeypatch):
    """Chunks of 64 bytes stand for those of megabytes: the same bytes and the same hash."""
    state = {"kernel": np.arange(1000.0), "bias": np.arange(7, dtype=np.int8)}
    plain = write_tensors(tmp_path / "plain", state)
    monkeypatch.setattr(disk, "_CHUNK", 64)
    monkeypatch.setattr(disk, "_THREADED", 16)
    assert write_tensors(tmp_path / "threads", state) == plain == measure(tmp_path / "threads")
    same(read_tensors(tmp_path / "threads", plain)[0], state)


def test_writing_takes_no_second_copy_of_the_state(tmp_path):
    import tracemalloc

    state = {str(k): np.zeros(1 << 20, np.float32) for k in range(8)}
    tracemalloc.start()
    write_tensors(tmp_path / "ours", state)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20, "of 32 MB"
    tracemalloc.stop()


@pytest.mark.parametrize(
    "value", [np.array(["text"]), np.array([None]), np.zeros(2, "datetime64[s]"), np.zeros(2, "c16")]
)
def test_what_the_format_does_not_know_is_not_written(tmp_path, value):
    with pytest.raises(TypeError, match="x must have a type that safetensors knows; got "):
        write_tensors(tmp_path / "ours", {"x": value})
    assert not (tmp_path / "ours").exists()
    with pytest.raises(ValueError, match="can't be called"):
        write_tensors(tmp_path / "ours", {"__metadata__": np.zeros(1)})


# What a header may claim ------------------------------------------------------------------------------------


def content(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


F4 = b"\0" * 8
WRONG = {
    "nothing": b"",
    "seven bytes": b"\0" * 7,
    "no header": b"\0" * 8,
    "a header beyond the file": content({}, length=10**18),
    "a header one byte beyond": content({}, length=3),
    "a list": content([]),
    "no JSON": content(b"{"),
    "not UTF-8": content(b'{"\xff": 1}'),
    "deep": content(b'{"a":' * 100_000),
    "a name twice": content(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), F4),
    "NaN": content(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', F4),
    "metadata that are numbers": content({"__metadata__": {"a": 1}}),
    "metadata that are a list": content({"__metadata__": []}),
    "an entry that is none": content({"a": 3}),
    "an unknown type": content({"a": entry("F128")}, F4),
    "a type that is a list": content({"a": {**entry(), "dtype": ["F32"]}}, F4),
    "a shape below 0": content({"a": entry(shape=(-2,))}, F4),
    "a shape of two negatives": content({"a": entry(shape=(-1, -2))}, F4),
    "a shape of fractions": content({"a": entry(shape=(2.0,))}, F4),
    "a shape that is true": content({"a": entry(shape=(True, 2))}, F4),
    "a shape that is too large": content({"a": entry(shape=(2**62, 2**62))}, F4),
    "a shape that wraps around": content({"a": entry(shape=(2**62 + 2,))}, F4),
    "other bytes than the shape": content({"a": entry(shape=(3,))}, F4),
    "offsets that turn": content({"a": entry(offsets=(8, 0))}, F4),
    "offsets beyond the file": content({"a": entry(shape=(4,), offsets=(0, 16))}, F4),
    "three offsets": content({"a": entry(offsets=(0, 8, 8))}, F4),
    "a hole in the beginning": content({"a": entry(offsets=(8, 16))}, F4 * 2),
    "a hole": content({"a": entry(), "b": entry(offsets=(12, 20))}, b"\0" * 20),
    "arrays over one another": content({"a": entry(), "b": entry(offsets=(4, 12))}, b"\0" * 12),
    "bytes at the end": content({"a": entry()}, F4 + b"\0"),
    "too few bytes": content({"a": entry()}, F4[:-1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_header_that_claims_too_much_is_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(WRONG[name])
    with pytest.raises(Refusal) as refused:
        read_tensors(tmp_path / "file")
    assert str(refused.value).startswith(f'"{tmp_path / "file"}" is damaged: ')


@given(st.binary(max_size=80), st.data())
def test_whatever_the_bytes_are_they_are_arrays_or_refused(tmp_path_factory, junk, data):
    whole = content({"__metadata__": {"a": "b"}, "x": entry(), "y": entry("U8", (3,), (8, 11))}, b"\0" * 11)
    at, file = data.draw(st.integers(0, len(whole))), tmp_path_factory.mktemp("junk") / "file"
    for some in (junk, content(junk), whole[:at] + junk + whole[at + len(junk) :]):
        try:
            file.write_bytes(some)
            found, _ = read_tensors(file)
        except Refusal:
            continue
        assert sum(value.nbytes for value in found.values()) <= len(some)


def test_a_header_is_bounded_as_the_format_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tensors, "_HEADER", 40)
    with pytest.raises(ValueError, match="the header must have at most 40 bytes"):
        write_tensors(tmp_path / "ours", {"a name that is rather long": np.zeros(2)})


def test_arrays_that_do_not_lie_at_their_alignment_are_read_all_the_same(tmp_path):
    """Another writer may put a byte before a float64."""
    header = {"a": entry("U8", (1,), (0, 1)), "b": entry("F64", (1,), (1, 9))}
    (tmp_path / "theirs").write_bytes(content(header, b"\1" + np.float64(2.5).tobytes()))
    found = read_tensors(tmp_path / "theirs")[0]
    assert found["b"].flags.aligned and found["b"].tolist() == [2.5] and found["a"].tolist() == [1]


def test_what_is_expected_is_looked_at_first(tmp_path):
    written = write_tensors(tmp_path / "ours", {"a": np.zeros(3)})
    for expected, words in (
        (Digest(written.size + 1, written.sha256), "it must have"),
        (Digest(written.size, "0" * 64), "its content is not what was written"),
    ):
        with pytest.raises(Refusal, match=words):
            read_tensors(tmp_path / "ours", expected)
    with pytest.raises(Refusal, match="can't be read: no such file"):
        read_tensors(tmp_path / "nowhere")
