"""Oracles: pairs, noise and updates of word vectors are those of a plain loop over the text.

The loops are written from the papers' definitions. Also: what is planted in a text is found, and a file is
read as the format's definition says.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest

import epochal as ep
from epochal.applications.word_vectors.corpus import draws, make_pairs, read_corpus, thinned, within_reach
from epochal.applications.word_vectors.learn import Learning
from epochal.applications.word_vectors.skipgram import SkipGram, alias_table, pair_loss
from epochal.engine.update import FLAT_LIMIT
from helpers import assert_close, batches

ROOT = Path(__file__).parents[2]


def text(sentences: int = 60, words: int = 12, seed: int = 3) -> list[list[str]]:
    """Sentences of 1 to 9 words, frequent and rare ones."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, words + 1)
    return [
        [f"w{word}" for word in random.choice(words, random.integers(1, 10), p=shares / shares.sum())]
        for _ in range(sentences)
    ]


def test_a_corpus_counts_its_words_and_leaves_rare_ones_out():
    sentences = text()
    found = read_corpus(sentences, min_count=10)
    counts = Counter(word for sentence in sentences for word in sentence)
    wanted = {word: count for word, count in counts.items() if count >= 10}
    assert dict(zip(found.words, found.counts.tolist(), strict=True)) == wanted
    assert list(found.counts) == sorted(wanted.values(), reverse=True)
    kept = [[word for word in sentence if word in wanted] for sentence in sentences]
    assert [found.words[token] for token in found.tokens] == [word for line in kept for word in line]
    assert found.sentences.tolist() == [at for at, line in enumerate(kept) for _ in line]


def test_pairs_are_those_of_a_loop_over_the_text():
    random = np.random.default_rng(1)
    for window in (1, 2, 5, 40):
        tokens = random.integers(0, 9, 50).astype(np.int32)
        sentences = np.sort(random.integers(0, 8, 50)).astype(np.int32)
        reach = random.integers(1, window + 1, 50)
        wanted = [
            (tokens[i], tokens[j])
            for i in range(50)
            for j in range(50)
            if i != j and abs(i - j) <= reach[i] and sentences[i] == sentences[j]
        ]
        found = within_reach(tokens, sentences, reach, window)
        assert sorted(map(tuple, found.tolist())) == sorted(wanted)
        assert found[:, 0].tolist() == [center for center, _ in wanted], "in the order of the text"


def test_frequent_words_are_thinned_out_by_their_share_and_reaches_are_even():
    corpus = read_corpus([["often"] * 30_000 + ["seldom"] * 300], min_count=1)
    chance, length = draws(5, len(corpus.tokens))
    share = thinned(corpus.counts, 0.01)
    f = 30_000 / 30_300
    assert share[0] == pytest.approx(np.sqrt(0.01 / f) + 0.01 / f) and share[1] == 1
    kept = (chance < share[corpus.tokens] * 2.0**32)[:30_000].mean()
    assert abs(kept - share[0]) < 5 * np.sqrt(share[0] * (1 - share[0]) / 30_000)
    counts = np.bincount((length.astype(np.uint64) * np.uint64(5) >> np.uint64(32)).astype(int))
    assert len(counts) == 5 and abs(counts / 30_300 - 0.2).max() < 5 * np.sqrt(0.16 / 30_300)
    assert len(make_pairs(corpus, 5, 0.01, 5)) < len(make_pairs(corpus, 5, 0, 5)) / 4


def test_noise_words_come_from_the_counts_to_the_power_three_quarters():
    counts = np.array([1000, 300, 50, 7, 1])
    wanted = counts**0.75 / (counts**0.75).sum()
    prob, alias = alias_table(counts**0.75)
    exact = np.bincount(np.arange(5), prob) + np.bincount(alias, 1 - prob, minlength=5)
    np.testing.assert_allclose(exact / 5, wanted, atol=1e-7)
    model = SkipGram(5, 2, 4)
    state = model.initial_variables(0, counts).state
    drawn = np.asarray(jax.jit(model.noise, static_argnums=2)(state, jax.random.key(1), 50_000)).ravel()
    shares = np.bincount(drawn, minlength=5) / drawn.size
    assert (abs(shares - wanted) < 5 * np.sqrt(wanted / drawn.size)).all()


