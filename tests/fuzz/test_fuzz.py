"""Fault: every kind of input, made bad in many ways: a right result or a sentence, within bounds.

A short run: the same cases every time. `python -m tests.fuzz --minutes 10` goes on for longer.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from .child import Child
from .judge import judge
from .kinds import Made, load_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits are set as on Linux"),
]

os.environ["EPOCHAL_FUZZ_SHORT"] = "1"
KINDS = load_all()
CASES, SLOW_CASES = 5, 2

IN_PROCESS = ("csv", "npy", "schema", "recipe", "comparison")
"""Kinds whose cases Hypothesis draws: it makes what it finds short."""


@pytest.fixture(scope="module")
def child():
    one = Child()
    yield one
    one.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("name", KINDS)
def test_a_result_or_a_sentence(child, name):
    """In a process with limits; not all of them are refused, or the cases would show nothing."""
    outcomes = Counter()
    for number in range(SLOW_CASES if KINDS[name].slow else CASES):
        answer = child.ask(name, number)
        assert answer["outcome"] != "finding", (
            f"python -m tests.fuzz --kind '{name}' --number {number}\n{answer['why']}"
        )
        outcomes[answer["outcome"]] += 1
    assert outcomes["read"] + outcomes["refused"] > 0


@pytest.mark.parametrize("name", IN_PROCESS)
def test_what_hypothesis_draws_is_read_or_refused(name, made, tmp_path):
    @settings(max_examples=12)
    @given(st.randoms(use_true_random=False))
    def holds(random):
        verdict = judge(KINDS[name], made, 0, tmp_path / "work", random)
        assert verdict.outcome != "finding", verdict.why

    holds()


def test_a_reader_that_fails_is_found(made, tmp_path):
    """The judge is no stub: an error that is no refusal, a sentence that is none, and too much memory."""
    from epochal.errors import Refusal

    from .kinds import Case, Kind

    def outcome(read):
        one = Kind("broken", lambda folder: None, lambda random, good, work: Case(read))
        return judge(one, made, 0, tmp_path / "work")

    def fails():
        raise KeyError("x")

    def half_a_sentence():
        raise Refusal("no")

    def too_much():
        raise MemoryError

    assert "KeyError" in outcome(fails).why
    assert "no sentence" in outcome(half_a_sentence).why
    assert "memory" in outcome(too_much).why
    assert outcome(lambda: 1).outcome == "read"


def test_a_process_that_takes_too_much_memory_is_found(child):
    """The limit holds where the readers run."""
    answer = child.ask("limit", 0)
    assert answer["outcome"] == "finding" and "memory" in answer["why"], answer
