"""Laws 3, 4 and 5, Mean, Resume and Repeat: what an update is, and that nothing but the seed changes it."""

from __future__ import annotations

import functools
import hashlib
import itertools
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.engine import compiler
from epochal.engine.evaluate import halved
from epochal.engine.update import ParamRaveler
from epochal.models import loss_for
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from helpers import assert_close, assert_same_bits

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] + 0.8 * RANDOM.normal(size=40) > 0).astype(np.int32)
WEIGHTS = RANDOM.uniform(0.1, 2.0, 40)
LOSS = loss_for("log_loss", "binary")[1]


def prepared_for(model, data=(X, Y), **options):
    return prepare(model, data, Settings(**{"metrics": (), "seed": 3, **options}))


def drive(stack):
    """Advance to the end; all evaluations, one after the other."""
    rows = []
    while not stack.done:
        rows += stack.advance()
    return rows + stack.finish()


def variables_of(prepared, stack, row=0):
    """The variables that a repeat of a stack has now."""
    shapes = prepared.model.init(jax.random.key(0), jnp.zeros(prepared.dataset.shape))
    raveler = ParamRaveler(prepared.spec, shapes.params)
    params, state = (
        jax.tree.map(lambda leaf: np.asarray(leaf)[row], tree)
        for tree in (stack.train_state.repeat_states.params, stack.train_state.repeat_states.model)
    )
    return ep.Variables(raveler.unravel(params), state)


