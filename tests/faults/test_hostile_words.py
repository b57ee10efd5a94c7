"""Fault: names that steer a terminal or are formulas. They are shown as text, and cells can be guarded."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, strategies as st
from rich.text import Text

import epochal as ep
import epochal.cli
from epochal.common.text import one_line, printable
from epochal.errors import DataFailed, MissingExtra, Refusal
from epochal.runs.csv_file import guarded, write_csv, write_table
from epochal.runs.run_files import FORMAT
from epochal.training.progress.terminal import plain_console
from helpers import read_json, write_json

STEERING = "\x1b[2J\x1b]0;title\x07\x9b31m\u202eabc\u2066\r\x08\x00\x7f"


def steers(text):
    return any(
        (ord(sign) < 32 and sign not in "\n\t")
        or 127 <= ord(sign) < 160
        or sign in "\u202e\u2066\u2028\ud800"
        for sign in text
    )


@given(st.text() | st.text(alphabet="\x1b[2J\u202e\x9b\r\n\x85ab"))
def test_what_is_printable_keeps_its_length_and_steers_nothing(text):
    assert len(printable(text)) == len(text) and not steers(printable(text))
    assert printable(printable(text)) == printable(text)
    said = one_line(text)
    assert "\n" not in said and not steers(said) and one_line(said) == said


@pytest.mark.parametrize("kind", [Refusal, MissingExtra, DataFailed])
def test_an_error_is_one_printable_line_whatever_it_cites(kind):
    error = kind(f"column {STEERING}\nTraceback is bad.")
    assert "\n" not in str(error) and not steers(str(error)) and str(error).endswith("Traceback is bad.")
    assert len(str(kind("x" * 100_000))) < 4000


def test_letters_of_all_alphabets_stay():
    for text in ("größe", "名前", "नाम", "שם", "🙂\u200d🧑", "non\u00a0breaking", "−0.5 ± 1"):
        assert printable(text) == one_line(text) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_name_reaches_the_terminal_raw(monkeypatch):
    """Text and its style pass, control characters in it do not."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    console = plain_console(to_stderr=False)
    console.print(Text(f"name {STEERING}", style="bold"), soft_wrap=True)
    console.print(STEERING)
    written = screen.getvalue()
    assert "\x1b[1m" in written, "the console's own style"
    assert not steers(written.replace("\x1b[1m", "").replace("\x1b[0m", ""))


def test_commands_say_what_they_say_through_one_place():
    """`click.echo` and `print` write names as they are: only `say` calls them."""
    for path in sorted(Path(epochal.cli.__file__).parent.glob("*.py")):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho", "sys.stdout.write"), (
                    f"{path.name}:{node.lineno}: use epochal.cli.output"
                )


def test_a_document_escapes_what_steers_and_reads_back(capsys):
    from epochal.cli.output import echo, echo_json

    value = {STEERING: [STEERING, "größe", 1.5, "\ud800"]}
    echo_json(value)
    out = capsys.readouterr().out
    assert not steers(out) and json.loads(out) == value and "größe" in out
    echo(STEERING, err=True)
    assert not steers(capsys.readouterr().err)


def test_a_listing_of_hostile_runs_is_a_listing(tmp_path, capsys):
    """Names, values and types that no run writes, links and loops: each is a line."""
    from epochal.cli.main import main

    ep.fit(ep.MLP(2), "example:iris", epochs=2, batch_size=8, progress=False).save(tmp_path / ".kept")
    good = read_json(tmp_path / ".kept" / "run.json")
    good["data"]["source"] = f"table {STEERING}.csv"
    wrong = [
        [], 3, None, {"environment": 3}, {**good, "environment": {"date": 5}}, {**good, "scores": []},
        {**good, "settings": {"batch_size": "8", "epochs": 10**400, "repeats": None}},
        {**good, "scores": {"test": {"metrics": {"loss": {"per_repeat": ["x", [], 10**400]}}}}},
        {**good, "verdict": {"kind": {"a": 1}}}, {**good, "data": {"source": ["x"]}},
    ]  # fmt: skip
    for number, document in enumerate([good, *wrong]):
        (tmp_path / f"run {number}\n\x1b[31m").mkdir()
        file = tmp_path / f"run {number}\n\x1b[31m" / "run.json"
        if isinstance(document, dict):
            write_json(file, {"format": FORMAT, **document})
        else:
            file.write_text(json.dumps(document))
    for name, text in {"deep": "[" * 100_000, "empty": "", "number": "1e999999", "bytes": "\ufffe"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "run.json").symlink_to("/dev/zero")
    assert main(["runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert not steers(out) and len(out.splitlines()) == 1 + len(wrong) + 1 + 4
    assert main(["runs", str(tmp_path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert sum(not entry["problem"] for entry in listed) == 1


# Formulas ---------------------------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠A",
    "=cmd|' /C calc'!A0",
]
NUMBERS = ["-1", "+1", "-1.5e-7", "+.5", "-3.", "0"]


def unguarded(cell):
    """The inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and guarded(cell) != cell else cell


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_guarded(cell):
    assert guarded(cell) == f"'{cell}" and unguarded(guarded(cell)) == cell


@pytest.mark.parametrize("cell", [*NUMBERS, "", "plain", "it's", "a=b", "1-2"])
def test_numbers_and_other_text_stay(cell):
    assert guarded(cell) == cell == unguarded(cell)


@given(st.text(alphabet="'=+-@\t\r\n1.5ea＝") | st.text())
def test_a_guarded_cell_is_no_formula_and_comes_back(cell):
    safe = guarded(cell)
    assert unguarded(safe) == cell
    assert safe[:1] not in tuple("=+-@\t\r\n＝＋－＠") or safe == cell


def test_a_written_table_is_guarded_in_names_and_cells_and_nothing_else(tmp_path):
    table = pa.table({"=name": ["=1+1", "-2", None, "plain"], "number": np.array([-1.5, 2.0, 0.0, -0.25])})
    plain, safe = io.BytesIO(), tmp_path / "safe.csv"
    write_csv(table, plain)
    assert pa.csv.read_csv(io.BytesIO(plain.getvalue())).column_names == ["=name", "number"]
    assert write_table(table, safe, guard_formulas=True) == safe
    back = pa.csv.read_csv(safe)
    assert back.column_names == ["'=name", "number"]
    assert back.column(0).to_pylist() == ["'=1+1", "-2", "", "plain"]
    assert back.column(1).to_pylist() == [-1.5, 2.0, 0.0, -0.25]
    with pytest.raises(Refusal, match="about CSV"):
        write_table(table, tmp_path / "safe.parquet", guard_formulas=True)
