"""Oracles: Flax's layers and PyTorch's. Each layer has their values and gradients, in all of its forms.

All is computed inside a compiled scan, as in a training; the cases of a layer share one program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from epochal import nn
from epochal.nn import convolution
from helpers import need

RANDOM = np.random.default_rng(4)
FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""It is the values that count here; this halves the time of the tests."""


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


class Window(NamedTuple):
    inputs: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Any


CONVOLUTIONS = (
    Window((2, 7, 6, 3), (3, 3), (1, 1), "SAME"),
    Window((2, 8, 7, 2), (3, 2), (2, 1), "VALID"),
    Window((2, 9, 3), (4,), (2,), "SAME"),
    Window((2, 5, 5, 1), (1, 1), (1, 1), "VALID"),
    Window((1, 6, 8, 2), (2, 2), (3, 1), ((1, 2), (0, 1))),
    Window((2, 5, 6, 8), (3, 3), (1, 1), "SAME"),
    Window((1, 6, 5, 9), (3, 3), (1, 1), ((0, 3), (2, 0))),
    Window((2, 6, 5, 1), (3, 3), (2, 1), "SAME"),
)
POOLINGS = (
    Window((2, 7, 6, 3), (2, 2), (2, 2), "VALID"),
    Window((2, 7, 6, 2), (3, 2), (2, 1), "VALID"),
    Window((2, 7, 2), (3,), (2,), "SAME"),
    Window((2, 6, 5, 1), (2, 3), (2, 3), "SAME"),
)
FILTERS = 4


def in_a_scan(function, *arguments):
    """The outputs of `function` and its gradients by each argument, in the second turn of a compiled loop."""
    weights = jax.eval_shape(function, *arguments)
    weights = np.random.default_rng(0).normal(size=weights.shape).astype(np.float32)

    def total(*values):
        outputs = function(*values)
        return (outputs * weights).sum(), outputs

    def turn(scale, _):
        scaled = tuple(scale * value for value in arguments)
        slopes, outputs = jax.grad(total, argnums=tuple(range(len(arguments))), has_aux=True)(*scaled)
        return scale + 1, (outputs, *slopes)

    return jax.tree.map(lambda leaf: leaf[1], lax.scan(turn, jnp.float32(1), None, length=2)[1])


def by_torch(function, *arguments):
    """The same by PyTorch."""
    torch = need("torch")
    leaves = [torch.tensor(2 * value, requires_grad=True) for value in arguments]
    outputs = function(torch, *leaves)
    weights = np.random.default_rng(0).normal(size=tuple(outputs.shape)).astype(np.float32)
    (outputs * torch.tensor(weights)).sum().backward()
    return tuple(leaf.detach().numpy() for leaf in (outputs, *(leaf.grad for leaf in leaves)))


def assert_same(found, wanted, tolerance=2e-5):
    for one, other in zip(found, wanted, strict=True):
        other = np.asarray(other)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * max(1, np.abs(other).max()))


@pytest.fixture(scope="module")
def convolved():
    arguments = [
        (drawn(*case.inputs), drawn(*case.window, case.inputs[-1], FILTERS), drawn(FILTERS))
        for case in CONVOLUTIONS
    ]

    def ours(case, inputs, kernel, bias):
        return nn.convolve(inputs, kernel, case.strides, case.padding) + bias

    def flax(case, inputs, kernel, bias):
        layer = nnx.Conv(
            case.inputs[-1],
            FILTERS,
            case.window,
            strides=case.strides,
            padding=case.padding,
            rngs=nnx.Rngs(0),
        )
        layer.kernel, layer.bias = nnx.Param(kernel), nnx.Param(bias)
        return layer(inputs)

    return arguments, every_form(ours, flax, CONVOLUTIONS, arguments)


@pytest.fixture(scope="module")
def pooled():
    arguments = [(drawn(*case.inputs),) for case in POOLINGS]

    def ours(case, inputs):
        return nn.max_pool(inputs, case.window, case.strides, case.padding)

    def flax(case, inputs):
        return nnx.max_pool(inputs, case.window, strides=case.strides, padding=case.padding)

    return arguments, every_form(ours, flax, POOLINGS, arguments, ("slices",))


