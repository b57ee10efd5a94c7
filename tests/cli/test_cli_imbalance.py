"""Real calls: a threshold chosen on validation samples, and ranked rows, from table to predictions."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest


@pytest.fixture
def races(tmp_path):
    """A table of ranked rows: the heavier, the further behind; one race of one horse."""
    random = np.random.default_rng(0)
    lines = ["race,weight,color,rank"]
    for race in range(12):
        weights = np.round(random.normal(size=5), 3)
        ranks = 1 + weights.argsort().argsort()
        lines += [
            f"r{race},{w},{'ab'[i % 2]},{rank}"
            for i, (w, rank) in enumerate(zip(weights, ranks, strict=True))
        ]
    path = tmp_path / "races.csv"
    path.write_text("\n".join([*lines, "alone,0,a,1"]) + "\n")
    return path


def test_a_threshold_is_chosen_said_kept_and_used(call, tmp_path):
    options = ("--epochs", "3", "--hidden", "", "--repeats", "2", "--test", "0.2", "--no-report")
    result = call("train", "example:breast-cancer", *options, "--threshold", "f1", "--out", "run", "--json")
    assert result.status == 0
    document = result.json
    assert document["settings"]["threshold"] == "f1"
    threshold = document["threshold"]
    assert threshold["positive"] == "malignant"
    assert threshold["value"] == pytest.approx(np.mean(threshold["per_repeat"]))
    assert set(document["at_threshold"]) == {"validation", "test"}
    found = document["per_class"]["test"]["malignant"]["recall"]["mean"]
    assert found == pytest.approx(document["metrics"]["test"]["recall"]["mean"])
    assert '"malignant" above a probability of' in result.err
    assert "above 0.5" in result.err
    predicted = call("predict", "run", "example:breast-cancer", "--json").json
    for row in predicted["rows"]:
        above = row["probability malignant"] > threshold["value"]
        assert row["predicted diagnosis"] == ("malignant" if above else "benign")
    assert any("above a probability of" in note for note in predicted["notes"])


def test_ranked_rows_train_and_new_rows_get_a_place_in_their_group(call, races, tmp_path):
    options = (
        "--target",
        "rank",
        "--rank-by",
        "race",
        "--hidden",
        "",
        "--epochs",
        "40",
        "-l",
        "0.1",
        "--no-report",
    )
    result = call("train", str(races), *options, "--out", "run")
    assert (result.status, result.err) == (0, "")
    assert '120 pairs of 12 groups of "race", each as two opposite samples' in " ".join(result.out.split())
    assert '1 group of "race" of one item makes no pair.' in result.out
    rows = list(csv.DictReader(io.StringIO(call("predict", "run", str(races), "--quiet").out)))
    with races.open() as lines:
        wanted = list(csv.DictReader(lines))
    assert [row["race"] for row in rows] == [row["race"] for row in wanted]
    assert [row["place"] for row in rows] == [row["rank"] for row in wanted], "it is that easy"
    together = call("predict", "run", str(_without(races, "race", "rank")), "--quiet", "--json").json["rows"]
    assert sorted(row["place"] for row in together)[0] == 1
    assert "race" not in together[0]


def _without(table, *names):
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    path = table.with_name("new.csv")
    kept = [name for name in rows[0] if name not in names]
    path.write_text("\n".join(",".join(row) for row in [kept, *([r[n] for n in kept] for r in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rank-by", "nothing"), "--rank-by must name one of the 4 columns"),
        (("--rank-by", "rank"), "by must be another column than the target"),
        (("--rank-by", "race", "--task", "regression"), "--task does not go with --rank-by"),
        (("--rank-best", "highest"), "--rank-best is about ranked rows; give --rank-by COLUMN, too."),
        (("--rank-by", "race", "--target", "color"), "numbers"),
        (("--threshold", "f1"), "--threshold must be left out except for two classes"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_a_sentence(call, races, options, words):
    result = call("train", str(races), *options, "--out", "run")
    assert result.status == 2
    assert words in result.err
    assert result.err.count("\n") == 1
