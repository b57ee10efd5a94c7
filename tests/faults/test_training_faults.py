"""Faults: numbers that are not finite, and all that is refused before the first update."""

from __future__ import annotations

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.engine.state import DIVERGED_UPDATE
from epochal.runs.trace import formed, seen
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from helpers import assert_close, assert_same_bits

RANDOM = np.random.default_rng(9)
X = RANDOM.normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] + 0.5 * RANDOM.normal(size=40) > 0).astype(np.int32)
NUMBERS = (X @ np.array([1.0, -2.0, 0.5]) + 0.1 * RANDOM.normal(size=40)).astype(np.float32)
BAD = 17
"""The sample, counted from 0, whose target the loss below cannot bear."""


def all_finite(tree):
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree))


# A loss that explodes ---------------------------------------------------------------------------------------


@functools.cache
def exploded():
    return ep.fit(
        ep.MLP(4),
        (1000 * X, 1000 * NUMBERS),
        optimizer="sgd",
        learning_rate=1e3,
        batch_size=8,
        epochs=20,
        repeats=2,
        seed=4,
        standardize=False,
    )


def test_a_loss_that_explodes_is_stopped_and_named():
    run = exploded()
    for repeat, outcome in enumerate(run.outcomes):
        diverged = outcome.diverged
        assert diverged is not None
        plan = run.plan.with_(seed=run.order_seeds[repeat])
        assert plan.locate(diverged.update) == (diverged.epoch, diverged.batch)
        train = np.flatnonzero(run.split_codes[repeat] == 1)
        rows = run.rows[train[plan.batch(diverged.epoch, diverged.batch)]]
        assert diverged.samples == tuple(rows.tolist())
        assert outcome.stopped == f"the loss or the parameters were not finite at {diverged}"
        assert (
            f"update {diverged.update + 1:,} (epoch {diverged.epoch + 1}, batch {diverged.batch + 1}; rows "
            in outcome.stopped
        )
        assert outcome.updates == diverged.update


def test_the_last_good_parameters_are_kept_and_predict():
    run = exploded()
    for fitted in run.fitted:
        assert all_finite(fitted.best) and all_finite(fitted.last)
    assert np.isfinite(run.predict(1000 * X).values).all()
    assert run.verdict.kind in ("unstable", "not judged")


# A loss that one sample breaks ------------------------------------------------------------------------------


def fragile(outputs, targets):
    """Squared error, infinite for a target above 100."""
    return jnp.where(targets > 100, jnp.inf, jnp.square(outputs[:, 0] - targets))


TARGETS = NUMBERS.copy()
TARGETS[BAD] = 1000.0
FRAGILE = {
    "loss": fragile,
    "standardize": False,
    "metrics": (),
    "batch_size": 7,
    "epochs": 3,
    "repeats": 3,
    "seed": 1,
    "test": 0.2,
    "evaluate_train": False,
    "evaluate_every": 2,
    "optimizer": "sgd",
}


@functools.cache
def diverged_run():
    return ep.fit(ep.MLP(4), (X, TARGETS), validation=(X[:10], NUMBERS[:10]), **FRAGILE)


def fragile_prepared(**changes):
    options = {**FRAGILE, "validation": (X[:10], NUMBERS[:10]), **changes}
    return prepare(ep.MLP(4), (X, TARGETS), Settings(**options))


def test_one_bad_sample_is_traced_to_its_update_and_row():
    run = diverged_run()
    assert all(parts[BAD] == 1 for parts in run.split_codes), "the sample should be none of the test samples"
    for repeat, outcome in enumerate(run.outcomes):
        plan = run.plan.with_(seed=run.order_seeds[repeat])
        sample = int(np.searchsorted(np.flatnonzero(run.split_codes[repeat] == 1), BAD))
        (turn,) = plan.find(sample, 0)
        diverged = outcome.diverged
        assert (diverged.update, diverged.epoch, diverged.batch) == (turn.update, 0, turn.batch)
        assert BAD + 1 in diverged.samples and len(diverged.samples) == len(plan.batch(0, turn.batch))
        assert all_finite(run.fitted[repeat].last)


def test_a_bad_sample_that_tests_breaks_no_training():
    options = {**FRAGILE, "validation": (X[:10], NUMBERS[:10]), "test": 0.3}
    run = ep.fit(ep.MLP(4), (X, TARGETS), **options)
    assert all(parts[BAD] == 3 for parts in run.split_codes), "the sample should be one of the test samples"
    for outcome in run.outcomes:
        assert outcome.diverged is None and outcome.stopped == "all 3 epochs done"
        assert outcome.updates == run.plan.updates


