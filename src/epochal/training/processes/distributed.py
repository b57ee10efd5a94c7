"""`init_distributed` and `shutdown`: a group of processes that train together."""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from epochal.common.version import VERSION
from epochal.common.waiting import end_process
from epochal.errors import ProcessLost, Refusal
from epochal.training.processes.group import ALONE, ProcessGroup, process_group, set_process_group
from epochal.training.processes.watcher_client import ProcessInfo, WatcherClient


def init_distributed(
    coordinator: str | None = None,
    process_id: int | None = None,
    processes: int | None = None,
    *,
    heartbeat_timeout: float = 30.0,
    initialization_timeout: float = 300.0,
    names: Mapping[str, str] | None = None,
) -> None:
    """Make this process one of a group, on this machine or others, that train together.

    Each calls it before anything that touches a device, and then runs the same code on the same data:
    afterwards `jax.devices()` are those of all, and `fit`, `train` and `resume` share each batch among them.
    Without arguments it joins what Slurm, Open MPI, Kubernetes or a TPU pod has started, as JAX
    detects it. Process 0 alone writes files. When a process dies, the others raise `ProcessLost` at once, or
    are ended with its sentence if they wait for it inside of a collective operation.

    Args:
        coordinator: HOST:PORT of process 0.
        process_id: 0 to `processes` - 1.
        processes: number of processes; 1 changes nothing.
        heartbeat_timeout: seconds without a heartbeat after which a machine that has lost power or its
            network counts as lost.
        initialization_timeout: seconds to wait for all to join.
        names: names of the first three arguments in messages.

    Raises:
        Refusal: incomplete arguments, different ones in other processes, or a missing process.

    >>> init_distributed("10.0.0.1:1234", processes=4)
    Traceback (most recent call last):
    epochal.errors.Refusal: coordinator, process_id and processes belong together; process_id is missing.
    """
    if not process_group().alone:
        raise Refusal("init_distributed must be called once in a process, which has joined others already.")
    timeouts = {"heartbeat_timeout": heartbeat_timeout, "initialization_timeout": initialization_timeout}
    for name, seconds in timeouts.items():
        if not 1 <= seconds <= 86400:
            raise Refusal(f"{name} must be between 1 and 86400 seconds; got {seconds:g}.")
    info = process_info(coordinator, process_id, processes, names)
    if info.count == 1:
        return
    import jax

    if jax.distributed.is_initialized():
        raise Refusal(
            "epochal.init_distributed takes the place of jax.distributed.initialize; leave that out."
        )
    watch = WatcherClient(info, int(heartbeat_timeout), timeout := int(initialization_timeout))
    others = ProcessGroup(info.index, info.count, watch, _initialized(info, watch, timeout))
    set_process_group(others)
    atexit.register(_farewell)
    mine = {"version": f"{VERSION} with JAX {jax.__version__}", "number of processes": info.count}
    others.decide("joining", mine, _check_alike)


def process_info(
    coordinator: str | None,
    process_id: int | None,
    processes: int | None,
    names: Mapping[str, str] | None = None,
) -> ProcessInfo:
    """This process and its group, as given or as detected by JAX; arguments as for `init_distributed`.

    >>> process_info("10.0.0.1:1234", 1, 4).host
    '10.0.0.1'
    >>> process_info("10.0.0.1:1234", None, 4)
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
    return ProcessInfo(str(coordinator), index, count)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(f"{name} must be a whole number; got {value!r}.")
    return value


def _detected(names: str) -> ProcessInfo:
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
    return ProcessInfo(str(coordinator), int(index), int(count), None if devices is None else tuple(devices))


def _initialized(info: ProcessInfo, watch: WatcherClient, timeout: int) -> Any:
    """Initialize JAX with the devices of all processes; returns its key-value store."""
    import jax
    from jax._src.distributed import global_state  # no public name for the store

    if jax.config.values["jax_cpu_collectives_implementation"] in (None, "none"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would handle SIGTERM
    _delay_abort()
    try:
        jax.distributed.initialize(
            f"{info.host}:{watch.jax_port}",
            info.count,
            info.index,
            local_device_ids=info.local_devices,
            cluster_detection_method="deactivate",
            # JAX starts an unused service in process 0: the watcher's outlives process 0.
            coordinator_bind_address="127.0.0.1:0",
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=3600,  # the watchers detect a death
        )
    except RuntimeError as error:
        watch.check(1.0)
        why = "init_distributed must come before anything that touches a device"
        watch.fail(f"{why}.")
        raise Refusal(f"{why}: {str(error).rstrip('.')}.") from error
    return global_state.client


def _delay_abort() -> None:
    """Give the watch time for its message if JAX aborts this process after losing its service.

    The signal handler is C's `sleep`, which takes the signal number, 6, as seconds, and needs no Python; then
    the abort continues.
    """
    if os.name == "posix":
        libc = ctypes.CDLL(None)
        libc.signal(int(signal.SIGABRT), ctypes.cast(libc.sleep, ctypes.c_void_p))


def _check_alike(proposals: Sequence[Mapping[str, Any]]) -> None:
    for index, other in enumerate(proposals):
        for name, value in proposals[0].items():
            if other[name] != value:
                raise Refusal(
                    f"all processes must have the same {name}; process 0 has {value}, "
                    f"process {index} has {other[name]}."
                )


def shutdown() -> None:
    """Wait for all processes to finish, and leave; see `ProcessGroup.end`."""
    import jax

    others = process_group()
    set_process_group(ALONE)
    others.end()
    if not others.alone:
        jax.distributed.shutdown()
    others.close()


def _farewell() -> None:
    """At exit: JAX does not report a death, and others may wait for this process."""
    others, failed = process_group(), getattr(sys, "last_value", None)
    if others.alone:
        return
    if failed is not None:
        others.fail(f"{type(failed).__name__}: {failed}".rstrip(".") + ".")
    try:
        if not others.over:
            shutdown()
        elif failed is None:
            others.check()
    except ProcessLost as lost:
        end_process(1, lost.sentence)
    if others.over:
        end_process(1)
