"""Laws 1 and 2, Order and Once, for the orders that look at more than the number of samples.

For each: `table` is `samples` of all positions, `positions` is the inverse, any seed and epoch has an order
of its own, and JAX gives the bits of NumPy. Then what each promises: counts, passes, wholeness, weights.
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.plan import (
    Balanced,
    Blocks,
    Groups,
    Order,
    Plan,
    Replacement,
    SampleUse,
    Stratified,
    Weighted,
)
from epochal.plan.classwise import apportioned, assign
from epochal.plan.contiguous import Contiguous
from epochal.plan.draws import TOTAL, whole_weights
from epochal.plan.threefry import uint32_words

law = settings(max_examples=25, deadline=None, derandomize=True)
LARGE_EPOCH = 3_000_000_019
REMAINDERS = ("keep", "drop", "spread", "carry")


@st.composite
def labelled(draw, most: int = 40) -> np.ndarray:
    """Class ids, every class with a sample, rare ones among them."""
    classes = draw(st.integers(1, 4))
    extra = draw(st.lists(st.sampled_from([0] * 5 + list(range(classes))), max_size=most - classes))
    return np.array(draw(st.permutations([*range(classes), *extra])))


@st.composite
def plans(draw, kinds=(Stratified, Balanced, Weighted, Replacement, Blocks, Groups, Contiguous)) -> Plan:
    kind = draw(st.sampled_from(kinds))
    labels = draw(labelled())
    n, remainders = len(labels), REMAINDERS
    if kind is Stratified:
        order: Order = Stratified(labels)
    elif kind is Balanced:
        length = draw(st.none() | st.integers(1, 20).map(lambda k: k * (labels.max() + 1)))
        order = Balanced(labels, length=length)
    elif kind is Weighted:
        weights = [draw(st.sampled_from([0.0, 0.25, 1.0, 7.5])) for _ in range(n - 1)]
        order = Weighted([1.0, *weights], length=draw(st.none() | st.integers(1, 60)))
    elif kind is Replacement:
        order = Replacement(draw(st.none() | st.integers(1, 60)))
    elif kind is Blocks:
        order = Blocks(draw(st.integers(1, n)))
    elif kind is Contiguous:
        order = Contiguous()
    else:
        n = n + 1
        order = Groups([*labels, labels.max() + 1])
    if kind in (Stratified, Balanced, Contiguous):
        remainders = REMAINDERS[:3]
    minimum = int(labels.max()) + 1 if kind is Stratified else 1
    return Plan(
        samples=n,
        batch_size=draw(st.integers(minimum, order.positions_per_epoch(n)) | st.just("full")),
        epochs=3,
        seed=draw(st.integers(0, 2**64 - 1)),
        order=order,
        remainder=draw(st.sampled_from(remainders)),
    )


def row(plan: Plan, epoch: int) -> np.ndarray:
    """The samples at all positions of an epoch."""
    return plan.order.samples(plan.seed, epoch, plan.samples, np.arange(plan.positions_per_epoch))


# What every order promises ----------------------------------------------------------------------------------


@law
@given(plans(), st.sampled_from([0, 1, 2, 1000, LARGE_EPOCH]))
def test_a_table_is_all_positions_and_the_inverse_finds_them(plan, epoch):
    found = row(plan, epoch)
    table = plan.order.table(uint32_words(plan.seed), np.uint32(epoch), plan.samples)
    assert table.dtype == np.int32
    np.testing.assert_array_equal(table, found)
    everyone = [plan.order.positions(plan.seed, epoch, plan.samples, [s]) for s in range(plan.samples)]
    assert [p.tolist() for p in everyone] == [
        np.flatnonzero(found == s).tolist() for s in range(plan.samples)
    ]
    together = plan.order.positions(plan.seed, epoch, plan.samples, range(plan.samples))
    assert together.tolist() == np.concatenate(everyone).tolist()
    if plan.order.once:
        assert (
            sorted(found.tolist()) == list(range(plan.samples)) and plan.positions_per_epoch == plan.samples
        )


@law
@given(plans(), st.randoms(use_true_random=False))
def test_any_position_is_asked_for_on_its_own(plan, random):
    found = row(plan, 1)
    asked = random.sample(range(plan.positions_per_epoch), min(5, plan.positions_per_epoch))
    for at in asked:
        assert plan.order.samples(plan.seed, 1, plan.samples, [at]).tolist() == [found[at]]
    np.testing.assert_array_equal(plan.order.samples(plan.seed, 1, plan.samples, asked), found[asked])


@law
@given(plans())
def test_find_has_all_turns_of_a_sample(plan):
    turns: dict[int, list[SampleUse]] = {}
    for update in range(plan.updates):
        epoch, batch = plan.locate(update)
        for slot, sample in enumerate(plan.batch(epoch, batch).tolist()):
            turns.setdefault(sample, []).append(SampleUse(update, epoch, batch, slot))
    epochs = plan.epochs + (plan.remainder == "carry")
    for sample in range(plan.samples):
        found = [turn for epoch in range(epochs) for turn in plan.find(sample, epoch)]
        assert sorted(found) == turns.get(sample, [])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(plans())
def test_more_epochs_change_no_update_of_those_before(plan):
    longer = plan.with_(epochs=5)
    for update in range(plan.updates):
        assert longer.batch_of_update(update).tolist() == plan.batch_of_update(update).tolist()
    assert longer.locate(plan.updates) == (plan.epochs, 0)


ORDERS: dict[str, Order] = {
    "stratified": Stratified([0] * 20 + [1] * 9 + [2] * 8),
    "balanced": Balanced([0] * 20 + [1] * 9 + [2] * 8),
    "weighted": Weighted(np.arange(37) % 5),
    "replacement": Replacement(50),
    "blocks": Blocks(2),
    "groups": Groups([k * k % 11 for k in range(37)]),
    "contiguous": Contiguous(),
}


@functools.cache
def compiled(name: str):
    """The table of an order as a program has it: its form is compiled in, its arrays are arguments.

    Compiled in little time; the oracles of trainings have it as they compile it.
    """
    plan = Plan(37, 8, 1, order=ORDERS[name])
    form = plan.order.compiled_part
    assert form.values is None
    table = jax.jit(lambda seed, epoch, arrays: form.table(seed, epoch, 37, jnp, jax.lax.while_loop, arrays))
    lowered = table.lower(uint32_words(0), np.uint32(0), plan.order.arrays)
    return plan, lowered.compile(compiler_options={"xla_backend_optimization_level": 0})


@pytest.mark.parametrize("name", ORDERS)
def test_jax_gives_the_bits_of_numpy(name):
    plan, table = compiled(name)
    for seed, epoch in [(0, 0), (1, 0), (0, 1), (2**64 - 1, LARGE_EPOCH), (77, 2**32 - 1)]:
        wanted = plan.with_(seed=seed)
        found = table(uint32_words(seed), np.uint32(epoch), plan.order.arrays)
        np.testing.assert_array_equal(found, row(wanted, epoch))


@pytest.mark.parametrize("name", ["stratified", "balanced", "groups"])
def test_zeros_behind_the_arrays_change_nothing(name):
    """So that repeats whose classes or groups differ in number share a program."""
    plan = Plan(37, 8, 1, order=ORDERS[name])
    fixed = {"dealt", "use", "sorted"}
    padded = {
        key: array if key in fixed else np.concatenate([array, np.zeros(6, array.dtype)])
        for key, array in plan.order.arrays.items()
    }
    table = plan.order.compiled_part.table(uint32_words(5), np.uint32(9), 37, arrays=padded)
    np.testing.assert_array_equal(table, row(plan.with_(seed=5), 9))


@pytest.mark.parametrize("name", [name for name in ORDERS if name != "contiguous"])
def test_seeds_and_epochs_have_orders_of_their_own(name):
    plan = Plan(37, 8, 8, order=ORDERS[name])
    rows = {tuple(row(plan.with_(seed=seed), epoch)) for seed in range(6) for epoch in range(6)}
    assert len(rows) == 36


def test_orders_are_equal_by_content():
    assert Stratified(["b", "a", "b"]) == Stratified([1, 0, 1]) != Stratified([1, 0, 0])
    assert hash(Groups([3, 1])) == hash(Groups(np.array([3, 1])))
    assert Weighted([1, 2]) == Weighted([1.0, 2.0]) != Weighted([1, 2], length=5)
    one, other = (Plan(5, 2, 1, order=Balanced([0, 0, 1, 1, y])).order.compiled_part for y in (0, 1))
    assert one == other, "the form is the same for all labels that give as many turns"


# Classes ----------------------------------------------------------------------------------------------------


def counts(plan: Plan, epoch: int) -> list[np.ndarray]:
    """For each segment, how many of each class its batches have, (batches, classes)."""
    labels = plan.order.values
    assert labels is not None
    found, index = [], 0
    for count, _ in plan.segments_in(epoch):
        batches = [plan.batch(epoch, index + k) for k in range(count)]
        found.append(np.stack([np.bincount(labels[b], minlength=labels.max() + 1) for b in batches]))
        index += count
    return found


@law
@given(plans(kinds=[Stratified, Balanced]))
def test_class_counts_of_batches_of_one_size_differ_by_at_most_one(plan):
    for epoch in range(2):
        for segment in counts(plan, epoch):
            assert (np.ptp(segment, axis=0) <= 1).all()


@law
@given(plans(kinds=[Stratified]))
def test_stratified_batches_hold_their_quota(plan):
    """Less than one sample from the exact quota, whatever the classes, sizes and remainders."""
    share = np.bincount(plan.order.values) / plan.samples
    for place, (segment, (_, size)) in enumerate(zip(counts(plan, 1), plan.segments, strict=True)):
        # What follows the first segment takes over its rounding, too.
        assert (np.abs(segment - share * size) < (2 if place else 1)).all()


@law
@given(labelled(60), st.data())
def test_the_assignment_gives_every_turn_once(labels, data):
    totals = np.bincount(labels).astype(np.int64)
    size = data.draw(st.integers(1, len(labels)))
    plan = Plan(len(labels), size, 1, remainder=data.draw(st.sampled_from(["keep", "spread"])))
    assigned = assign(totals, plan.segments)
    pairs = sorted(zip(assigned.classes.tolist(), assigned.uses.tolist(), strict=True))
    assert pairs == [(c, t) for c, total in enumerate(totals) for t in range(total)]


@law
@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any), st.data())
def test_shares_are_whole_and_next_to_the_exact_ones(left, data):
    left = np.array(left, np.int64)
    total = data.draw(st.integers(0, int(left.sum())))
    shares = apportioned(total, left)
    assert shares.sum() == total and (shares <= left).all()
    assert (np.abs(shares - total * left / left.sum()) < 1).all()


@law
@given(plans(kinds=[Balanced]))
def test_balanced_classes_are_equally_often_and_no_sample_is_favored(plan):
    """Over epochs on end, nobody of a class has another turn before all of the class have had theirs."""
    labels = plan.order.values
    epochs = 4
    plan = plan.with_(epochs=epochs)
    assert plan.positions_per_epoch % (labels.max() + 1) == 0
    if plan.remainder != "drop":
        classes = np.bincount(labels[row(plan, 2)])
        assert classes.min() == classes.max() == plan.positions_per_epoch // (labels.max() + 1)
    seen = np.zeros(plan.samples, int)
    for epoch, index in itertools.product(range(epochs), range(plan.batches_per_epoch)):
        seen += np.bincount(plan.batch(epoch, index), minlength=plan.samples)
    for label in range(labels.max() + 1):
        assert np.ptp(seen[labels == label]) <= 1


def test_what_stratified_drops_differs_from_epoch_to_epoch():
    plan = Plan(50, 8, 30, order=Stratified([0] * 35 + [1] * 15), remainder="drop")
    everyone = set(range(50))
    dropped = [
        frozenset(everyone - {int(s) for i in range(6) for s in plan.batch(epoch, i)}) for epoch in range(30)
    ]
    assert {len(one) for one in dropped} == {2}
    assert len(set(dropped)) > 20
    assert len(frozenset().union(*dropped)) > 30


# Blocks and groups ------------------------------------------------------------------------------------------


@law
@given(plans(kinds=[Blocks]))
def test_blocks_are_whole_and_in_order(plan):
    found, length = row(plan, 1), plan.order.length
    begins = np.flatnonzero(np.diff(found, prepend=-2) != 1)
    at = 0
    while at < plan.samples:
        block = found[at] // length
        size = min(length, plan.samples - block * length)
        assert found[at : at + size].tolist() == list(range(block * length, block * length + size))
        at += size
    assert len(begins) <= -(-plan.samples // length)


@law
@given(plans(kinds=[Groups]))
def test_groups_are_whole_and_keep_their_order(plan):
    groups, found = plan.order.values, row(plan, 1)
    runs = [list(run) for _, run in itertools.groupby(found.tolist(), key=lambda s: groups[s])]
    assert len(runs) == groups.max() + 1
    assert all(run == sorted(run) for run in runs)


# Draws ------------------------------------------------------------------------------------------------------


@law
@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=30).filter(lambda w: max(w) > 0))
def test_weights_become_whole_numbers_in_proportion(given_weights):
    weights = np.array(given_weights)
    found = whole_weights(weights)
    assert sum(found.tolist()) == TOTAL and (found >= 0).all() and not found[weights == 0].any()
    scaled = weights / weights.max()
    np.testing.assert_allclose(found / TOTAL, scaled / scaled.sum(), rtol=1e-12, atol=1e-15)


def test_a_sample_of_no_weight_is_never_drawn():
    plan = Plan(5, 5, 1, order=Weighted([0, 1, 0, 2, 0], length=2000))
    assert set(row(plan, 0).tolist()) == {1, 3}
