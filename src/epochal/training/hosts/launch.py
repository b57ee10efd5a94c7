"""Which of how many processes is this one, and where do they meet?

Either the user says it, or JAX finds it out from what Slurm, Open MPI, Kubernetes or a TPU pod has told the
process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from epochal.errors import Refusal

__all__ = ["Place", "place_of"]


@dataclass(frozen=True)
class Place:
    """One process among those that train together."""

    coordinator: str
    """HOST:PORT, where process 0 listens."""
    index: int
    count: int
    local_devices: tuple[int, ...] | None = None
    """Which devices of its machine it uses; None for all."""

    @property
    def host(self) -> str:
        """The host of process 0."""
        return self.coordinator.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port at which process 0 listens."""
        return int(self.coordinator.rpartition(":")[2])


def place_of(
    coordinator: str | None,
    process_id: int | None,
    processes: int | None,
    how: Mapping[str, str] | None = None,
) -> Place:
    """The place of this process, as given, or as JAX detects it where nothing is given.

    Args:
        coordinator: HOST:PORT of process 0.
        process_id: 0 to `processes` - 1.
        processes: how many there are.
        how: what the three are called where they were asked for.

    Raises:
        Refusal: one or two of them are given, one is out of its bounds, or nothing is detected.

    >>> place_of("10.0.0.1:1234", 1, 4).host
    '10.0.0.1'
    >>> place_of("10.0.0.1:1234", None, 4)
    Traceback (most recent call last):
    epochal.errors.Refusal: coordinator, process_id and processes belong together; process_id is missing.
    """
    names = {name: (how or {}).get(name, name) for name in ("coordinator", "process_id", "processes")}
    given = {"coordinator": coordinator, "process_id": process_id, "processes": processes}
    missing = [names[name] for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return _detected(names)
    if missing:
        lacking = " and ".join(missing) + (" is" if len(missing) == 1 else " are")
        first, second, third = names.values()
        raise Refusal(f"{first}, {second} and {third} belong together; {lacking} missing.")
    count, index = _whole(processes, names["processes"]), _whole(process_id, names["process_id"])
    if count < 1:
        raise Refusal(f"{names['processes']} must be at least 1; got {count}.")
    if not 0 <= index < count:
        raise Refusal(f"{names['process_id']} must be between 0 and {count - 1}; got {index}.")
    _check_address(str(coordinator), names["coordinator"])
    return Place(str(coordinator), index, count)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(f"{name} must be a whole number; got {value!r}.")
    return value


def _check_address(address: str, name: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise Refusal(f'{name} must be HOST:PORT, such as 10.0.0.1:1234; got "{address}".')


def _detected(names: Mapping[str, str]) -> Place:
    """The place that the launcher of this process has given it, as JAX reads it."""
    # JAX joins at once where it detects; that it says what it would join is no public function of it.
    try:
        from jax._src.clusters import ClusterEnv

        detect: Any = ClusterEnv.auto_detect_unset_distributed_params
        found = detect(os.environ.get("JAX_COORDINATOR_ADDRESS"), None, None, None, _method(), 300)
    except (ImportError, AttributeError, TypeError) as error:
        raise Refusal(
            f"this version of JAX does not say which processes belong together; give {_all(names)}."
        ) from error
    except Exception as error:
        raise Refusal(
            f"JAX could not find out which processes belong together ({str(error).rstrip('.')}); "
            f"give {_all(names)}."
        ) from error
    coordinator, count, index, devices = found
    if None in (coordinator, count, index):
        raise Refusal(
            "no Slurm, Open MPI, Kubernetes or TPU pod was found that has started several processes; "
            f"give {_all(names)}."
        )
    return Place(str(coordinator), int(index), int(count), None if devices is None else tuple(devices))


def _method() -> str | None:
    """How JAX is to look: by itself, but under an MPI that it does not know through mpi4py."""
    other = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"} & os.environ.keys()
    known = {"OMPI_MCA_orte_hnp_uri", "SLURM_JOB_ID"} & os.environ.keys()
    return "mpi4py" if other and not known else None


def _all(names: Mapping[str, str]) -> str:
    first, second, third = names.values()
    return f"{first}, {second} and {third}"
