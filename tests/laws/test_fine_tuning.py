"""Laws of fine-tuning: what is frozen keeps its bits, what a file holds is taken, nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest
from safetensors.numpy import save_file
from tests.helpers import assert_close, assert_same_bits

import epochal as ep
from epochal.models import as_model, shapes_of
from epochal.models.initial import initial_variables
from epochal.models.wrappers import names_of

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(40, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
DATA = X, Y
NET = ep.MLP(6, 4, batch_norm=True)
SHAPES = shapes_of(as_model(NET, 3), (5,))
START = jax.tree.map(lambda leaf: np.abs(RANDOM.normal(size=leaf.shape)).astype(np.float32), SHAPES)
COMMON: dict[str, Any] = {"batch_size": 8, "epochs": 3, "validation": 0.2, "seed": 5, "standardize": False}


def named(variables: Any) -> dict[str, Any]:
    return dict(zip(names_of(variables), jax.tree.leaves(variables), strict=True))


@pytest.fixture(scope="module")
def run() -> ep.Run:
    """Two repeats with weight decay; the first layer and the biases stand still."""
    return ep.fit(
        NET,
        DATA,
        **COMMON,
        repeats=2,
        optimizer="adamw",
        optimizer_options={"weight_decay": 0.1},
        initial=START,
        freeze=("0", "*bias"),
    )


def test_what_is_frozen_keeps_its_bits_and_all_else_moves(run: ep.Run):
    before = named(START.params)
    for fitted in run.fitted:
        for which in (fitted.best, fitted.last):
            after = named(which.params)
            assert list(after) == list(before)
            for name, value in after.items():
                if name.startswith("0/") or name.endswith("bias"):
                    assert_same_bits(value, before[name])
        moved = named(fitted.last.params)
        assert all(not np.array_equal(moved[name], before[name]) for name in ("1/kernel", "2/kernel"))
        # What the model itself keeps goes on: the moments of batch normalization.
        assert not np.array_equal(fitted.last.state[0]["mean"], START.state[0]["mean"])


def test_freezing_is_the_update_that_leaves_those_parameters_out():
    """The same as plain SGD in which the updates of the frozen ones are set to zero, by Optax."""
    labels = [dict.fromkeys(layer, "still" if k == 1 else "moved") for k, layer in enumerate(START.params)]
    masked = optax.multi_transform({"moved": optax.sgd(0.1), "still": optax.set_to_zero()}, labels)
    theirs = ep.fit(NET, DATA, **COMMON, initial=START, optimizer=masked)
    ours = ep.fit(NET, DATA, **COMMON, initial=START, optimizer="sgd", learning_rate=0.1, freeze="1")
    assert_close(ours.fitted[0].last, theirs.fitted[0].last, 1e-6)


def test_a_run_predicts_the_same_bits_after_saving_and_is_a_start(run: ep.Run, tmp_path: Path):
    again = ep.load(run.save(tmp_path / "run"))
    assert_same_bits(again.predict(X).per_repeat, run.predict(X).per_repeat)
    assert again.settings["freeze"] == ["0", "*bias"]
    for repeat in range(2):
        start = initial_variables(ep.Initial(tmp_path / "run", repeat=repeat), SHAPES)
        assert_same_bits(start.variables, jax.tree.map(np.asarray, run.fitted[repeat].best))
    with pytest.raises(ep.Refusal, match="repeat must be between 0 and 1"):
        initial_variables(ep.Initial(tmp_path / "run", repeat=2), SHAPES)


def test_what_is_fresh_each_repeat_draws_its_own(tmp_path: Path):
    save_file(
        {f"0/{name}": np.asarray(value) for name, value in named(START).items()}, tmp_path / "a.safetensors"
    )
    other = X, (X[:, 2] > 0).astype(int)
    initial = ep.Initial(tmp_path / "a.safetensors", reinitialize=("2",))
    run = ep.fit(NET, other, **COMMON, repeats=2, initial=initial, freeze=("0", "1"))
    heads = [named(fitted.last.params)["2/kernel"] for fitted in run.fitted]
    assert heads[0].shape == (4, 1) and not np.array_equal(*heads)
    for fitted in run.fitted:
        for layer in (0, 1):
            assert_same_bits(fitted.last.params[layer], START.params[layer])
    assert run.settings["initial"] == {"path": str(tmp_path / "a.safetensors"), "reinitialize": ["2"]}


def stored(tmp_path: Path, arrays: dict[str, Any]) -> Path:
    path = tmp_path / "some.safetensors"
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    return path


PLAIN = ep.MLP(6, 4)
WANTED = shapes_of(as_model(PLAIN, 3), (5,))
VALUES = {
    name: np.full(leaf.shape, k, np.float32) for k, (name, leaf) in enumerate(named(WANTED.params).items())
}


def test_arrays_are_found_by_names_with_dots_or_slashes_or_after_renaming(tmp_path: Path):
    for written in (
        VALUES,
        {f"params/{name}": value for name, value in VALUES.items()},
        {name.replace("/", "."): value for name, value in VALUES.items()},
        {f"net.{name}".replace("/", "."): value for name, value in VALUES.items()},
    ):
        start = initial_variables(
            ep.Initial(
                stored(tmp_path, written),
                rename={f"net.{k}": str(k) for k in range(3)}
                if any("net" in name for name in written)
                else {},
            ),
            WANTED,
        )
        assert_same_bits(named(start.variables.params), VALUES)
        assert "by their names" in start.notes[0]


def test_arrays_are_found_by_the_shapes_of_their_layers_where_that_has_one_meaning(tmp_path: Path):
    names = {"0": "body.in", "1": "body.mid", "2": "a_head"}
    written = {f"{names[name[0]]}.{name[2:]}": value for name, value in VALUES.items()}
    start = initial_variables(stored(tmp_path, written | {"unused.kernel": np.zeros((9, 9))}), WANTED)
    assert_same_bits(named(start.variables.params), VALUES)
    assert "by the shapes" in start.notes[0] and "a_head → 2" in start.notes[0]
    assert "not used: unused/kernel" in start.notes[-1]


def square(tmp_path: Path) -> tuple[Path, Any]:
    """Two layers of the same shapes in the file, and one in the model."""
    layers = {f"{name}.kernel": np.zeros((5, 3)) for name in "ab"} | {f"{n}.bias": np.zeros(3) for n in "ab"}
    return stored(tmp_path, layers), shapes_of(as_model(ep.MLP(), 3), (5,))


def test_what_could_be_meant_in_two_ways_is_refused(tmp_path: Path):
    path, wanted = square(tmp_path)
    with pytest.raises(ep.Refusal, match="initial must be of one meaning; 0 could each be any of a, b"):
        initial_variables(path, wanted)
    assert initial_variables(ep.Initial(path, rename={"b": "0"}), wanted).variables is not None


def another_shape(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"2/kernel": np.zeros((4, 7), np.float32)}


def a_missing_array(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "1/bias"}


def not_finite(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"1/bias": np.full(4, np.nan, np.float32)}


def of_torch(values: dict[str, Any]) -> dict[str, Any]:
    return {"fc1.weight": np.zeros((6, 5)), "fc1.bias": np.zeros(6)}


def nothing_alike(values: dict[str, Any]) -> dict[str, Any]:
    return {"x": np.zeros(1)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            another_shape,
            'of shape (4, 3); it is (4, 7). Draw it anew with ep.Initial(..., reinitialize=["2"])',
        ),
        (a_missing_array, "must have 1/bias (4,); it has"),
        (not_finite, "must hold finite numbers; 1/bias has others"),
        (of_torch, 'seems to be of PyTorch ("fc1/weight")'),
        (nothing_alike, "must have 0/bias (6,); it has x"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, change: Any, words: str):
    with pytest.raises(ep.Refusal) as refused:
        initial_variables(stored(tmp_path, change(VALUES)), WANTED)
    assert words in str(refused.value)


def test_files_that_are_none_are_refused(tmp_path: Path):
    (tmp_path / "damaged.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "damaged.keras").write_bytes(b"x" * 100)
    (tmp_path / "table.csv").write_text("a,b")
    for name, words in (
        ("damaged.safetensors", "can't be read as safetensors"),
        ("damaged.keras", "can't be read as a Keras file"),
        ("table.csv", "must be a run folder, a .safetensors or a Keras file"),
        ("nothing.safetensors", "there is no file"),
    ):
        with pytest.raises(ep.Refusal, match=words):
            initial_variables(tmp_path / name, WANTED)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"freeze": ("convolution*",)}, 'freeze must match a parameter; "convolution*" matches none'),
        ({"freeze": ("1/kernal",)}, 'did you mean "1/kernel"'),
        ({"freeze": "*"}, "freeze must leave parameters to be trained"),
        ({"freeze": 3}, "freeze must be a name or a sequence of names"),
        ({"initial": 3}, "initial must be Variables(params, state), a path or Initial"),
    ],
)
def test_patterns_that_match_nothing_are_refused(options: dict[str, Any], words: str):
    with pytest.raises(ep.Refusal) as refused:
        ep.fit(NET, DATA, **COMMON, **options)
    assert words in str(refused.value)


def test_reinitialize_must_match_and_leave_something(tmp_path: Path):
    path = stored(tmp_path, VALUES)
    for patterns, words in ((("9",), "must match a parameter"), (("*",), "must leave parameters")):
        with pytest.raises(ep.Refusal, match=f"reinitialize {words}"):
            initial_variables(ep.Initial(path, reinitialize=patterns), WANTED)
