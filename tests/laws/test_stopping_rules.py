"""Law: a rule in the compiled program stops where the same rule, applied to the finished curve, says so.

And, as oracles, Prechelt's criteria transcribed into NumPy from the paper (Early Stopping - But When?, 1998,
section 2), with its own letters.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import epochal as ep
from epochal.stopping import budgets
from helpers import Stop, decide

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(48, 4)).astype(np.float32)
Y = (X[:, 0] + 1.2 * RANDOM.normal(size=48) > 0).astype(np.int32)
REPEATS = 3
OPTIONS = {
    "batch_size": 8,
    "epochs": 30,
    "learning_rate": 0.05,
    "repeats": REPEATS,
    "seed": 2,
    "validation": 0.25,
}


@functools.cache
def trained(rule=None, **changes):
    return ep.fit(ep.MLP(8), (X, Y), **{**OPTIONS, **changes, "stop": rule})


# In the program as on the finished curve --------------------------------------------------------------------


RULES = [
    ep.any_of(ep.Patience(4, min_delta=0.01, min_epochs=6), ep.TargetValue(0.9, "train.accuracy")),
    ep.all_of(ep.GeneralizationLoss(5), ep.RisingStrips(1, strip=3)),
    ep.ProgressQuotient(0.05, strip=4),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.describe())
def test_the_program_stops_where_the_rule_would_on_the_finished_curve(rule):
    full, run = trained(), trained(rule)
    stops = 0
    for repeat, outcome in enumerate(run.outcomes):
        said = decide(rule, full.curves, repeat)
        if said is not None:
            stops += 1
            assert (outcome.epochs, outcome.stopped) == (said.epoch, said.reason)
            assert run.curves.of(repeat).epoch[-1] == said.epoch
        else:
            assert said is None
            assert outcome.epochs == 30 and outcome.stopped == "all 30 epochs done"
        length = len(run.curves.of(repeat))
        np.testing.assert_allclose(
            run.curves.of(repeat).columns["validation.loss"],
            full.curves.of(repeat).columns["validation.loss"][:length],
            atol=1e-5,
        )
    assert stops, "a rule that never stops shows nothing"


def test_patience_counts_epochs_and_not_evaluations():
    """With an evaluation every 5 epochs, 4 epochs without an improvement are over at the next one."""
    rule = RULES[0]
    full, run = trained(evaluate_every=5), trained(rule, evaluate_every=5)
    for repeat, outcome in enumerate(run.outcomes):
        curve = run.curves.of(repeat)
        assert set(curve.epoch % 5) == {0.0}
        said = decide(rule, full.curves, repeat)
        assert said is not None and (outcome.epochs, outcome.stopped) == (said.epoch, said.reason)
        if "no improvement" in said.reason:
            assert "for 5 epochs" in said.reason or said.epoch == 10  # min_epochs is 6


# On curves made for the purpose -----------------------------------------------------------------------------


def curves(validation, training=None, every=1, **columns):
    rows = len(validation)
    epochs = np.arange(rows) * every
    training = np.linspace(1, 0.5, rows) if training is None else np.asarray(training, float)
    running = np.concatenate([[np.nan], training[1:]])
    held = {"validation.loss": np.asarray(validation, float), "train.running_loss": running, **columns}
    return ep.Curves(np.zeros(rows), epochs, epochs * 4, epochs * 30, epochs * 0.1, held)


def epoch_of(rule, curve):
    said = decide(rule, curve)
    return said and said.epoch


def noisy(seed, rows=40):
    random = np.random.default_rng(seed)
    epochs = np.arange(rows)
    validation = 1 / (1 + 0.3 * epochs) + 0.012 * epochs + 0.04 * random.normal(size=rows)
    training = 1 / (1 + 0.25 * epochs) + 0.03 * np.abs(random.normal(size=rows))
    return np.abs(validation) + 0.1, training


def prechelt(criterion, alpha, validation, training, k):
    """The epoch t at which a criterion stops; E_va(t) and E_tr(t) for t = 0 (before training), 1, 2, ..."""

    def gl(t):
        return 100 * (validation[t] / validation[: t + 1].min() - 1)

    def progress(t):
        strip = training[t - k + 1 : t + 1]
        return 1000 * (strip.sum() / (k * strip.min()) - 1)

    def up(t, s):
        rose = t - k >= 1 and validation[t] > validation[t - k]
        return rose and (s == 1 or up(t - k, s - 1))

    for t in range(len(validation)):
        end_of_strip = t >= k and t % k == 0
        if criterion == "GL" and gl(t) > alpha:
            return t
        if criterion == "PQ" and end_of_strip and gl(t) / progress(t) > alpha:
            return t
        if criterion == "UP" and end_of_strip and up(t, alpha):
            return t
    return None


@pytest.mark.parametrize("seed", range(4))
def test_prechelts_criteria_are_those_of_the_paper(seed):
    validation, training = noisy(seed)
    curve = curves(validation, training)
    stops = []
    for alpha in (2, 20, 60):
        stops.append(prechelt("GL", alpha, validation, training, 1))
        assert epoch_of(ep.GeneralizationLoss(alpha), curve) == stops[-1]
    for alpha, k in ((0.1, 5), (0.5, 5), (0.2, 4)):
        stops.append(prechelt("PQ", alpha, validation, training, k))
        assert epoch_of(ep.ProgressQuotient(alpha, strip=k), curve) == stops[-1]
    for strips, k in ((1, 5), (2, 5), (3, 3)):
        stops.append(prechelt("UP", strips, validation, training, k))
        assert epoch_of(ep.RisingStrips(strips, strip=k), curve) == stops[-1]
    assert sum(stop is not None for stop in stops) >= 4, "most of these curves do rise"


def test_the_generalization_loss_is_measured_against_the_least_so_far():
    assert epoch_of(ep.GeneralizationLoss(10), curves([1.0, 0.5, 0.54, 0.56, 0.4])) == 3
    assert epoch_of(ep.GeneralizationLoss(10), curves([1.0, 0.9, 0.8])) is None


def test_up_counts_successive_strips_only():
    ends = [1.0, 1.1, 1.0, 1.1, 1.2]  # up, down, up, up; a strip is 2 evaluations
    validation = [9.0] + [value for end in ends for value in (5.0, end)]
    assert epoch_of(ep.RisingStrips(1, strip=2), curves(validation)) == 4
    assert epoch_of(ep.RisingStrips(2, strip=2), curves(validation)) == 10


def test_patience_and_its_options():
    falling = [1.0, 0.8, 0.7, 0.695, 0.69, 0.685, 0.68, 0.675, 0.67, 0.665]
    assert epoch_of(ep.Patience(3), curves(falling)) is None
    said = decide(ep.Patience(3, min_delta=0.02), curves(falling))
    assert said == Stop("no improvement of validation.loss for 3 epochs (best at epoch 2)", 5.0)
    rising = [1.0, *np.linspace(1.1, 2, 20)]
    assert epoch_of(ep.Patience(3), curves(rising)) == 3
    assert epoch_of(ep.Patience(3, min_epochs=12), curves(rising)) == 12
    assert epoch_of(ep.Patience(10), curves(rising, every=5)) == 10
    accuracy = np.array([0.5, 0.6, 0.6, 0.6, 0.55, 0.6])
    watched = curves(np.ones(6), **{"validation.accuracy": accuracy})
    assert epoch_of(ep.Patience(3, monitor="validation.accuracy"), watched) == 4


def test_a_small_step_at_a_time_is_no_improvement_until_it_adds_up():
    falling = 1 - 0.004 * np.arange(30)
    assert epoch_of(ep.Patience(4, min_delta=0.01), curves(falling)) is None
    assert epoch_of(ep.Patience(2, min_delta=0.01), curves(falling)) == 2


def test_a_target_is_reached_from_the_side_that_is_worse():
    curve = curves([1.0, 0.5, 0.3], **{"validation.accuracy": np.array([0.5, 0.8, 0.95])})
    assert decide(ep.TargetValue(0.5), curve) == Stop("validation.loss reached 0.5 (target 0.5)", 1.0)
    assert epoch_of(ep.TargetValue(0.2), curve) is None
    said = decide(ep.TargetValue(0.9, "validation.accuracy"), curve)
    assert said == Stop("validation.accuracy reached 0.95 (target 0.9)", 2.0)


def test_joined_rules_give_the_reasons_that_hold():
    curve = curves([1.0, 0.5, 0.6, 0.7, 0.8, 0.9])
    soon, late = ep.Patience(2), ep.GeneralizationLoss(50)
    either = decide(ep.any_of(soon, late), curve)
    assert either == Stop("no improvement of validation.loss for 2 epochs (best at epoch 1)", 3.0)
    both = decide(ep.all_of(soon, late), curve)
    assert both is not None and both.epoch == 4
    assert both.reason.startswith("no improvement of validation.loss for 3 epochs (best at epoch 1) and ")
    assert both.reason.endswith("the validation loss is 60 % above its minimum (GL 50)")
    assert ep.any_of(soon) == ep.all_of(soon) == soon
    assert hash(ep.any_of(soon, late)) == hash(ep.any_of(ep.Patience(2), ep.GeneralizationLoss(50)))


def test_a_rule_says_in_words_what_it_is():
    rule = ep.any_of(ep.Patience(20), ep.all_of(ep.TargetValue(0.1), ep.RisingStrips(2)), ep.Budget(60, 1000))
    assert rule.describe() == (
        "no improvement of validation.loss for 20 epochs, or validation.loss at most 0.1, and validation "
        "loss up over 2 strips of 5 evaluations (Prechelt's UP), or 60 seconds or 1,000 updates"
    )
    assert budgets(rule) == (ep.Budget(60, 1000),)


# Budgets ----------------------------------------------------------------------------------------------------


def test_a_budget_of_updates_is_exact_and_the_curve_ends_there():
    run = trained(ep.Budget(updates=11))
    for repeat, outcome in enumerate(run.outcomes):
        assert (outcome.updates, outcome.stopped) == (11, "the budget of 11 updates is spent")
        assert outcome.epochs == pytest.approx(11 / run.plan.batches_per_epoch)
        assert run.curves.of(repeat).update.tolist() == [0, 5, 10, 11]
    full = trained()
    np.testing.assert_allclose(
        run.curves.columns["validation.loss"][:3], full.curves.columns["validation.loss"][:3], atol=1e-5
    )


def test_a_budget_beyond_the_plan_is_not_why_it_ended():
    for epochs in (1, 2):  # 5 updates and 10
        run = trained(ep.Budget(updates=11), epochs=epochs)
        assert {outcome.stopped for outcome in run.outcomes} == {f"all {epochs} epochs done"}


def test_a_budget_of_seconds_ends_a_training_that_would_take_hours():
    run = trained(ep.Budget(seconds=0.2), epochs=10**7, repeats=1, evaluate_every=1000)
    (outcome,) = run.outcomes
    assert outcome.stopped == "the budget of 0.2 seconds is spent"
    assert 0.2 <= outcome.seconds < 5 and 0 < outcome.epochs < 10**7
    assert run.curves.update[-1] == outcome.updates, "evaluated where it ended"
    assert not run.interrupted


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ep.Patience(0), "patience must be greater than 0; got 0."),
        (lambda: ep.Patience(3, min_delta=-1), "min_delta must be at least 0; got -1."),
        (lambda: ep.Patience(3, min_epochs=-1), "min_epochs must be at least 0; got -1."),
        (lambda: ep.GeneralizationLoss(0), "GL must be greater than 0; got 0."),
        (lambda: ep.ProgressQuotient(-1), "PQ must be greater than 0; got -1."),
        (lambda: ep.ProgressQuotient(1, strip=1), "strip must be a whole number, at least 2; got 1."),
        (lambda: ep.RisingStrips(0), "UP must be a whole number, at least 1; got 0."),
        (lambda: ep.Budget(), "a budget needs seconds or updates; got neither."),
        (lambda: ep.Budget(seconds=0), "the budget of seconds must be greater than 0; got 0."),
        (
            lambda: ep.Budget(updates=-5),
            "the budget of updates must be a whole number, at least 1; got -5.",
        ),
        (
            lambda: ep.Budget(updates=1.5),
            "the budget of updates must be a whole number, at least 1; got 1.5.",
        ),
        (lambda: ep.RisingStrips(2.5), "UP must be a whole number, at least 1; got 2.5."),
        (lambda: ep.ProgressQuotient(1, strip=True), "strip must be a whole number, at least 2; got True."),
        (
            lambda: ep.all_of(ep.Patience(1), ep.Budget(1)),
            "a Budget ends training by itself and can't be part of all_of; use any_of.",
        ),
        (
            lambda: ep.all_of(ep.Patience(1), ep.any_of(ep.TargetValue(0.1), ep.Budget(1))),
            "a Budget ends training by itself and can't be part of all_of; use any_of.",
        ),
        (lambda: ep.any_of(), "any_of needs at least one rule; got none."),
        (lambda: ep.all_of(), "all_of needs at least one rule; got none."),
    ],
)
def test_what_cannot_be_a_rule_is_refused(make, sentence):
    with pytest.raises(ep.Refusal) as refused:
        make()
    assert str(refused.value) == sentence
