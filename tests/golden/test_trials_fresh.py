"""Golden: files of a newcomer, and the right outcome of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import epochal as ep


def homes(folder: Path, *, unit: bool, name: str = "homes.csv") -> Path:
    """A German table: decimal commas, and prices in thousands with dots and a currency."""
    rng = np.random.default_rng(3)
    lines = ["size;distance;price"]
    for size, far in zip(rng.integers(30, 220, 80), rng.uniform(0.1, 30, 80), strict=True):
        price = f"{60_000 + 2300 * size - 1000 * far:,.0f}".replace(",", ".")
        lines.append(f"{size};{f'{far:.2f}'.replace('.', ',')}{' km' if unit else ''};{price} €")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("unit", [False, True])
def test_a_target_is_read_with_the_decimal_mark_of_the_other_columns(tmp_path: Path, unit: bool) -> None:
    data = ep.load_data(homes(tmp_path, unit=unit))
    assert data.targets.min() > 60_000


def test_labels_are_read_as_in_training_where_the_new_file_alone_is_ambiguous(tmp_path: Path) -> None:
    run = ep.fit(ep.MLP(4), homes(tmp_path, unit=True), epochs=2, progress=False, out=tmp_path / "run")
    new = tmp_path / "new.csv"
    new.write_text("size;distance;price\n80;2 km;243.000 €\n90;3 km;265.500 €\n", encoding="utf-8")
    predicted = np.asarray(run.predict(new).values)
    evaluated = ep.load(tmp_path / "run").evaluate(new)
    errors = predicted.ravel() - [243_000, 265_500]
    assert evaluated.metrics["rmse"].mean == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
