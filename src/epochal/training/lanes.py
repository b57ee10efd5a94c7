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
from epochal.training.hosts import together

__all__ = ["Lanes", "check_devices", "lanes_for", "parameters_of"]

SMALL_UPDATE = 2**20
"""Multiplications of an update (batch times parameters) up to which one core is enough for a program."""


@dataclass(frozen=True)
class Lanes:
    """The lanes of a training and where they run."""

    repeats: tuple[range, ...]
    """Those of each lane, which go through one program in step."""
    teams: tuple[tuple[jax.Device, ...], ...]
    """The devices of the lanes that run at a time; none for the one that JAX takes by itself."""
    present: int
    """Devices of this machine."""

    @property
    def devices(self) -> int:
        """How many devices take part."""
        return len({device for team in self.teams for device in team}) or 1

    @property
    def devices_a_batch(self) -> int:
        """How many of them share a batch."""
        return max(1, len(self.teams[0]))

    @property
    def at_once(self) -> int:
        """How many programs take their memory from one place at a time."""
        return sum(max(1, len(team)) for team in self.teams) if jax.default_backend() == "cpu" else 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known of them, where there is a choice."""
        processes = len({device.process_index for device in self.teams[0]})
        if processes > 1:
            return (f"{self.devices} devices of {processes} processes share each batch",)
        if self.present == 1:
            return ()
        used, each, groups = self.devices, self.devices_a_batch, len(self.teams)
        spare = "" if used == self.present else f" of {self.present}"
        if used == 1:
            return (f"1{spare} devices is used; --devices N takes more, which share each batch",)
        if each == 1:
            return (f"{used}{spare} devices are used, each for repeats of its own",)
        if groups == 1:
            return (f"{used}{spare} devices share each batch",)
        return (f"{used}{spare} devices are used, in {groups} groups; {each} share each batch",)


def check_devices(asked: int | None) -> None:
    """Refuse more devices than there are."""
    present = jax.local_device_count() if asked is not None else 0
    if asked is not None and asked > present:
        what = f"the devices that JAX finds here: {jax.local_devices()[0].device_kind}"
        remedy = f"--devices {present} takes all there are"
        if jax.default_backend() == "cpu":
            remedy += f"; XLA_FLAGS=--xla_force_host_platform_device_count={asked} parts a CPU into as many"
        raise Refusal(f"devices must be between 1 and {present} ({what}); got {asked}. {remedy}.")


def lanes_for(repeats: int, asked: int | None, largest: int, small: bool, alone: bool) -> Lanes:
    """How so many repeats are shared out.

    Args:
        repeats: of the training.
        asked: the number of devices, or None to choose it.
        largest: the most samples that go through the model at once.
        small: whether an update is so small that one core is enough for it.
        alone: whether repeats can't go in step: each is fed its own samples, or there is no room for all.
    """
    devices = jax.local_devices()
    host = devices[0].platform == "cpu"
    wanted = asked or (1 if host else len(devices))
    singly = tuple(range(repeat, repeat + 1) for repeat in range(repeats))
    if not together().alone:
        # One lane after the other, on all of them: every process knows all of every repeat.
        team = tuple(device for own in _by_process() for device in own[:wanted])
        return Lanes(singly if host or alone else (range(repeats),), (team,), len(devices))
    if wanted == 1:
        # A CPU runs small programs on one core each, so that cores work side by side, and a large one alone,
        # which uses all cores by itself. An accelerator takes all repeats in step.
        workers = min(repeats, cores()) if host and small else 1
        return Lanes(singly if host or alone else (range(repeats),), ((),) * workers, len(devices))
    groups, each = groups_of(repeats, wanted)
    if asked is None:
        groups, each = (min(repeats, wanted), 1) if small else (groups, min(each, largest))
    teams = tuple(tuple(devices[group * each : (group + 1) * each]) for group in range(groups))
    bounds = [repeats * group // groups for group in range(groups + 1)]
    in_step = tuple(range(begin, end) for begin, end in pairwise(bounds))
    return Lanes(singly if host or alone else in_step, teams, len(devices))


def _by_process() -> list[list[jax.Device]]:
    """The devices of all processes that train together."""
    found: dict[int, list[jax.Device]] = {}
    for device in jax.devices():
        found.setdefault(device.process_index, []).append(device)
    return [found[index] for index in sorted(found)]


def groups_of(repeats: int, devices: int) -> tuple[int, int]:
    """How many groups the devices form, and of how many each: as many as there are repeats, if they divide.

    >>> groups_of(repeats=1, devices=8), groups_of(repeats=5, devices=8), groups_of(repeats=20, devices=8)
    ((1, 8), (4, 2), (8, 1))
    """
    groups = max(count for count in range(1, devices + 1) if devices % count == 0 and count <= repeats)
    return groups, devices // groups


@functools.lru_cache(maxsize=64)
def parameters_of(model: Model, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """How many parameters a model has for samples of that shape."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(model, shape, dtype)))
