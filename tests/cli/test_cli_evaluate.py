"""Contract of `epochal evaluate`: what it prints, what it writes, and its refusals."""

import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """The run of a regression with a large target, and its table."""
    from epochal.cli.main import main

    folder = tmp_path_factory.mktemp("numbers")
    lines = ["x,z,price", *(f"{k % 17},{k % 5},{1000 + 40 * (k % 17) - 7 * (k % 5)}.5" for k in range(80))]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    options = (
        "--hidden",
        "8",
        "--epochs",
        "20",
        "--repeats",
        "2",
        "--no-report",
        "--quiet",
        "--target",
        "price",
    )
    assert main(["train", str(folder / "table.csv"), *options, "--out", str(folder / "run")]) == 0
    return folder / "run", folder / "table.csv"


def test_screen_json_and_files_say_the_same(call, trained):
    run, table = trained
    shown = call("evaluate", run, table)
    assert (shown.status, shown.err) == (0, "")
    document = call("evaluate", run, table, "--json").json
    assert document["rows"] == 60 and document["repeats"] == 2
    counts = document["ensemble_confusion"]
    assert sum(map(sum, counts)) == 60
    for words in ("accuracy", "ensemble", "Classes", "Confusion matrix", "Calibration of the probability"):
        assert words in shown.out
    assert "of 60 rows were used in training by at least one of 2 repeats" in shown.out
    assert document["overlap"]["sentence"].startswith(f"{document['overlap']['trained']} of 60 rows")
    for name in ("e.json", "e.csv", "e.parquet"):
        assert call("evaluate", run, table, "--out", name, "--quiet").status == 0
    kept = json.loads(Path("e.json").read_text())
    assert kept == {name: value for name, value in document.items() if name != "run"}
    rows = pyarrow.parquet.read_table("e.parquet").to_pylist()
    assert {row["metric"]: row["mean"] for row in rows} == {
        name: one["mean"] for name, one in document["metrics"].items()
    }
    assert pyarrow.csv.read_csv("e.csv").column_names == list(rows[0])
    quiet = call("evaluate", run, table, "--quiet").out
    assert quiet == f"accuracy {document['ensemble']['accuracy']:.3f}\n"


def test_numbers_have_errors_in_their_units(call, numbers):
    run, table = numbers
    shown, document = call("evaluate", run, table).out, call("evaluate", run, table, "--json").json
    (errors,) = document["residuals"]
    assert document["metrics"]["rmse"]["mean"] > 1 and errors["name"] == "price"
    assert "Errors, predicted less true" in shown and "RMSE" in shown
    assert document["confusion"] is None and document["calibration"] is None


def test_what_can_not_be_evaluated_is_refused(refuse, trained, tmp_path):
    run, table = trained
    lines = [line.rpartition(",")[0] for line in table.read_text().splitlines()]
    (tmp_path / "unlabeled.csv").write_text("\n".join(lines) + "\n")
    refuse("evaluate", run, "unlabeled.csv", words=['unlabeled.csv must have the target "kind"', "predict"])
    refuse("evaluate", run, "nowhere.csv", words=["no file nowhere.csv"])
    refuse("evaluate", "nowhere", table, words=["nowhere", "epochal runs"])
    refuse("evaluate", run, table, "--parameters", "bst", words=["best", "last", "bst"])
    (tmp_path / "e.json").write_text("")
    refuse("evaluate", run, table, "--out", "e.json", words=["exists already", "--force"])


@pytest.mark.parametrize("width", [80, 140])
def test_it_fits_the_terminal(call, trained, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, call("evaluate", *trained).out.splitlines())) <= width
