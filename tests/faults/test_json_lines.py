"""Rows of JSON lines, in which a key may be left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import epochal as ep


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_key_that_no_new_row_has_is_missing_as_in_training(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [{"x": float(x), "remark": "door open", "y": int(x > 0)} for x in random.normal(size=80)]
    for row in rows[6:]:
        del row["remark"]
    run = ep.fit(
        ep.MLP(4), ep.load_data(lines(tmp_path / "rows.jsonl", rows), target="y", categorical=["remark"]),
        epochs=2, batch_size=16, progress=False,
    )  # fmt: skip
    new = [{"x": 0.5}, {"x": -0.5}]
    found = run.predict(lines(tmp_path / "new.jsonl", new))
    assert any('column "remark" is in no row' in note for note in found.notes), found.notes
    with_null = run.predict(lines(tmp_path / "null.jsonl", [{**row, "remark": None} for row in new]))
    assert np.array_equal(found.probabilities, with_null.probabilities)
    with pytest.raises(ep.Refusal, match='Is "remarks" the first of them'):
        run.predict(lines(tmp_path / "renamed.jsonl", [{**row, "remarks": "door open"} for row in new]))
    with pytest.raises(ep.Refusal, match='lacks "x"'):
        run.predict(lines(tmp_path / "other.jsonl", [{"remark": "door open"}]))
