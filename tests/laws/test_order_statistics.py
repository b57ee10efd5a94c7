"""Law 1, Order: a shuffled epoch is a good shuffle, and known bad ones are told from it.

Each statistic is a function of a way to permute, `many(seeds, epochs, n) -> (rows, n)`, and gives named
p-values. The order that ships must pass all of them at a family-wise error of 1 % (Bonferroni over every
p-value here); each deliberately broken one must fail those named for it, far beyond chance. Seeds and
epochs are small consecutive numbers, as people choose them, so all of this is deterministic.
"""

import functools
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from epochal.plan.permutation import Keys, derive_keys, feistel, form_of, table

pytestmark = pytest.mark.slow

Many = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
PValues = dict[str, float]

FAMILY_ERROR = 0.01
CERTAIN = 1e-12


# Ways to permute: the one that ships, and broken ones -------------------------------------------------------


def _affine(keys: Keys, form, left, right):
    """Feistel rounds whose function is a multiple of the other half plus a key, as in Levanter's."""
    for even, odd in zip(keys.even[: form.rounds // 2], keys.odd[: form.rounds // 2], strict=True):
        left = left ^ ((right * (even | np.uint32(1)) + (even >> np.uint32(7))) & form.left_mask)
        right = right ^ ((left * (odd | np.uint32(1)) + (odd >> np.uint32(7))) & form.right_mask)
    return left, right


def _variant(seed, epoch, n, *, rounds=None, affine=False, parity=True, added=False):
    """`table` written again with one thing broken; with nothing broken it is `table` (tested below)."""
    form = form_of(n)
    if rounds:
        form = form._replace(rounds=rounds)
    zero = epoch ^ epoch
    key = (jnp.stack([zero, seed + epoch]), (zero[None], zero[None]))
    keys = derive_keys(*(key if added else (jnp.stack([zero, seed]), (zero[None], epoch[None]))), form)
    domain = jnp.arange(1 << (form.left + form.right), dtype=jnp.uint32)
    halves = domain >> np.uint32(form.right), domain & form.right_mask
    left, right = _affine(keys, form, *halves) if affine else feistel(keys, form, *halves, jax.lax.while_loop)
    images = (left << np.uint32(form.right)) | right
    walk = lambda images: jnp.where(images < n, images, jnp.take(images, images, mode="clip"))  # noqa: E731
    images = jax.lax.while_loop(lambda images: (images[:n] >= n).any(), walk, images)[:n]
    swap = keys.even[form.rounds // 2] & np.uint32(parity)
    return jnp.where(images < 2, images ^ swap, images).astype(jnp.int32)


def _shipped(seed, epoch, n):
    return table(jnp.stack([seed ^ seed, seed]), epoch, n, jnp, jax.lax.while_loop)


def _many(one) -> Many:
    """Rows of permutations from one compiled, mapped program for each n."""

    @functools.cache
    def compiled(n: int):
        return jax.jit(jax.vmap(lambda seed, epoch: one(seed, epoch, n)))

    def many(seeds: np.ndarray, epochs: np.ndarray, n: int) -> np.ndarray:
        seeds, epochs = np.broadcast_arrays(np.uint32(seeds), np.uint32(epochs))
        chunk = max(1, 2**18 // n)
        padding = -len(seeds) % chunk
        rows = [np.pad(values, (0, padding)).reshape(-1, chunk) for values in (seeds, epochs)]
        return np.concatenate([np.asarray(compiled(n)(*row)) for row in zip(*rows, strict=True)])[
            : len(seeds)
        ]

    return many


SHIPPED = _many(_shipped)
BROKEN = {
    "four rounds": _many(functools.partial(_variant, rounds=4)),
    "affine rounds": _many(functools.partial(_variant, affine=True)),
    "no parity": _many(functools.partial(_variant, parity=False)),
    "seed + epoch": _many(functools.partial(_variant, added=True)),
}


def _grid(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(seed, epoch) pairs of small numbers: half of them walk the seeds, half the epochs."""
    count = np.arange(rows)
    return np.where(count % 2, 1, count // 2 + 2), np.where(count % 2, count // 2, 0)


# The statistics ---------------------------------------------------------------------------------------------


def _two_sided(z: float) -> float:
    return 2 * float(stats.norm.sf(abs(z)))


def _chi2_two_sided(statistic: float, df: int) -> float:
    return min(1.0, 2 * float(min(stats.chi2.sf(statistic, df), stats.chi2.cdf(statistic, df))))


def _ranks(rows: np.ndarray) -> np.ndarray:
    """The number of each permutation among all n! (Lehmer code)."""
    n = rows.shape[1]
    code = [(rows[:, i : i + 1] > rows[:, i + 1 :]).sum(axis=1) * math.factorial(n - 1 - i) for i in range(n)]
    return np.sum(code, axis=0)


def all_permutations(many: Many, sizes=(2, 3, 4, 5, 6, 7, 8)) -> PValues:
    """Chi-square over all n! permutations, five draws or more for each."""
    found = {}
    for n in sizes:
        rows = max(20_000, 5 * math.factorial(n))
        counts = np.bincount(_ranks(many(*_grid(rows), n)), minlength=math.factorial(n))
        statistic = float(((counts - rows / len(counts)) ** 2).sum() / (rows / len(counts)))
        found[f"n={n}"] = float(stats.chi2.sf(statistic, len(counts) - 1))
    return found


def marginals(many: Many, sizes=(9, 16, 17, 33, 100, 257, 1000)) -> PValues:
    """P(position i holds sample j) = 1/n for all i, j.

    The covariance of permutation matrices is that of (n-1)^2 free cells times n/(n-1).
    """
    found = {}
    for n in sizes:
        rows = max(1000, 5 * n)
        drawn = many(*_grid(rows), n)
        counts = np.bincount((np.arange(n) * n + drawn).ravel(), minlength=n * n)
        statistic = float(((counts - rows / n) ** 2).sum() * (n - 1) / rows)
        found[f"n={n}"] = _chi2_two_sided(statistic, (n - 1) ** 2)
    return found


def adjacent_pairs(many: Many, sizes=(9, 16, 17, 33, 100, 257, 1000)) -> PValues:
    """Which sample follows which: all ordered pairs up to n = 33, above it their difference modulo n.

    One position a permutation, each in turn, so that the draws are independent.
    """
    found = {}
    for n in sizes:
        rows = 10 * n * (n - 1) if n <= 33 else 20 * n
        drawn, at = many(*_grid(rows), n), np.arange(rows) % (n - 1)
        first, second = drawn[np.arange(rows), at], drawn[np.arange(rows), at + 1]
        if n <= 33:
            counts = np.bincount(first * n + second, minlength=n * n).reshape(n, n)[~np.eye(n, dtype=bool)]
        else:
            counts = np.bincount((second - first) % n, minlength=n)[1:]
        expected = rows / len(counts)
        statistic = float(((counts - expected) ** 2).sum() / expected)
        found[f"n={n}"] = _chi2_two_sided(statistic, len(counts) - 1)
    return found


def _inversions(rows: np.ndarray) -> np.ndarray:
    n = rows.shape[1]
    return sum(
        ((rows[:, i : i + 1] > rows[:, i + 1 :]).sum(axis=1) for i in range(n - 1)), np.zeros(len(rows))
    )


def sign(many: Many, sizes=(2, 3, 8, 16, 17, 64, 100, 256)) -> PValues:
    """Half of all permutations are even."""
    found = {}
    for n in sizes:
        inversions = _inversions(many(*_grid(1000), n))
        found[f"n={n}"] = float(stats.binomtest(int((inversions % 2).sum()), 1000).pvalue)
    return found


def inversions(many: Many, sizes=(9, 16, 17, 33, 64, 100, 200)) -> PValues:
    """Mean n(n-1)/4 and variance n(n-1)(2n+5)/72 of the number of inversions."""
    found = {}
    for n in sizes:
        rows = 2000
        variance = n * (n - 1) * (2 * n + 5) / 72
        z = (_inversions(many(*_grid(rows), n)) - n * (n - 1) / 4) / math.sqrt(variance)
        found[f"n={n} mean"] = _two_sided(float(z.sum()) / math.sqrt(rows))
        found[f"n={n} variance"] = _two_sided((float((z**2).sum()) - rows) / math.sqrt(2 * rows))
    return found


def batches(
    many: Many, sizes=((1000, 32), (4096, 64), (65_536, 256), (65_537, 256), (2**20, 256))
) -> PValues:
    """How many samples of a batch have a low bit set, or lie in the upper half: hypergeometric.

    Pearson's statistic over the batches of an epoch, times (n-1)/n for drawing without replacement, is
    chi-square; both tails count, for a batch that is always balanced is as wrong as one that never is.
    """
    found = {}
    for n, size in sizes:
        rows = 2 if n == 2**20 else 8
        drawn = many(*_grid(rows), n)
        edges = np.arange(0, n, size)
        lengths = np.diff([*edges, n])
        traits = {f"bit {bit}": drawn >> bit & 1 for bit in range(5)} | {"upper half": drawn >= n // 2}
        for name, trait in traits.items():
            share = trait[0].mean()
            counts = np.add.reduceat(trait, edges, axis=1, dtype=np.int64)
            pearson = ((counts - lengths * share) ** 2 / lengths).sum() / (share * (1 - share)) * (n - 1) / n
            found[f"n={n} {name}"] = _chi2_two_sided(float(pearson), rows * (len(edges) - 1))
    return found


def matches(many: Many, sizes=(10, 200, 1000, 65_537)) -> PValues:
    """Positions at which two epochs hold the same sample, over seeds and epochs: Poisson with mean 1.

    Pairs are pairwise independent and the fourth central moment is 4, so mean and variance have known errors.
    """
    found = {}
    seeds, epochs = np.array(list(itertools.product(range(6), range(6)))).T
    for n in sizes:
        drawn = many(seeds, epochs, n)
        pairs = itertools.combinations(range(len(drawn)), 2)
        counts = np.array([np.count_nonzero(drawn[i] == drawn[j]) for i, j in pairs])
        found[f"n={n} mean"] = _two_sided((counts.mean() - 1) * math.sqrt(len(counts)))
        found[f"n={n} variance"] = _two_sided((((counts - 1) ** 2).mean() - 1) * math.sqrt(len(counts) / 3))
    return found


STATISTICS = (all_permutations, marginals, adjacent_pairs, sign, inversions, batches, matches)


# The tests --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> dict[str, PValues]:
    return {statistic.__name__: statistic(SHIPPED) for statistic in STATISTICS}


@pytest.mark.parametrize("name", [statistic.__name__ for statistic in STATISTICS])
def test_the_shuffle_passes(shipped, name):
    tests = sum(map(len, shipped.values()))
    failed = {at: p for at, p in shipped[name].items() if p < FAMILY_ERROR / tests}
    assert not failed, f"of {tests} p-values"


def test_the_p_values_themselves_are_uniform(shipped):
    """A statistic with a wrong null law would crowd its p-values at one end without failing any."""
    values = [p for found in shipped.values() for p in found.values()]
    assert stats.kstest(values, "uniform").pvalue > 0.001


def _name(value: object) -> str:
    return getattr(value, "__name__", str(value))


FAILS = [
    ("four rounds", all_permutations, ((4, 5, 8),)),
    ("affine rounds", all_permutations, ((5, 8),)),
    ("affine rounds", marginals, ((16, 100),)),
    ("affine rounds", batches, (((65_536, 256),),)),
    ("no parity", sign, ((16, 64, 256),)),
    ("seed + epoch", matches, ((10, 1000),)),
]


@pytest.mark.parametrize(("broken", "statistic", "arguments"), FAILS, ids=_name)
def test_the_broken_ones_fail(broken, statistic, arguments):
    assert min(statistic(BROKEN[broken], *arguments).values()) < CERTAIN


@pytest.mark.parametrize("n", [5, 16, 200])
def test_nothing_broken_is_the_shuffle(n):
    """The negative controls differ from what ships by their break alone."""
    np.testing.assert_array_equal(_many(_variant)(*_grid(50), n), SHIPPED(*_grid(50), n))


def test_a_perfect_shuffle_passes_and_the_identity_fails():
    """The statistics themselves, checked on NumPy's shuffle and on no shuffle at all."""
    rng = np.random.default_rng(20261123)
    perfect: Many = lambda seeds, epochs, n: rng.permuted(np.tile(np.arange(n), (len(seeds), 1)), axis=1)  # noqa: E731
    identity: Many = lambda seeds, epochs, n: np.tile(np.arange(n), (len(seeds), 1))  # noqa: E731
    small = [
        (all_permutations, ((4, 5),)),
        (marginals, ((9, 33),)),
        (adjacent_pairs, ((9, 100),)),
        (sign, ((8, 17),)),
        (inversions, ((9, 33),)),
        (batches, (((1000, 32), (4096, 64)),)),
        (matches, ((10, 200),)),
    ]
    p_values = [p for statistic, arguments in small for p in statistic(perfect, *arguments).values()]
    assert min(p_values) > FAMILY_ERROR / len(p_values)
    for statistic, arguments in small:
        assert min(statistic(identity, *arguments).values()) < CERTAIN, statistic.__name__
