"""Golden cases of texts as people write them, such as without blanks between words: the right outcomes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import epochal as ep
from epochal.data import encoder_from_dict

TRIALS = Path(__file__).parents[1] / "trials"
pytest.importorskip("tokenizers")
RANDOM = np.random.default_rng(4)
LABELS = [int(one) for one in RANDOM.integers(0, 2, 240)]


def around(marks, alphabet, length=12, joined=""):
    """For each label, random signs of an alphabet with the mark of its class somewhere."""
    texts = []
    for label in LABELS:
        signs = list(RANDOM.choice(list(alphabet), length))
        signs.insert(int(RANDOM.integers(length)), marks[label])
        texts.append(joined.join(signs))
    return texts


def syllables(consonants, vowels):
    return [one + other for one in consonants for other in vowels]


KANA = [chr(code) for code in range(0x3042, 0x3094)]
HAN = [chr(0x4E00 + 11 * number) for number in range(300)]
THAI = syllables("กขคงจชดตถทนบปพมยรลวศสห", "าิีุูเแโ")
CASES = {
    "chinese": (around(("讨厌", "喜欢"), HAN), "each character is a token"),
    "japanese": (around(("きらい", "すき"), [*KANA, *HAN[:30]]), "each character is a token"),
    "thai": (around(("เลว", "ดีมาก"), THAI), "each character is a token"),
    "lao": (around(("ບໍ່ດີ", "ງາມ"), syllables("ກຂຄງຈສຊຍດຕຖທນ", "າິີຸູ")), "each character is a token"),
    "khmer": (around(("អាក្រក់", "ល្អ"), syllables("កខគឃងចឆជឈញដឋ", "ាិីុូ")), "each character is a token"),
    "mixed": (
        around(("不好 bad", "很好 fine"), [*HAN[:60], " the ", " movie "]),
        "each character is a token",
    ),
    "bases": (around(("GGCCGGCC", "TATAATAT"), "ACGT", 50), "cut into frequent pieces"),
    "links": ([f"https://x{k % 37}.org/{('read', 'buy')[y]}/{k * 7919:x}" for k, y in enumerate(LABELS)], ""),
    "emoji": (around(("💔", "🎉"), "🙂🚗🏠🌧", 5), ""),
    "wide": (around(("ＢＡＤ ", "ｆｉｎｅ "), ["word ", "other ", "third "], 5), ""),
}


@pytest.mark.parametrize(
    ("case", "minimum"), [("thai", 0.95), ("mixed", 0.95), ("bases", 0.8), ("emoji", 0.95)]
)
def test_what_tells_classes_is_learned_however_texts_are_written(case, minimum):
    data = ep.load_texts((CASES[case][0], LABELS))
    run = ep.fit(ep.TextClassifier(16, 16), data, epochs=30, batch_size=16, learning_rate=0.01)
    assert run.metrics["validation"]["accuracy"].mean >= minimum


@pytest.mark.parametrize("case", CASES)
def test_no_text_is_one_token_and_what_was_done_is_said(case):
    texts, said = CASES[case]
    data = ep.load_texts((texts, LABELS))
    assert (data.inputs > 0).sum(axis=1).min() >= 5
    shared = np.bincount(data.inputs.ravel())[2:]
    assert np.median(shared) >= 2 or case == "links"
    notes = [note for note in data.raw_notes if "blanks" in note or "strings" in note]
    assert [said in note for note in notes] == [True] * bool(said)
    again = encoder_from_dict(json.loads(json.dumps(data.encoder.to_dict())))
    np.testing.assert_array_equal(again.encode(texts)[0], data.inputs)


def test_the_trial_is_learned(tmp_path, monkeypatch, capsys):
    from epochal.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["train", str(TRIALS / "sentences-zh.csv"), "--text", "text", "--out", "run"]) == 0
    assert "the texts have no blanks between words" in " ".join(capsys.readouterr().out.split())
    assert ep.load("run").metrics["validation"]["accuracy"].mean >= 0.95


def test_pieces_of_texts_without_blanks_are_no_sentences():
    texts = CASES["chinese"][0]
    data = ep.load_texts((texts, LABELS), tokenizer="bpe")
    assert (data.inputs > 0).sum(axis=1).min() > 5
    assert any("frequent pieces are tokens" in note for note in data.raw_notes)


def test_words_between_blanks_are_read_as_ever():
    texts = ["A fine film, truly!", "NOT good at all", "e\u0301te\u0301 \uff46\uff49\uff4e\uff45"]
    data = ep.load_texts((texts * 3, ["a", "b", "a"] * 3))
    tokens = json.loads(data.encoder.tokenizer)
    assert tokens["pre_tokenizer"] == {"type": "Whitespace"}
    assert {"fine", "not", "été", ",", "!"} <= set(tokens["model"]["vocab"])
    assert not any("blanks" in note for note in data.raw_notes)


def test_a_tokenizer_with_another_pattern_is_refused():
    encoder = ep.load_texts((CASES["thai"][0], LABELS)).encoder.to_dict()
    encoder["tokenizer"]["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": "(a+)+$"}
    with pytest.raises(ep.Refusal, match="steps or tokens that epochal does not write"):
        encoder_from_dict(encoder).encode(["a"])


@pytest.mark.parametrize("script", ["english", "chinese"])
def test_a_table_of_texts_alone_is_told_to_be_read_as_texts(script, tmp_path):
    marks = ("bad", "good") if script == "english" else ("讨厌", "喜欢")
    rows = [
        f"this is a really {marks[k % 2]} film number {k}"
        if script == "english"
        else f"我们都很{marks[k % 2]}这部电影{chr(0x4E00 + k)}"
        for k in range(60)
    ]
    path = tmp_path / "reviews.csv"
    path.write_text("review,liked\n" + "".join(f"{row},{k % 2}\n" for k, row in enumerate(rows)))
    with pytest.raises(ep.Refusal, match=r'or read its words with .*load_texts\(\.\.\., text="review"\)'):
        ep.load_data(path)
    path.write_text("review,size,liked\n" + "".join(f"{row},{k % 7},{k % 2}\n" for k, row in enumerate(rows)))
    data = ep.load_data(path)
    assert any("looks like free text" in note and 'text="review"' in note for note in data.raw_notes)
    assert ep.load_texts(path, text="review", target="liked").samples == 60
