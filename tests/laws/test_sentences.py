"""Law: a sentence names an option as code, and each face says it in its own words."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.cli.main import COMMANDS, app, main
from epochal.cli.option_flags import in_flags
from epochal.common.option_text import option, parts, render_message, rendering

ROOT = Path(ep.__file__).parent
OTHERS = re.compile(r"`ray [^`]*`|XLA_FLAGS=\S*|style=.--share:")
"""Flags of other programs, and variables of a style sheet."""

SENTENCES = [
    ('left out; `keep=["id"]` keeps it.', 'left out; keep=["id"] keeps it.', "left out; --keep id keeps it."),
    (
        '`drop=["a b"]` or `drop=["c, d", 3]`',
        'drop=["a b"] or drop=["c, d", 3]',
        '--drop "a b" or --drop \'"c, d",3\'',
    ),
    ("`delimiter=...` changes that", "delimiter=... changes that", "--delimiter changes that"),
    ('with `target="income"`.', 'with target="income".', "with --target income."),
    ("`header=False` reads it as data", "header=False reads it as data", "--no-header reads it as data"),
    ("`color=False` reads gray", "color=False reads gray", "--gray reads gray"),
    (
        "more `epochs` or units (`ep.MLP(...)`)",
        "more epochs or units (ep.MLP(...))",
        "more --epochs or units (--hidden)",
    ),
    (
        "`ep.MLP(128, 64)` and `learning_rate=3e-05`",
        "ep.MLP(128, 64) and learning_rate=3e-05",
        "--hidden 128,64 and --learning-rate 3e-05",
    ),
    (
        "stop early with `stop=ep.Patience(12)`, or",
        "stop early with stop=ep.Patience(12), or",
        "stop early with --patience 12, or",
    ),
    (
        "to one with `resize=(28, 32)`, which",
        "to one with resize=(28, 32), which",
        "to one with --resize 28x32, which",
    ),
    (
        "`ep.load_windows(..., window=24)` forecasts",
        "ep.load_windows(..., window=24) forecasts",
        "--window 24 forecasts",
    ),
    ("name it: `groups=COLUMN`.", "name it: groups=COLUMN.", "name it: --groups COLUMN."),
    ("give `missing=[]`", "give missing=[]", "give --missing ''"),
    ('`ep.resume("a b")` goes on', 'ep.resume("a b") goes on', "`epochal resume 'a b'` goes on"),
    ("`ep.load(..., model=...)`", "ep.load(..., model=...)", "--model MODULE:FUNCTION"),
    ("`ray start --head` starts one", "`ray start --head` starts one", "`ray start --head` starts one"),
    ("a column ` and `` here", "a column ` and `` here", "a column ` and `` here"),
]


@pytest.mark.parametrize(("sentence", "python", "flags"), SENTENCES)
def test_each_face_says_it_in_its_own_words(sentence: str, python: str, flags: str) -> None:
    assert render_message(sentence) == python
    with rendering(in_flags):
        assert render_message(sentence) == flags
    assert render_message(sentence) == python


def test_a_value_from_data_cannot_end_the_code_or_add_to_it() -> None:
    name = 'a` or `drop=["b"]\n"'
    sentence = f"left out; {option('keep', [name])} keeps it."
    with rendering(in_flags):
        assert render_message(sentence).count("--") == 1
    assert ast.literal_eval(
        render_message(sentence).removeprefix("left out; keep=").removesuffix(" keeps it.")
    ) == [name]


@pytest.mark.parametrize(
    "name",
    ["x=1)+(", "x=", "ep.MLP()", "ep.resume()", "x=" + "-" * 9999 + "1", "x=" + "(" * 999, "x=\0", "x=*a"],
)
def test_a_name_in_a_file_that_looks_like_code_does_no_harm(name: str) -> None:
    for face in (in_flags, str):
        with rendering(face):
            assert render_message(f'column 1 ("`{name}`") is constant: left out.').startswith('column 1 ("')


def test_notes_and_refusals_in_python_name_calls_that_can_be_made() -> None:
    """An argument of reading stands in a call of the function that takes it, by its own signature."""
    assert (
        render_message("`header=False` reads it.", "ep.load_windows")
        == "ep.load_windows(..., header=False) reads it."
    )
    assert (
        render_message('`task="binary"` asks.', "ep.load_data") == 'ep.load_data(..., task="binary") asks.'
    ), "fit takes none of a data set that is ready"
    assert (
        render_message('give `text="review"`.', "ep.load_data") == 'give ep.load_texts(..., text="review").'
    )
    assert render_message("`stream=False` keeps it.", "ep.load_data") == "stream=False keeps it."
    table = pd.DataFrame({"x": np.arange(40.0) % 7, "kind": ["a", "b"] * 20, "y": [0, 1] * 20})
    data = ep.load_data((table, "y"))
    assert data.notes and not any("--" in note or "`" in note for note in data.notes)
    with pytest.raises(ep.Refusal) as refused:
        ep.load_data(table.assign(y=["yes"] * 40), target="y", task="binary")
    assert str(refused.value).endswith("Name another column with target=COLUMN.")
    with rendering(in_flags):
        assert str(refused.value).endswith("Name another column with --target COLUMN.")


def test_no_module_of_the_library_speaks_of_flags() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path, text in texts()
        if re.search(r"(?<![\w-])--[a-z]", OTHERS.sub("", text))
    ]
    assert not found


def test_the_code_in_sentences_is_taken_by_a_function_and_has_a_flag() -> None:
    arguments = {name for one in TAKERS for name in inspect.signature(one).parameters}
    arguments |= {"block_length", "patience", "checkpoint_every", "on_checkpoint_error", "epoch", "update"}
    flags = {
        name
        for command in COMMANDS
        for one in command_of(command).params
        for name in (*one.opts, *one.secondary_opts)
    }
    codes = {piece for _, text in texts() for piece, code in parts(text) if code}
    assert len(codes) > 150
    for code in sorted(codes - {"X", "x=...", "to_dict()"}):
        call = ast.parse(f"_({code})", mode="eval").body
        assert isinstance(call, ast.Call)
        names = {one.arg for one in call.keywords} | {
            one.id for one in call.args if isinstance(one, ast.Name)
        }
        assert names <= arguments, code
        said = in_flags(code)
        assert {word for word in said.strip("`").split() if word[:2] == "--"} <= flags, (code, said)


@pytest.mark.parametrize(
    ("given", "words", "options", "python"),
    [
        (["--epochs", "0"], "--epochs must be", {"epochs": 0}, "epochs must be"),
        (
            ["--batch-size", "1000"],
            "--batch-size must be between 1 and 120",
            {"batch_size": 1000},
            "batch_size must",
        ),
        (
            ["--learning-rate", "-1"],
            "--learning-rate must be",
            {"learning_rate": -1},
            "learning_rate must be",
        ),
        (
            ["--validation", "0.999"],
            "--validation and --test must leave",
            {"validation": 149, "test": 1},
            "validation and test must",
        ),
        (
            ["--order", "blocks", "--block-length", "500"],
            "--block-length must be",
            {"order": ep.Blocks(500)},
            "block_length must",
        ),
        (
            ["--threshold", "0.4"],
            "--threshold must be left out",
            {"threshold": 0.4},
            "threshold must be left out",
        ),
        (["--target", "spices"], "--target must name one", {"target": "spices"}, "target must name one"),
        (
            ["--devices", "99"],
            "--devices must be between 1 and",
            {"devices": 99},
            "devices must be between 1 and",
        ),
        (
            ["--label-smoothing", "2"],
            "--label-smoothing must",
            {"label_smoothing": 2.0},
            "label_smoothing must",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_that_it_was_given_under(
    given: list[str],
    words: str,
    options: dict[str, Any],
    python: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "example:iris", *given]) == 2
    assert words in capsys.readouterr().err
    with pytest.raises(ep.Refusal) as refused:
        ep.fit(ep.MLP(2), "example:iris", progress=False, **options)
    assert str(refused.value).startswith(python) and "--" not in OTHERS.sub("", str(refused.value))


TAKERS = (
    *(
        ep.fit,
        ep.load_data,
        ep.load_windows,
        ep.load_texts,
        ep.load_rank_pairs,
        ep.resume,
        ep.compare,
        ep.advise,
    ),
    *(ep.Run.predict, ep.Run.evaluate, ep.Plan, ep.Initial, ep.Patience, ep.Blocks, ep.word_vectors),
    *(ep.MLP, ep.CNN, ep.Schedule),
)


def command_of(name: str) -> click.Command:
    found = app.get_command(click.Context(app), name)  # type: ignore[attr-defined]
    assert isinstance(found, click.Command)
    return found


def texts() -> Iterator[tuple[Path, str]]:
    """Every string of the library that is no docstring; what is filled into it is called X."""
    for path in ROOT.rglob("*.py"):
        if path.is_relative_to(ROOT / "cli"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        passed: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                passed.add(id(node.value))  # a docstring
            if isinstance(node, ast.JoinedStr):
                passed |= {id(one) for one in node.values}
                pieces = [one.value if isinstance(one, ast.Constant) else "X" for one in node.values]
                yield path, "".join(map(str, pieces))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
                yield path, node.value
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option":
                yield path, f"`{getattr(node.args[0], 'value', 'x')}=...`"
