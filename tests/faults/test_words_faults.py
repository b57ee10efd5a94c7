"""Faults: texts and files that make no word vectors are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import epochal as ep
from epochal.applications.word_vectors.corpus import read_corpus

TEXT = ["one two three four", "two three four five"] * 10


def refused(words, corpus, **options):
    with pytest.raises(ep.Refusal, match=words) as caught:
        ep.word_vectors(corpus, **options)
    assert "\n" not in str(caught.value)


def test_texts_without_two_words():
    refused("at least 2 different words; got none", [])
    refused("at least 2 different words; got none", ["", "... !"])
    refused('at least 2 different words; got only "one"', ["one one One"], min_count=1)
    refused("min_count must be at most 20, .*; got 21, which leaves none", TEXT, min_count=21)
    refused("must make at least 2 pairs", [["a"], ["b"]] * 9)
    refused("corpus must be a path or sentences; got int", 3)
    refused("a sentence must be a string or a sequence of words; got int as sentence 2", ["a b", 3])
    refused("a word must be a string without spaces; got 'a b' in sentence 1", [["a b", "c"]])
    refused("a word must be a string without spaces; got 3 in sentence 1", [["a", 3]])


def test_files_that_are_no_text(tmp_path):
    refused("there is no file", tmp_path / "no.txt")
    (tmp_path / "part.parquet").write_bytes(b"")
    refused("is a folder; give a text in UTF-8", tmp_path)
    with pytest.raises(ep.Refusal, match="is a folder; give a file of word vectors"):
        ep.WordVectors.load(tmp_path)
    file = tmp_path / "latin.txt"
    file.write_bytes("a good line\nna\u00efve words\n".encode("latin-1"))
    refused("latin.txt must be text in UTF-8; line 2 is not", file)
    file.write_bytes(b"\xef\xbb\xbfone two\none two\n")
    assert read_corpus(file, min_count=1).words == ("one", "two")


def test_options_out_of_their_bounds():
    for name in ("dimensions", "window", "negatives", "min_count"):
        refused(f"{name} must be a whole number between 1 and .*; got 0", TEXT, **{name: 0})
        refused(f"{name} must be a whole number .*; got 2.5", TEXT, **{name: 2.5})
    refused("subsample must be a fraction .*; got 2", TEXT, subsample=2)
    refused("seed must be a whole number", TEXT, seed=-1)
    refused("batch_size must be between 1 and", TEXT, batch_size=100_000, subsample=0)
    refused('did you mean "adagrad"', TEXT, optimizer="adagrd", batch_size=2, subsample=0)


def test_words_that_are_not_there():
    vectors = ep.WordVectors(("king", "queen", "aunt"), np.eye(3, dtype=np.float32))
    for call in (lambda: vectors.nearest("kings"), lambda: vectors.analogy("aunt", "kings", "queen")):
        with pytest.raises(ep.Refusal, match=r'"kings" is not one of the 3 words .* Did you mean "king"'):
            call()
    with pytest.raises(ep.Refusal, match="k must be a whole number, at least 1; got 0"):
        vectors.nearest("king", 0)
    assert len(vectors.nearest("king", 99)) == 2 and vectors.analogy("king", "queen", "aunt") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("no vectors here\n", "line 1"),
        ("2 3\na 1 2 3\n", "must hold 2 words as its first line says; it has 1"),
        ("1 3\na 1 2\n", "line 2: a word and 3 numbers are due, it has 3 fields"),
        ("1 2\na 1 x\n", "line 2: could not convert"),
    ],
)
def test_files_that_are_no_vectors(tmp_path, content, words):
    file = tmp_path / "v.txt"
    file.write_text(content)
    with pytest.raises(ep.Refusal, match=words):
        ep.WordVectors.load(file)


def test_tensors_that_are_no_vectors(tmp_path):
    file = tmp_path / "v.safetensors"
    file.write_bytes(b"nothing of this kind")
    with pytest.raises(ep.Refusal, match="holds no word vectors"):
        ep.WordVectors.load(file)
