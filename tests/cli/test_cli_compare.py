"""Contract of `epochal compare`: what is printed and kept, and that the same command goes on."""

import io
import json
import re
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from processes import process, start

import epochal as ep
from epochal.choose.trials.progress import ProgressStep
from epochal.cli import train
from epochal.cli.arguments import compare_arguments, train_arguments
from epochal.cli.compare import _arguments as arguments_of_training, command
from epochal.cli.interrupts import NOTHING_KEPT
from epochal.cli.networks import model
from epochal.cli.study_folder import folder_for
from epochal.cli.study_screen import StudyScreen, TextColumn, set_in_columns
from epochal.cli.train import load_data
from epochal.data import load
from epochal.errors import Refusal

SMALL = ("--hidden", "4", "--epochs", "3", "--repeats", "3", "--learning-rate", "0.05")
SIZES = ("--batch-size", "8,full")
SLOW = ("compare", "example:iris", "--hidden", "4", "--epochs", "150", "--learning-rate", "0.05")
"""Trainings that take a while together, each of them none."""

TIMEOUT = 60.0
"""Seconds after which a process is taken for hung."""


def rows(count=60):
    return "".join(f"{i % 7}.5,{i % 5},{'ab'[i % 2]}\n" for i in range(count))


def stored(folder):
    """The keys of finished trainings, in the order in which they were kept."""
    path = folder / "trials.jsonl"
    return [json.loads(line)["key"] for line in path.read_text().splitlines()] if path.is_file() else []


