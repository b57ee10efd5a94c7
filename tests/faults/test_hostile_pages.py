"""Fault: names that are HTML. In a real browser they are text, in the page and in its figures; nothing runs.

The page is shown once without its policy, where the escaping alone must hold, and once with it and a script
planted in it, which the policy alone must stop.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import choice_fixtures as made
from epochal.curves import judge, summarize
from epochal.data import Task, TimeColumn
from epochal.plan import Plan
from epochal.report.advice_page import advice_page
from epochal.report.comparison_page import comparison_page
from epochal.report.run_page import run_page as page
from epochal.runs import ForecastScores, Observed, Outcome, Run, Scores

pytestmark = pytest.mark.slow

HOSTILE = (
    """<img src=x onerror="top.ran('img')"><script>top.ran('script')</script></script><!-- <b>bold</b> """
    """<a href="javascript:top.ran('link')">link</a> %{x} &quot; '" \u2028 ]]> <svg onload=top.ran('svg')>"""
)
PLANTED = "<img src=x onerror=\"top.ran('planted')\"><script>top.ran('planted')</script>"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

MAIN = """<!doctype html><meta charset=utf-8><body><script>
const pages = %s, told = {}, ran = {};
let current = "", left = Object.keys(pages).length;
async function look(frame) {
  const inside = frame.contentWindow, page = frame.contentDocument;
  let hovered = 0;
  const seen = { text: page.body.textContent, shown: "" };
  const note = () => { seen.shown += [...page.querySelectorAll("svg text, .key, option, h1, td, th")]
      .map((one) => one.textContent).join("\\n"); };
  note();
  for (const figure of page.querySelectorAll(".js-plotly-plot"))
    for (let curve = 0; curve < figure.data.length; curve++) {
      if (figure.data[curve].hoverinfo === "skip") continue;
      try {
        inside.Plotly.Fx.hover(figure, [{ curveNumber: curve, pointNumber: 1 }]);
        hovered += 1;
        note();
      } catch (error) { seen.error = String(error); }
    }
  for (const one of page.querySelectorAll("input, select")) one.dispatchEvent(new Event("change", { bubbles: true }));
  note();
  seen.hovered = hovered;
  seen.figures = page.querySelectorAll(".js-plotly-plot").length;
  seen.empty = [...page.querySelectorAll(".chart:not(.js-plotly-plot)")].map((one) => one.id);
  seen.images = page.querySelectorAll("img:not(.planted)").length;
  seen.links = page.querySelectorAll("svg a, a[href^=javascript]").length;
  seen.scripts = page.querySelectorAll("script").length;
  return seen;
}
async function next(names) {
  for (const name of names) {
    current = name; ran[name] = [];
    const frame = document.createElement("iframe");
    frame.width = 1000; frame.height = 3000;
    await new Promise((done) => { frame.onload = done; frame.srcdoc = pages[name]; document.body.append(frame); });
    told[name] = await look(frame);
    told[name].ran = ran[name];
    frame.remove();
  }
  const said = document.createElement("pre");
  said.id = "told";
  said.textContent = JSON.stringify(told);
  document.body.replaceChildren(said);
}
window.ran = (what) => { (ran[current] = ran[current] || []).push(what); };
next(Object.keys(pages));
</script>"""  # noqa: E501


def history():
    series = np.repeat([0, 1], 20)
    row, time = np.arange(1, 41), np.tile(np.arange(20.0), 2)
    return Observed(
        (HOSTILE, f"{HOSTILE}2"), HOSTILE, TimeColumn("number", HOSTILE), series, row, time, time + 1
    )


