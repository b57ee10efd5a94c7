"""Contract of `epochal advise`: what is printed and kept, and that its command trains as advised."""

import json
import shlex
import signal
import time

import pytest
from processes import process, start

from epochal.cli.train import command as train_command
from epochal.errors import Refusal
from epochal.runs.listing import listing

FIXED = ("--hidden", "4", "--batch-size", "35", "--learning-rate", "0.05", "--epochs", "4", "--repeats", "3")
FIXED = (*FIXED, "--validation", "0.3")
"""An advice about the epochs alone, which takes a few trainings."""

TIMEOUT = 60.0
"""Seconds after which a process is taken for hung."""


@pytest.fixture(autouse=True, scope="module")
def _hasty():
    """Update times are taken quickly; few batch sizes are thought of."""
    from epochal.choose.advice import advise
    from epochal.choose.search import pilot
    from epochal.choose.trials import timing

    measured = timing.update_time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(advise, "MORE_REPEATS", 0)
        patch.setattr(advise, "FINAL_SEEDS", 2)
        patch.setattr(pilot, "MAX_BATCHES", 4)
        patch.setattr(timing, "update_time", lambda bench, setting, _=0.0: measured(bench, setting, 0.002))
        yield


def rows(count=60):
    return "".join(f"{i % 7}.5,{i % 5},{'ab'[i % 2]}\n" for i in range(count))


def told(count=60):
    """Rows whose class follows from x."""
    return "".join(f"{i % 2 + 0.1 * (i % 7)},{i % 5},{'ab'[i % 2]}\n" for i in range(count))


def stored(folder):
    """The keys of finished trainings, in the order in which they were kept."""
    path = folder / "trials.jsonl"
    return [json.loads(line)["key"] for line in path.read_text().splitlines()] if path.is_file() else []


def test_the_answer_comes_first_and_the_screen_fits_80_columns(call, tmp_path):
    result = call("advise", "example:iris", *FIXED)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(len(line) for line in lines if "epochal train" not in line) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert lines[0] == "Data"
    assert any(line.startswith("Take batch size 35, learning rate 0.05 and ") for line in lines)
    place = lines.index("Advice")
    assert [line.split()[0] for line in lines[place + 1 : place + 4]] == ["batch", "learning", "epochs"]
    for title in ("How sure", "What to expect", "Cost", "To train with it"):
        assert lines.index(title) > place
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("advise-iris-")
    assert f"Folder  runs/{folder.name}" in lines
    assert (folder / "report.html").is_file()


def test_json_is_one_document_with_the_command(call, tmp_path):
    result = call("advise", "example:iris", *FIXED, "--json", "--no-report", "--out", "here")
    assert result.status == 0
    document = result.json
    assert document["answer"] in " ".join(result.err.split())
    assert (document["folder"], document["report"], document["run"]) == ("here", None, None)
    assert shlex.split(document["command"])[:5] == ["epochal", "train", "example:iris", "--batch-size", "35"]
    assert [one.name for one in tmp_path.iterdir()] == ["here"]


def test_a_search_names_what_it_measured(call, tmp_path):
    (tmp_path / "small.csv").write_text("x,y,kind\n" + rows(48))
    options = ("--hidden", "4", "--epochs", "4", "--repeats", "3", "--learning-rate", "0.05", "--no-report")
    result = call("advise", "small.csv", *options, "--goal", "samples", "--json")
    assert result.status == 0, result.err
    document = result.json
    assert document["batch_size"] in {one["batch_size"] for one in document["tried"]}
    assert len(document["tried"]) >= 1
    if len(document["tried"]) > 1:
        mark = "*" if document["recommended"] else "+"
        assert f"  {mark} batch {document['batch_size']:,}" in result.err


def test_the_command_trains_as_advised_with_the_same_options(call, tmp_path):
    table = tmp_path / "a table.csv"
    table.write_text("x,y,kind\n" + told())
    more = ("--target", "kind", "--drop", "y", "--no-header", "--validation", "0.25", "--hidden", "8,4")
    more = tuple(one for one in more if one != "--no-header")
    result = call(
        "advise", table, *FIXED, *more, "--optimizer", "rmsprop", "--seed", "4", "--batch-norm", "--quiet"
    )
    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n") == 1
    words = shlex.split(result.out)
    assert words[:2] == ["epochal", "train"]
    asked = train_command.make_context("train", words[2:]).params
    wanted = {
        "data": str(table),
        "target": "kind",
        "drop": ("y",),
        "validation": 0.25,
        "hidden": (8, 4),
        "optimizer": "rmsprop",
        "seed": 4,
        "batch_norm": True,
        "batch_size": 35,
        "learning_rate": 0.05,
        "repeats": 1,
    }
    usual = train_command.make_context("train", [str(table)]).params
    assert asked == {**usual, **wanted, "epochs": asked["epochs"]}
    assert 1 <= asked["epochs"] <= 4
    assert call(*words[1:], "--quiet", "--no-report").status == 0


