"""Law: a source of data is one record in the registry; load, prediction and resume find it there.

The source registered here is the worked example of docs/architecture.md: a table in a SQLite database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

import epochal as ep
from epochal.data import Dataset, TableEncoder, encoder_from_dict, registry
from epochal.data.files.column_types import normalize_types
from epochal.data.source import DataSource, ProgressCallback, TrainingContext, chosen
from epochal.data.tables.new_rows import new_rows, read_new
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import TableBased
from epochal.data.tables.table import dataset_of_table
from epochal.errors import Refusal


@dataclass(frozen=True)
class DatabaseEncoder(TableBased):
    """The schema of a table that lies in a database."""

    kind: ClassVar[str] = "database"


def is_database(source: Any) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix == ".db"


def rows_of(path: str | Path) -> pa.Table:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT * FROM samples")
        names = [name for name, *_ in found.description]
        return pa.table(dict(zip(names, zip(*found, strict=True), strict=True)))


def load_database(source: str | Path, asked: Mapping[str, Any], progress: ProgressCallback | None) -> Dataset:
    found = dataset_of_table(normalize_types(rows_of(source)), chosen(TableOptions, asked), Path(source).name)
    assert isinstance(found.encoder, TableEncoder)
    return replace(found, encoder=DatabaseEncoder(found.encoder))


def new_rows_of_database(encoder: DatabaseEncoder, source: Any, context: TrainingContext) -> Dataset:
    table = rows_of(source) if is_database(source) else source
    return new_rows(read_new(encoder.table, table, context.reading), encoder.table, partial=context.partial)


DATABASE = DataSource(
    recognizes=is_database,
    load=load_database,
    options={"target": str | int, "task": str},
    encoder=DatabaseEncoder,
    transform=new_rows_of_database,
)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SOURCES", (DATABASE, *registry.SOURCES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    numbers = random.normal(size=(60, 2))
    rows = [(x, y, "yes" if x > y else "no") for x, y in numbers.tolist()]
    with closing(sqlite3.connect(tmp_path / "samples.db")) as database:
        database.execute("CREATE TABLE samples (width REAL, height REAL, kind TEXT)")
        database.executemany("INSERT INTO samples VALUES (?, ?, ?)", rows)
        database.commit()
    return tmp_path / "samples.db"


def test_a_file_that_no_source_knows_is_refused(path: Path) -> None:
    """Negative control."""
    with pytest.raises(Refusal, match="it is a SQLite database"):
        ep.load_data(path)


def test_an_encoder_names_the_function_that_reads_its_data() -> None:
    for source in registry.SOURCES:
        if source.encoder is not None:
            assert source.encoder.loader == f"ep.{source.reader}"


@pytest.mark.usefixtures("registered")
def test_a_registered_source_is_loaded(path: Path) -> None:
    data = ep.load_data(path, target="kind")
    assert data.samples == 60 and data.features == ("width", "height") and data.task is not None
    assert data.recipe is not None and data.recipe.options == {"target": "kind"}
    again = registry.read_again(registry.recipe_from_dict(data.recipe.to_dict()))
    assert again.fingerprint == data.fingerprint and again.recipe == data.recipe
    assert encoder_from_dict(data.encoder.to_dict()) == data.encoder and data.loader == "ep.load_data"
    with pytest.raises(Refusal, match="resize, color and skip_bad are about a folder of images"):
        ep.load_data(path, resize=(8, 8))


@pytest.mark.usefixtures("registered")
def test_a_run_of_a_registered_source_predicts_and_goes_on(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = ep.fit(ep.MLP(4), path, epochs=2, seed=1, progress=False, out=folder)
    loaded = ep.load(folder)
    assert loaded.encoder == run.encoder
    predicted = loaded.predict(path)
    np.testing.assert_array_equal(predicted.values, run.predict(rows_of(path)).values)
    further = ep.resume(folder, epochs=5, progress=False)
    at_once = ep.fit(ep.MLP(4), path, epochs=5, seed=1, progress=False)
    np.testing.assert_array_equal(further.predict(path).values, at_once.predict(path).values)


def test_without_its_source_a_run_says_what_it_lacks(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry, "SOURCES", (DATABASE, *registry.SOURCES))
        ep.fit(ep.MLP(4), path, epochs=1, progress=False, out=tmp_path / "run")
    with pytest.raises(Refusal, match="the kind of data must be one of "):
        ep.load(tmp_path / "run")


def test_each_kind_and_each_reader_is_found_once() -> None:
    kinds = [source.encoder.kind for source in registry.SOURCES if source.encoder is not None]
    assert len(set(kinds)) == len(kinds)
    named = [source for source in registry.SOURCES if source.reader != "load_data"]
    assert len({source.reader for source in named}) == len(named)
    assert all(source.transform is not None for source in registry.SOURCES if source.encoder is not None)


def test_an_iterator_is_recognized_where_nothing_else_takes_it() -> None:
    assert registry.recognized(iter([1])).endless
    assert not registry.recognized([([1.0], 0)] * 4).endless
    assert not registry.recognized("example:iris").endless
    with pytest.raises(Refusal, match="data must be a path"):
        registry.recognized(3)


@pytest.mark.usefixtures("registered")
def test_categories_of_many_levels_are_embedded_whatever_the_encoder(tmp_path: Path) -> None:
    rows = [(f"level {number % 60}", number % 2) for number in range(240)]
    with closing(sqlite3.connect(tmp_path / "levels.db")) as database:
        database.execute("CREATE TABLE samples (level TEXT, kind INTEGER)")
        database.executemany("INSERT INTO samples VALUES (?, ?)", rows)
        database.commit()
    encoder = ep.load_data(tmp_path / "levels.db", target="kind").encoder
    assert encoder is not None and encoder.code_sizes == (61,)
