"""Worker processes that apply one function to items, in order.

Processes are spawned (a process with threads, as JAX's is, must not be forked) and the function is sent to
each once; it may be defined in a script or a notebook, which needs no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Self, TypeVar

from epochal.common.printable import one_line
from epochal.errors import DataFailed, Refusal

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Failure:
    """Sent by a worker when the function raised; the exception itself may not be picklable."""

    place: int
    error: str
    details: str
    sentence: str = ""
    """That of a `DataFailed`, which needs no other."""


class Workers(Generic[Item, Result]):
    """Processes that apply one function to items, in order.

    Args:
        function: applied to each item; sent to each process once.
        count: number of processes; 0 for this one.

    Raises:
        Refusal: a count below 0, or a function that can't be pickled.

    >>> with Workers(abs, count=0) as workers:
    ...     list(workers.map([-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, function: Callable[[Item], Result], count: int) -> None:
        if count < 0:
            raise Refusal(f"workers must be at least 0; got {count}.")
        self.count = count
        self._function = function
        self._executor: Any = None
        self._lock = threading.Lock()
        self._sent = b""
        if count:
            sent = _pickled(function)
            if isinstance(sent, str):
                raise Refusal(f"the work can't be sent to worker processes ({sent}); use workers=0.")
            self._sent = sent

    def _submit(self, items: Sequence[Item]) -> Future[list[Result]]:
        if not self.count:
            done: Future[Any] = Future()
            done.set_result(_apply(self._function, items))
            return done
        executor = self._started()
        try:
            future: Future[list[Result]] = executor.submit(_work, list(items))
        except RuntimeError as error:
            self._replace(executor)
            raise _dead(error) from error
        future.add_done_callback(lambda done: self._replace(executor) if _broken(done) else None)
        return future

    def _started(self) -> Any:
        from loky.backend.context import get_context
        from loky.process_executor import ProcessPoolExecutor

        with self._lock:
            if self._executor is None:
                self._executor = ProcessPoolExecutor(
                    self.count,
                    context=get_context("loky"),
                    initializer=_begin,
                    initargs=(os.getpid(), self._sent),
                    env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                )
            return self._executor

    def _replace(self, executor: Any) -> None:
        """Replace an executor after a process died: the next call starts others."""
        with self._lock:
            if self._executor is executor:
                self._executor = None

    def map(self, items: Iterable[Item], *, together: int = 1) -> Iterator[Result]:
        """The function of each item, in order, with a bounded number of items in progress.

        Args:
            items: read on demand.
            together: items per task.

        Raises:
            DataFailed: the function raised, with the item's number; or a worker process has died.
        """
        waiting: deque[tuple[int, list[Item], Future[list[Result]]]] = deque()
        source, number = iter(items), 0
        try:
            while True:
                while len(waiting) <= 2 * self.count and (some := list(islice(source, together))):
                    waiting.append((number, some, self._submit(some)))
                    number += len(some)
                if not waiting:
                    return
                first, some, future = waiting.popleft()
                if _broken(future):
                    raise _dead(future.exception()) from future.exception()
                results = future.result()
                if isinstance(failure := results[-1], _Failure):
                    item = one_line(" ".join(str(some[failure.place]).split()), 80)
                    what = f"item {first + failure.place:,} ({item})"
                    error = DataFailed(failure.sentence or f"{what} could not be read: {failure.error}.")
                    error.add_note(f"In the process that read it:\n{failure.details}")
                    raise error
                yield from results
        finally:
            for _, _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes; another call restarts them."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def can_be_sent(function: Any) -> str:
    """Why something can't be sent to another process; empty if it can.

    >>> can_be_sent(abs), can_be_sent(threading.Lock())
    ('', "TypeError: cannot pickle '_thread.lock' object")
    """
    sent = _pickled(function)
    return sent if isinstance(sent, str) else ""


def _pickled(function: Any) -> bytes | str:
    """The pickled object, or why it can't be pickled."""
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(function))
    except Exception as error:
        return description(error)


def _broken(future: Future[Any]) -> bool:
    from concurrent.futures.process import BrokenProcessPool

    return not future.cancelled() and isinstance(future.exception(), BrokenProcessPool)


def _dead(error: BaseException | None) -> DataFailed:
    codes = str(error).partition("exit codes of the workers are ")[2].partition("\n")[0].strip("{} .")
    how = f" ({codes})" if codes else ""
    return DataFailed(
        f"a worker process that reads the data has died{how}: it was killed, ran out of memory, or crashed. "
        "Use fewer workers, or workers=0 to see what it does."
    )


def description(error: BaseException) -> str:
    """The type and message of an error, as part of a sentence."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")


# In the worker ---------------------------------------------------------------------------------------------

_state: dict[str, Any] = {}


def _begin(parent: int, sent: bytes) -> None:
    """Ignore keyboard interrupts, and exit with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _state["sent"] = sent
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(items: Sequence[Any]) -> list[Any]:
    if "function" not in _state:
        import cloudpickle

        try:
            _state["function"] = cloudpickle.loads(_state["sent"])
        except Exception as error:
            return [_Failure(0, f"it can't be built in a worker process: {description(error)}", "")]
    return _apply(_state["function"], items)


def _apply(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The results up to and including the first failure."""
    results: list[Any] = []
    for place, item in enumerate(items):
        try:
            results.append(function(item))
        except Exception as error:
            sentence = error.sentence if isinstance(error, DataFailed) else ""
            results.append(_Failure(place, description(error), traceback.format_exc(), sentence))
            break
    return results
