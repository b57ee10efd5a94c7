"""Law 1, Order: members of a family are good shuffles, each for itself and beside one another.

Fixed seeds, so deterministic; a family-wise error of 1 % over all p-values here (Bonferroni).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from epochal.plan.keyed_permutations import FEW_ROUNDS, ROUNDS, Permutations, round_keys
from epochal.plan.threefry import Purpose, uint32_words

ERROR = 0.01 / 12


def drawn(n: int, rows: int, rounds: int = ROUNDS) -> np.ndarray:
    """Rows of images of [0, n): half over epochs of one member, half over members of one epoch."""
    keys = round_keys(uint32_words(1), Purpose.STRATIFIED, 1000)
    count = np.arange(rows)[:, None]
    number, epoch = np.where(count % 2, 7, count), np.where(count % 2, count, 3)
    values = np.tile(np.arange(n), (rows, 1))
    family = Permutations.of(keys, np.repeat(number, n), np.repeat(epoch, n), np.full(rows * n, n), rounds)
    return family.permute(values.reshape(-1)).reshape(rows, n)


def p_of_all_permutations(n: int, rounds: int = ROUNDS) -> float:
    """Chi-square over all n! permutations."""
    found = drawn(n, 40 * math.factorial(n), rounds)
    code = sum(
        (found[:, i : i + 1] > found[:, i + 1 :]).sum(axis=1) * math.factorial(n - 1 - i) for i in range(n)
    )
    return float(stats.chisquare(np.bincount(code, minlength=math.factorial(n))).pvalue)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_all_permutations_are_equally_likely(n):
    assert p_of_all_permutations(n) > ERROR


def test_four_rounds_would_be_noticed():
    assert p_of_all_permutations(5, rounds=4) < 1e-9


@pytest.mark.parametrize("n", [16, 33])
def test_places_are_equally_likely(n):
    for rounds in (ROUNDS, FEW_ROUNDS):
        found = drawn(n, 2000, rounds)
        counts = np.bincount((np.arange(n) * n + found).reshape(-1), minlength=n * n)
        statistic = ((counts - 2000 / n) ** 2).sum() * (n - 1) / 2000
        tail = stats.chi2.sf(statistic, (n - 1) ** 2)
        assert tail > ERROR


def test_members_and_epochs_match_by_chance_alone():
    """Positions at which two rows agree: Poisson with mean 1, for a sum of pairwise independent pairs."""
    found = drawn(100, 60)
    pairs = list(itertools.combinations(range(60), 2))
    matches = np.array([(found[i] == found[j]).sum() for i, j in pairs])
    z = (matches.mean() - 1) * math.sqrt(len(pairs))
    assert 2 * stats.norm.sf(abs(z)) > ERROR