def steep(outputs, targets):
    """Squared error, finite for every target, with a gradient that is not a number for one above 100."""
    far = targets > 100
    error = jnp.square(jnp.where(far, 0.0, outputs[:, 0] - targets))
    return error + jnp.sqrt(jnp.where(far, outputs[:, 0] * 0, 1.0))


@pytest.mark.parametrize("loss", [fragile, steep], ids=["loss", "gradient"])
@pytest.mark.parametrize("hidden", [(4,), (260, 64)], ids=["one vector", "many arrays"])
def test_what_is_not_finite_is_traced_in_small_and_large_networks(loss, hidden):
    options = {**FRAGILE, "loss": loss, "repeats": 1, "test": 0, "epochs": 1, "evaluate_every": 1}
    run = ep.fit(ep.MLP(*hidden), (X, TARGETS), validation=(X[:10], NUMBERS[:10]), **options)
    (turn,) = run.plan.find(BAD, 0)
    assert run.outcomes[0].diverged.update == turn.update
    assert BAD + 1 in run.outcomes[0].diverged.samples
    assert all_finite(run.fitted[0].last)


def test_a_repeat_that_breaks_leaves_those_in_step_with_it_alone():
    run, prepared = diverged_run(), fragile_prepared()
    stack = make_stack(prepared, range(3))
    while not stack.done:
        stack.advance()
    repeats = jax.tree.map(np.asarray, stack.train_state.repeat_states)
    for repeat, outcome in enumerate(run.outcomes):
        assert (repeats.status[repeat] == DIVERGED_UPDATE) == (outcome.diverged is not None)
        found = repeats.params[repeat]
        wanted = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(run.fitted[repeat].last.params)])
        assert_close(found, wanted)
        if outcome.diverged is not None:
            assert repeats.diverged_index[repeat] == outcome.diverged.batch


def test_the_update_that_diverged_can_be_traced():
    run = diverged_run()
    (outcome,) = [outcome for outcome in run.outcomes if outcome.diverged][:1]
    found = formed(run, outcome.diverged.update, outcome.repeat)
    assert (found.epoch, found.batch, found.rows) == (0, outcome.diverged.batch, outcome.diverged.samples)
    (turn,) = seen(run, BAD + 1, 0, outcome.repeat).uses
    assert turn.update == outcome.diverged.update


def test_no_update_is_made_after_the_one_that_diverged():
    """The parameters are those after the updates before it, which a budget of updates ends at, too."""
    run = diverged_run()
    repeat = next(outcome.repeat for outcome in run.outcomes if outcome.diverged and outcome.diverged.update)
    prepared = fragile_prepared()
    stack = make_stack(prepared, range(repeat, repeat + 1), fixed_updates_per_call=1)
    for _ in range(run.outcomes[repeat].updates):
        stack.advance()
    kept = np.asarray(stack.train_state.repeat_states.params)[0]
    last = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(run.fitted[repeat].last.params)])
    np.testing.assert_array_equal(kept, last)


def test_a_diverged_training_too_is_the_same_in_calls_of_any_length():
    """Law 4, Resume: where a call ends has no influence on the rows of the curve."""
    repeat = next(outcome.repeat for outcome in diverged_run().outcomes if outcome.diverged)
    found = []
    for budget in (1, 3, 1000):
        stack = make_stack(fragile_prepared(), range(repeat, repeat + 1), fixed_updates_per_call=budget)
        rows = []
        while not stack.done:
            rows += stack.advance()
        found.append((jax.tree.map(np.asarray, stack.train_state), rows))
    for progress, rows in found[1:]:
        assert [row.update for row in rows] == [row.update for row in found[0][1]]
        assert_same_bits([row.values for row in rows], [row.values for row in found[0][1]])
        assert_same_bits(progress, found[0][0])


def test_a_validation_loss_that_is_not_finite_is_named_as_such():
    run = ep.fit(
        ep.MLP(4),
        (X, NUMBERS),
        validation=(X, TARGETS),
        **{**FRAGILE, "test": 0, "repeats": 1, "evaluate_every": 1},
    )
    assert run.outcomes[0].stopped.startswith("the loss was not finite when evaluated after epoch 0; ")
    assert run.outcomes[0].diverged is None and run.outcomes[0].updates == 0


# An end before the end --------------------------------------------------------------------------------------


def test_a_training_that_is_stopped_before_its_first_update_has_its_evaluation():
    stop_signal = ep.StopSignal()
    stop_signal.stop()
    *_, last = ep.train(ep.MLP(4), (X, Y), epochs=3, stop_signal=stop_signal)
    assert last.run.interrupted and last.run.outcomes[0].stopped == "interrupted"
    assert last.run.curves.update.tolist() == [0], "epoch 0 is evaluated"