def test_on_noise_there_is_no_command(call, tmp_path):
    """Columns of other periods than the classes say nothing about them."""
    (tmp_path / "noise.csv").write_text("x,y,kind\n" + rows())
    quiet = call("advise", "noise.csv", *FIXED, "--quiet", "--out", "here")
    assert (quiet.status, quiet.out) == (1, "")
    assert quiet.err.startswith("epochal: No recommendation: no setting that was tried beats the baseline")
    shown = call("advise", "noise.csv", *FIXED, "--out", "here")
    assert shown.status == 0, "an answer, too"
    assert "No recommendation" in shown.out and "To train with it" not in shown.out
    assert "Check that the target is the right column" in " ".join(shown.out.split())
    page = (tmp_path / "here" / "report.html").read_text()
    assert "No recommendation" in page and 'id="command"' not in page
    document = call("advise", "noise.csv", *FIXED, "--out", "here", "--json", "--train").json
    assert (document["recommended"], document["command"], document["run"]) == (False, None, None)
    assert "recommends nothing" in call("predict", "here", "noise.csv").err
    (entry,) = [one for one in listing(tmp_path) if one.kind == "advice"]
    assert entry.verdict == "no recommendation" and entry.batch_size == entry.epochs == 0
    assert entry.cells()[3:7] == ("", "", "", "")


def test_train_trains_at_once_on_all_data(call, tmp_path):
    options = ("--train", "--all-data", "--no-report", "--json")
    result = call("advise", "example:iris", *FIXED, *options)
    assert result.status == 0, result.err
    document = result.json
    assert document["command"].endswith("--validation 0")
    assert "0.3" not in document["command"]
    run = document["run"]
    assert run["data"]["sizes"]["train"] == 150
    assert run["plan"]["epochs"] == document["epochs"]["value"]
    assert (tmp_path / run["run"] / "run.json").is_file()
    assert document["data"]["sizes"]["train"] == 105


def test_train_prints_the_run_folder_where_it_is_quiet(call, tmp_path):
    result = call("advise", "example:iris", *FIXED, "--train", "--no-report", "--quiet")
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / result.out.strip() / "run.json").is_file()


@pytest.fixture
def asked(call, monkeypatch):
    """What the function is called with for a command line: (model, options)."""

    def run(*arguments):
        caught = []

        def advise(model, data, **options):
            caught.append((model, options))
            raise Refusal("caught.")

        monkeypatch.setattr("epochal.choose.advice.advise.advise", advise)
        assert call("advise", *arguments).err == "epochal: caught.\n"
        return caught[0]

    return run


def test_what_is_not_given_is_left_to_the_function(asked):
    model, found = asked("example:iris", "--hidden", "3")
    assert model.hidden == (3,)
    assert not {"batch_size", "learning_rate", "epochs", "repeats"} & found.keys()
    assert (found["goal"], found["target_value"], found["optimizer"]) == ("quality", None, "adam")
    assert found["ray"] is None
    given = (
        "--ray",
        "auto",
        "-b",
        "full",
        "-l",
        "0.1",
        "-e",
        "7",
        "-r",
        "4",
        "--goal",
        "time",
        "--target-value",
        "0.2",
    )
    _, found = asked("example:iris", *given)
    assert (found["batch_size"], found["learning_rate"], found["epochs"]) == ("full", 0.1, 7)
    assert (found["repeats"], found["goal"], found["target_value"]) == (4, "time", 0.2)
    assert found["ray"] == "auto"


def test_an_interrupted_advice_goes_on_with_the_same_command(tmp_path):
    command = ("advise", "example:iris", "--hidden", "4", "-b", "1", "-e", "60", "-r", "3", "-l", "0.01")
    command = (*command, "--no-report")
    with start(*command, cwd=tmp_path) as running:
        begin = time.monotonic()
        while not any(map(stored, tmp_path.glob("runs/*"))):
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() - begin < TIMEOUT
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 143, err
    (folder,) = (tmp_path / "runs").iterdir()
    kept = stored(folder)
    words = "1 training is" if len(kept) == 1 else f"{len(kept)} trainings are"
    assert err == f"epochal: interrupted; {words} kept; the same command goes on from there.\n"
    result = process(*command, "--json", cwd=tmp_path)
    assert result.status == 0, result.err
    assert f"{words} in runs/{folder.name} already" in result.err
    done = stored(folder)
    assert done[: len(kept)] == kept
    assert len(done) == len(set(done)) > len(kept)


REFUSED = {
    "goal": (["--goal", "tim"], ["goal", '"tim"', 'mean "time"']),
    "batch size": (["-b", "1,8"], ["takes one value, not a list", '"1,8"', "epochal compare` tries"]),
    "batch size above": (["-b", "1000"], ["--batch-size", "1 and 48", "got 1000"]),
    "learning rate": (["-l", "0"], ["--learning-rate", "greater than 0"]),
    "epochs": (["-e", "0"], ["epochs", "at least 1"]),
    "repeats": (["-r", "1"], ["repeats", "at least", "got 1"]),
    "target": (["--target-value", "inf"], ["--target-value", "finite", "inf"]),
    "optimizer": (["--optimizer", "admw"], ['"admw"', 'mean "adamw"']),
    "no validation": (["--validation", "0"], ["validation"]),
    "all data of no training": (["--all-data"], ["--all-data", "--train"]),
    "hidden": (["--hidden", "x"], ["hidden", '"x"']),
    "monitor": (["--monitor", "validation.los"], ['"validation.los"', 'mean "validation.loss"']),
    "a file for a folder": (["--out", "table.csv"], ["table.csv", "folder", "--out"]),
    "a folder of something else": (["--out", "full"], ["folder full", "something else"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_option_is_refused(name, refuse, tmp_path):
    (tmp_path / "table.csv").write_text("x,y,kind\n" + rows())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    options, words = REFUSED[name]
    refuse("advise", "table.csv", *options, words=words)
