"""Law: all pairs of unequal items of a group, each as two opposite samples; whole groups; scores rank."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import kendalltau

import epochal as ep
from epochal.data.rankings.ranking import Pairing, pairs_of
from epochal.data.split import split_groups
from epochal.errors import Refusal
from epochal.runs.trace import seen

RACES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([1.0, 2.0, 3.0, float("nan")])), min_size=1, max_size=25
)


def brute_force(groups, ranks):
    """Pairs (ahead, behind) by looking at all of them."""
    return {
        (i, j)
        for i, j in itertools.permutations(range(len(groups)), 2)
        if groups[i] == groups[j] and ranks[i] < ranks[j]
    }


@given(RACES, st.booleans())
def test_the_pairs_are_all_of_unequal_items_of_a_group(items, lowest):
    groups, ranks = np.array([group for group, _ in items]), np.array([rank for _, rank in items])
    wanted = brute_force(groups, ranks)
    pairing = Pairing(best="lowest" if lowest else "highest")
    if not wanted:
        with pytest.raises(Refusal, match="two items of different rank"):
            pairs_of(ranks, groups, pairing)
        return
    found = pairs_of(ranks, groups, pairing)
    pairs = list(zip(found.ahead.tolist(), found.behind.tolist(), strict=True))
    assert set(pairs) == (wanted if lowest else {(j, i) for i, j in wanted})
    assert len(pairs) == len(wanted), "each once"
    assert (found.group == groups[found.ahead]).all()
    totals = np.bincount(found.group, weights=found.weights)
    assert totals[totals > 0] == pytest.approx(1), "each group weighs the same"


@given(RACES, st.integers(1, 4), st.integers(0, 2**64 - 1))
def test_pairs_that_are_drawn_are_some_of_them_each_once_and_the_same_again(items, most, seed):
    groups, ranks = np.array([group for group, _ in items]), np.array([rank for _, rank in items])
    wanted = brute_force(groups, ranks)
    if not wanted:
        return
    found = pairs_of(ranks, groups, Pairing(max_pairs=most, seed=seed))
    pairs = list(zip(found.ahead.tolist(), found.behind.tolist(), strict=True))
    assert set(pairs) <= wanted
    assert len(set(pairs)) == len(pairs)
    counts = {group: sum(groups[i] == group for i, _ in wanted) for group in set(groups.tolist())}
    kept = {group: sum(groups[i] == group for i, _ in pairs) for group in counts}
    assert kept == {group: min(count, most) for group, count in counts.items()}
    again = pairs_of(ranks, groups, Pairing(max_pairs=most, seed=seed))
    assert (again.ahead == found.ahead).all()


def test_every_pair_of_a_large_group_is_drawn_equally_often():
    ranks, groups = np.arange(5.0), np.zeros(5, int)
    drawn = [pairs_of(ranks, groups, Pairing(max_pairs=3, seed=seed)) for seed in range(400)]
    counts = np.zeros((5, 5))
    for found in drawn:
        counts[found.ahead, found.behind] += 1
    counts = counts[np.triu_indices(5, 1)]
    # 120 each is expected with a standard deviation of 9.2.
    assert np.abs(counts - 120).max() < 4.5 * 9.2


def test_what_makes_no_pair_is_counted_and_said():
    ranks = np.array([1, 1, 2, np.nan, 1, 7.0, 7.0])
    groups = np.array([0, 0, 0, 0, 1, 2, -1])
    assert pairs_of(ranks, groups, Pairing(max_pairs=1)).notes == (
        "2 items have no rank or no group: left out.",
        "2 groups of one item make no pair.",
        "1 pair of equal rank is left out.",
        "1 of 2 pairs are drawn, at most 1 of one group.",
    )


@given(st.lists(st.integers(0, 9), min_size=12, max_size=40).filter(lambda ids: len(set(ids)) > 5))
def test_a_split_keeps_groups_whole(ids):
    groups = np.array(ids)
    parts = split_groups(groups, validation=0.2, test=1, seed=3)
    owners = [set(groups[part].tolist()) for part in (parts.train, parts.validation, parts.test)]
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]
    assert sorted(np.concatenate([parts.train, parts.validation, parts.test])) == list(range(len(groups)))
    assert len(owners[1]) == round(0.2 * len(set(ids)))
    assert len(owners[2]) == 1


def races(count, seed):
    """Races of 2 to 7 horses: inputs, ranks, groups and true scores; the finish is noisy (Plackett-Luce)."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), random.integers(2, 8, count))
    inputs = random.normal(size=(len(groups), 3)).astype(np.float32)
    worth = 2 * inputs[:, 0] - inputs[:, 1]
    finish = worth + random.gumbel(size=len(groups))
    ranks = np.array([1 + (finish[groups == g] > own).sum() for g, own in zip(groups, finish, strict=True)])
    return inputs, ranks, groups, worth


@pytest.fixture(scope="module")
def ranker():
    inputs, ranks, groups, _ = races(150, 0)
    pairs = ep.load_rank_pairs((inputs, ranks), by=groups)
    run = ep.fit(ep.Pairwise(ep.MLP()), pairs, epochs=30, learning_rate=0.02, repeats=2, validation=0.2)
    return run, pairs


