"""Golden: the bits of the order. They change only with a new `ALGORITHM`, and then beside the old ones."""

import hashlib

import numpy as np
import pytest

from epochal.plan import ALGORITHM, Plan
from epochal.plan.permutation import permute, table
from epochal.plan.threefry import uint32_words

FIRST = {
    (0, 0, 1): [0],
    (0, 0, 2): [0, 1],
    (0, 0, 10): [4, 8, 7, 0, 9, 2, 3, 5],
    (1, 0, 10): [3, 9, 6, 7, 4, 2, 1, 5],
    (0, 1, 10): [6, 1, 0, 4, 9, 5, 3, 8],
    (7, 3, 200): [170, 98, 48, 5, 187, 150, 100, 6],
    (18446744073709551615, 4294967295, 614): [557, 19, 390, 380, 565, 128, 26, 442],
    (0, 0, 65536): [62992, 65519, 61829, 40584, 5546, 33152, 59015, 46845],
    (0, 0, 65537): [56476, 23426, 35630, 43413, 52358, 5939, 42037, 35648],
    (5, 9, 1000000): [924374, 155481, 679637, 896203, 771600, 185051, 55190, 231448],
    (1, 2, 4294967296): [
        2897064595,
        4132401423,
        3263997336,
        3147596111,
        1873777294,
        4058787400,
        1676780944,
        4129928350,
    ],
    (1, 2, 4294967297): [
        7961652,
        932836402,
        87532522,
        810456877,
        3672459033,
        365537387,
        1833160917,
        4047981799,
    ],
    (3, 1, 1000000000000): [
        407236545193,
        736385976724,
        259132666163,
        189429632392,
        432500976287,
        461154981734,
        28208118973,
        305898811465,
    ],
    (9223372036854775808, 8589934592, 4611686018427387904): [
        1709169279463793601,
        3993360083036855672,
        232730547930275351,
        186199145609509855,
        2264882004015636274,
        2254241547544799722,
        3912035137676618227,
        1249017082671959074,
    ],
}

WHOLE = {
    (0, 0, 200): "e6388015ebfc3882",
    (1, 5, 1000): "64a5d509f819f1c1",
    (0, 0, 65536): "0688c80836e4aded",
    (0, 0, 65537): "b407787b6d6288c3",
    (12, 34, 100000): "7508793068766cbf",
}

PLANS = {
    ("shuffle", "keep"): [19, 8, 3],
    ("shuffle", "drop"): [20, 2, 21, 16, 5],
    ("shuffle", "spread"): [5, 19, 8, 3],
    ("shuffle", "carry"): [5, 19, 8, 3, 4],
    ("shuffle_once", "keep"): [7, 11, 10],
    ("shuffle_once", "drop"): [12, 9, 21, 1, 0],
    ("shuffle_once", "spread"): [15, 7, 11, 10],
    ("shuffle_once", "carry"): [15, 7, 11, 10, 4],
    ("sequential", "keep"): [20, 21, 22],
    ("sequential", "drop"): [9, 10, 11, 12, 13],
    ("sequential", "spread"): [19, 20, 21, 22],
    ("sequential", "carry"): [19, 20, 21, 22, 0],
}


def fingerprint(samples: np.ndarray) -> str:
    return hashlib.sha256(np.asarray(samples, dtype="<i8").tobytes()).hexdigest()[:16]


def test_the_algorithm_has_its_name():
    assert ALGORITHM == "epochal-feistel-1"


@pytest.mark.parametrize(("seed", "epoch", "n"), FIRST)
def test_first_and_last_samples(seed, epoch, n):
    count = min(n, 4)
    positions = np.unique([*range(count), *range(n - count, n)])
    assert permute(seed, epoch, n, positions).tolist() == FIRST[seed, epoch, n]


@pytest.mark.parametrize(("seed", "epoch", "n"), WHOLE)
def test_whole_epochs(seed, epoch, n):
    assert fingerprint(table(uint32_words(seed), epoch, n)) == WHOLE[seed, epoch, n]
    assert fingerprint(permute(seed, epoch, n, np.arange(n))) == WHOLE[seed, epoch, n]


@pytest.mark.parametrize(("order", "remainder"), PLANS)
def test_last_update_of_a_plan(order, remainder):
    plan = Plan(23, 5, 3, seed=42, order=order, remainder=remainder)
    assert plan.batch_of_update(plan.updates - 1).tolist() == PLANS[order, remainder]
