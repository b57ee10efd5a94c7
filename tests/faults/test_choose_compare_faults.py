"""What cannot be compared is refused before anything is trained, in one sentence with the remedy."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest

import epochal as ep
from epochal.choose.comparison import compare as module
from epochal.choose.comparison.compare import compare
from epochal.choose.trials import timing
from epochal.choose.trials.timing import TimingCurve, UpdateTime
from epochal.choose.trials.trial_runner import TrialRunner
from epochal.errors import MissingExtra, Refusal

MODEL = ep.MLP(6)
OPTIONS = {"epochs": 2, "repeats": 3, "batch_size": [8, 32], "learning_rate": 0.01}


@pytest.fixture
def untrained(monkeypatch):
    """Any training is an error."""

    def run(*arguments):
        raise AssertionError("something was trained")

    monkeypatch.setattr(TrialRunner, "run", run)
    monkeypatch.setattr(TrialRunner, "stack", run)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": []}, "batch_size must have at least 1 value"),
        ({"optimizer": []}, "optimizer must have at least 1 value"),
        ({"batch_size": [200, 300]}, r"between 1 and 120 \(the training samples\); got 200"),
        ({"batch_size": [0]}, "batch_size must be (between 1 and 120|a whole number, at least 1)"),
        ({"batch_size": [8.5]}, 'batch_size must be a whole number or "full"; got 8.5'),
        ({"batch_size": ["all"]}, "batch_size must be a whole number"),
        ({"optimizer": ["sgd", "admw"]}, 'unknown optimizer "admw"'),
        ({"learning_rate": [0.1, -1.0]}, "learning_rate must be greater than 0"),
        ({"learning_rate": ["fast"]}, "learning_rate must be greater than 0"),
        ({"optimizer": [optax.sgd(0.1)], "learning_rate": 0.1}, "has no effect on an Optax object"),
        ({"schedule": ["cosin"]}, 'unknown schedule "cosin"'),
        ({"order": ["random"]}, "unknown order"),
        ({"remainder": ["kepe"]}, "unknown remainder"),
        ({"epochs": [2, 0]}, "epochs must be a whole number, at least 1"),
        ({"batchsize": [8]}, 'unknown option "batchsize"; did you mean "batch_size"'),
        ({"evaluate_every": 2}, "evaluate_every and evaluate_train are not for a comparison"),
        ({"validation": 0}, "validation must be greater than 0 to compare settings; got 0"),
        ({"repeats": 0}, "repeats must be a whole number, at least 1"),
        ({"stop": ep.Budget(seconds=1)}, "stop must not hold a Budget"),
        ({"target_value": math.nan}, "target_value must be a finite number"),
        ({"target": "low"}, "target must name one of the"),
        ({"budget": "fortnights"}, 'budget must be epochs, samples, updates or seconds.*got "fortnights"'),
        ({"budget": "0epochs"}, "budget must have an amount"),
        ({"budget": "1.5updates"}, "a whole number, at least 1"),
        ({"budget": "-3s"}, "budget must be epochs"),
        ({"budget": "50epochs", "epochs": 2}, "contradict each other"),
        ({"budget": "updates", "epochs": [2, 4]}, "epochs must be one number"),
        ({"monitor": "validation.acuracy"}, 'unknown metric "validation.acuracy"'),
    ],
)
def test_what_cannot_work_is_refused(untrained, options, words):
    with pytest.raises(Refusal, match=words):
        compare(MODEL, "example:iris", **OPTIONS | options)


def test_a_long_comparison_asks_first(monkeypatch, untrained):
    slow = TimingCurve((UpdateTime(8, 500.0, 0.0, 0.0, 10), UpdateTime(32, 500.0, 0.0, 0.0, 10)))
    monkeypatch.setattr(module, "measure", lambda runner, settings: slow)
    monkeypatch.setattr(timing, "too_large", lambda runner, setting: "")
    with pytest.raises(Refusal, match=r"would take about .* (min|d) \(6 trainings, 114 updates.*yes=True"):
        compare(MODEL, "example:iris", **OPTIONS)
    with pytest.raises(AssertionError, match="something was trained"):
        compare(MODEL, "example:iris", yes=True, **OPTIONS)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal, match="must be new or hold a comparison"):
        compare(MODEL, "example:iris", folder=tmp_path, **OPTIONS)


def test_a_folder_of_another_comparison_is_refused(tmp_path):
    compare(MODEL, "example:iris", folder=tmp_path / "kept", **OPTIONS | {"repeats": 1, "epochs": 1})
    with pytest.raises(Refusal, match="must hold the same comparison"):
        compare(MODEL, "example:iris", folder=tmp_path / "kept", **OPTIONS)


def test_an_unknown_row_and_style_are_refused(monkeypatch):
    found = compare(MODEL, "example:iris", **OPTIONS | {"repeats": 1, "epochs": 1})
    with pytest.raises(Refusal, match='unknown setting "batch 9"; did you mean "batch 8"'):
        found.row("batch 9")
    with pytest.raises(Refusal, match='unknown style "drak"'):
        found.plot(style="drak")
    usual = builtins.__import__

    def without_pandas(name, *rest, **others):
        if name == "pandas":
            raise ImportError(name)
        return usual(name, *rest, **others)

    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtra, match="pip install"):
        found.to_pandas()


def test_an_optimizer_with_other_numbers_does_not_continue_a_folder(tmp_path):
    def found(rate: float) -> Any:
        options: dict[str, Any] = {"batch_size": [8, 32], "epochs": 2, "repeats": 3, "folder": tmp_path / "c"}
        return ep.compare(ep.MLP(4), "example:iris", optimizer=optax.sgd(rate), **options)

    assert found(0.1).answer == found(0.1).answer
    with pytest.raises(Refusal, match="must hold the same comparison"):
        found(0.2)


def test_validation_data_of_its_own_is_shared_by_all_settings():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 3))
    frame = pd.DataFrame(inputs, columns=list("abc")).assign(y=(inputs.sum(axis=1) > 0).astype(int))
    options: dict[str, Any] = {"batch_size": [8, 32], "learning_rate": 0.01, "epochs": 2, "repeats": 3}
    found = ep.compare(ep.MLP(4), frame, validation=frame.iloc[:20], **options)
    assert {row.repeats for row in found.rows} == {3}


def test_a_size_that_does_not_fit_is_left_out_aloud(monkeypatch):
    def too_large(runner: TrialRunner, setting: Any) -> str:
        size = runner.prepared(setting).plan.batch_size
        return "" if size < 32 else f"batch size {size} needs about 9 GB and 2 GB are free: left out"

    monkeypatch.setattr(timing, "too_large", too_large)
    options: dict[str, Any] = {"learning_rate": 0.01, "epochs": 2, "repeats": 3}
    found = compare(MODEL, "example:iris", batch_size=[8, 16, 32], **options)
    assert {row.batch_size for row in found.rows} == {8, 16}
    assert any("32 needs about 9 GB" in note for note in found.notes)
    with pytest.raises(Refusal, match="no setting fits into memory"):
        compare(MODEL, "example:iris", batch_size=[32, 64], **options)
