"""Faults: orders that cannot work are refused in one sentence; an audit counts what the batches hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import epochal as ep
from epochal.data import load
from epochal.errors import Refusal
from epochal.plan import Balanced, Blocks, Groups, Plan, Replacement, Stratified, Weighted

LABELS = [0] * 6 + [1] * 4

REFUSED = [
    (lambda: Plan(10, 2, 1, order="stratified"), 'order "stratified" needs the class of each sample'),
    (lambda: Plan(10, 2, 1, order="blocks"), r"ep\.Blocks\(12\)"),
    (lambda: Plan(10, 2, 1, order=Blocks(11)), r"between 1 and 10 \(the training samples\); got 11"),
    (lambda: Blocks(0), "whole number, at least 1; got 0"),
    (lambda: Blocks(2.5), "whole number, at least 1; got 2.5"),
    (lambda: Plan(10, 1, 1, order=Stratified(LABELS)), r"at least 2 \(the classes\).*got 1"),
    (lambda: Plan(10, 5, 1, order=Stratified(LABELS), remainder="carry"), 'got "carry"'),
    (lambda: Plan(10, 5, 1, order=Balanced(LABELS), remainder="carry"), 'got "carry"'),
    (lambda: Plan(10, 5, 1, order="contiguous", remainder="carry"), 'got "carry"'),
    (lambda: Plan(9, 5, 1, order=Stratified(LABELS)), "a label for each of the 9 samples; got 10"),
    (lambda: Stratified([0.5, 1.0]), "labels must be classes; got numbers such as 0.5"),
    (lambda: Stratified(["a", None]), "1 of 2 are missing, the first is number 2"),
    (lambda: Plan(10, 5, 1, order=Balanced(LABELS, length=15)), "multiple of 2.*got 15. Use 16"),
    (lambda: Balanced(LABELS, length=0), "at least 1; got 0"),
    (lambda: Plan(3, 1, 1, order=Groups([7, 7, 7])), "at least 2 groups; got 1"),
    (lambda: Groups([1.0, np.nan]), "1 of 2 are missing"),
    (lambda: Plan(2, 1, 1, order=Weighted([0.0, 0.0])), "must not all be 0"),
    (lambda: Weighted([1.0, -1.0]), "at least 0 and finite; got -1 for sample 1"),
    (lambda: Weighted([np.inf]), "at least 0 and finite; got inf"),
    (lambda: Weighted(["a"]), "weights must be numbers"),
    (lambda: Plan(2**32 + 1, 1, 1, order=Replacement()), r"at most 2\^32"),
    (lambda: Plan(10, 21, 1, order=Replacement(20)), r"between 1 and 20 \(the uses per epoch\); got 21"),
    (lambda: Plan(10, 2, 3).audit(epochs=4), "between 1 and 3"),
    (lambda: Plan(10, 2, 3).audit(labels=[1, 2]), "one for each of the 10 samples; got 2"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_cannot_work_is_refused_in_one_sentence(call, words):
    with pytest.raises(Refusal, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


X = np.arange(24, dtype=np.float32).reshape(12, 2)
Y = np.arange(12) % 2


@pytest.mark.parametrize(
    ("order", "data", "options", "words"),
    [
        ("stratified", (X, X[:, 0]), {}, "this is a regression task"),
        ("balanced", (X, X[:, 0]), {}, "this is a regression task"),
        ("weighted", (X, Y), {}, "needs sample weights"),
        ("weighted", (X, Y, np.ones(12)), {"class_weight": "balanced"}, "class_weight must be left out"),
        (Weighted(np.ones(12)), (X, Y, np.arange(12)), {}, "the data has sample weights besides"),
        ("groups", (X, Y), {}, "name their column with groups"),
        # Classes that the split does not hold in proportion: an epoch would be longer in some repeats.
        (
            Balanced([0] * 8 + [1] * 4),
            (X, X[:, 0]),
            {"repeats": 9, "validation": 0.5},
            r"must have as many uses .* in all repeats, .* got \d+ in repeat 1 and \d+ in repeat \d",
        ),
        (Stratified(Y[:9]), (X, Y), {}, "each of the 12 samples of the data, held-out ones too; got 9"),
        (Blocks(12), (X, Y), {"validation": 0.5}, "the training samples"),
    ],
)
def test_a_training_is_refused_before_it_begins(order, data, options, words):
    with pytest.raises(Refusal, match=words):
        ep.train(ep.MLP(2), data, order=order, **{"batch_size": 4} | options)


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (["a"] * 12, "at least 2 groups apart; got 1"),
        (["a", None] + ["b"] * 10, "may miss no value; got 1 missing, the first in row 2"),
    ],
)
def test_a_column_that_tells_no_groups_apart_is_refused(who, words):
    table = pa.table({"x": np.arange(12.0), "who": who, "y": ["u", "v"] * 6})
    with pytest.raises(Refusal, match=words):
        load(table, groups="who")


def test_a_column_of_groups_is_no_input_and_a_split_keeps_them_whole():
    table = pa.table({"x": np.sin(np.arange(12.0)), "who": list("aaabbbcccddd"), "y": ["u", "v"] * 6})
    dataset = load(table, groups="who")
    assert dataset.features == ("x",)
    started = next(iter(ep.train(ep.MLP(2), dataset, order="groups", batch_size=3, validation=0.25)))
    chosen = started.prepared.splits[0]
    assert not set(dataset.groups[chosen.train]) & set(dataset.groups[chosen.validation])
    plan = started.prepared.plan
    assert all(len(set(plan.order.values[plan.batch(0, k)])) == 1 for k in range(3))


# The audit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remainder", ["keep", "drop", "spread", "carry"])
def test_an_audit_counts_what_the_batches_hold(remainder):
    labels = np.array(["a"] * 15 + ["b"] * 8)
    plan = Plan(23, 5, 4, seed=3, remainder=remainder)
    found = plan.audit(labels)
    batches = [plan.batch_of_update(update) for update in range(plan.updates)]
    turns = np.bincount(np.concatenate(batches), minlength=23)
    assert found.updates == len(batches) and found.epochs == 4
    assert dict(found.uses) == {k: int((turns == k).sum()) for k in set(turns.tolist())}
    assert dict(found.sizes) == {n: sum(len(b) == n for b in batches) for n in {len(b) for b in batches}}
    for one in found.classes:
        held = [(labels[b] == one.name).sum() for b in batches if len(b) == one.size]
        assert (one.min, one.max) == (min(held), max(held))
        assert one.mean == pytest.approx(np.mean(held))
    for epoch, left in enumerate(found.left_out):
        here = {int(s) for k in range(plan.batches_in(epoch)) for s in plan.batch(epoch, k)}
        assert left == 23 - len(here)
    assert max(map(len, str(found).splitlines())) <= 80


def test_an_audit_knows_the_classes_of_the_order():
    found = Plan(10, 5, 50, order=Stratified(LABELS)).audit()
    assert found.epochs == 10 and found.min_uses == found.max_uses == 10
    assert [(one.min, one.max) for one in found.classes] == [(3, 3), (2, 2)]
    assert "left out          none" in str(found)


def test_an_audit_counts_one_of_a_thing_as_one():
    assert str(Plan(9, 8, 1, remainder="drop", order="sequential").audit()).splitlines() == [
        "1 epoch, 1 update: 1 batch of 8",
        "  uses per sample  0 to 1 (1 × 0, 8 × 1)",
        "  left out          1 sample in each epoch, 1 in all of them",
    ]
    many = Plan(40, {0: 40, 1: 20, 2: 10, 3: 8, 4: 5, 5: 4}, 6).audit()
    assert str(many).splitlines()[0].endswith("4 batches of 10, 5 batches of 8, and 2 more sizes")
