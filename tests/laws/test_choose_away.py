"""Law: what trainings say depends neither on where they are made nor on the order in which they come back."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

import epochal as ep
from epochal.choose import advise as advise_module
from epochal.choose import adviser, timing
from epochal.choose import compare as compare_module
from epochal.choose.advise import advise
from epochal.choose.away import Luggage, unpacked
from epochal.choose.bench import Bench
from epochal.choose.compare import compare
from helpers import without_times

NET = ep.MLP(4)


class Elsewhere:
    """Another bench on the same samples, whose trials come back in another order."""

    where = "1 worker on 1 node"

    def __init__(self, bench):
        self.bench, self.random = Bench.on(bench.base), np.random.default_rng(3)
        self.luggage, self.came, self.places = Luggage(put=lambda value: value), [], {}

    def trained(self, parcels, stopped):
        for place in self.random.permutation(len(parcels)):
            jobs = []
            for job in parcels[place].jobs:
                values, places = self.luggage.packed(job)
                self.places |= places
                jobs.append(unpacked(values, self.places))
            self.came.append(place)
            yield list(zip(parcels[place].jobs, self.bench.train(jobs), strict=True))

    def heard(self):
        return ""

    def told(self):
        return ()


@pytest.fixture
def elsewhere(monkeypatch):
    """Where trainings go if an address is given; what came, in which order."""
    gone = []
    measured = timing.update_time
    monkeypatch.setattr(timing, "update_time", lambda bench, setting, _=0.0: measured(bench, setting, 0.002))

    @contextmanager
    def going_to(address, bench):
        if address is not None:
            gone.append(Elsewhere(bench))
            bench.away = gone[-1]
        yield

    for module in (compare_module, advise_module):
        monkeypatch.setattr(module, "going_to", going_to)
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
    monkeypatch.setattr(advise_module, "PROMISED", 2)
    rests_on, concluded = [], adviser.conclude
    monkeypatch.setattr(adviser, "conclude", lambda found: (rests_on.append(found), concluded(found))[1])
    options = {"goal": "updates", "batch_size": 16, "optimizer": "sgd", "repeats": 3, "epochs": 10}
    here = advise(NET, "example:iris", **options)
    there = advise(NET, "example:iris", ray="somewhere", **options)
    assert without_times(here) == without_times(there)
    assert elsewhere[0].came, "it was trained elsewhere"
    mine, other = rests_on
    for one, two in ((mine.search.found, other.search.found), (mine.pilot.trials, other.pilot.trials)):
        assert [(point, list(repeats)) for point, repeats in one.items()] == [
            (point, list(repeats)) for point, repeats in two.items()
        ]
    assert list(mine.confirmed.lengths.trials) == list(other.confirmed.lengths.trials)
