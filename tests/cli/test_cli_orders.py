"""Contract of the orders on the command line: trained, traced and counted, or refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

SMALL = ("--hidden", "4", "--epochs", "2", "--batch-size", "8", "--quiet", "--no-report", "--out", "run")


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(5)
    rows = [f"{random.normal():.3f},p{k // 5},{'yes' if k % 5 == 0 else 'no'}" for k in range(60)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["x,who,y", *rows]) + "\n")
    return path


def test_a_balanced_run_is_traced_and_counted(call, table):
    assert call("train", table, "--order", "balanced", "--drop", "who", *SMALL).status == 0
    counted = call("trace", "run", "--audit", "--json").json
    assert (counted["epochs"], counted["left_out"]) == (2, [0, 0])
    whole = [one for one in counted["classes"] if one["size"] == 8]
    assert {(one["name"], one["min"], one["max"]) for one in whole} == {("no", 4, 4), ("yes", 4, 4)}
    shown = call("trace", "run", "--audit")
    assert "uses per sample" in shown.out and "yes" in shown.out
    some = next(row for row in range(1, 60, 5) if call("trace", "run", "--sample", row).status == 0)
    turns = call("trace", "run", "--sample", some, "--json").json["epochs"][0]["uses"]
    assert len(turns) in (3, 4, 5)
    for turn in turns:
        assert some in call("trace", "run", "--update", turn["update"], "--json").json["rows"]


def test_groups_are_named_by_a_column(call, table):
    assert call("train", table, "--order", "groups", "--groups", "who", *SMALL).status == 0
    rows = [row for k in range(1, 5) for row in call("trace", "run", "--update", k, "--json").json["rows"]]
    groups = [(row - 1) // 5 for row in rows]
    changes = sum(one != other for one, other in itertools.pairwise(groups))
    assert changes == len(set(groups)) - 1
    assert call("predict", "run", table).status == 0


def test_a_plan_of_blocks_needs_no_data(call):
    shown = call("plan", 100, "-b", 10, "--order", "blocks", "--block-length", 12)
    assert "batches of 10 cut blocks of 12" in " ".join(shown.out.split())
    assert call("plan", 100, "-b", 10, "--order", "replacement", "--json").json["positions_per_epoch"] == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", 100, "-b", 10, "--order", "stratified"), "epochal train DATA --order stratified"),
        (("plan", 100, "-b", 10, "--order", "blocks"), "--block-length 12"),
        (("plan", 100, "-b", 10, "--block-length", 5), "belongs to --order blocks"),
        (("train", "example:iris", "--order", "groups"), "--groups COLUMN"),
        (("train", "example:iris", "--order", "stratified", "-b", 2), "at least 3 (the classes)"),
        (("train", "example:iris", "--order", "blocks", "--block-length", 500), "between 1 and 120"),
        (("trace", "run"), "one of --sample ROW, --update U and --audit; got none"),
        (("trace", "run", "--audit", "--update", 1), "got several"),
    ],
)
def test_what_cannot_work_is_refused(refuse, arguments, words):
    refuse(*arguments, words=[words])
