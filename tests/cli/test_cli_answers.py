"""Laws of plain answers: what a command or a call says is true there, and its remedies are its own."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.cli.main import main
from epochal.common.option_text import of_new_data, render_message

ROWS = 80


def customers(rows: int = ROWS) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    age = draws.integers(18, 80, rows)
    score = draws.normal(size=rows).round(3)
    churned = np.where(age / 31 + score > 1.6, "yes", "no")
    return pd.DataFrame({"age": age, "score": score, "churned": churned})


def series(rows: int = 60) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M")
    load = 100 + 20 * np.sin(np.arange(rows) / 4) + np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"time": times, "load": load.round(2)})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, a series, and a run of each."""
    folder = tmp_path_factory.mktemp("answers")
    customers().to_csv(folder / "customers.csv", index=False)
    customers(100).tail(20).drop(columns="churned").to_csv(folder / "new.csv", index=False)
    customers().drop(columns="score").to_csv(folder / "lacking.csv", index=False)
    series().to_csv(folder / "load.csv", index=False)
    series(5).to_csv(folder / "short.csv", index=False)
    quick = ["--epochs", "2", "--hidden", "4", "--no-report", "-q"]
    table, line = str(folder / "customers.csv"), str(folder / "load.csv")
    assert main(["train", table, "--threshold", "0.4", "--out", str(folder / "run"), *quick]) == 0
    assert main(["train", line, "--window", "8", "--out", str(folder / "windows"), *quick]) == 0
    return folder


def called(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(list(map(str, words)))
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), " ".join(err.split())


def test_an_accuracy_of_rows_that_were_trained_on_says_so(place: Path, capsys: Any) -> None:
    _, _, err = called(capsys, "predict", place / "run", place / "customers.csv")
    assert re.search(r"Accuracy \d\.\d+ on 80 labeled rows, of which 64 were trained on", err)
    assert "64 of 80 rows were used in training" in err
    run = ep.load(place / "run")
    assert any("64 of 80 rows were used in training" in note for note in run.predict(customers()).notes)


def test_an_accuracy_of_other_rows_is_as_it_is(place: Path, tmp_path: Path, capsys: Any) -> None:
    other = customers(100).tail(20)
    other["score"] += 0.0005
    other.to_csv(tmp_path / "other.csv", index=False)
    _, _, err = called(capsys, "predict", place / "run", tmp_path / "other.csv")
    assert "on 20 labeled rows" in err
    assert "train" not in err


def test_a_table_of_classes_says_the_threshold_in_train_and_in_evaluate(
    place: Path, tmp_path: Path, capsys: Any
) -> None:
    options = ["--threshold", "0.4", "--epochs", "1", "--hidden", "4", "--no-report"]
    _, trained, _ = called(capsys, "train", place / "customers.csv", *options, "--out", tmp_path / "run")
    _, evaluated, _ = called(capsys, "evaluate", place / "run", place / "customers.csv")
    assert "Classes, validation at the threshold 0.4" in trained
    assert "Classes at the threshold 0.4" in evaluated
    assert 'Threshold "yes" above a probability of 0.4, as given' in evaluated
    assert "Confusion matrix at the threshold 0.4" in evaluated


def test_the_classes_of_train_are_decided_by_the_threshold() -> None:
    from epochal.cli.conclusion import class_sections

    frame = customers()
    run = ep.fit(ep.MLP(4), frame, "churned", epochs=1, threshold=0.999999)
    lines = class_sections(run)[0][1]
    yes = next(line for line in lines if line.lstrip().startswith("yes"))
    assert yes.split()[2] == "0.000", lines  # a recall of none; at one half some are found
    assert run.per_class["validation"]["yes"].recall.mean > 0


@pytest.mark.parametrize(
    ("run", "data", "words"),
    [
        ("windows", "short.csv", "train anew with a shorter --window"),
        ("run", "lacking.csv", "Add it, or train anew without it, with --drop score."),
    ],
)
def test_a_refusal_of_predict_says_which_options_a_new_training_takes(
    place: Path, capsys: Any, run: str, data: str, words: str
) -> None:
    for command in ("predict", "evaluate"):
        status, _, err = called(capsys, command, place / run, place / data)
        assert status == 2
        assert words in err


