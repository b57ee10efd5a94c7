"""Faults: texts that can't be classified are refused in one sentence, before anything is trained."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

import epochal as ep
from helpers import read_json, write_json

pytest.importorskip("tokenizers")

TEXTS, LABELS = ["a good film", "a bad film", "dull"] * 4, ["yes", "no", "no"] * 4


def refused(words, source, **options):
    with pytest.raises(ep.Refusal, match=words) as caught:
        ep.load_texts(source, **options)
    assert "\n" not in str(caught.value)


def table(tmp_path, *rows):
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["number,words,kind", *rows]) + "\n")
    return file


def test_columns_that_hold_no_texts(tmp_path):
    file = table(tmp_path, *(f"{number},w{number} x,{'ab'[number % 2]}" for number in range(9)))
    refused("must hold texts; all its values are numbers", file, text=1)
    refused("text must name the column with the texts; got none. Columns: number, words, kind", file)
    refused('Did you mean "words"', file, text="word")
    refused("target must be another column than the text", file, text="kind", target="kind")
    refused("sample_weight must be a column of its own", file, text="words", sample_weight="kind")
    frame = {"number": np.arange(9), "words": list("xyxyxyxyx")}
    pandas = pytest.importorskip("pandas")
    refused("must hold texts; got numbers", pandas.DataFrame(frame), text="number", target="words")


def test_empty_texts(tmp_path):
    refused("must hold texts; all 12 are empty", (["", " "] * 6, LABELS))
    file = table(tmp_path, *(f"{number},,{'ab'[number % 2]}" for number in range(9)))
    refused("must hold texts; all 9 are empty", file, text="words")
    data = ep.load_texts((["", *TEXTS[1:]], LABELS))
    assert any("1 texts are empty" in note for note in data.raw_notes) and not data.inputs[0].any()


def test_targets_and_options(tmp_path):
    refused("must have at least 2 different values; got 1", (TEXTS, ["yes"] * 12))
    refused("labels must be one for each of the 12 texts; got 2", (TEXTS, ["a", "b"]))
    refused("at least 2 texts to train on; got 1", (["a"], ["b"]))
    refused('unknown tokenizer "word"; did you mean "words"', (TEXTS, LABELS), tokenizer="word")
    refused("vocabulary must be a whole number of tokens between 3 and", (TEXTS, LABELS), vocabulary=2)
    refused("max_length must be a whole number of tokens between 1 and", (TEXTS, LABELS), max_length=0)
    refused("texts must be a path, a data frame, or a pair", 3)


def test_a_model_that_reads_no_tokens_is_refused():
    data = ep.load_texts((TEXTS, LABELS))
    with pytest.raises(ep.Refusal, match="standardize must be False for tokens"):
        ep.fit(ep.TextClassifier(4, 4), data, standardize=True)
    with pytest.raises(ep.Refusal, match=r"validation: new texts must be a path, .*; got dict"):
        ep.fit(ep.TextClassifier(4, 4), data, epochs=1, batch_size=2, validation={"words": TEXTS})


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch):
    found = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "tokenizers":
            raise ImportError(name)
        return found(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(__import__("sys").modules, "tokenizers")
    with pytest.raises(ep.Refusal, match=r'needs tokenizers: pip install "epochal\[text\]"'):
        ep.load_texts((TEXTS, LABELS))


def test_a_tokenizer_that_was_tampered_with_is_refused(tmp_path):
    data = ep.load_texts((TEXTS, LABELS))
    run = ep.fit(ep.TextClassifier(2, 2), data, epochs=1, batch_size=4, metrics=())
    folder = run.save(tmp_path / "run")
    document = read_json(folder / "run.json")
    document["encoder"]["tokenizer"] = {"nothing": 1}
    write_json(folder / "run.json", document)
    with pytest.raises(ep.Refusal, match="the tokenizer of the run is damaged"):
        ep.load(folder).predict(["a"])
    document["encoder"]["length"] = 10**9
    write_json(folder / "run.json", document)
    with pytest.raises(ep.Refusal, match="is damaged"):
        ep.load(folder)
