"""epochal resume: a training goes on, or it is said in one sentence why it can't."""

import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import process, start
from test_cli_processes import ENDLESS, TIMEOUT, wait_for

import epochal as ep
from conftest import SMALL
from epochal.cli import interrupts
from epochal.cli.train import print_end
from epochal.models import as_model
from epochal.models.convert import NamedModel


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A table and a run of three epochs of it, with all checkpoints."""
    from epochal.cli.main import main

    folder = tmp_path_factory.mktemp("ended")
    assert main(["example", "iris", "--out", str(folder / "iris.csv")]) == 0
    options = ("--checkpoint-every", "1epoch", "--keep-checkpoints", "1", "--quiet", "--no-report")
    table, run = str(folder / "iris.csv"), str(folder / "run")
    assert main(["train", table, *SMALL, *options, "--out", run]) == 0
    return folder


@pytest.fixture
def copied(ended, tmp_path):
    """A copy that a test may spoil; the data stays where it was."""
    shutil.copytree(ended / "run", tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_run_is_left_as_it_is(call, copied):
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    result = call("resume", copied)
    assert result.status == 0
    assert (
        "has ended after all of its 3 epochs. --epochs with a larger number trains it further." in result.out
    )
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_a_run_is_trained_further(call, copied, ended):
    result = call("resume", copied, "--epochs", "5", "--json")
    assert result.status == 0, result.err
    assert result.json["plan"]["epochs"] == 5
    assert (
        call("train", ended / "iris.csv", *SMALL[:2], *SMALL[4:], "-e", 5, "--out", "at-once", "-q").status
        == 0
    )
    one, other = ep.load(copied), ep.load(copied.parent / "at-once")
    for name, column in one.curves.columns.items():
        assert (column == other.curves.columns[name])[1:].all()


def test_without_its_results_a_run_goes_on_from_the_last_checkpoint(call, copied):
    for name in ("run.json", "best.safetensors", "metrics.parquet"):
        (copied / name).unlink()
    result = call("resume", copied, "--quiet")
    assert result.status == 0, result.err
    assert call("verify", copied).status == 0


def test_a_damaged_checkpoint_is_passed_over_and_said(call, copied):
    (copied / "run.json").unlink()
    last = max((copied / "checkpoints").iterdir(), key=lambda path: int(path.name))
    (file,) = last.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    result = call("resume", copied)
    assert result.status == 0, result.err
    words = " ".join(result.out.split())
    assert f"checkpoint {last.name} is passed over" in words
    assert "Resumed from a checkpoint" in words


@pytest.mark.parametrize("where", ["nothing", "a file"])
def test_what_is_no_run_is_refused(where, refuse, tmp_path):
    if where == "a file":
        (tmp_path / where).write_text("")
    refuse("resume", where, words=["is not a run folder"])


def test_fewer_epochs_are_refused(call, copied):
    result = call("resume", copied, "--epochs", "2")
    assert (result.status, result.out) == (2, "")
    assert "--epochs must be a whole number, at least 3" in result.err


def spoiled(copied, change):
    """The run as if it had been killed, with a table that was changed since."""
    (copied / "run.json").unlink()
    document = json.loads((copied / "request.json").read_text())
    table = copied.parent / "other.csv"
    lines = Path(document["data"]["source"]).read_text().splitlines()
    table.write_text("\n".join(change(lines)) + "\n")
    return table


def one_cell(lines):
    return [lines[0], lines[1].replace("5.1", "5.2", 1), *lines[2:]]


def one_less(lines):
    return lines[:-1]


def same(lines):
    return lines


@pytest.mark.parametrize(("change", "words"), [(one_cell, "data"), (one_less, "149")])
def test_other_data_is_refused_with_what_differs(change, words, call, copied):
    table = spoiled(copied, change)
    result = call("resume", copied, "--data", table)
    assert (result.status, result.out) == (2, "")
    assert "can't go on" in result.err
    assert words in result.err
    assert result.err.count("\n") == 1


def test_data_may_be_elsewhere(call, copied):
    table = spoiled(copied, same)
    assert call("resume", copied, "--data", table, "--quiet").status == 0
    (copied / "run.json").unlink()
    assert Path(json.loads((copied / "request.json").read_text())["data"]["source"]).samefile(table)
    assert call("resume", copied, "--quiet").status == 0


def test_a_second_process_is_refused_and_a_second_signal_leaves_a_checkpoint(tmp_path, call):
    with start(*ENDLESS, "--checkpoint-every", "1s", "--out", "run", cwd=tmp_path) as running:
        wait_for(running, "epoch ")
        end = time.monotonic() + TIMEOUT
        while not list((tmp_path / "run" / "checkpoints").glob("[0-9]*")):
            assert time.monotonic() < end
            time.sleep(0.05)
        second = process("resume", "run", cwd=tmp_path)
        running.send_signal(signal.SIGTERM)
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=TIMEOUT)
    assert second.status == 2
    assert f"process {running.pid}" in second.err
    assert running.returncode in (130, 143)
    assert "Traceback" not in err
    found = call("verify", tmp_path / "run", "--json")
    assert found.status == 0, found.out


def test_the_command_that_goes_on_can_be_copied(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(interrupts, "_last", [signal.SIGINT])  # tests before may have sent another
    path = tmp_path / "a place" / "run"
    model = NamedModel("own:build", as_model(ep.MLP(3), 3))
    run = ep.fit(ep.MLP(3), "example:iris", epochs=1)
    run = replace(run, model=model, interrupted=True, folder=path)
    assert print_end(run, is_main_process=True, quiet=False, as_json=False) == 130
    assert capsys.readouterr().err == f"epochal: to go on: epochal resume '{path}' --model own:build\n"


def test_unfinished_runs_are_listed(call, copied):
    (copied / "run.json").unlink()
    result = call("runs", copied.parent)
    assert f"has not ended: epochal resume {copied}" in result.out
