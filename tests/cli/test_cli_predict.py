"""Contract of `epochal predict`, `trace`, `report` and `example`, with their refusals."""

import io
import json
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from helpers import read_json, write_json


def test_csv_parquet_and_standard_output_hold_the_same(call, trained):
    run, table = trained
    printed = call("predict", run, table)
    assert printed.status == 0
    assert printed.out.splitlines()[0].startswith('"row","predicted kind","probability a",')
    for name in ("p.csv", "p.parquet"):
        result = call("predict", run, table, "--out", name)
        assert (result.status, result.out) == (0, "")
        assert f"wrote 60 predictions to {name}" in result.err
    kept = pyarrow.parquet.read_table("p.parquet")
    rows = call("predict", run, table, "--json").json["rows"]
    assert rows == kept.to_pylist()
    assert rows[0].keys() == set(pyarrow.csv.read_csv("p.csv").column_names)
    assert rows[0]["predicted kind"] in ("a", "b")
    assert Path("p.csv").read_text() == printed.out


def test_an_existing_file_needs_force(call, refuse, trained):
    run, table = trained
    call("predict", run, table, "--out", "p.csv", "--quiet")
    refuse("predict", run, table, "--out", "p.csv", words=['"p.csv" exists already', "--force"])
    assert call("predict", run, table, "--out", "p.csv", "--force", "--quiet").err == ""


def test_one_repeat_has_no_spread_and_json_no_nan(call, tmp_path):
    options = ("--hidden", "4", "--epochs", "2", "--out", "run", "--quiet", "--no-report")
    assert call("train", "example:diabetes", *options).status == 0
    result = call("predict", "run", "example:diabetes", "--json")
    assert "NaN" not in result.out
    assert result.json["rows"][0].keys() == {"row", "predicted progression"}


def changed(table, to, change):
    header, *rows = [line.split(",") for line in table.read_text().splitlines()]
    to.write_text("\n".join(",".join(change(header, row)) for row in [header, *rows]) + "\n")
    return to


def test_columns_may_be_reordered_added_or_be_without_target(call, trained, tmp_path):
    run, table = trained
    wanted = call("predict", run, table).out
    for name, change in {
        "reordered": lambda header, row: row[::-1],
        "extra": lambda header, row: ["more", *row],
        "unlabeled": lambda header, row: row[:-1],
    }.items():
        result = call("predict", run, changed(table, tmp_path / f"{name}.csv", change))
        assert (result.status, result.out) == (0, wanted), name


def test_unseen_categories_are_said(call, trained, tmp_path):
    run, table = trained
    new = tmp_path / "new.csv"
    new.write_text(table.read_text().replace("red", "pink"))
    result = call("predict", run, new)
    assert result.status == 0
    assert '"color"' in result.err
    assert '1 value not seen in training ("pink") in 20 rows' in result.err


def test_rows_that_do_not_fit_are_refused(refuse, trained, tmp_path):
    run, table = trained
    missing = changed(table, tmp_path / "missing.csv", lambda header, row: [row[0], *row[2:]])
    refuse("predict", run, missing, words=["color"])
    words = changed(
        table, tmp_path / "words.csv", lambda header, row: row if row is header else ["old", *row[1:]]
    )
    refuse("predict", run, words, words=["age", '"old"', "row 1"])
    (tmp_path / "none.csv").write_text("age,color,height,kind\n")
    refuse("predict", run, tmp_path / "none.csv", words=["row"])
    refuse("predict", run, "nowhere.csv", words=["no file nowhere.csv"])
    refuse("predict", run, table, "--parameters", "bst", words=["best", "last", "bst"])


def test_where_it_can_not_be_written_is_refused(refuse, call, trained, tmp_path):
    run, table = trained
    refuse("predict", run, table, "--out", "no/p.csv", words=["no/p.csv", 'no folder "no"'])
    refuse("predict", run, table, "--out", tmp_path, words=["is a folder"])
    refuse("report", run, "--out", "no/r.html", words=["no/r.html", 'no folder "no"'])
    refuse("example", "iris", "--out", "no/i.csv", words=["no/i.csv", "no folder no"])
    refuse("example", "irs", words=['"irs"', 'mean "iris"'])


OWN = """
import jax

def pair(inputs, outputs):
    def init(key, sample):
        return jax.random.normal(key, (inputs, outputs)) / 8
    return init, lambda weights, x: x @ weights
"""


def test_a_model_of_ones_own_is_named_again(call, refuse, tmp_path):
    (tmp_path / "named_again.py").write_text(OWN)
    options = ("--epochs", "1", "--no-report", "--out", "run", "--quiet")
    assert call("train", "example:iris", "--model", "named_again:pair", *options).status == 0
    predict = ("predict", "run", "example:iris")
    refuse(*predict, words=["trained with the model named_again:pair", "--model named_again:pair"])
    result = call(*predict, "--model", "named_again:pair", "--json")
    assert len(result.json["rows"]) == 150
    refuse(*predict, "--model", "named_again:par", words=['"par"', 'mean "pair"'])
    refuse(*predict, "--model", "named_again", words=["package.module:function"])