def test_flags_that_a_command_lacks_are_said_to_be_those_of_train() -> None:
    import click

    from epochal.cli.main import _of_this_command
    from epochal.cli.predict import command
    from epochal.errors import Refusal

    lacking = _of_this_command(Refusal("x must be 1. Use --fill forward."), command)
    own = _of_this_command(Refusal("x must be 1. Use --delimiter."), command)
    assert str(lacking).endswith("--fill is an option of epochal train: train anew with it.")
    assert str(own) == "x must be 1. Use --delimiter."
    assert isinstance(command, click.Command)


def test_notes_in_python_name_no_flags_and_no_argument_that_the_call_lacks(place: Path) -> None:
    run = ep.load(place / "run")
    found = [run.predict(place / "new.csv"), run.evaluate(place / "customers.csv")]
    for one in found:
        assert one.notes
        assert not any("--" in note or "header=" in note for note in one.notes)
    assert "--" not in str(found[1]).replace("----", "")
    assert any("`header=False`" in note for note in found[0].raw_notes)
    assert "ep.load_data(..., header=False) reads it as data" in " ".join(run.notes)


def test_remedies_in_python_can_be_typed_after_import_epochal_as_ep() -> None:
    assert render_message("Stop with `stop=ep.Patience(5)`.") == "Stop with stop=ep.Patience(5)."
    assert eval("dict(stop=ep.Patience(5))", {"ep": ep})
    assert ep.load_data(customers(), keep=["age"], target="churned").samples == ROWS
    kept = render_message('left out; `keep=["id"]` keeps it.', "ep.load_data")
    assert kept == 'left out; ep.load_data(..., keep=["id"]) keeps it.'
    assert of_new_data("the first row is a header; `header=False` reads it as data.") == (
        "the first row is a header."
    )
    assert ep.fit(ep.MLP(4), customers(), target="churned", epochs=1).task.kind == "binary"


def test_a_target_that_is_handed_over_is_no_column_of_the_inputs() -> None:
    frame = customers()
    run = ep.fit(ep.MLP(4), frame[["age", "score"]], frame["churned"], epochs=1)
    assert any(note.startswith('target "churned": 2 classes') for note in run.notes)
    named = ep.fit(ep.MLP(4), frame, "churned", epochs=1)
    assert any(note.startswith('target column 3 ("churned")') for note in named.notes)


def test_rows_without_a_target_are_left_out_where_the_target_is_named(tmp_path: Path, capsys: Any) -> None:
    frame = customers()
    frame.loc[::8, "churned"] = None
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    options = ["--epochs", "1", "--hidden", "4", "--no-report", "-q", "--out", tmp_path / "run"]
    status, _, err = called(capsys, "train", tmp_path / "gaps.csv", *options)
    assert status == 2
    assert "--target churned says that it is, and leaves those rows out" in err
    status, _, err = called(capsys, "train", tmp_path / "gaps.csv", *options, "--target", "churned")
    assert (status, err) == (0, "")
    said = json.loads((tmp_path / "run" / "run.json").read_text())["data"]["notes"]
    assert any("10 samples have none (first in row 1): left out." in note for note in said)


def test_rows_in_the_order_of_time_are_said_to_be_so() -> None:
    def said(frame: pd.DataFrame, **options: Any) -> bool:
        run = ep.fit(ep.MLP(4), frame, "load", epochs=1, **options)
        return any("rows are in the order of" in note for note in run.notes)

    assert said(series())
    assert not said(series(), split="chronological"), "what was chosen is not advised"
    assert not said(series().sample(frac=1, random_state=0))
    notes = ep.fit(ep.MLP(4), series(), "load", epochs=1).notes
    assert any("ep.load_windows(..., window=24) forecasts it" in note for note in notes)


def test_the_forecast_beyond_the_data_is_named(place: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out.csv"
    _, _, err = called(capsys, "predict", place / "windows", place / "load.csv", "--out", out)
    assert "1 forecast is of what comes after the end of the data: the last line of the table" in err
    assert list(csv.DictReader(out.read_text().splitlines()))[-1]["row"] == ""


def test_a_decimal_comma_stays_one_beside_predictions(tmp_path: Path, capsys: Any) -> None:
    frame = customers().assign(price=np.arange(ROWS) + 0.25, code=[f"{k:03d}" for k in range(ROWS)])
    frame[["score", "price"]].to_csv(tmp_path / "comma.csv", sep=";", decimal=",", index=False)
    quick = ["--epochs", "1", "--hidden", "4", "--no-report", "-q", "--out", tmp_path / "run"]
    assert called(capsys, "train", tmp_path / "comma.csv", *quick)[0] == 0
    out = tmp_path / "out.csv"
    _, _, err = called(
        capsys, "predict", tmp_path / "run", tmp_path / "comma.csv", "--with-inputs", "-o", out
    )
    assert "written with a point" not in err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["price"] for row in rows[:2]] == ["0,25", "1,25"]


