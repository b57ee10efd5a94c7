"""Law: on a terminal the list of runs says everything, whatever the width."""

import pytest

from epochal.cli.runs import lines_of
from epochal.runs.listing import Entry

RUN = Entry(
    run="runs/breast-cancer-2026-11-29",
    date="2026-11-29T18:20:00",
    source="example:breast-cancer",
    batch_size=32,
    epochs=20,
    repeats=3,
    result="validation accuracy 0.9766 ± 0.0051",
    verdict="no significant difference from chance (interrupted)",
)
COMMAND = "epochal compare example:breast-cancer --batch-size 8,32,128,full --learning-rate 0.001,0.003,0.01"
UNFINISHED = Entry(
    run="runs/compare", kind="comparison", problem=f"comparison has not ended; `{COMMAND}` goes on"
)


@pytest.mark.parametrize("width", [60, 80, 140, 400])
def test_nothing_is_cut(width):
    lines = lines_of([RUN, UNFINISHED, RUN], width)
    assert all(len(line) <= width for line in lines)
    words = " ".join(" ".join(lines).split())
    for cell in (*RUN.cells(), *UNFINISHED.cells()):
        assert cell in words
    assert ("verdict" in lines[0]) == (width > 160)


def test_a_long_problem_leaves_the_others_in_a_table():
    short = Entry(run="runs/a", batch_size=8, epochs=2, repeats=1, result="test R² 0.5", verdict="good fit")
    head, row, *rest = lines_of([short, UNFINISHED], 80)
    assert head.split()[0] == "run" and row.split()[0] == "runs/a" and row.endswith("good fit")
    assert rest[0] == "runs/compare" and all(line.startswith("  ") for line in rest[1:])


def test_in_a_pipe_an_entry_is_a_line():
    assert len(lines_of([RUN, UNFINISHED], None)) == 3


def test_an_advice_without_a_recommendation_has_no_empty_numbers():
    nothing = Entry(run="runs/" + "a" * 60, kind="advice", verdict="no recommendation")
    assert lines_of([nothing], 60)[-1].strip() == "no recommendation"


def test_advice_is_listed_with_its_numbers(call, tmp_path):
    fixed = ("--batch-size", "32", "--learning-rate", "0.05", "--epochs", "6", "--repeats", "3")
    assert call("advise", "example:iris", *fixed, "--no-report").status == 0
    listed = call("runs")
    assert listed.status == 0 and "can't be read" not in listed.out
    (entry,) = call("runs", "--json").json
    assert (entry["kind"], entry["batch_size"], entry["problem"]) == ("advice", 32, "")
