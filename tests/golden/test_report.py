"""Golden: what a report page holds, that nothing in it can run or fetch, and one picture in characters."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

import epochal as ep
from epochal.cli.conclusion import show_result
from epochal.common.metric_names import label_of
from epochal.curves import Curves, judge, picture, summarize
from epochal.data import Task
from epochal.plan import Plan
from epochal.report.figures import figure_data
from epochal.report.page import write_whole
from epochal.report.run_page import run_page as page
from epochal.runs import Outcome, Run, Scores
from epochal.runs.evaluation_text import class_table, results_table

EVIL = "<script>alert(1)</script>"


def curves(repeats: int = 3) -> Curves:
    rows = [
        {
            "repeat": repeat, "epoch": epoch, "update": epoch * 4, "samples": epoch * 40,
            "seconds": epoch * 0.1,
            "train.running_loss": None if epoch == 0 else 0.9 * 0.9**epoch,
            "train.loss": 0.8 * 0.9**epoch,
            "validation.loss": 0.8 * 0.9**epoch + 0.004 * epoch + 0.02 * repeat,
            "validation.accuracy": 1 - 0.4 * 0.9**epoch - 0.01 * repeat,
        }
        for repeat in range(repeats)
        for epoch in range(31)
    ]  # fmt: skip
    return Curves.from_rows(rows)


def run_of(happened: Curves | None = None, **more: Any) -> Run:
    """A run whose names could be harmful."""
    happened = curves() if happened is None else happened
    scores = Scores(
        {"accuracy": summarize([0.97, 0.96, 0.95]), EVIL: summarize([0.5, 1.5, 2.5])},
        np.arange(12).reshape(3, 2, 2),
        ensemble={"accuracy": 0.971},
    )
    fields: dict[str, Any] = {
        "plan": Plan(40, 10, 30),
        "task": Task("binary", ("no", EVIL)),
        "model": None,
        "settings": {"model": {"kind": EVIL}, "monitor": "validation.loss", "stopping": {"patience": 5}},
        "curves": happened,
        "outcomes": tuple(Outcome(i, i, EVIL, 30.0, 120, 1.0, 20.0, 80) for i in range(3)),
        "fitted": (),
        "verdict": judge(happened, baseline={"validation.loss": 0.69}, validation_samples=100),
        "scores": {"validation": scores},
        "data": {
            "source": f"table {EVIL}",
            "samples": 40,
            "shape": [2],
            "target": EVIL,
            "fingerprint": "f",
            "sizes": {"train": 40},
            "notes": [f'column "{EVIL}" looks like an identifier: left out'],
        },
        "encoder": None,
        "environment": {"command": f"epochal train '{EVIL}'", "date": "2026-11-23T08:00", EVIL: 1},
        "split_codes": (np.ones(40, np.uint8),) * 3,
        "baseline": {"validation.loss": 0.69, "validation.accuracy": [0.6, 0.6, 0.6]},
    }
    return Run(**(fields | more))


class Tags(HTMLParser):
    """Every tag with its attributes, ids apart, and the text outside of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.said.append(data)


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    return tags


@pytest.fixture(scope="module")
def text() -> str:
    return page(run_of())


def test_sections_are_present_and_the_answer_is_first(text: str) -> None:
    ids = [attrs["id"] for tag, attrs in parsed(text).tags if tag == "section"]
    assert ids == [
        "answer",
        "curves",
        "results",
        "repeats",
        "errors",
        "plan",
        "data",
        "settings",
        "conditions",
    ]


def test_only_the_three_scripts_of_the_page_are_scripts(text: str) -> None:
    tags = parsed(text)
    assert [attrs for tag, attrs in tags.tags if tag == "script"] == [
        {"type": "application/json", "id": "figures"}, {}, {}
    ]  # fmt: skip
    assert EVIL not in text
    assert "".join(tags.said).count(EVIL) >= 9  # all of them are there to be read


