"""An executor on a Ray cluster.

A pool of Ray actors, one a core or an accelerator of each node, each of which keeps the programs that it has
compiled. This process alone knows which items are done: when an actor dies, its items go to others. Ray's own
restarts are off, since an actor that is restarted waits for a free core while its items wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from epochal.common.text import counted
from epochal.errors import ProcessLost, Refusal, first_line
from epochal.training.executor.session import connect, environment, environment_differences
from epochal.training.executor.work import Executor, Function, SharedRef, Stopped, WorkItem

START_SECONDS = 60.0
"""How long the first worker may take."""

ALONE_SECONDS = 60.0
"""How long the cluster may be without any worker."""

STOP_SECONDS = 5.0
"""How long workers may take to return what they have when they are stopped."""

LOOK_SECONDS = 2.0
"""Between two looks at which nodes there are."""

AHEAD = 2
"""Tasks that a worker has at a time while there are many, so that it need not wait for the next one."""

MAX_LOSSES = 5
"""An item whose worker died so many times is not tried again: the item is the cause."""


class Worker:
    """The actor: a process that does the work of items, one after the other.

    `base` has one reference, to the function's maker and its argument: Ray would fetch one outside of a list
    before it is known whether the versions are the same.
    """

    def __init__(self, base: list[Any]) -> None:
        self._base, self._stopped = base, threading.Event()
        self._function: Function | None = None

    def about(self) -> dict[str, str]:
        """What it would train on."""
        return environment()

    def run(self, work: Any) -> Any:
        """The result of an item."""
        if self._function is None:
            make, base = SharedRef(self._base[0]).value
            self._function = make(base)
        return None if self._stopped.is_set() else self._function(work, (), self._stopped.is_set)

    def stop(self) -> None:
        """End the item that runs, and begin no other."""
        self._stopped.set()


@dataclass(eq=False)
class _Member:
    """A worker as seen from here."""

    actor: Any
    node: str
    address: str
    ready: bool = False
    work_items: list[WorkItem] = field(default_factory=list)
    programs: set[int] = field(default_factory=set)


class RayCluster(Executor):
    """Runs items on the Ray cluster at an address; one that can't be joined, or can't train, is refused.

    In each worker `make(base)` is the function that does the work of items; `base` is sent to each node once.
    `share` gives the work of an item as it is sent; its second argument is `put`.
    `remedy` is a clause that says how to go on if no worker is left.
    """

    def __init__(
        self,
        address: str,
        make: Callable[[Any], Function],
        base: Any,
        share: Callable[[Any, Callable[[Any], SharedRef]], Any],
        stopped: Stopped,
        remedy: str,
    ) -> None:
        self._ray, self._leave = connect(address)
        self._address, self._share, self._stopped, self._remedy = address, share, stopped, remedy
        self._here = environment()
        self._unit = "CPU" if jax.default_backend() == "cpu" else "GPU"
        self._actor = self._ray.remote(concurrency_groups={"stop": 1})(Worker)
        self._members: list[_Member] = []
        self._starting: dict[Any, _Member] = {}
        self._running: dict[Any, tuple[_Member, WorkItem]] = {}
        self._shared: dict[int, tuple[Any, SharedRef]] = {}
        self._left_out: dict[str, str] = {}
        self._dead: set[str] = set()
        self._most = (0, 0)
        self._losses: dict[WorkItem, int] = {}
        self._news: list[str] = []
        self._looked = -LOOK_SECONDS
        try:
            self._base = [self.put((make, base)).ref]
            self._begin()
        except BaseException:
            self.close()
            raise

    def put(self, value: Any) -> SharedRef:
        """Put an object into Ray's object store, once; one that can't be sent is refused."""
        if id(value) not in self._shared:
            try:
                # The value is kept, too: as long as it is, no other object has its id.
                self._shared[id(value)] = value, SharedRef(self._ray.put(value))
            except TypeError as error:
                raise Refusal(
                    f"what a cluster is to train must be sent to it, which can't be: {first_line(error)}. "
                    "Train here, or define it in a module."
                ) from error
        return self._shared[id(value)][1]

    @property
    def where(self) -> str:
        """How many workers there are, on how many nodes."""
        return _workers(*self._size)

    def news(self) -> str:
        """What has happened since the last call; mostly empty."""
        words, self._news = "; ".join(self._news), []
        return words

    def summary(self) -> str:
        """On what the work items were run, and what was lost."""
        lost = f"; {counted(len(self._dead), 'node')} died on the way" if self._dead else ""
        return f"a Ray cluster ({_workers(*self._most)}, {self._here['device']}{lost})"

    def map_unordered(self, work_items: Sequence[WorkItem]) -> Iterator[tuple[WorkItem, Any]]:
        """Yield each item with its result as it ends; those of a worker that dies go to another one.

        `ProcessLost` if no worker is left, or an item ended its worker again and again.
        """
        todo, running = deque(work_items), self._running
        running.clear()
        for member in self._members:
            member.work_items.clear()
        since = time.monotonic()
        while todo or running:
            if self._stopped():
                yield from self._stop()
                return
            self._recruit(len(todo) + len(running))
            if any(member.ready for member in self._members):
                since = time.monotonic()
            elif time.monotonic() - since > ALONE_SECONDS:
                raise ProcessLost(f"no worker is left on the Ray cluster at {self._address}; {self._remedy}.")
            for member, item in self._assigned(todo):
                running[member.actor.run.remote(self._share(item.work, self.put))] = member, item
            for ref, result in self._results([*running, *self._starting]):
                if ref in self._starting:
                    self._met(self._starting.pop(ref), result)
                    continue
                member, item = running.pop(ref)
                if isinstance(result, self._ray.exceptions.RayTaskError):
                    raise result.cause if isinstance(result.cause, Exception) else result
                if isinstance(result, BaseException):
                    todo.appendleft(item)
                    self._lost(member, item, result)
                else:
                    member.work_items.remove(item)
                    yield item, result

    def close(self) -> None:
        """Let the workers go, and leave the cluster."""
        for member in [*self._members]:
            self._dismiss(member)
        self._starting.clear()
        self._leave()

    def _begin(self) -> None:
        """Start a worker on each node, and see that it would train as this process does."""
        end = time.monotonic() + START_SECONDS
        while not self._members or self._starting:
            self._recruit(len(self._nodes()))
            for ref, result in self._results([*self._starting]):
                self._met(self._starting.pop(ref), result)
            if self._left_out:
                node, why = next(iter(self._left_out.items()))
                raise Refusal(
                    f"all nodes of the Ray cluster must train as this machine does; {node} does not: {why}. "
                    "Install the same versions there."
                )
            if time.monotonic() > end:
                if self._most != (0, 0):
                    return
                what = f"a free {'core' if self._unit == 'CPU' else 'accelerator'} (Ray's {self._unit})"
                raise Refusal(
                    f"the Ray cluster at {self._address} must have {what}; no worker started within "
                    f"{START_SECONDS:.0f} s. `ray status` says what takes them."
                )

    def _nodes(self) -> dict[str, tuple[str, int]]:
        """Address and number of possible workers of each node that lives and trains as this machine does."""
        return {
            node["NodeID"]: (node["NodeManagerAddress"], int(node["Resources"][self._unit]))
            for node in self._ray.nodes()
            if node["Alive"]
            and node["Resources"].get(self._unit, 0) >= 1
            and node["NodeManagerAddress"] not in self._left_out
        }

    def _recruit(self, wanted: int) -> None:
        """Start workers on the nodes there are, in turn, until there are as many as wanted or possible."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if time.monotonic() - self._looked < LOOK_SECONDS and self._members:
            return
        self._looked = time.monotonic()
        nodes = self._nodes()
        have = {node: sum(one.node == node for one in self._members) for node in nodes}
        while sum(have.values()) < wanted:
            free = [node for node, (_, most) in nodes.items() if have[node] < most]
            if not free:
                return
            node = min(free, key=lambda one: have[one])
            have[node] += 1
            actor = self._actor.options(
                num_cpus=1,
                num_gpus=1 if self._unit == "GPU" else 0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote(self._base)
            self._members.append(_Member(actor, node, nodes[node][0]))
            self._starting[actor.about.remote()] = self._members[-1]

    def _met(self, member: _Member, result: Any) -> None:
        """Take what a new worker says about itself."""
        why = ""
        if not isinstance(result, BaseException):
            why = environment_differences(self._here, result)
        elif self._alive(member):
            why = f"epochal can't be run there ({_last_line(result)})"
        if why:
            self._left_out[member.address] = why
            self._news.append(f"node {member.address} is left out: {why}")
        if why or isinstance(result, BaseException):
            self._dismiss(member)
        else:
            member.ready = True
            self._most = max(self._most, self._size)

    def _assigned(self, todo: deque[WorkItem]) -> Iterator[tuple[_Member, WorkItem]]:
        """Give workers the next items: those whose programs they have compiled, else the first there are."""
        for ahead in range(AHEAD):
            for member in self._members:
                if ahead and len(todo) < len(self._members):
                    return
                if not member.ready or len(member.work_items) != ahead:
                    continue
                neighbors = [one for one in self._members if one.node == member.node]
                crowded = any(item.large for one in neighbors for item in one.work_items)
                possible = [item for item in todo if not (item.large and crowded)]
                known = (item for item in possible if item.program in member.programs)
                item = next(known, next(iter(possible), None))
                if item is not None:
                    todo.remove(item)
                    member.work_items.append(item)
                    member.programs.add(item.program)
                    yield member, item

    def _results(self, refs: list[Any]) -> Iterator[tuple[Any, Any]]:
        """The results that are there, or the errors in their place; waits a moment for the first."""
        if not refs:
            time.sleep(0.2)
            return
        ready, _ = self._ray.wait(refs, timeout=0.2)
        if ready:
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in ready:
            try:
                result = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                result = error
            yield ref, result

    def _lost(self, member: _Member, item: WorkItem, error: BaseException) -> None:
        """Count the loss of a worker, with an item that it had."""
        if item is member.work_items[0]:  # it ran; others waited
            self._losses[item] = self._losses.get(item, 0) + 1
            if self._losses[item] >= MAX_LOSSES:
                raise ProcessLost(
                    f"{item.name} ended its worker on the Ray cluster {MAX_LOSSES} times: "
                    f"{_last_line(error)}. It may need more memory than a node has."
                )
        if member in self._members:
            self._dismiss(member)
            what = "a worker"
            if not self._alive(member):
                what = f"node {member.address}"
                self._dead.add(member.node)
            self._news.append(f"{what} was lost; the trainings that it had in hand will be done again")

    def _stop(self) -> Iterator[tuple[WorkItem, Any]]:
        """Stop all workers, and take what they have."""
        for member in self._members:
            member.actor.stop.options(concurrency_group="stop").remote()
        end = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < end:
            for ref, result in self._results([*self._running]):
                _, item = self._running.pop(ref)
                if result is not None and not isinstance(result, BaseException):
                    yield item, result

    def _alive(self, member: _Member) -> bool:
        return any(one["NodeID"] == member.node and one["Alive"] for one in self._ray.nodes())

    def _dismiss(self, member: _Member) -> None:
        """Let a worker go; what is only out of reach must not go on."""
        self._members.remove(member)
        try:
            self._ray.kill(member.actor)
        except Exception:
            return  # it is gone, or the cluster is

    @property
    def _size(self) -> tuple[int, int]:
        ready = [one for one in self._members if one.ready]
        return len(ready), len({one.node for one in ready})


def _last_line(error: object) -> str:
    """The last words of an error, which say what it is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _workers(workers: int, nodes: int) -> str:
    return f"{counted(workers, 'worker')} on {counted(nodes, 'node')}"
