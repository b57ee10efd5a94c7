"""Command line: a column of texts trains and predicts, or is refused without a trace."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

pytest.importorskip("tokenizers")

SMALL = ("--epochs", "2", "--batch-size", "16", "--embedding", "2", "--units", "2", "--no-report")


def write(tmp_path):
    file = tmp_path / "reviews.csv"
    lines = [f'{n},"a {("good", "bad")[n % 2]}, film",{("yes", "no")[n % 2]}' for n in range(40)]
    file.write_text("\n".join(["id,review,liked", *lines]) + "\n")
    return file


def test_texts_train_and_predict(call, tmp_path):
    table = write(tmp_path)
    result = call("train", table, "--text", "review", *SMALL, "--out", "run", "--json")
    assert result.status == 0, result.err
    said = json.loads(result.out)
    assert said["settings"]["model"]["kind"] == "text" and said["task"]["classes"] == ["no", "yes"]
    notes = " ".join(said["data"]["notes"])
    assert 'texts in column 2 ("review"): 7 tokens (words)' in notes and "1 other column is no input" in notes
    assert "network text" in result.err and "all have 4 tokens" in " ".join(result.err.split())
    predicted = call("predict", "run", table, "--json")
    assert predicted.status == 0, predicted.err
    assert len(json.loads(predicted.out)["rows"]) == 40


def test_texts_of_many_files_and_streamed_texts_give_the_same_run(call, tmp_path):
    table = pa.csv.read_csv(write(tmp_path))
    (tmp_path / "parts").mkdir()
    for name, part in (("a", table.slice(0, 25)), ("b", table.slice(25))):
        pq.write_table(part, tmp_path / "parts" / f"{name}.parquet")
    sources = (["reviews.csv"], ["parts"], ["reviews.csv", "--stream"])
    losses = []
    for source in sources:
        result = call("train", *source, "--text", "review", *SMALL, "--out", f"run {len(losses)}", "--json")
        assert result.status == 0, result.err
        losses.append(result.json["metrics"]["validation"]["loss"]["mean"])
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-5)


def test_what_cannot_work_is_refused(refuse, tmp_path):
    table = write(tmp_path)
    refuse("train", table, "--text", "reviews", words=['Did you mean "review"'])
    refuse("train", table, "--text", "id", words=["must hold texts; all its values are numbers"])
    refuse("train", table, "--tokenizer", "bpe", words=["--tokenizer is about a column of texts", "--text"])
    refuse("train", table, "--text", "review", "--drop", "id", words=["--drop does not go with --text"])
    for network, name in (("mlp", "MLP"), ("lstm", "LSTM")):
        words = [f"{name} needs numbers; got token ids", "--network text"]
        refuse("train", table, "--text", "review", "--network", network, words=words)
    refuse("train", "example:iris", "--network", "text", words=["needs token ids (int32)", "--text COLUMN"])
