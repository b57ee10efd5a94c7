"""Oracle: PyTorch's autocast to bfloat16. What ours computes is no further from the exact result than theirs.

The two round at different places (theirs adds biases in bfloat16), so they cannot be equal; both are compared
with the same network in float64.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

import epochal as ep
from epochal.models import Variables, computing_in, loss_for
from helpers import need

torch = need("torch")

SIZES = (40, 64, 32, 3)


def error_of(found, exact):
    """How far arrays are from the exact ones, relative to their size."""
    return [
        np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in zip(found, exact, strict=True)
    ]


def test_outputs_and_gradients_are_as_near_to_the_exact_ones_as_those_of_autocast():
    random = np.random.default_rng(0)
    layers = [
        (random.normal(size=(i, o)) * (2 / i) ** 0.5, 0.3 * random.normal(size=o))
        for i, o in itertools.pairwise(SIZES)
    ]
    inputs, targets = random.normal(size=(96, SIZES[0])), random.integers(0, 3, 96)

    def theirs(dtype, autocast):
        tensors = [torch.tensor(one, dtype=dtype, requires_grad=True) for layer in layers for one in layer]
        x = torch.tensor(inputs, dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            for number in range(0, len(tensors), 2):
                x = torch.relu(x) if number else x
                x = torch.nn.functional.linear(x, tensors[number].T, tensors[number + 1])
        loss = torch.nn.functional.cross_entropy(x.to(dtype), torch.tensor(targets))
        loss.backward()
        return [x.detach().double().numpy(), *(tensor.grad.double().numpy() for tensor in tensors)]

    model = computing_in(ep.MLP(*SIZES[1:-1], outputs=3), "bfloat16")
    loss = loss_for("log_loss", "binary")[1]

    @jax.jit
    def slope(params):
        def mean(params):
            outputs, _ = model.apply(
                Variables(params, []), jnp.asarray(inputs, jnp.float32), jax.random.key(0), True
            )
            return loss(outputs, targets).mean(), outputs

        return jax.grad(mean, has_aux=True)(params)

    given = [{"kernel": jnp.float32(kernel), "bias": jnp.float32(bias)} for kernel, bias in layers]
    found, outputs = slope(given)
    ours = [outputs, *(layer[name] for layer in found for name in ("kernel", "bias"))]
    exact = theirs(torch.float64, autocast=False)
    our_errors, their_errors = (error_of(one, exact) for one in (ours, theirs(torch.float32, autocast=True)))
    # Errors are sums of many roundings, which differ by chance: by less than a half over many numbers.
    assert np.mean(our_errors) <= 1.1 * np.mean(their_errors), (our_errors, their_errors)
    for mine, its in zip(our_errors, their_errors, strict=True):
        assert 1e-5 < mine <= 1.5 * its
