"""Laws 1, 2 and 7, Order, Once and Refusal: what a plan says is what its batches are."""

import dataclasses
import itertools
import json
import math
import pickle
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.errors import Refusal
from epochal.plan import ORDERS as NAMED, REMAINDERS, Plan, SampleUse
from epochal.plan.order import Sequential, Shuffle

ORDERS = ("shuffle", "shuffle_once", "sequential")
"""Those that look at nothing but the number of samples; tests/laws/test_orders.py has the others."""
EVERY_SAMPLE = ("keep", "spread")


@st.composite
def plans(draw, remainders=tuple(REMAINDERS), orders=tuple(ORDERS), max_samples=60):
    samples = draw(st.integers(1, max_samples))
    return Plan(
        samples=samples,
        batch_size=draw(st.integers(1, samples) | st.just("full")),
        epochs=draw(st.integers(1, 5)),
        seed=draw(st.integers(0, 2**64 - 1)),
        order=draw(st.sampled_from(orders)),
        remainder=draw(st.sampled_from(remainders)),
    )


law = settings(max_examples=60, deadline=None, derandomize=True)


def epoch_of(plan: Plan, epoch: int) -> list[list[int]]:
    return [plan.batch(epoch, index).tolist() for index in range(plan.batches_in(epoch))]


# Law 2: once -----------------------------------------------------------------------------------------------


@law
@given(plans(remainders=EVERY_SAMPLE))
def test_each_sample_has_exactly_one_turn_per_epoch(plan):
    for epoch in range(plan.epochs):
        assert sorted(itertools.chain(*epoch_of(plan, epoch))) == list(range(plan.samples))


@law
@given(plans(remainders=["drop"]))
def test_with_drop_each_sample_has_at_most_one_turn_per_epoch(plan):
    for epoch in range(plan.epochs):
        batches = epoch_of(plan, epoch)
        seen = set().union(*batches)
        assert {len(batch) for batch in batches} == {plan.batch_size}
        assert len(seen) == sum(map(len, batches)) == plan.samples - plan.left_out(epoch)
        assert plan.left_out(epoch) == plan.samples % plan.batch_size


@law
@given(plans(remainders=["drop"], orders=["sequential", "shuffle_once"], max_samples=20))
def test_with_drop_and_a_fixed_order_the_dropped_differ_and_take_turns(plan):
    everyone = set(range(plan.samples))
    plan = plan.with_(epochs=plan.samples)
    dropped = [everyone - set().union(*epoch_of(plan, epoch)) for epoch in range(plan.epochs)]
    assert all(not one & next_one for one, next_one in itertools.pairwise(dropped))
    times = [sum(sample in one for one in dropped) for sample in everyone]
    assert max(times) == min(times)  # over as many epochs as samples


@pytest.mark.parametrize("seed", range(5))
def test_with_drop_and_a_shuffle_the_dropped_differ(seed):
    plan = Plan(50, 8, 40, seed, remainder="drop")
    dropped = [
        frozenset(range(50)) - frozenset().union(*epoch_of(plan, epoch)) for epoch in range(plan.epochs)
    ]
    assert len(set(dropped)) > 35
    assert len(frozenset().union(*dropped)) > 35


@law
@given(plans(remainders=["carry"]))
def test_with_carry_the_epochs_on_end_are_cut_into_full_batches(plan):
    """Brute force: all positions of all epochs (and of the next one) in a row."""
    n, size = plan.samples, plan.batch_size
    row = np.concatenate(
        [plan.order.samples(plan.seed, epoch, n, np.arange(n)) for epoch in range(plan.epochs + 1)]
    )
    assert plan.updates == math.ceil(plan.epochs * n / size)
    for update in range(plan.updates):
        epoch, index = plan.locate(update)
        assert epoch == update * size // n
        assert plan.batch(epoch, index).tolist() == row[update * size : (update + 1) * size].tolist()
        assert plan.segments_in(epoch)[0][1] == size
    for epoch in range(plan.epochs):
        assert sorted(row[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))
        assert plan.first_update(epoch) == math.ceil(epoch * n / size)
        assert plan.start(epoch) == plan.first_update(epoch) * size - epoch * n
        assert plan.batches_in(epoch) <= plan.batches_per_epoch


@law
@given(plans(remainders=["carry"]))
def test_with_carry_more_epochs_are_a_continuation(plan):
    longer = plan.with_(epochs=plan.epochs + 2)
    for update in range(plan.updates):
        assert plan.batch_of_update(update).tolist() == longer.batch_of_update(update).tolist()


# Law 1: order ----------------------------------------------------------------------------------------------


