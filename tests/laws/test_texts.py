"""Laws: texts are read by what the training texts of a repeat have, and padding is seen by nobody.

No word that only held-out texts have is known to a repeat; ids are those that a dictionary gives; a run read
from its folder says the same.
"""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import epochal as ep
from epochal.data.texts.tokens import encode_texts, learn_tokenizer, padded, read_tokenizer
from epochal.settings import Settings
from epochal.training.prepare import prepare

WORDS = ("good", "bad", "film", "plot", "dull", "fine")


@pytest.fixture(scope="module", autouse=True)
def _needs_tokenizers():
    pytest.importorskip("tokenizers")


def reviews(count=60, seed=0):
    """Texts of 1 to 8 words, each with a word of its own, and labels."""
    random = np.random.default_rng(seed)
    texts = [
        " ".join([*random.choice(WORDS, random.integers(0, 8)), f"only{number}"]) for number in range(count)
    ]
    return texts, ["yes" if random.random() < 0.5 else "no" for _ in texts]


def test_ids_are_those_of_a_dictionary_by_frequency():
    texts, labels = reviews()
    data = ep.load_texts((texts, labels), max_length=5)
    known = json.loads(data.encoder.tokenizer)["model"]["vocab"]
    assert known["[PAD]"] == 0 and known["[UNK]"] == 1
    counts = [sum(text.split().count(word) for text in texts) for word in sorted(known, key=known.get)[2:]]
    assert counts == sorted(counts, reverse=True)
    for text, row in zip(texts, data.inputs, strict=True):
        ids = [known[word] for word in text.split()][:5]
        assert row.tolist() == ids + [0] * (5 - len(ids))
    assert data.inputs.dtype == np.int32 and data.task.classes == ("no", "yes")
    cut = sum(len(text.split()) > 5 for text in texts)
    assert any(f"{cut} are cut to 5" in note for note in data.raw_notes), data.raw_notes


def test_a_repeat_knows_the_words_of_its_training_texts_and_no_other():
    texts, labels = reviews()
    data = ep.load_texts((texts, labels))
    settings = Settings(repeats=3, validation=0.3, test=0.1, batch_size=8, epochs=1)
    prepared = prepare(ep.TextClassifier(4, 4), data, settings)
    words = json.loads(data.encoder.tokenizer)["model"]["vocab"]
    for repeat in range(3):
        train = prepared.splits[repeat].train
        wanted = {word for row in train for word in texts[row].split()}
        known = prepared.scalings[repeat].known
        assert {word for word, number in words.items() if known[number]} == wanted | {"[PAD]", "[UNK]"}
        np.testing.assert_array_equal(prepared.part(repeat, "train").inputs, data.inputs[train])
        held = prepared.splits[repeat].validation
        seen = prepared.part(repeat, "validation").inputs
        for row, ids in zip(held, seen, strict=True):
            expected = [words[word] if word in wanted else 1 for word in texts[row].split()]
            assert ids[: len(expected)].tolist() == expected[: len(ids)]
    assert len({tuple(one.known) for one in prepared.scalings}) == 3, "each repeat has a split of its own"


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_tokenizers_are_kept_as_json_and_learn_the_same_again(kind):
    texts = [*reviews(200)[0], "Ünïcode 日本語 [PAD] [UNK]"]
    learned = learn_tokenizer(kind, texts, 60, lowercase=True)
    assert learned.get_vocab_size() <= 60
    assert learn_tokenizer(kind, texts, 60, lowercase=True).to_str() == learned.to_str()
    ids, lengths = encode_texts(learned, texts)
    assert lengths.sum() == len(ids) and ids.max() < learned.get_vocab_size()
    assert ids.min() > 0, "a text is never read as padding, not even one that says [PAD]"
    again = encode_texts(read_tokenizer(json.loads(learned.to_str())), texts)
    np.testing.assert_array_equal(again[0], ids)
    capitals = encode_texts(learned, [text.upper() for text in texts[:50]])[0]
    np.testing.assert_array_equal(capitals, ids[: len(capitals)])


def test_padding_is_a_loop():
    random = np.random.default_rng(0)
    lengths = random.integers(0, 6, 20)
    ids = random.integers(2, 9, lengths.sum()).astype(np.int32)
    rows, at = [], 0
    for length in lengths:
        own = ids[at : at + length].tolist()[:4]
        rows.append(own + [0] * (4 - len(own)))
        at += length
    assert padded(ids, lengths, 4).tolist() == rows


def test_a_table_of_texts_trains_and_predicts_from_its_folder(tmp_path):
    texts, labels = reviews()
    labels = ["yes" if "good" in text else "no" for text in texts]
    table = tmp_path / "reviews.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "review", "liked"), *zip(range(60), texts, labels, strict=True)])
    data = ep.load_texts(table, text="review", target="liked")
    options = {"epochs": 30, "batch_size": 12, "learning_rate": 0.02, "repeats": 2, "metrics": ()}
    run = ep.fit(ep.TextClassifier(4, 4), data, **options)
    assert run.metrics["validation"]["accuracy"].mean > 0.8
    again = ep.load(run.save(tmp_path / "run"))
    new = ["good film", "a bad PLOT, [PAD] never seen", ""]
    wanted = run.predict(new).values
    np.testing.assert_array_equal(again.predict(new).values, wanted)
    np.testing.assert_array_equal(again.predict(np.array(new, object)).values, wanted)
    np.testing.assert_array_equal(again.predict(table).values, run.predict(texts).values)
    assert again.predict((texts, labels)).accuracy == run.predict(table).accuracy
    assert [fitted.scaling.known.sum() for fitted in again.fitted] == [
        f.scaling.known.sum() for f in run.fitted
    ]
