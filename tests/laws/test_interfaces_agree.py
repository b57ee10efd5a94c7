"""Law: a file from the command line, a frame and arrays of the same table give the same result.

The command line and a frame see the same columns, so they agree closely; arrays may name and order their
columns otherwise, so they agree within the spread over repeats.
"""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.cli.main import main
from epochal.data.examples import EXAMPLES

pytestmark = pytest.mark.slow

REPEATS, EPOCHS = 3, 12
OPTIONS = {"repeats": REPEATS, "epochs": EPOCHS, "batch_size": 32, "seed": 5, "learning_rate": 0.01}
FLAGS = [word for name, value in OPTIONS.items() for word in (f"--{name.replace('_', '-')}", str(value))]
HEADLINE = {"binary": "accuracy", "multiclass": "accuracy", "regression": "r2"}


def generated(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table with dirt, and the same without it: other scales and orders, missing cells, levels."""
    random = np.random.default_rng(seed)
    rows, numbers = 160, int(random.integers(2, 5))
    signal = random.normal(size=(rows, numbers))
    clean: dict[str, np.ndarray] = {}
    dirty: dict[str, list[str]] = {}
    for column in range(numbers):
        scale, offset = 10.0 ** random.uniform(-3, 5), 10.0 ** random.uniform(-2, 4)
        values = np.round(signal[:, column] * scale + offset, max(0, 4 - round(math.log10(scale))))
        cells = [f"{value:,.6g}" if column == 0 else f"{value:.12g}" for value in values]
        if column == 0:
            cells = [f"$ {value:,.4f}" for value in values]
            values = np.array([float(cell[2:].replace(",", "")) for cell in cells])
        holes = random.random(rows) < (0.05 if column == 1 else 0)
        clean[f"n{column}"] = np.where(holes, np.nan, values)
        dirty[f"n{column}"] = ["n/a" if hole else cell for hole, cell in zip(holes, cells, strict=True)]
    levels = random.integers(0, 3, rows)
    for level in range(3):
        clean[f"level {level}"] = (levels == level).astype(float)
    spelled = [["red", "green", "blue"][level] for level in levels]
    dirty["color"] = [word.upper() + " " if random.random() < 0.2 else word for word in spelled]
    score = signal.sum(axis=1) + (levels - 1) + 0.3 * random.normal(size=rows)
    if seed % 2:
        target: list[str] = ["high" if value > 0 else "low" for value in score]
    else:
        target = [f"{value:.4f}" for value in score]
    order = random.permutation(list(dirty)).tolist()
    where = int(random.integers(0, len(order) + 1))
    frame = pd.DataFrame({name: dirty[name] for name in order})
    frame.insert(where, "y", target)
    return frame, pd.DataFrame(clean).assign(y=target if seed % 2 else np.array(target, float))


def from_command_line(path, capsys) -> dict:
    arguments = ["train", str(path), "--target", "y", "--json", "--out", f"{path}.run", *FLAGS]
    assert main(arguments) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("seed", range(10))
def test_the_faces_agree_on_generated_tables(seed, tmp_path, capsys):
    frame, clean = generated(seed)
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)
    check(path, frame, clean, capsys)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_faces_agree_on_the_examples(name, tmp_path, capsys):
    data = ep.load_data(f"example:{name}")
    if data.encoder is None or len(data.shape) != 1 or data.targets is None:
        pytest.skip("no table")
    clean = pd.DataFrame(np.asarray(data.inputs), columns=list(data.features))
    labels = np.asarray(data.targets)
    clean["y"] = np.array(data.task.classes)[labels] if data.task.is_classification else labels
    path = tmp_path / "table.csv"
    clean.to_csv(path, index=False)
    check(path, clean, clean, capsys)


def check(path, frame: pd.DataFrame, clean: pd.DataFrame, capsys) -> None:
    shell = from_command_line(path, capsys)
    of_frame = ep.fit(ep.MLP(64, 64), frame, "y", progress=False, **OPTIONS)
    arrays = clean.drop(columns="y").to_numpy(np.float64), clean["y"].to_numpy()
    of_arrays = ep.fit(ep.MLP(64, 64), *arrays, progress=False, **OPTIONS)
    metric = HEADLINE[of_frame.task.kind]
    told = shell["metrics"]["validation"][metric]["per_repeat"]
    by_frame = of_frame.metrics["validation"][metric]
    by_arrays = of_arrays.metrics["validation"][metric]
    np.testing.assert_allclose(by_frame.per_repeat, told, atol=1e-5, err_msg="the command line and a frame")
    spread = max(by_frame.sd, by_arrays.sd, 0.01)
    assert abs(by_frame.mean - by_arrays.mean) <= 2 * spread, (by_frame, by_arrays)
    assert by_frame.mean > 0.35, by_frame
