"""How do trainings of a comparison go out to a Ray cluster, and come back whatever dies there?

One worker a core (or an accelerator) trains, this process hands out and keeps what comes back. It alone knows
what is done: when a worker or its node dies, the jobs it held go to others, and what has come back is not
done again. What a job gives depends on the job alone, so neither places nor order of arrival matter.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import jax

from epochal.choose.away import Luggage, Parcel
from epochal.choose.bench import Bench
from epochal.choose.trial import Job, Trial
from epochal.choose.worker import Worker, conditions, differences
from epochal.errors import HostLost, Refusal, require
from epochal.prepared import Prepared

__all__ = ["Cluster", "going_to"]

SHORT, LONG = 0.25, 1.0
"""Seconds of a call: after a shorter one a worker gets twice as many parcels, after a longer one half."""

START_SECONDS = 60.0
"""How long the first worker may take, and how long a cluster may be without any."""

LOOK_SECONDS = 2.0
"""Between two looks at which nodes there are."""

STOP_SECONDS = 5.0
"""How long workers that are asked to end may take to give back what they have finished."""

MOST_LOSSES = 5
"""A job whose worker died so many times is not tried again: it is the job."""


@contextmanager
def going_to(address: str | None, bench: Bench) -> Iterator[None]:
    """Within, the trainings of a bench go to the Ray cluster at that address, if there is one."""
    if address is None:
        yield
        return
    cluster = Cluster(address, bench.base)
    bench.away = cluster
    try:
        yield
    finally:
        bench.away = None
        cluster.close()


@dataclass(eq=False)
class _Call:
    """Parcels that a worker has."""

    number: int
    parcels: list[Parcel]
    begin: float


@dataclass(eq=False)
class _Worker:
    """A worker as seen from here: `waits` is what it owes, the answer to `call` or else about itself."""

    actor: Any
    node: str
    waits: Any
    call: _Call | None = None
    ready: bool = False
    share: int = 1
    knows: set[Hashable] = field(default_factory=set)


class Cluster:
    """Workers on a Ray cluster for one comparison.

    Args:
        address: of the cluster, such as "auto" or "10.0.0.1:6379".
        base: the samples and seeds that all jobs share; sent once to each node.

    Raises:
        MissingExtra: Ray is not installed.
        Refusal: no such cluster, no node that could train, or one with other versions.
    """

    def __init__(self, address: str, base: Prepared) -> None:
        self._ray = _ray()
        self._errors: Any = self._ray.exceptions
        self.address = address
        self._joined = not self._ray.is_initialized()
        self._join()
        self._here = conditions()
        self._unit = "CPU" if jax.default_backend() == "cpu" else "GPU"
        self._actor = self._ray.remote(Worker)
        self._workers: list[_Worker] = []
        self._left_out: dict[str, str] = {}
        self._looked = -LOOK_SECONDS
        self._numbers = itertools.count()
        self._losses: dict[Parcel, int] = {}
        self._news: list[str] = []
        self._most = (0, 0)
        self._lost_nodes = 0
        try:
            self._base = self._put(base)
            self._luggage = Luggage(self._put)
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """How many workers are there, on how many nodes."""
        return _counted(*self._size())

    def heard(self) -> str:
        """What has happened since this was last asked."""
        words, self._news = "; ".join(self._news), []
        return words

    def told(self) -> tuple[str, ...]:
        """Where the trainings were made, and what was lost."""
        lost = f"; {_of(self._lost_nodes, 'node')} died on the way" if self._lost_nodes else ""
        return (
            f"trained on a Ray cluster ({_counted(*self._most)}, {self._here['device']}{lost}); "
            "update times are of this machine.",
        )

    def trained(
        self, parcels: Sequence[Parcel], stopped: Callable[[], bool]
    ) -> Iterator[list[tuple[Job, Trial]]]:
        """The trials of each parcel as they come back; ends early once `stopped` says so.

        Raises:
            HostLost: no worker is left, or a job ended its worker again and again.
        """
        todo = _Todo(parcels)
        since = time.monotonic()
        try:
            while todo or self._busy:
                if stopped():
                    yield from self._recalled()
                    return
                self._recruit(len(todo) + len(self._busy))
                if any(one.ready for one in self._workers):
                    since = time.monotonic()
                elif time.monotonic() - since > START_SECONDS:
                    raise HostLost(
                        f"no worker is left on the Ray cluster at {self.address}; what is finished is kept "
                        "where there is a folder: the same call goes on from there, with the cluster or "
                        "without."
                    )
                self._hand_out(todo)
                for worker, answer in self._answers(timeout=0.2):
                    yield from self._taken(worker, answer, todo)
        finally:
            for call in [self._stopped(worker) for worker in self._busy]:
                call.parcels.clear()  # nobody takes what they give back

    def close(self) -> None:
        """Let the workers go."""
        for worker in self._workers:
            with suppress(Exception):
                self._ray.kill(worker.actor)
        self._workers.clear()
        if self._joined:
            self._ray.shutdown()

    # Joining ------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        if not self._joined:
            return
        if not self.address or self.address == "local":
            raise Refusal(
                f'ray must be the address of a running cluster, such as "auto"; got "{self.address}". '
                "`ray start --head` starts one."
            )
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            _reach(self.address)
            self._ray.init(
                address=self.address, log_to_driver=False, logging_level="ERROR", configure_logging=False
            )
        except (OSError, ValueError, RuntimeError, self._errors.RayError) as error:
            why = (
                str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
            )
            raise Refusal(
                f'ray must be the address of a running cluster; "{self.address}" can\'t be joined: {why}. '
                "`ray status` says where one is, `ray start --head` starts one."
            ) from error
        finally:
            # Ray's own handler would print where it was and end the process at once.
            with suppress(ValueError):  # only the main thread has signals
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def _put(self, value: Any) -> Any:
        try:
            return self._ray.put(value)
        except TypeError as error:
            raise Refusal(
                f"what a cluster is to train must be sent to it; {type(value).__name__} can't be: "
                f"{str(error).strip().splitlines()[0].rstrip('.')}. Train here, or define it in a module."
            ) from error

    def _begin(self) -> None:
        """Start a worker on each node, and see that they would train as this process does."""
        begin = time.monotonic()
        while True:
            self._recruit(len(self._nodes()))
            for worker, answer in self._answers(timeout=0.2):
                self._met(worker, answer)
            if self._left_out:
                node, why = next(iter(self._left_out.items()))
                raise Refusal(
                    f"all nodes of the Ray cluster must train as this machine does; {node} does not: {why}. "
                    "Install the same versions there."
                )
            if self._workers and all(one.ready for one in self._workers):
                return
            if time.monotonic() - begin > START_SECONDS:
                if any(one.ready for one in self._workers):
                    return
                what = "core" if self._unit == "CPU" else "accelerator"
                raise Refusal(
                    f"the Ray cluster at {self.address} must have a free {what} (Ray's {self._unit}); no "
                    f"worker started within {START_SECONDS:.0f} s. `ray status` says what takes them."
                )

    def _nodes(self) -> dict[str, tuple[str, int]]:
        """Address and number of possible workers of each node that lives."""
        return {
            node["NodeID"]: (node["NodeManagerAddress"], int(node["Resources"][self._unit]))
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(self._unit, 0) >= 1
        }

    def _recruit(self, wanted: int) -> None:
        """Start workers on the nodes there are, in turn, until there are as many as wanted or possible."""
        if time.monotonic() - self._looked < LOOK_SECONDS and self._workers:
            return
        self._looked = time.monotonic()
        nodes = {
            node: (address, room)
            for node, (address, room) in self._nodes().items()
            if address not in self._left_out
        }
        have = {node: sum(one.node == node for one in self._workers) for node in nodes}
        while sum(have.values()) < wanted:
            free = [node for node, (_, room) in nodes.items() if have[node] < room]
            if not free:
                return
            node = min(free, key=lambda one: have[one])
            have[node] += 1
            self._workers.append(self._started(node))

    def _started(self, node: str) -> _Worker:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._actor.options(
            num_cpus=1,
            num_gpus=1 if self._unit == "GPU" else 0,
            max_restarts=0,
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote()
        return _Worker(actor, node, actor.about.remote())

    def _met(self, worker: _Worker, answer: Any) -> None:
        """Take what a new worker says about itself."""
        address = self._address(worker.node)
        if isinstance(answer, BaseException):
            self._workers.remove(worker)
            if self._alive(worker.node):
                self._left_out[address] = f"epochal can't be run there ({_last_line(answer)})"
        else:
            why = differences(self._here, answer)
            if why:
                self._workers.remove(worker)
                self._left_out[address] = why
            else:
                worker.ready, worker.waits = True, None
                self._most = max(self._most, self._size())
        if address in self._left_out and self._most != (0, 0):
            self._news.append(f"node {address} is left out: {self._left_out[address]}")

    # Handing out --------------------------------------------------------------------------------------------

    @property
    def _busy(self) -> list[_Worker]:
        return [one for one in self._workers if one.call is not None]

    def _size(self) -> tuple[int, int]:
        ready = [one.node for one in self._workers if one.ready]
        return len(ready), len(set(ready))

    def _hand_out(self, todo: _Todo) -> None:
        """Give all that have nothing to do something; a worker keeps to programs that it has compiled."""
        for worker in self._workers:
            if not worker.ready or worker.call is not None:
                continue
            neighbors = [one for one in self._busy if one.node == worker.node]
            crowded = any(parcel.large for one in neighbors if one.call for parcel in one.call.parcels)
            program = todo.program(worker.knows, [one.knows for one in self._workers], large=not crowded)
            if program is None:
                continue
            parcels = todo.take(program, worker.share, len(self._workers))
            call = _Call(next(self._numbers), parcels, time.monotonic())
            packed: list[list[dict[str, Any]]] = []
            places: dict[int, Any] = {}
            for parcel in parcels:
                jobs = [self._luggage.packed(job) for job in parcel.jobs]
                packed.append([values for values, _ in jobs])
                for _, needed in jobs:
                    places |= needed
            worker.knows.add(program)
            worker.call = call
            # In a list, since Ray would put the value in the place of a bare reference, for each call again.
            worker.waits = worker.actor.train.remote(call.number, [self._base], packed, places)

    def _answers(self, timeout: float) -> list[tuple[_Worker, Any]]:
        """What workers owe, as far as it is there: an answer, or the error in its place."""
        waiting = {one.waits: one for one in self._workers if one.waits is not None}
        if not waiting:
            time.sleep(timeout)
            return []
        ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=timeout)
        more, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        found = []
        for one in dict.fromkeys([*ready, *more]):
            try:
                answer = self._ray.get(one)
            except self._errors.RayError as error:
                answer = error
            found.append((waiting[one], answer))
        return found

    def _taken(self, worker: _Worker, answer: Any, todo: _Todo) -> Iterator[list[tuple[Job, Trial]]]:
        """Take what a worker gives back, or see what becomes of the jobs of one that died."""
        call = worker.call
        if call is None:
            self._met(worker, answer)
            return
        worker.call = worker.waits = None
        if isinstance(answer, self._errors.RayTaskError):
            raise answer.cause if isinstance(answer.cause, Exception) else answer
        if isinstance(answer, BaseException):
            self._lost(worker, call, answer, todo)
            return
        took = time.monotonic() - call.begin
        if took < SHORT:
            worker.share *= 2
        elif took > LONG:
            worker.share = max(1, worker.share // 2)
        for parcel, trials in zip(call.parcels, answer, strict=False):
            yield _matched(parcel, trials)
        todo.give_back(call.parcels[len(answer) :])

    def _lost(self, worker: _Worker, call: _Call, error: BaseException, todo: _Todo) -> None:
        """Let others do what a worker held that is no more."""
        self._workers.remove(worker)
        with suppress(Exception):  # what is only out of reach must not go on
            self._ray.kill(worker.actor)
        for parcel in call.parcels:
            self._losses[parcel] = self._losses.get(parcel, 0) + 1
            if self._losses[parcel] >= MOST_LOSSES:
                raise HostLost(
                    f"{parcel.jobs[0].setting.name} ended its worker on the Ray cluster {MOST_LOSSES} times: "
                    f"{_last_line(error)}. It may need more memory than a node has."
                )
        todo.give_back(call.parcels)
        count = _of(sum(len(parcel.jobs) for parcel in call.parcels), "training")
        what = "a worker"
        if not self._alive(worker.node):
            what = f"node {self._address(worker.node)}"
            self._lost_nodes += not any(one.node == worker.node for one in self._workers)
        self._news.append(f"{what} was lost; {count} that it held will be done again")

    def _recalled(self) -> Iterator[list[tuple[Job, Trial]]]:
        """End all calls, and take what they have finished."""
        for worker in self._busy:
            self._stopped(worker)
        end, nothing = time.monotonic() + STOP_SECONDS, _Todo([])
        while self._busy and time.monotonic() < end:
            for worker, answer in self._answers(timeout=0.2):
                yield from self._taken(worker, answer, nothing)

    def _stopped(self, worker: _Worker) -> _Call:
        """Ask a worker to end its call."""
        assert worker.call is not None
        with suppress(self._errors.RayError):
            worker.actor.stop.remote(worker.call.number)
        return worker.call

    def _alive(self, node: str) -> bool:
        return any(one["NodeID"] == node and one["Alive"] for one in self._ray.nodes())

    def _address(self, node: str) -> str:
        return next((one["NodeManagerAddress"] for one in self._ray.nodes() if one["NodeID"] == node), node)


class _Todo:
    """Parcels that nobody has, by their programs."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self._left: dict[Hashable, deque[Parcel]] = {}
        for parcel in parcels:
            self._left.setdefault(parcel.program, deque()).append(parcel)

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._left.values())

    def program(self, known: set[Hashable], all_known: Sequence[set[Hashable]], large: bool) -> Hashable:
        """What a worker should train that has compiled some programs: one of them, else what fewest share."""
        open_ = [one for one, queue in self._left.items() if queue and (large or not queue[0].large)]
        if not open_:
            return None
        have = [one for one in open_ if one in known]
        if have:
            return max(have, key=lambda one: len(self._left[one]))
        return max(
            open_, key=lambda one: len(self._left[one]) / (1 + sum(one in knows for knows in all_known))
        )

    def take(self, program: Hashable, share: int, workers: int) -> list[Parcel]:
        """Some parcels of a program, and not so many that the other workers have nothing to do."""
        queue = self._left[program]
        fair = max(1, len(queue) // (2 * workers))
        count = 1 if queue[0].large else min(share, fair)
        return [queue.popleft() for _ in range(count)]

    def give_back(self, parcels: Sequence[Parcel]) -> None:
        """Put parcels in front that were not done."""
        for parcel in reversed(parcels):
            self._left.setdefault(parcel.program, deque()).appendleft(parcel)


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


def _matched(parcel: Parcel, trials: Sequence[Trial]) -> list[tuple[Job, Trial]]:
    jobs = {(job.setting.name, job.repeat): job for job in parcel.jobs}
    return [(jobs[trial.setting, trial.repeat], trial) for trial in trials]


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _counted(workers: int, nodes: int) -> str:
    return f"{_of(workers, 'worker')} on {_of(nodes, 'node')}"
