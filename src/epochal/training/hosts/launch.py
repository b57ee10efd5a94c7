"""This process's rank, as given or as JAX detects it from the launcher."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from epochal.errors import Refusal


@dataclass(frozen=True)
class Place:
    """The rank of a process, and how to reach the group."""

    coordinator: str
    """HOST:PORT of process 0."""
    index: int
    count: int
    local_devices: tuple[int, ...] | None = None
    """Indices of the devices it uses; None for all."""

    @property
    def host(self) -> str:
        """The host of process 0."""
        return self.coordinator.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of the coordinator."""
        return int(self.coordinator.rpartition(":")[2])


def place_of(
    coordinator: str | None,
    process_id: int | None,
    processes: int | None,
    names: Mapping[str, str] | None = None,
) -> Place:
    """The place of this process, as given or as detected by JAX; the arguments are those of `join`.

    Raises:
        Refusal: incomplete or out of bounds, or not detected.

    >>> place_of("10.0.0.1:1234", 1, 4).host
    '10.0.0.1'
    >>> place_of("10.0.0.1:1234", None, 4)
    Traceback (most recent call last):
    epochal.errors.Refusal: coordinator, process_id and processes belong together; process_id is missing.
    """
    given = {"coordinator": coordinator, "process_id": process_id, "processes": processes}
    first, second, third = shown = [(names or {}).get(name, name) for name in given]
    missing = [name for name, value in zip(shown, given.values(), strict=True) if value is None]
    if len(missing) == 3:
        return _detected(f"{first}, {second} and {third}")
    if missing:
        lacking = " and ".join(missing) + (" is" if len(missing) == 1 else " are")
        raise Refusal(f"{first}, {second} and {third} belong together; {lacking} missing.")
    count, index = _whole(processes, third), _whole(process_id, second)
    if count < 1:
        raise Refusal(f"{third} must be at least 1; got {count}.")
    if not 0 <= index < count:
        raise Refusal(f"{second} must be between 0 and {count - 1}; got {index}.")
    port = re.fullmatch(r".+:([0-9]{1,5})", str(coordinator))
    if port is None or not 1 <= int(port[1]) <= 65535:
        raise Refusal(f'{first} must be HOST:PORT, such as 10.0.0.1:1234; got "{coordinator}".')
    return Place(str(coordinator), index, count)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(f"{name} must be a whole number; got {value!r}.")
    return value


def _detected(names: str) -> Place:
    # JAX joins at once where it detects; that it says what it would join is no public function of it.
    mpi = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"} & os.environ.keys()
    known = {"OMPI_MCA_orte_hnp_uri", "SLURM_JOB_ID"} & os.environ.keys()
    method = "mpi4py" if mpi and not known else None
    try:
        from jax._src.clusters import ClusterEnv

        detect: Any = ClusterEnv.auto_detect_unset_distributed_params
        address = os.environ.get("JAX_COORDINATOR_ADDRESS")
        coordinator, count, index, devices = detect(address, None, None, None, method, 300)
    except Exception as error:
        why = str(error).rstrip(".")
        raise Refusal(
            f"JAX could not find out which processes belong together ({why}); give {names}."
        ) from error
    if None in (coordinator, count, index):
        raise Refusal(
            "no Slurm, Open MPI, Kubernetes or TPU pod was found that has started several processes; "
            f"give {names}."
        )
    return Place(str(coordinator), int(index), int(count), None if devices is None else tuple(devices))
