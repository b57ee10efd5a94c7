"""Which processes train together?

    ep.join("10.0.0.1:1234", process_id=0, processes=4)     # in each process, before anything else of JAX

From then on `jax.devices()` are those of all processes, and `fit`, `train` and `resume` share each batch
among them. Without it nothing is different.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from epochal.errors import HostLost, Refusal
from epochal.hosts.launch import Place, place_of
from epochal.hosts.together import ALONE, Together, together, use

__all__ = ["SILENCE", "join", "part"]

SILENCE = 60.0
"""Seconds without a sign of life after which a process is taken for gone, unless another number is given."""

PATIENCE = 300.0
"""Seconds in which all processes must join."""


def join(
    coordinator: str | None = None,
    process_id: int | None = None,
    processes: int | None = None,
    *,
    silence: float = SILENCE,
    patience: float = PATIENCE,
    names: Mapping[str, str] | None = None,
) -> None:
    """Train together with other processes, on this machine or on others, from now on.

    Each of them calls it before anything that touches a device, and then does the same with the same data.
    Without arguments it takes part in what Slurm, Open MPI, Kubernetes or a TPU pod has started, as JAX
    detects it. Process 0 alone writes files. When a process dies, the others raise `HostLost` at once, or are
    ended with its sentence if they wait for it inside of a collective operation.

    Args:
        coordinator: HOST:PORT at which process 0 can be reached by the others.
        process_id: 0 to `processes` - 1.
        processes: how many there are; with 1 nothing is different.
        silence: seconds without a sign of life after which a process that hangs is taken for gone.
        patience: seconds in which all must have joined.
        names: what the first three are called where they were asked for.

    Raises:
        Refusal: half of the arguments are given, others have other ones, or some process does not come.

    >>> join("10.0.0.1:1234", processes=4)
    Traceback (most recent call last):
    epochal.errors.Refusal: coordinator, process_id and processes belong together; process_id is missing.
    """
    if not together().alone:
        raise Refusal("join must be called once in a process, which has joined others already.")
    for name, seconds in (("silence", silence), ("patience", patience)):
        if not 0.1 <= seconds <= 86400:
            raise Refusal(f"{name} must be between 0.1 and 86400 seconds; got {seconds:g}.")
    place = place_of(coordinator, process_id, processes, names)
    if place.count == 1:
        return
    import jax

    import epochal

    if jax.distributed.is_initialized():
        raise Refusal("epochal.join takes the place of jax.distributed.initialize; leave that out.")
    version = f"{epochal.__version__} with JAX {jax.__version__}"
    from epochal.hosts.hub import Hub
    from epochal.hosts.member import Member

    if place.index == 0:
        service = _free_port()
        hub = Hub(place, version, service, silence)
        hub.gather(patience)
        use(Together(0, place.count, hub))
    else:
        member = Member(place, version, silence, patience)
        service = member.service
        use(Together(place.index, place.count, member))
    atexit.register(_farewell)
    _start(place, service, silence, patience)


def _start(place: Place, service: int, silence: float, patience: float) -> None:
    """Have JAX know the devices of all processes."""
    import jax

    if jax.config.values["jax_cpu_collectives_implementation"] in (None, "none"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it would swallow SIGTERM
    try:
        jax.distributed.initialize(
            f"127.0.0.1:{service}",
            place.count,
            place.index,
            local_device_ids=place.local_devices,
            cluster_detection_method="deactivate",
            coordinator_bind_address=f"127.0.0.1:{service}",
            initialization_timeout=int(patience),
            # A death is noticed over our own connections; JAX's notice ends the process, so it comes later.
            heartbeat_timeout_seconds=int(max(100, 4 * silence)),
            shutdown_timeout_seconds=60,
        )
    except RuntimeError as error:
        together().check(1.0)
        why = "join must come before anything that touches a device"
        together().fail(f"{why}.")
        raise Refusal(f"{why}: {str(error).rstrip('.')}.") from error


def part() -> bool:
    """Wait until all processes are at their end, and leave them; whether all of them were still there.

    Raises:
        HostLost: a process has failed, or process 0 is gone, which may not have written all.
    """
    import jax

    others = together()
    if others.alone:
        return True
    try:
        complete = others.end()
    finally:
        use(ALONE)
    if complete:
        jax.distributed.shutdown()
        others.close()  # else it stays open: JAX would end the process from C++ before it has left
    return complete


def _farewell() -> None:
    """At the end of the process: JAX would wait for those that are gone, and end in a stack trace."""
    others = together()
    failed = getattr(sys, "last_value", None)
    if others.alone:
        return
    if failed is not None:
        others.fail(f"{type(failed).__name__}: {failed}".rstrip(".") + ".")
    try:
        if failed is None:
            others.check()
        if not others.over and part():
            return
    except HostLost as lost:
        with suppress(OSError):
            os.write(2, f"epochal: {lost.sentence}\n".encode())
    _leave(1 if others.over else 0)


def _leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError):
            stream.flush()
    os._exit(status)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
