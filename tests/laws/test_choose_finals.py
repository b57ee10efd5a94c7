"""Do fresh seeds decide what is advised, what it promises, and whether there is anything to advise?

Nothing is trained here: values are drawn, so what is true is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from epochal.choose.advice.builder import _others as others
from epochal.choose.search.final_estimate import (
    Criteria,
    FinalEstimate,
    choose_final,
    final_of,
    min_failures,
)
from epochal.choose.search.final_step import Confirmed
from epochal.choose.search.search import Point
from epochal.choose.statistics.race import race
from epochal.choose.trials.fairness import TrainingLength, score_trials
from epochal.choose.trials.trial import DIVERGED, Trial
from epochal.curves import Curves, summarize
from epochal.curves.intervals import BLOCKS, influences
from epochal.curves.statistics import leave_one_out_epochs
from epochal.models.subsets import weighted_means

LOSS = Criteria("validation.loss", test_train_ratio=0.25)
NAN = math.nan


def final(
    values: Sequence[float], baseline: float = 1.0, criteria: Criteria = LOSS, size: int = 32
) -> FinalEstimate:
    """What trainings of 10 epochs gave."""
    array = np.array(values)
    trials: Any = {repeat: trial(repeat, [1.0]) for repeat in range(len(array))}
    return FinalEstimate(Point(size, -6), 10, 10, trials, array, {}, np.full(len(array), baseline), criteria)


def trial(repeat: int, losses: Sequence[float], reason: str = "") -> Trial:
    """A training that was evaluated once an epoch."""
    at = np.arange(len(losses))
    columns = {"validation.loss": np.array(losses), "train.loss": np.array(losses)}
    curves = Curves(np.full(len(at), repeat), at * 1.0, at * 10, at * 320, at * 1e-3, columns)
    return Trial("one", repeat, curves, int(at[-1] * 10), 0.0, reason)


GOOD, BETTER, USELESS = [0.5, 0.6, 0.55, 0.5], [0.4, 0.5, 0.45, 0.4], [1.1, 0.9, 1.0, 1.05]


# What is advised -------------------------------------------------------------------------------------------


def test_the_winner_is_advised_where_it_beats_the_baseline() -> None:
    winner, usual = final(BETTER), final(GOOD)
    assert choose_final(winner, usual, for_quality=True) is winner
    assert choose_final(winner, usual, for_quality=False) is winner


def test_for_quality_nothing_worse_than_the_defaults_is_advised() -> None:
    winner, usual = final(GOOD), final(BETTER)
    assert choose_final(winner, usual, for_quality=True) is usual
    assert choose_final(winner, usual, for_quality=False) is winner, "another goal pays for its speed"
    up = Criteria("validation.accuracy", 0.25)
    high, low = final([0.9, 0.95, 0.92], 0.5, up), final([0.8, 0.85, 0.82], 0.5, up)
    assert choose_final(low, high, for_quality=True) is high
    assert choose_final(high, low, for_quality=True) is high


def test_losses_of_very_different_size_are_not_called_alike_for_their_spread() -> None:
    low = [0.030, 0.034, 0.041, 0.028, 0.035, 0.036, 0.031, 0.039, 0.033, 0.037]
    high = [0.09, 1.40, 0.31, 0.12, 0.95, 0.22, 1.31, 0.11, 0.60, 0.17]
    difference = final(low).paired_difference(final(high)).ci95
    assert difference is not None and difference[1] > 0, "the mean difference alone hides it"
    assert not final(low).tied_with(final(high))
    random = np.random.default_rng(0)
    pairs = [np.exp(random.normal(size=(2, 10))) for _ in range(200)]
    assert sum(final(a.tolist()).tied_with(final(b.tolist())) for a, b in pairs) >= 188
    assert final([*low[:9], NAN]).tied_with(final(high)), (
        "negative control: nothing is known of one that diverged"
    )


def test_nothing_is_advised_where_nothing_beats_the_baseline() -> None:
    assert choose_final(final(USELESS), final(USELESS), for_quality=True) is None
    assert choose_final(None, final(USELESS), for_quality=False) is None
    usual = final(GOOD)
    assert choose_final(final(USELESS), usual, for_quality=False) is usual
    assert choose_final(None, usual, for_quality=False) is usual


def test_a_setting_that_diverged_once_is_out() -> None:
    diverged = final([*BETTER[:3], NAN])
    assert diverged.diverged == diverged.failures == 1 and not diverged.beats_baseline
    assert min_failures([diverged]) is None
    assert choose_final(diverged, None, for_quality=True) is None


def test_a_setting_that_was_once_worse_than_the_baseline_gives_way() -> None:
    once, never = final([*BETTER * 5, 1.2]), final([*GOOD * 5, 0.6])
    assert (once.failures, never.failures) == (1, 0) and once.beats_baseline
    assert min_failures([once, never]) is never
    assert min_failures([once]) is once, "the fewest, where nothing is without"
    assert choose_final(once, never, for_quality=True) is never, "the defaults, which never failed"


def test_where_no_baseline_is_known_nothing_is_held_against_a_setting() -> None:
    assert final(USELESS, NAN).beats_baseline and final(USELESS, NAN).failures == 0


def noise_table(random: np.random.Generator, correlated: float, repeats: int = 40) -> list[float]:
    """Values of splits of one table of noise: what the table shares, and what each split adds."""
    return list(1.0 + random.normal(0, math.sqrt(correlated)) + random.normal(0, 1, repeats))


@pytest.mark.parametrize("test_train_ratio", [0.25, 0.0])
def test_on_noise_it_abstains_in_19_of_20(test_train_ratio: float) -> None:
    """Negative control: without the correction for shared rows a third of the tables is recommended."""
    random = np.random.default_rng(1)
    criteria = Criteria("validation.loss", test_train_ratio)
    # The variance that splits of a table share is the overlap times that of one (Nadeau & Bengio's premise).
    found = [final(noise_table(random, 0.25), 1.0, criteria).beats_baseline for _ in range(400)]
    if test_train_ratio:
        assert np.mean(found) <= 0.05
    else:
        assert np.mean(found) > 0.2


# What it promises -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test_train_ratio", [0.25, 0.0])
def test_the_promise_holds_for_new_rows(test_train_ratio: float) -> None:
    random = np.random.default_rng(2)
    tables = [
        summarize(noise_table(random, 0.25), test_train_ratio=test_train_ratio).ci95 for _ in range(400)
    ]
    held = np.mean([low <= 1.0 <= high for low, high in tables if low is not None])
    if test_train_ratio:
        assert 0.93 <= held <= 0.98
    else:
        assert held < 0.7, "negative control"


def on_shared_rows(random: np.random.Generator, counted: bool, rows: int = 40) -> FinalEstimate:
    """Ten seeds of a setting that is as good as a constant, validated on the same rows."""
    constant = random.normal(1, 0.5, rows)
    shared = constant + random.normal(0, 0.3, rows)
    losses = shared + random.normal(0, 0.1, (10, rows))
    block = np.arange(rows) % BLOCKS
    added = [influences(partial(weighted_means, one, None), block) for one in losses]
    trials = {r: replace(trial(r, [1.0]), influences={LOSS.monitor: one}) for r, one in enumerate(added)}
    of_constant = influences(partial(weighted_means, constant, None), block)
    criteria = Criteria(
        LOSS.monitor, 0.0, samples=rows if counted else 0, blocks=30, baseline_influences=of_constant
    )
    baseline = np.full(10, constant.mean())
    return FinalEstimate(Point(32, -6), 10, 10, trials, losses.mean(axis=1), {}, baseline, criteria)


@pytest.mark.parametrize("counted", [True, False])
def test_seeds_that_share_their_validation_rows_say_nothing_about_other_rows(counted: bool) -> None:
    """Negative control: by the seeds alone most promises are broken, and noise is recommended."""
    random = np.random.default_rng(5)
    finals = [on_shared_rows(random, counted) for _ in range(300)]
    ends = [one.quality.ci95 or (0.0, 0.0) for one in finals]
    held = np.mean([low <= 1.0 <= high for low, high in ends])
    recommended = np.mean([one.beats_baseline for one in finals])
    if counted:
        assert 0.92 <= held <= 0.98 and recommended <= 0.05
    else:
        assert held < 0.6 and recommended > 0.2


def test_a_difference_counts_the_rows_that_both_share() -> None:
    random = np.random.default_rng(6)
    one = on_shared_rows(random, True)
    assert one.paired_difference(one).ci95 == (0.0, 0.0), "on any rows"
    low, high = one.paired_difference(on_shared_rows(random, True)).ci95 or (0.0, 0.0)
    assert high - low > 0.1


def test_the_best_of_many_promises_too_much_on_the_seeds_that_chose_it() -> None:
    """On fresh seeds it does not: the reason why there are some."""
    random = np.random.default_rng(3)
    chosen_on, fresh = [], []
    for _ in range(300):
        values = random.normal(0, 1, (20, 10))  # equal settings
        best = int(values.mean(axis=1).argmin())
        chosen_on.append(summarize(values[best]).ci95)
        fresh.append(summarize(random.normal(0, 1, 10)).ci95)
    held = [np.mean([low <= 0 <= high for low, high in ends]) for ends in (chosen_on, fresh)]
    assert held[0] < 0.8 and 0.92 <= held[1] <= 0.98


def test_bounds_hold() -> None:
    low, high = summarize([0.99, 1.0, 0.98], (0.0, 1.0), test_train_ratio=0.25).ci95 or (0, 0)
    assert high == 1.0 and low < 0.98
    assert summarize([0.5], test_train_ratio=0.25).ci95 is None
    assert summarize(GOOD, test_train_ratio=0.0) == summarize(GOOD)


def test_differences_are_of_the_same_seeds() -> None:
    apart = final(BETTER).paired_difference(final(GOOD))
    assert apart.mean == pytest.approx(-0.1) and apart.sd == pytest.approx(0, abs=1e-12)
    assert final(BETTER[:3]).paired_difference(final(GOOD)).repeats == 3


# How they are read ------------------------------------------------------------------------------------------


def test_a_training_is_read_at_its_end_not_at_its_best_moment() -> None:
    trials = {1: trial(1, [1, 0.2, 0.6]), 0: trial(0, [1, 0.3, 0.5])}
    found = final_of(Point(32, 0), 2, trials, {0: 1.0, 1: 1.1}, LOSS)
    assert found.values.tolist() == [0.5, 0.6] and found.baseline.tolist() == [1.0, 1.1]
    assert list(found.trials) == [0, 1] and list(found.metrics) == []
    assert (found.epochs, found.trained_epochs) == (2, 2)


def test_one_that_diverged_has_no_value() -> None:
    trials = {0: trial(0, [1, 0.3, 0.5]), 1: trial(1, [1.0, 0.5], DIVERGED), 2: trial(2, [1.0, NAN, 0.2])}
    found = final_of(Point(32, 0), 2, trials, dict.fromkeys(range(3), 1.0), LOSS)
    assert found.values[0] == 0.5 and np.isnan(found.values[1:]).all() and found.diverged == 2
    none = final_of(Point(32, 0), 2, {1: trials[1]}, {1: 1.0}, LOSS, kept=True)
    assert none.diverged == 1 and not none.beats_baseline


def test_kept_weights_are_read_where_the_other_repeats_are_best() -> None:
    trials = {
        0: trial(0, [1, 0.1, 0.4, 0.5]),
        1: trial(1, [1, 0.6, 0.35, 0.5]),
        2: trial(2, [1, 0.6, 0.2, 0.5]),
    }
    found = final_of(Point(32, 0), 3, trials, dict.fromkeys(range(3), 1.0), LOSS, kept=True)
    assert found.values.tolist() == [0.4, 0.35, 0.6]
    assert found.epochs == 2 and found.trained_epochs == 3


def test_an_error_at_a_repeat_s_own_best_epoch_is_smaller_than_at_that_of_the_others() -> None:
    trials = {0: trial(0, [1, 0.1, 0.4, 0.5]), 3: trial(3, [1, 0.6, 0.2, 0.5]), 4: trial(4, [1.0], DIVERGED)}
    for one in trials.values():
        one.curves.columns["validation.rmse"] = 2 * one.curves.columns["validation.loss"]
    kept, last = (
        final_of(Point(32, 0), 3, trials, dict.fromkeys(trials, 1.0), LOSS, kept=kept)
        for kept in (True, False)
    )
    assert kept.optimism("validation.rmse", 3) == pytest.approx(2.0), "0.6 where the other is best, not 0.2"
    assert kept.optimism("validation.mae", 3) == last.optimism("validation.rmse", 3) == 0.0


def test_the_epoch_that_others_choose_does_not_flatter() -> None:
    """Of noise around a constant, the minimum of each curve lies far below; what others choose does not."""
    random = np.random.default_rng(4)
    values = random.normal(1.0, 0.1, (200, 30))
    rows = leave_one_out_epochs(values)
    assert values[np.arange(200), rows].mean() == pytest.approx(1.0, abs=0.02)
    assert values.min(axis=1).mean() < 0.85, "negative control"
    assert leave_one_out_epochs(np.array([[3.0, 1.0, 2.0]])).tolist() == [1]


@pytest.mark.parametrize("ended", [None, 20])
def test_a_curve_that_jumps_does_not_win_by_its_luckiest_epochs(ended: int | None) -> None:
    """Both settings have the same mean; the jumps of one of them are of its few validation samples."""
    random = np.random.default_rng(8)
    length = TrainingLength(390, 10, tuple(range(10, 400, 10)))
    lines = {"steady": 0.5 + random.normal(0, 0.01, (30, 40)), "jumps": 0.5 + random.normal(0, 0.2, (30, 40))}
    trials = {
        name: [trial(at, line[: ended if at % 2 else None].tolist()) for at, line in enumerate(several)]
        for name, several in lines.items()
    }
    scores = {
        name: [one.value for one in score_trials(several, "validation.loss", length)]
        for name, several in trials.items()
    }
    own = {name: [min(line) for line in several.tolist()] for name, several in lines.items()}

    def tied(values: dict[str, list[float]]) -> set[str]:
        return set(
            race(list(values), 30, lambda live, _, look: {one: values[one][:look] for one in live}).tied
        )

    assert tied(scores) == set(lines)
    assert tied(own) == {"jumps"}, "negative control"


def test_a_training_that_diverged_is_judged_as_none_and_chooses_for_no_other() -> None:
    length = TrainingLength(20, 10, (10, 20))
    several = [trial(0, [1.0, 0.3, 0.5]), trial(1, [1.0, 0.0, 0.0], DIVERGED), trial(2, [1.0, 0.6, 0.4])]
    found = score_trials(several, "validation.loss", length)
    assert [one.value for one in found] == [0.5, pytest.approx(NAN, nan_ok=True), 0.6]
    assert [one.epoch for one in found][::2] == [2.0, 1.0] and found[0].metrics == {"train.loss": 0.5}
    assert score_trials(several[:1], "validation.loss", length)[0].value == 0.3, (
        "one alone chooses for itself"
    )


def test_a_training_that_diverged_does_not_narrow_the_interval_for_new_rows() -> None:
    random = np.random.default_rng(5)
    shared = Criteria("validation.loss", 0.0, samples=12, blocks=12)
    added = [random.normal(0, 0.05, 12) for _ in range(6)]
    whole = shared.summary(np.full(6, 0.7), added)
    diverged = shared.summary(np.r_[np.full(6, 0.7), NAN], [*added, np.zeros(0)])
    assert diverged.ci95 == pytest.approx(whole.ci95) and diverged.ci95 is not None
    assert diverged.ci95[1] - diverged.ci95[0] > 0.05, "a plain interval over seeds has no width here"


def test_a_huge_loss_of_one_repeat_hides_no_other() -> None:
    assert leave_one_out_epochs(np.array([[3, 1e18, 2], [3, 2, 1], [3, 2, 1.0]])).tolist() == [2, 2, 2]


def test_validation_samples_of_one_class_show_nothing() -> None:
    assert final(BETTER).beats_baseline
    assert not final(BETTER, criteria=replace(LOSS, one_class=True)).beats_baseline


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_few_rows_that_make_most_of_every_loss_hide_no_gain(share: float) -> None:
    """Losses of splits that differ a hundredfold, by whether the one large row is validated."""
    random = np.random.default_rng(7)
    baseline = np.where(random.random(20) < 0.2, 100.0, 1.0)
    values = baseline * share * random.lognormal(0, 0.2, 20)
    trials = {repeat: trial(repeat, [value]) for repeat, value in enumerate(values)}
    found = FinalEstimate(
        Point(32, -6), 10, 10, trials, values, {}, baseline, Criteria("validation.loss", 0.25)
    )
    assert found.beats_baseline == (share < 1)


@pytest.mark.parametrize(("best", "advised"), [(2, 2), (3, 3), (4, 5), (5, 5)])
def test_the_defaults_keep_their_epochs_where_the_best_are_among_the_last(best: int, advised: int) -> None:
    losses = [1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    losses[best] = 0.4
    trials = {repeat: trial(repeat, losses) for repeat in range(3)}
    found = final_of(Point(32, 0), 5, trials, dict.fromkeys(range(3), 1.0), LOSS, kept=True)
    assert (found.epochs, found.trained_epochs) == (advised, 5)


def test_a_whole_training_is_not_shortened() -> None:
    """A schedule that was planned for three epochs is another one in two."""
    trials = {k: trial(k, [1, 0.5, 0.3 + 0.01 * k, 0.4]) for k in range(3)}
    given = (Point(32, 0), 3, trials, dict.fromkeys(range(3), 1.0), LOSS)
    short, whole = final_of(*given, kept=True), final_of(*given, kept=True, whole=True)
    assert (short.epochs, whole.epochs) == (2, 3) and (short.values == whole.values).all()


def test_a_setting_that_was_ahead_of_the_defaults_is_told() -> None:
    """It failed once, or is not shown to beat the baseline: the defaults are advised, and are not best."""
    usual, ahead = final([0.8] * 4), final([0.3, 0.3, 0.3, 1.2])
    advice: Any = None
    assert choose_final(ahead, usual, for_quality=True) is usual
    assert Confirmed(usual, ahead, usual, advice, none_beats_baseline=False).ahead is ahead
    assert others(ahead).endswith("but failed on 1 of 4 fresh seeds.")
    worse = final([0.9] * 4)
    assert Confirmed(usual, worse, usual, advice, none_beats_baseline=False).ahead is None
    assert others(None) == "The best other setting that was tried is no better there."
