"""Law: whatever `Settings` declares is an argument that completes and that `help()` explains.

X, y and weights are taken apart or together, with the same result.
"""

import dataclasses
import inspect
import typing
import warnings

import numpy as np
import pandas as pd
import pytest

import epochal as ep
from epochal.settings import Settings
from epochal.settings.option import declared_options
from epochal.training.signatures import takes_options

FUNCTIONS = {
    "fit": (),
    "train": (),
    "compare": ("evaluate_every", "evaluate_train", "updates_per_epoch"),
    "advise": ("stop", "updates_per_epoch"),
}
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
TYPES = typing.get_type_hints(Settings)
QUICK = {"epochs": 2, "batch_size": 8}

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(40, 2)).astype(np.float32)
Y = X @ np.array([1.0, -2.0], np.float32)
W = RANDOM.uniform(0.5, 2.0, size=40).astype(np.float32)
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "t": Y, "w": W})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_option_is_an_argument_with_its_type_and_a_line_of_help(name):
    function = getattr(ep, name)
    parameters = inspect.signature(function).parameters
    shown = [one for one in parameters if one in FIELDS]
    assert shown == [field for field in FIELDS if field not in FUNCTIONS[name]]
    assert not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    lines = [line.strip() for line in inspect.getdoc(function).splitlines()]
    for option in shown:
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[option].annotation is not inspect.Parameter.empty
        told = declared_options(Settings)[option].documentation
        assert any(line.startswith(told[:40]) for line in lines), option
    for option in ("data", "y", "sample_weight"):
        assert any(line.startswith(f"{option}: ") for line in lines), option


@pytest.mark.parametrize("name", ["fit", "train"])
def test_defaults_and_types_are_those_of_the_settings(name):
    parameters, usual = inspect.signature(getattr(ep, name)).parameters, Settings()
    for option in FIELDS:
        assert parameters[option].default == getattr(usual, option), option
        assert parameters[option].annotation == TYPES[option], option


def test_another_declaration_shows_at_once():
    """Negative control: what is shown is made of the declaration, not written down twice."""

    @takes_options(without=("seed",), defaults={"epochs": 7}, several=("batch_size",))
    def function(model, **options):
        """One line.

        Args:
            model: it.
            **options: all others
                of them.

        Returns:
            nothing.
        """

    parameters = inspect.signature(function).parameters
    assert "seed" not in parameters and parameters["epochs"].default == 7
    assert "list" in str(parameters["batch_size"].annotation)
    doc = inspect.getdoc(function)
    assert "**options: all others of them.\n" in doc and "\n    epochs: passes" in doc and "Returns:" in doc
    assert "\n    seed: " not in doc


def test_arguments_complete_in_a_shell():
    completer = pytest.importorskip("IPython.core.completer").IPCompleter(namespace={"ep": ep})
    completer.use_jedi = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the completer: its interface is provisional
        found = [one.text for one in completer.completions("ep.fit(model, X, standard", 25)]
    assert "standardize=" in found


@pytest.mark.parametrize(
    ("apart", "options", "together"),
    [
        ((X, Y), {}, (X, Y)),
        ((X.tolist(), Y.tolist()), {}, (X, Y)),
        ((X, pd.Series(Y)), {}, (X, Y)),
        ((X, Y[:, None]), {}, (X, Y[:, None])),
        ((X, Y), {"sample_weight": W}, (X, Y, W)),
        ((X, Y), {"sample_weight": W.tolist()}, (X, Y, W)),
        ((FRAME[["a", "b"]], FRAME["t"]), {}, (FRAME[["a", "b"]], Y)),
        ((FRAME[["a", "b", "t"]], "t"), {}, (FRAME[["a", "b"]], FRAME["t"])),
        ((FRAME, "t"), {"sample_weight": "w"}, (FRAME[["a", "b"]], FRAME["t"], W)),
        ((FRAME[["a", "b"]], Y.tolist()), {"sample_weight": W}, (FRAME[["a", "b"]], Y, W)),
    ],
)
def test_parts_apart_are_the_parts_together(apart, options, together):
    first = ep.fit(ep.MLP(4), *apart, **options, **QUICK)
    second = ep.fit(ep.MLP(4), together, **QUICK)
    assert first.curves.equals(dataclasses.replace(second.curves, seconds=first.curves.seconds))


def test_a_file_and_the_name_of_its_target(tmp_path):
    path = tmp_path / "table.csv"
    FRAME.assign(a=W)[["t", "a", "b"]].to_csv(path, index=False)
    assert ep.fit(ep.MLP(4), path, "t", **QUICK).data["target"] == "t"
    weighed = ep.fit(ep.MLP(4), str(path), y="t", sample_weight="a", validation=0, **QUICK)
    assert weighed.data["features"] == ["b"]


def test_validation_samples_in_all_forms():
    for held_out in ((X, Y), (X.tolist(), Y.tolist()), (X, pd.Series(Y))):
        run = ep.fit(ep.MLP(4), X, Y, validation=held_out, **QUICK)
        assert run.data["sizes"]["validation"] == 40
    inputs = FRAME[["a", "b"]]
    for held_out in ((inputs, FRAME["t"]), FRAME[["a", "b", "t"]], (inputs, Y)):
        run = ep.fit(ep.MLP(4), inputs, FRAME["t"], validation=held_out, **QUICK)
        assert run.data["sizes"]["validation"] == 40


def test_compare_and_advise_take_them_apart():
    found = ep.compare(
        ep.MLP(4), X, Y, sample_weight=W, batch_size=[8, 16], learning_rate=0.01, epochs=2, repeats=2
    )
    assert found.data["samples"] == 40
    with pytest.raises(ep.Refusal, match="y is missing"):
        ep.advise(ep.MLP(4), X)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((X,), {}, "y is missing: X has 40 samples and no targets"),
        ((X.tolist(),), {}, "y is missing: X has 40 samples and no targets"),
        ((X,), {"sample_weight": W}, "y is missing"),
        ((FRAME,), {"sample_weight": W}, "y is missing: sample_weight beside a data frame needs y"),
        (((X, Y), Y), {}, r"X is a tuple \(X, y\) already, and y is given besides"),
        ((X, "t"), {}, "y must have one value for each sample where X is an array; got 't'"),
        ((X, 3), {}, "y must have one value for each sample where X is an array; got 3"),
        ((X, Y[:-1]), {}, "one entry for each of the 40 samples; got 39"),
        (("example:iris", Y), {}, "y must be the name of a column where X is a file; got ndarray"),
        (("example:iris", "specie"), {}, 'got "specie"'),
        (([[1.0, 2.0], [3.0]], [0, 1]), {}, "X must have equally many values in each row"),
        ((3, 4), {}, "y must be left out where X is of type int"),
        (({"a": X[:, 0]}, Y), {}, r"X must be an array or a data frame; .* pandas.DataFrame\(X\)"),
        ((iter([(X[0], Y[0])]), Y), {}, "gives its targets itself"),
        ((X, Y), {"sample_wieght": W}, 'did you mean "sample_weight"'),
        ((X, Y), {"bach_size": 8}, 'did you mean "batch_size"'),
    ],
)
def test_what_does_not_fit_together_is_refused_in_a_sentence(arguments, options, sentence):
    with pytest.raises(ep.Refusal, match=sentence) as refused:
        ep.fit(ep.MLP(4), *arguments, **options)
    assert "\n" not in str(refused.value)


def test_a_dataset_has_its_targets():
    with pytest.raises(ep.Refusal, match="y must be left out where X is a Dataset"):
        ep.fit(ep.MLP(4), ep.load_data("example:iris"), Y)