def hostile_run(task, scores, repeats, **more):
    happened = made.curves(epochs=6, repeats=repeats)
    outcomes = tuple(Outcome(k, k, HOSTILE, 6.0, 96, 1.0, 5.0, 80) for k in range(repeats))
    data = {"source": HOSTILE, "samples": 40, "shape": [2], "target": HOSTILE, "fingerprint": HOSTILE}
    return Run(
        plan=Plan(40, 10, 6),
        task=task,
        model=None,
        settings={"model": {"kind": HOSTILE}, "monitor": "validation.loss", HOSTILE: {HOSTILE: 1}},
        curves=happened,
        outcomes=outcomes,
        fitted=(),
        verdict=judge(happened),
        scores={"validation": scores},
        data={**data, "sizes": {"train": 30}, "notes": [HOSTILE]},
        encoder=None,
        environment={"command": HOSTILE, "date": "2026-11-23T08:00", HOSTILE: 1},
        rows=np.arange(1, 41),
        split_codes=(np.repeat(np.array([1, 2], np.uint8), [30, 10]),) * repeats,
        **more,
    )


def pages():
    metrics = {HOSTILE: summarize([1.0, 2.0, 3.0])}
    few = hostile_run(Task("binary", ("no", HOSTILE)), Scores(metrics, np.arange(12).reshape(3, 2, 2)), 3)
    names, counts = tuple(f"{HOSTILE}{k}" for k in range(21)), np.tile(np.eye(21, dtype=int), (3, 1, 1))
    many = hostile_run(Task("multiclass", names), Scores(metrics, counts), 3)
    true, predicted = np.arange(30.0), np.arange(30.0) + 0.5
    errors = Scores(metrics, true=true, predicted=predicted)
    windows = ForecastScores(10, summarize([1.0] * 3), (summarize([1.0] * 3),), ())
    numbers = hostile_run(
        Task("regression"), errors, 3, observed=history(), forecasts={"validation": windows}
    )
    return {
        "classes": page(few),
        "many classes": page(many),
        "regression": page(numbers),
        "comparison": comparison_page(made.comparison()),
        "advice": advice_page(made.advice(), HOSTILE),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("there is no browser here")
    before, made.EVIL = made.EVIL, HOSTILE
    try:
        written = pages()
    finally:
        made.EVIL = before
    planted = written["classes"].replace("<main>", f"<main>{PLANTED.replace('<img', '<img class=planted')}")
    texts = {name: re.sub(r"<meta http-equiv=[^>]*>", "", text) for name, text in written.items()}
    assert all("Content-Security-Policy" not in text for text in texts.values())
    texts |= {
        "with its policy": written["comparison"],
        "planted": planted,
        "planted, no policy": re.sub(r"<meta http-equiv=[^>]*>", "", planted),
    }
    folder = tmp_path_factory.mktemp("pages")
    safe = json.dumps(texts).replace("<", "\\u003c")
    (folder / "main.html").write_text(MAIN % safe, encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000", "--dump-dom",
            (folder / "main.html").as_uri(),
        ],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout.decode(), re.S)
    assert found is not None, done.stderr.decode()[-2000:]
    return json.loads(html.unescape(found[1]))


def words(text):
    return " ".join(text.split())


PAGES = ("classes", "many classes", "regression", "comparison", "advice")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_and_the_names_are_read(told, name):
    seen = told[name]
    assert seen["ran"] == [] and "error" not in seen, seen.get("error")
    assert (seen["images"], seen["links"], seen["scripts"]) == (0, 0, 3)
    assert seen["figures"] > 0 and seen["hovered"] > 0
    assert seen["empty"] == [], "a place for a figure that no script fills"
    assert words(HOSTILE) in words(seen["text"])
    for piece in ("&#", "&lt;", "&amp;"):
        assert piece not in seen["shown"], "a sign of an escape is shown"


@pytest.mark.parametrize("name", ["many classes", "regression"])
def test_the_labels_of_figures_are_text(told, name):
    assert words(HOSTILE) in words(told[name]["shown"])


def test_the_policy_lets_the_page_s_own_scripts_run_and_no_other(told):
    assert told["with its policy"]["figures"] == told["comparison"]["figures"]
    assert set(told["planted, no policy"]["ran"]) == {"planted"}
    assert told["planted"]["ran"] == []
    assert told["planted"]["figures"] == told["classes"]["figures"]
