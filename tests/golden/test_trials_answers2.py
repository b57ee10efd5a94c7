"""Golden: tables of a fresh reader, and what evaluating, predicting and reading them says."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.cli.main import _of_this_command, app
from epochal.runs.studies import StudyFolder

LENGTHS = [31.9, 39.9, 42.6, 35.2] * 15
PRICES = ["$268,358", "$14,000", "$104,250", "$99,975"] * 15


def boats(folder: Path, lengths: list[str], name: str = "boats.csv") -> Path:
    """Boats with lengths in a unit and prices with commas before three digits in every cell."""
    path = folder / name
    frame = pd.DataFrame({"Length": lengths, "Built": range(1960, 1960 + len(lengths))})
    frame.assign(Price=PRICES[: len(lengths)]).to_csv(path, index=False)
    return path


def test_numbers_with_units_settle_the_decimal_mark_of_all_columns(tmp_path: Path) -> None:
    found = ep.load_data(boats(tmp_path, [f"{one} ft" for one in LENGTHS]), target="Price", task="regression")
    assert "ambiguous" not in " ".join(found.notes)
    assert found.targets.max() == 268_358
    alone = ep.load_data(
        boats(tmp_path, [f"{one:.0f} ft" for one in LENGTHS]), target="Price", task="regression"
    )
    assert "ambiguous" in " ".join(alone.notes)


def test_a_comma_proved_elsewhere_makes_dots_thousands_without_a_doubt() -> None:
    table = {"far": ["2,5 km", "12,1 km", "7,3 km"] * 10, "price": ["504.879", "86.625", "91.250"] * 10}
    found = ep.load_data(pd.DataFrame(table), target="price", task="regression")
    assert found.targets.max() == 504_879 and "ambiguous" not in " ".join(found.notes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boats")
    table = boats(folder, [f"{one} ft" for one in LENGTHS])
    ep.fit(ep.MLP(4), table, target="Price", task="regression", epochs=2, progress=False, out=folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        (["12.98 m", "39.9 ft"], "m (1) is converted to ft"),
        (["39.9", "12.98 m"], "1 value without a unit is taken as ft"),
        ([39.9, 41.2], "numbers without a unit are taken as ft"),
        (["39.9 ft", "41.2 ft"], ""),
    ],
)
def test_predicting_says_which_units_were_converted(trained: Path, lengths: list[str], said: str) -> None:
    new = pd.DataFrame({"Length": lengths, "Built": [1980, 1990]})
    notes = " ".join(ep.load(trained).predict(new).notes)
    assert said in notes and (said or " ft" not in notes)


def test_another_table_of_as_many_columns_is_refused_as_such(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "contracts.csv"
    other.write_text("contract,channel\n" + "17,2\n18,1\n19,1\n20,2\n")
    with pytest.raises(ep.Refusal, match=r'has none of them, but "contract", "channel"'):
        ep.load(trained).predict(other)
    headless = tmp_path / "headless.csv"
    headless.write_text("39.9 ft,1980\n35.2 ft,1990\n")
    assert ep.load(trained).predict(headless).values.shape[0] == 2


def test_codes_with_leading_zeros_stay_text_and_are_said(tmp_path: Path) -> None:
    path, rng = tmp_path / "codes.csv", np.random.default_rng(0)
    codes = [["01", "13", "33", "75"][k] for k in rng.integers(0, 4, 80)]
    years = rng.integers(10, 99, 80)
    rows = [f"{code},{year},{k % 2}" for k, (code, year) in enumerate(zip(codes, years, strict=True))]
    path.write_text("department,size,y\n" + "\n".join(rows) + "\n")
    found = ep.load_data(path, target="y")
    assert {name for name in found.features if name.startswith("department")} == {
        f"department={code}" for code in ("01", "13", "33", "75")
    }
    assert "leading zeros" in " ".join(found.notes) and "size" in found.features
    numbers = ep.load_data(path, target="y", numeric=["department"])
    assert "department" in numbers.features and set(numbers.inputs[:, 0]) == {1, 13, 33, 75}


@pytest.mark.parametrize("function", [ep.fit, ep.compare, ep.advise])
def test_target_and_y_together_are_refused(function: object) -> None:
    frame = pd.DataFrame({"a": np.arange(20.0), "t": np.arange(20) % 2})
    with pytest.raises(ep.Refusal, match="target names the column of the targets, as y does"):
        function(ep.MLP(4), frame, "t", target="a")  # type: ignore[operator]


def test_target_names_the_column_in_compare_as_in_fit() -> None:
    frame = pd.DataFrame({"t": np.arange(60) % 2, "a": np.arange(60.0), "b": np.arange(60.0) % 7})
    found = ep.compare(ep.MLP(4), frame, target="t", batch_size=[8, 32], repeats=2, epochs=2, progress=False)
    assert found.to_dict()["rows"]


def series(folder: Path) -> Path:
    rng, path = np.random.default_rng(2), folder / "series.csv"
    values = 100 + 10 * np.sin(np.arange(260) / 5) + rng.normal(0, 3, 260)
    days = pd.date_range("2024-01-01", periods=260).strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "value": values.round(2)}).to_csv(path, index=False)
    return path


def test_what_is_concluded_of_forecasts_is_of_what_predict_gives(tmp_path: Path) -> None:
    data = ep.load_windows(series(tmp_path), target="value", window=8)
    run = ep.fit(ep.MLP(8), data, epochs=5, repeats=3, progress=False)
    found = run.evaluate(series(tmp_path))
    assert found.forecasts is not None
    naive = found.forecasts.naive[0]
    assert naive.ensemble is not None
    assert naive.ensemble.rmse == pytest.approx(found.ensemble["rmse"])
    assert naive.ensemble.skill == pytest.approx(1 - found.ensemble["rmse"] / naive.rmse.mean)
    sentence = found.forecasts.sentences[0]
    assert "the ensemble" in sentence and "is the mean of its 3 members" in sentence
    assert found.to_dict()["forecasts"]["naive"][0]["ensemble"]["skill"] == pytest.approx(
        naive.ensemble.skill
    )


def test_an_unfinished_comparison_names_its_command_and_no_option_of_train(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "comparison"
    folder.mkdir()
    words = ["epochal", "compare", "boats.csv", "--target", "Price", "--batch-size", "1,4"]

    sentence = StudyFolder(folder, "comparison", tuple(words), (), None, 3).sentence
    assert "--batch-size" in sentence
    for name in ("resume", "report", "predict"):
        found = _of_this_command(ep.Refusal(sentence), app.get_command(click.Context(app), name))
        assert str(found) == sentence


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251"])
def test_new_rows_are_read_in_the_encoding_of_the_training_file(tmp_path, encoding):
    """Three rows say little about which encoding they are in."""
    random = np.random.default_rng(1)
    words = ["Лозер", "Ним", "новый"] if encoding == "cp1251" else ["Lozère", "à rénover", "très bon"]
    rows = [
        f"{random.choice(words)};{random.integers(20, 90)};{random.choice(['oui', 'non'])}"
        for _ in range(120)
    ]
    lines = ["ville;surface;réponse" if encoding != "cp1251" else "город;surface;ответ", *rows]
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_bytes("\n".join(lines).encode(encoding))
    new.write_bytes("\n".join(lines[:4]).encode(encoding))
    run = ep.fit(ep.MLP(2), train, epochs=1, progress=False)
    found = run.predict(new, with_inputs=True)
    assert not any("not seen in training" in note for note in found.notes)
    assert found.to_arrow().column(1).to_pylist() == [row.split(";")[0] for row in rows[:3]]
    new.write_text("\n".join(lines[:4]), encoding="utf-8")  # another encoding is seen as before
    assert run.predict(new, with_inputs=True).to_arrow().equals(found.to_arrow())


LINES = ["a;b;c;y", *(f"{i};{i * 7 % 13},5;x{i % 3};{'no' if i % 2 else 'yes'}" for i in range(60))]
TITLES = ["x;1;2;3", "y;4;5;6"]  # a header and a row, to all appearances


def test_new_files_are_read_with_what_was_said_of_the_training_file(tmp_path: Path) -> None:
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_text("\n".join([*TITLES, *LINES]))
    data = ep.load_data(train, skip_rows=2)
    made = ep.fit(
        ep.MLP(2), data, epochs=1, repeats=1, progress=False, validation=train, out=tmp_path / "run"
    )
    for run in (made, ep.load(tmp_path / "run")):
        for above in (TITLES, []):  # new files may begin with the header, too
            new.write_text("\n".join([*above, *LINES[:5]]))
            found = run.predict(new, with_inputs=True)
            assert found.to_arrow().column("a").to_pylist() == [0, 1, 2, 3]
            assert any("2 lines at the beginning skipped" in note for note in found.notes) == bool(above)
            assert run.evaluate(new).rows == 4


def test_a_header_that_is_told_holds_for_new_files(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([*TITLES, *(f"x;{i};{i * 2};{i % 5}" for i in range(40))]))
    data = ep.load_data(path, header=False, keep=[1])
    assert data.samples == 42
    assert ep.fit(ep.MLP(2), data, epochs=1, repeats=1, progress=False).evaluate(path).rows == 42


def test_another_delimiter_encoding_and_order_are_said_of_new_files(tmp_path: Path) -> None:
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_bytes("\n".join(LINES).replace("x0", "à rénover").encode("cp1252"))
    data = ep.load_data(train, encoding="cp1252")
    run = ep.fit(ep.MLP(2), data, epochs=1, repeats=1, progress=False)
    assert not any(", in training " in note for note in run.predict(train).notes)
    frame = pd.read_csv(train, sep=";", encoding="cp1252", dtype=str)
    frame[["c", "b", "a"]].to_csv(new, index=False)
    found = run.predict(new, with_inputs=True)
    assert "fields are separated by commas, in training by semicolons; " in " ".join(found.notes)
    assert "the encoding is utf-8, in training cp1252." in " ".join(found.notes)
    assert "the columns are in another order than in training: matched by their names." in found.notes
    assert found.to_arrow().column("b").to_pylist() == frame["b"].tolist()
    np.testing.assert_array_equal(found.labels, run.predict(train).labels)


def test_lines_that_were_skipped_of_a_table_without_names_are_not_skipped_of_new_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{a + b:.3f}" for a, b in random.normal(size=(40, 2))]
    (tmp_path / "old.csv").write_text("\n".join(["from the instrument", *rows]) + "\n")
    (tmp_path / "new.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows[:5]) + "\n")
    data = ep.load_data(tmp_path / "old.csv", skip_rows=1, header=False)
    run = ep.fit(ep.MLP(2), data, epochs=1)
    assert len(run.predict(tmp_path / "new.csv").values) == 5
