"""Law 4, Resume, over processes: a training that was ended and goes on is the one that never was.

A control: a law that compares states must see a state that is off by one update.
"""

import gc
import itertools
import shutil
import weakref

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.common.option_text import call
from epochal.errors import Refusal
from epochal.training.train import Events

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(61, 4)).astype(np.float32)
Y = np.array(["a", "b", "c"])[np.argmax(X[:, :3] + RANDOM.normal(size=(61, 3)) * 0.3, axis=1)]
DATA = (X, Y)

USUAL = {"batch_size": 8, "epochs": 6, "validation": 0.25, "seed": 4, "learning_rate": 0.02}
CASES = {
    "shuffle, keep": {},
    "carry, repeats": {"remainder": "carry", "repeats": 2},
    "drop, sequential, every 7 updates": {
        "remainder": "drop",
        "order": "sequential",
        "evaluate_every": "7 updates",
    },
    "stratified, spread, dropout": {"order": "stratified", "remainder": "spread"},
    "balanced, class weights": {"order": "balanced", "class_weight": "balanced", "optimizer": "momentum"},
    "patience, every 2 epochs": {
        "stop": ep.Patience(2, 0.05),
        "epochs": 30,
        "repeats": 3,
        "evaluate_every": 2,
    },
    "a batch that grows": {"batch_size": {0: 8, 3: 16, 4: "full"}},
    "updates per epoch, cosine": {"updates_per_epoch": 5, "schedule": "cosine"},
    "streamed": {"stream": True, "evaluate_every": "5 updates"},
    "a budget of updates": {"stop": ep.Budget(updates=17)},
}


def model(name):
    return ep.MLP(6, dropout=0.3) if "dropout" in name else ep.MLP(6)


def same_leaves(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def same_run(one, other):
    """All that a run says, the clock apart."""
    for mine, its in zip(one.fitted, other.fitted, strict=True):
        same_leaves(mine.best, its.best)
        same_leaves(mine.last, its.last)
    assert len(one.curves) == len(other.curves)
    for name in ("repeat", "epoch", "update", "samples"):
        np.testing.assert_array_equal(getattr(one.curves, name), getattr(other.curves, name))
    for name, column in one.curves.columns.items():
        np.testing.assert_array_equal(column, other.curves.columns[name])
    for mine, its in zip(one.outcomes, other.outcomes, strict=True):
        assert (mine.stopped, mine.updates, mine.best_update) == (its.stopped, its.updates, its.best_update)


def ended_after(folder, name, checkpoints, interval, data=DATA, **changes):
    """Begin a training and leave it when so many checkpoints were kept."""
    out = ep.SaveOptions(folder, checkpoint_every=interval)
    options = USUAL | CASES.get(name, {}) | changes
    events = ep.train(model(name), data, out=out, **options)
    seen = 0
    for event in events:
        seen += isinstance(event, ep.Checkpointed)
        if seen == checkpoints:
            break
    events.close()
    return seen


@pytest.mark.parametrize("name", CASES)
def test_going_on_is_never_having_stopped(name, tmp_path):
    whole = ep.fit(model(name), DATA, **USUAL | CASES[name])
    kept = ended_after(tmp_path / "run", name, 2, "5updates")
    assert kept
    run = ep.resume(tmp_path / "run", data=DATA)
    assert not run.interrupted
    same_run(run, whole)
    assert run.folder == tmp_path / "run"
    same_run(ep.load(tmp_path / "run"), whole)
    columns = pq.read_table(tmp_path / "run" / "metrics.parquet").column_names
    assert columns == ["repeat", "epoch", "update", "samples", "seconds", *whole.curves.columns]


def test_a_run_killed_before_its_first_checkpoint_says_so_and_begins_again(tmp_path):
    events = ep.train(model(""), DATA, out=ep.SaveOptions(tmp_path / "run", "0.5h"), **USUAL)
    next(events)
    copy = shutil.copytree(tmp_path / "run", tmp_path / "killed")
    events.close()
    with pytest.raises(Refusal) as refused:
        ep.load(copy)
    assert refused.value.sentence == (
        f'the run in "{copy}" was ended before its first checkpoint: nothing that it learned is kept. '
        f"{call('ep.resume', str(copy))} begins it again."
    )
    same_run(ep.resume(copy, data=DATA), ep.fit(model(""), DATA, **USUAL))


def test_a_checkpoint_may_come_after_fractions_of_a_second():
    assert ep.SaveOptions("run", "0.25s").interval.count == 0.25
    for wrong in ("0s", "0.0s", "1.5epochs", "0updates", "60", "1e3s", "-1s"):
        with pytest.raises(Refusal, match="checkpoint_every must be seconds, or a whole number, at least 1"):
            ep.SaveOptions("run", wrong)


def test_a_resume_of_a_resume_of_a_resume_within_one_epoch(tmp_path):
    options = {"batch_size": 2, "epochs": 3}
    whole = ep.fit(ep.MLP(6), DATA, **USUAL | options)
    ended_after(tmp_path / "run", "", 1, "1updates", **options)
    for _ in range(3):
        events = going_on(tmp_path / "run")
        for event in events:
            if isinstance(event, ep.Checkpointed):
                break
        events.close()
    run = ep.resume(tmp_path / "run", data=DATA)
    same_run(run, whole)


@pytest.mark.parametrize("remainder", ["keep", "carry"])
def test_what_was_kept_at_an_epochs_end_begins_the_next_one(remainder, tmp_path):
    changes = {"remainder": remainder, "schedule": "cosine", "epochs": 60}
    whole = ep.fit(ep.MLP(6), DATA, **USUAL | changes)
    ended_after(tmp_path / "run", "", 2, "2epochs", **changes)
    kept = max(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == whole.plan.updates or whole.plan.locate(kept)[1] == 0
    same_run(ep.resume(tmp_path / "run", data=DATA), whole)


def going_on(folder):
    from epochal.training.resume import resuming

    events = resuming(folder, data=DATA)
    assert isinstance(events, Events)
    return events


def test_what_was_interrupted_is_a_run_that_can_go_on(tmp_path):
    stop_signal = ep.StopSignal()
    events = ep.train(
        ep.MLP(6),
        DATA,
        stop_signal=stop_signal,
        out=tmp_path / "run",
        **USUAL | {"epochs": 10**6, "repeats": 2},
    )
    for event in events:
        if isinstance(event, ep.Progressed) and event.updates > 50:
            stop_signal.stop()
        if isinstance(event, ep.RunEnded):
            run = event.run
    assert run.interrupted
    assert ep.load(tmp_path / "run").interrupted
    at = {one.repeat: one.updates for one in run.outcomes}
    most = -(-max(at.values()) // 6) + 3
    with pytest.raises(ep.Refusal, match="epochs must be a whole number, at least"):
        ep.resume(tmp_path / "run", data=DATA, epochs=most)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"evaluate_every": 4},
        {"remainder": "carry", "repeats": 2, "evaluate_every": "9 updates"},
        {"remainder": "drop", "order": "shuffle_once"},
        {"batch_size": {0: 8, 2: 16}, "evaluate_every": 3},
        {"stop": ep.Patience(3, 0.1), "repeats": 3},
        {"updates_per_epoch": 4, "evaluate_every": 3},
        {"stream": True, "evaluate_every": 4},
    ],
    ids=str,
)
def test_more_epochs_are_as_if_they_had_been_asked_for_at_once(changes, tmp_path):
    ep.fit(ep.MLP(6), DATA, out=tmp_path / "run", **USUAL | {"epochs": 5} | changes)
    longer = ep.resume(tmp_path / "run", data=DATA, epochs=9)
    same_run(longer, ep.fit(ep.MLP(6), DATA, **USUAL | {"epochs": 9} | changes))
    assert ep.load(tmp_path / "run").plan.epochs == 9
    ended = ep.resume(tmp_path / "run", data=DATA)
    assert ended.plan.epochs == 9


