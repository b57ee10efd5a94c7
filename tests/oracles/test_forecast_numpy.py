"""Oracles of forecasts: pandas shifts a series as a naive forecast does, NumPy scores it and the network."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.curves import summarize
from epochal.runs.forecast import ForecastScores, NaiveForecast, score_forecasts

WINDOW, HORIZON = 8, 3


@pytest.fixture(scope="module")
def sold():
    """A trend with a season of four rows."""
    rows = np.arange(90)
    noise = np.random.default_rng(0).normal(size=90)
    return 100 + rows + 10 * np.sin(rows * np.pi / 2) + noise


@pytest.fixture(scope="module")
def run(sold):
    frame = pd.DataFrame({"when": pd.date_range("2020-03-31", periods=90, freq="QE"), "sold": sold})
    data = ep.load_windows(frame, window=WINDOW, horizon=HORIZON, relative="difference")
    return ep.fit(ep.MLP(4), data, epochs=3, batch_size=16, repeats=2, test=0.2)


def rmse(errors):
    return np.sqrt(np.square(errors).mean())


def test_windows_are_those_of_numpy(sold):
    data = ep.load_windows(sold, window=WINDOW, horizon=HORIZON, stride=2)
    wanted = np.lib.stride_tricks.sliding_window_view(sold, WINDOW + HORIZON)[::2]
    np.testing.assert_array_equal(data.inputs[:, :, 0], wanted[:, :WINDOW].astype(np.float32))
    np.testing.assert_array_equal(data.targets, wanted[:, WINDOW:])


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_naive_forecasts_are_the_shifts_of_pandas(run, sold, part):
    series = pd.Series(sold)
    begin = np.flatnonzero(run.split_codes[0] == {"validation": 2, "test": 3}[part])
    first = begin + WINDOW
    found = run.forecasts[part]
    assert [naive.name for naive in found.naive] == ["the last value", "the value 4 rows before"]
    for naive, shifts in zip(found.naive, ([1, 2, 3], [4, 4, 4]), strict=True):
        errors = np.stack(
            [series.shift(by)[first + k].to_numpy() - sold[first + k] for k, by in enumerate(shifts)], axis=1
        )
        assert naive.rmse.mean == pytest.approx(rmse(errors))
        for step in range(HORIZON):
            assert naive.rmse_by_step[step].mean == pytest.approx(rmse(errors[:, step]))


def test_the_gain_of_each_repeat_is_the_share_by_which_its_error_is_smaller(run, sold):
    scores, found = run.scores["test"], run.forecasts["test"]
    begin = np.flatnonzero(run.split_codes[0] == 3)
    true = sold[(begin + WINDOW)[:, None] + np.arange(HORIZON)]
    predicted = scores.predicted.reshape(2, len(begin), HORIZON)
    np.testing.assert_allclose(scores.true.reshape(2, len(begin), HORIZON), [true, true], rtol=1e-6)
    last = rmse(sold[begin + WINDOW - 1][:, None] - true)
    for repeat in range(2):
        assert found.rmse.per_repeat[repeat] == pytest.approx(rmse(predicted[repeat] - true), rel=1e-6)
        gain = found.naive[0].skill.per_repeat[repeat]
        assert gain == pytest.approx(1 - rmse(predicted[repeat] - true) / last, rel=1e-5)
        assert found.rmse_by_step[2].per_repeat[repeat] == pytest.approx(
            rmse(predicted[repeat][:, 2] - true[:, 2]), rel=1e-6
        )
    assert run.metrics["test"]["rmse"].mean == pytest.approx(found.rmse.mean, rel=1e-6)


@pytest.mark.parametrize(
    ("gains", "wanted"),
    [
        ([-3.0, 0.5, -2.0], r"no significant .*\(higher by 150 %, 95 % interval −100 to 598, 3 repeats\)"),
        ([0.5, -0.3, 0.1], r"no significant .*\(lower by 10 %, 95 % interval −89 to 100, 3 repeats\)"),
        ([-3.0, -3.1, -2.9], r"is worse than it by 300 % \(95 % interval 275 to 325, 3 repeats; .*"),
        ([0.4, 0.5, 0.6], r"beats it by 50 % \(95 % interval 25 to 75, 3 repeats; .*"),
        ([-0.5], r"RMSE .* of it, 50 % higher \(1 repeat: no interval\)"),
    ],
)
def test_a_share_is_said_with_the_word_for_its_direction(gains, wanted):
    rmse, gain = summarize([2.0] * len(gains)), summarize(gains, (-np.inf, 1.0))
    said = NaiveForecast("it", summarize([1.0]), (), gain, ()).sentence(rmse)
    assert re.fullmatch(wanted, said), said


def test_forecasts_outlive_the_run_folder(run, tmp_path):
    read = ep.load(run.save(tmp_path / "run"))
    for part, found in run.forecasts.items():
        assert read.forecasts[part] == found
        assert ForecastScores.from_dict(found.to_dict()) == found
    assert read.observed.time_column == run.observed.time_column
    np.testing.assert_array_equal(read.observed.value, run.observed.value)
    assert read.summary() == run.summary()


def test_predictions_are_those_of_the_scores_and_one_beyond_the_end(run, sold):
    frame = pd.DataFrame({"when": pd.date_range("2020-03-31", periods=90, freq="QE"), "sold": sold})
    found = run.predict(frame)
    begin = np.flatnonzero(run.split_codes[0] == 3)
    wanted = run.scores["test"].predicted.reshape(2, len(begin), HORIZON)
    np.testing.assert_allclose(found.per_repeat[:, begin], wanted, rtol=1e-5)
    table = found.to_arrow()
    assert table.column_names[:3] == ["row", "when", "predicted sold 1"]
    assert len(found) == 90 - WINDOW + 1
    assert table.column("row")[-1].as_py() is None
    assert table.column("when")[-1].as_py() == "2042-09-30"


def test_the_picture_has_the_forecasts_where_their_targets_are(run, sold, tmp_path):
    figure = run.plot_forecast(tmp_path / "forecast.png", step=2)
    assert (tmp_path / "forecast.png").stat().st_size > 5000
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    drawn = lines["test forecast, mean ± sd of repeats"]
    begin = np.flatnonzero(run.split_codes[0] == 3)
    wanted = run.scores["test"].predicted.reshape(2, len(begin), HORIZON)[:, :, 1].mean(axis=0)
    np.testing.assert_allclose(drawn.get_ydata(), wanted)
    dates = pd.date_range("2020-03-31", periods=90, freq="QE").to_numpy().astype("datetime64[s]")
    np.testing.assert_array_equal(drawn.get_xdata(orig=True), dates[begin + WINDOW + 1])


def test_the_report_says_and_draws_the_forecasts(run, sold, tmp_path):
    page = run.report(tmp_path / "report.html").read_text()
    for found in run.forecasts.values():
        for sentence in found.sentences:
            assert f"</b>: {sentence}</li>" in page
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page)[1])["forecast"]
    (series,) = figures["series"]
    np.testing.assert_allclose(series["truth"], sold, rtol=1e-5)
    test = next(part for part in series["parts"] if part["name"] == "test")
    begin = np.flatnonzero(run.split_codes[0] == 3)
    wanted = run.scores["test"].predicted.reshape(2, len(begin), HORIZON)
    for step, drawn in enumerate(test["steps"]):
        assert drawn["at"] == (begin + WINDOW + step).tolist()
        np.testing.assert_allclose(drawn["mean"], wanted[:, :, step].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(drawn["sd"], wanted[:, :, step].std(axis=0, ddof=1), rtol=1e-4)


def test_a_small_network_beats_the_last_value_on_the_airline_table(tables):
    data = ep.load_windows(tables / "airline-passengers.csv", window=12, relative="ratio")
    run = ep.fit(
        ep.MLP(16), data, batch_size=12, epochs=60, learning_rate=0.01, repeats=3, validation=0.15, test=0.2
    )
    found = run.forecasts["test"]
    assert found.naive[0].rmse.mean == pytest.approx(50.9, abs=0.05)
    assert found.naive[0].skill.ci95[0] > 0.2
    assert found.sentences[0].startswith("beats the last value by")


class Shifted:
    """Naive forecasts with errors of their own."""

    period = 0

    def __init__(self, guesses):
        self.guesses = guesses

    def naive(self, index, period):
        return self.guesses[index]


def test_the_interval_of_a_gain_counts_that_windows_are_few_and_shared():
    """Forecasts as good as the naive ones, with errors that repeats have in common: zero is the truth."""
    random, held = np.random.default_rng(3), {"windows": 0, "repeats alone": 0}
    for _ in range(200):
        true, naive, common = random.normal(size=(3, 60, 2))
        errors = np.sqrt(0.99) * common + 0.1 * random.normal(size=(4, 60, 2))
        line = Shifted(true + naive)
        found = score_forecasts(np.stack([true] * 4), true + errors, line, [np.arange(60)] * 4)
        gain = found.naive[0].skill
        low, high = gain.ci95
        held["windows"] += low <= 0 <= high
        low, high = summarize(gain.per_repeat).ci95
        held["repeats alone"] += low <= 0 <= high
    assert held["windows"] / 200 >= 0.9, held  # 3 standard errors below 0.95
    assert held["repeats alone"] / 200 < 0.5, held


def test_what_the_choice_of_the_epoch_has_gained_is_taken_off_the_interval(sold):
    true, errors = np.zeros((3, 40, 1)), np.random.default_rng(4).normal(size=(3, 40, 1))
    line = Shifted(2 * np.ones((40, 1)))
    plain, flattered = (
        score_forecasts(true, errors, line, [np.arange(40)] * 3, share) for share in (0.0, 0.1)
    )
    pairs = ((plain.rmse, flattered.rmse, 0.098), (plain.naive[0].skill, flattered.naive[0].skill, -0.049))
    for one, other, wanted in pairs:
        assert one.mean == other.mean
        assert np.subtract(other.ci95, one.ci95) == pytest.approx(wanted, abs=0.012)


def test_one_window_that_makes_the_naive_error_shows_no_gain():
    """The mean errors of the repeats lie far below the naive one, and yet other windows need not show it."""
    true, errors = np.zeros((60, 1)), np.random.default_rng(5).normal(size=(60, 1))
    guesses = 0.9 * np.random.default_rng(6).normal(size=(60, 1))
    guesses[30] = 15.0
    predicted = errors + 0.05 * np.random.default_rng(7).normal(size=(5, 60, 1))
    found = score_forecasts(np.stack([true] * 5), predicted, Shifted(guesses), [np.arange(60)] * 5)
    assert found.rmse.ci95[1] < found.naive[0].rmse.mean  # a weaker rule: the naive error is taken as known
    assert found.unbeaten == ("the last value",)
    assert found.warning("test") == "The forecast does not surely beat the last value on the test windows."
    far = score_forecasts(np.stack([true] * 5), predicted, Shifted(guesses + 20), [np.arange(60)] * 5)
    assert far.unbeaten == () and far.warning("test") == ""


def test_forecasts_without_error_are_never_beaten():
    true = np.random.default_rng(8).normal(size=(60, 1))
    predicted = true + 0.1 * np.random.default_rng(9).normal(size=(4, 60, 1))
    found = score_forecasts(np.stack([true] * 4), predicted, Shifted(true), [np.arange(60)] * 4)
    assert found.unbeaten == ("the last value",)
    assert found.sentences[0] == "is worse than the last value, whose forecasts are without error"
