"""Golden: the bits of the orders beside the shuffle. They change only under new names."""

from __future__ import annotations

import numpy as np
import pytest

from epochal.plan import Balanced, Blocks, Groups, Plan, Replacement, Stratified, Weighted

LABELS = [0] * 11 + [1] * 6 + [2] * 3
ORDERS = {
    "stratified": Stratified(LABELS),
    "balanced": Balanced(LABELS),
    "weighted": Weighted(np.arange(20)),
    "replacement": Replacement(),
    "blocks": Blocks(3),
    "groups": Groups([k * k % 7 for k in range(20)]),
}
FIRST = {
    "stratified": [13, 16, 17, 4, 6, 0, 15, 8],
    "balanced": [14, 12, 5, 2, 18, 16, 19, 17],
    "weighted": [18, 8, 4, 11, 16, 13, 14, 9],
    "replacement": [13, 3, 15, 10, 7, 0, 7, 17],
    "blocks": [0, 1, 2, 6, 7, 8, 15, 16],
    "groups": [0, 7, 14, 2, 5, 9, 12, 16],
}
LAST = {
    "stratified": [7, 14, 17, 2],
    "balanced": [18],
    "weighted": [11, 15, 8, 18],
    "replacement": [16, 18, 19, 3],
    "blocks": [5, 0, 1, 2],
    "groups": [9, 12, 16, 19],
}


@pytest.mark.parametrize("name", ORDERS)
def test_first_and_last_updates(name):
    plan = Plan(20, 8, 3, seed=42, order=ORDERS[name])
    assert plan.batch_of_update(0).tolist() == FIRST[name]
    assert plan.batch_of_update(plan.updates - 1).tolist() == LAST[name]


def test_large_coordinates():
    plan = Plan(20, 8, 2**32 - 1, seed=2**64 - 1, order=ORDERS["balanced"])
    assert plan.batch(2**32 - 2, 1).tolist() == [7, 14, 18, 19, 19, 9, 10, 11]
    plan = Plan(2**32, 3, 2**32 - 1, seed=2**64 - 1, order="replacement")
    assert plan.batch(2**32 - 2, 10**9).tolist() == [1135541318, 811889758, 1461095133]
    plan = Plan(10**15, 3, 10, seed=1, order=Blocks(1000))
    assert plan.batch(3, 10**14).tolist() == [385451466618000, 385451466618001, 385451466618002]
