"""Law (Fold): a training that is asked again from what a file says of it is the same training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import epochal as ep
from epochal.asked import ask_again, differences, document, identity
from epochal.prepare import prepare
from epochal.prepared import Prepared
from epochal.settings import Settings


def prepared_again(model: Any, data: Any, **options: Any) -> tuple[Prepared, Prepared]:
    """A training, and the one that its document asks for, which has been through JSON."""
    first = prepare(model, data, Settings.of(options))
    written = json.loads(json.dumps(document(first), allow_nan=False))
    again, samples, settings = ask_again(written)
    second = prepare(again, samples, settings)
    assert second.spec == first.spec
    assert second.plan == first.plan
    assert differences(written["identity"], json.loads(json.dumps(identity(second)))) == []
    return first, second


def table(path: Path) -> Path:
    """A small table with a target amid its columns."""
    rows = [f"{i % 7},{'ab'[i % 2]},{i * 0.5:.1f},{i % 3}" for i in range(40)]
    path.write_text("\n".join(["x,kind,y,z", *rows]) + "\n")
    return path


def test_files_and_examples_are_read_again_as_they_were(tmp_path: Path) -> None:
    """From a path with options to the reader, from a Dataset, and from an example."""
    path = table(tmp_path / "table.csv")
    prepared_again(ep.MLP(4), path, epochs=2, precision="bfloat16")
    first, _ = prepared_again(ep.MLP(4), ep.load_data(path, target="y", drop=["x"]), epochs=2, repeats=2)
    assert first.dataset.target_name == "y"
    prepared_again(ep.MLP(4), "example:iris", stop=ep.any_of(ep.Patience(3), ep.Budget(updates=9)))


def test_what_a_file_cannot_hold_is_named_and_has_to_be_given() -> None:
    """Arrays and a loss of one's own: one sentence names both; given again, the training is the same."""
    iris = ep.load_data("example:iris")
    data = (iris.inputs, iris.targets)

    def loss(outputs: Any, targets: Any) -> Any:
        return (outputs**2).sum(axis=-1)

    first = prepare(ep.MLP(4), data, Settings(loss=loss))
    written = document(first)
    with pytest.raises(ep.Refusal, match=r"loss \(the function loss\), data \(arrays\)"):
        ask_again(written)
    second = prepare(*ask_again(written, data=data, options={"loss": loss}))
    assert differences(written["identity"], identity(second)) == []
