"""The distribution of repeats over programs and devices.

Repeats are independent, so devices are first divided among them: groups of devices that run in parallel and
never wait for another. The devices of a group share each batch.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from epochal.common.machine import cores
from epochal.errors import Refusal
from epochal.models import Model, shapes_of
from epochal.training.processes import process_group

SMALL_UPDATE = 2**20
"""Most multiplications of an update (batch times parameters) for which one core is enough."""


@dataclass(frozen=True)
class RepeatStacks:
    """The stacks of a training and where they run."""

    repeat_ranges: tuple[range, ...]
    """The repeats of each stack, vmapped in one program."""
    device_groups: tuple[tuple[jax.Device, ...], ...]
    """The devices of parallel stacks; empty for JAX's default."""
    local_device_count: int
    """Devices of this machine."""

    @property
    def devices(self) -> int:
        """Number of devices in use."""
        return len({device for device_group in self.device_groups for device in device_group}) or 1

    @property
    def devices_per_batch(self) -> int:
        """Number of devices that share a batch."""
        return max(1, len(self.device_groups[0]))

    @property
    def programs_per_device(self) -> int:
        """Number of programs that share a device's memory."""
        return (
            sum(max(1, len(device_group)) for device_group in self.device_groups)
            if jax.default_backend() == "cpu"
            else 1
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the distribution, if there is a choice."""
        processes = len({device.process_index for device in self.device_groups[0]})
        if processes > 1:
            return (f"{self.devices} devices of {processes} processes share each batch",)
        if self.local_device_count == 1:
            return ()
        used, each, groups = self.devices, self.devices_per_batch, len(self.device_groups)
        spare = "" if used == self.local_device_count else f" of {self.local_device_count}"
        if used == 1:
            return (f"1{spare} devices is used; `devices=N` takes more, which share each batch",)
        if each == 1:
            return (f"{used}{spare} devices are used, each for repeats of its own",)
        if groups == 1:
            return (f"{used}{spare} devices share each batch",)
        return (f"{used}{spare} devices are used, in {groups} groups; {each} share each batch",)


def check_devices(count: int | None) -> None:
    """Refuse more devices than there are."""
    if count is not None and count > (present := jax.local_device_count()):
        what = f"the devices that JAX finds here: {jax.local_devices()[0].device_kind}"
        remedy = f"`devices={present}` takes all there are"
        if jax.default_backend() == "cpu":
            remedy += f"; XLA_FLAGS=--xla_force_host_platform_device_count={count} parts a CPU into as many"
        raise Refusal(f"`devices` must be between 1 and {present} ({what}); got {count}. {remedy}.")


def stacks_for(repeats: int, asked: int | None, largest: int, small: bool, unvmapped: bool) -> RepeatStacks:
    """Distribute repeats over stacks and devices (`asked`, or chosen).

    `largest` is the largest batch or micro-batch; `small` whether one core is enough for an update;
    `unvmapped` whether repeats can't be vmapped: each streams its own samples, or memory is too small.
    """
    devices = jax.local_devices()
    host = devices[0].platform == "cpu"
    wanted = asked or (1 if host else len(devices))
    singly = tuple(range(repeat, repeat + 1) for repeat in range(repeats))
    if not process_group().alone:
        # One stack at a time on all devices, since every process has the state of every repeat.
        by_process: dict[int, list[jax.Device]] = {}
        for device in jax.devices():
            by_process.setdefault(device.process_index, []).append(device)
        device_group = tuple(device for _, own in sorted(by_process.items()) for device in own[:wanted])
        return RepeatStacks(singly if host or unvmapped else (range(repeats),), (device_group,), len(devices))
    if wanted == 1:
        # On a CPU, small programs run in parallel, one per core, and a large one alone,
        # since it uses all cores. On an accelerator all repeats are vmapped.
        workers = min(repeats, cores()) if host and small else 1
        return RepeatStacks(singly if host or unvmapped else (range(repeats),), ((),) * workers, len(devices))
    groups, each = groups_of(repeats, wanted)
    if asked is None:
        groups, each = (min(repeats, wanted), 1) if small else (groups, min(each, largest))
    device_groups = tuple(tuple(devices[group * each : (group + 1) * each]) for group in range(groups))
    bounds = [repeats * group // groups for group in range(groups + 1)]
    vmapped = tuple(range(begin, end) for begin, end in pairwise(bounds))
    return RepeatStacks(singly if host or unvmapped else vmapped, device_groups, len(devices))


def groups_of(repeats: int, devices: int) -> tuple[int, int]:
    """The number and size of device groups: one for each repeat, if that divides.

    >>> groups_of(repeats=1, devices=8), groups_of(repeats=5, devices=8), groups_of(repeats=20, devices=8)
    ((1, 8), (4, 2), (8, 1))
    """
    groups = max(count for count in range(1, devices + 1) if devices % count == 0 and count <= repeats)
    return groups, devices // groups


@functools.lru_cache(maxsize=64)
def parameters_of(model: Model, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Number of parameters of a model for samples of this shape."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(model, shape, dtype)))
