"""What does a training ask of the processes that train together?

    decision = together().decide("call", wish, rule)

Where what a host decides is no function of the data (the clock, a signal), all processes must decide alike:
each says what it wishes, process 0 applies the rule to the wishes of all, and all get its decision. Alone,
that is the rule of one wish, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from epochal.errors import HostLost, Refusal

if TYPE_CHECKING:
    from epochal.hosts.node import Node

__all__ = ["ALONE", "Together", "together"]

CAUSE_SECONDS = 1.0
"""How long after an error it is waited for that a process is found to be gone."""

Wish = TypeVar("Wish")
Decision = TypeVar("Decision")


class Together:
    """The processes that train together, seen from one of them."""

    def __init__(self, index: int = 0, count: int = 1, node: Node | None = None) -> None:
        self.index, self.count, self._node = index, count, node
        self._failed, self._decisions = False, 0

    @property
    def alone(self) -> bool:
        """Whether there is but one process."""
        return self.count == 1

    @property
    def leads(self) -> bool:
        """Whether this process decides, writes and prints."""
        return self.index == 0

    @property
    def over(self) -> bool:
        """Whether this process has failed or lost another one, so that none trains with it any more."""
        return self._failed or (self._node is not None and bool(self._node.lost))

    def decide(self, what: str, wish: Wish, rule: Callable[[list[Wish]], Decision]) -> Decision:
        """What process 0 decides by the rule from the wishes of all, in the order of the processes.

        All processes must call it as often, about the same. Wish and decision are what JSON holds. A
        `Refusal` from the rule is one in all processes.

        Raises:
            HostLost: a process is gone.
        """
        if self._node is None:
            return rule([wish])
        self._decisions += 1
        with self._telling():
            return cast(Decision, self._node.decide(what, self._decisions, wish, rule))

    def each(self, what: str, work: Callable[[], Decision]) -> Decision:
        """Have every process do something by itself: what this one found; all refuse if one refuses."""
        if self._node is None:
            return work()
        found: list[Decision] = []
        refused = ""
        try:
            with self._telling():
                found.append(work())
        except Refusal as refusal:
            refused = refusal.sentence
        self.decide(what, refused, _refuse)
        return found[0]

    def first(self, what: str, work: Callable[[], Decision]) -> Decision | None:
        """Have process 0 alone do something: what it returns, None elsewhere; all refuse what it refuses."""
        found: list[Decision] = []
        self.decide(what, None, lambda wishes: found.append(work()))
        return found[0] if found else None

    def remember(self, remedy: str) -> None:
        """Say what can be done if a process is lost, as a sentence."""
        if self._node is not None:
            self._node.remedy = remedy

    def check(self, seconds: float = 0.0) -> None:
        """Raise `HostLost` if a process is gone, or is found to be within so many seconds."""
        if self._node is not None:
            self._node.check(seconds)

    def fail(self, sentence: str) -> None:
        """Tell the others that this process has failed, so that they end as well."""
        self._failed = True
        if self._node is not None and not self._node.lost:
            self._node.fail(sentence)

    def cause(self, error: BaseException) -> BaseException:
        """What is behind an error: a process that is gone, or else the error itself, which is told to all."""
        if self._node is None or isinstance(error, HostLost):
            return error
        try:
            self.check(CAUSE_SECONDS)
        except HostLost as lost:
            lost.__cause__ = error
            return lost
        self.fail(
            ": ".join(
                filter(None, (type(error).__name__, str(getattr(error, "sentence", error)).rstrip(".")))
            )
            + "."
        )
        return error

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Within, the others hear of whatever goes wrong, but for what is refused, which is decided."""
        try:
            yield
        except Refusal:
            raise
        except BaseException as error:
            cause = self.cause(error)
            if cause is error:
                raise
            raise cause from error

    def end(self) -> bool:
        """Wait until all processes are at their end; whether all of them are still there.

        From here on, process 0 does not mind if another one goes: it may have something to write.
        """
        if self._node is None:
            return True
        node = self._node
        node.leave()
        return self.decide("the end", None, lambda wishes: node.complete)

    def close(self) -> None:
        """Hear and say nothing any more."""
        if self._node is not None:
            self._node.close()


def _refuse(sentences: Sequence[str]) -> None:
    """Refuse what any process refuses; whose sentence it is, unless all have the same one."""
    refusing = [index for index, sentence in enumerate(sentences) if sentence]
    if refusing:
        first, count = refusing[0], len(sentences)
        alike = len(set(sentences)) == 1
        raise Refusal(("" if alike else f"process {first} of {count} refuses: ") + sentences[first])


ALONE = Together()
"""One process."""

_together = ALONE


def together() -> Together:
    """The processes that train together; one, unless `join` was called."""
    return _together


def use(others: Together) -> None:
    """From now on, these are the processes that train together."""
    global _together
    _together = others
