"""Joint decisions of processes through JAX's key-value store.

    decision = process_group().decide("call", proposal, reduce)

Where a decision is no function of the data (the clock, a signal), all processes must decide alike: each
proposes one, process 0 reduces the proposals to one decision, and all get it. In a single process that is its
own proposal reduced, and costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from epochal.errors import ProcessLost, Refusal
from epochal.training.processes.watcher_client import WatcherClient

CAUSE_SECONDS = 2.0
"""How long to wait, after an error, for a death as its cause."""

COLLECTIVE = re.compile("gloo|nccl|collective|connection|peer", re.IGNORECASE)
"""Errors that are mostly caused by another process, after which a missed heartbeat is awaited."""

WAIT_MILLISECONDS = 500
"""How long to wait for a value before checking for a death."""

Proposal = TypeVar("Proposal")
Decision = TypeVar("Decision")


class ProcessGroup:
    """The processes that train together, seen from the one of rank `index`.

    With several, `watch` detects a death, and `store` is JAX's key-value store (`DistributedRuntimeClient`).
    """

    def __init__(
        self, index: int = 0, count: int = 1, watch: WatcherClient | None = None, store: Any = None
    ) -> None:
        self.index, self.count, self._watch, self._store = index, count, watch, store
        self._failed, self._decisions = False, 0

    @property
    def alone(self) -> bool:
        """Whether there is only one process."""
        return self.count == 1

    @property
    def is_main_process(self) -> bool:
        """Whether this process decides, writes and prints."""
        return self.index == 0

    @property
    def over(self) -> bool:
        """Whether this or another process has failed, so that training together is over."""
        return self._failed or (self._watch is not None and bool(self._watch.lost_reason))

    def decide(self, what: str, proposal: Proposal, reduce: Callable[[list[Proposal]], Decision]) -> Decision:
        """The decision of process 0: the proposals of all, in rank order, reduced to one.

        All processes must make the same calls. Proposal and decision are JSON values. All raise what `reduce`
        refuses, and `ProcessLost` if one is lost.
        """
        if self._watch is None:
            return reduce([proposal])
        self._decisions += 1
        with self.reporting_errors(Refusal):
            decision = (
                self._lead(what, proposal, reduce) if self.is_main_process else self._follow(what, proposal)
            )
            return cast(Decision, decision)

    def _follow(self, what: str, proposal: Any, sent: Callable[[], None] = lambda: None) -> Any:
        here = f"epochal/{self._decisions}"
        self._put(f"{here}/{self.index}", [what, proposal])
        sent()
        refused, decision = self._get(f"{here}/decision")
        if refused:
            raise Refusal(refused)
        return decision

    def _lead(self, what: str, proposal: Any, reduce: Callable[[list[Any]], Any]) -> Any:
        here = f"epochal/{self._decisions}"
        found = [self._get(f"{here}/{index}") for index in range(1, self.count)]
        self._store.key_value_delete(f"epochal/{self._decisions - 1}/")  # which all have read
        for index, (other, _) in enumerate(found, start=1):
            if other != what:
                raise RuntimeError(f"process 0 decides about {what}, process {index} about {other}")
        try:
            decision = reduce([proposal, *(proposal for _, proposal in found)])
        except Refusal as refusal:
            self._put(f"{here}/decision", [refusal.sentence, None])
            raise
        self._put(f"{here}/decision", ["", decision])
        return decision

    def _put(self, key: str, value: Any) -> None:
        self._store.key_value_set(key, json.dumps(value))

    def _get(self, key: str) -> Any:
        while True:
            self.check()
            try:
                return json.loads(self._store.blocking_key_value_get(key, WAIT_MILLISECONDS))
            except RuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise

    def run_on_all(self, what: str, work: Callable[[], Decision]) -> Decision:
        """Run `work` in every process and return its result; all refuse if one refuses."""
        if self._watch is None:
            return work()
        found, refused = list[Decision](), ""
        try:
            with self.reporting_errors(Refusal):
                found.append(work())
        except Refusal as refusal:
            refused = refusal.sentence
        self.decide(what, refused, _refuse)
        return found[0]

    def run_on_leader(self, what: str, work: Callable[[], Decision]) -> Decision | None:
        """Run `work` in process 0; its result, None elsewhere; all refuse if it refuses."""
        found: list[Decision] = []
        self.decide(what, None, lambda proposals: found.append(work()))
        return found[0] if found else None

    def set_remedy(self, remedy: str) -> None:
        """Set the remedy, a sentence, for a lost process."""
        if self._watch is not None:
            self._watch.remedy = remedy

    def check(self, seconds: float = 0.0) -> None:
        """Raise `ProcessLost` if a process is lost, now or within so many seconds."""
        if self._watch is not None:
            self._watch.check(seconds)

    def fail(self, sentence: str) -> None:
        """Report a failure to the others, so that they end as well."""
        self._failed = True
        if self._watch is not None and not self._watch.lost_reason:
            self._watch.fail(sentence)

    def cause(self, error: BaseException) -> BaseException:
        """The cause of an error: a lost process, or the error itself, which is reported to all."""
        if self._watch is None or isinstance(error, ProcessLost):
            return error
        late = self._watch.heartbeat_timeout + 5 if COLLECTIVE.search(str(error)) else 0
        try:
            self.check(CAUSE_SECONDS + late)
        except ProcessLost as lost:
            lost.__cause__ = error
            return lost
        words = str(getattr(error, "sentence", error)).rstrip(".")
        self.fail(f"{': '.join(filter(None, (type(error).__name__, words)))}.")
        return error

    @contextmanager
    def reporting_errors(self, *joint: type[BaseException]) -> Iterator[None]:
        """A context that reports errors to the others, except `joint` ones, which all processes raise."""
        try:
            yield
        except BaseException as error:
            cause = error if isinstance(error, joint) else self.cause(error)
            if cause is error:
                raise
            raise cause from error

    def end(self) -> None:
        """Wait for all processes to finish, and leave; a lost one raises `ProcessLost`.

        Process 0 may still have something to write, and no longer checks the others.
        """
        if self._watch is None:
            return
        self._decisions += 1
        with self.reporting_errors(Refusal):
            if self.is_main_process:
                self._lead("the end", None, len)
            else:
                self._follow("the end", None, self._watch.leave)
        self._watch.leave()

    def close(self) -> None:
        """Stop communicating."""
        if self._watch is not None:
            self._watch.close()


def _refuse(sentences: Sequence[str]) -> None:
    """Raise the refusal of any process, naming it unless all have the same one."""
    refusing = [index for index, sentence in enumerate(sentences) if sentence]
    if refusing:
        first = refusing[0]
        who = "" if len(set(sentences)) == 1 else f"process {first} of {len(sentences)} refuses: "
        raise Refusal(who + sentences[first])


ALONE = ProcessGroup()
"""One process."""

_group = ALONE


def process_group() -> ProcessGroup:
    """The group of processes; one, unless `init_distributed` was called."""
    return _group


def set_process_group(others: ProcessGroup) -> None:
    """Set the group of processes."""
    global _group
    _group = others