def test_the_answer_comes_first_and_the_screen_fits_80_columns(call, tmp_path):
    result = call("compare", "example:iris", *SMALL, *SIZES)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    titles = [line for line in lines if re.match(r"(Data|No |Batch|Full|Settings|The three|Cost)", line)]
    assert [title.split()[0] for title in titles][:: len(titles) - 1] == ["Data", "Cost"]
    place = lines.index("Settings, 3 epochs each")
    answer = " ".join(lines[lines.index("") : place]).strip()
    assert re.match(r"Use (batch size 8|full batch \(120\)): ", answer)
    header = re.split(r"\s{2,}", lines[place + 1].strip())
    assert header[:3] == ["validation loss", "to the best mean", "best epoch"]
    assert re.match(r"  \* (batch 8|full batch \(120\)) ", lines[place + 2])
    assert re.match(r"  [ =~] (batch 8|full batch \(120\)) .* ([+-]?\d|best mean)", lines[place + 3])
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"Folder  runs/{folder.name}" in lines
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize("what", ["compare", "advise"])
def test_what_is_known_after_the_split_is_on_the_screen(what, call, tmp_path):
    days = "".join(f"2024-{1 + i // 28:02}-{1 + i % 28:02},{i % 7}.5,{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "log.csv").write_text("day,a,kind\n" + days)
    result = call(what, "log.csv", *SMALL, *(SIZES if what == "compare" else ("--batch-size", "8")))
    assert result.status in (0, 1), result
    screen = " ".join(result.out.split())
    assert screen.count("the rows are in the order of column 1") == 1
    assert (
        screen.index("Notes") < screen.index("the rows are in the order of column 1") < screen.index("Cost")
    )


def test_json_is_one_document_and_its_rows_are_those_of_the_screen(call):
    result = call("compare", "example:iris", *SMALL, *SIZES, "--json", "--out", "here")
    assert result.status == 0
    document = result.json
    names = re.findall(r"^  [*=~ ] (batch 8|full batch \(120\))", result.err, re.M)
    assert [row["name"] for row in document["rows"]] == names[:2]
    assert {row["name"]: row["updates"] for row in document["rows"]} == {"batch 8": 45, "full batch (120)": 3}
    assert (document["folder"], document["report"]) == ("here", "here/report.html")
    assert document["answer"] in " ".join(result.err.split())


def test_quiet_is_one_line_and_no_report_writes_none(call, tmp_path):
    result = call("compare", "example:iris", *SMALL, *SIZES, "--quiet", "--no-report", "--out", "here")
    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n") == 1
    assert result.out.startswith("here  ")
    assert not (tmp_path / "here" / "report.html").exists()


def test_the_same_command_answers_from_its_folder_and_another_one_does_not(call, tmp_path):
    first = call("compare", "example:iris", *SMALL, *SIZES, "--json", "--no-report").json
    kept = stored(tmp_path / first["folder"])
    again = call("compare", "example:iris", *SIZES, *SMALL, "--json")
    assert again.json["folder"] == first["folder"]
    assert again.json["answer"] == first["answer"]
    assert stored(tmp_path / first["folder"]) == kept
    assert f"{len(kept)} trainings are in {first['folder']} already" in again.err
    other = call("compare", "example:iris", *SMALL, *SIZES, "--seed", "5", "--json").json
    assert other["folder"] != first["folder"]


@pytest.fixture
def asked(call, monkeypatch):
    """What the function is called with for a command line: (model, options)."""

    def run(*arguments):
        caught = []

        def compare(model, data, **options):
            caught.append((model, options))
            raise Refusal("caught.")

        monkeypatch.setattr("epochal.choose.comparison.compare.compare", compare)
        assert call("compare", *arguments).err == "epochal: caught.\n"
        return caught[0]

    return run


def test_lists_make_axes_and_networks_are_told_apart_by_what_differs(asked):
    options = (
        "-b",
        "1_000,Full",
        "-l",
        "tune,0.1",
        "--optimizer",
        "sgd,adam",
        "--schedule",
        "cosine,constant",
    )
    networks = ("--hidden", "", "--hidden", "3,4", "--activation", "relu,tanh", "--warmup", "5", "-e", "7,9")
    models, found = asked("example:iris", *options, *networks, "--target-value", "0.3", "--yes")
    assert {name: (model.hidden, model.activation) for name, model in models.items()} == {
        "no hidden, relu": ((), "relu"),
        "no hidden, tanh": ((), "tanh"),
        "3-4 hidden, relu": ((3, 4), "relu"),
        "3-4 hidden, tanh": ((3, 4), "tanh"),
    }
    assert found["batch_size"] == [1000, "full"]
    assert found["learning_rate"] == ["tune", 0.1]
    assert found["optimizer"] == ["sgd", "adam"]
    assert found["epochs"] == [7, 9]
    assert [(one.kind, one.warmup) for one in found["schedule"]] == [("cosine", 5), ("constant", 5)]
    assert (found["target_value"], found["yes"], found["repeats"], found["budget"]) == (
        0.3,
        True,
        10,
        "epochs",
    )


def test_of_several_kinds_of_networks_each_takes_what_it_has(asked, call):
    options = ("--network", "mlp,lstm", "--hidden", "3", "--hidden", "4", "--units", "2", "--dropout", "0.5")
    models = asked("example:iris", *options)[0]
    assert models == {
        "mlp, 3 hidden": ep.MLP(3, dropout=0.5),
        "mlp, 4 hidden": ep.MLP(4, dropout=0.5),
        "lstm": ep.LSTM(2, dropout=0.5),
    }
    for arguments, words in (
        (("mlp,lstm", "--filters", "3"), "--filters belongs to --network cnn"),
        (("mlp", "--hidden", "3", "--hidden", "3"), 'must be compared once; got "3 hidden" twice'),
        (("mlp,lst",), 'did you mean "lstm"'),
    ):
        assert words in call("compare", "example:iris", "--network", *arguments).err


@pytest.mark.parametrize("place", range(4))
def test_the_command_has_only_options_of_what_was_chosen(place):
    lists = ["--network", "mlp,lstm,cnn,text", "--schedule", "constant,step,cosine,linear"]
    own = ["--hidden", "3", "--units", "2", "--filters", "4", "--kernel", "3", "--embedding", "5"]
    given = [
        *lists,
        *own,
        "--layers",
        "2",
        "--step-every",
        "7",
        "--schedule-floor",
        "0.1",
        "--activation",
        "tanh",
    ]
    context = command.make_context("compare", ["x.csv", *given])
    name, schedule = (lists[where].split(",")[place] for where in (1, 3))
    options = {"batch_size": 8, "epochs": 2, "optimizer": "adam", "order": "shuffle", "remainder": "keep"}
    options["schedule"] = compare_arguments(context.params)["schedule"][place]
    row = SimpleNamespace(options=options, learning_rate=0.1, axes={"model": name, "schedule": schedule})
    words = arguments_of_training(context, "x.csv", SimpleNamespace(recommended_row=row))
    params = train.command.make_context("train", words).params
    assert params["schedule"] == schedule and params["network"] == name
    train_arguments(params)
    model(params, load((np.zeros((4, 8, 8), "float32"), [0, 1, 0, 1])))


def test_one_network_is_no_axis_and_at_may_say_the_epochs(asked):
    model, found = asked("example:iris", "--hidden", "3", "--budget", "20epochs")
    assert model.hidden == (3,)
    assert not {"epochs", "batch_size"} & found.keys()
    assert "epochs" not in asked("example:iris", "--budget", "updates")[1], "Python has the same default"


def test_all_settings_may_be_equal_in_updates(call):
    options = ("--hidden", "4", "--repeats", "3", "--learning-rate", "0.05", "--budget", "10updates")
    document = call("compare", "example:iris", *options, *SIZES, "--json", "--no-report").json
    assert {row["updates"] for row in document["rows"]} == {10}


def test_what_takes_long_needs_a_yes_and_leaves_nothing(call, tmp_path):
    result = call("compare", "example:iris", "--hidden", "4", "-b", "full", "-l", "0.1", "-e", "900000000")
    assert result.status == 2
    assert "--yes" in result.err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_comparison_goes_on_with_the_same_command(tmp_path):
    command = (*SLOW, "--batch-size", "1,2", "--repeats", "20", "--no-report")
    with start(*command, cwd=tmp_path) as running:
        begin = time.monotonic()
        while not any(map(stored, tmp_path.glob("runs/*"))):
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() - begin < TIMEOUT
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 130
    (folder,) = (tmp_path / "runs").iterdir()
    kept = stored(folder)
    words = "1 training is" if len(kept) == 1 else f"{len(kept)} trainings are"
    assert err == f"epochal: interrupted; {words} kept; the same command goes on from there.\n"
    assert 1 <= len(kept) < 40
    result = process(*command, "--json", cwd=tmp_path)
    assert result.status == 0, result.err
    assert f"{words} in runs/{folder.name} already" in result.err
    done = stored(folder)
    assert done[: len(kept)] == kept
    assert len(done) == len(set(done)) == result.json["usage"]["trainings"]


def test_a_signal_before_the_first_training_leaves_nothing(tmp_path):
    with start("compare", "example:iris", "--hidden", "4", "-b", "8,full", cwd=tmp_path) as running:
        assert running.stdout.readline() == "Data\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=TIMEOUT)
    assert (running.returncode, err) == (130, f"epochal: {NOTHING_KEPT}\n")
    assert list(tmp_path.iterdir()) == []


REFUSED = {
    "nothing but a comma": (["-b", ","], ["--batch-size", "commas between", '","']),
    "a hole": (["-b", "1,,8"], ["--batch-size", '"1,,8"']),
    "twice the same": (["-b", "8,8"], ["--batch-size", "once", "got 8 2 times"]),
    "thousands": (["-b", "1,024"], ["--batch-size", "Write 1024"]),
    "batch size 0": (["-b", "0,8"], ["--batch-size", "at least 1", "got 0"]),
    "batch size above": (["-b", "1000,2000"], ["--batch-size", "1 and 48", "got 1000", '"full"']),
    "learning rate": (["-l", "0.1,fast"], ["--learning-rate", '"fast"']),
    "learning rate 0": (["-l", "0"], ["--learning-rate", "greater than 0"]),
    "epochs": (["-e", "3,0"], ["epochs", "at least 1", "got 0"]),
    "optimizer": (["--optimizer", "sgd,admw"], ['"admw"', 'mean "adamw"']),
    "schedule": (["--schedule", "cosin"], ['"cosin"', 'mean "cosine"']),
    "order": (["--order", "shufle"], ['"shufle"', 'mean "shuffle"']),
    "remainder": (["--remainder", "kep"], ['"kep"', 'mean "keep"']),
    "activation": (["--activation", "relu,rleu"], ['"rleu"', 'mean "relu"']),
    "hidden": (["--hidden", "4", "--hidden", "x"], ["hidden", '"x"']),
    "hidden twice": (["--hidden", "4", "--hidden", "4"], ["hidden", "once", '"4 hidden"']),
    "hidden and a model": (["--hidden", "4", "--hidden", "5", "--model", "a:b"], ["hidden", "--model"]),
    "budget": (["--budget", "parsecs"], ["budget", "epochs, samples, updates or seconds", '"parsecs"']),
    "budget nothing": (["--budget", "0s"], ["budget", "greater than 0", '"0s"']),
    "budget twice": (["--budget", "20epochs", "-e", "30"], ["20epochs", "30"]),
    "target": (["--target-value", "nan"], ["--target-value", "finite", "nan"]),
    "margin": (["--margin", "-1"], ["margin", "at least 0", "-1"]),
    "margin in words": (["--margin", "little"], ["margin", '"little"']),
    "target in words": (["--target-value", "low"], ["--target-value", '"low"']),
    "no validation": (["--validation", "0"], ["validation", "0.2"]),
    "repeats": (["-r", "0"], ["repeats", "at least 1", "got 0"]),
    "a list of one's own": (["--dropout", "0,0.3"], ["--dropout takes one value, not a list", '"0,0.3"']),
    "a comma for a point": (["--dropout", "0,7"], ["--dropout must be at least 0 and less than 1", '"0,7"']),
    "a list twice the same": (["--activation", "relu,relu"], ["--activation must have each value once"]),
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
    refuse("compare", "table.csv", *options, words=words)


def test_a_folder_of_another_comparison_is_refused(call, refuse):
    options = ("example:iris", *SMALL, "--out", "here")
    assert call("compare", *options, "-b", "8", "--quiet").status == 0
    refuse("compare", *options, "-b", "16", words=["here", "another one"])


def test_the_usual_values_are_those_of_the_function(call):
    from epochal.settings import COMPARE_DEFAULTS

    text = " ".join(call("compare", "--help").out.split())
    assert f"[{','.join(map(str, COMPARE_DEFAULTS['batch_size']))}]" in text


def test_a_folder_is_named_after_the_samples_and_what_decides_the_trainings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("x,y,kind\n" + rows())
    (tmp_path / "changed.csv").write_text("x,y,kind\n" + rows() + "9.5,9,a\n")

    def folder(*arguments):
        given = command.make_context("compare", list(arguments)).params
        data = given.pop("data")
        return folder_for("compare", "table.csv", load_data(data, given), given)

    first = folder("table.csv", "--epochs", "3")
    assert re.fullmatch(r"runs/compare-table-[0-9a-f]{8}", str(first))
    assert folder("table.csv", "--yes", "--quiet", "--no-report", "-e", "3", "--json") == first
    others = {folder("changed.csv", "-e", "3"), folder("table.csv", "-e", "4"), folder("table.csv")}
    assert len({first, *others}) == 4


def test_a_pipe_hears_what_was_learned_and_quiet_nothing(capsys):
    steps = [
        ProgressStep("tuning", 0, 4, 0.1),
        ProgressStep("tuning", 1, 4, 0.2),
        ProgressStep("comparing", 0, 0, 0.3, "batch 8 was lost"),
    ]
    for quiet, wanted in (
        (False, ["Data", "  iris", "  tuning · 0 of 4 · 0 s", "  batch 8 was lost"]),
        (True, []),
    ):
        screen = StudyScreen(quiet=quiet, to_stderr=False)
        screen.opening("Data", ["iris"])
        assert capsys.readouterr().out == ""
        for step in steps:
            screen.show(step)
        assert capsys.readouterr().out.splitlines() == wanted


def test_an_encoding_without_some_signs_is_no_reason_to_fail(monkeypatch):
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="ascii"))
    screen = StudyScreen(quiet=False, to_stderr=False)
    screen.section("Quality", ["0.3 ± 0.1"])
    sys.stdout.flush()
    assert kept.getvalue() == b"\nQuality\n  0.3 ? 0.1\n"


def test_long_names_and_many_columns_stay_within_the_width():
    names = ["* 64-64-32 hidden, tanh, batch 128, adam, rate tuned, cosine decay", "= batch 8"]
    columns = [TextColumn(f"column {i}", ["0.123 ± 0.045", "1"]) for i in range(7)]
    lines = set_in_columns(names, columns, 78)
    assert max(map(len, lines)) <= 78
    assert sum(line.count("column") for line in lines) == 7
    assert sum(line.startswith("= batch 8") for line in lines) == lines.count("") + 1 > 1
