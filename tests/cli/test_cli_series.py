"""Contract of windows of a series on the command line: train, predict, trace, report, and their refusals."""

import re

import numpy as np
import pytest

ROWS = 60
OPTIONS = ("--window", "6", "--horizon", "2", "--relative", "difference", "--hidden", "4", "--epochs", "3")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    months = np.datetime_as_string(np.datetime64("2001-01") + np.arange(ROWS))
    sold = 50 + np.arange(ROWS) + 9 * np.sin(np.arange(ROWS) * np.pi / 6)
    path = tmp_path_factory.mktemp("series") / "sales.csv"
    lines = [f"{month},{value:.2f}" for month, value in zip(months, sold, strict=True)]
    path.write_text("\n".join(["month,sold", *lines]) + "\n")
    return path


def test_a_series_trains_predicts_beyond_its_end_and_is_traced(call, table):
    options = ("--order", "blocks", "--batch-size", "6", "--test", "0.2", "--repeats", "2", "--out", "run")
    shown = call("train", table, *OPTIONS, *options)
    assert shown.status == 0
    text = " ".join(re.sub(r"\s+", " ", shown.out + shown.err).split())
    assert 'column 1 ("month") is the time, 2001-01 to 2005-12, 1 month apart' in text
    assert "split in the order of time, the same in all repeats" in text
    assert "14 windows that cross a cut are left out" in text
    assert "blocks of 6 consecutive samples" in text
    assert re.search(r"test: (beats|is worse than|no significant difference from) the last value", text)
    assert "step ahead" in text
    lines = call("predict", "run", table, "--quiet").out.splitlines()
    assert lines[0].startswith('"row","month","predicted sold 1","predicted sold 2","sd of')
    assert len(lines) == 1 + ROWS - 6 + 1
    assert lines[-1].startswith(',"2006-01",')
    # Row 7 is the first target of the first window, which trains.
    assert "epoch 1: update" in call("trace", "run", "--sample", "7", "--epoch", "1").out
    refused = call("trace", "run", "--sample", "6", "--epoch", "1")
    assert refused.status == 2
    assert "no sample is row 6: no window has its first target there." in " ".join(refused.err.split())
    assert call("report", "run").status == 0


def test_json_has_the_comparison_with_naive_forecasts(call, table):
    result = call("train", table, *OPTIONS, "--batch-size", "6", "--test", "0.2", "--json", "--no-report")
    found = result.json["forecasts"]["test"]
    assert [naive["name"] for naive in found["naive"]] == ["the last value"]
    rmse, naive = found["rmse"]["mean"], found["naive"][0]
    assert naive["skill"]["mean"] == pytest.approx(1 - rmse / naive["rmse"]["mean"])
    assert len(found["rmse_by_step"]) == 2
    assert "1 repeat: no interval" in found["sentences"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--horizon", "2"), ["--horizon is about windows of a time series; give --window ROWS, too."]),
        (("--window", "59", "--horizon", "2"), ["must have at least 61 rows", "got 60"]),
        (("--window", "6", "--task", "binary"), ["--task does not go with --window"]),
        (("--window", "6", "--series", "shop"), ['--series must name one of the 2 columns; got "shop"']),
        (
            ("--window", "6", "--order", "blocks", "--block-length", "50"),
            ["--block-length must be between 1"],
        ),
        (("--window", "6", "--relative", "log"), ['unknown relative "log"']),
        (
            ("--window", "6", "--split", "random", "--gap", "2"),
            ["gap belongs to a split in the order of time"],
        ),
    ],
)
def test_what_makes_no_windows_is_refused(refuse, table, options, words):
    refuse("train", table, *options, words=words)