def every_form(ours, flax, cases, arguments, forms=("slices", "vendor")):
    """{"slices", "vendor", "flax"} -> the results of all cases, compiled once."""

    def all_of(function):
        return [
            in_a_scan(lambda *values, case=case: function(case, *values), *given)
            for case, given in zip(cases, arguments, strict=True)
        ]

    def every():
        found = {"flax": all_of(flax)}
        for form in forms:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(convolution, "form", lambda form=form: form)
                found[form] = all_of(ours)
        return found

    return jax.device_get(jax.jit(every, compiler_options=FAST_TO_COMPILE)())


@pytest.mark.parametrize("form", ["slices", "vendor"])
@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
def test_convolutions_are_those_of_flax_and_of_pytorch(convolved, form, number):
    (inputs, kernel, bias), found = convolved[0][number], convolved[1][form][number]
    assert_same(found, convolved[1]["flax"][number])
    case, axes = CONVOLUTIONS[number], len(CONVOLUTIONS[number].window)
    pads = nn.convolution.padding_of(case.inputs[1:-1], case.window, case.strides, case.padding)

    def theirs(torch, x, w, b):
        x = torch.nn.functional.pad(x.movedim(-1, 1), [n for pair in reversed(pads) for n in pair])
        call = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[axes - 1]
        w = w.permute(axes + 1, axes, *range(axes))
        return call(x, w, b, stride=case.strides).movedim(1, -1)

    assert_same(found, by_torch(theirs, inputs, kernel, bias))


@pytest.mark.parametrize("number", range(len(POOLINGS)))
def test_poolings_are_those_of_flax_and_of_pytorch(pooled, number):
    (inputs,), found = pooled[0][number], pooled[1]["slices"][number]
    assert_same(found, pooled[1]["flax"][number])
    case, axes = POOLINGS[number], len(POOLINGS[number].window)
    pads = nn.convolution.padding_of(case.inputs[1:-1], case.window, case.strides, case.padding)

    def theirs(torch, x):
        flat = [n for pair in reversed(pads) for n in pair]
        x = torch.nn.functional.pad(x.movedim(-1, 1), flat, value=-np.inf)
        call = (torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d)[axes - 1]
        return call(x, case.window, stride=case.strides).movedim(1, -1)

    assert_same(found, by_torch(theirs, inputs))


def test_the_gradient_of_equal_values_goes_to_the_first_of_them():
    slope = jax.grad(lambda x: nn.max_pool(x, (2, 2)).sum())(jnp.ones((1, 2, 2, 1)))
    assert slope.ravel().tolist() == [1, 0, 0, 0]


TIME, BATCH, FEATURES, UNITS = 5, 3, 2, 4
LENGTHS = np.array([5, 2, 0])
MASK = np.arange(TIME) < LENGTHS[:, None]


def recurrent_arguments(cell):
    gates = {"lstm": 4, "gru": 3}[cell]
    shapes = [(BATCH, TIME, FEATURES), (FEATURES, gates * UNITS), (UNITS, gates * UNITS), (gates * UNITS,)]
    shapes += [(UNITS,)] if cell == "gru" else []
    shapes += [(BATCH, UNITS)] * (2 if cell == "lstm" else 1)
    return [0.5 * drawn(*shape) for shape in shapes]


def ours_recurrent(cell, mask, inputs, kernel, recurrent, bias, *rest):
    layer = nn.Recurrent(FEATURES, UNITS, cell=cell, rngs=nnx.Rngs(0))
    layer.kernel, layer.recurrent, layer.bias = map(nnx.Param, (kernel, recurrent, bias))
    if cell == "gru":
        layer.inner_bias, *rest = nnx.Param(rest[0]), *rest[1:]
    states, carry = layer(inputs, tuple(rest), mask)
    return jnp.concatenate([states, *(part[:, None] for part in carry)], axis=1)