def test_a_training_can_be_stopped_while_it_runs_and_keeps_what_it_has():
    stop_signal, updates = ep.StopSignal(), 0
    for event in ep.train(ep.MLP(4), (X, Y), epochs=10**7, evaluate_every=500, stop_signal=stop_signal):
        if isinstance(event, ep.Progressed):
            updates = event.updates
            stop_signal.stop()
        if isinstance(event, ep.RunEnded):
            run = event.run
    assert run.interrupted and run.outcomes[0].stopped == "interrupted"
    assert updates <= run.outcomes[0].updates == run.curves.update[-1] < run.plan.updates


def test_leaving_the_loop_ends_the_training():
    events = ep.train(ep.MLP(4), (X, Y), epochs=10**7, evaluate_every=500)
    for event in events:
        if isinstance(event, ep.Progressed):
            break
    events.close()
    assert next(events, None) is None


# Refused before the first update ----------------------------------------------------------------------------


def wrong_width(key, sample):
    return jnp.zeros((sample.size, 2))


REFUSALS = {
    "option": ({"epoch": 3}, 'unknown option "epoch"; did you mean "epochs"?'),
    "optimizer": ({"optimizer": "admw"}, 'unknown optimizer "admw"; did you mean "adamw"?'),
    "optimizer type": ({"optimizer": 3}, "optimizer must be a name or an Optax object; got int."),
    "optimizer option": (
        {"optimizer": "momentum", "optimizer_options": {"momentun": 0.9}},
        'optimizer "momentum" does not take these options',
    ),
    "learning rate": ({"learning_rate": 0}, "learning_rate must be greater than 0 and finite; got 0."),
    "learning rate nan": (
        {"learning_rate": float("nan")},
        "learning_rate must be greater than 0 and finite",
    ),
    "learning rate text": ({"learning_rate": "fast"}, "learning_rate must be greater than 0 and finite"),
    "schedule": ({"schedule": "cosin"}, 'unknown schedule "cosin"; did you mean "cosine"?'),
    "step schedule": ({"schedule": "step"}, 'schedule "step" needs every'),
    "loss": ({"loss": "log_los"}, 'unknown loss "log_los"; did you mean "log_loss"?'),
    "loss of another task": (
        {"loss": "huber"},
        'loss "huber" does not fit a binary task; use one of: log_loss.',
    ),
    "mean loss": (
        {"loss": lambda outputs, targets: jnp.square(outputs[:, 0] - targets).mean()},
        "the loss must give one value for each sample, shape (32,); got ().",
    ),
    "column loss": (
        {"loss": lambda outputs, targets: jnp.square(outputs - targets[:, None])},
        "the loss must give one value for each sample, shape (32,); got (32, 1).",
    ),
    "metric": ({"metrics": ("acuracy",)}, 'unknown metric "acuracy"; did you mean "accuracy"?'),
    "metric of another task": ({"metrics": "r2"}, 'metric "r2" does not fit a binary task'),
    "monitor": ({"monitor": "validation.los"}, 'did you mean "validation.loss"?'),
    "monitor without validation": (
        {"monitor": "validation.loss", "validation": 0},
        "There are no validation samples (validation=0).",
    ),
    "rule without validation": (
        {"stop": ep.Patience(3), "validation": 0},
        "There are no validation samples (validation=0).",
    ),
    "rule on a metric that is not evaluated": (
        {"stop": ep.TargetValue(0.9, "validation.roc_auc")},
        'unknown metric "validation.roc_auc"',
    ),
    "no rule": ({"stop": 5}, "stop must be a rule"),
    "rule class": ({"stop": ep.Patience}, "stop must be a rule"),
    "nothing to evaluate": ({"validation": 0, "evaluate_train": False}, "nothing would be evaluated"),
    "order": ({"order": "shufle"}, 'unknown order "shufle"; did you mean "shuffle"?'),
    "remainder": ({"remainder": "dropp"}, 'unknown remainder "dropp"; did you mean "drop"?'),
    "batch size": (
        {"batch_size": 1000},
        "batch_size must be between 1 and 32 (the training samples); got 1000. "
        'Use "full" for one batch per epoch.',
    ),
    "fractional batch size": ({"batch_size": 2.5}, "batch_size must be a whole number"),
    "epochs": ({"epochs": 0}, "epochs must be a whole number, at least 1; got 0."),
    "repeats": ({"repeats": 0}, "repeats must be a whole number, at least 1; got 0."),
    "negative seed": ({"seed": -1}, "seed must be a whole number, at least 0; got -1."),
    "text seed": ({"seed": "abc"}, "seed must be "),
    "fractional seed": ({"seed": 1.5}, "seed must be "),
    "vary": ({"vary": ("inits",)}, 'unknown source of randomness "inits"; did you mean "init"?'),
    "validation": ({"validation": 1.5}, "validation must be a fraction in [0, 1) or a number of samples"),
    "validation none": ({"validation": None}, "validation must be a fraction of the samples in [0, 1)"),
    "evaluate every": ({"evaluate_every": 0}, "evaluate_every must be a whole number of epochs"),
    "evaluate often": ({"evaluate_every": "often"}, "evaluate_every must be a whole number of epochs"),
    "class weight word": ({"class_weight": "equal"}, 'class_weight must be "balanced" or a mapping'),
    "class weight type": (
        {"class_weight": [1, 2]},
        'class_weight must be "balanced" or a mapping; got list.',
    ),
    "class weight name": ({"class_weight": {"2": 1.0}}, 'unknown class in class_weight "2"'),
    "class weight sign": (
        {"class_weight": {0: -1}},
        'the weight of class "0" must be at least 0 and finite; got -1.',
    ),
    "class weight text": (
        {"class_weight": {0: "x"}},
        'the weight of class "0" must be at least 0 and finite; got x.',
    ),
    "class weights zero": (
        {"class_weight": {0: 0, 1: 0}},
        "the weights of the training samples must not all be 0.",
    ),
    "initial of another kind": ({"initial": (1, 2)}, "initial must be "),
    "initial of another shape": (
        {"initial": ep.Variables([{"kernel": np.ones((3, 5)), "bias": np.ones(5)}], [])},
        "initial must be ",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_settings_that_cannot_work_are_refused_by_name(name):
    options, sentence = REFUSALS[name]
    with pytest.raises(ep.Refusal) as refused:
        ep.train(ep.MLP(4), (X, Y), **options)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            ep.MLP(4, outputs=3),
            "the model's outputs must have shape (batch, 1) for this binary task; got (32, 3)",
        ),
        (
            (lambda key, sample: jnp.zeros(sample.size), lambda params, inputs: (inputs @ params).sum()),
            "the model's outputs must have shape (batch, 1) for this binary task; got ()",
        ),
        ("mlp", "model must be an epochal model such as ep.MLP(64, 64)"),
        (ep.MLP, "model must be an epochal model such as ep.MLP(64, 64)"),
    ],
)
def test_models_that_cannot_work_are_refused(model, sentence):
    with pytest.raises(ep.Refusal) as refused:
        ep.train(model, (X, Y))
    assert sentence in str(refused.value)


