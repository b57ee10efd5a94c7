"""Law: Parquet files, a Hugging Face data set and an object give the samples of the same table in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.data import load
from epochal.data.lazy import FileArray, LazyArray
from epochal.data.streams.hugging_face import HuggingFaceArray
from epochal.data.streams.items import ItemArray
from epochal.engine.prefetch import Prefetcher
from epochal.errors import DataFailed
from epochal.settings import Settings
from epochal.training.prepare import prepare

RANDOM = np.random.default_rng(4)
ROWS = 400


def table() -> pa.Table:
    numbers = RANDOM.normal(size=(ROWS, 2))
    holes = RANDOM.random(ROWS) < 0.1
    return pa.table(
        {
            "width": pa.array(numbers[:, 0]),
            "height": pa.array(numbers[:, 1], mask=holes),
            "color": pa.array(RANDOM.choice(["red", "green", "blue"], ROWS)),
            "kind": pa.array(np.where(numbers.sum(1) > 0, "yes", "no"), mask=RANDOM.random(ROWS) < 0.02),
        }
    )


def parts(folder: Path, whole: pa.Table) -> Path:
    folder.mkdir()
    for number, start in enumerate((0, 150)):
        pq.write_table(
            whole.slice(start, 150 if not start else None),
            folder / f"part-{number}.parquet",
            row_group_size=64,
        )
    return folder


def test_parquet_files_become_the_rows_that_the_table_has(tmp_path: Path) -> None:
    whole = table()
    folder = parts(tmp_path / "data", whole)
    within, heard = load(folder), []
    streamed = load(folder, stream=True, progress=lambda *news: heard.append(news))
    assert isinstance(streamed.inputs, FileArray)
    assert streamed.features == within.features
    np.testing.assert_array_equal(streamed.inputs[:], within.inputs)
    np.testing.assert_array_equal(streamed.targets, within.targets)
    np.testing.assert_array_equal(streamed.row_numbers, within.row_numbers)
    assert streamed.task == within.task
    assert heard[-1] == ("converting Parquet", ROWS, ROWS)
    assert any("stay in" in note for note in streamed.raw_notes)

    run = ep.fit(ep.MLP(4), streamed, epochs=2, batch_size=50)
    assert run.settings["stream"]
    assert run.settings["standardize"]
    assert len(run.predict(whole.drop_columns(["kind"]))) == ROWS


def test_a_position_in_any_source_is_one_integer(tmp_path: Path) -> None:
    """A prefetcher that begins at an update gives what one from the first update on gives there."""
    datasets = pytest.importorskip("datasets")
    X = RANDOM.normal(size=(90, 2)).astype(np.float32)
    Y = np.arange(90) % 3
    columns = {"a": X[:, 0], "b": X[:, 1], "label": [f"c{one}" for one in Y]}
    np.save(tmp_path / "x.npy", X)
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    sources: tuple[tuple[Any, type[LazyArray]], ...] = (
        ((np.load(tmp_path / "x.npy", mmap_mode="r"), Y), FileArray),
        (tmp_path / "x.parquet", FileArray),
        (datasets.Dataset.from_dict(columns), HuggingFaceArray),
        ([(x, int(y)) for x, y in zip(X, Y, strict=True)], ItemArray),
    )
    for source, kind in sources:
        settings = Settings(batch_size=16, epochs=3, stream=True, order="stratified", seed=3)
        prepared = prepare(ep.MLP(4), source, settings)
        reader, plan = prepared.reader(0, "train"), prepared.plan_of(0)
        assert isinstance(reader.rows, kind)
        with ThreadPoolExecutor(1) as executor:
            for first in (0, 3, plan.updates - 1):
                update = first
                for chunk in Prefetcher(plan, reader, executor, first, plan.updates).chunks:
                    for place in range(chunk.segment.batches):
                        rows = prepared.splits[0].train[plan.batch_of_update(update)]
                        np.testing.assert_array_equal(chunk.samples.part.targets[place, 0], Y[rows])
                        wanted = (
                            X[rows] if prepared.scalings[0] is None else prepared.scalings[0].apply(X[rows])
                        )
                        np.testing.assert_array_equal(chunk.samples.part.inputs[place, 0], wanted)
                        update += 1
                assert update == plan.updates
        prepared.close()


def test_a_conversion_is_used_again_until_a_file_changes(tmp_path: Path) -> None:
    whole = table()
    path = tmp_path / "data.parquet"
    pq.write_table(whole, path)
    first, heard = load(path, stream=True), []
    again = load(path, stream=True, progress=lambda *news: heard.append(news))
    assert not heard
    assert again.fingerprint == first.fingerprint
    assert load(path, stream=True, target="color").target_name == "color"
    pq.write_table(whole.slice(0, 300), path)
    changed = load(path, stream=True)
    assert changed.samples < first.samples
    assert any(
        "has changed since it was converted: it was converted anew" in note for note in changed.raw_notes
    )
    assert len([place for place in (tmp_path / ".data.parquet.epochal").iterdir() if place.is_dir()]) == 2


def test_parquet_that_cannot_work_is_refused(tmp_path: Path) -> None:
    folder = parts(tmp_path / "data", table())
    pq.write_table(pa.table({"width": [1.0], "kind": ["no"]}), folder / "part-2.parquet")
    with pytest.raises(ep.Refusal, match=r"part-2\.parquet must have the columns of part-0\.parquet"):
        load(folder, stream=True)
    (folder / "part-2.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ep.Refusal, match=r"part-2\.parquet can't be read as Parquet"):
        load(folder, stream=True)
    pq.write_table(table(), folder / "part-2.parquet")
    events: Any = ep.train(ep.MLP(4), folder, stream=True, epochs=10_000, batch_size=50)
    for event in events:
        if isinstance(event, ep.Progressed) and event.updates > 5:
            pq.write_table(table(), folder / "part-2.parquet")
            break
    run = next(event for event in events if isinstance(event, ep.RunEnded)).run
    assert "part-2.parquet has changed since the training began" in run.failed


def test_a_hugging_face_data_set_is_read_where_it_lies() -> None:
    datasets = pytest.importorskip("datasets")
    numbers = RANDOM.normal(size=(60, 3)).astype(np.float32)
    labels = (numbers.sum(1) > 0).astype(int)
    features = datasets.Features(
        {
            "a": datasets.Value("float32"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
            "b": datasets.Value("float64"),
        }
    )
    columns = {"a": numbers[:, 0], "label": labels, "b": numbers[:, 1]}
    found = load(datasets.Dataset.from_dict(columns, features=features))
    assert found.task is not None
    assert found.task.classes == ("no", "yes")
    assert found.features == ("a", "b")
    some = np.array([7, 3, 59])
    np.testing.assert_array_equal(found.inputs[some], numbers[some][:, :2])
    np.testing.assert_array_equal(found.targets, labels)

    images = RANDOM.integers(0, 255, size=(60, 4, 5, 1)).astype(np.uint8)
    kind = datasets.Features(
        {
            "x": datasets.Array3D((4, 5, 1), "uint8"),
            "y": datasets.Value("int64"),
            "name": datasets.Value("string"),
        }
    )
    source = datasets.Dataset.from_dict({"x": images, "y": labels, "name": ["n"] * 60}, features=kind)
    with pytest.raises(ep.Refusal, match='column "name" of the Hugging Face data set must hold numbers'):
        load(source)
    held = load(source, drop=["name"])
    np.testing.assert_array_equal(held.inputs[some], images[some])
    assert held.dtype == np.uint8
    lists = datasets.Dataset.from_dict({"x": numbers.tolist(), "y": labels})
    np.testing.assert_array_equal(load(lists).inputs[some], numbers[some])
    # One that is longer does not make up for one that is shorter.
    ragged, lacking = numbers.tolist(), numbers.tolist()
    ragged[7].append(ragged[8].pop())
    lacking[7] = None
    for wrong in (ragged, lacking):
        rows = HuggingFaceArray(datasets.Dataset.from_dict({"x": wrong}), ["x"], (3,), np.dtype(np.float32))
        with pytest.raises(DataFailed, match=r"must have the shape \(3,\) of sample 1; samples 8 to 9 have"):
            rows.take(np.array([7, 8]))
    with pytest.raises(ep.Refusal, match="must have at least 2 rows to train on; got 0"):
        load(datasets.Dataset.from_dict({"x": [], "y": []}))
    run = ep.fit(ep.MLP(4), lists, epochs=2)
    assert run.settings["stream"]
    assert run.data["shape"] == [3]


def test_an_object_gives_what_arrays_give() -> None:
    class Items:
        def __init__(self, known: bool) -> None:
            if known:
                self.targets = Y

        def __len__(self) -> int:
            return len(X)

        def __getitem__(self, number: int) -> dict[str, Any]:
            return {"image": X[number], "label": Y[number]}

        def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
            return [self[number] for number in numbers]

    X = RANDOM.normal(size=(50, 2, 3)).astype(np.float32)
    Y = RANDOM.integers(0, 3, 50)
    some = np.array([4, 49, 4])
    for known in (True, False):
        found = load(Items(known))
        np.testing.assert_array_equal(found.inputs[some], X[some])
        np.testing.assert_array_equal(found.targets, Y)
        assert any("were read once" in note for note in found.notes) != known
    within = load(Items(True), stream=False)
    assert isinstance(within.inputs, np.ndarray)
    assert within.fingerprint == load((X, Y)).fingerprint