@law
@given(plans())
def test_find_is_the_inverse_of_batch(plan):
    turns: dict[int, list[SampleUse]] = {}
    for update in range(plan.updates):
        epoch, batch = plan.locate(update)
        for slot, sample in enumerate(plan.batch(epoch, batch).tolist()):
            turns.setdefault(sample, []).append(SampleUse(update, epoch, batch, slot))
    extra = 1 if plan.remainder == "carry" else 0
    for sample in range(plan.samples):
        found = [plan.find(sample, epoch) for epoch in range(plan.epochs + extra)]
        assert all(len(one) == 1 for one in found[: plan.epochs]) or plan.remainder == "drop"
        assert sorted(sum(found, ())) == turns.get(sample, [])


@law
@given(plans())
def test_updates_count_through_the_epochs(plan):
    located = [plan.locate(update) for update in range(plan.updates)]
    assert located == [
        (epoch, index) for epoch in range(plan.epochs) for index in range(plan.batches_in(epoch))
    ]
    for update, (epoch, index) in enumerate(located):
        assert plan.first_update(epoch) + index == update
    assert plan.first_update(plan.epochs) == plan.updates


@law
@given(plans(), st.randoms(use_true_random=False))
def test_batch_is_pure_and_random_access(plan, random):
    everything = {
        (epoch, index): batch
        for epoch in range(plan.epochs)
        for index, batch in enumerate(epoch_of(plan, epoch))
    }
    asked = list(everything)
    random.shuffle(asked)
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan and hash(again) == hash(plan)
    for epoch, index in asked:
        batch = again.batch(epoch, index)
        assert batch.dtype == np.int64
        assert batch.tolist() == everything[epoch, index]


@law
@given(plans())
def test_segments_are_the_sizes_of_the_batches(plan):
    for epoch in range(plan.epochs):
        sizes = [size for count, size in plan.segments_in(epoch) for _ in range(count)]
        assert sizes == [len(batch) for batch in epoch_of(plan, epoch)]
        assert all(type(number) is int and number > 0 for pair in plan.segments_in(epoch) for number in pair)
    assert plan.segments == plan.segments_in(0)
    assert plan.batches_per_epoch == sum(count for count, _ in plan.segments)


@law
@given(plans())
def test_the_engine_reads_an_epoch_from_tables(plan):
    """What the engine does: the epoch's table, the next one's after it, from `start`, cut by segments."""
    n = plan.samples
    for epoch in range(plan.epochs):
        row = np.concatenate([plan.order.samples(plan.seed, e, n, np.arange(n)) for e in (epoch, epoch + 1)])
        at, batches = plan.start(epoch), []
        for count, size in plan.segments_in(epoch):
            for _ in range(count):
                batches.append(row[at : at + size].tolist())
                at += size
        assert batches == epoch_of(plan, epoch)


