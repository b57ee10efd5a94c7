"""Contract of `epochal plan`: the issue's two examples, and refusals with name, bound and value."""

import pytest


def test_plan_as_json(call):
    plan = call("plan", 200, "--batch-size", 5, "--epochs", 1000, "--json").json
    wanted = {
        "samples": 200,
        "batch_size": 5,
        "batches_per_epoch": 40,
        "updates": 40000,
        "regime": "mini-batch",
        "segments": [[40, 5]],
    }
    assert wanted.items() <= plan.items()


def test_plan_shows_the_remainder_and_what_else_could_become_of_it(call):
    text = call("plan", 1000, "--batch-size", 400, "--epochs", 1).out
    assert "3  (400, 400, 200)" in text
    for name, batches in (("drop", "400, 400"), ("spread", "334, 333, 333"), ("carry", "400, 400, 400")):
        assert f"{name:<8}{batches}" in text


def test_sizes_that_change_and_epochs_of_updates(call):
    text = call("plan", 614, "-b", 32, "-e", 100, "--grow-batch", "30:128,60:full").out
    assert (
        "32, after 30 epochs: 128, after 60 epochs: full" in text and "790  (100 epochs in 3 phases)" in text
    )
    grown = call("plan", 614, "-b", 32, "-e", 100, "--grow-batch", "300 updates: 128", "--json").json
    assert grown["batch_schedule"] == {"unit": "updates", "changes": [[0, 32], [300, 128]]}
    paced = call("plan", 614, "-b", 32, "-e", 10, "--updates-per-epoch", 100, "--json").json
    assert (paced["updates"], paced["passes"], paced["batches_per_epoch"]) == (1000, 50, 100)


def test_thousands_may_be_set_off(call):
    assert call("plan", "1,000_000", "-b", "FULL", "--json").json["batch_size"] == 1_000_000


BAD = {
    "samples 0": (["0", "-b", "1"], ["samples", "at least 1", "got 0"]),
    "samples -5": (["-5", "-b", "1"], ["samples", "negative", "got -5"]),
    "no such file": (["no.csv", "-b", "1"], ["samples", "a number or a file", '"no.csv"']),
    "samples in words": (["ten", "-b", "1"], ["samples", "whole number", '"ten"']),
    "batch size 0": (["9", "-b", "0"], ["--batch-size", "at least 1", "got 0"]),
    "batch size -1": (["9", "-b", "-1"], ["--batch-size", "at least 1", "got -1"]),
    "batch size 2.5": (["9", "-b", "2.5"], ["--batch-size", "whole number", "got 2.5"]),
    "batch size above": (["9", "-b", "10"], ["--batch-size", "between 1 and 9", "got 10", '"full"']),
    "batch size ful": (["9", "-b", "ful"], ["--batch-size", '"full"', '"ful"']),
    "epochs 0": (["9", "-b", "3", "-e", "0"], ["epochs", "at least 1", "got 0"]),
    "epochs -3": (["9", "-b", "3", "-e", "-3"], ["epochs", "at least 1", "got -3"]),
    "epochs 1.5": (["9", "-b", "3", "-e", "1.5"], ["epochs", "whole number", "got 1.5"]),
    "seed -1": (["9", "-b", "3", "--seed", "-1"], ["seed", "at least 0", "got -1"]),
    "seed above": (["9", "-b", "3", "--seed", str(2**64)], ["seed", "got 18446744073709551616"]),
    "growth": (["9", "-b", "3", "--grow-batch", "5-3"], ["--grow-batch", "30:128,60:full", '"5-3"']),
    "growth at 0": (["9", "-b", "3", "--grow-batch", "0:5"], ["--grow-batch", "at least 1", '"0:5"']),
    "growth mixed": (["9", "-b", "3", "--grow-batch", "2:5,9 updates:6"], ["epochs or in updates"]),
    "growth above": (["9", "-b", "3", "--grow-batch", "2:50"], ["--batch-size", "between 1 and 9", "got 50"]),
    "updates per epoch 0": (["9", "-b", "3", "--updates-per-epoch", "0"], ["--updates-per-epoch", "got 0"]),
    "order": (["9", "-b", "3", "--order", "shufle"], ['"shufle"', 'mean "shuffle"']),
    "remainder": (["9", "-b", "3", "--remainder", "kept"], ['"kept"', 'mean "keep"']),
    "drop of all": (["9", "-b", "9", "--remainder", "drp"], ['"drp"', 'mean "drop"']),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plan_is_refused(name, refuse):
    arguments, words = BAD[name]
    refuse("plan", *arguments, words=words)
