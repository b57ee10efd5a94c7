"""Oracle: what weights do to probabilities is undone by dividing the odds; the example says and draws it."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "rare_positives.py"))


def test_dividing_the_odds_is_what_bayes_says():
    share, factor = 0.02, 49.0
    for likelihood in (0.1, 1.0, 30.0):
        truth = share * likelihood / (share * likelihood + 1 - share)
        weighted = factor * share * likelihood / (factor * share * likelihood + 1 - share)
        assert EXAMPLE["corrected"](weighted, factor) == pytest.approx(truth)


def test_the_table_has_the_share_of_positives_that_was_asked_for():
    inputs, classes = EXAMPLE["table"](rows=1000, share=0.02)
    assert inputs.shape == (1000, 8)
    assert classes.sum() == 20


def test_each_way_is_trained_on_the_same_splits_and_shifts_probabilities_as_it_must(tmp_path):
    ways = {name: EXAMPLE["WAYS"][name] for name in ("plain", "balanced order")}
    runs = EXAMPLE["train"](EXAMPLE["table"](rows=2000, share=0.05), ways, repeats=2, epochs=4)
    plain, balanced = runs.values()
    assert all((mine == its).all() for mine, its in zip(plain.split_codes, balanced.split_codes, strict=True))
    found = {name: EXAMPLE["figures"](run) for name, run in runs.items()}
    assert found["plain"]["mean probability"] == pytest.approx(0.05, abs=0.03)
    mine, its = found["plain"], found["balanced order"]
    assert (its["mean probability"] > 2 * mine["mean probability"]).all()
    assert (its["log loss, odds divided"] < its["log loss"]).all()
    assert (its["recall above 0.5"] > mine["recall above 0.5"]).all()
    text = EXAMPLE["said"](runs)
    mean = np.mean(found["plain"]["average precision"])
    assert f"{mean:.3f} ±" in text
    EXAMPLE["picture"](runs, str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").stat().st_size > 10_000