@pytest.mark.parametrize("remainder", REMAINDERS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("samples", [10**12, 2**62])
def test_large_plans_answer_in_the_memory_of_a_batch(samples, order, remainder):
    plan = Plan(samples, 256, 10**6, seed=9, order=order, remainder=remainder)
    epoch = 999_999
    index = plan.batches_in(epoch) - 1
    tracemalloc.start()
    batch = plan.batch(epoch, index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000, "memory must be that of a batch, not of the samples"
    assert len(batch) == plan.segments_in(epoch)[-1][1]
    for slot in (0, len(batch) - 1):
        sample = int(batch[slot])
        turns = [turn for e in (epoch, epoch + (remainder == "carry")) for turn in plan.find(sample, e)]
        update = plan.first_update(epoch) + index
        assert SampleUse(update, epoch, index, slot) in turns
        assert plan.locate(update) == (epoch, index)


# Counts ----------------------------------------------------------------------------------------------------


@law
@given(st.integers(1, 10**6), st.data())
def test_spread_comes_nearest_to_the_batch_size(samples, data):
    size = data.draw(st.integers(1, samples))
    plan = Plan(samples, size, 1, remainder="spread")
    sizes = [size for _, size in plan.segments]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) - min(sizes) <= 1
    assert sum(count * size for count, size in plan.segments) == samples

    def distance(count: int) -> Fraction:
        return abs(Fraction(samples, count) - size)

    count = plan.batches_per_epoch
    near = [k for k in range(max(1, count - 3), count + 4) if k <= samples]
    assert distance(count) == min(map(distance, near))
    assert count == max(k for k in near if distance(k) == distance(count))


@pytest.mark.parametrize(
    ("remainder", "segments", "updates", "left_out"),
    [
        ("keep", ((2, 400), (1, 200)), 9, 0),
        ("drop", ((2, 400),), 6, 200),
        ("spread", ((1, 334), (2, 333)), 9, 0),
        ("carry", ((3, 400),), 8, 0),
    ],
)
def test_a_thousand_by_four_hundred(remainder, segments, updates, left_out):
    plan = Plan(1000, 400, 3, remainder=remainder)
    assert (plan.segments, plan.updates, plan.left_out(0)) == (segments, updates, left_out)


@pytest.mark.parametrize("remainder", REMAINDERS)
@pytest.mark.parametrize("size", [1, 5, 200, "full"])
def test_the_remainder_does_not_matter_where_there_is_none(remainder, size):
    plan, keep = Plan(200, size, 3, remainder=remainder), Plan(200, size, 3)
    assert (plan.segments, plan.updates, plan.left_out(1)) == (keep.segments, keep.updates, 0)
    assert all(plan.batch_of_update(u).tolist() == keep.batch_of_update(u).tolist() for u in range(3))


@pytest.mark.parametrize(
    ("samples", "size", "remainder", "regime"),
    [
        (10, 10, "keep", "batch"),
        (10, "full", "carry", "batch"),
        (10, 1, "drop", "stochastic"),
        (10, 9, "keep", "mini-batch"),
        (10, 9, "spread", "batch"),  # one batch of all ten
        (1, 1, "keep", "batch"),
        (2, 1, "keep", "stochastic"),
    ],
)
def test_regime(samples, size, remainder, regime):
    assert Plan(samples, size, 1, remainder=remainder).regime == regime


def test_full_stays_full():
    plan = Plan(200, "full", 3)
    assert (plan.batch_size, plan.is_full, plan.updates) == (200, True, 3)
    for other in (plan.with_(samples=100), dataclasses.replace(plan, samples=100)):
        assert (other.batch_size, other.is_full) == (100, True)
    assert not plan.with_(batch_size=200).is_full
    assert plan.with_(batch_size=200) == plan
    assert pickle.loads(pickle.dumps(plan)).is_full
    assert 'batch_size="full"' in repr(plan)
    with pytest.raises(Refusal, match="between 1 and 100"):
        plan.with_(batch_size=200).with_(samples=100)


def test_orders_by_name_or_object():
    assert Plan(10, 2, 1) == Plan(10, 2, 1, order=Shuffle()) != Plan(10, 2, 1, order=Sequential())
    assert Plan(10, 3, 1, order="sequential").batch(0, 1).tolist() == [3, 4, 5]
    once = Plan(10, 10, 3, order="shuffle_once")
    assert once.batch(0, 0).tolist() == once.batch(2, 0).tolist() != list(range(10))


def test_another_seed_or_epoch_is_another_order():
    plan = Plan(100, 100, 5, seed=1)
    orders = [plan.with_(seed=seed).batch(epoch, 0).tolist() for seed in range(5) for epoch in range(5)]
    assert len({tuple(order) for order in orders}) == 25


def test_numpy_integers_are_whole_numbers():
    plan = Plan(np.int64(20), np.uint8(3), np.int32(2), np.uint64(2**64 - 1))
    assert plan == Plan(20, 3, 2, 2**64 - 1)
    assert all(type(getattr(plan, name)) is int for name in ("samples", "batch_size", "epochs", "seed"))


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Plan(10, 2, 1).epochs = 5


# JSON and text ---------------------------------------------------------------------------------------------


def test_json_of_the_worked_example():
    found = json.loads(json.dumps(Plan(200, 5, 1000).to_dict()))
    expected = {
        "samples": 200,
        "batch_size": 5,
        "batches_per_epoch": 40,
        "epochs": 1000,
        "updates": 40000,
        "regime": "mini-batch",
        "segments": [[40, 5]],
        "last_batch_size": 5,
        "left_out": 0,
        "order": "shuffle",
        "remainder": "keep",
        "seed": 0,
    }
    assert {name: found[name] for name in expected} == expected
    assert list(found["remainders"]) == ["keep", "drop", "spread", "carry"]
    assert all(one["segments"] == [[40, 5]] for one in found["remainders"].values())


@law
@given(plans())
def test_json_keeps_every_number(plan):
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_the_text_shows_the_other_three(remainder):
    text = str(Plan(1000, 400, 1, remainder=remainder))
    shown = {
        "keep": "400, 400, 200",
        "drop": "400, 400",
        "spread": "334, 333, 333",
        "carry": "400, 400, 400",
    }
    for name, batches in shown.items():
        line = next(line for line in text.splitlines() if line.split()[0:1] == [name] or f" {name}: " in line)
        assert name == remainder or batches in line
    assert f"({shown[remainder]})" in text
    assert "Mini-batch gradient descent" in text


def test_the_text_is_quiet_where_the_batch_size_divides():
    text = str(Plan(200, 5, 1000))
    assert "40,000" in text
    assert not any(word in text for word in ("drop", "spread", "carry", "divide"))
    assert "full" in str(Plan(200, "full", 1)).splitlines()[3]


@law
@given(
    st.integers(1, 2**62).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.integers(1, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(list(ORDERS)),
    st.sampled_from(list(REMAINDERS)),
)
def test_the_text_fits_eighty_columns(numbers, epochs, seed, order, remainder):
    text = str(Plan(*numbers, epochs, seed, order, remainder))
    assert max(map(len, text.splitlines())) <= 80
    assert text.isprintable() or text.replace("\n", "").isprintable()


# Law 7: refusal --------------------------------------------------------------------------------------------

BETWEEN = "between 1 and 614 (the training samples)"
FULL = 'Use "full" for one batch per epoch.'


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_size": 1000}, f"batch_size must be {BETWEEN}; got 1000. {FULL}"),
        ({"batch_size": 0}, f"batch_size must be {BETWEEN}; got 0. {FULL}"),
        ({"batch_size": -5}, f"batch_size must be {BETWEEN}; got -5. {FULL}"),
        ({"batch_size": 2.5}, f"batch_size must be a whole number {BETWEEN}; got 2.5. {FULL}"),
        ({"batch_size": 5.0}, f"batch_size must be a whole number {BETWEEN}; got 5.0. {FULL}"),
        ({"batch_size": True}, f"batch_size must be a whole number {BETWEEN}; got True. {FULL}"),
        ({"batch_size": "ful"}, f'batch_size must be a whole number {BETWEEN}; got "ful". {FULL}'),
        ({"batch_size": None}, f"batch_size must be a whole number {BETWEEN}; got None. {FULL}"),
        ({"batch_size": np.float32(4)}, f"batch_size must be a whole number {BETWEEN}; got 4.0. {FULL}"),
        ({"epochs": 0}, "epochs must be at least 1; got 0."),
        ({"epochs": -1}, "epochs must be at least 1; got -1."),
        ({"epochs": 1.5}, "epochs must be a whole number at least 1; got 1.5."),
        ({"epochs": np.bool_(True)}, "epochs must be a whole number at least 1; got True."),
        ({"epochs": 2**32}, "epochs must be at most 4294967295; got 4294967296."),
        ({"samples": 0}, "samples must be between 1 and 2^62; got 0."),
        ({"samples": 2**62 + 1}, "samples must be between 1 and 2^62; got 4611686018427387905."),
        ({"seed": -1}, "seed must be between 0 and 2^64 - 1; got -1."),
        ({"seed": 2**64}, "seed must be between 0 and 2^64 - 1; got 18446744073709551616."),
        (
            {"order": "shufle"},
            f'unknown order "shufle"; did you mean "shuffle"? Known: {", ".join(NAMED)}.',
        ),
        (
            {"remainder": "kepe"},
            'unknown remainder "kepe"; did you mean "keep"? Known: keep, drop, spread, carry.',
        ),
    ],
)
def test_refusals(changes, sentence):
    with pytest.raises(Refusal) as caught:
        Plan(**{"samples": 614, "batch_size": 32, "epochs": 3, **changes})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda plan: plan.batch(3, 0), "epoch must be between 0 and 2; got 3."),
        (lambda plan: plan.batch(-1, 0), "epoch must be between 0 and 2; got -1."),
        (lambda plan: plan.batch(0, 20), "index must be between 0 and 19; got 20."),
        (lambda plan: plan.batch(0, 1.0), "index must be a whole number between 0 and 19; got 1.0."),
        (lambda plan: plan.locate(60), "update must be between 0 and 59; got 60."),
        (lambda plan: plan.batch_of_update(-1), "update must be between 0 and 59; got -1."),
        (lambda plan: plan.find(614, 0), "sample must be between 0 and 613; got 614."),
        (lambda plan: plan.find(0, 3), "epoch must be between 0 and 2; got 3."),
        (lambda plan: plan.start(3), "epoch must be between 0 and 2; got 3."),
        (lambda plan: plan.left_out(3), "epoch must be between 0 and 2; got 3."),
        (lambda plan: plan.segments_in(3), "epoch must be between 0 and 2; got 3."),
        (lambda plan: plan.first_update(4), "epoch must be between 0 and 3; got 4."),
    ],
)
def test_what_lies_outside_the_plan_is_refused(ask, sentence):
    with pytest.raises(Refusal) as caught:
        ask(Plan(614, 32, 3))
    assert str(caught.value) == sentence
