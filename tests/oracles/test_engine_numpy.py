"""Oracle: gradient descent written by hand in NumPy, in 64-bit floats, fed with `plan.batch`."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import CASES, CLASSES, EPOCHS, RATES, Case, assert_close, batches, ours, samples_of, start_of


def gradient(params, inputs, targets, weights, kind):
    """Of the mean over the batch of weight times loss: one tanh layer, then the task's usual loss."""
    first, last = params
    hidden = np.tanh(inputs @ first["kernel"] + first["bias"])
    outputs = hidden @ last["kernel"] + last["bias"]
    if kind == "binary":
        slope = 1 / (1 + np.exp(-outputs[:, 0])) - targets
        slope = slope[:, None]
    elif kind == "multiclass":
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        slope = powers / powers.sum(axis=1, keepdims=True) - np.eye(CLASSES[kind])[targets]
    else:
        slope = 2 * (outputs - targets[:, None])
    slope = slope * weights[:, None] / len(inputs)
    back = (slope @ last["kernel"].T) * (1 - hidden**2)
    return [
        {"kernel": inputs.T @ back, "bias": back.sum(axis=0)},
        {"kernel": hidden.T @ slope, "bias": slope.sum(axis=0)},
    ]


def moved(optimizer, value, slope, memory, count):
    """A parameter after update `count` (from 1); `memory` is that of the optimizer."""
    rate = RATES[optimizer]
    if optimizer == "sgd":
        return value - rate * slope
    if optimizer == "momentum":
        memory["trace"] = 0.9 * memory.get("trace", 0) + slope
        return value - rate * memory["trace"]
    memory["first"] = 0.9 * memory.get("first", 0) + 0.1 * slope
    memory["second"] = 0.999 * memory.get("second", 0) + 0.001 * slope**2
    first, second = memory["first"] / (1 - 0.9**count), memory["second"] / (1 - 0.999**count)
    decay = 0.01 * value if optimizer == "adamw" else 0
    return value - rate * (first / (np.sqrt(second) + 1e-8) + decay)


def reference(case, plan):
    samples = samples_of(case)
    params = [
        {name: leaf.astype(np.float64) for name, leaf in layer.items()} for layer in start_of(case).params
    ]
    memories = [{name: {} for name in layer} for layer in params]
    for count, batch in enumerate(batches(plan), start=1):
        slopes = gradient(
            params,
            samples.inputs[batch].astype(np.float64),
            samples.targets[batch],
            samples.weights[batch],
            case.kind,
        )
        for layer, slope, memory in zip(params, slopes, memories, strict=True):
            for name in layer:
                layer[name] = moved(case.optimizer, layer[name], slope[name], memory[name], count)
    return params


@pytest.mark.parametrize("case", CASES, ids=str)
def test_parameters_after_three_epochs_are_those_of_numpy(case):
    plan, params = ours(case)
    assert_close(params, reference(case, plan))


@pytest.mark.parametrize("case", [CASES[number] for number in (1, 2, 3, 5)], ids=str)
def test_in_micro_batches_of_three_they_are_those_of_numpy_too(case):
    plan, params = ours(case, micro_batch=3)
    assert_close(params, reference(case, plan))


def test_the_cases_have_ragged_epochs_and_cover_what_they_claim():
    plans = {case: ours(case)[0] for case in CASES}
    assert all(plan.epochs == EPOCHS and plan.samples % plan.batch_size for plan in plans.values())
    assert {plan.segments for case, plan in plans.items() if case.remainder == "keep"} == {((6, 8), (1, 5))}
    assert {case.remainder for case in CASES} == {"keep", "drop", "spread", "carry"}
    assert {case.order for case in CASES} == {"shuffle", "shuffle_once", "sequential"}
    assert {case.kind for case in CASES} == set(CLASSES)
    assert {case.optimizer for case in CASES if case.class_weight} == set(RATES)


def test_the_oracle_notices_a_mean_of_means():
    """Negative control: weighing every update of an epoch alike in samples is not what was done."""
    case = Case("sgd", "binary", "keep", "shuffle", class_weight=True)
    plan, params = ours(case)
    wrong = reference(case, plan.with_(remainder="drop"))
    with pytest.raises(AssertionError):
        assert_close(params, wrong)
