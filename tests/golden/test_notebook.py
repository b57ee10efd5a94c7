"""Golden: a notebook that fits, looks at everything, and makes a mistake, as a person would see it."""

import html
import html.parser
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.common.notebook_view import chart, facts, items, table, view

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J"
CELLS = [
    """import numpy as np, pandas as pd, epochal as ep
r = np.random.default_rng(3)
frame = pd.DataFrame({"id": range(1, 121), "a": r.normal(size=120), "<i>b</i>": r.choice(["x", "y"], 120)})
frame["t"] = np.where(frame.a > 0, "yes", "no")
run = ep.fit(ep.MLP(8), frame, "t", epochs=4, batch_size=16, repeats=2)""",
    "run",
    "run.plan",
    "ep.load_data('example:iris')",
    "run.predict(frame)",
    "run.evaluate(frame)",
    "run.verdict",
    """found = ep.compare(ep.MLP(4), frame, "t", batch_size=[8, 32], learning_rate=0.01, epochs=3, repeats=2)
found""",
    "run.history.head(3)",
    "help(ep.fit)",
    "ep.fit(ep.MLP(8), frame, 't', epochs=0)",
    "ep.fit(ep.MLP(8), frame, 't', epochs=2, batch_size=16, progress=False)",
    "run.curves.plot()",
    "found.plot()",
]
FIT, RUN, PLAN, DATASET, PREDICTION, EVALUATION, VERDICT, COMPARISON, HISTORY, HELP, REFUSED, SILENT = range(
    12
)
PICTURES = (12, 13)


@pytest.fixture(scope="module")
def outputs():
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat: pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="needs ipykernel: pip install nbclient ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True)
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def html_of(outputs):
    return "\n".join(one.data["text/html"] for one in outputs if "text/html" in one.get("data", {}))


def words_of(outputs):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", html_of(outputs))))


