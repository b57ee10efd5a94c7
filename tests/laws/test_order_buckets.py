"""Laws: like lengths meet, and nothing else is lost.

Order and Once: each sample has one turn in an epoch, `find` is the inverse, NumPy and JAX give the same
bits. Buckets: a batch has samples of one bucket, or of neighbors at a border; which batches come when, and
which is the smaller one, differs from epoch to epoch. Mean: cutting padding off changes nothing.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax import lax

import epochal as ep
from epochal.data import Dataset
from epochal.plan.threefry import uint32_words
from epochal.settings import Settings
from epochal.training.prepare import prepare
from helpers import assert_close


@st.composite
def plans(draw):
    lengths = draw(st.lists(st.integers(0, 30), min_size=1, max_size=60))
    order = ep.Buckets(draw(st.integers(1, 6))).bind(lengths)
    size = draw(st.integers(1, len(lengths)))
    remainder = draw(st.sampled_from(["keep", "drop"]))
    return ep.Plan(len(lengths), size, 3, draw(st.integers(0, 2**64 - 1)), order, remainder), np.array(
        lengths
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(plans())
def test_each_sample_has_one_turn_and_is_found(case):
    plan, lengths = case
    for epoch in range(3):
        found = [plan.batch(epoch, index) for index in range(plan.batches_in(epoch))]
        turns = np.concatenate(found)
        assert len(set(turns.tolist())) == len(turns) == plan.samples - plan.left_out(epoch)
        for index, batch in enumerate(found):
            turn = plan.find(int(batch[-1]), epoch)[0]
            assert (turn.batch, turn.slot) == (index, len(batch) - 1)
        buckets = [np.searchsorted(plan.order.edges, lengths[batch]) for batch in found]
        whole = sum(len(set(one.tolist())) == 1 for one in buckets)
        borders = len(set(np.searchsorted(plan.order.edges, lengths).tolist())) - 1
        assert whole >= len(found) - borders, "only batches at a border have two buckets"
        ranges = sorted((one.min(), one.max()) for one in buckets)
        assert all(high <= low for (_, high), (low, _) in pairwise(ranges))


@pytest.mark.parametrize(("samples", "size"), [(23, 5), (20, 5)])
def test_numpy_and_jax_give_the_same_bits(samples, size):
    lengths = np.random.default_rng(samples).integers(0, 40, samples)
    order = ep.Plan(samples, size, 1, 3, ep.Buckets(3).bind(lengths)).order

    @jax.jit
    def table(seed, epoch, arrays):
        return order.compiled_part.table(seed, epoch, samples, jnp, lax.while_loop, arrays)

    for epoch in (0, 1, 7):
        ours = order.samples(2**40 + 3, epoch, samples, range(samples))
        np.testing.assert_array_equal(table(uint32_words(2**40 + 3), jnp.uint32(epoch), order.arrays), ours)


def test_everything_is_shuffled_anew():
    """Each batch of an epoch, the smaller one too, holds each bucket about as often as its share says."""
    lengths = np.repeat([5, 10, 20, 40], 26)
    plan = ep.Plan(104, 10, 2000, 0, ep.Buckets(4).bind(lengths))
    assert plan.order.edges == (5, 10, 20, 40)
    firsts = np.array([lengths[plan.batch(epoch, 0)[0]] for epoch in range(300)])
    lasts = np.array([lengths[plan.batch(epoch, 10)[0]] for epoch in range(300)])
    for found in (firsts, lasts):
        shares = [(found == length).mean() for length in (5, 10, 20, 40)]
        assert max(abs(np.array(shares) - 0.25)) < 0.12, shares
    together = {tuple(sorted(plan.batch(epoch, 0).tolist())) for epoch in range(100)}
    assert len(together) == 100, "who meets whom differs"


def tokens(samples=90, longest=24, seed=0):
    """Texts as ids, with lengths between 0 and `longest`, and labels that two of the tokens decide."""
    random = np.random.default_rng(seed)
    ids = random.integers(2, 12, (samples, longest)).astype(np.int32)
    lengths = random.integers(0, longest + 1, samples)
    ids[np.arange(longest) >= lengths[:, None]] = 0
    labels = ((ids == 3).sum(axis=1) > (ids == 4).sum(axis=1)).astype(np.int32)
    data = ep.load_data((ids.astype(np.float32), labels))
    return dataclasses.replace(data, inputs=ids), lengths


@dataclasses.dataclass(frozen=True)
class Uncut(ep.Buckets):
    """The same order, with which batches keep all their padding."""

    @property
    def trim_lengths(self):
        return ()


@pytest.mark.parametrize(("kind", "micro_batch"), [("gru", None), ("mean", 4)])
def test_cutting_padding_changes_no_parameter(kind, micro_batch):
    data, lengths = tokens()
    assert data.lengths.tolist() == lengths.tolist()
    options = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "micro_batch": micro_batch, "seed": 4}
    model = ep.TextClassifier(3, 5, kind=kind, vocabulary=12)
    cut = ep.fit(model, data, order=ep.Buckets(2), **options)
    assert cut.plan.order.trim_lengths == cut.plan.order.edges and len(cut.plan.order.edges) == 2
    whole = ep.fit(model, data, order=Uncut(2).bind(lengths), **options)
    np.testing.assert_array_equal(cut.plan.batch(1, 2), whole.plan.batch(1, 2))
    assert_close(cut.fitted[0].last, whole.fitted[0].last)


def test_a_run_folder_remembers_lengths(tmp_path):
    data, _ = tokens()
    model = ep.TextClassifier(3, 5, vocabulary=12)
    run = ep.fit(model, data, epochs=1, batch_size=8, order=ep.Buckets(2))
    again = ep.load(run.save(tmp_path / "run"))
    assert again.plan == run.plan
    np.testing.assert_array_equal(again.plan.batch(0, 3), run.plan.batch(0, 3))


def test_what_cannot_work_is_refused():
    data, lengths = tokens(20)
    model = ep.TextClassifier(2, 2, vocabulary=12)
    for remainder in ("spread", "carry"):
        with pytest.raises(ep.Refusal, match=f'remainder must be keep or drop with .*; got "{remainder}"'):
            ep.Plan(20, 6, 1, order=ep.Buckets().bind(lengths), remainder=remainder)
    with pytest.raises(ep.Refusal, match=r"count must be a whole number of buckets, at least 1; got 0"):
        ep.Buckets(0)
    with pytest.raises(ep.Refusal, match=r"lengths must be between 0 and 9 \(the last edge\); got 3 to 10"):
        ep.Buckets(edges=(5, 9), lengths=(3, 10))
    with pytest.raises(ep.Refusal, match="edges must be lengths that rise, at least 1"):
        ep.Buckets(edges=(5, 5))
    with pytest.raises(ep.Refusal, match=r"needs the length of each sample"):
        ep.Plan(20, 6, 1, order="buckets")
    with pytest.raises(ep.Refusal, match="a length for each of the 21 samples; got 20"):
        ep.Plan(21, 6, 1, order=ep.Buckets().bind(lengths))
    with pytest.raises(ep.Refusal, match=r'order "buckets" needs texts, whose padding it saves'):
        ep.fit(ep.MLP(2), "example:iris", order="buckets")
    stiff = ep.model_from_functions(
        lambda key, sample: jnp.zeros((sample.size, 1)), lambda w, ids: ids / 9 @ w
    )
    with pytest.raises(ep.Refusal, match=r"needs a model that takes samples of any length.*raised TypeError"):
        prepare(stiff, data, Settings(order="buckets", batch_size=4, epochs=1))
    assert isinstance(data, Dataset) and prepare(
        model, data, Settings(order="buckets", batch_size=4, epochs=1)
    )
