"""Golden: files of a newcomer, and the right outcome of each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.cli.main import main
from epochal.curves import Verdict


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


def test_a_plan_of_a_table_needs_no_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", str(homes(tmp_path, unit=True))])
    said = capsys.readouterr().out
    assert "64 of the 80 samples" in said
    assert re.search(r"batch size +32\n", said)


def test_a_verdict_shows_rounded_figures_under_names_in_a_notebook() -> None:
    verdict = Verdict(
        "good fit", "Good fit.", "rule", {"best_epoch_range": [3, 4], "fall_at_least": 0.123456}
    )
    shown = verdict._repr_html_()
    assert "best epochs of the repeats" in shown
    assert "3 to 4" in shown
    assert "0.123<" in shown


def test_an_audit_says_how_many_epochs_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ep.fit(ep.MLP(4), homes(tmp_path, unit=True), epochs=12, progress=False, out=tmp_path / "run")
    main(["trace", str(tmp_path / "run"), "--audit"])
    assert "The first 10 of 12 epochs" in capsys.readouterr().out
    main(["trace", str(tmp_path / "run"), "--audit", "--epochs", "12"])
    assert "The first" not in capsys.readouterr().out


FRAME = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7, "t": np.arange(40) % 2})


def test_samples_in_the_place_of_the_model_are_refused_as_that() -> None:
    for model in (FRAME, FRAME.to_numpy(), "mlp", [[1.0, 2.0]]):
        with pytest.raises(ep.Refusal, match=r"model must be .*It comes first"):
            ep.fit(model, FRAME["t"], progress=False)
    for train in (ep.fit, ep.compare, ep.advise):
        with pytest.raises(ep.Refusal, match=r"got DataFrame.*ep\.fit\(ep\.MLP"):
            train(FRAME, target="t")
        with pytest.raises(ep.Refusal, match="data is missing"):
            train(ep.MLP(4))


@pytest.mark.parametrize(
    ("option", "instead"),
    [("lr", "learning_rate"), ("random_state", "seed"), ("verbose", "progress")],
)
def test_an_option_of_another_library_is_refused_with_its_name_here(option: str, instead: str) -> None:
    with pytest.raises(ep.Refusal, match=f'unknown option "{option}"; use {instead}'):
        ep.fit(ep.MLP(4), FRAME, "t", **{option: 1})


def test_one_row_of_a_frame_is_no_frame() -> None:
    run = ep.fit(ep.MLP(4), FRAME, "t", epochs=1, progress=False)
    with pytest.raises(ep.Refusal, match=r"frame\.iloc\[\[0\]\]"):
        run.predict(FRAME.iloc[0])
    assert run.predict(FRAME.iloc[[0]]).labels.shape == (1,)
