"""Fault: an item that raises in a worker, and a worker that is killed, are one sentence; order is kept."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing

import pytest

from epochal.data.streams.workers import Workers, can_be_sent
from epochal.errors import DataFailed, Refusal


def square(number: int) -> int:
    if number == 13:
        raise KeyError("bad luck")
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_results_come_in_order_and_an_error_has_its_item_and_a_killed_worker_is_named() -> None:
    with closing(Workers(square, count=2)) as workers:
        assert list(workers.map(range(12), chunk_size=2)) == [number * number for number in range(12)]
        with pytest.raises(DataFailed) as failed:
            list(workers.map([10, 11, 12, 13, 14], chunk_size=2))
        assert failed.value.sentence == "item 3 (13) could not be read: KeyError: 'bad luck'."
        assert "square" in failed.value.__notes__[0]
        with pytest.raises(DataFailed, match="a worker process that reads the data has died"):
            list(workers.map([1, 2, -1, 3, 4]))
        assert list(workers.map([1])) == [1], "the next call starts others"


def test_without_workers_it_is_the_same_in_this_process() -> None:
    with closing(Workers(square, count=0)) as workers:
        results = workers.map(iter([3, 13, 4]))
        assert next(results) == 9
        with pytest.raises(DataFailed, match="bad luck"):
            next(results)


def test_what_cannot_be_sent_is_refused() -> None:
    lock = threading.Lock()
    assert "pickle" in can_be_sent(lambda item: lock)
    with pytest.raises(Refusal, match="use workers=0"):
        Workers(lambda item: lock, count=1)
    with pytest.raises(Refusal, match="workers must be at least 0; got -1"):
        Workers(square, count=-1)