def test_noise_that_is_the_context_does_not_count():
    model = SkipGram(2, 3, 2)
    variables = model.initial_variables(0, np.array([1000, 1]))
    pairs = np.array([[1, 0]] * 20, np.int32)
    outputs = jax.jit(lambda key: model.apply(variables, pairs, key, True)[0])(jax.random.key(0))
    noise = np.asarray(jax.jit(lambda key: model.noise(variables.state, key, 20))(jax.random.key(0)))
    wanted = np.log(2) * (1 + (noise != 0).sum(axis=1))
    np.testing.assert_allclose(pair_loss(outputs, np.zeros(20)), wanted, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_updates_are_those_of_a_loop_over_pairs(optimizer):
    """Equation 4's gradient, pair by pair, in float64; noise words are asked from the model itself."""
    learning = Learning.of(
        text(),
        dimensions=4,
        window=2,
        negatives=3,
        min_count=1,
        subsample=0.05,
        lowercase=True,
        seed=7,
    )
    rate = 20.0 if optimizer == "sgd" else 0.1
    options = learning.options(
        optimizer=optimizer, learning_rate=rate, epochs=2, batch_size=100, order="shuffle", remainder="drop"
    )
    run = ep.fit(learning.model, learning.dataset, **options)
    start = options["initial"]
    vectors, contexts = (np.array(start.params[name], np.float64) for name in ("words", "contexts"))
    sums = [np.zeros_like(vectors), np.zeros_like(contexts)]
    plan = run.plan.with_(seed=run.order_seeds[0])
    key = noise_key(7)
    noise_of = jax.jit(lambda now: learning.model.noise(start.state, now, plan.batch_size))
    for update, samples in enumerate(batches(plan)):
        epoch, index = plan.locate(update)
        noise = np.asarray(noise_of(jax.random.fold_in(jax.random.fold_in(key, epoch), index)))
        slope = [np.zeros_like(vectors), np.zeros_like(contexts)]
        for (word, context), others in zip(learning.dataset.inputs[samples], noise, strict=True):
            for other, label in [(context, 1), *((one, 0) for one in others if one != context)]:
                error = (1 / (1 + np.exp(-vectors[word] @ contexts[other])) - label) / len(samples)
                slope[0][word] += error * contexts[other]
                slope[1][other] += error * vectors[word]
        for table, total, gradient in zip((vectors, contexts), sums, slope, strict=True):
            total += gradient**2
            size = gradient if optimizer == "sgd" else gradient / np.sqrt(np.where(total > 0, total, 1))
            table -= rate * size
    assert np.abs(vectors - np.asarray(start.params["words"])).max() > 0.05, "they have moved"
    assert_close(run.fitted[0].last.params, {"contexts": contexts, "words": vectors}, 2e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_moving_the_rows_of_a_batch_is_moving_all(optimizer):
    """A table of 1,500 words, of which a batch reads few, some of them often; against the whole gradient."""
    learning = Learning.of(
        text(400, 1500, seed=1),
        dimensions=16,
        window=2,
        negatives=3,
        min_count=1,
        subsample=0,
        lowercase=True,
        seed=7,
    )
    rate = 20.0 if optimizer == "sgd" else 0.1
    pace = {"epochs": 1, "batch_size": 200, "order": "shuffle", "remainder": "drop"}
    options = learning.options(optimizer=optimizer, learning_rate=rate, **pace)
    rows = ep.fit(learning.model, learning.dataset, **options)
    start = jax.tree.leaves(options["initial"].params)
    assert sum(leaf.size for leaf in start) > FLAT_LIMIT, "too large to be kept in one vector"
    model = learning.model
    whole = ep.fit(Whole(model.vocab_size, model.dimensions, model.negatives), learning.dataset, **options)
    last = rows.fitted[0].last.params
    assert_close(last, whole.fitted[0].last.params)
    untouched = (np.asarray(last["words"]) == np.asarray(start[1])).all(axis=1)
    assert 0 < untouched.sum() < len(untouched)
    np.testing.assert_allclose(
        rows.curves.columns["train.running_loss"], whole.curves.columns["train.running_loss"], rtol=1e-5
    )


@dataclasses.dataclass(frozen=True)
class Whole(SkipGram):
    """The same model, which does not say what rows it reads."""

    rows = None

    def apply(self, variables, inputs, key, training):
        plain = SkipGram(self.vocab_size, self.dimensions, self.negatives)
        return plain.apply(variables, inputs, key, training)


def noise_key(seed: int) -> jax.Array:
    """The key of a repeat's noise, from its definition: Threefry of the seed at the counter (0, 2)."""
    from epochal.plan.threefry import threefry2x32, uint32_words

    high, low = uint32_words(seed)[:1], uint32_words(seed)[1:]
    drawn = threefry2x32((high, low), (np.zeros(1, np.uint32), np.full(1, 2, np.uint32)))
    return jax.random.wrap_key_data(np.concatenate(drawn), impl="threefry2x32")


def planted():
    """The example, as a module."""
    spec = importlib.util.spec_from_file_location("word_analogies", ROOT / "examples" / "word_analogies.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_analogies_are_found():
    """The control: vectors drawn at random find none, but by chance (1 in 158 words)."""
    example = planted()
    example.SENTENCES = 2000
    vectors = example.learn(0)
    assert example.score(vectors) >= 0.9
    near = [word for word, _ in vectors.nearest("rome", 5)]
    assert sum(word.startswith("land0-") for word in near) >= 3, near
    size = vectors.vectors.shape
    drawn = np.random.default_rng(0).normal(size=size).astype(np.float32)
    assert example.score(ep.WordVectors(vectors.words, drawn)) < 0.2


def test_a_file_is_what_the_format_of_word2vec_says(tmp_path):
    """Read with plain string functions: a count, a size, then a word and its numbers a line."""
    random = np.random.default_rng(0)
    words = ("the", "naïve", "日本", "l'été")
    vectors = (random.normal(size=(4, 3)) * 10.0 ** random.integers(-9, 9, (4, 3))).astype(np.float32)
    ours = ep.WordVectors(words, vectors)
    lines = ours.save(tmp_path / "v.txt").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "4 3" and lines[5:] == [""]
    for word, vector, line in zip(words, vectors, lines[1:5], strict=True):
        fields = line.split(" ")
        assert fields[0] == word and [np.float32(field) for field in fields[1:]] == list(vector)
    for name in ("v.txt", "v.safetensors"):
        again = ep.WordVectors.load(ours.save(tmp_path / name))
        assert again.words == words
        np.testing.assert_array_equal(again.vectors, vectors)
