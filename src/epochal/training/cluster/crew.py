"""The workers of a cluster, each checked before it trains.

One worker a core (or an accelerator) of each node. Its trainings must give what they would give here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import jax

from epochal.errors import Refusal
from epochal.training.cluster.conditions import conditions, differences
from epochal.training.cluster.joined import Joined
from epochal.training.cluster.worker import Trade, Worker

__all__ = ["Call", "Crew", "Member", "counted", "last_line"]

START_SECONDS = 60.0
"""How long the first worker may take."""

LOOK_SECONDS = 2.0
"""Between two looks at which nodes there are."""


@dataclass(eq=False)
class Call:
    """Parcels that a worker has."""

    number: int
    parcels: list[Any]
    begin: float


@dataclass(eq=False)
class Member:
    """A worker as seen from here: `waits` is what it owes, the answer to `call` or else about itself."""

    actor: Any
    node: str
    waits: Any
    call: Call | None = None
    ready: bool = False
    share: int = 1
    knows: set[Hashable] = field(default_factory=set)


class Crew:
    """The workers there are; `begin` starts the first of them.

    Args:
        joined: the cluster.
        trade: what they do.
    """

    def __init__(self, joined: Joined, trade: Callable[[Any], Trade]) -> None:
        self._joined, self._trade = joined, trade
        self._here = conditions()
        self._unit = "CPU" if jax.default_backend() == "cpu" else "GPU"
        self._actor = joined.ray.remote(Worker)
        self.members: list[Member] = []
        self.news: list[str] = []
        """What has happened, and was not told yet."""
        self.most = (0, 0)
        """The most workers there were, and on how many nodes."""
        self._left_out: dict[str, str] = {}
        self._looked = -LOOK_SECONDS

    def begin(self) -> None:
        """Start a worker on each node, and see that they would train as this process does.

        Raises:
            Refusal: one would not, or none starts.
        """
        begin = time.monotonic()
        while True:
            self.recruit(len(self._joined.nodes(self._unit)))
            for member, answer in self.answers(timeout=0.2):
                self.met(member, answer)
            if self._left_out:
                node, why = next(iter(self._left_out.items()))
                raise Refusal(
                    f"all nodes of the Ray cluster must train as this machine does; {node} does not: {why}. "
                    "Install the same versions there."
                )
            if self.members and all(one.ready for one in self.members):
                return
            if time.monotonic() - begin > START_SECONDS:
                if any(one.ready for one in self.members):
                    return
                what = f"a free {'core' if self._unit == 'CPU' else 'accelerator'} (Ray's {self._unit})"
                raise Refusal(
                    f"the Ray cluster at {self._joined.address} must have {what}; no worker started within "
                    f"{START_SECONDS:.0f} s. `ray status` says what takes them."
                )

    def recruit(self, wanted: int) -> None:
        """Start workers on the nodes there are, in turn, until there are as many as wanted or possible."""
        if time.monotonic() - self._looked < LOOK_SECONDS and self.members:
            return
        self._looked = time.monotonic()
        nodes = {
            node: (address, room)
            for node, (address, room) in self._joined.nodes(self._unit).items()
            if address not in self._left_out
        }
        have = {node: sum(one.node == node for one in self.members) for node in nodes}
        while sum(have.values()) < wanted:
            free = [node for node, (_, room) in nodes.items() if have[node] < room]
            if not free:
                return
            node = min(free, key=lambda one: have[one])
            have[node] += 1
            self.members.append(self._started(node))

    def _started(self, node: str) -> Member:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._actor.options(
            num_cpus=1,
            num_gpus=1 if self._unit == "GPU" else 0,
            max_restarts=0,
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(self._trade)
        return Member(actor, node, actor.about.remote())

    def answers(self, timeout: float) -> list[tuple[Member, Any]]:
        """What workers owe, as far as it is there: an answer, or the error in its place."""
        ray = self._joined.ray
        waiting = {one.waits: one for one in self.members if one.waits is not None}
        if not waiting:
            time.sleep(timeout)
            return []
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout)
        more, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        found = []
        for one in dict.fromkeys([*ready, *more]):
            try:
                answer = ray.get(one)
            except self._joined.errors.RayError as error:
                answer = error
            found.append((waiting[one], answer))
        return found

    def met(self, member: Member, answer: Any) -> None:
        """Take what a new worker says about itself."""
        address = self._joined.address_of(member.node)
        if isinstance(answer, BaseException):
            self.members.remove(member)
            if self._joined.alive(member.node):
                self._left_out[address] = f"epochal can't be run there ({last_line(answer)})"
        else:
            why = differences(self._here, answer)
            if why:
                self.members.remove(member)
                self._left_out[address] = why
            else:
                member.ready, member.waits = True, None
                self.most = max(self.most, self.size)
        if address in self._left_out and self.most != (0, 0):
            self.news.append(f"node {address} is left out: {self._left_out[address]}")

    @property
    def ready(self) -> list[Member]:
        """Those that may train."""
        return [one for one in self.members if one.ready]

    @property
    def busy(self) -> list[Member]:
        """Those that have something to do."""
        return [one for one in self.members if one.call is not None]

    @property
    def size(self) -> tuple[int, int]:
        """How many may train, and on how many nodes."""
        return len(self.ready), len({one.node for one in self.ready})

    @property
    def device(self) -> str:
        """On what they train."""
        return self._here["device"]

    def close(self) -> None:
        """Let them go."""
        for member in [*self.members]:
            self.dismiss(member)

    def dismiss(self, member: Member) -> None:
        """Let one go; what is only out of reach must not go on."""
        self.members.remove(member)
        try:
            self._joined.ray.kill(member.actor)
        except Exception:
            return  # it is gone, or the cluster is


def last_line(error: object) -> str:
    """The last words of an error, which say what it is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def counted(count: int, noun: str) -> str:
    """A number of something.

    >>> counted(1, "node"), counted(1200, "node")
    ('1 node', '1,200 nodes')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