def test_a_run_of_a_stranger_is_predicted_with_nothing_that_it_names(refuse, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.call", lambda *_: pytest.fail("called"))
    run = shutil.copytree(trained[0], tmp_path / "stranger")
    document = read_json(run / "run.json")
    document["settings"]["model"] = {"kind": "import", "path": "subprocess:call"}
    write_json(run / "run.json", document)
    refuse("predict", run, trained[1], words=["--model subprocess:call"])


@pytest.mark.parametrize("command", ["predict", "trace", "report"])
def test_what_is_no_run_is_refused(command, refuse, tmp_path, trained):
    arguments = {"predict": [trained[1]], "trace": ["--update", "1"], "report": []}[command]
    refuse(command, "nowhere", *arguments, words=["nowhere", "run.json", "epochal runs"])
    (tmp_path / "folder").mkdir()
    refuse(command, "folder", *arguments, words=["folder", "run.json"])


DAMAGE = {
    "no JSON": ("run.json", b"{"),
    "another JSON": ("run.json", b"[1, 2]"),
    "a later format": ("run.json", b'{"format": 99}'),
    "half a record": ("run.json", b'{"format": 1}'),
    "parameters": ("best.safetensors", b"\x00" * 40),
    "cut parameters": ("best.safetensors", None),
    "no parameters": ("best.safetensors", ...),
    "split": ("split.parquet", b"PAR1"),
    "curves": ("metrics.parquet", ...),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_refused(name, refuse, trained, tmp_path):
    file, content = DAMAGE[name]
    broken = tmp_path / "broken"
    shutil.copytree(trained[0], broken)
    if content is ...:
        (broken / file).unlink()
    else:
        whole = (broken / file).read_bytes()
        (broken / file).write_bytes(whole[: len(whole) // 2] if content is None else content)
    refuse("predict", broken, trained[1], words=["broken"])


def test_trace_says_where_a_row_was_and_what_formed_an_update(call, trained):
    run, _ = trained
    formed = call("trace", run, "--update", "1", "--json").json
    row = formed["rows"][2]
    seen = call("trace", run, "--sample", row, "--epoch", formed["epoch"], "--json").json
    (turn,) = seen["epochs"][0]["uses"]
    assert (turn["update"], turn["batch"], turn["slot"]) == (1, formed["batch"], 3)
    assert len(call("trace", run, "--sample", row).out.splitlines()) == 3
    assert f"rows: {', '.join(map(str, formed['rows']))}" in call("trace", run, "--update", "1").out


TRACE = {
    "neither": ([], ["--sample", "--update", "--audit", "got none"]),
    "both": (["--sample", "1", "--update", "1"], ["got several"]),
    "an epoch of an update": (["--update", "1", "--epoch", "1"], ["--epoch", "--sample"]),
    "update above": (["--update", "7"], ["update", "between 1 and 6", "got 7"]),
    "update below": (["--update", "0"], ["update", "at least 1", "got 0"]),
    "row above": (["--sample", "61"], ["row 61", "1 to 60"]),
    "row 0": (["--sample", "0"], ["sample", "at least 1", "got 0"]),
    "epoch above": (["--sample", "1", "--epoch", "4"], ["epoch", "got 4"]),
    "repeat above": (["--sample", "1", "--repeat", "3"], ["repeat", "1 and 2", "got 3"]),
    "repeat above for an update": (["--update", "1", "--repeat", "3"], ["repeat", "1 and 2", "got 3"]),
    "repeat below": (["--update", "1", "--repeat", "0"], ["repeat", "at least 1", "got 0"]),
}


@pytest.mark.parametrize("name", TRACE)
def test_a_trace_out_of_range_is_refused(name, refuse, trained, call):
    run, _ = trained
    options, words = TRACE[name]
    if name == "epoch above":
        row = call("trace", run, "--update", "1", "--json").json["rows"][0]
        options = ["--sample", str(row), *options[2:]]
    refuse("trace", run, *options, words=words)


def test_the_report_is_written_again(call, trained, tmp_path):
    result = call("report", trained[0], "--out", "page.html")
    assert result.out == "wrote page.html\n"
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_examples_are_listed_and_written_once(call, refuse):
    assert "example:iris" in call("example").out.split()
    assert call("example", "iris").out == "wrote iris.csv\n"
    refuse("example", "example:iris", words=["iris.csv exists already", "--out"])


def test_a_run_says_what_it_holds(trained):
    document = json.loads((trained[0] / "run.json").read_text())
    assert document["settings"]["repeats"] == 2


def test_columns_of_the_input_stand_beside_as_the_file_has_them(call, trained, tmp_path):
    """Identifiers with zeros before them, in another order of columns, with a column of our own name."""
    run, table = trained
    lines = table.read_text().splitlines()
    made = ["customer,row," + lines[0]]
    made += [f"{k:05d},{'' if k == 2 else '1.50'},{line}" for k, line in enumerate(lines[1:])]
    (tmp_path / "new.csv").write_text("\n".join(made) + "\n")
    plain = pyarrow.csv.read_csv(io.BytesIO(call("predict", run, table).out.encode()))
    text = pyarrow.csv.ConvertOptions(
        column_types={"customer": pyarrow.string(), "row (input)": pyarrow.string()}
    )

    def predicted(*options):
        out = call("predict", run, "new.csv", "--quiet", *options).out
        return pyarrow.csv.read_csv(io.BytesIO(out.encode()), convert_options=text)

    one = predicted("--id", "customer")
    assert one.column_names == ["row", "customer", *plain.column_names[1:]]
    assert one["customer"].to_pylist() == [f"{k:05d}" for k in range(60)]
    assert one.drop_columns("customer").equals(plain)
    assert predicted("--id", "1,color").column_names[:3] == ["row", "customer", "color"]
    whole = predicted("--with-inputs", "--id", "color")
    assert whole.column_names[:7] == ["row", "color", "customer", "row (input)", "age", "height", "kind"]
    assert whole["row (input)"].to_pylist()[:3] == ["1.50", "1.50", ""]
    rows = call("predict", run, "new.csv", "--with-inputs", "--json").json["rows"]
    assert rows[3]["customer"] == "00003" and rows[3]["age"] == 23 and rows[2]["row (input)"] is None


def test_columns_that_are_not_there_are_refused(refuse, trained):
    run, table = trained
    refuse("predict", run, table, "--id", "colour", words=['"colour"', 'mean "color"'])