def test_a_page_holds_less_than_one_and_a_half_megabytes_of_script(text: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert 1e5 < sum(len(script.encode()) for script in scripts) < 1.5e6


def test_nothing_is_fetched(text: str) -> None:
    for tag, attrs in parsed(text).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        for name in ("src", "href", "srcset", "action", "data"):
            assert not re.match(r"(https?:)?//", attrs.get(name) or ""), (tag, attrs)
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", text, re.S).group(1))  # type: ignore[union-attr]
    assert "default-src 'none'" in text


def test_the_figures_are_json_and_know_the_curves(text: str) -> None:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert found is not None
    data = json.loads(found.group(1))
    assert set(data["x"]) == {"epochs", "updates", "samples", "seconds"}
    loss, accuracy = data["panels"]
    assert [line["role"] for line in loss["lines"]] == ["running", "train", "validation"]
    assert loss["lines"][0]["mean"][0] is None and loss["baseline"] == 0.69
    assert (accuracy["kind"], accuracy["title"]) == ("accuracy", "accuracy") and len(
        accuracy["lines"][0]["repeats"]
    ) == 3
    assert data["confusion"]["classes"] == ["no", EVIL]


def test_paper_and_page_draw_the_same_numbers() -> None:
    shown = {line["name"]: line for line in figure_data(run_of(), {})["panels"][0]["lines"]}
    axes = curves().plot(["train.loss", "validation.loss"]).axes[0]
    thick = [np.asarray(line.get_ydata()) for line in axes.lines if line.get_linewidth() >= 2]
    for name, drawn in zip(("train.loss", "validation.loss"), thick[::2], strict=True):
        np.testing.assert_allclose(drawn, shown[name]["mean"], rtol=1e-5)


def with_classes(counts: NDArray[Any]) -> Run:
    classes = tuple(str(i) for i in range(counts.shape[1]))
    scores = {"validation": Scores({"loss": summarize([1.0, 2.0, 3.0])}, counts)}
    return run_of(task=Task("multiclass", classes), scores=scores)


def test_of_many_classes_the_pairs_that_occur_are_drawn() -> None:
    counts = np.zeros((2, 30, 30))
    counts[:, 3, 3], counts[1, 3, 7] = 4, 2
    found = figure_data(with_classes(counts), {})["confusion"]
    assert (found["true"], found["predicted"], found["counts"]) == ([3, 3], [3, 7], [4, 1])
    assert found["shares"] == [0.8, 0.2]


def test_headline_table_and_confusion_are_said(text: str) -> None:
    said = " ".join("".join(parsed(text).said).split())
    for words in (
        "0.960",
        "± 0.010",
        "95 % interval for new samples 0.935 to 0.985",
        "mean ± sd",
        "0.960 ± 0.010",
    ):
        assert words in said, words
    assert "ensemble 0.971" in said, "not that of the mean of the members alone"
    assert "± sd of 3 repeats" in said and "stopping · patience" in said


@pytest.mark.parametrize("classes", [True, False])
def test_one_table_of_results_in_terminal_page_and_notebook(classes: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(90, 3))
    targets = inputs[:, 0] > 0 if classes else 20_000 * inputs[:, 0] + 90_000
    run = ep.fit(ep.MLP(4), inputs, targets, epochs=3, repeats=3, test=0.3, batch_size=16, progress=False)
    rows = results_table(run)
    assert rows[0] == ("", "mean ± sd", "95 % interval", "ensemble")
    name = "accuracy" if classes else "rmse"
    summary, together = run.metrics["test"][name], run.ensemble["test"][name]
    own = next(row for row in rows if row[0] == f"test {label_of(name)}")
    assert own[1].startswith(summary.format_value(summary.mean)) and own[3] == summary.format_value(together)
    console = Console(file=io.StringIO(), width=80)
    show_result(console, run, None)
    terminal = console.file.getvalue()  # type: ignore[attr-defined]
    html = run.report(tmp_path / "report.html").read_text(encoding="utf-8")
    page_said = "".join(parsed(html).said).replace("\N{NO-BREAK SPACE}", " ")
    for said in (page_said, "".join(parsed(run._repr_html_()).said), terminal):
        assert all(
            cell in said for row in rows if not row[0].endswith(("precision", "recall")) for cell in row
        )
        assert "Ensemble: the mean prediction of the 3 repeats" in " ".join(said.split())
    assert f"ensemble {summary.format_value(together)}" in html, "beside the headline, too"
    assert (next(row for row in rows if row[0] == "test loss")[3] == "–") is not classes
    found = run.evaluate(inputs, targets)
    assert ("loss" in found.ensemble) == classes and all(map(np.isfinite, found.ensemble.values()))
    for said in (str(found), " ".join(run.metric_notes)):
        assert ("it has no loss" in " ".join(said.split())) is not classes
    assert not re.search(r"\de\+\d", terminal + run._repr_html_() + "".join(parsed(html).said)), "an exponent"


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    assert write_whole(page(run_of()), path) == path and path.read_text(encoding="utf-8").endswith(
        "</html>\n"
    )
    before = path.read_bytes()

    def fails(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        write_whole(page(run_of(interrupted=True)), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_regression_bare_and_diverged_runs() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=300)
    scores = Scores({"rmse": summarize([1.0, 2.0, 3.0])}, true=true, predicted=true + rng.normal(size=300))
    regression = page(run_of(task=Task("regression"), scores={"validation": scores}))
    assert 'id="histogram"' in regression and EVIL not in regression
    bare = page(run_of(curves(1), scores={}))
    ids = [attrs["id"] for tag, attrs in parsed(bare).tags if tag == "section"]
    assert ids == ["answer", "curves", "results", "repeats", "plan", "data", "settings", "conditions"]
    diverged = {"validation": Scores({"accuracy": summarize([float("nan")])})}
    nothing = page(run_of(Curves.empty(), scores=diverged, outcomes=run_of().outcomes[:1]))
    assert "not finite" in nothing
    assert '<div id="confusion"' in page(with_classes(np.tile(np.eye(30, dtype=int), (3, 1, 1))))


GOLDEN = """\
loss, mean of 3 repeats   .. training   oo validation   :+- sd
     |o                                            |
0.75 +.o                                           |
     |  oo                                         |
     |    oo:                                      |
0.50 +     .ooo                                    |
     |        .ooo                                 |
     |          ..oooo:                            |
     |             ...oooooo:                      |
0.25 +                 .....oooooooooooo:::::::::::|:: validation 0.174
     |                      .......     oooooooooooooo
     |                             .................   training 0.0339
0.00 +                                             |..
     ++---------------+--------------+---------------+
      0              10             20              30
                                     best epoch 29 ^
"""


def test_the_picture_in_characters() -> None:
    drawn = picture(curves(), 72, 16, encoding="ascii")
    assert drawn + "\n" == GOLDEN


def test_a_warning_is_the_first_thing_on_a_page_and_nothing_is_green_beside_it() -> None:
    good = judge(
        curves(5), baseline={"validation.loss": 0.69}, validation_samples=100, warnings=("First this.",)
    )
    text = page(run_of(verdict=good))
    answer = text[text.index('<section id="answer"') :]
    assert answer.startswith('<section id="answer" class="answer bad"')
    assert answer.index("First this.") < answer.index(good.sentence[:30])
    coded = judge(
        curves(), baseline={}, validation_samples=9, warnings=("Rare. `epochs=3` and `order=2` help.",)
    )
    kind = re.search('<p class="kind">(.*?)</p>', page(run_of(verdict=coded)))
    outside = re.sub("<span.*?>.*?</span>", "", kind[1]) if kind else "none"
    assert outside == "", "a code among bare words would be a column of its own"


def test_the_median_best_epoch_is_one_number() -> None:
    happened, best = curves(4), [3.0, 20.0, 21.0, 30.0]
    loss = happened.columns["validation.loss"].reshape(4, -1)
    loss[:] = 1 + np.abs(np.arange(31) - np.array(best)[:, None])
    run = run_of(
        happened, outcomes=tuple(Outcome(i, i, "", 30.0, 9, 1.0, at, 80) for i, at in enumerate(best))
    )
    assert results_table(run)[-1][:3] == ("best epoch", "20.5 (median)", "3–30 (all repeats)")
    verdict = judge(happened, baseline={"validation.loss": 0.69}, validation_samples=100)
    assert verdict.statistics["best_epoch"] == 20.5 and "20.5" in verdict.sentence + verdict.remedy
    assert "best epoch 20.5" in picture(happened) and figure_data(run, {})["best"]["text"] == "20.5"


def test_the_best_epoch_in_a_chart_is_that_of_the_monitored_curve() -> None:
    happened = curves(2)
    happened.columns["validation.accuracy"][:] = np.tile(-np.abs(np.arange(31.0) - 8), 2)
    run = run_of(happened)
    run = replace(run, settings={**run.settings, "monitor": "validation.accuracy"})
    assert figure_data(run, {})["best"]["text"] == "8"
    assert "best epoch 8" in picture(happened, monitor="validation.accuracy")
    figure = happened.plot(monitor="validation.accuracy")
    assert "best epoch 8 (median of 2)" in [text.get_text() for text in figure.axes[0].texts]


def test_of_a_class_without_samples_no_share_is_shown() -> None:
    counts = np.array([[[5, 0, 1], [2, 4, 0], [0, 0, 0]]] * 3)
    run = with_classes(counts)
    lines = class_table(run.per_class["validation"], "samples", {name: name for name in run.task.classes})
    assert [line.split()[1:4] == ["–"] * 3 for line in lines[1:]] == [False, False, True]
    assert (
        page(run).count(">–</td>") == page(with_classes(counts + 1)).count(">–</td>") + 3
        and "0.000" not in lines[-1]
    )
