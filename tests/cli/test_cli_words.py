"""Command line: words are learned from a file and written, or refused without a trace."""

from __future__ import annotations

import json

import epochal as ep

SMALL = ("--dimensions", "4", "--epochs", "2", "--batch-size", "50", "--subsample", "0")


def write(tmp_path):
    file = tmp_path / "corpus.txt"
    file.write_text("the king rules\nthe queen rules\nthe dog barks\n" * 10)
    return file


def test_words_are_learned_and_written(call, tmp_path):
    corpus = write(tmp_path)
    result = call("words", corpus, *SMALL, "--nearest", "king", "--json")
    assert result.status == 0, result.err
    said = json.loads(result.out)
    vectors = ep.WordVectors.load(tmp_path / "vectors.txt")
    assert said["words"] == len(vectors) == 6 and said["dimensions"] == vectors.dimensions == 4
    assert said["plan"]["updates"] == 2 * said["plan"]["batches_per_epoch"]
    assert list(said["nearest"]["king"]) == [word for word, _ in vectors.nearest("king", 5)]
    shown = call("words", corpus, *SMALL, "--nearest", "king", "--force")
    assert "near king: " in shown.out and "wrote 6 words × 4 dimensions to vectors.txt" in shown.out
    assert f"{said['plan']['samples']} pairs (word, context) within 5 words" in shown.out


def test_a_training_that_diverged_is_said(call, tmp_path):
    corpus = write(tmp_path)
    diverging = ("--optimizer", "sgd", "--learning-rate", "1e30")
    result = call("words", corpus, *SMALL, *diverging)
    assert "stopped: the loss or the parameters were not finite at update" in result.out
    said = call("words", corpus, *SMALL, *diverging, "--force", "--json").json
    assert said["stopped"].startswith("the loss or the parameters were not finite at update")


def test_what_cannot_work_is_refused(refuse, tmp_path):
    corpus = write(tmp_path)
    refuse("words", corpus, *SMALL, "--nearest", "kin", words=['Did you mean "king"'])
    refuse("words", "corpse.txt", words=["there is no file corpse.txt", "corpus.txt"])
    refuse("words", corpus, "--min-count", "31", words=["--min-count must be at most"])
    (tmp_path / "vectors.txt").write_text("")
    refuse("words", corpus, words=["exists already", "--force"])