def assert_same_rows(found, wanted):
    assert [row.update for row in found] == [row.update for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert_same_bits((one.active, one.values), (other.active, other.values))


# Law 3: mean -----------------------------------------------------------------------------------------------


@functools.cache
def steps(weighted):
    """Each update of two ragged epochs on its own: (batch, variables before, after), and the evaluations.

    19 samples in batches of 8, 8 and 3; batch normalization, whose outputs depend on who else is there.
    """
    data = (X[:19], Y[:19], WEIGHTS[:19]) if weighted else (X[:19], Y[:19])
    prepared = prepared_for(
        ep.MLP(4, batch_norm=True, activation="tanh"),
        data,
        batch_size=8,
        epochs=2,
        optimizer="sgd",
        learning_rate=0.5,
        validation=0,
    )
    stack = make_stack(prepared, range(1), fixed_updates_per_call=1)
    taken, rows = [], []
    while not stack.done:
        before, update = variables_of(prepared, stack), stack.update
        rows += stack.advance()
        taken.append((prepared.plan_of(0).batch_of_update(update), before, variables_of(prepared, stack)))
    return prepared, taken, rows + stack.finish()


def batch_loss(prepared, params, state, batch):
    part = prepared.part(0, "train")
    outputs, moments = prepared.model.apply(
        ep.Variables(params, state), part.inputs[batch], jax.random.key(0), True
    )
    losses = LOSS(outputs, part.targets[batch])
    return (losses if part.weights is None else losses * part.weights[batch]).mean(), moments


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_gradient_is_that_of_the_mean_over_exactly_the_batch(weighted):
    prepared, taken, _ = steps(weighted)
    assert [len(batch) for batch, _, _ in taken] == [8, 8, 3] * 2
    for batch, before, after in taken:
        slope, moments = jax.grad(functools.partial(batch_loss, prepared), has_aux=True)(
            before.params, before.state, batch
        )
        moved = jax.tree.map(lambda value, change: value - 0.5 * change, before.params, slope)
        assert_close(after.params, moved, 2e-6)
        assert_close(after.state, moments, 1e-6)  # the running moments saw the batch's samples and no others


def test_weights_have_mean_one_over_the_training_samples():
    weights = steps(weighted=True)[0].part(0, "train").weights
    np.testing.assert_allclose(weights, WEIGHTS[:19] / WEIGHTS[:19].mean(), rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_running_loss_is_the_mean_over_all_samples_since_the_last_evaluation(weighted):
    prepared, taken, rows = steps(weighted)
    at = prepared.spec.metric_names.index("train.running_loss")
    assert np.isnan(rows[0].values[0, at]), "before the first update there is none"
    for epoch, row in enumerate(rows[1:]):
        losses = [
            (len(batch), float(batch_loss(prepared, before.params, before.state, batch)[0]))
            for batch, before, _ in taken[3 * epoch : 3 * epoch + 3]
        ]
        wanted = sum(size * loss for size, loss in losses) / 19
        assert float(row.values[0, at]) == pytest.approx(wanted, rel=1e-5)


def test_epoch_0_is_evaluated_and_every_epoch_after_it():
    prepared, taken, rows = steps(weighted=False)
    assert [row.update for row in rows] == [0, 3, 6]
    part, before = prepared.part(0, "train"), taken[0][1]
    outputs, _ = prepared.model.apply(before, part.inputs, jax.random.key(0), False)
    at = prepared.spec.metric_names.index("train.loss")
    assert float(rows[0].values[0, at]) == pytest.approx(float(LOSS(outputs, part.targets).mean()), rel=1e-5)


# Law 4: resume ---------------------------------------------------------------------------------------------


RESUMES = {
    "keep, every 7 updates, patience": {
        "model": ep.MLP(4, dropout=0.2),
        "remainder": "keep",
        "evaluate_every": "7 updates",
        "epochs": 40,
        "learning_rate": 0.1,
        "stop": ep.Patience(2),
    },
    "drop, sequential, every 7 updates": {
        "remainder": "drop",
        "order": "sequential",
        "evaluate_every": "7 updates",
    },
    "spread, every 2 epochs": {"remainder": "spread", "evaluate_every": 2},
    "carry, every 7 updates": {"remainder": "carry", "evaluate_every": "7 updates"},
}


@functools.cache
def trained(name, budget=None):
    """The final state and the evaluations of a training in calls of `budget` updates (None: adaptive)."""
    options = {"model": ep.MLP(4), "epochs": 5, "learning_rate": 0.02, **RESUMES[name]}
    prepared = prepared_for(options.pop("model"), batch_size=6, validation=0.25, **options)
    stack = make_stack(prepared, range(1), fixed_updates_per_call=budget)
    rows = drive(stack)
    return jax.tree.map(np.asarray, stack.train_state), rows, prepared, stack


@pytest.mark.parametrize("budget", [1, 3, 7, 1000])
@pytest.mark.parametrize("name", RESUMES)
def test_another_chunk_length_gives_the_same_bits(name, budget):
    progress, rows, _, _ = trained(name)
    other, other_rows, _, _ = trained(name, budget)
    assert_same_bits(other, progress)
    assert_same_rows(other_rows, rows)


@pytest.mark.parametrize("name", RESUMES)
def test_evaluations_are_where_they_were_asked_for(name):
    progress, rows, prepared, stack = trained(name)
    every, unit = prepared.settings.evaluation
    plan, end = prepared.plan, stack.update
    if unit == "updates":
        wanted = list(range(0, end + 1, every))
    else:
        wanted = [plan.first_update(epoch) for epoch in range(0, plan.epochs + 1, every)]
    assert [row.update for row in rows] == sorted({*wanted, end})
    if prepared.settings.stop is None:
        assert end == plan.updates
    else:
        assert int(progress.repeat_states.status[0]) == 1 and end < plan.updates, "this one is to stop early"


@pytest.mark.parametrize("name", RESUMES)
def test_stopping_anywhere_and_going_on_from_the_state_is_never_having_stopped(name):
    progress, rows, prepared, _ = trained(name)
    first = make_stack(prepared, range(1), fixed_updates_per_call=5)
    early = [row for _ in range(3) for row in first.advance()]
    kept = first.snapshot()
    first.advance()  # what is kept changes no more
    second = make_stack(prepared, range(1), fixed_updates_per_call=4, resume_from=kept)
    late = drive(second)
    assert_same_bits(jax.tree.map(np.asarray, second.train_state), progress)
    assert_same_rows([*early, *late], rows)


OBSERVED = {"batch_size": 6, "epochs": 4, "repeats": 2, "seed": 3, "validation": 0.25, "metrics": ()}


def test_observers_change_nothing():
    """One reads every event and computes with it, one only waits for the end, one is slow."""
    plain = ep.fit(ep.MLP(4), (X, Y), **OBSERVED)
    seen = []
    for event in ep.train(ep.MLP(4), (X, Y), **OBSERVED):
        if isinstance(event, ep.Evaluated):
            seen.append((event.repeat, event.update, float(np.mean(list(event.columns.values())))))
            sum(range(20_000))
        elif isinstance(event, ep.RunEnded):
            observed = event.run
    assert len(seen) == len(observed.curves) == 2 * 5
    for one, other in zip(plain.fitted, observed.fitted, strict=True):
        assert_same_bits((one.best, one.last), (other.best, other.last))
    for name, column in plain.curves.columns.items():
        np.testing.assert_array_equal(column, observed.curves.columns[name])


def digest(run):
    digest_ = hashlib.sha256()
    for fitted in run.fitted:
        for leaf in jax.tree.leaves((fitted.best, fitted.last)):
            digest_.update(np.asarray(leaf).tobytes())
    return digest_.hexdigest()


def test_a_second_process_gives_the_same_bits(tmp_path):
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    code = f"""
        import numpy as np, epochal as ep
        from test_engine_laws import OBSERVED, digest
        held = np.load({str(tmp_path / "data.npz")!r})
        print(digest(ep.fit(ep.MLP(4), (held["X"], held["y"]), **OBSERVED)))
    """
    here = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {here!r}\n" + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == digest(ep.fit(ep.MLP(4), (X, Y), **OBSERVED))


# Law 5: repeat ---------------------------------------------------------------------------------------------


REPEATED = {
    "batch_size": 6,
    "epochs": 30,
    "learning_rate": 0.1,
    "stop": ep.Patience(3),
    "seed": 20,
    "validation": 0.25,
    "metrics": (),
}


@functools.cache
def alone(seed):
    return ep.fit(ep.MLP(4), (X, Y), **{**REPEATED, "seed": seed})


@functools.cache
def in_step():
    """Three repeats in one program, and each of them in one of its own."""
    prepared = prepared_for(ep.MLP(4), **{**REPEATED, "repeats": 3})
    stack = make_stack(prepared, range(3))
    return prepared, stack, drive(stack)


def test_a_repeat_is_the_run_that_its_seed_gives_alone():
    run = ep.fit(ep.MLP(4), (X, Y), **{**REPEATED, "repeats": 3})
    assert [outcome.seed for outcome in run.outcomes] == list(run.order_seeds) == [20, 21, 22]
    for repeat, outcome in enumerate(run.outcomes):
        single = alone(20 + repeat)
        assert_close(run.fitted[repeat].last, single.fitted[0].last)
        assert_close(run.fitted[repeat].best, single.fitted[0].best)
        np.testing.assert_array_equal(run.split_codes[repeat], single.split_codes[0])
        assert (outcome.stopped, outcome.updates) == (single.outcomes[0].stopped, single.outcomes[0].updates)
        for name, column in run.curves.of(repeat).columns.items():
            np.testing.assert_allclose(column, single.curves.columns[name], atol=1e-5)


def test_repeats_in_step_are_the_repeats_alone_and_each_stops_on_its_own():
    prepared, stack, rows = in_step()
    ends = []
    for repeat in range(3):
        single = alone(20 + repeat)
        assert_close(variables_of(prepared, stack, repeat), single.fitted[0].last)
        own = [row for row in rows if row.active[repeat]]
        assert [row.update for row in own] == single.curves.update.tolist()
        found = np.stack([row.values[repeat] for row in own])
        wanted = np.stack([single.curves.columns[name] for name in prepared.spec.metric_names], axis=1)
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        ends.append(own[-1].update)
    assert len(set(ends)) > 1, f"the repeats should stop at different updates to show anything: {ends}"
    assert int(stack.update) == max(ends), "the stack ends with the last of them"


def test_a_stopped_repeat_is_frozen_while_others_go_on():
    prepared, _, _ = in_step()
    stack = make_stack(prepared, range(3), fixed_updates_per_call=prepared.plan.batches_per_epoch)
    frozen, witnessed = {}, 0
    while not stack.done:
        stack.advance()
        repeats = jax.tree.map(np.asarray, stack.train_state.repeat_states)
        for repeat, own in frozen.items():
            assert_same_bits(jax.tree.map(lambda leaf, r=repeat: leaf[r], repeats), own)
            witnessed += 1
        for repeat in np.flatnonzero(repeats.status):
            frozen.setdefault(int(repeat), jax.tree.map(lambda leaf, r=repeat: leaf[r].copy(), repeats))
    assert witnessed


def test_a_chunk_length_means_nothing_to_repeats_in_step_either():
    prepared, stack, rows = in_step()
    other = make_stack(prepared, range(3), fixed_updates_per_call=11)
    other_rows = drive(other)
    assert_same_bits(jax.tree.map(np.asarray, other.train_state), jax.tree.map(np.asarray, stack.train_state))
    assert_same_rows(other_rows, rows)


def test_what_does_not_vary_is_that_of_the_first_seed():
    def run(*vary):
        return ep.fit(ep.MLP(4), (X, Y), **{**OBSERVED, "vary": vary})

    with pytest.raises(ep.Refusal, match="vary must name something"):
        run()
    start = run("init")
    assert start.order_seeds == (3, 3)
    np.testing.assert_array_equal(start.split_codes[0], start.split_codes[1])
    firsts = start.curves.values("train.loss")[1]
    assert firsts[0, 0] != firsts[1, 0], "another start"
    order = run("order")
    np.testing.assert_array_equal(order.split_codes[0], order.split_codes[1])
    assert order.order_seeds == (3, 4)
    losses = order.curves.values("train.loss")[1]
    assert losses[0, 0] == losses[1, 0], "the same start"
    assert (losses[0, 1:] != losses[1, 1:]).all()


# Compiled once ---------------------------------------------------------------------------------------------


def test_neither_epochs_nor_rate_nor_seed_nor_data_compile_again():
    ep.fit(ep.MLP(4), (X, Y), **OBSERVED)
    before = compiler._slot.cache_info().misses
    for change in (
        {"epochs": 9},
        {"learning_rate": 0.2},
        {"seed": 77},
        {"repeats": 1},
        {"evaluate_every": 3},
        {"class_weight": None, "vary": "init"},
    ):
        ep.fit(ep.MLP(4), (X[::-1].copy(), Y[::-1].copy()), **{**OBSERVED, **change})
        assert compiler._slot.cache_info().misses == before, change


def test_the_numbers_of_a_schedule_are_not_compiled_in_but_its_kind_is():
    def compiled_in(schedule):
        return compiler._compiled_in(prepared_for(ep.MLP(4), schedule=schedule).spec)

    cosine = compiled_in("cosine")
    assert cosine == compiled_in(ep.Schedule("cosine", floor=0.1)) != compiled_in("constant")
    step = compiled_in(ep.Schedule("step", every=10))
    assert step == compiled_in(ep.Schedule("step", every=7, factor=0.5)) != cosine
    warm = compiled_in(ep.Schedule("cosine", warmup=5))
    assert warm == compiled_in(ep.Schedule("cosine", warmup=50)) != cosine


# Best parameters -------------------------------------------------------------------------------------------


def test_the_best_parameters_are_those_of_the_best_evaluation():
    run = ep.fit(
        ep.MLP(4), (X, Y), **{**OBSERVED, "epochs": 30, "learning_rate": 0.1, "seed": 1, "standardize": False}
    )
    for repeat, fitted in enumerate(run.fitted):
        curve = run.curves.of(repeat)
        column = curve.columns["validation.loss"]
        best, rows = int(column.argmin()), run.split_codes[repeat] == 2
        outputs, _ = run.model.apply(fitted.best, X[rows], jax.random.key(0), False)
        assert float(LOSS(outputs, Y[rows]).mean()) == pytest.approx(column[best], rel=1e-5)
        assert run.outcomes[repeat].best_update == curve.update[best] < curve.update[-1]
        assert run.outcomes[repeat].best_epoch == curve.epoch[best]
        outputs, _ = run.model.apply(fitted.last, X[rows], jax.random.key(0), False)
        assert float(LOSS(outputs, Y[rows]).mean()) == pytest.approx(column[-1], rel=1e-5)
        assert run.metrics["validation"]["loss"].per_repeat[repeat] == pytest.approx(column[best], rel=1e-5)


def test_updates_are_numbered_as_the_plan_numbers_them():
    for name, budget in itertools.product(RESUMES, (None, 7)):
        progress, rows, prepared, stack = trained(name, budget)
        at_end = stack.update == prepared.plan.updates
        place = (prepared.plan.epochs, 0) if at_end else prepared.plan.locate(stack.update)
        assert (int(progress.cursor.pass_index), int(progress.cursor.index)) == place
        assert int(progress.cursor.update) == stack.update == rows[-1].update


def test_the_running_loss_of_very_many_updates_does_not_drift():
    """Parameters that hardly move: the running loss is that at fixed ones (a naive sum was 0.05 % off)."""
    samples = 200_000
    inputs = np.random.default_rng(0).normal(size=(samples, 1)).astype(np.float32)
    targets = (inputs[:, 0] + 3).astype(np.float32)
    options = {"optimizer": "sgd", "learning_rate": 1e-30, "batch_size": 1, "epochs": 10, "metrics": ()}
    options["standardize"] = False
    run = ep.fit(ep.MLP(), (inputs, targets), validation=0, evaluate_every=10, **options)
    found = run.curves.columns
    np.testing.assert_allclose(found["train.running_loss"][-1], found["train.loss"][-1], rtol=2e-6)


@pytest.mark.parametrize("stream", [False, True])
def test_the_running_loss_is_a_mean_over_more_than_2_to_the_32_samples(stream):
    """As if 2^32 - 4 samples, each of loss 0.5, had been seen before an update of 8."""
    prepared = prepared_for(
        ep.MLP(),
        (X[:8], Y[:8]),
        batch_size=8,
        epochs=4,
        validation=0,
        learning_rate=1e-30,
        evaluate_every=2,
        stream=stream,
    )
    stack = make_stack(prepared, range(1), fixed_updates_per_call=1)
    (first,) = [row for row in stack.advance() if row.update == 0]
    before = 2**32 - 4
    cursor = stack.train_state.cursor
    stack.train_state = stack.train_state._replace(
        cursor=cursor._replace(samples_since_eval=np.uint32(before), samples_since_eval_high=np.uint32(0)),
        repeat_states=stack.train_state.repeat_states._replace(
            running_loss=np.full(1, 0.5 * before, np.float32)
        ),
    )
    rows = drive(stack)
    running = {row.update: float(row.values[0][0]) for row in rows}
    assert running[2] == pytest.approx(0.5, rel=1e-6)
    assert running[4] == pytest.approx(float(first.values[0][1]), rel=1e-5), "of the samples since then"
    stack.close()


@pytest.mark.parametrize("monitor", ["validation.loss", "validation.accuracy"])
@pytest.mark.parametrize("data", [(X, Y), (X, Y, WEIGHTS)], ids=["plain", "weighted"])
def test_the_halves_of_the_validation_samples_are_judged_where_either_is_best(monitor, data):
    """Each epoch by itself, and the halves by NumPy, as the engine has them at the end."""
    options = {"epochs": 5, "batch_size": 4, "validation": 13, "learning_rate": 0.1, "metrics": ("accuracy",)}
    prepared = prepared_for(ep.MLP(4), data, monitor=monitor, **options)
    part, sign = prepared.part(0, "validation"), -1 if "accuracy" in monitor else 1
    of = np.ones(13) if part.weights is None else np.asarray(part.weights, np.float64)
    stack, found = make_stack(prepared, range(1), fixed_updates_per_call=7), []  # 7 updates a call
    while True:
        variables = variables_of(prepared, stack)
        outputs = prepared.model.apply(variables, jnp.asarray(part.inputs), jax.random.key(0), False)[0]
        each, weighed = np.asarray(LOSS(outputs, jnp.asarray(part.targets)), np.float64), of
        if sign < 0:
            each, weighed = (np.asarray(outputs)[:, 0] > 0) == part.targets, np.ones(13)
        if int(stack.update) % 7 == 0 and int(stack.update) <= 35:
            found.append([np.average(each[rows], weights=weighed[rows]) for rows in halved(13, "mixed")])
        if stack.done:
            break
        stack.advance()
    best = [found[int(np.argmin(sign * np.array(found)[:, half]))] for half in (0, 1)]
    np.testing.assert_allclose(np.asarray(stack.train_state.repeat_states.halves)[0], best, rtol=2e-5)
