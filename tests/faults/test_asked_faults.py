"""Fault: what was asked of a training is damaged, a stranger's, or no longer true of the data."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import epochal as ep
from epochal.data.recipe import Recipe
from epochal.data.registry import recipe_from_dict
from epochal.settings import Settings
from epochal.training.differences import differences
from epochal.training.prepare import prepare
from epochal.training.request import ask_again, environment_changes, environment_of, request_json, with_epochs
from epochal.training.resume_fingerprint import resume_fingerprint

OPTIONS: dict[str, Any] = {
    "batch_size": {0: 4, 3: 8},
    "epochs": 20,
    "optimizer": "adamw",
    "optimizer_options": {"weight_decay": 0.1},
    "schedule": ep.Schedule("step", every=4),
    "stop": ep.any_of(
        ep.Patience(3), ep.all_of(ep.TargetValue(0.5), ep.ProgressQuotient(2.0)), ep.Budget(9.0)
    ),
    "order": ep.Groups([i % 5 for i in range(40)]),
    "class_weight": {"a": 2.0},
    "metrics": ("accuracy",),
    "test": 0.1,
    "freeze": ("0/bias",),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small table of two classes."""
    path = tmp_path_factory.mktemp("asked") / "table.csv"
    rows = [f"{i * 7 % 11},{i * 0.5:.1f},{'ab'[i % 2]}" for i in range(40)]
    path.write_text("\n".join(["x,y,kind", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def written(table: Path) -> dict[str, Any]:
    """A document with something of every kind in it."""
    found: dict[str, Any] = json.loads(
        json.dumps(request_json(prepare(ep.MLP(4), table, Settings(**OPTIONS))))
    )
    return found


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a JSON value has values."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inner:
        yield from places(held, (*at, key))


def changed(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A JSON value with another one in a place."""
    if not at:
        return new
    value = copy.deepcopy(value)
    held = value
    for key in at[:-1]:
        held = held[key]
    held[at[-1]] = new
    return value


words = st.sampled_from(
    ["", "x", "full", "auto", "example:iris", "/dev/zero", "~x", "\0", "a\x1b[2J\nb", "é" * 5000]
)
numbers = st.sampled_from([0, 1, -1, 3, 2**31, 2**63, 2**70, 10**40, -0.0, 0.5, 1e-320, 1e300, float("nan")])
shapes: list[Any] = [
    *([], [1], [[1]], [None], ["x"], {}, {"a": 1}, [{}], {"given": "x"}, {"given": 1}),
    *({"of": "budget"}, {"of": []}, {"of": "any_of", "rules": []}, {"of": "any_of", "rules": [1]}),
    *({"name": ["x"], "options": {}}, {"name": "blocks", "options": {"length": "3"}}, {"path": "\0"}),
    *({"unit": "epochs", "changes": [[0]]}, {"unit": [], "changes": {}}, {"kind": "mlp"}, {"kind": {}}),
    *({"kind": "pairwise", "of": {"kind": "pairwise", "of": {}}}, {"kind": "cnn", "filters": [2**40]}),
]
junk = st.one_of(st.none(), st.booleans(), words, numbers, st.sampled_from(shapes))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_stands_in_a_request_it_is_read_or_refused(
    written: dict[str, Any], data: st.DataObject
) -> None:
    """Never a traceback; what is refused is one line. A million repeats or layers are not tried."""
    parts = {name: written[name] for name in ("format", "model", "data", "settings")}
    at = data.draw(st.sampled_from(list(places(parts))))
    hostile = changed(written if at else parts, at, data.draw(junk))
    refused = ""
    try:
        model, samples, asked = ask_again(hostile)
        if asked.repeats <= 9:
            prepared = prepare(model, samples, asked)
            differences(written["fingerprint"], resume_fingerprint(prepared))
    except ep.Refusal as refusal:
        refused = str(refusal)
    assert refused.isprintable()


@settings(max_examples=150)
@given(st.data())
def test_any_change_of_an_identity_is_told(written: dict[str, Any], data: st.DataObject) -> None:
    """And what a damaged one says does no harm."""
    then = written["fingerprint"]
    at = data.draw(st.sampled_from(list(places(then))))
    new = changed(then, at, data.draw(junk))
    found = differences(new, then)
    assert bool(found) == (json.dumps(new) != json.dumps(then))
    assert differences(then, then) == []


def test_a_request_names_nothing_that_is_imported(
    written: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's module stays out until the caller names it."""
    (tmp_path / "strangers_module.py").write_text(
        "import epochal as ep\n\n\ndef build(inputs, outputs):\n    return ep.MLP(inputs + outputs)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    hostile = {**written, "model": {"kind": "import", "path": "strangers_module:build"}}
    with pytest.raises(
        ep.Refusal, match=r'name it again: ep\.resume\(\.\.\., model="strangers_module:build"\)'
    ):
        ask_again(hostile)
    assert "strangers_module" not in sys.modules
    model, samples, asked = ask_again(hostile, model="strangers_module:build")
    again = request_json(prepare(model, samples, asked))
    assert again["model"] == hostile["model"]
    assert (
        differences(again["fingerprint"], resume_fingerprint(prepare(*ask_again(again, model=model)))) == []
    )


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({"reader": "eval", "source": "/x", "options": {}}, "unknown reader of data"),
        ({"reader": "load_data", "source": "x.csv", "options": {}}, "must be an absolute path"),
        (
            {"reader": "load_data", "source": "/x", "options": {"hook": "os"}},
            'unknown option of load_data "hook"',
        ),
        (
            {"reader": "load_data", "source": "/x", "options": {"target": {}}},
            "the option target of load_data",
        ),
        ({"reader": "load_data", "source": "/x"}, "a reader, a source and options"),
        ({"reader": "load_data", "source": "/dev/zero", "options": {}}, "nothing is there"),
        ({"reader": "load_data", "source": "/x\0", "options": {}}, "absolute path"),
        ({"reader": [], "source": "/x", "options": {}}, "unknown reader"),
    ],
)
def test_a_recipe_reads_with_known_readers_and_options_only(
    written: dict[str, Any], recipe: Any, sentence: str
) -> None:
    """And only from a place that is a file, a folder or an example."""
    with pytest.raises(ep.Refusal, match=sentence):
        ask_again({**written, "data": recipe})


def test_other_data_another_model_or_another_format_is_told_apart(
    table: Path, tmp_path: Path, written: dict[str, Any]
) -> None:
    """In words that people know, one clause for each thing that is not as it was."""
    text, options = table.read_text(), {**OPTIONS, "order": "shuffle"}
    then = resume_fingerprint(prepare(ep.MLP(4), table, Settings(**options)))

    def now(model: Any = None, content: str = text, **other: Any) -> list[str]:
        path = tmp_path / "changed.csv"
        path.write_text(content)
        return differences(
            then, resume_fingerprint(prepare(model or ep.MLP(4), path, Settings(**{**options, **other})))
        )

    assert now() == []
    (cell,) = now(content=text.replace("19.5", "19.6"))
    assert cell.startswith("the data differ: 1 cell or more (fingerprint ")
    assert now(content=text + "3,20.0,a\n") == ["samples: 40 then, 41 now"]
    assert now(content=text.replace(",b\n", ",c\n")) == ["task: binary of a, b then, binary of a, c now"]
    assert now(ep.MLP(5)) == ["hidden: [4] then, [5] now"]
    assert now(ep.LSTM(5), freeze=()) == ["model: mlp then, lstm now", 'freeze: ["0/bias"] then, [] now']
    assert now(batch_size=8) == [
        "batch_size: 4 then, 8 now",
        'batch_schedule: {"unit": "epochs", "changes": [[0, 4], [3, 8]]} then, none now',
    ]
    assert now(seed=7, optimizer="adam", optimizer_options={}, learning_rate=0.5) == [
        "seed: 0 then, 7 now",
        "optimizer: adamw then, adam now",
        'optimizer_options: {"weight_decay": 0.1} then, {} now',
        "learning_rate: 0.001 then, 0.5 now",
    ]
    assert now(stop=ep.Patience(4), schedule=ep.Schedule("step", every=4, warmup=2)) == [
        "warmup of the schedule: 0 then, 2 now",
        "stopping rule: no improvement of validation.loss for 3 epochs, or validatio … lization loss over "
        "training progress above 2 (Prechelt's PQ) then, no improvement of validation.loss for 4 epochs now",
    ]
    assert now(test=0.2) == ["test: 0.1 then, 0.2 now"]
    assert now(epochs=500, stop=ep.any_of(*OPTIONS["stop"].rules[:2])) == []
    assert differences({**then, "format": 2}, then) == ["format: 2 then, 1 now"]
    with pytest.raises(ep.Refusal, match="must be of format 1; got 2"):
        ask_again({**written, "format": 2})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("validation", {"path": "/gone/v.csv"}),
        ("test", {"path": "/dev/zero"}),
        ("initial", {"path": "/gone/run", "reinitialize": [], "rename": {}, "repeat": 0}),
    ],
)
def test_files_that_are_gone_are_asked_for(written: dict[str, Any], name: str, value: Any) -> None:
    """Each by the option that says where it is now."""
    with pytest.raises(ep.Refusal, match=rf"nothing is there.*resume\(folder, {name}=path\)"):
        ask_again(changed(written, ("settings", name), value))
    other = 0.1 if name == "test" else "example:iris"
    asked = ask_again(changed(written, ("settings", name), value), options={name: other})[2]
    assert getattr(asked, name) == other


def test_programs_are_compared_where_the_same_jax_wrote_them_for_the_same_device() -> None:
    """Else nothing can be told; a rule of one's own is compared by its words in any case."""
    then = {"program": {"digest": "a", "jax": "1", "backend": "cpu"}}
    for other, told in (({"jax": "2"}, 0), ({"backend": "gpu"}, 0), ({}, 1)):
        now = {"program": {**then["program"], "digest": "b", **other}}
        assert len(differences(then, now)) == told
    rule = {"words": "never", "digest": "a", "jax": "1", "backend": "cpu"}
    assert differences({"stop": rule}, {"stop": {**rule, "digest": "b", "jax": "2"}}) == []
    assert differences({"stop": rule}, {"stop": {**rule, "words": "now", "jax": "2"}}) != []


def test_fewer_epochs_are_refused_and_a_rate_that_depends_on_them_is_said(written: dict[str, Any]) -> None:
    """What 300 epochs asked for at once would have been is another run with a cosine."""
    longer, notes = with_epochs(written, 300)
    assert ask_again(longer)[2].epochs == 300
    assert notes == ()
    with pytest.raises(ep.Refusal, match="at least 20, what the run was asked for; got 19"):
        with_epochs(written, 19)
    cosine = changed(written, ("settings", "schedule"), "cosine")
    _, (note,) = with_epochs(cosine, 300)
    assert "not the run that 300 epochs asked for at once would have been" in note
    assert with_epochs(cosine, 20)[1] == ()


def test_other_versions_and_a_file_written_since_are_said(tmp_path: Path) -> None:
    """What is streamed is compared by some samples: this one is none of them, so the time is looked at."""
    path, values = tmp_path / "large.npy", np.arange(3000, dtype=np.float32).reshape(1000, 3)
    np.save(path, values)
    first = prepare(ep.MLP(2), path, Settings(stream=True))
    written = request_json(first)
    values[1, 0] = -7
    np.save(path, values)
    second = prepare(*ask_again(written))
    assert differences(written["fingerprint"], resume_fingerprint(second)) == []
    now = environment_of(second)
    (since,) = environment_changes(written["environment"], now)
    assert "was written since" in since
    versions = {**now["versions"], "jax": "9.9"}
    assert environment_changes({**now, "versions": versions, "device": "x"}, now) == [
        f"jax: 9.9 then, {jax.__version__} now",
        f"device: x then, {now['device']} now",
    ]
    assert environment_changes({}, now) != []


def test_arrays_and_frames_have_no_recipe(table: Path) -> None:
    """Nor has a source that no words can say; a path is made absolute."""
    assert ep.load_data(([[1.0], [2.0], [3.0]], [0, 1, 0])).recipe is None
    assert Recipe.of("load_data", {"target": str | int}, table, {"target": object()}) is None
    found = ep.load_data(table, drop=("x",)).recipe
    assert found is not None
    assert Path(found.source).is_absolute()
    assert recipe_from_dict(json.loads(json.dumps(found.to_dict()))) == found