def test_dates_in_another_form_are_said_by_their_form(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-01", periods=ROWS)
    frame = customers().assign(day=days.strftime("%d.%m.%Y"))[["day", "age", "churned"]]
    run = ep.fit(ep.MLP(4), frame, "churned", epochs=1)
    notes = run.predict(frame.assign(day=days.strftime("%Y-%m-%d"))).notes
    assert any("written in another way than in training: as YYYY-MM-DD." in note for note in notes)


def test_resuming_a_run_that_stopped_early_says_where_and_that_nothing_is_left(
    tmp_path: Path, capsys: Any
) -> None:
    customers().to_csv(tmp_path / "c.csv", index=False)
    options = ["--epochs", "300", "--patience", "1", "--learning-rate", "0.3", "--hidden", "4", "-q"]
    assert called(capsys, "train", tmp_path / "c.csv", *options, "--out", tmp_path / "run")[0] == 0
    ended = ep.load(tmp_path / "run").outcomes[0].epochs
    assert ended < 300
    _, out, _ = called(capsys, "resume", tmp_path / "run")
    assert f"has ended after {ended:g} of 300 epochs: no improvement" in out
    assert "Nothing is left to train" in out
    _, out, _ = called(capsys, "resume", tmp_path / "run", "--epochs", "400")
    assert len(out.splitlines()) == 1 and "Nothing is left to train, and more --epochs change nothing" in out
    assert ep.load(tmp_path / "run").plan.epochs == 300, "and nothing was trained or written"
    assert ep.resume(tmp_path / "run", epochs=400).outcomes == ep.load(tmp_path / "run").outcomes
    status, _, err = called(capsys, "resume", tmp_path / "run", "--epochs", "3")
    assert status == 2
    assert "can be ended earlier by Ctrl-C" in err


def test_a_whole_number_holds_out_rows_and_says_so(place: Path, tmp_path: Path, capsys: Any) -> None:
    options = ["--epochs", "1", "--hidden", "4", "--no-report"]
    table = place / "customers.csv"
    _, out, _ = called(capsys, "train", table, *options, "--validation", "20", "--out", tmp_path / "a")
    assert "held out: 20 rows for validation" in out
    assert "--validation 0.2 is 20 %" in out
    _, out, _ = called(capsys, "train", table, *options, "--validation", "25%", "--out", tmp_path / "b")
    assert "60 training, 20 validation" in out
    assert "held out:" not in out


def test_the_units_of_a_loss_and_the_class_of_a_figure_are_said(place: Path) -> None:
    assert "standardized targets" in " ".join(ep.load(place / "windows").metric_notes)
    assert 'are of "yes"' in " ".join(ep.load(place / "run").metric_notes)


def test_the_screen_of_train_names_its_inputs_and_the_next_command(tmp_path: Path, capsys: Any) -> None:
    frame = customers().assign(city=np.resize(["Rome", "Oslo", "Lima"], ROWS))
    frame.loc[:3, "city"] = None
    frame[["age", "city", "churned"]].to_csv(tmp_path / "c.csv", index=False)
    options = ["--epochs", "1", "--hidden", "4", "--no-report", "--out", tmp_path / "run"]
    _, out, _ = called(capsys, "train", tmp_path / "c.csv", *options)
    assert "5 inputs (age, city 4)" in out
    assert 'column "city" has missing values (4 cells): an indicator column says where.' in out
    assert f"epochal predict {tmp_path / 'run'} NEW_DATA" in out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["compare", "x.csv", "--batch-size", "8", "32"], "written with commas, such as 8,32"),
        (["train", "example:diabetes", "--loss", "mse"], 'did you mean "squared_error"'),
        (["advise", "example:iris", "--goal", "accuracy"], 'did you mean "quality"'),
    ],
)
def test_words_of_other_libraries_are_understood_in_refusals(
    capsys: Any, words: list[str], hint: str
) -> None:
    status, _, err = called(capsys, *words)
    assert status == 2
    assert hint in err


