"""Oracle: intervals of held-out figures hold a known truth as often as they say, and no longer when a part of
the correction is taken out."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from epochal.curves import summarize
from epochal.curves.intervals import influences, new_samples, optimism, variance
from epochal.data import Task
from epochal.models import METRICS, metrics_for, of_subsets
from epochal.runs.metrics import blocks_of, measured, summaries

ROWS, REPEATS, EPOCHS, TABLES = 200, 20, 12, 1000


def means(values):
    """The means of subsets."""
    return lambda kept: kept @ values / kept.sum(axis=1)


def noise_table(random):
    """Repeats that guess, each validated on 40 of the same 200 rows: (values, influences, halves, rows held).

    What they guess for a row hangs on the row, on the repeat and, more and more, on the epoch; the epoch is
    chosen where most guesses on the validation rows are right.
    """
    of_row = random.normal(size=(ROWS, 1))
    values, added, halves, held = [], [], [], []
    for _ in range(REPEATS):
        rows = random.permutation(ROWS)[:40]
        walk = np.cumsum(random.normal(size=(40, EPOCHS)), axis=1) / 2
        right = of_row[rows] + random.normal(size=(40, 1)) + walk > 0
        hits = right.mean(axis=0)
        epoch = hits.argmax()
        own = right[:, epoch].astype(float)
        values.append(own.mean())
        added.append(influences(means(own), rows % 30, 30))
        first, second = right[:20].mean(axis=0), right[20:].mean(axis=0)
        chosen = first.argmax(), second.argmax()
        halves.append([[first[one], second[one]] for one in chosen])
        held.append(rows)
    return np.array(values), np.stack(added), np.array(halves), len(np.unique(np.concatenate(held)))


@pytest.fixture(scope="module")
def coverage():
    """How often the intervals hold one half: with all corrections, and without one or all of them."""
    random = np.random.default_rng(0)
    held = dict.fromkeys(("all", "no optimism", "samples of each repeat alone", "Student"), 0)
    for _ in range(TABLES):
        values, added, halves, samples = noise_table(random)
        gained = optimism(halves)
        options = {"samples": samples, "blocks": 30, "bounds": (0.0, 1.0)}
        apart = np.stack(
            [np.concatenate([row * (n == k) for k in range(REPEATS)]) for n, row in enumerate(added)]
        )
        found = {
            "all": new_samples(values, added, optimism=gained, **options),
            "no optimism": new_samples(values, added, **options),
            "samples of each repeat alone": new_samples(
                values, apart, optimism=gained, **options | {"blocks": apart.shape[1]}
            ),
            "Student": summarize(values),
        }
        for name, one in found.items():
            held[name] += one.ci95[0] <= 0.5 <= one.ci95[1]
    return {name: count / TABLES for name, count in held.items()}


def test_the_interval_of_noise_holds_one_half(coverage):
    assert 0.93 <= coverage["all"] <= 0.97, coverage  # 95 %: 2.9 standard errors of 1,000 tables


@pytest.mark.parametrize("without", ["no optimism", "samples of each repeat alone", "Student"])
def test_without_a_part_of_the_correction_it_does_so_less_often(coverage, without):
    assert coverage[without] < 0.91, coverage  # 5.8 standard errors of 1,000 tables below 95 %


@pytest.mark.parametrize(("repeats", "apart"), [(2, 0.0), (5, 0.0), (5, 0.05), (10, 0.05)])
def test_samples_that_repeats_share_and_repeats_that_differ_are_both_counted(repeats, apart):
    """Test rows shared by all repeats: how hard a row is, how good a repeat is, and the rest by chance."""
    random, held = np.random.default_rng(1), {"all": 0, "repeats alone": 0}
    for _ in range(1000):
        hard, good = random.normal(size=(1, 60)), 3 * apart * random.normal(size=(repeats, 1))
        losses = 1 + hard + good + 0.5 * random.normal(size=(repeats, 60))
        added = np.stack([influences(means(one), np.arange(60) % 30, 30) for one in losses])
        low, high = new_samples(losses.mean(axis=1), added, samples=60, blocks=30).ci95
        held["all"] += low <= 1 <= high
        low, high = summarize(losses.mean(axis=1)).ci95
        held["repeats alone"] += low <= 1 <= high
    assert 920 <= held["all"] <= 970, held  # standard error 7: 4.3 below 95 %, 2.9 above
    assert held["repeats alone"] < (880 if repeats == 2 else 800), held  # 10 and more below


def test_the_influences_of_a_mean_are_its_deviations_and_of_large_blocks_nearly_those_left_out():
    random = np.random.default_rng(2)
    values, block = random.normal(size=300), np.arange(300) % 7
    exact = [(values[block == one] - values.mean()).sum() / 300 for one in range(7)]
    assert influences(means(values), block, 7) == pytest.approx(exact, abs=1e-12)
    assert influences(means(values[:20]), block[:20], 7)[6] != 0
    few = influences(
        lambda kept: np.array([values[one].std() for one in kept]), np.arange(300) % 6, 6
    )  # blocks of 50, alone
    left = [(1 - 1 / 6) * (values.std() - values[np.arange(300) % 6 != one].std()) for one in range(6)]
    assert few == pytest.approx(left, abs=0.01)


def test_the_variance_of_a_mean_of_independent_samples_is_the_textbook_one():
    random = np.random.default_rng(3)
    values = random.normal(size=(4, 900))
    added = np.stack([influences(means(one), np.arange(900) % 30, 30) for one in values])
    apart = np.stack([np.concatenate([row * (n == k) for k in range(4)]) for n, row in enumerate(added)])
    found, _ = variance(values.mean(axis=1), apart)
    assert found == pytest.approx(1 / 3600, rel=0.6)


def r2_tables(random, tables, rows=24, repeats=3):
    """R² of errors half as large as the target, on few rows: values and influences; the truth is one half."""
    for _ in range(tables):
        true = random.normal(size=(repeats, rows, 1))
        ours = true - np.sqrt(0.5) * random.normal(size=true.shape)
        found = []
        for n in range(repeats):
            figures = functools.partial(of_subsets, METRICS["r2"], ours[n], true[n], 0)
            found.append(influences(figures, np.arange(rows) + rows * n, repeats * rows))
        values = [float(METRICS["r2"].function(ours[n], true[n], 0, np)) for n in range(repeats)]
        yield np.array(values), np.stack(found)


def test_a_ratio_of_means_on_few_rows_is_biased_and_its_interval_is_not():
    random, centers, held = np.random.default_rng(4), [], dict.fromkeys(("all", "biased"), 0)
    for values, added in r2_tables(random, 1000):
        options = {"samples": 72, "blocks": 72, "bounds": (-np.inf, 1.0)}
        centers.append((values.mean(), values.mean() + added.sum(axis=1).mean()))
        unbiased = added - added.mean(axis=1, keepdims=True)  # sums to 0: nothing is taken off
        found = {
            "all": new_samples(values, added, **options),
            "biased": new_samples(values, unbiased, **options),
        }
        for name, one in found.items():
            held[name] += one.ci95[0] <= 0.5 <= one.ci95[1]
    plain, corrected = np.mean(centers, axis=0) - 0.5
    assert plain < -0.05 and abs(corrected) < 0.03, (plain, corrected)
    # The jackknife's variance is rather too large (Efron & Stein 1981, The jackknife estimate of variance).
    assert held["all"] >= 950, held
    assert held["biased"] < held["all"] - 8, held  # of the same tables, about 16 fewer


def test_what_a_choice_gained_adds_to_the_variance_and_samples_that_repeats_swap_widen_it():
    values, added = np.array([0.7, 0.8, 0.75]), np.tile([[0.01, -0.01] * 10], (3, 1))

    def ends(**options):
        return np.array(new_samples(values, added, samples=40, blocks=30, **options).ci95)

    plain, sure, unsure = ends(), ends(optimism=0.05), ends(optimism=np.array([0.0, 0.05, 0.1]))
    assert sure == pytest.approx(plain - 0.05)
    assert np.diff(unsure) > np.diff(sure) and unsure.mean() == pytest.approx(sure.mean())
    assert np.diff(ends(test_train_ratio=0.25)) == pytest.approx(np.sqrt(1.25) * np.diff(plain))
    assert ends(optimism=np.full(3, np.nan)) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("values", "bounds"), [([1.0, 1.0, 1.0], (0, 1)), ([0.0, 0.0], (0, 1)), ([-0.9, -1.0], (-1, 1))]
)
def test_a_share_of_all_or_none_is_not_certain(values, bounds):
    low, high = new_samples(values, np.zeros((len(values), 30)), samples=20, blocks=20, bounds=bounds).ci95
    assert bounds[0] <= low < high <= bounds[1]
    assert high - low > 0.1 * (bounds[1] - bounds[0]), "20 samples can't tell a share to a tenth"


def test_copies_groups_and_neighbors_in_time_are_in_one_block():
    clusters = np.array([5, 9, 5, 7, 9, 9])
    block = blocks_of(clusters)
    assert block[0] == block[2] and block[1] == block[4] == block[5]
    assert (np.diff(blocks_of(np.arange(500), ordered=True)) >= 0).all()


@pytest.mark.parametrize("samples", [20, 100, 1000])
def test_a_share_of_all_or_none_has_wilsons_interval(samples):
    """No sample moves the figure, and yet there are as many blocks of samples as there are."""
    added, wilson = np.zeros((5, 30)), stats.binomtest(samples, samples).proportion_ci(method="wilson")
    low, high = new_samples(
        np.ones(5), added, samples=samples, blocks=min(samples, 30), bounds=(0.0, 1.0)
    ).ci95
    assert high == 1.0 and low == pytest.approx(wilson.low, abs=0.02)
    low, high = new_samples(
        np.zeros(5), added, samples=samples, blocks=min(samples, 30), bounds=(0.0, 1.0)
    ).ci95
    assert low == 0.0 and high == pytest.approx(1 - wilson.low, abs=0.02)


def test_one_sample_has_no_interval():
    """However well the repeats agree on it."""
    found = new_samples(np.array([0.49, 0.5, 0.51]), np.zeros((3, 30)), samples=1, blocks=1)
    assert found.ci95 is None and found.sd == pytest.approx(0.01)


def test_the_interval_reaches_the_mean():
    values, added = np.array([0.9, 0.95, 1.0]), np.zeros((3, 30))
    found = new_samples(
        values, added, samples=400, blocks=30, optimism=np.array([0.1, 0.1, 0.1]), bounds=(0.0, 1.0)
    )
    assert found.ci95[0] < 0.85 and found.ci95[1] == found.mean


def test_which_samples_share_a_block_hardly_matters():
    """Two and three repeats, each on 40 of 200 rows: no width is 2.5 times another one."""
    random = np.random.default_rng(6)
    for repeats in (2, 3, 5):
        rows = [random.permutation(200)[:40] for _ in range(repeats)]
        hits = [(random.random(40) < 0.85).astype(float) for _ in range(repeats)]
        values, samples = np.array([one.mean() for one in hits]), len(set(np.concatenate(rows)))
        widths = []
        for _ in range(60):
            block = random.permutation(np.arange(200) % 30)
            each = [influences(means(one), block[row]) for one, row in zip(hits, rows, strict=True)]
            low, high = new_samples(values, np.stack(each), samples=samples, blocks=30, bounds=(0, 1)).ci95
            widths.append(high - low)
        assert max(widths) < 2.5 * min(widths), (repeats, min(widths), max(widths))


@pytest.mark.parametrize("blocks", [2, 3, 6])
def test_few_groups_are_few_however_many_samples_they_have(blocks):
    """Groups of 20 samples that share a level: as many degrees of freedom as there are groups, less one."""
    random, held, control = np.random.default_rng(7), 0, 0
    for _ in range(1000):
        losses = np.repeat(random.normal(size=blocks), 20) + 0.1 * random.normal(size=(3, 20 * blocks))
        block = np.repeat(random.permutation(30)[:blocks], 20)
        added = np.stack([influences(means(one), block, 30) for one in losses])
        low, high = new_samples(losses.mean(axis=1), added, samples=blocks, blocks=blocks).ci95
        held += low <= 0 <= high
        low, high = new_samples(losses.mean(axis=1), added, samples=20 * blocks, blocks=30).ci95
        control += low <= 0 <= high
    # Standard error 7: 2.9 around 95 %, and the control, largest for 6 groups, 7 below it.
    assert 930 <= held <= 970 and control < 900, (held, control)


def test_one_group_has_no_interval():
    losses = np.random.default_rng(8).normal(size=(3, 40))
    added = np.stack([influences(means(one), np.full(40, 4), 30) for one in losses])
    assert new_samples(losses.mean(axis=1), added, samples=1, blocks=1).ci95 is None


# Rare classes ---------------------------------------------------------------------------------------------

RARE = Task("binary", ("no", "yes"))


def rare_metrics(random, held, positives, shift, cut, repeats=3):
    """Summaries on few positives of networks whose scores differ by `shift`, and the same by all rows.

    A positive is found at a score above `cut`; the hard part of a row is the same for all repeats.
    """
    targets = (np.arange(held) < positives).astype(np.int64)
    rows, found = random.normal(size=held), []
    block, clusters = blocks_of(np.arange(held)), np.arange(held)
    for _ in range(repeats):
        scores = (0.95 * rows + 0.3 * random.normal(size=held) + shift * targets - cut)[:, None]
        found.append(measured(metrics_for("binary"), scores, targets, RARE, block, clusters=clusters))
    of_all = [replace(one, pairs=()) for one in found]
    return (summaries(one, held, 30, "log_loss", 2) for one in (found, of_all))


def truths(shift, cut, share):
    """The figures of all samples of that kind."""
    recall, alarms = stats.norm.sf(cut - shift), stats.norm.sf(cut)
    precision = share * recall / (share * recall + (1 - share) * alarms)
    area = stats.norm.cdf(shift / np.sqrt(2))
    return {
        "recall": recall,
        "precision": precision,
        "f1": 2 * precision * recall / (precision + recall),
        "roc_auc": area,
    }


@pytest.fixture(scope="module", params=[(1.0, 2.2), (2.5, 2.6)], ids=["hardly found", "found"])
def of_rare(request):
    """How often the intervals of 300 tables of 100 rows with 1 to 12 positives miss the truth."""
    shift, cut = request.param
    random, wanted = np.random.default_rng(0), truths(shift, cut, 0.05)
    missed = {name: np.zeros(4, int) for name in wanted}
    for _ in range(300):
        positives = min(max(int(random.binomial(100, 0.05)), 1), 12)
        for place, found in enumerate(rare_metrics(random, 100, positives, shift, cut)):
            for name, truth in wanted.items():
                if found[name].ci95 is not None:
                    low, high = found[name].ci95
                    missed[name][[2 * place, 2 * place + 1]] += 1, not low <= truth <= high
    return missed


@pytest.mark.parametrize("name", ["recall", "precision", "f1", "roc_auc"])
def test_intervals_of_rare_classes_hold_the_truth_and_those_by_all_rows_do_not(of_rare, name):
    known, missed, _, by_all = of_rare[name]
    assert missed <= 0.08 * known, (known, missed)
    assert by_all > max(25, 2 * missed), by_all


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("rounding", [0.0, 1e-17])
def test_what_is_perfect_on_few_samples_has_the_interval_of_wilson(bounds, rounding):
    values, added = np.ones(3) - 10 * rounding, np.full((3, 20), rounding)
    low, high = new_samples(values, added, samples=20, blocks=20, bounds=bounds).ci95
    square = stats.t.ppf(0.975, 19) ** 2 / 20
    assert low == pytest.approx(bounds[0] + (bounds[1] - bounds[0]) / (1 + square)) and high == 1.0
