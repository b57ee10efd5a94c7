"""Oracle: figures of an ensemble on the shared test samples are those of `predict` on the same rows."""

import numpy as np
import pytest
from sklearn import metrics

import epochal as ep


def data(kind):
    random = np.random.default_rng(3)
    inputs = random.normal(size=(90, 4)).astype(np.float32)
    score = inputs[:, 0] + 0.5 * random.normal(size=90)
    if kind == "regression":
        return inputs, 100 + 20 * score
    if kind == "multilabel":
        return inputs, np.stack([score > 0, inputs[:, 1] > 0], axis=1).astype(int)
    return inputs, np.digitize(score, [-0.5, 0.5]) if kind == "multiclass" else (score > 0).astype(int)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_the_ensemble_of_a_run_is_what_predict_gives_on_the_test_rows(kind, tmp_path):
    inputs, targets = data(kind)
    run = ep.fit(ep.MLP(4), (inputs, targets), epochs=4, repeats=3, batch_size=16, test=0.3)
    parts = np.stack(run.split_codes)
    assert (parts == 3).any(axis=0).sum() == (parts == 3).all(axis=0).sum() == 27, "shared test rows"
    assert len({part.tobytes() for part in parts}) == 3, "the other rows vary"
    rows = np.flatnonzero(parts[0] == 3)
    found = run.predict(inputs[rows])
    assert set(run.ensemble) == {"test"}
    ensemble, true = run.ensemble["test"], targets[rows]
    if kind == "regression":
        mean = np.mean(found.per_repeat, axis=0).ravel()
        assert ensemble["r2"] == pytest.approx(metrics.r2_score(true, mean), abs=1e-5)
    else:
        shares = np.mean(found.per_repeat, axis=0)
        assert ensemble == pytest.approx(run.evaluate(inputs[rows], targets[rows]).ensemble, abs=1e-5)
        if kind != "multilabel":
            assert ensemble["loss"] == pytest.approx(metrics.log_loss(true, shares), abs=1e-5)
            assert ensemble["accuracy"] == pytest.approx((shares.argmax(axis=1) == true).mean())
    run.save(tmp_path / "run")
    assert ep.load(tmp_path / "run").ensemble == run.ensemble


def test_samples_that_repeats_do_not_share_or_that_choose_the_epoch_have_no_ensemble():
    assert ep.fit(ep.MLP(4), data("binary"), epochs=2, repeats=3, batch_size=16).ensemble == {}
    assert ep.fit(ep.MLP(4), data("binary"), epochs=2, batch_size=16, test=0.2).ensemble == {}
