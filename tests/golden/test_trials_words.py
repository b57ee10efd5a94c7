"""Golden cases of word vectors of small texts: what nobody chose is lowered, and said."""

from __future__ import annotations

import pytest

import epochal as ep

SMALL = {
    "two lines": ["the king rules the land", "the queen rules the land"],
    "many lines of few words": ["the king rules", "the queen rules"] * 20,
    "words once each": [f"a{k} b{k} c{k}" for k in range(30)],
    "chinese": ["我们爱读书", "他们爱看书"],
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_text_has_vectors_with_its_defaults(name):
    vectors = ep.word_vectors(SMALL[name], dimensions=4, epochs=2)
    run = vectors.run
    pairs = run.data["samples"]
    assert run.plan.batch_sizes[0] <= max(1, pairs // 8)
    notes = " ".join(run.data["notes"])
    assert f"batch size {run.plan.batch_sizes[0]}, so that an epoch has several updates" in notes
    rare = name != "many lines of few words"
    assert ("words are kept however rare they are" in notes) == rare
    if name == "chinese":
        assert set(vectors.words) == set("我们爱读书他看")


def test_what_was_chosen_is_taken_or_refused():
    text = SMALL["many lines of few words"]
    with pytest.raises(ep.Refusal, match="batch_size must be between 1 and"):
        ep.word_vectors(text, dimensions=4, subsample=0, batch_size=4096)
    with pytest.raises(ep.Refusal, match="min_count must be at most 20"):
        ep.word_vectors(text[:2] * 10, dimensions=4, min_count=50)
    with pytest.raises(ep.Refusal, match="must make at least 2 pairs"):
        ep.word_vectors([["a"], ["b"]] * 9, dimensions=4)
    chosen = ep.word_vectors(text, dimensions=4, epochs=1, subsample=0, batch_size=16)
    assert chosen.run.plan.batch_sizes[0] == 16


def test_the_command_line_lowers_likewise(tmp_path, monkeypatch, capsys):
    from epochal.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(SMALL["two lines"]))
    assert main(["words", "text.txt", "--dimensions", "4", "--epochs", "1", "--out", "v.txt"]) == 0
    assert "(--batch-size)" in " ".join(capsys.readouterr().out.split())
