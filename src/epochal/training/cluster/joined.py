"""Connection to a Ray cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from epochal.errors import Refusal, require

__all__ = ["Joined"]


class Joined:
    """A Ray cluster that this process has joined.

    Args:
        address: of the cluster, such as "auto" or "10.0.0.1:6379".

    Raises:
        MissingExtra: Ray is not installed.
        Refusal: no such cluster.
    """

    def __init__(self, address: str) -> None:
        self.ray, self.address = _ray(), address
        self.errors: Any = self.ray.exceptions
        self._leaves = not self.ray.is_initialized()
        if self._leaves:
            self._join()

    def _join(self) -> None:
        if not self.address or self.address == "local":
            raise Refusal(
                f'`ray` must be the address of a running cluster, such as "auto"; got "{self.address}". '
                "`ray start --head` starts one."
            )
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            _reach(self.address)
            self.ray.init(
                address=self.address, log_to_driver=False, logging_level="ERROR", configure_logging=False
            )
        except (OSError, ValueError, RuntimeError, self.errors.RayError) as error:
            why = (
                str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
            )
            raise Refusal(
                f'`ray` must be the address of a running cluster; "{self.address}" can\'t be joined: {why}. '
                "`ray status` says where one is, `ray start --head` starts one."
            ) from error
        finally:
            # Ray's own handler would print where it was and end the process at once.
            with suppress(ValueError):  # only the main thread has signals
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def leave(self) -> None:
        """Be no part of it any more, unless somebody else had joined it before."""
        if self._leaves:
            self._leaves = False
            self.ray.shutdown()

    def put(self, value: Any) -> Any:
        """Send an object to the cluster; says how it is found there.

        Raises:
            Refusal: it can't be sent.
        """
        try:
            return self.ray.put(value)
        except TypeError as error:
            raise Refusal(
                f"what a cluster is to train must be sent to it; {type(value).__name__} can't be: "
                f"{str(error).strip().splitlines()[0].rstrip('.')}. Train here, or define it in a module."
            ) from error

    def nodes(self, unit: str) -> dict[str, tuple[str, int]]:
        """Address and number of possible workers of each node that lives and has that resource."""
        return {
            node["NodeID"]: (node["NodeManagerAddress"], int(node["Resources"][unit]))
            for node in self.ray.nodes()
            if node["Alive"] and node["Resources"].get(unit, 0) >= 1
        }

    def alive(self, node: str) -> bool:
        """Whether a node is there."""
        return any(one["NodeID"] == node and one["Alive"] for one in self.ray.nodes())

    def address_of(self, node: str) -> str:
        """Where a node is, or was."""
        return next((one["NodeManagerAddress"] for one in self.ray.nodes() if one["NodeID"] == node), node)


def _ray() -> Any:
    """Ray; unless somebody has imported it before, it does not print to standard output, which is ours."""
    if "ray" in sys.modules or "RAY_DEDUP_LOGS_SKIP_REGEX" in os.environ:
        return require("ray", extra="ray", purpose="training on a Ray cluster")
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = ".*"  # read once, when it is imported
    try:
        return require("ray", extra="ray", purpose="training on a Ray cluster")
    finally:
        del os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"]


def _reach(address: str) -> None:
    """Fail at once where nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
