"""Joining and leaving a group of processes that train together.

    ep.join("10.0.0.1:1234", process_id=0, processes=4)     # in each process, before anything else of JAX

Afterwards `jax.devices()` are those of all processes, and `fit`, `train` and `resume` share each batch among
them.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from epochal.common.version import VERSION
from epochal.errors import HostLost, Refusal
from epochal.training.hosts.launch import Place, place_of
from epochal.training.hosts.together import ALONE, Together, together, use
from epochal.training.hosts.watch import Watch, end_process

SILENCE = 30.0
"""Seconds without a heartbeat after which a machine counts as lost, by default."""

PATIENCE = 300.0
"""Seconds to wait for all processes to join."""


def join(
    coordinator: str | None = None,
    process_id: int | None = None,
    processes: int | None = None,
    *,
    silence: float = SILENCE,
    patience: float = PATIENCE,
    names: Mapping[str, str] | None = None,
) -> None:
    """Join a group of processes, on this machine or others, that train together.

    Each calls it before anything that touches a device, and then runs the same code on the same data.
    Without arguments it joins what Slurm, Open MPI, Kubernetes or a TPU pod has started, as JAX
    detects it. Process 0 alone writes files. When a process dies, the others raise `HostLost` at once, or are
    ended with its sentence if they wait for it inside of a collective operation.

    Args:
        coordinator: HOST:PORT of process 0.
        process_id: 0 to `processes` - 1.
        processes: number of processes; 1 changes nothing.
        silence: seconds without a heartbeat after which a machine that has lost power or its network counts
            as lost.
        patience: seconds to wait for all to join.
        names: names of the first three arguments in messages.

    Raises:
        Refusal: incomplete arguments, different ones in other processes, or a missing process.

    >>> join("10.0.0.1:1234", processes=4)
    Traceback (most recent call last):
    epochal.errors.Refusal: coordinator, process_id and processes belong together; process_id is missing.
    """
    if not together().alone:
        raise Refusal("join must be called once in a process, which has joined others already.")
    for name, seconds in (("silence", silence), ("patience", patience)):
        if not 1 <= seconds <= 86400:
            raise Refusal(f"{name} must be between 1 and 86400 seconds; got {seconds:g}.")
    place = place_of(coordinator, process_id, processes, names)
    if place.count == 1:
        return
    import jax

    if jax.distributed.is_initialized():
        raise Refusal("epochal.join takes the place of jax.distributed.initialize; leave that out.")
    watch = Watch(place, int(silence), int(patience))
    others = Together(place.index, place.count, watch, _initialized(place, watch, int(patience)))
    use(others)
    atexit.register(_farewell)
    mine = {"version": f"{VERSION} with JAX {jax.__version__}", "number of processes": place.count}
    others.decide("joining", mine, _check_alike)


def _initialized(place: Place, watch: Watch, patience: int) -> Any:
    """Initialize JAX with the devices of all processes; returns its key-value store."""
    import jax
    from jax._src.distributed import global_state  # no public name for the store

    if jax.config.values["jax_cpu_collectives_implementation"] in (None, "none"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would handle SIGTERM
    _delay_abort()
    try:
        jax.distributed.initialize(
            f"{place.host}:{watch.jax_port}",
            place.count,
            place.index,
            local_device_ids=place.local_devices,
            cluster_detection_method="deactivate",
            # JAX starts an unused service in process 0: the watcher's outlives process 0.
            coordinator_bind_address="127.0.0.1:0",
            initialization_timeout=patience,
            heartbeat_timeout_seconds=3600,  # the watchers detect a death
        )
    except RuntimeError as error:
        watch.check(1.0)
        why = "join must come before anything that touches a device"
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


def _check_alike(wishes: Sequence[Mapping[str, Any]]) -> None:
    for index, other in enumerate(wishes):
        for name, value in wishes[0].items():
            if other[name] != value:
                raise Refusal(
                    f"all processes must have the same {name}; process 0 has {value}, "
                    f"process {index} has {other[name]}."
                )


def part() -> None:
    """Wait for all processes to finish, and leave; see `Together.end`."""
    import jax

    others = together()
    use(ALONE)
    others.end()
    if not others.alone:
        jax.distributed.shutdown()
    others.close()


def _farewell() -> None:
    """At exit: JAX does not report a death, and others may wait for this process."""
    others, failed = together(), getattr(sys, "last_value", None)
    if others.alone:
        return
    if failed is not None:
        others.fail(f"{type(failed).__name__}: {failed}".rstrip(".") + ".")
    try:
        if not others.over:
            part()
        elif failed is None:
            others.check()
    except HostLost as lost:
        end_process(lost.sentence)
    if others.over:
        end_process()
