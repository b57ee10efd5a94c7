"""Golden: tables whose targets, scales and rows need care, and the right outcome of each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.cli.main import main

TRIALS = Path(__file__).parents[1] / "trials"
QUICK = {"epochs": 30, "batch_size": 8, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Run a command: (exit status, standard output, standard error)."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        return status, *capsys.readouterr()

    return run


def column(path, name):
    with Path(path).open(encoding="utf-8") as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


def test_targets_far_from_zero_are_learned_and_written_with_all_their_digits(call):
    table = TRIALS / "timestamps.csv"
    status, out, _ = call("train", table, "--epochs", 40, "--batch-size", 8, "--out", "run", "--hidden", 16)
    assert status == 0
    assert "1700000000.23 to 1700000099.9" in " ".join(out.split())
    true = column(table, "when")
    run = ep.load("run")
    assert run.scores["validation"].metrics["r2"].mean > 0.95
    assert run.baseline["validation.r2"][0] == pytest.approx(0, abs=0.05)
    held = run.scores["validation"]
    np.testing.assert_array_equal(held.true, true[run.splits[0] == 2])
    error = np.sqrt(np.square(held.predicted - held.true).mean())
    assert held.metrics["rmse"].mean == pytest.approx(error, rel=1e-9)
    assert run.curves.values("validation.rmse")[1][0].min() == pytest.approx(error, rel=1e-3)

    exact = run.predict(table).values[:, 0]
    assert np.abs(exact - true).max() < 20
    printed = call("predict", "run", table)[1]
    by_csv = [float(row["predicted when"]) for row in csv.DictReader(io.StringIO(printed))]
    by_json = [
        row["predicted when"] for row in json.loads(call("predict", "run", table, "--json")[1])["rows"]
    ]
    for written in (by_csv, by_json):
        np.testing.assert_allclose(written, exact, rtol=0, atol=1e-4)
    page = Path("run/report.html").read_text()
    assert "1700000" in page.partition('"residuals"')[2][:200]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(lambda x: 2.5e12 + 7 * x, id="milliseconds"),
        pytest.param(lambda x: -3e7 + x * 1e-2, id="below zero"),
        pytest.param(lambda x: (16_777_216 + np.round(1000 * x)).astype(np.int64), id="whole numbers"),
        pytest.param(lambda x: np.column_stack([x, 1e9 + x]), id="one of two"),
    ],
)
def test_any_offset_of_the_target_changes_nothing_that_is_learned(target):
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = target(x[:, 0] + 3)
    run = ep.fit(ep.MLP(8), (x, y), standardize=True, task="regression", **QUICK)
    assert run.scores["validation"].metrics["r2"].mean > 0.95
    found = run.predict(x).values.reshape(y.shape)
    assert (np.abs(found - y).mean(axis=0) < 0.2 * np.std(y, axis=0)).all()


def _frame(x, y):
    return pa.table({"a": x[:, 0], "b": x[:, 1], "y": y})


@pytest.fixture(scope="module")
def far():
    """Inputs 1e9 + x, of which x decides."""
    x = np.random.default_rng(1).normal(size=(300, 2))
    return 1e9 + x, (x[:, 0] > 0).astype(np.int64)


@pytest.mark.parametrize("kind", ["arrays", "frame", "csv", "parquet", "npy"])
@pytest.mark.parametrize("stream", [False, True])
def test_inputs_far_from_zero_are_learned(far, kind, stream):
    inputs, classes = far
    table = _frame(inputs, classes)
    new = inputs if kind in ("arrays", "npy") else table
    if kind == "arrays":
        source = (inputs, classes)
    elif kind == "frame":
        source = (table, "y")
    elif kind == "npy":
        source = "far.npy"
        np.save(source, np.column_stack([inputs, classes]))
    else:
        source = f"far.{kind}"
        (pa.csv.write_csv if kind == "csv" else pq.write_table)(table, source)
    run = ep.fit(ep.MLP(8), source, stream=stream if kind != "frame" else None, standardize=True, **QUICK)
    assert run.scores["validation"].metrics["accuracy"].mean > 0.85
    run.save("run")
    labels = ep.load("run").predict(new).labels.astype(int)
    assert (labels == classes).mean() > 0.85
    one = ep.load("run").predict(new[:1] if isinstance(new, np.ndarray) else new.slice(0, 1))
    np.testing.assert_allclose(one.values[0], run.predict(new).values[0], rtol=1e-5)


def test_a_series_far_from_zero_is_forecast():
    series = 1.6e9 + 10 * np.sin(np.arange(240) / 5)
    run = ep.fit(ep.MLP(8), ep.windows(series, lags=8), **QUICK)
    assert run.scores["validation"].metrics["r2"].mean > 0.9


def test_numbers_that_float32_holds_exactly_stay_float32():
    years = np.column_stack([np.arange(1900.0, 2020.0), np.arange(120.0) / 7])
    assert ep.load_data((years, np.arange(120) % 2)).dtype == np.float32


def test_without_scaling_lost_differences_are_said(far):
    inputs, classes = far
    run = ep.fit(ep.MLP(4), (inputs, classes), standardize=False, epochs=1)
    assert any("standardize" in note and "column 1" in note for note in run.data["notes"])