def flax_recurrent(cell, inputs, kernel, recurrent, bias, *rest):
    """Flax's cell, step by step; its GRU has no bias inside the reset, so that is added to its product."""
    if cell == "lstm":
        layer = nnx.OptimizedLSTMCell(FEATURES, UNITS, rngs=nnx.Rngs(0))
        layer.dense_i.kernel, layer.dense_h.kernel, layer.dense_h.bias = map(
            nnx.Param, (kernel, recurrent, bias)
        )
        h, c = rest
        states = []
        for t in range(TIME):
            (c, h), out = layer((c, h), inputs[:, t])
            states.append(out)
        return jnp.stack([*states, h, c], axis=1)
    layer = nnx.GRUCell(FEATURES, UNITS, rngs=nnx.Rngs(0))
    layer.dense_i.kernel, layer.dense_h.kernel, layer.dense_i.bias = map(nnx.Param, (kernel, recurrent, bias))
    inner, h = rest
    layer.dense_h.bias = nnx.Param(jnp.concatenate([jnp.zeros(2 * UNITS), inner]))
    layer.dense_h.use_bias = True
    states = []
    for t in range(TIME):
        h, out = layer(h, inputs[:, t])
        states.append(out)
    return jnp.stack([*states, h], axis=1)


@pytest.fixture(scope="module")
def recurred():
    arguments = {cell: recurrent_arguments(cell) for cell in ("lstm", "gru")}

    def every():
        return {
            cell: {
                "ours": in_a_scan(lambda *v, cell=cell: ours_recurrent(cell, None, *v), *given),
                "masked": in_a_scan(lambda *v, cell=cell: ours_recurrent(cell, MASK, *v), *given),
                "flax": in_a_scan(lambda *v, cell=cell: flax_recurrent(cell, *v), *given),
            }
            for cell, given in arguments.items()
        }

    return arguments, jax.device_get(jax.jit(every, compiler_options=FAST_TO_COMPILE)())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_layers_are_those_of_flax(recurred, cell):
    assert_same(recurred[1][cell]["ours"], recurred[1][cell]["flax"])


def torch_recurrent(cell, lengths):
    def theirs(torch, inputs, kernel, recurrent, bias, *rest):
        inner, *start = rest if cell == "gru" else (None, *rest)
        weights = [kernel.T, recurrent.T, bias, torch.zeros_like(bias)]
        if cell == "gru":
            weights[3] = torch.cat([torch.zeros(2 * UNITS), inner])
        rows = []
        for row, length in enumerate(lengths):
            state = tuple(part[None, row : row + 1] for part in start)
            call, carry = (torch.lstm, state) if cell == "lstm" else (torch.gru, state[0])
            outputs = start[0][row][None, :]
            if length:
                x = inputs[row : row + 1, :length]
                found, *state = call(x, carry, weights, True, 1, 0.0, False, False, True)
                outputs = found[0]
            held = outputs[-1:].expand(TIME - length, UNITS)
            outputs = outputs if length else outputs[:0]
            rows.append(torch.cat([outputs, held, *(part[0] for part in state)]))
        return torch.stack(rows)

    return theirs


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("which", ["ours", "masked"])
def test_recurrent_layers_are_those_of_pytorch_on_each_row_up_to_its_length(recurred, cell, which):
    """Where the mask ends, the state is held: outputs and carries are those of the shorter sequence."""
    lengths = [TIME] * BATCH if which == "ours" else LENGTHS.tolist()
    wanted = by_torch(torch_recurrent(cell, lengths), *recurred[0][cell])
    assert_same(recurred[1][cell][which], wanted)


def test_an_embedding_is_that_of_pytorch():
    ids, table = np.array([[1, 3, 1], [0, 2, 2]]), drawn(5, 3)

    def ours(table):
        layer = nn.Embed(5, 3, rngs=nnx.Rngs(0))
        layer.table = nnx.Param(table)
        return layer(jnp.asarray(ids))

    found = jax.jit(lambda: in_a_scan(ours, table))()
    assert_same(found, by_torch(lambda torch, t: torch.nn.functional.embedding(torch.tensor(ids), t), table))