def test_missing_values_need_a_scaling_that_fills_them():
    holes = X.copy()
    holes[3, 1] = np.nan
    with pytest.raises(ep.Refusal, match=r"missing values .*leave out standardize=False"):
        ep.train(ep.MLP(4), (holes, Y), standardize=False)


def test_data_that_cannot_work_is_refused():
    for data, sentence in (
        (X, "y is missing"),
        ((X, Y[:-1]), "targets must have one entry for each of the 40 samples; got 39."),
        ((X, np.zeros(40, int)), "must have at least 2 different values"),
    ):
        with pytest.raises(ep.Refusal) as refused:
            ep.train(ep.MLP(4), data)
        assert sentence in str(refused.value)
    with pytest.raises(ep.Refusal, match="class_weight needs classes; this is a regression task"):
        ep.train(ep.MLP(4), (X, NUMBERS), class_weight="balanced")
    with pytest.raises(ep.Refusal, match="class_weight needs classes"):
        ep.fit(ep.MLP(4), (X, NUMBERS), class_weight={0: 1.0})


def test_everything_is_refused_at_the_call_before_an_event_is_asked_for():
    with pytest.raises(ep.Refusal):
        ep.train(ep.MLP(4), (X, Y), epochs=0)


LEFT = """
import numpy as np
import epochal as ep

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
events = ep.train(ep.MLP(4), (X, X[:, 0] > 0), epochs=2_000_000, batch_size=16, evaluate_every=1000)
for event in events:
    if isinstance(event, ep.Progressed) and event.updates:
        {leave}
print("left")
"""


@pytest.mark.parametrize("leave", ["break", "raise RuntimeError"])
def test_leaving_the_loop_lets_the_process_end(leave):
    done = subprocess.run(
        [sys.executable, "-c", LEFT.format(leave=leave)], capture_output=True, text=True, timeout=60
    )
    assert ("left" in done.stdout) == (leave == "break")
    assert done.returncode == (0 if leave == "break" else 1), done.stderr


def test_an_interrupt_while_the_run_is_concluded_is_survived(monkeypatch):
    import epochal.training.train as training

    calls = []

    def interrupted_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return conclude(*arguments)

    conclude = training.conclude
    monkeypatch.setattr(training, "conclude", interrupted_once)
    run = ep.fit(ep.MLP(4), (X, NUMBERS), epochs=2, batch_size=16)
    assert len(calls) == 2 and run.outcomes[0].updates == run.plan.updates