def test_who_asks_for_the_end_when_it_is_there_has_a_whole_run(tmp_path):
    stop_signal = ep.StopSignal()
    for event in ep.train(ep.MLP(6), DATA, stop_signal=stop_signal, out=tmp_path / "run", **USUAL):
        if isinstance(event, ep.RepeatEnded):
            stop_signal.stop()
    assert stop_signal.stopped
    assert not event.run.interrupted
    assert ep.load(tmp_path / "run").interrupted is False


def test_a_training_that_goes_on_counts_its_updates_and_lets_go_of_what_was_loaded(tmp_path):
    changes = {"repeats": 2, "epochs": 40}
    assert ended_after(tmp_path / "run", "", 2, "5updates", **changes) == 2
    events = going_on(tmp_path / "run")
    loaded = [
        weakref.ref(leaf)
        for one in events._snapshots.values()
        for leaf in jax.tree.leaves(one.state.train_state.repeat_states)
    ]
    counted, most, saved, evaluated = [0], 0, 0, [0, 0]
    for event in events:
        if isinstance(event, ep.Evaluated):
            evaluated[event.repeat] += 1
        # A repeat that has not gone on yet is still what was loaded.
        saved += isinstance(event, ep.Checkpointed) and min(evaluated) >= 4
        if isinstance(event, ep.Progressed):
            counted.append(event.updates)
            most = event.max_updates
        if saved == 3:
            gc.collect()
            assert loaded
            assert not any(ref() is not None for ref in loaded)
            saved += 1
    assert saved > 3
    assert counted == sorted(counted)
    assert counted[-1] == most == event.run.plan.updates * 2


def test_a_source_without_length_goes_on_behind_what_it_gave(tmp_path):
    def source():
        for number in itertools.cycle(range(len(X))):
            yield X[number], Y[number]

    options = {"validation": (X[:20], Y[:20]), "epochs": 5, "updates_per_epoch": 6, "batch_size": 8}
    whole = ep.fit(ep.MLP(6), source(), **options)
    events = ep.train(ep.MLP(6), source(), out=ep.SaveOptions(tmp_path / "run", "4updates"), **options)
    for event in events:
        if isinstance(event, ep.Checkpointed):
            break
    events.close()
    again = {"data": source(), "validation": options["validation"]}
    same_run(ep.resume(tmp_path / "run", **again), whole)


def test_a_checkpoint_of_another_place_would_be_seen(tmp_path):
    """The control: one update left out, and the end is another."""
    whole = ep.fit(ep.MLP(6), DATA, **USUAL)
    other = ep.fit(ep.MLP(6), DATA, **USUAL | {"stop": ep.Budget(updates=whole.plan.updates - 1)})
    with pytest.raises(AssertionError):
        same_run(whole, other)