class Checked(html.parser.HTMLParser):
    """Whether a view is self-contained, without scripts, and closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.wrong = [], []
        self.feed(text)
        self.close()
        if self.open:
            self.wrong.append(f"not closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "link", "img", "style", "object"):
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or "http" in (value or "") or "url(" in (value or ""):
                self.wrong.append(f"{tag} {name}={value}")
            if name == "style" and re.search(
                r"(?<![-\w])(?:color|background)(?:-color)?:(?!inherit|none)", value
            ):
                self.wrong.append(f"{tag} has a color of its own: {value}")
        if tag not in ("path", "polyline", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def test_fit_shows_the_data_and_ends_in_one_line(outputs):
    words = words_of(outputs[FIT])
    assert 'keep=["id"]' in words and "--keep" not in words
    assert "epoch 4 of 4 · training loss" in words and "compiling" not in words, "updated in place"
    assert len(outputs[FIT]) == 2, [one.output_type for one in outputs[FIT]]
    assert Checked(html_of(outputs[FIT])).wrong == []
    assert outputs[SILENT] and not html_of(outputs[SILENT]).count("<progress")


@pytest.mark.parametrize("place", [RUN, PLAN, DATASET, PREDICTION, EVALUATION, VERDICT, COMPARISON])
def test_every_object_has_a_view_and_a_short_line(outputs, place):
    (shown,) = [one for one in outputs[place] if one.output_type == "execute_result"]
    assert Checked(shown.data["text/html"]).wrong == []
    assert len(shown.data["text/plain"].splitlines()) <= 6, shown.data["text/plain"]
    words = words_of([shown])
    assert "--" not in words, "flags are for the command line"


@pytest.mark.parametrize("place", PICTURES)
def test_pictures_show_themselves_without_a_magic_command(outputs, place):
    assert outputs[place][0].data["image/png"]


def test_views_say_what_the_objects_hold(outputs):
    assert "validation accuracy" in words_of(outputs[RUN]) and "<svg" in html_of(outputs[RUN])
    assert "&lt;i&gt;b" in html_of(outputs[RUN]) or "<i>" not in html_of(outputs[RUN])
    assert "5 × 16, 1 × " in words_of(outputs[PLAN]) or "× 16" in words_of(outputs[PLAN])
    assert "setosa" in words_of(outputs[DATASET]) and "150" in words_of(outputs[DATASET])
    assert "predicted t" in words_of(outputs[PREDICTION]) and "110 more rows" in words_of(outputs[PREDICTION])
    assert "Confusion matrix" in words_of(outputs[EVALUATION])
    assert "batch 8" in words_of(outputs[COMPARISON]) and "batch 32" in words_of(outputs[COMPARISON])
    assert "validation.loss" in html_of(outputs[HISTORY])


def test_help_has_a_line_for_each_option(outputs):
    text = "".join(one.get("text", "") for one in outputs[HELP])
    assert "batch_size" in text and "standardize: " in text and "sample_weight: " in text


def test_a_refusal_is_one_sentence(outputs):
    (error,) = outputs[REFUSED]
    assert error.ename == "Refusal"
    assert len(error.traceback) == 1 and error.traceback[0].startswith("Refusal: epochs must be")
    assert "Traceback" not in error.traceback[0]


@pytest.mark.parametrize("error", [ep.DataFailed, ep.SaveFailed, ep.ProcessLost, ep.Refusal])
def test_errors_that_say_all_show_only_that(error):
    assert error('say `target="x"`.')._render_traceback_() == [f'{error.__name__}: say target="x".']


# What no notebook is needed for: hostile names, no values, many of everything.

FRAME = pd.DataFrame(
    {HOSTILE: np.arange(40.0) ** 2 % 7, "b": np.arange(40.0) % 3, "t": [HOSTILE, "<b>no"] * 20}
)


@pytest.fixture(scope="module")
def hostile():
    return ep.fit(ep.MLP(4), FRAME, "t", epochs=2, batch_size=8)


def views_of(run):
    yield run
    yield run.plan
    yield run.verdict
    yield run.predict(FRAME)
    yield run.predict(FRAME)[:0]
    yield run.evaluate(FRAME)
    yield ep.load_data((FRAME, "t"))


def test_names_from_files_stay_text(hostile):
    for one in views_of(hostile):
        shown = one._repr_html_()
        assert "<img" not in shown and "<b>no" not in shown and "\x1b" not in shown, one
        assert Checked(shown).wrong == [], one


def test_the_numbers_are_those_of_the_report(hostile, tmp_path):
    page = hostile.report(tmp_path / "report.html").read_text(encoding="utf-8")
    figure = hostile.metrics["validation"]["accuracy"]
    shown = figure.format_value(figure.mean)
    assert shown in hostile._repr_html_() and shown in page


def test_many_columns_rows_and_notes_stay_small():
    wide = (
        pd.DataFrame(np.random.default_rng(0).normal(size=(30, 300)))
        .add_prefix("column ")
        .assign(t=range(30))
    )
    dataset = ep.load_data((wide, "t"))
    assert len(dataset._repr_html_()) < 20_000 and "270 more" in dataset._repr_html_()
    assert "<details>" in items("Notes", [f"note {number}" for number in range(50)])


def test_parts_without_content_leave_nothing():
    assert view(facts([]), items("Notes", []), chart([("a", [0.0], [1.0])], "epoch")).count("<") == 2
    assert chart([("a", [0.0, 1.0], [float("nan"), 1.0])], "epoch") == ""
    flat = chart([("a", [0.0, 1.0, 2.0], [1.0, 1.0, 1.0])], "epoch")
    assert "nan" not in flat and Checked(flat).wrong == []
    assert Checked(table(["", "x"], [["<b>", 1]])).wrong == []


def test_negative_control_the_checker_finds_what_is_wrong():
    for wrong in ("<div>", "<script></script>", "<p onclick=x></p>", '<p style="color:red"></p>', "<b></i>"):
        assert Checked(wrong).wrong, wrong


def test_progress_in_a_notebook_is_updated_in_place_ten_times_a_second(monkeypatch):
    display = pytest.importorskip("IPython.display")
    from epochal.training.progress.notebook import Notebook

    shown, updated = [], []
    handle = SimpleNamespace(update=lambda one: updated.append(one.data))
    monkeypatch.setattr(display, "display", lambda one, **options: shown.append(one.data) or handle)
    notebook = Notebook()
    line = SimpleNamespace(share=0.25, fitted=lambda room: f"epoch 1 of 4 {HOSTILE}")
    notebook.opening([("Data", [HOSTILE, "a note"]), ("Empty", [])])
    for _ in range(100):
        notebook.show(line)
    notebook.close("done")
    assert len(shown) == 2 and 'value="0.2500"' in shown[1]
    assert len(updated) <= 3 and "done" in updated[-1]
    assert all("<img" not in one and "\x1b" not in one for one in (*shown, *updated))
    notebook.note("about 9 s from here")
    notebook.close("done in 3 s")
    assert updated[-1] == "" and "about 9 s" in shown[-2] and "done in 3 s" in shown[-1], "in order of time"
