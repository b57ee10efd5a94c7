"""Law: a split is a partition, a pure function of its seed, with sizes that no seed changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.data import split
from epochal.errors import Refusal
from epochal.plan.permutation import permute


@given(
    st.integers(2, 400),
    st.floats(0.0, 0.6),
    st.floats(0.0, 0.3),
    st.integers(0, 2**64 - 1),
    st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_it_is_a_partition_whatever_the_numbers(samples, validation, test, seed, classes):
    strata = np.arange(samples) % classes if classes else None
    try:
        parts = split(samples, validation=validation, test=test, seed=seed, strata=strata)
    except Refusal:
        return
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together.tolist()) == list(range(samples))
    for part in (parts.train, parts.validation, parts.test):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        if strata is not None and len(part):
            assert set(strata[part]) == set(strata)
    assert len(parts.validation) == round(validation * samples)
    assert len(parts.test) == round(test * samples)


def test_class_counts_are_the_largest_remainders_and_do_not_depend_on_the_seed():
    strata = np.repeat([0, 1, 2], [500, 268, 7])
    counts = {
        tuple(np.bincount(strata[split(775, seed=seed, strata=strata).validation])) for seed in range(20)
    }
    assert counts == {(100, 54, 1)}  # 155 samples: quotas 100, 53.6, 1.4


def test_a_rare_class_is_in_every_part():
    strata = np.repeat([0, 1], [997, 3])
    parts = split(1000, validation=0.1, test=0.1, seed=3, strata=strata)
    assert [int((strata[part] == 1).sum()) for part in (parts.train, parts.validation, parts.test)] == [
        1,
        1,
        1,
    ]


def test_it_is_never_the_tail_and_seeds_differ():
    parts = [split(1000, seed=seed).validation for seed in range(30)]
    assert len({part.tobytes() for part in parts}) == 30
    assert all(part.max() > 900 and part.min() < 100 for part in parts)
    often = np.bincount(np.concatenate(parts), minlength=1000)
    assert often.max() <= 18  # binomial(30, 0.2): 18 or more has probability 1e-6 a sample


def test_the_same_seed_gives_the_same_split_and_pins_it():
    first, again = split(12, validation=0.25, seed=5), split(12, validation=0.25, seed=5)
    assert first.validation.tolist() == again.validation.tolist() == [2, 6, 8]


def test_it_is_independent_of_the_order_of_every_epoch():
    for epoch in range(20):
        assert sorted(permute(5, epoch, 1000, range(200)).tolist()) != split(1000, seed=5).validation.tolist()


def test_the_order_of_the_rows_of_other_classes_does_not_matter():
    strata = np.array([0] * 50 + [1] * 50)
    mixed = np.array([0, 1] * 50)
    first = split(100, seed=1, strata=strata).validation
    second = split(100, seed=1, strata=mixed).validation
    assert (first[first < 50]).tolist() == (second[second % 2 == 0] // 2).tolist()


def test_a_whole_number_is_a_number_of_samples_and_zero_is_none():
    assert len(split(100, validation=7, seed=0).validation) == 7
    assert len(split(100, validation=0, seed=0).train) == 100
    assert str(split(10, validation=0.2, test=1, seed=0)) == "7 training, 2 validation, 1 test samples"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"validation": 1.0}, ["validation", "[0, 1)", "got 1.", "0.2"]),
        ({"validation": -0.1}, ["validation", "[0, 1)", "-0.1"]),
        ({"validation": float("nan")}, ["validation", "nan"]),
        ({"validation": 1.5}, ["validation", "1.5"]),
        ({"validation": 20}, ["validation", "below 20", "got 20"]),
        ({"validation": True}, ["validation", "True"]),
        ({"validation": "a"}, ["validation", "'a'"]),
        ({"validation": 0.001}, ["validation", "at least 1", "0.001"]),
        ({"validation": 0.6, "test": 0.4}, ["at least 1", "12", "8"]),
        ({"strata": np.array([0] * 19 + [1])}, ['class "b"', "at least 2", "1 sample", "validation=0"]),
        ({"strata": np.arange(20) % 5, "validation": 0.1}, ["at least 5", "got 2"]),
        ({"strata": np.arange(20) % 5, "validation": 17}, ["training", "at least 5", "got 3"]),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, words):
    with pytest.raises(Refusal) as refused:
        split(20, seed=0, classes=["a", "b", "c", "d", "e"], **arguments)
    assert all(word in str(refused.value) for word in words), str(refused.value)