def test_new_items_are_ranked_as_their_true_scores_are(ranker, tmp_path):
    run, _ = ranker
    inputs, _, groups, worth = races(60, 1)
    found = run.rank(inputs, by=groups)
    taus = [kendalltau(found.scores[groups == g], worth[groups == g]).statistic for g in range(60)]
    assert np.mean(taus) > 0.9
    for group in range(60):
        of_group = found.scores[groups == group]
        assert of_group.mean() == pytest.approx(0, abs=1e-9)
        assert (found.places[groups == group] == 1 + (of_group[None] > of_group[:, None]).sum(axis=1)).all()
    kept = ep.load(run.save(tmp_path / "run"))
    assert (kept.rank(inputs, by=groups).scores == found.scores).all()
    assert "Ranking(" in repr(found)


def test_the_score_is_what_pairs_are_predicted_by(ranker):
    run, pairs = ranker
    prediction, ranking = run.predict(pairs.inputs[:40]), run.rank(pairs.inputs[:40].reshape(80, 3))
    for repeat in range(2):
        difference = ranking.per_repeat[repeat].reshape(40, 2) @ [1.0, -1.0]
        assert prediction.per_repeat[repeat][:, 1] == pytest.approx(1 / (1 + np.exp(-difference)), abs=1e-5)
    opposite = prediction.per_repeat[0][:, 1].reshape(20, 2)
    assert opposite.sum(axis=1) == pytest.approx(1, abs=1e-6), "opposite samples have opposite logits"


def test_no_item_is_on_both_sides_of_the_split(ranker):
    run, pairs = ranker
    part = run.split_codes[0]
    groups = [set(pairs.groups[part == number].tolist()) for number in (1, 2)]
    assert groups[0]
    assert groups[1]
    assert not groups[0] & groups[1]
    assert run.settings["split"] == "groups"
    assert (run.split_codes[1] == part).all(), "repeats share it"


def test_an_item_is_traced_to_all_updates_in_which_it_comes_first(ranker):
    run, pairs = ranker
    row = int(pairs.row_numbers[np.flatnonzero(run.split_codes[0] == 1)[0]])
    plan, train = run.plan_of(0), np.flatnonzero(run.split_codes[0] == 1)
    wanted = [
        (batch, slot)
        for batch in range(plan.batches_per_epoch)
        for slot, sample in enumerate(plan.batch(1, batch))
        if pairs.row_numbers[train[sample]] == row
    ]
    assert len(wanted) > 1
    assert [(turn.batch, turn.slot) for turn in seen(run, row, epoch=1).uses] == wanted


def test_a_linear_scorer_is_logistic_regression_on_differences():
    """Oracle: scikit-learn, without a penalty and an intercept, with the same weights."""
    from sklearn.linear_model import LogisticRegression

    inputs, ranks, groups, _ = races(40, 2)
    pairs = ep.load_rank_pairs((inputs, ranks), by=groups)
    differences = pairs.inputs[:, 0] - pairs.inputs[:, 1]
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8)
    oracle.fit(differences, pairs.targets, sample_weight=pairs.sample_weight)
    run = ep.fit(
        ep.Pairwise(ep.MLP()),
        pairs,
        batch_size="full",
        epochs=400,
        learning_rate=1.0,
        optimizer="momentum",
        validation=0,
        standardize=False,
        evaluate_every=400,
    )
    learned = np.asarray(jax.tree.leaves(run.fitted[0].last.params[0]["kernel"])[0]).ravel()
    assert learned == pytest.approx(oracle.coef_.ravel(), abs=2e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"best": "first"}, 'best must be "lowest" .ranks. or "highest"'),
        ({"max_pairs": 0}, "max_pairs must be a whole number of pairs of a group, at least 1; got 0"),
        ({"by": [0, 0]}, "by must have one value for each of the 3 items"),
        ({"by": [0, 1, 2]}, "two items of different rank; got none among 3 items in 3 groups"),
    ],
)
def test_what_cannot_be_ranked_is_refused(options, words):
    data = np.ones((3, 2), np.float32), [1, 2, 3]
    with pytest.raises(Refusal, match=words):
        ep.load_rank_pairs(data, **({"by": [0, 0, 0]} | options))


def test_what_is_no_pair_has_no_ranker_and_one_group_no_split(ranker, binary_run):
    with pytest.raises(Refusal, match="only a Pairwise model scores items"):
        binary_run.rank(np.ones((3, 3)))
    with pytest.raises(Refusal, match="samples that are pairs of items"):
        ep.fit(ep.Pairwise(ep.MLP()), (np.ones((60, 2), np.float32), np.arange(60) % 2))
    with pytest.raises(Refusal, match='split="groups" needs'):
        ep.fit(ep.MLP(), (np.ones((9, 2), np.float32), np.arange(9) % 2), split="groups")
    one = ep.load_rank_pairs((np.ones((5, 2), np.float32), range(5)), by=[0] * 5)
    with pytest.raises(Refusal, match="must have at least 2 groups, one for each part; got 1"):
        ep.fit(ep.Pairwise(ep.MLP()), one, validation=0.25)
