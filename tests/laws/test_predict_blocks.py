"""Law: rows are predicted alike however many come along, from memory or block by block from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import epochal as ep
from epochal.data import lazy
from epochal.data.lazy import FileArray, LazyArray
from epochal.data.streams import parquet
from epochal.data.streams.items import ItemArray
from epochal.engine.evaluate import forward
from epochal.errors import Refusal
from epochal.runs import predict as predicting
from epochal.runs.predict import block_rows, padded_call, read_samples

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(90, 3)).astype(np.float32)
Y = (X.sum(1) > 0).astype(int)
SHORT: dict[str, Any] = {"epochs": 2, "seed": 1, "progress": False}


def networks() -> dict[str, tuple[Any, Any]]:
    return {
        "mlp": (ep.MLP(16), X),
        "cnn": (ep.CNN(4), RANDOM.normal(size=(90, 8, 8, 1)).astype(np.float32)),
        "lstm": (ep.LSTM(4), RANDOM.normal(size=(90, 6, 2)).astype(np.float32)),
    }


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm"])
def test_the_rows_that_pad_a_block_have_no_influence(name: str) -> None:
    """Bit for bit within a size; to the rounding of another lowering against the rows alone."""
    model, inputs = networks()[name]
    run = ep.fit(model, inputs, Y, repeats=2, **SHORT)
    assert run.model is not None
    call, variables = predicting.compiled_forward(run, run.model), run.fitted[0].best
    alone = jax.jit(lambda inputs: forward(run.model, variables, inputs))
    for rows in (1, 2, 15, 16, 17, 40):
        padded = padded_call(call, variables, inputs[:rows], 4096)
        more = np.concatenate([inputs[:rows], inputs[50 : 50 + (-rows % 16)]])
        others = padded_call(call, variables, more, 4096)
        np.testing.assert_array_equal(padded, others[:rows])
        np.testing.assert_allclose(padded, alone(inputs[:rows]), rtol=1e-5, atol=2e-6)
    many = run.predict(inputs).values
    np.testing.assert_allclose(run.predict(inputs[:1]).values, many[:1], rtol=1e-5, atol=2e-6)


def test_few_numbers_of_rows_are_compiled_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = ep.fit(ep.MLP(5), X, Y, **SHORT)
    shapes: set[tuple[int, ...]] = set()
    compiled = predicting.compiled_forward

    def counted(*arguments: Any) -> Callable[..., Any]:
        call = compiled(*arguments)
        return lambda variables, inputs: (shapes.add(inputs.shape), call(variables, inputs))[1]

    monkeypatch.setattr(predicting, "compiled_forward", counted)
    for rows in range(1, 91):
        assert len(run.predict(X[:rows])) == rows
    assert shapes == {(16, 3), (32, 3), (64, 3), (128, 3)}
    shapes.clear()
    run.predict(np.tile(X, (120, 1)))
    assert shapes == {(4096, 3)}


def test_a_block_is_that_of_an_evaluation_or_64_mib() -> None:
    assert block_rows(ep.MLP(4), 12) == 4096
    assert block_rows(ep.CNN(4), 28 * 28) == 4096
    assert block_rows(ep.CNN(4), 3 * 512 * 512) == 256


def in_blocks(run: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples are read at a time."""
    asked: list[int] = []
    monkeypatch.setattr(predicting, "block_rows", lambda model, sample: 32)
    for kind in (FileArray, ItemArray):
        take = kind.take

        def counted(self: LazyArray, samples: Any, out: Any = None, take: Any = take) -> Any:
            asked.append(len(samples))
            return take(self, samples, out)

        monkeypatch.setattr(kind, "take", counted)
    return asked


def test_a_numpy_file_is_read_block_by_block_where_training_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "data.npy", np.column_stack([X, Y]))
    within = ep.fit(ep.MLP(8), ep.load_data(tmp_path / "data.npy", task="classification"), **SHORT)
    data = ep.load_data(tmp_path / "data.npy", task="classification", stream=True)
    run = ep.fit(ep.MLP(8), data, standardize=True, **SHORT)
    whole = run.predict(np.column_stack([X, Y]))
    assert not isinstance(read_samples(within, tmp_path / "data.npy").inputs, LazyArray)
    assert isinstance(read_samples(run, tmp_path / "data.npy").inputs, FileArray)
    asked = in_blocks(run, monkeypatch)
    found = run.predict(tmp_path / "data.npy")
    assert [size for size in asked if size in (32, 26)] == [32, 32, 26], "each row once"
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(found.truth, whole.truth)
    assert not any("stream=False" in note for note in found.notes)
    assert run.evaluate(tmp_path / "data.npy").rows == 90


def test_missing_values_are_refused_where_no_scaling_fills_them(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.column_stack([X, Y]))
    data = ep.load_data(tmp_path / "data.npy", task="classification", stream=True)
    run = ep.fit(ep.MLP(8), data, standardize=False, **SHORT)
    holes = X.copy()
    holes[41, 1] = np.nan
    np.save(tmp_path / "new.npy", holes)
    with pytest.raises(Refusal, match=r"no missing values .* got one in row 42"):
        run.predict(tmp_path / "new.npy")


def frame(rows: int = 90, *, new: bool = False) -> pa.Table:
    colors = np.where(np.arange(rows) % 3 == 0, "red", "blue").astype(object)
    width = X[:rows, 0].astype(object)
    if new:
        colors[70], width[5], width[80] = "green", None, None
    columns = {"width": width.tolist(), "height": X[:rows, 1].tolist(), "color": colors.tolist()}
    return pa.table({**columns, "kind": np.where(Y[:rows] > 0, "yes", "no").tolist()})


def test_parquet_is_read_block_by_block_where_training_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(frame(), tmp_path / "data.parquet", row_group_size=40)
    run = ep.fit(ep.MLP(8), ep.load_data(tmp_path / "data.parquet", stream=True), repeats=2, **SHORT)
    pq.write_table(frame(new=True), tmp_path / "new.parquet", row_group_size=40)
    whole = run.predict(frame(new=True))
    asked = in_blocks(run, monkeypatch)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(parquet.tempfile, "mkdtemp", lambda prefix: str(temporary))
    found = run.predict(tmp_path / "new.parquet")
    assert [size for size in asked if size in (32, 26)] == [32, 32, 26]
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(found.truth, whole.truth)
    assert any("has missing values, training had none: filled" in note for note in found.notes)
    assert any("has values not seen in training: treated as unknown" in note for note in found.notes)
    assert not temporary.exists(), "nothing is left"
    pq.write_table(frame(new=True).drop_columns(["kind"]), tmp_path / "bare.parquet")
    temporary.mkdir()
    bare = run.predict(tmp_path / "bare.parquet")
    assert bare.truth is None
    np.testing.assert_array_equal(bare.values, found.values)


def test_images_that_do_not_fit_are_read_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        folder = tmp_path / "images" / ("dark" if number % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = RANDOM.integers(0, 120, (8, 8), dtype=np.uint8) + np.uint8(0 if number % 2 else 120)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    run = ep.fit(ep.MLP(8), ep.load_data(tmp_path / "images"), **SHORT)
    whole = run.predict(tmp_path / "images")
    monkeypatch.setattr(lazy, "free_memory", lambda: 100)
    assert isinstance(read_samples(run, tmp_path / "images").inputs, ItemArray)
    asked = in_blocks(run, monkeypatch)
    np.testing.assert_allclose(run.predict(tmp_path / "images").values, whole.values, rtol=1e-5, atol=2e-6)
    assert [size for size in asked if size in (32, 8)] == [32, 8]
