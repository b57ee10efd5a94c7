"""Law 7, Refusal, and how it is avoided: what a device has no room for is streamed, or trains one by one.

The devices are made up; what they say of their memory is what JAX's do.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.engine.memory import device_memory, state_bytes
from epochal.engine.program import init_repeat_state
from epochal.settings import Settings
from epochal.training.describe import notes_of
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared

RANDOM = np.random.default_rng(3)
DATA = RANDOM.normal(size=(100, 5)).astype(np.float32), RANDOM.integers(0, 2, 100).astype(np.int32)
BYTES = DATA[0].nbytes


class Device:
    """An accelerator that holds so many bytes; None does not say."""

    platform, device_kind, process_index = "gpu", "made up", 0

    def __init__(self, limit: int | None) -> None:
        self.limit = limit

    def memory_stats(self) -> dict[str, Any] | None:
        return None if self.limit is None else {"bytes_limit": self.limit, "bytes_in_use": self.limit}


def with_devices(monkeypatch: pytest.MonkeyPatch, *limits: int | None) -> None:
    devices = [Device(limit) for limit in limits]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)


def asked(**options: Any) -> Prepared:
    return prepare(ep.MLP(7), DATA, Settings(**{"optimizer": "adam", **options}))


def state() -> int:
    prepared = asked()
    return state_bytes(prepared.spec.model.init(jax.random.key(0), jnp.zeros(5)), prepared.spec.optimizer)


def test_a_state_has_the_bytes_that_a_repeat_carries_and_those_of_a_gradient() -> None:
    spec = asked().spec
    variables = jax.eval_shape(spec.model.init, jax.random.key(0), jnp.zeros(5))
    carried = jax.eval_shape(
        lambda: init_repeat_state(spec, spec.model.init(jax.random.key(0), jnp.zeros(5)))
    )
    counters = ("best_value", "best_pass", "best_index", "running_loss", "running_rest")
    scalars = [getattr(carried, name) for name in (*counters, "diverged_pass", "diverged_index", "status")]
    carried = carried._replace(rule=(), halves=())
    sizes = [leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carried)]
    gradient = sum(4 * leaf.size for leaf in jax.tree.leaves(variables.params))
    assert state_bytes(variables, spec.optimizer) == sum(sizes) - 4 * len(scalars) + gradient


@pytest.mark.parametrize("others", [(), (None,), (2**40,)], ids=["alone", "one that does not say", "large"])
def test_samples_take_half_of_what_the_state_leaves_of_the_smallest_device(
    monkeypatch: pytest.MonkeyPatch, others: tuple[int | None, ...]
) -> None:
    enough = 2 * BYTES + state()
    with_devices(monkeypatch, *others, enough)
    assert not asked().streamed
    with_devices(monkeypatch, *others, enough - 1)
    streams = asked()
    assert streams.streamed == (None not in others)
    assert any("stay in host memory" in note for note in streams.dataset.raw_notes) == streams.streamed
    assert not asked(stream=False).streamed, "as asked"
    with_devices(monkeypatch, *others, 2**40)
    assert asked(stream=True).streamed, "as asked"


def test_a_cpu_has_the_memory_of_the_host() -> None:
    assert device_memory() is None


def test_repeats_for_which_there_is_no_room_in_step_train_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"repeats": 4, "stream": False}
    with_devices(monkeypatch, 2 * 4 * BYTES + 4 * state())
    assert asked(**own).stacks.repeat_ranges == (range(4),)
    with_devices(monkeypatch, 2 * 4 * BYTES + 4 * state() - 1)
    crowded = asked(**own)
    assert crowded.stacks.repeat_ranges == tuple(range(one, one + 1) for one in range(4))
    assert "the device has no room for 4 repeats in step: they train one by one" in notes_of(crowded)
    assert asked(**own, vary=("init", "order")).stacks.repeat_ranges == (range(4),), (
        "they share their samples"
    )


def test_repeats_that_groups_of_devices_train_need_room_for_those_of_one_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 4 repeats on 2 devices, 2 are in step on each; on 4 devices none is."""
    own = {"repeats": 4, "stream": False}
    enough = 2 * 2 * BYTES + 2 * state()
    with_devices(monkeypatch, enough, enough)
    assert asked(**own).stacks.repeat_ranges == (range(2), range(2, 4))
    with_devices(monkeypatch, enough, enough - 1)
    crowded = asked(**own)
    assert [len(stack) for stack in crowded.stacks.repeat_ranges] == [1] * 4
    assert "the device has no room for 2 repeats in step: they train one by one" in notes_of(crowded)
    with_devices(monkeypatch, *[enough - 1] * 4)
    assert not any("no room" in note for note in notes_of(asked(**own)))
