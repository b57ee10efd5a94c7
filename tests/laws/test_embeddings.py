"""Laws: categories of many levels go through every kind of model and data as other inputs do."""

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import epochal as ep
from epochal.data.standardize import fit_levels
from epochal.models import MLP, Embedded, computing_in, embedded, embedded_shape
from epochal.models.wrappers import Pairwise

DRAWS = np.random.default_rng(0)
CITY = np.array([f"c{k}" for k in DRAWS.integers(0, 80, 400)], object)
TABLE = pa.table({"city": CITY, "x": DRAWS.normal(size=400), "y": [int(name[1:]) % 2 for name in CITY]})
OPTIONS = {"batch_size": 64, "repeats": 1, "evaluate_train": False}


def leaves(run):
    return jax.tree.leaves(run.fitted[0].last)


def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(tmp_path):
    whole = ep.fit(MLP(4), (TABLE, "y"), epochs=4, **OPTIONS)
    ep.fit(MLP(4), (TABLE, "y"), epochs=2, out=tmp_path / "run", **OPTIONS)
    resumed = ep.resume(tmp_path / "run", model=MLP(4), data=(TABLE, "y"), epochs=4)
    for mine, its in zip(leaves(whole), leaves(resumed), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_functions_have_embeddings_too_and_are_loaded_with_them(tmp_path):
    model = (
        lambda key, sample: {"w": jnp.zeros((sample.shape[0], 1))},
        lambda params, inputs: inputs @ params["w"],
    )
    other = pa.table({"city": ["c1", "elsewhere"] * 20, "x": [0.5, None] * 20, "y": [0, 1] * 20})
    run = ep.fit(model, (TABLE, "y"), validation=(other, "y"), epochs=2, **OPTIONS)
    assert run.fitted[0].best.params["model"]["w"].shape == (1 + 4, 1)
    notes = " ".join(run.data["notes"])
    assert (
        'validation data: column 1 ("city") has 1 value not seen in training ("elsewhere") in 20 rows'
        in notes
    )
    assert 'validation data: column 2 ("x") has 20 missing values (first in row 2)' in notes
    run.save(tmp_path / "run")
    again = ep.load(tmp_path / "run", model=model)
    np.testing.assert_array_equal(again.predict(TABLE).values, run.predict(TABLE).values)


def test_a_tampered_file_of_levels_is_refused(tmp_path):
    from safetensors.numpy import load_file, save_file

    run = ep.fit(MLP(4), (TABLE, "y"), epochs=1, **OPTIONS)
    run.save(tmp_path / "run")
    path = tmp_path / "run" / "scaling.safetensors"
    found = load_file(path)
    save_file({**found, "0/scaling/sizes": found["0/scaling/sizes"] - 1}, path)
    with pytest.raises(ep.Refusal):
        ep.load(tmp_path / "run")


def test_each_code_has_a_row_of_its_own_whatever_the_precision():
    """More codes than bfloat16 tells apart."""
    model = Embedded(MLP(4, outputs=1), (1000,))
    variables = model.init(jax.random.key(0), jnp.zeros(2))
    inputs = jnp.stack([jnp.zeros(1000), jnp.arange(1000.0)], axis=1)
    for precision in ("float32", "bfloat16"):
        outputs = computing_in(model, precision).apply(variables, inputs, jax.random.key(0), False)[0]
        assert len(np.unique(np.asarray(outputs))) > 300, precision
    table = variables.params["embeddings"][0]
    assert not table[0].any()
    assert len(np.unique(np.asarray(table[:, 0]))) == 1000


def test_shapes_and_wrapping():
    assert embedded_shape((7, 5), (100, 60)) == (7, 3 + 4 + 4)
    assert embedded(MLP(2), ()) == MLP(2)
    inside = embedded(Pairwise(MLP(2, outputs=1)), (60,))
    assert isinstance(inside, Pairwise)
    assert isinstance(inside.model, Embedded)


def test_levels_that_few_training_samples_have_share_code_0():
    inputs = np.float32([[0.5, 1], [1.5, 1], [2.5, 2], [3.5, 3], [9, 3], [9, 2]])
    train = np.array([0, 1, 2, 3])
    levels = fit_levels(inputs, np.array([True, False]), (5,), train, standardize=True)
    assert levels.known.tolist() == [False, True, False, False, False]
    assert levels.apply(inputs)[:, 1].tolist() == [1, 1, 0, 0, 0, 0]
    plain = fit_levels(inputs, np.array([True, False]), (5,), train, standardize=False)
    np.testing.assert_array_equal(plain.apply(inputs)[:, 0], inputs[:, 0])
    assert levels.standardizes and not plain.standardizes
