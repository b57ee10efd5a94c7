"""Dispatch of job batches to workers, again when a worker dies.

Only this process knows what is done: when a worker or its node dies, its batches go to others, and finished
ones are not repeated. A training depends on its settings alone, so neither place nor order of arrival
matters.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from epochal.errors import HostLost
from epochal.training.cluster.crew import Call, Crew, Member, counted, last_line
from epochal.training.cluster.joined import Joined
from epochal.training.cluster.parcels import Parcel, Sent, Todo
from epochal.training.cluster.worker import Trade

__all__ = ["Cluster"]

SHORT, LONG = 0.25, 1.0
"""Seconds of a call: after a shorter one a worker gets twice as many parcels, after a longer one half."""

ALONE_SECONDS = 60.0
"""How long a cluster may be without any worker."""

STOP_SECONDS = 5.0
"""How long workers that are asked to end may take to give back what they have finished."""

MOST_LOSSES = 5
"""A parcel whose worker died so many times is not tried again: it is the parcel."""


class Cluster:
    """Workers on a Ray cluster.

    Args:
        address: of the cluster, such as "auto" or "10.0.0.1:6379".
        base: what all parcels share; sent once to each node.
        trade: what workers make of it, to do what is asked.
        remedy: how to go on if no worker is left, as a clause.

    Raises:
        MissingExtra: Ray is not installed.
        Refusal: no such cluster, no node that could train, or one with other versions.
    """

    def __init__(self, address: str, base: Any, trade: Callable[[Any], Trade], remedy: str) -> None:
        self._joined, self._remedy = Joined(address), remedy
        self._crew = Crew(self._joined, trade)
        self._numbers = itertools.count()
        self._losses: dict[Parcel, int] = {}
        self._lost_nodes = 0
        try:
            self._base = self.put(base)
            self._crew.begin()
        except BaseException:
            self.close()
            raise

    def put(self, value: Any) -> Any:
        """Send an object that parcels need; says how a worker finds it."""
        return self._joined.put(value)

    @property
    def where(self) -> str:
        """How many workers are there, on how many nodes."""
        return _workers(*self._crew.size)

    def heard(self) -> str:
        """What has happened since this was last asked."""
        words, self._crew.news = "; ".join(self._crew.news), []
        return words

    def told(self) -> str:
        """Where it was trained, and what was lost."""
        lost = f"; {counted(self._lost_nodes, 'node')} died on the way" if self._lost_nodes else ""
        return f"a Ray cluster ({_workers(*self._crew.most)}, {self._crew.device}{lost})"

    def done(
        self,
        parcels: Sequence[Sent],
        packed: Callable[[Sent], tuple[Any, Mapping[int, Any]]],
        stopped: Callable[[], bool],
    ) -> Iterator[tuple[Sent, Any]]:
        """Each parcel with what came of it, as it comes back; ends early once `stopped` says so.

        Args:
            parcels: what is to be done.
            packed: a parcel as it travels, and where the objects are that it needs, by their numbers.
            stopped: whether somebody wants it to end.

        Raises:
            HostLost: no worker is left, or a parcel ended its worker again and again.
        """
        todo, crew = Todo(parcels), self._crew
        since = time.monotonic()
        try:
            while todo or crew.busy:
                if stopped():
                    yield from self._recalled()
                    return
                crew.recruit(len(todo) + len(crew.busy))
                if crew.ready:
                    since = time.monotonic()
                elif time.monotonic() - since > ALONE_SECONDS:
                    raise HostLost(
                        f"no worker is left on the Ray cluster at {self._joined.address}; {self._remedy}."
                    )
                self._hand_out(todo, packed)
                for member, answer in crew.answers(timeout=0.2):
                    yield from self._taken(member, answer, todo)
        finally:
            for call in [self._stopped(member) for member in crew.busy]:
                call.parcels.clear()  # nobody takes what they give back

    def close(self) -> None:
        """Let the workers go."""
        self._crew.close()
        self._joined.leave()

    def _hand_out(self, todo: Todo[Sent], packed: Callable[[Sent], tuple[Any, Mapping[int, Any]]]) -> None:
        """Give all that have nothing to do something; a worker keeps to programs that it has compiled."""
        crew = self._crew
        for member in crew.ready:
            if member.call is not None:
                continue
            neighbors = [one for one in crew.busy if one.node == member.node]
            crowded = any(parcel.large for one in neighbors if one.call for parcel in one.call.parcels)
            program = todo.program(member.knows, [one.knows for one in crew.members], large=not crowded)
            if program is None:
                continue
            parcels = todo.take(program, member.share, len(crew.members))
            member.call = call = Call(next(self._numbers), parcels, time.monotonic())
            member.knows.add(program)
            sent = [packed(parcel) for parcel in parcels]
            places = {number: place for _, needed in sent for number, place in needed.items()}
            # In a list, since Ray would put the value in the place of a bare reference, for each call again.
            base = [self._base]
            member.waits = member.actor.do.remote(call.number, base, [one for one, _ in sent], places)

    def _taken(self, member: Member, answer: Any, todo: Todo[Sent]) -> Iterator[tuple[Sent, Any]]:
        """Take what a worker gives back, or see what becomes of the parcels of one that died."""
        call, errors = member.call, self._joined.errors
        if call is None:
            self._crew.met(member, answer)
            return
        member.call = member.waits = None
        if isinstance(answer, errors.RayTaskError):
            raise answer.cause if isinstance(answer.cause, Exception) else answer
        if isinstance(answer, BaseException):
            self._lost(member, call, answer, todo)
            return
        took = time.monotonic() - call.begin
        if took < SHORT:
            member.share *= 2
        elif took > LONG:
            member.share = max(1, member.share // 2)
        yield from zip(call.parcels, answer, strict=False)
        todo.give_back(call.parcels[len(answer) :])

    def _lost(self, member: Member, call: Call, error: BaseException, todo: Todo[Sent]) -> None:
        """Let others do what a worker held that is no more."""
        self._crew.dismiss(member)
        for parcel in call.parcels:
            self._losses[parcel] = self._losses.get(parcel, 0) + 1
            if self._losses[parcel] >= MOST_LOSSES:
                raise HostLost(
                    f"{parcel.name} ended its worker on the Ray cluster {MOST_LOSSES} times: "
                    f"{last_line(error)}. It may need more memory than a node has."
                )
        todo.give_back(call.parcels)
        count = counted(sum(parcel.count for parcel in call.parcels), "training")
        what = "a worker"
        if not self._joined.alive(member.node):
            what = f"node {self._joined.address_of(member.node)}"
            self._lost_nodes += not any(one.node == member.node for one in self._crew.members)
        self._crew.news.append(f"{what} was lost; {count} that it held will be done again")

    def _recalled(self) -> Iterator[tuple[Any, Any]]:
        """End all calls, and take what they have finished."""
        crew, nothing = self._crew, Todo[Any]([])
        for member in crew.busy:
            self._stopped(member)
        end = time.monotonic() + STOP_SECONDS
        while crew.busy and time.monotonic() < end:
            for member, answer in crew.answers(timeout=0.2):
                yield from self._taken(member, answer, nothing)

    def _stopped(self, member: Member) -> Call:
        """Ask a worker to end its call."""
        assert member.call is not None
        with suppress(self._joined.errors.RayError):
            member.actor.stop.remote(member.call.number)
        return member.call


def _workers(workers: int, nodes: int) -> str:
    return f"{counted(workers, 'worker')} on {counted(nodes, 'node')}"
