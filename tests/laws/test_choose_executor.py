"""Law: what trainings say depends neither on where they are made nor on the order in which they come back."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

import epochal as ep
from epochal.choose.advice import advise as advise_module
from epochal.choose.advice.advise import advise
from epochal.choose.comparison import compare as compare_module
from epochal.choose.comparison.compare import compare
from epochal.choose.trials import timing
from epochal.choose.trials.trial import Candidate, Job
from epochal.choose.trials.trial_runner import TrialRunner, with_refs_resolved, with_shared_refs
from epochal.training.executor import SharedRef, Threads, WorkItem
from helpers import without_times

NET = ep.MLP(4)


class Elsewhere:
    """Another runner on the same samples, whose trials come back in another order."""

    where = "1 worker on 1 node"

    def __init__(self, runner):
        self.runner, self.random = TrialRunner(runner.base), np.random.default_rng(3)
        self.came = []

    def map_unordered(self, tasks):
        for place in self.random.permutation(len(tasks)):
            self.came.append(place)
            jobs = with_refs_resolved(with_shared_refs(tasks[place].work, Here))
            yield tasks[place], self.runner.train(jobs, (), lambda: False)

    def news(self):
        return ""

    summary = news


class Here(SharedRef):
    """An object that is shared with this process."""

    @property
    def value(self):
        return self.ref


@pytest.fixture
def elsewhere(monkeypatch):
    """Where trainings go if an address is given; what came, in which order."""
    gone = []
    measured = timing.update_time
    monkeypatch.setattr(
        timing, "update_time", lambda runner, candidate, _=0.0: measured(runner, candidate, 0.002)
    )

    @contextmanager
    def training_on(address, runner):
        if address is not None:
            gone.append(Elsewhere(runner))
            runner.executor = gone[-1]
        yield

    for module in (compare_module, advise_module):
        monkeypatch.setattr(module, "training_on", training_on)
    return gone


def test_a_comparison_is_the_same_whatever_comes_back_first(elsewhere):
    options = {"batch_size": 16, "optimizer": "sgd", "learning_rate": ["tune", 0.05, 1e-6]}
    options |= {"epochs": 3, "repeats": 5}
    here = compare(NET, "example:iris", **options)
    there = compare(NET, "example:iris", ray="somewhere", **options)
    assert without_times(here) == without_times(there)
    assert elsewhere[0].came != sorted(elsewhere[0].came), "it came in another order"
    for name, curves in here.curves.items():
        for column, values in curves.columns.items():
            np.testing.assert_array_equal(values, there.curves[name].columns[column])


def test_an_advice_is_the_same_whatever_comes_back_first(elsewhere, monkeypatch):
    """To the order in which floats will be added."""
    monkeypatch.setattr(advise_module, "MORE_REPEATS", 0)
    monkeypatch.setattr(advise_module, "FINAL_SEEDS", 2)
    rests_on, concluded = [], advise_module.build_advice
    monkeypatch.setattr(
        advise_module, "build_advice", lambda found: (rests_on.append(found), concluded(found))[1]
    )
    options = {"goal": "updates", "batch_size": 16, "optimizer": "sgd", "repeats": 3, "epochs": 10}
    here = advise(NET, "example:iris", **options)
    there = advise(NET, "example:iris", ray="somewhere", **options)
    assert without_times(here) == without_times(there)
    assert elsewhere[0].came, "it was trained elsewhere"
    mine, other = rests_on
    for one, two in ((mine.search.results, other.search.results), (mine.pilot.trials, other.pilot.trials)):
        assert [(point, list(repeats)) for point, repeats in one.items()] == [
            (point, list(repeats)) for point, repeats in two.items()
        ]
    assert list(mine.confirmed.epoch_advice.trials) == list(other.confirmed.epoch_advice.trials)


def test_models_that_are_shared_stay_one_object():
    model = object()
    jobs = [
        Job(Candidate(f"rate {rate}", model, {"learning_rate": rate, "optimizer": model}), 2, 30, 5)
        for rate in (0.1, 0.2)
    ]
    sent = with_shared_refs(jobs, Here)
    assert [one.candidate.changes["learning_rate"] for one in sent] == [0.1, 0.2], "plain values go along"
    assert all(isinstance(one.candidate.model, SharedRef) for one in sent)
    for one, job in zip(with_refs_resolved(sent), jobs, strict=True):
        assert one.key == job.key
        assert one.candidate.model is one.candidate.changes["optimizer"] is model


# Threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3, 9])
def test_each_task_is_done_once_and_large_ones_one_after_the_other(threads):
    tasks = [WorkItem(number, large=number % 3 == 0) for number in range(8)]
    at_once, most = set(), []

    def work(number, devices, stopped):
        if number % 3 == 0:
            at_once.add(number)
            most.append(len(at_once))
            at_once.remove(number)
        return number * number

    found = dict(Threads(work, [()] * threads).map_unordered(tasks))
    assert {task.work: result for task, result in found.items()} == {n: n * n for n in range(8)}
    assert max(most) == 1


def test_an_error_in_one_thread_ends_the_others_and_comes_out():
    begun = threading.Event()

    def work(number, devices, stopped):
        if number == 0:
            begun.wait(10)
            raise ValueError("zero")
        begun.set()
        while not stopped():
            time.sleep(0.01)
        return

    with pytest.raises(ValueError, match="zero"):
        list(Threads(work, [()] * 2).map_unordered([WorkItem(0), WorkItem(1), WorkItem(2)]))


def test_what_was_stopped_or_left_is_not_returned():
    stop = threading.Event()

    def work(number, devices, stopped):
        if number == 2:
            stop.set()
        return None if stopped() else number

    done = list(Threads(work, [()], stop.is_set).map_unordered([WorkItem(number) for number in range(5)]))
    assert [result for _, result in done] == [0, 1]
    running = Threads(lambda number, devices, stopped: number, [()]).map_unordered([WorkItem(0), WorkItem(1)])
    assert next(running)[1] == 0
    running.close()
