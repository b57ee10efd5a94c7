"""Oracle: PyTorch's modules, losses and optimizers, fed with `plan.batch`.

Conventions that agree: Adam's epsilon is added to the root of the corrected second moment, momentum is not
dampened, and AdamW's decay (0.01 here as there) is decoupled and multiplied by the learning rate.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

import epochal as ep
from helpers import (
    BATCH,
    CASES,
    EPOCHS,
    FEATURES,
    HIDDEN,
    RATES,
    assert_close,
    batches,
    need,
    ours,
    samples_of,
    start_of,
)

torch = need("torch")

OPTIMIZERS = {
    "sgd": lambda params, rate: torch.optim.SGD(params, lr=rate),
    "momentum": lambda params, rate: torch.optim.SGD(params, lr=rate, momentum=0.9),
    "adam": lambda params, rate: torch.optim.Adam(params, lr=rate),
    "adamw": lambda params, rate: torch.optim.AdamW(params, lr=rate, weight_decay=0.01),
}
LOSSES = {
    "binary": lambda outputs, targets: torch.nn.functional.binary_cross_entropy_with_logits(
        outputs[:, 0], targets.float(), reduction="none"
    ),
    "multiclass": lambda outputs, targets: torch.nn.functional.cross_entropy(
        outputs, targets.long(), reduction="none"
    ),
    "regression": lambda outputs, targets: torch.nn.functional.mse_loss(
        outputs[:, 0], targets, reduction="none"
    ),
}


def set_dense(linear, layer):
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(np.asarray(layer["kernel"]).T))
        linear.bias.copy_(torch.tensor(np.asarray(layer["bias"])))


def dense_of(linear):
    return {"kernel": linear.weight.detach().numpy().T, "bias": linear.bias.detach().numpy()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_parameters_after_three_epochs_are_those_of_torch(case):
    plan, params = ours(case)
    samples = samples_of(case)
    inputs, targets = torch.tensor(samples.inputs), torch.tensor(samples.targets)
    weights = torch.tensor(samples.weights, dtype=torch.float32)
    linears = [torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, case.outputs)]
    for linear, layer in zip(linears, start_of(case).params, strict=True):
        set_dense(linear, layer)
    network = torch.nn.Sequential(linears[0], torch.nn.Tanh(), linears[1])
    optimizer = OPTIMIZERS[case.optimizer](network.parameters(), RATES[case.optimizer])
    for batch in batches(plan):
        optimizer.zero_grad()
        losses = LOSSES[case.kind](network(inputs[batch]), targets[batch])
        (weights[batch] * losses).mean().backward()
        optimizer.step()
    assert_close(params, [dense_of(linear) for linear in linears])


def test_batch_normalization_sees_the_batch_and_keeps_torchs_moments():
    """Without padding, a last batch of 5 is normalized over 5 samples.

    The running mean is PyTorch's. The running variance is kept with the biased variance of the batch (as
    Keras and Flax do) where PyTorch keeps the unbiased one, so the oracle recomputes it from what its layer
    was shown.
    """
    case = CASES[1]
    samples = samples_of(case)
    model = ep.MLP(HIDDEN, dropout=0.0, batch_norm=True, outputs=3)
    start = model.init(jax.random.key(4), jax.numpy.zeros(FEATURES))
    run = ep.fit(
        model,
        (samples.inputs, samples.targets),
        batch_size=BATCH,
        epochs=EPOCHS,
        optimizer="momentum",
        learning_rate=RATES["momentum"],
        validation=0,
        standardize=False,
        metrics=(),
        seed=11,
        initial=start,
    )
    first, norm = torch.nn.Linear(FEATURES, HIDDEN), torch.nn.BatchNorm1d(HIDDEN, eps=1e-5, momentum=0.1)
    last = torch.nn.Linear(HIDDEN, 3)
    set_dense(first, start.params[0])
    set_dense(last, start.params[1])
    network = torch.nn.Sequential(first, norm, torch.nn.ReLU(), last)
    biased = np.ones(HIDDEN)

    def watch(_, shown):
        nonlocal biased
        biased = 0.9 * biased + 0.1 * shown[0].detach().numpy().astype(np.float64).var(axis=0)

    norm.register_forward_pre_hook(watch)
    optimizer = OPTIMIZERS["momentum"](network.parameters(), RATES["momentum"])
    inputs, targets = torch.tensor(samples.inputs), torch.tensor(samples.targets)
    network.train()
    for batch in batches(run.plan):
        optimizer.zero_grad()
        LOSSES["multiclass"](network(inputs[batch]), targets[batch]).mean().backward()
        optimizer.step()

    found = run.fitted[0].last
    scaled = {"scale": norm.weight.detach().numpy(), "shift": norm.bias.detach().numpy()}
    assert_close(found.params, [dense_of(first) | scaled, dense_of(last)])
    assert_close(found.state, [{"mean": norm.running_mean.numpy(), "variance": biased}])
    with torch.no_grad():
        norm.running_var.copy_(torch.tensor(biased))
        network.eval()
        evaluated = LOSSES["multiclass"](network(inputs), targets).mean().item()
    assert run.curves.columns["train.loss"][-1] == pytest.approx(evaluated, abs=1e-5)
