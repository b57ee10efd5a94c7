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
from itertools import islice
from typing import Any, Generic, TypeVar

from epochal.common.text import one_line
from epochal.errors import DataFailed, Refusal

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Generic[Item, Result]):
    """Processes that apply one function to items, in order.

    Args:
        function: applied to each item; sent to each process once.
        count: number of processes; 0 for this one.

    >>> list(Workers(abs, count=0).map([-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, function: Callable[[Item], Result], count: int) -> None:
        if count < 0:
            raise Refusal(f"workers must be at least 0; got {count}.")
        self.count = count
        self._function = function
        self._executor: Any = None
        self._lock = threading.Lock()
        if count:
            import cloudpickle

            try:
                self._pickled = cloudpickle.dumps(function)
            except Exception as error:
                reason = description(error)
                raise Refusal(
                    f"the work can't be sent to worker processes ({reason}); use workers=0."
                ) from error

    def _started(self) -> Any:
        from loky.backend.context import get_context
        from loky.process_executor import ProcessPoolExecutor

        with self._lock:
            if self._executor is None:
                self._executor = ProcessPoolExecutor(
                    self.count,
                    context=get_context("loky"),
                    initializer=_begin,
                    initargs=(os.getpid(), self._pickled),
                    env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                )
            return self._executor

    def map(self, items: Iterable[Item], *, chunk_size: int = 1) -> Iterator[Result]:
        """The function of each item, in order, `chunk_size` items a task and a bounded number in progress.

        Raises:
            DataFailed: the function raised, with the item's number; or a worker process has died.
        """
        numbered = enumerate(items)
        if not self.count:
            yield from (_applied(self._function, number, item) for number, item in numbered)
            return
        from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        executor, waiting = self._started(), deque[Any]()
        try:
            while True:
                while len(waiting) <= 2 * self.count and (some := list(islice(numbered, chunk_size))):
                    waiting.append(executor.submit(_work, some))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            with self._lock:
                if self._executor is executor:
                    self._executor = None  # the next call starts others
            codes = str(error).partition("exit codes of the workers are ")[2].partition("\n")[0].strip("{} .")
            how = f" ({codes})" if codes else ""
            raise DataFailed(
                f"a worker process that reads the data has died{how}: it was killed, ran out of memory, or "
                "crashed. Use fewer workers, or workers=0 to see what it does."
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes; another call restarts them."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


def can_be_sent(function: Any) -> str:
    """Why something can't be sent to another process; empty if it can.

    >>> can_be_sent(abs), can_be_sent(threading.Lock())
    ('', "TypeError: cannot pickle '_thread.lock' object")
    """
    import cloudpickle

    try:
        cloudpickle.dumps(function)
    except Exception as error:
        return description(error)
    return ""


def description(error: BaseException) -> str:
    """The type and message of an error, as part of a sentence."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")


def _applied(function: Callable[[Item], Result], number: int, item: Item) -> Result:
    """The function of an item; what it raises, which may not be picklable, becomes `DataFailed`."""
    try:
        return function(item)
    except Exception as error:
        sentence = error.sentence if isinstance(error, DataFailed) else ""
        failed = DataFailed(sentence or _unread(number, item, description(error)))
        failed.add_note(f"In the process that read it:\n{traceback.format_exc()}")
        raise failed from error


def _unread(number: int, item: Any, why: str) -> str:
    return f"item {number:,} ({one_line(' '.join(str(item).split()), 80)}) could not be read: {why}."


# In the worker ---------------------------------------------------------------------------------------------

_state: dict[str, Any] = {}


def _begin(parent: int, pickled: bytes) -> None:
    """Ignore keyboard interrupts, and exit with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _state["pickled"] = pickled
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(items: Sequence[tuple[int, Any]]) -> list[Any]:
    if "function" not in _state:
        import cloudpickle

        try:
            _state["function"] = cloudpickle.loads(_state["pickled"])
        except Exception as error:
            reason = f"it can't be built in a worker process: {description(error)}"
            raise DataFailed(_unread(*items[0], reason)) from error
    return [_applied(_state["function"], number, item) for number, item in items]
