"""Laws 1 and 2, Order and Once: what several hosts compute of a batch is the batch, disjoint and complete."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from epochal.errors import Refusal
from epochal.plan import REMAINDERS, Plan

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "thousand_hosts.py"))


@st.composite
def plans(draw):
    samples = draw(st.integers(1, 60))
    return Plan(
        samples,
        draw(st.integers(1, samples)),
        draw(st.integers(1, 4)),
        seed=draw(st.integers(0, 99)),
        order=draw(st.sampled_from(["shuffle", "sequential"])),
        remainder=draw(st.sampled_from(list(REMAINDERS))),
        updates_per_epoch=draw(st.none() | st.integers(1, 9)),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(plans(), st.integers(1, 70))
def test_the_shards_of_a_batch_one_after_the_other_are_the_batch(plan, count):
    for epoch in range(plan.epochs):
        for index in range(plan.batches_in(epoch)):
            shards = [plan.shard(epoch, index, number, count) for number in range(count)]
            batch = plan.batch(epoch, index)
            assert np.concatenate(shards).tolist() == batch.tolist()
            sizes = [len(shard) for shard in shards]
            assert max(sizes) == -(-len(batch) // count)
            assert sizes == sorted(sizes, reverse=True)


def test_a_shard_of_a_huge_batch_costs_what_the_shard_has():
    plan = Plan(2**62, 2**32, 1)
    shard = plan.shard(0, 2**29, 999_999, 2**30)
    assert (
        shard.tolist() == plan.order.samples(0, 0, plan.samples, 2**61 + 4 * 999_999 + np.arange(4)).tolist()
    )


@pytest.mark.parametrize(
    ("number", "count", "sentence"),
    [
        (4, 4, "shard must be between 0 and 3; got 4"),
        (-1, 4, "shard must be between 0 and 3; got -1"),
        (0, 0, "shards must be between 1 and"),
    ],
)
def test_a_shard_that_is_none_of_them_is_refused(number, count, sentence):
    with pytest.raises(Refusal, match=sentence):
        Plan(10, 5, 1).shard(0, 0, number, count)


def test_the_paper_exercise_finds_every_shard(capsys):
    assert EXAMPLE["main"](["--samples", "1000003", "--hosts", "16", "--batch-size", "4097"]) == 0
    assert capsys.readouterr().out.count("disjoint, complete") == 3


def test_the_paper_exercise_notices_a_wrong_shard(capsys, monkeypatch):
    shard = Plan.shard
    monkeypatch.setattr(
        Plan, "shard", lambda self, *where: shard(self, *where[:2], where[2] // 2 * 2, where[3])
    )
    assert EXAMPLE["main"](["--samples", "10007", "--hosts", "4", "--batch-size", "64"]) == 1
    assert "NOT DISJOINT, NOT COMPLETE" in capsys.readouterr().out