def test_a_target_that_nobody_named_is_refused_alike_from_a_frame_and_from_a_file(tmp_path: Path) -> None:
    frame = customers()[["age", "score"]].assign(age=range(ROWS))
    frame.loc[: ROWS // 2, "score"] = None
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    for source in (frame, tmp_path / "gaps.csv"):
        with pytest.raises(ep.Refusal, match="may miss at most 5%"):
            ep.load_data(source)
        assert ep.load_data(source, target="score").samples < ROWS / 2 + 1


def test_a_run_that_a_budget_ended_is_not_told_of_patience(tmp_path: Path, capsys: Any) -> None:
    customers().to_csv(tmp_path / "c.csv", index=False)
    options = ["--hidden", "4", "--no-report", "-q", "--out", tmp_path / "run"]
    called(capsys, "train", tmp_path / "c.csv", "--epochs", "12", "--max-updates", "5", *options)
    _, out, err = called(capsys, "resume", tmp_path / "run")
    assert "the budget of 5 updates" in out + err
    assert "another stopping rule" in out + err and "patience" not in out + err


def test_only_commands_that_try_several_are_said_to_take_lists(tmp_path: Path, capsys: Any) -> None:
    customers().to_csv(tmp_path / "c.csv", index=False)
    for command, words in (("train", "epochal compare tries several"), ("compare", "such as 8,32")):
        status, _, err = called(capsys, command, tmp_path / "c.csv", "--batch-size", "8", "16")
        assert status == 2 and words in err


@pytest.mark.parametrize("share", ["-5%", "20,5%", "120%", "%"])
def test_a_percentage_that_is_none_is_refused_as_one(share: str, place: Path, capsys: Any) -> None:
    status, _, err = called(capsys, "train", place / "customers.csv", f"--validation={share}")
    assert status == 2 and "a fraction in percent must be from 0 to below 100" in err


@pytest.mark.parametrize("goal", [None, 3])
def test_a_goal_that_is_no_word_is_refused(goal: Any) -> None:
    with pytest.raises(ep.Refusal, match="unknown goal"):
        ep.advise(ep.MLP(4), customers(), "churned", goal=goal)


def test_no_held_out_rows_are_spoken_of_where_there_are_none(place: Path) -> None:
    run = ep.fit(ep.MLP(4), customers(), "churned", epochs=1, validation=0)
    notes = " ".join(run.predict(customers()).notes)
    assert "were used in training" in notes and "held-out" not in notes


def test_predicting_the_training_file_says_so_though_some_targets_are_missing(
    tmp_path: Path, capsys: Any
) -> None:
    frame = customers()
    frame.loc[frame.index % 10 == 3, "churned"] = None
    frame.to_csv(tmp_path / "c.csv", index=False)
    options = ["--target", "churned", "--epochs", "2", "--hidden", "4", "-q", "--out", tmp_path / "run"]
    assert called(capsys, "train", tmp_path / "c.csv", *options)[0] == 0
    run = ep.load(tmp_path / "run")
    known, trained = int(frame["churned"].notna().sum()), run.plan.samples
    _, _, err = called(capsys, "predict", tmp_path / "run", tmp_path / "c.csv")
    said = " ".join(err.split())
    assert f"{trained:,} of {len(frame):,} rows were used in training" in said
    assert f"on {known:,} labeled rows, of which {trained:,} were trained on" in said
    assert f"{len(frame) - known:,} of {len(frame):,} rows have no churned" in said
    found = run.evaluate(tmp_path / "c.csv")
    assert found.rows == known and sum("have no churned" in note for note in found.notes) == 1
    assert run.predict(frame).overlap.trained == trained, "and of a frame"
    unlabeled = run.predict(frame.drop(columns="churned"))
    assert unlabeled.overlap is None and unlabeled.accuracy is None, "negative control"


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--lr", '; did you mean "--learning-rate"?'),
        ("--bs", '; did you mean "--batch-size"?'),
        ("--epoch", '; did you mean "--epochs"?'),
        ("--no-save", "."),
    ],
)
def test_an_unknown_option_is_answered_with_what_is_meant(
    option: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "example:iris", option, "3"]) == 2
    assert f'unknown option "{option}"{hint}' in capsys.readouterr().err
