"""Law: a split is a partition, a pure function of its seed, with sizes that no seed changes."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import epochal as ep
from epochal.data import split
from epochal.data.duplicates import Duplicates, find_duplicates, whole_groups
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
    held = [round(share * samples) for share in (validation, test)]
    sizes = [len(parts.validation), len(parts.test)]
    if strata is not None:
        each = np.bincount(strata)
        enough = set(np.flatnonzero(each > sum(size > 0 for size in held)))
        for part, size in ((parts.validation, held[0]), (parts.test, held[1]), (parts.train, samples)):
            assert set(strata[parts.train]) == set(strata), "each class is trained on"
            if enough and size >= len(each) and sizes == held:
                assert enough <= set(strata[part])
        assert not enough or all(size <= wanted for size, wanted in zip(sizes, held, strict=True))
        if len(enough) < len(each) or min(held, default=0) < len(each):
            return
    assert sizes == held


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


@pytest.mark.parametrize("strata", [None, np.arange(120) % 3])
@pytest.mark.parametrize("duplicates", [None, Duplicates(np.arange(120) // 2, 60)])
def test_every_seed_tests_the_same_samples_and_validates_others(strata, duplicates):
    parts = [
        split(120, validation=0.2, test=0.25, seed=seed, strata=strata, duplicates=duplicates)
        for seed in range(20)
    ]
    assert {part.test.tobytes() for part in parts} == {parts[0].test.tobytes()}
    assert len({part.validation.tobytes() for part in parts}) == 20
    often = np.bincount(np.concatenate([part.validation for part in parts]), minlength=120)
    assert often[parts[0].test].sum() == 0
    assert (np.delete(often, parts[0].test) > 0).mean() > 0.9, "all others validate in some repeat"
    assert parts[0].test.min() < 30 <= 90 < parts[0].test.max(), "neither the head nor the tail"


def test_which_samples_validate_does_not_follow_from_which_test():
    """Neighbors of test samples validate as often as others do: the two draws are independent."""
    near = []
    for samples in range(100, 200):
        parts = split(samples, validation=0.2, test=0.2, seed=0)
        near.append(np.isin(parts.test + 1, parts.validation).mean())
    assert np.mean(near) == pytest.approx(0.2, abs=0.03)


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
        ({"strata": np.arange(20) % 5, "validation": 17}, ["training", "at least 5", "got 3"]),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, words):
    with pytest.raises(Refusal) as refused:
        split(20, seed=0, **arguments)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_a_class_with_fewer_samples_than_parts_trains():
    strata = np.array([0] * 19 + [1])
    parts = split(20, validation=0.2, test=0.1, seed=3, strata=strata)
    assert 19 in parts.train
    assert (len(parts.validation), len(parts.test)) == (4, 2)
    few = split(20, validation=2, seed=0, strata=np.arange(20) % 5)
    assert len(set((few.validation % 5).tolist())) == 2


@given(
    st.lists(st.integers(1, 7), min_size=3, max_size=60),
    st.floats(0.05, 0.5),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.integers(0, 4),
    st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_copies_stay_together_and_no_seed_changes_the_sizes(lengths, validation, test, classes, seed):
    of = np.repeat(np.arange(len(lengths)), lengths)
    mixed = np.random.default_rng(0).permutation(len(of))
    duplicates = Duplicates(of[mixed], len(lengths))
    strata = (of % classes)[mixed] if classes else None
    try:
        parts = [
            split(
                len(of), validation=validation, test=test, seed=seed + k, strata=strata, duplicates=duplicates
            )
            for k in (0, 1)
        ]
    except Refusal:
        return
    for one in parts:
        sets = [set(duplicates.group[part].tolist()) for part in (one.train, one.validation, one.test)]
        assert sum(map(len, sets)) == len(lengths)
        assert sorted(np.concatenate([one.train, one.validation, one.test]).tolist()) == list(range(len(of)))
        assert len(one.train)
    assert len({tuple(map(len, (one.train, one.validation, one.test))) for one in parts}) == 1


def test_parts_of_copies_are_as_large_as_whole_sets_allow():
    """100 rows four times each: 20 sets validate, of each class in proportion."""
    of = np.arange(400) % 100
    strata = (of < 40).astype(int)
    parts = split(400, validation=0.2, test=0.1, seed=0, strata=strata, duplicates=Duplicates(of, 100))
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [280, 80, 40]
    assert np.bincount(strata[parts.validation]).tolist() == [48, 32]
    some = np.where(np.arange(400) < 390, np.arange(400), 0)
    few = split(
        400, validation=0.2, seed=0, duplicates=Duplicates(np.unique(some, return_inverse=True)[1], 390)
    )
    assert len(few.validation) == 80, "single samples fill what sets leave"


def test_equal_samples_of_few_values_are_no_copies():
    random = np.random.default_rng(0)
    assert find_duplicates(np.float32(random.integers(0, 3, (200, 2)))) is None
    assert (
        find_duplicates(
            np.float32(np.column_stack([random.integers(18, 90, 500), random.integers(0, 2, 500)]))
        )
        is None
    )
    same = np.float32(np.repeat(random.integers(0, 2, (500, 1)), 10, axis=1))
    assert find_duplicates(same) is None, "columns that say the same"
    digits = np.float32(random.integers(0, 10, (100, 6)))
    assert find_duplicates(np.tile(digits, (4, 1))).distinct == 100
    assert find_duplicates(np.float32(random.normal(size=(1000, 3)))) is None
    assert (
        find_duplicates(np.tile(random.integers(0, 256, (30, 8, 8), dtype=np.uint8), (2, 1, 1))).distinct
        == 30
    )


def test_groups_that_share_copies_are_one():
    groups = np.array([0, 0, 1, 1, 2, 2, 3])
    merged = whole_groups(groups, Duplicates(np.array([0, 1, 1, 2, 3, 4, 5]), 6))
    assert merged[0] == merged[1] == merged[2] == merged[3]
    assert len(set(merged.tolist())) == 3


@pytest.mark.parametrize("groups", [10, 4])
def test_copies_in_many_groups_leave_the_groups_as_they_are_and_are_said(groups):
    """Groups that share duplicates would become one, or too few: nobody asked for that."""
    inputs = np.concatenate([np.random.default_rng(1).normal(size=(30, 3))] * 4)
    asked = np.random.default_rng(0).permutation(120) % groups
    data = ep.load_data((inputs, inputs[:, 0] > 0), groups=asked)
    run = ep.fit(ep.MLP(4), data, epochs=1, batch_size=32)
    for part in (1, 2):
        assert not set(asked[run.split_codes[0] == part]) & set(asked[run.split_codes[0] == 3 - part])
    assert any("have inputs that training samples have, too" in note for note in run.notes)
