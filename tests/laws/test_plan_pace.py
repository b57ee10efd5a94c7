"""Laws 1, 2 and 7 where the batch size changes, or an epoch is a number of updates."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.errors import Refusal
from epochal.plan import BatchSchedule, Plan, SampleUse, Stratified
from epochal.runs.loading import _plan

law = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def schedules(draw, samples, unit=None):
    begins = draw(st.lists(st.integers(1, 40), unique=True, max_size=4))
    sizes = {at: draw(st.integers(1, samples) | st.just("full")) for at in (0, *begins)}
    return BatchSchedule(sizes, unit or draw(st.sampled_from(("epochs", "updates"))))


@st.composite
def paced(draw, remainders=("keep", "drop", "spread"), unit=None, scheduled=None, counted=None, order=None):
    """A plan whose batch size changes (`scheduled`), whose epochs are updates (`counted`), or both."""
    samples = draw(st.integers(1, 24))
    scheduled = draw(st.booleans()) if scheduled is None else scheduled
    counted = (not scheduled or draw(st.booleans())) if counted is None else counted
    size = draw(schedules(samples, unit)) if scheduled else draw(st.integers(1, samples) | st.just("full"))
    return Plan(
        samples=samples,
        batch_size=size,
        epochs=draw(st.integers(1, 6)),
        seed=draw(st.integers(0, 2**64 - 1)),
        order=order or draw(st.sampled_from(("shuffle", "shuffle_once", "sequential", "replacement"))),
        remainder=draw(st.sampled_from(remainders if scheduled else (*remainders, "carry"))),
        updates_per_epoch=draw(st.integers(1, 20)) if counted else None,
    )


def batches(plan):
    return [plan.batch_of_update(update).tolist() for update in range(plan.updates)]


@law
@given(paced())
def test_find_is_the_inverse_of_batch(plan):
    wanted = {
        (sample, SampleUse(plan.first_update(epoch) + index, epoch, index, slot))
        for epoch in range(plan.epochs)
        for index in range(plan.batches_in(epoch))
        for slot, sample in enumerate(plan.batch(epoch, index).tolist())
    }
    found = [
        (sample, turn)
        for sample in range(plan.samples)
        for epoch in range(plan.epochs)
        for turn in plan.find(sample, epoch)
    ]
    assert len(found) == len(set(found))
    assert set(found) == wanted


@law
@given(paced())
def test_counts_and_places_agree_with_the_batches(plan):
    sizes = [len(batch) for batch in batches(plan)]
    assert plan.updates == sum(plan.batches_in(epoch) for epoch in range(plan.epochs)) == len(sizes)
    for update in range(plan.updates):
        epoch, index = plan.locate(update)
        assert plan.first_update(epoch) + index == update and index < plan.batches_in(epoch)
        assert plan.samples_after(update) == sum(sizes[:update])
        assert plan.epochs_after(update) == epoch + index / plan.batches_in(epoch)
    assert plan.epochs_after(plan.updates) == plan.epochs
    assert plan.samples_after(plan.updates) == sum(sizes)
    for epoch in range(plan.epochs):
        begin = plan.first_update(epoch)
        written_out = [size for count, size in plan.segments_in(epoch) for _ in range(count)]
        assert written_out == sizes[begin : begin + plan.batches_in(epoch)]
    assert set(sizes) <= set(plan.batch_sizes) and max(plan.batch_sizes) == plan.batch_sizes[0]


@law
@given(paced(), st.integers(1, 4))
def test_a_plan_of_more_epochs_begins_with_all_updates_of_the_shorter_one(plan, more):
    longer = plan.with_(epochs=plan.epochs + more)
    assert batches(longer)[: plan.updates] == batches(plan)
    for update in range(plan.updates):
        assert longer.locate(update) == plan.locate(update)
        assert longer.samples_after(update) == plan.samples_after(update)
    assert longer.locate(plan.updates) == (plan.epochs, 0)
    assert longer.samples_after(plan.updates) == plan.samples_after(plan.updates)


@law
@given(paced(scheduled=False, counted=True))
def test_another_length_of_epoch_changes_no_update(plan):
    """Passes go on across the ends of epochs, so no sample is favored."""
    plain = plan.with_(updates_per_epoch=None, epochs=plan.updates)
    assert batches(plan) == [plain.batch_of_update(update).tolist() for update in range(plan.updates)]
    assert plan.passes == plain.with_(epochs=plan.passes.epochs)
    assert plan.passes.updates >= plan.updates > plain.first_update(plan.passes.epochs - 1)


@law
@given(paced(remainders=("keep", "spread"), scheduled=True, order="shuffle"))
def test_each_sample_has_one_turn_in_each_pass(plan):
    passes = plan.passes
    for one in range(passes.epochs):
        seen = [passes.batch(one, index).tolist() for index in range(passes.batches_in(one))]
        assert sorted(itertools.chain(*seen)) == list(range(plan.samples))


@law
@given(paced(remainders=("drop",), scheduled=True, order="shuffle"))
def test_with_drop_at_most_one_and_every_batch_is_full(plan):
    passes = plan.passes
    for one in range(passes.epochs):
        seen = [passes.batch(one, index).tolist() for index in range(passes.batches_in(one))]
        flat = list(itertools.chain(*seen))
        assert len(set(flat)) == len(flat) == plan.samples - passes.left_out(one)
    assert set(plan.batch_sizes) <= set(plan.batch_schedule.sizes(plan.samples))


@law
@given(paced(remainders=("drop",), scheduled=True, order="sequential"))
def test_with_drop_and_a_fixed_order_each_pass_begins_where_the_last_one_ended(plan):
    flat = list(itertools.chain(*batches(plan)))
    assert flat == [position % plan.samples for position in range(len(flat))]


@law
@given(paced(scheduled=True, unit="epochs", counted=False))
def test_a_schedule_of_epochs_cuts_each_as_a_plan_of_that_size(plan):
    begins, sizes = zip(*plan.batch_schedule.changes, strict=True)
    for epoch in range(plan.epochs):
        size = sizes[int(np.searchsorted(begins, epoch, side="right")) - 1]
        alone = plan.with_(batch_size=size)
        assert plan.segments_in(epoch) == alone.segments_in(epoch)
        if not (plan.remainder == "drop" and plan.order.fixed):
            assert plan.batch(epoch, 0).tolist() == alone.batch(epoch, 0).tolist()


@law
@given(paced(remainders=("keep",), scheduled=True))
def test_the_size_of_an_update_is_what_the_schedule_says_or_what_is_left_of_the_pass(plan):
    schedule = plan.batch_schedule
    per = plan.updates_per_epoch or 1
    begins = [at * (per if schedule.unit == "epochs" else 1) for at, _ in schedule.changes]
    sizes, passes = schedule.sizes(plan.samples), plan.passes
    for update, batch in enumerate(batches(plan)):
        one, index = passes.locate(update)
        left = plan.samples - sum(len(passes.batch(one, before)) for before in range(index))
        at = one if schedule.unit == "epochs" and plan.updates_per_epoch is None else update
        size = sizes[int(np.searchsorted(begins, at, side="right")) - 1]
        assert len(batch) == min(size, left)


@law
@given(paced())
def test_a_plan_survives_pickle_json_and_another_seed(plan):
    assert pickle.loads(pickle.dumps(plan)) == plan and hash(plan.with_()) == hash(plan)
    assert plan.with_(seed=plan.seed) == plan
    document = plan.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert _plan(document, None) == plan
    assert max(map(len, str(plan).splitlines())) <= 80


def test_plans_differ_by_their_schedule_and_their_pace():
    plain, grown = Plan(64, 8, 4), Plan(64, {0: 8, 2: 16}, 4)
    assert plain != grown != Plan(64, {0: 8, 2: 32}, 4)
    assert plain != plain.with_(updates_per_epoch=8)
    assert Plan(64, {0: "full", 1: 16}, 4).with_(samples=128).batch_sizes == (128, 16)
    assert (int(grown.batch_size), grown.updates, grown.regime) == (8, 24, "mini-batch")
    assert repr(grown) == (
        "Plan(samples=64, batch_size=BatchSchedule({0: 8, 2: 16}), epochs=4, seed=0, "
        'order="shuffle", remainder="keep")'
    )


def test_an_order_that_composes_batches_wants_one_size_and_no_certain_length_of_epoch():
    order = Stratified(np.arange(40) % 3)
    with pytest.raises(Refusal, match='order "stratified" composes batches of one size'):
        Plan(40, {0: 8, 2: 16}, 4, order=order)
    paced, plain = Plan(40, 8, 4, order=order, updates_per_epoch=3), Plan(40, 8, 4, order=order)
    assert batches(paced) == batches(plain)[: paced.updates]


def test_the_summary_says_both_epochs_and_passes():
    text = str(Plan(614, 32, 10, updates_per_epoch=100))
    assert "batches per pass  20  (19 × 32, 1 × 6)" in text
    assert "1,000  (10 epochs × 100 updates; that is 50 passes through" in text
    text = str(Plan(614, {0: 32, 4: 128, 6: "full"}, 10))
    assert "32, after 4 epochs: 128, after 6 epochs: full" in text
    assert "epochs 5 to 6   5 batches  (4 × 128, 1 × 102)" in text
    assert "94  (10 epochs in 3 phases)" in text


def test_a_size_that_is_never_reached_has_no_remainder():
    reached, not_reached = Plan(10, {0: 5, 3: 4}, 4), Plan(10, {0: 5, 3: 4}, 3)
    assert (reached.divides, not_reached.divides) == (False, True)
    assert "none: every batch is full" in str(not_reached)
    updates = BatchSchedule({0: 5, 6: 4}, "updates")
    assert [Plan(10, updates, epochs).divides for epochs in (3, 4)] == [True, False]
    assert [Plan(10, {0: 5, 3: 4}, e, updates_per_epoch=2).divides for e in (3, 4)] == [True, False]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": {5: 8}}, "batch_size must begin at epoch 0; got 5"),
        (
            {"batch_size": {0: 8, 5: 1000}},
            r"batch_size must be between 1 and 64 \(the training samples\); got 1000",
        ),
        ({"batch_size": {0: 8, 2.5: 16}}, "the epoch at which a batch_size begins must be a whole number"),
        ({"batch_size": {0: 8, -1: 16}}, "the epoch at which a batch_size begins must be at least 0; got -1"),
        ({"batch_size": {0: "half"}}, 'batch_size must be a whole number at least 1, or "full"; got "half"'),
        ({"batch_size": {}}, r"batch_size must map epochs to sizes, such as \{0: 32, 30: 128\}; got \{\}"),
        ({"batch_size": {0: 8, 1: 16}, "remainder": "carry"}, "remainder must be keep, drop or spread where"),
        ({"updates_per_epoch": 0}, "updates_per_epoch must be at least 1; got 0"),
        ({"updates_per_epoch": 2.5}, "updates_per_epoch must be a whole number at least 1; got 2.5"),
        ({"updates_per_epoch": 2**40}, "updates_per_epoch must make at most 4294967295 passes"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(options, said):
    with pytest.raises(Refusal, match=said):
        Plan(**{"samples": 64, "batch_size": 8, "epochs": 4, **options})
    with pytest.raises(Refusal, match='the unit of a batch schedule must be "epochs" or "updates"'):
        BatchSchedule({0: 8}, "samples")
