"""Laws 3 and 4, Mean and Resume, where the batch size changes or an epoch is a number of updates.

The oracle is logistic regression by gradient descent in NumPy, fed with `plan.batch`.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import jax
import numpy as np
import pytest

import epochal as ep
from epochal.engine import compiler
from epochal.settings import Settings
from epochal.training import shapes
from epochal.training.loop import curves_of, make_stack
from epochal.training.prepare import prepare
from helpers import assert_close, assert_same_bits

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(size=(37, 3)).astype(np.float32)
Y = (X[:, 0] + 0.8 * RANDOM.normal(size=37) > 0).astype(np.int32)
RATE = 0.5
COMMON = {"optimizer": "sgd", "learning_rate": RATE, "validation": 0, "metrics": ()}
COMMON |= {"seed": 3, "standardize": False}

PACES = {
    "epochs of 7 updates": {"batch_size": 8, "updates_per_epoch": 7, "epochs": 4},
    "epochs of 7 updates, carry": {
        "batch_size": 8,
        "updates_per_epoch": 7,
        "epochs": 4,
        "remainder": "carry",
    },
    "sizes by epochs": {"batch_size": {0: 8, 2: 16, 3: "full"}, "epochs": 5},
    "sizes by updates, drop, sequential": {
        "batch_size": ep.BatchSchedule({0: 8, 6: 16}, "updates"),
        "epochs": 5,
        "remainder": "drop",
        "order": "sequential",
    },
    "both": {"batch_size": {0: 8, 2: 16}, "updates_per_epoch": 3, "epochs": 4, "micro_batch": 12},
}


def prepared_for(pace, **options):
    return prepare(ep.MLP(), (X, Y), Settings(**{**COMMON, **PACES[pace], **options}))


def drive(stack):
    rows = []
    while not stack.done:
        rows += stack.advance()
    return rows + stack.finish()


@functools.cache
def driven(pace, budget=None):
    prepared = prepared_for(pace)
    stack = make_stack(prepared, range(1), fixed_updates_per_call=budget)
    rows = drive(stack)
    return prepared, jax.tree.map(np.asarray, stack.train_state), rows


def reference(plan, weights, updates):
    """The weights (3,) and bias after so many updates, in 64 bits."""
    kernel, bias = (np.asarray(leaf, np.float64) for leaf in weights)
    for update in range(updates):
        batch = plan.batch(*plan.locate(update))
        inputs, targets = X[batch].astype(np.float64), Y[batch]
        slope = 1 / (1 + np.exp(-(inputs @ kernel + bias))) - targets
        kernel, bias = kernel - RATE * inputs.T @ slope / len(batch), bias - RATE * slope.mean()
    return kernel, bias


@pytest.mark.parametrize("pace", PACES)
def test_parameters_are_those_of_a_loop_over_the_batches_of_the_plan(pace):
    run = ep.fit(ep.MLP(), (X, Y), **COMMON, **PACES[pace], initial=start())
    plan = run.plan.with_(seed=run.order_seeds[0])
    (last,) = run.fitted[0].last.params
    kernel, bias = reference(plan, (np.full(3, 0.1), 0.0), plan.updates)
    assert_close((last["kernel"][:, 0], last["bias"][0]), (kernel, bias), 1e-5)
    # One evaluation at the end of each epoch, with the plan's own counts, and no other.
    assert run.curves.epoch.tolist() == list(range(plan.epochs + 1))
    assert run.curves.update.tolist() == [plan.first_update(epoch) for epoch in range(plan.epochs + 1)]
    sizes = [len(plan.batch_of_update(update)) for update in range(plan.updates)]
    assert run.curves.samples.tolist() == [sum(sizes[:update]) for update in run.curves.update]
    assert run.outcomes[0].stopped == f"all {plan.epochs} epochs done"
    assert (run.outcomes[0].updates, run.outcomes[0].epochs) == (plan.updates, plan.epochs)
    best = run.outcomes[0].best_epoch
    assert best in run.curves.epoch and plan.first_update(int(best)) == run.outcomes[0].best_update


def start(weight=0.1):
    layer = {"kernel": np.full((3, 1), weight, np.float32), "bias": np.zeros(1, np.float32)}
    return ep.Variables([layer], [])


@pytest.mark.parametrize("budget", [1, 4, 1000])
@pytest.mark.parametrize("pace", PACES)
def test_another_chunk_length_gives_the_same_bits(pace, budget):
    _, progress, rows = driven(pace)
    _, other, other_rows = driven(pace, budget)
    assert_same_bits(other, progress)
    assert [row.update for row in other_rows] == [row.update for row in rows]
    for one, two in zip(rows, other_rows, strict=True):
        assert_same_bits(two.values, one.values)


def test_other_epochs_and_lengths_of_epoch_compile_nothing():
    driven("epochs of 7 updates"), driven("sizes by epochs")
    before = compiler._slot.cache_info().misses
    for pace, change in (
        ("epochs of 7 updates", {"epochs": 2, "updates_per_epoch": 5}),
        ("sizes by epochs", {"epochs": 9, "batch_size": {0: 8, 1: 16, 7: "full"}}),
    ):
        drive(make_stack(prepared_for(pace, **change), range(1)))
    assert compiler._slot.cache_info().misses == before


def test_rules_count_the_epochs_that_are_said():
    """Patience waits for epochs of 7 updates, not for passes of 5."""
    rule = ep.Patience(3, 10.0, monitor="train.loss")
    pace = {**PACES["epochs of 7 updates"], "epochs": 40}
    run = ep.fit(ep.MLP(), (X, Y), **COMMON, **pace, stop=rule)
    assert (run.outcomes[0].epochs, run.outcomes[0].updates) == (3, 21)


def test_an_end_amid_a_phase_is_an_end():
    budget = ep.Budget(updates=7)  # the second of the phase with batches of 16 is update 11
    run = ep.fit(ep.MLP(), (X, Y), **COMMON, **PACES["sizes by epochs"], stop=budget, initial=start())
    plan = run.plan.with_(seed=run.order_seeds[0])
    assert run.curves.update.tolist() == [0, 5, 7]
    kernel, _ = reference(plan, (np.full(3, 0.1), 0.0), 7)
    assert_close(run.fitted[0].last.params[0]["kernel"][:, 0], kernel, 1e-5)
    assert run.outcomes[0].epochs == plan.epochs_after(7) == 1.4


@pytest.mark.parametrize("stream", [False, True])
def test_a_diverged_update_is_named_by_its_epoch_and_rows(stream):
    inputs = X.copy()
    inputs[20] = np.float32(3e38)
    paced = {**COMMON, **PACES["epochs of 7 updates"], "order": "sequential", "stream": stream}
    paced |= {"validation": (X[:5], Y[:5]), "evaluate_train": False}  # which the row does not break
    diverged = ep.fit(ep.MLP(), (inputs, Y), **paced, initial=start(10)).outcomes[0].diverged
    assert diverged is not None
    assert (diverged.update, diverged.epoch, diverged.batch) == (2, 0, 2) and 21 in diverged.samples
    paced |= {"batch_size": {0: 1, 2: 10}, "updates_per_epoch": 6, "initial": start(10)}
    late = ep.fit(ep.MLP(), (inputs, Y), **paced)
    diverged = late.outcomes[0].diverged
    assert diverged is not None and (diverged.epoch, diverged.batch) == divmod(diverged.update, 6)
    assert 21 in diverged.samples


def test_a_run_is_traced_by_its_plan(tmp_path):
    run = ep.fit(ep.MLP(), (X, Y), **COMMON, **PACES["both"])
    run.save(tmp_path / "run")
    again = ep.load(tmp_path / "run")
    assert again.plan == run.plan and again.curves.epoch.tolist() == run.curves.epoch.tolist()
    assert again.settings["batch_schedule"] == {"unit": "epochs", "changes": [[0, 8], [2, 16]]}


@pytest.mark.parametrize("pace", ["both", "sizes by updates, drop, sequential"])
def test_samples_that_are_streamed_are_paced_alike(pace):
    """Dropout, too: its masks are those of the pass, whatever an epoch is."""
    model = ep.MLP(4, dropout=0.3)
    streamed, held = (
        ep.fit(model, (X, Y), **COMMON, **PACES[pace], stream=stream) for stream in (True, False)
    )
    assert_close(streamed.fitted[0].last, held.fitted[0].last, 1e-6)
    assert streamed.curves.update.tolist() == held.curves.update.tolist()
    assert streamed.curves.epoch.tolist() == held.curves.epoch.tolist()


def test_curves_of_a_stack_count_in_the_plan_s_epochs():
    prepared, _, rows = driven("both")
    curves = curves_of(prepared.plan, prepared.spec.metric_names, range(1), rows)
    assert curves.epoch.tolist() == [0, 1, 2, 3, 4]


def test_trainings_with_equal_plans_place_their_evaluations_once(monkeypatch):
    """A comparison has hundreds, whose rows took more time than some of the trainings did."""
    prepared, _, rows = driven("both")
    first, asked = curves_of(prepared.plan, prepared.spec.metric_names, range(1), rows), []
    counted = ep.Plan.samples_after
    monkeypatch.setattr(ep.Plan, "samples_after", lambda *given: asked.append(given) or counted(*given))
    again = curves_of(prepared.plan.with_(), prepared.spec.metric_names, range(1), rows)
    assert not asked and first.samples.tolist() == again.samples.tolist() and len(first) == len(rows)


def test_a_setting_of_a_comparison_traces_no_functions_that_worked_before(monkeypatch):
    """Its outputs are looked at, since a model may take one batch size alone."""
    base = prepare(ep.MLP(4), (X, Y), Settings(**COMMON))
    heard, traced = [], shapes.traced
    monkeypatch.setattr(shapes, "traced", lambda what, *given: heard.append(what) or traced(what, *given))
    assert prepare(ep.MLP(4), None, replace(base.settings, batch_size=8), reuse=base)
    assert "the gradient of the loss" not in heard and "the model's apply in training" in heard
    assert prepare(ep.MLP(5), None, base.settings, reuse=base)
    assert "the gradient of the loss" in heard


def test_a_comparison_counts_passes_and_wants_one_size():
    with pytest.raises(ep.Refusal, match="updates_per_epoch has no place where settings are compared"):
        ep.compare(ep.MLP(), (X, Y), batch_size=[8], updates_per_epoch=4, epochs=1)
    with pytest.raises(ep.Refusal, match="batch_size must be a whole number"):
        ep.compare(ep.MLP(), (X, Y), batch_size=[ep.BatchSchedule({0: 8, 1: 16}), 8], epochs=1)
