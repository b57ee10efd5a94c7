"""Oracle: Optax alone in a plain loop and PyTorch, for what becomes of losses and gradients in an update."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import epochal as ep
from epochal.engine.optimizers import OPTIMIZERS, eval_params, optimizer_for
from epochal.engine.schedules import Schedule
from epochal.engine.update import ParamRaveler, _noisy
from epochal.models import LOSSES, loss_for, smoothed
from epochal.training.prepared import Prepared
from epochal.training.repeat_stacks import RepeatStacks
from helpers import assert_close, assert_same_bits, batches, need

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(43, 4)).astype(np.float32)
CLASSES = np.digitize(X @ [1.0, -1.0, 0.5, 0.2], [-0.6, 0.6])
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0.5, X[:, 0] + X[:, 2] > 0.3], axis=1).astype(int)
MODEL = ep.MLP(6, activation="tanh")
START = ep.Variables(
    [
        {"kernel": RANDOM.normal(size=(4, 6)).astype(np.float32), "bias": np.full(6, 0.1, np.float32)},
        {"kernel": RANDOM.normal(size=(6, 3)).astype(np.float32), "bias": np.zeros(3, np.float32)},
    ],
    [],
)
PLAIN = {"batch_size": 8, "epochs": 2, "validation": 0, "metrics": (), "seed": 2, "initial": START}
PLAIN |= {"standardize": False}


def trained(targets=CLASSES, **options):
    return ep.fit(MODEL, (X, targets), **(PLAIN | options))


def loop(run, transformation, loss, targets=CLASSES):
    """Parameters and state after all updates of a run, by Optax alone."""
    model = MODEL.with_outputs(3)
    params, state = START.params, transformation.init(START.params)

    @jax.jit
    def step(params, state, inputs, wanted):
        def mean(params):
            outputs, _ = model.apply(ep.Variables(params, []), inputs, jax.random.key(0), True)
            return loss(outputs, wanted).mean()

        change, state = transformation.update(jax.grad(mean)(params), state, params)
        return optax.apply_updates(params, change), state

    for rows in batches(run.plan.with_(seed=run.order_seeds[0])):
        params, state = step(params, state, X[rows], targets[rows])
    return params, state


LOG_LOSS = LOSSES["log_loss"].function
RATE = 0.02
BY_OPTAX = {
    "muon": (
        {"optimizer": "muon", "weight_decay": 0.2, "clip_norm": 0.1},
        lambda: optax.chain(
            optax.clip_by_global_norm(0.1),
            optax.contrib.muon(RATE, weight_decay=0.2, adam_weight_decay=0.2),
        ),
    ),
    "schedule-free": (
        {"optimizer": "schedule_free_adamw"},
        lambda: optax.contrib.schedule_free_adamw(RATE, weight_decay=0.01),
    ),
    "a schedule-free object": (
        {"optimizer": optax.contrib.schedule_free_sgd(RATE), "learning_rate": None},
        lambda: optax.contrib.schedule_free_sgd(RATE),
    ),
    "decay, clipping and a schedule": (
        {"optimizer": "adam", "weight_decay": 0.3, "clip_norm": 0.1, "schedule": "linear"},
        lambda: optax.chain(
            optax.clip_by_global_norm(0.1),
            optax.adamw(optax.linear_schedule(RATE, 0.0, 12), weight_decay=0.3),
        ),
    ),
}


@pytest.mark.parametrize("name", BY_OPTAX)
def test_updates_are_those_of_optax_alone(name):
    options, transformation = BY_OPTAX[name]
    run = trained(**({"learning_rate": RATE} | options))
    params, state = loop(run, transformation(), LOG_LOSS)
    assert_close(run.fitted[0].last.params, eval_params(state, params), 3e-5)


def test_evaluations_of_a_schedule_free_training_see_the_average():
    run = trained(optimizer="schedule_free_sgd", learning_rate=0.5)
    transformation = optax.contrib.schedule_free_sgd(0.5)
    params, state = loop(run, transformation, LOG_LOSS)
    model = MODEL.with_outputs(3)

    def loss(params):
        outputs, _ = model.apply(ep.Variables(params, []), X, jax.random.key(0), False)
        return float(LOG_LOSS(outputs, CLASSES).mean())

    average = optax.contrib.schedule_free_eval_params(state, params)
    assert run.curves.columns["train.loss"][-1] == pytest.approx(loss(average), abs=1e-5)
    assert abs(loss(average) - loss(params)) > 1e-3, "the two can be told apart"
    assert_close(run.fitted[0].last.params, average)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_kept_in_one_vector_moves_as_its_arrays_do(name):
    """Declared where it holds: an optimizer of whole arrays, such as Muon, must not be flattened."""
    optimizer = optimizer_for(name, 0.01, weight_decay=0.1)
    tree = {"a": jnp.asarray(X[:3, :3]), "b": jnp.asarray(X[4])}
    slopes = [jax.tree.map(lambda leaf, by=by: jnp.sin(by * leaf), tree) for by in (3.0, 5.0, 7.0)]

    def flat(of):
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(of)])

    def moved(params, gradients):
        transformation = optimizer.with_rate(0.01)
        state = transformation.init(params)
        for slope in gradients:
            change, state = transformation.update(slope, state, params)
            params = optax.apply_updates(params, change)
        return eval_params(state, params)

    found, wanted = (
        moved(flat(tree), list(map(flat, slopes))) - flat(tree),
        flat(moved(tree, slopes)) - flat(tree),
    )
    assert np.allclose(found, wanted, rtol=1e-3, atol=1e-7) == optimizer.elementwise


# Label smoothing -------------------------------------------------------------------------------------------


def test_label_smoothing_is_that_of_pytorch():
    torch = need("torch")
    logits = RANDOM.normal(size=(43, 3)).astype(np.float32)
    found = smoothed(LOG_LOSS, 0.1)(jnp.asarray(logits), jnp.asarray(CLASSES))
    oracle = torch.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    np.testing.assert_allclose(found, oracle(torch.tensor(logits), torch.tensor(CLASSES)), atol=1e-5)

    one, binary = logits[:, :1], CLASSES > 0
    both = torch.tensor(np.concatenate([np.zeros_like(one), one], axis=1))
    wanted = oracle(both, torch.tensor(binary.astype(int)))
    np.testing.assert_allclose(smoothed(LOG_LOSS, 0.1)(jnp.asarray(one), binary), wanted, atol=1e-5)

    of_labels = smoothed(loss_for(None, "multilabel")[1], 0.2)(jnp.asarray(logits), LABELS)
    soft = torch.tensor(LABELS * 0.8 + 0.1)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits), soft, reduction="none"
    ).mean(dim=1)
    np.testing.assert_allclose(of_labels, wanted, atol=1e-5)


def test_smoothing_moves_the_parameters_and_evaluations_show_the_log_loss():
    run = trained(optimizer="sgd", learning_rate=0.1, label_smoothing=0.2)
    params, _ = loop(run, optax.sgd(0.1), smoothed(LOG_LOSS, 0.2))
    assert_close(run.fitted[0].last.params, params)
    outputs, _ = MODEL.with_outputs(3).apply(ep.Variables(params, []), X, jax.random.key(0), False)
    loss = float(LOG_LOSS(outputs, CLASSES).mean())
    assert run.curves.columns["train.loss"][-1] == pytest.approx(loss, abs=1e-5)


# PyTorch ---------------------------------------------------------------------------------------------------

BY_TORCH = {
    "AdamW, clipped and smoothed": (
        {"optimizer": "adam", "weight_decay": 0.2, "clip_norm": 0.2, "label_smoothing": 0.1},
        lambda torch, params: torch.optim.AdamW(params, lr=RATE, weight_decay=0.2),
        2e-5,
    ),
}


@pytest.mark.parametrize("name", BY_TORCH)
def test_updates_are_those_of_pytorch(name):
    torch = need("torch")
    options, make, tolerance = BY_TORCH[name]
    run = trained(learning_rate=RATE, **options)
    layers = [torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)]
    for linear, layer in zip(layers, START.params, strict=True):
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(layer["kernel"].T))
            linear.bias.copy_(torch.tensor(layer["bias"]))
    network = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    optimizer = make(torch, network.parameters())
    loss = torch.nn.CrossEntropyLoss(label_smoothing=options.get("label_smoothing", 0.0))
    for rows in batches(run.plan.with_(seed=run.order_seeds[0])):
        optimizer.zero_grad()
        loss(network(torch.tensor(X[rows])), torch.tensor(CLASSES[rows])).backward()
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(network.parameters(), options["clip_norm"])
        optimizer.step()
    wanted = [{"kernel": one.weight.detach().numpy().T, "bias": one.bias.detach().numpy()} for one in layers]
    assert_close(run.fitted[0].last.params, wanted, tolerance)


def test_a_step_of_muon_points_where_that_of_pytorch_does():
    """PyTorch orthogonalizes in bfloat16 and corrects no bias: in the first step only rounding differs."""
    torch = need("torch")
    kernel = RANDOM.normal(size=(4, 6)).astype(np.float32)
    slope = RANDOM.normal(size=(4, 6)).astype(np.float32)
    transformation = optimizer_for("muon", RATE).with_rate(RATE)
    change, _ = transformation.update(jnp.asarray(slope), transformation.init(jnp.asarray(kernel)), kernel)
    theirs = torch.nn.Parameter(torch.tensor(kernel.T.copy()))
    theirs.grad = torch.tensor(slope.T.copy())
    torch.optim.Muon([theirs], lr=RATE, weight_decay=0.0).step()
    moved = theirs.detach().numpy().T - kernel
    np.testing.assert_allclose(np.asarray(change), moved, atol=0.02 * RATE)


# Noise -----------------------------------------------------------------------------------------------------


def test_gradient_noise_has_the_variance_of_the_paper():
    big = {"a": jnp.zeros((100, 120)), "b": jnp.zeros(5000)}
    spec = _spec(gradient_noise=0.3)
    for update in (0, 9, 999):
        noise = _noisy(spec, big, ParamRaveler(spec, big), jax.random.key(1), jnp.int32(update))
        for leaf in jax.tree.leaves(noise):
            assert float(leaf.var()) == pytest.approx(0.3 / (1 + update) ** 0.55, rel=0.06)
            assert abs(float(leaf.mean())) < 0.03
        assert abs(np.corrcoef(np.ravel(noise["a"])[:5000], noise["b"])[0, 1]) < 0.05


def _spec(**options):
    from epochal.settings import Settings
    from epochal.training.prepare import prepare

    return prepare(MODEL, (X, CLASSES), Settings(**PLAIN | options)).spec


ALL = {
    "optimizer": "schedule_free_adam",
    "learning_rate": 0.02,
    "weight_decay": 0.1,
    "clip_norm": 0.3,
    "gradient_noise": 0.01,
    "label_smoothing": 0.1,
    "schedule": Schedule(warmup=5),
    "initial": None,
    "validation": 0.2,
}
MUON = ALL | {"optimizer": "muon"}


@pytest.mark.parametrize("options", [ALL, MUON], ids=["schedule-free", "muon"])
def test_stopped_and_resumed_it_is_the_same_training(options, tmp_path):
    whole = trained(**options)
    trained(**options | {"epochs": 1}, out=tmp_path / "run")
    on = ep.resume(tmp_path / "run", data=(X, CLASSES), epochs=2)
    assert_same_bits((whole.fitted[0].best, whole.fitted[0].last), (on.fitted[0].best, on.fitted[0].last))
    assert whole.settings["weight_decay"] == 0.1
    assert whole.settings["clip_norm"] == 0.3
    assert whole.settings["label_smoothing"] == 0.1


def test_in_micro_batches_and_vmapped_it_is_the_same_training(monkeypatch):
    whole = trained(**ALL, repeats=2)
    pieces = trained(**ALL, repeats=2, micro_batch=3)
    assert_close([one.last for one in pieces.fitted], [one.last for one in whole.fitted], 2e-4)
    monkeypatch.setattr(Prepared, "stacks", property(lambda _: RepeatStacks((range(2),), ((),), 1)))
    together = trained(**ALL, repeats=2)
    assert_close([one.last for one in together.fitted], [one.last for one in whole.fitted], 2e-4)


WRONG = {
    "decay of an object": (
        {"optimizer": optax.sgd(0.1), "weight_decay": 0.1},
        "weight_decay=0.1 has no effect on an Optax object",
    ),
    "decay twice": (
        {"optimizer": "adamw", "weight_decay": 0.1, "optimizer_options": {"weight_decay": 0.2}},
        "weight_decay must be given once",
    ),
    "negative decay": ({"weight_decay": -1.0}, "weight_decay must be at least 0 and finite; got -1.0"),
    "no norm": ({"clip_norm": 0}, "clip_norm must be greater than 0 and finite; got 0"),
    "smoothed away": ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and less than 1"),
    "a word": ({"gradient_noise": "much"}, "gradient_noise must be at least 0 and finite; got 'much'"),
    "smoothed numbers": (
        {"label_smoothing": 0.1, "task": "regression"},
        'label_smoothing belongs to log_loss; got 0.1 for the loss "squared_error"',
    ),
    "b1": (
        {"optimizer": "schedule_free_sgd", "optimizer_options": {"b1": 0.0}},
        'b1 of "schedule_free_sgd" must be greater than 0',
    ),
    "floor": ({"schedule": "exponential"}, "needs every, at least 1 update"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_refused(name):
    options, sentence = WRONG[name]
    with pytest.raises(ep.Refusal, match=sentence.replace("(", r"\(")):
        trained(**options)
