"""Golden: what the pages of a comparison and an advice hold, and that nothing in them can run or fetch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import StrictUndefined

import choice_fixtures as made
from choice_fixtures import EVIL
from epochal.choose.comparison.comparison import Comparison
from epochal.choose.comparison.sentences import UNBEATEN, at_best, use
from epochal.cli.advise import _expected
from epochal.cli.compare import _conclude
from epochal.cli.study_screen import StudyScreen
from epochal.curves import summarize
from epochal.report.advice_page import advice_page
from epochal.report.comparison_page import comparison_page
from epochal.report.page import _environment
from epochal.report.plots.advice import plot

COMPARISON = [
    "answer", "quality", "curves", "cost", "target", "regimes", "settings", "tuning", "notes", "conditions",
]  # fmt: skip
ADVICE = [
    "answer", "price", "timing", "epochs", "curves", "tried", "theory", "notes", "conditions"
]  # fmt: skip

CASES: dict[str, Callable[[], str]] = {
    "comparison": lambda: comparison_page(made.comparison()),
    "one setting": lambda: comparison_page(made.single()),
    "all diverged": lambda: comparison_page(made.all_diverged()),
    "30 settings": lambda: comparison_page(made.many()),
    "endless hyperbola": lambda: comparison_page(
        made.comparison(
            hyperbola=made.hyperbola(critical_batch_size=math.inf, minimal_steps=0.0),
            critical_batch_size_ci95=(9.0, math.inf),
        )
    ),
    "flat hyperbola": lambda: comparison_page(
        made.comparison(
            hyperbola=made.hyperbola(critical_batch_size=0.0, minimal_samples=0.0),
            critical_batch_size_ci95=(0.0, 3.0),
        )
    ),
    "no curves": lambda: comparison_page(made.comparison(curves={})),
    "advice": lambda: advice_page(made.advice()),
    "bare advice": lambda: advice_page(made.bare_advice()),
    "quality": lambda: advice_page(
        made.advice(
            goal="quality", monitor="validation.accuracy", higher_is_better=True,
            tried=(
                made.tried(64, 0.12, 0.9, effect=(0.0, 0.0, 0.0)),
                made.tried(8, 0.12, 0.8, value=(math.nan,) * 3, effect=(math.nan,) * 3),
            ),
        )
    ),
}  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} is not well nested"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.said.append(data)

    @property
    def sections(self) -> list[str | None]:
        return [attrs["id"] for tag, attrs in self.tags if tag == "section"]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.said).split())


def figures(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found.group(1), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: make() for name, make in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_page_is_whole_safe_and_fetches_nothing(pages: dict[str, str], name: str) -> None:
    text = pages[name]
    tags = Tags(text)
    assert not tags.open and tags.sections[0] == "answer"
    order = ADVICE if "price" in tags.sections or "theory" in tags.sections else COMPARISON
    assert tags.sections == [section for section in order if section in tags.sections]
    assert [attrs for tag, attrs in tags.tags if tag == "script"] == [
        {"type": "application/json", "id": "figures"}, {}, {}
    ]  # fmt: skip
    assert EVIL not in text and EVIL in tags.words
    for tag, attrs in tags.tags:
        assert (
            tag not in ("link", "iframe", "object", "embed", "base", "img", "a")
            or attrs.get("href") == "#answer"
        )
        for attribute, value in attrs.items():
            assert not attribute.startswith("on"), (tag, attribute)
            assert not re.search(r"(https?:)?//", value or ""), (tag, attrs)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None and not re.search(r"@import|url\(", style.group(1))
    assert "default-src 'none'" in text and "http-equiv" in text
    ids = [attrs["id"] for _, attrs in tags.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    figures(text)


def test_every_section_is_there_in_order(pages: dict[str, str]) -> None:
    assert Tags(pages["comparison"]).sections == COMPARISON
    assert Tags(pages["advice"]).sections == ADVICE


def test_the_words_of_numbers_never_leak(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        words = Tags(text).words
        assert not re.search(r"\b(nan|inf|None|True|False)\b", words), (
            name,
            re.findall(r".{30}\b(?:nan|inf|None)\b", words),
        )


def test_the_answer_is_said_first_and_in_plain_words(pages: dict[str, str]) -> None:
    words = Tags(pages["comparison"]).words
    for said in (
        "Use batch size 32", "Train with batch 32 and learning rate 0.0566; it is best around epoch",
        "5 batch sizes, each trained 8 times (2 of them fewer times",
        "equal for all: 20 epochs each", "The learning rate was tuned",
        "how wrong the network is on samples that it did not learn from",
        "no significant difference from batch 8",
    ):  # fmt: skip
        assert said in words, said
    assert "no significant difference from any other" in Tags(pages["30 settings"]).words
    assert "No setting trained to a finite loss" in Tags(pages["all diverged"]).words
    assert "Nothing to choose" in Tags(pages["one setting"]).words


@pytest.mark.parametrize("make", [made.comparison, made.many, made.single])
def test_the_page_and_the_screen_say_which_setting_to_take_in_the_same_words(
    make: Callable[[], Comparison], capsys: pytest.CaptureFixture[str]
) -> None:
    found = make()
    _conclude(StudyScreen(quiet=False, to_stderr=False), found, ["epochal", "train", "table.csv"])
    screen = " ".join(capsys.readouterr().out.split())
    page = Tags(comparison_page(found)).words
    row = found.row(found.recommended)
    assert f"To train with {row.name}, best {at_best(row)} epochal" in screen
    assert f"Train with {row.name} and" in page or "Nothing to choose" in page
    assert f"{use(found)}" in page or len(found.rows) == 1
    missed = any(
        row.updates_to_target and 0 < row.updates_to_target.reached < row.updates_to_target.repeats
        for row in found.rows
    )
    assert ("expected updates until" in screen) == (found.target_value is not None)
    assert ("that missed it count with all their updates" in screen) == missed
    for said in ("Take ", "fastest", "No clear winner"):
        assert said not in page, said


def test_a_clear_winner_is_one_big_figure() -> None:
    words = Tags(comparison_page(made.comparison(tied=("batch 32",)))).words
    assert "✓ Use batch size 32" in words and "More repeats may tell" not in words
    assert "≈ Use batch size 32" in Tags(comparison_page(made.comparison())).words
    ended = Tags(comparison_page(made.comparison(tied=("batch 32",), interrupted=True))).words
    assert "Use batch size 32 (ended early)" in ended


def test_the_figures_are_those_of_the_comparison(pages: dict[str, str]) -> None:
    found, shown = made.comparison(), figures(pages["comparison"])
    assert [one["batch"] for one in shown["settings"]] == [1, 8, 32, 128, 512]
    assert [one["status"] for one in shown["settings"]] == ["diverged", "tied", "best", "dropped", "worse"]
    best = shown["settings"][2]
    quality = found.row("batch 32").quality
    assert best["mean"] == pytest.approx(quality.mean, rel=1e-5)
    assert quality.ci95 is not None
    assert [best["low"], best["high"]] == pytest.approx(quality.ci95, rel=1e-5)
    assert best["values"] == pytest.approx(quality.per_repeat, rel=1e-5)
    assert [best[unit] for unit in ("updates", "samples")] == [320, 10_240]
    assert shown["settings"][0]["mean"] is None and shown["settings"][0]["values"] == [None] * 3

    lines = shown["curves"]["quantities"][0]
    assert lines["name"] == "validation loss" and lines["target"] == 0.26
    line = next(one for one in lines["lines"] if one["name"] == "batch 32")
    band = found.curves["batch 32"].summary("validation.loss")
    assert line["mean"] == pytest.approx(band.mean.tolist(), rel=1e-5)
    assert line["low"] == pytest.approx(band.low.tolist(), rel=1e-5)
    x = shown["curves"]["x"][line["source"]]
    assert x["updates"][-1] == 320 and x["epochs"][-1] == 20 and x["samples"][-1] == 10_240
    assert [one["name"] for one in shown["curves"]["quantities"]] == [
        "validation loss",
        "validation accuracy",
    ]

    ert = shown["ert"]
    assert [one["batch"] for one in ert["points"]] == [8, 32, 128, 512]
    missed = ert["points"][-1]
    assert (missed["reached"], missed["at"], missed["low"], missed["high"]) == (0, 20, None, None)
    assert ert["points"][2]["high_is_infinite"] and not ert["points"][1]["high_is_infinite"]
    assert ert["critical_batch_size"] == 15 and ert["interval"] == [11, 22] and ert["fewest"] == 60
    sizes, steps = ert["curve"]["x"], ert["curve"]["y"]
    assert steps == pytest.approx([60 + 900 / size for size in sizes], rel=1e-4)


def test_the_figures_are_those_of_the_advice(pages: dict[str, str]) -> None:
    shown = figures(pages["advice"])
    points = shown["cost"]["points"]
    assert [one["status"] for one in points] == ["worse", "tied", "worse", "best", "tied", "worse"]
    assert (points[3]["at"], points[3]["low"], points[3]["high"]) == (0.01, 0.008, 0.013)
    assert points[4]["high_is_infinite"] and points[4]["high"] is None
    assert points[5]["missed"] and points[5]["at"] == 0.26
    assert shown["timing"]["seconds"] == pytest.approx(
        [made.seconds_of(size) for size in shown["timing"]["batch"]]
    )
    assert shown["timing"]["line"]["y"] == pytest.approx(
        [made.seconds_of(size) for size in shown["timing"]["line"]["x"]], rel=1e-4
    )
    assert shown["epochs"]["best"][-1] is None and shown["epochs"]["improving"][-2]
    assert shown["curves"]["best"] == {
        "epochs": 40, "updates": 320, "samples": 40 * 512, "seconds": pytest.approx(320 * made.seconds_of(64))
    }  # fmt: skip
    bare = figures(pages["bare advice"])
    assert bare["epochs"]["high"] is None and bare["curves"]["quantities"] == []


def test_the_advice_shows_three_numbers_with_their_intervals(pages: dict[str, str]) -> None:
    text = pages["advice"]
    cards = re.findall(r'<p class="value">(.*?)</p><p class="range">(.*?)</p>', text)
    assert cards == [("64", ""), ("0.12", ""), ("40", "25 to 60")]
    words = Tags(text).words
    for said in (
        "No significant difference from the advised on the same seeds: batch 128, rate 0.25 and batch 16",
        "12 s in this call",
        "as many updates as 33 trainings as advised", "2.1 % of trying everything",
        "Measured noise scale: 45 samples (95 % interval 20 to 90).",
        "theory alone would take batch size 50 (24 to 110)",
    ):  # fmt: skip
        assert said in words, said
    bare = pages["bare advice"]
    cards = re.findall(r'<p class="value">(.*?)</p><p class="range">(.*?)</p>', bare)
    assert cards == [("32", ""), ("its own", ""), ("1,000", "900 or more")]
    words = Tags(bare).words
    assert (
        "still getting better when the measurement ended" in words
        and "noise scale is not known here" in words
    )


def command_of(text: str) -> str:
    said = re.search(r'<pre tabindex="0" id="command">(.*?)</pre>', text, re.S)
    assert said is not None
    return "".join(Tags(f"<pre>{said.group(1)}</pre>").said)


def test_the_call_can_be_copied(pages: dict[str, str]) -> None:
    assert command_of(pages["advice"]) == (
        f'epochal.fit(epochal.MLP(16), {json.dumps(f"table {EVIL}.csv")}, batch_size=64, optimizer="sgd", '
        "learning_rate=0.12, epochs=40)"
    )
    whole = made.advice(batch_size=made.TRAIN)
    assert 'batch_size="full"' in command_of(advice_page(whole))
    arrays = replace(made.advice(), data={**made.data(), "source": "arrays"})
    assert command_of(advice_page(arrays)) == (
        'epochal.fit(epochal.MLP(16), data, batch_size=64, optimizer="sgd", learning_rate=0.12, epochs=40)'
    )
    assert command_of(advice_page(made.advice(), f"epochal train '{EVIL}'")) == f"epochal train '{EVIL}'"
    assert "learning_rate" not in command_of(pages["bare advice"])


def test_tables_sort_by_numbers_and_say_what_they_mean(pages: dict[str, str]) -> None:
    text = pages["comparison"]
    heads = re.findall(r'<th scope="col"[^>]*aria-sort="none"><button type="button" title="([^"]*)"', text)
    assert len(heads) == 17 and all(heads)
    keys = re.findall(r'<tr><th scope="row" data-sort="([^"]*)">', text)
    assert keys[1:3] == ["batch 8", "batch 32"]
    row, cost = (
        line
        for line in text.splitlines()
        if line.startswith('<tr><th scope="row" data-sort') and "batch 128<" in line
    )
    found = made.comparison().row("batch 128").difference
    assert found is not None
    assert (
        f'data-sort="{found.mean!r}"' in row
        and "given up early" in row
        and "after 3 repeats: worse than" in row
    )
    assert "0 %" in row and "reached in 1 of 3" in cost


def test_differences_read_the_same_in_either_direction() -> None:
    found = made.comparison()
    second = found.rows[1]
    assert second.difference is not None
    turned = replace(
        second.difference, a=second.name, b="batch 32", probability=1 - second.difference.probability,
        probability_ci=tuple(1 - end for end in second.difference.probability_ci[::-1]),
        differences=summarize([-value for value in second.difference.differences.per_repeat]),
    )  # fmt: skip
    rows = (found.rows[0], replace(second, difference=turned), *found.rows[2:])
    line = [
        one
        for one in comparison_page(found).splitlines()
        if one.startswith('<tr><th scope="row" data-sort="batch 8"')
    ]
    other = [
        one
        for one in comparison_page(replace(found, rows=rows)).splitlines()
        if one.startswith('<tr><th scope="row" data-sort="batch 8"')
    ]
    assert line and [re.sub(r"(\d\.\d{9})\d+", r"\1", one) for one in line] == [
        re.sub(r"(\d\.\d{9})\d+", r"\1", one) for one in other
    ]


def test_pages_are_written_whole(tmp_path: Path) -> None:
    one = made.comparison().report(tmp_path / "comparison.html")
    two = made.advice().report(tmp_path / "advice.html", command="epochal train x")
    for path in (one, two):
        assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["advice.html", "comparison.html"]


def test_where_nothing_beats_the_baseline_the_page_says_so_first_and_without_a_tick() -> None:
    shown = comparison_page(
        replace(made.comparison(), baseline_not_beaten=0.69, answer=f"{UNBEATEN}: 0.69. Use it.")
    )
    head = "".join(re.findall(r'<p class="kind">.*?</p>', shown))
    assert UNBEATEN in head and "Use" not in head and "✓" not in head
    assert 'class="answer bad"' in shown
    assert UNBEATEN not in comparison_page(made.comparison()), "negative control"


def test_what_is_not_recommended_is_marked_nowhere_as_advised() -> None:
    recommended, refused = advice_page(made.advice()), advice_page(made.advice(recommended=False))
    found = figures(refused)
    recommended, refused = (page.partition("</main>")[0] for page in (recommended, refused))
    assert "◆ advised" in recommended and "<b>◆</b>" in recommended and "◆" not in refused
    assert found["curves"]["best"] is None and found["timing"]["advised"] is None
    assert "best" not in {one["status"] for one in found["cost"]["points"]}
    assert 'id="epochs"' in recommended and 'id="epochs"' not in refused
    assert "trainings</b> as advised" in recommended and "trainings</b> as advised" not in refused


def test_a_critical_batch_size_that_could_not_be_estimated_is_not_drawn() -> None:
    drawn = figures(comparison_page(made.comparison()))["ert"]
    assert drawn["estimated"] and drawn["critical_batch_size"] > 0
    vague = made.hyperbola(critical_batch_size_ci95=(2.2, 660.0))
    assert not vague.estimated
    shown = comparison_page(made.comparison(hyperbola=vague, critical_batch_size_ci95=(2.2, 660.0)))
    assert not figures(shown)["ert"]["estimated"] and "critical_batch_size" not in figures(shown)["ert"]
    assert "could not be estimated" in shown


def test_what_all_repeats_share_and_why_no_curve_was_fitted() -> None:
    shared, anew = (
        comparison_page(made.comparison(same_split=same, hyperbola=None)) for same in (True, False)
    )
    assert "All share one split and the same" in shared and "with other seeds than" in shared
    assert "random initializations and splits" in anew and "on other splits than" in anew
    assert "random initializations and splits" not in shared and "on other splits" not in shared
    assert "takes three batch sizes" in anew
    rows = made.comparison().rows
    several = made.comparison(hyperbola=None, rows=(replace(rows[0], axes={"model": "mlp"}), *rows[1:]))
    page = comparison_page(several)
    assert "takes three batch sizes" not in page and "more than the batch size differs" in page


def test_a_repeat_without_a_best_epoch_has_no_point_on_paper() -> None:
    found = made.advice()
    known = [late for epoch, late in zip(found.best_epochs, found.improving, strict=True) if epoch == epoch]
    assert len(known) < len(found.best_epochs)
    epochs = plot(found).axes[2]
    points = {line.get_marker(): len(line.get_xdata()) for line in epochs.lines if line.get_marker() in "o>"}
    assert points == {"o": len(known) - sum(known), ">": sum(known)}


def test_what_trained_beside_the_advised_is_shown_whichever_was_advised() -> None:
    found = made.advice()
    tried = replace(found.defaults, batch_size=77, kept=False, epochs=9)
    kept = made.advice(defaults=replace(found.defaults, difference=None), best_tried=tried)
    for advised, name, words in (
        (found, "the defaults", "the best of 100 epochs kept"),
        (kept, "the best tried", "batch size 77, learning rate 0.01, 9 epochs"),
    ):
        screen = " ".join(_expected(advised))
        assert (
            f"{name}: batch size" in screen and words in screen and "the advised less it: -0.0075 (" in screen
        )
        page, notebook = Tags(advice_page(advised)).words, advised._repr_html_()
        assert f"{name} would give on the same seeds" in page and words in page and words in notebook
    assert "the defaults:" not in " ".join(_expected(kept))


def test_every_page_is_the_one_shell_and_escapes_all() -> None:
    loaded = _environment()
    assert loaded.autoescape is True and loaded.undefined is StrictUndefined
    for name in loaded.list_templates(extensions=["html"]):
        text, _, _ = loaded.loader.get_source(loaded, name)  # type: ignore[union-attr]
        assert "safe" not in re.findall(r"\|\s*(\w+)", text) and "autoescape" not in text
        assert name in ("page.html", "parts.html") or text.startswith('{% extends "page.html" %}')
