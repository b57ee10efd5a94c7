"""Is the largest batch that fits found with few compilations, and nothing run?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import epochal as ep
from epochal.choose.trials import timing as choosing
from epochal.choose.trials.trial import Candidate, Job
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.common import machine
from epochal.engine import memory
from epochal.settings import Settings

NET = ep.MLP(4)


def a_bench() -> TrialRunner:
    """A runner of 90 samples, of which 72 train."""
    random = np.random.default_rng(5)
    inputs = random.normal(size=(90, 2)).astype(np.float32)
    return TrialRunner(prepare_shared(NET, (inputs, (inputs[:, 0] > 0).astype(int)), Settings(repeats=2)))


def candidate(name: str = "any", **changes: Any) -> Candidate:
    """A setting of that net."""
    return Candidate(name, NET, changes)


def let_free(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    """Let so many bytes be free."""
    for module in (memory, choosing):
        monkeypatch.setattr(module, "bytes_available", lambda: int(free))


def found_with(need: Any, samples: int, free: float) -> tuple[int | None, list[int]]:
    """The largest batch where programs need what a function of the batch size says; the sizes compiled."""
    asked: list[int] = []

    def compiled(batch_size: int) -> int:
        asked.append(batch_size)
        return int(need(batch_size))

    return memory.largest_fitting(compiled, samples, memory.MEMORY_SHARE * int(free)), asked


@given(
    samples=st.integers(1, 10**7),
    each=st.integers(1, 10**5),
    floor=st.integers(0, 10**9),
    free=st.floats(1, 1e13),
)
def test_the_largest_batch_fits_and_is_nearly_the_largest(
    samples: int, each: int, floor: int, free: float
) -> None:
    def need(size: int) -> int:
        return max(floor, 1000 + each * size)

    found, asked = found_with(need, samples, free)
    assert len(asked) <= 5
    limit = memory.MEMORY_SHARE * int(free)
    if found is None:
        assert need(1) > limit
        return
    assert need(found) <= limit, "what is said to fit fits"
    if found < samples:
        room = (limit - 1000) / each
        assert found >= min(0.25 * room, 1), "and not much more would"
        assert found in asked, "and it was confirmed"


def test_a_line_is_solved_with_four_programs() -> None:
    found, asked = found_with(lambda size: 5000 + 700 * size, 10**6, free=10**8)
    assert found == (0.9 * 10**8 - 5000) // 700
    assert asked[:2] == [256, 10**6] and len(asked) <= 4


def test_what_is_far_from_the_limit_costs_one_program() -> None:
    assert found_with(lambda size: 700 * size, 10**6, free=10**12) == (10**6, [256])


def test_a_program_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = a_bench()
    small, large = (
        runner.stack([Job(candidate(f"batch {size}", batch_size=size), 0, 10, 10)]) for size in (8, 72)
    )
    assert memory.program_bytes(small) > 0
    wide = Candidate("wide", ep.MLP(2000), {"batch_size": 72})
    assert (
        memory.program_bytes(runner.stack([Job(wide, 0, 10, 10)]))
        > memory.program_bytes(large) + 72 * 2000 * 4
    )
    assert small.update == large.update == 0 and runner.updates_made == 0, "nothing was run"
    assert memory.fits(small)
    let_free(monkeypatch, 10)
    assert not memory.fits(small)
    words = choosing.too_large(runner, candidate("full", batch_size="full"))
    assert words.startswith("batch size 72 needs about ") and words.endswith("10 bytes are free: left out")
    let_free(monkeypatch, 10**12)
    assert choosing.too_large(runner, candidate("full", batch_size="full")) == ""


def test_a_backend_without_figures_needs_nothing() -> None:
    class Silent:
        def memory_analysis(self) -> None:
            raise NotImplementedError

    stack = type("RepeatStack", (), {"_call": Silent()})()
    assert memory.program_bytes(stack) == 0 and memory.fits(stack)


def test_what_is_free_is_known(tmp_path: Path) -> None:
    assert 2**20 < memory.bytes_available() < 2**50
    groups = tmp_path / "cgroup"
    groups.write_text("9:name=systemd:/\n4:memory:/a/b\n0::/c\n")
    assert machine._of_group(groups, tmp_path / "sys") > 2**60
    first, second = tmp_path / "sys" / "memory" / "a", tmp_path / "sys" / "c"
    first.mkdir(parents=True)
    second.mkdir()
    (second / "memory.max").write_text("max\n")
    (second / "memory.current").write_text("7\n")
    assert machine._of_group(groups, tmp_path / "sys") > 2**60
    (first / "memory.limit_in_bytes").write_text("1000\n")
    (first / "memory.usage_in_bytes").write_text("900\n")
    (first / "memory.stat").write_text("cache 300\ntotal_inactive_file 50\n")
    assert machine._of_group(groups, tmp_path / "sys") == 150
    (second / "memory.max").write_text("500\n")
    (second / "memory.current").write_text("490\n")
    assert machine._of_group(groups, tmp_path / "sys") == 10


def test_there_is_one_reader_of_free_memory_and_one_counter_of_cores() -> None:
    source = Path(ep.__file__).parent
    for word in ("MemAvailable", "sched_getaffinity", "cpu_count"):
        found = [path.name for path in source.rglob("*.py") if word in path.read_text(encoding="utf-8")]
        assert found == ["machine.py"], word


def test_a_device_tells_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    class Device:
        platform = "gpu"
        stats: Any = None

        def memory_stats(self) -> Any:
            return self.stats

    device = Device()
    monkeypatch.setattr(memory.jax, "local_devices", lambda: [device])
    assert memory.bytes_available() > 2**60
    device.stats = {"bytes_limit": 1000, "bytes_in_use": 400}
    assert memory.bytes_available() == 600


def test_what_is_donated_counts_once_and_arguments_are_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stats:
        argument_size_in_bytes, output_size_in_bytes, alias_size_in_bytes, temp_size_in_bytes = 100, 30, 20, 8

    class Program:
        def memory_analysis(self) -> Any:
            return Stats

    stack: Any = type("RepeatStack", (), {"_call": Program()})()
    assert memory.program_bytes(stack) == 10 + 8
    monkeypatch.setattr(memory, "bytes_available", lambda: 20)
    assert memory.fits(stack), "18 of 20 bytes"
    monkeypatch.setattr(memory, "bytes_available", lambda: 19)
    assert not memory.fits(stack)
