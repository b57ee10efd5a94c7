"""What becomes of finished trainings when a folder is broken or another's, or a call is interrupted?"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import epochal as ep
from epochal.choose.trials.store import Store, digest
from epochal.choose.trials.trial import Candidate, Interrupted, Job, Trial
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.curves import Curves
from epochal.errors import Refusal
from epochal.settings import Settings
from epochal.training.loop import StopSignal

REQUEST = {"what": "a test", "sizes": [8, 16]}
NET = ep.MLP(3)


def samples() -> tuple[Any, Any]:
    """Two classes, far apart."""
    random = np.random.default_rng(2)
    inputs = random.normal(size=(60, 2)).astype(np.float32)
    return inputs, (inputs[:, 0] > 0).astype(int)


def a_bench(folder: Path | None = None, stop_signal: StopSignal | None = None) -> TrialRunner:
    """A runner whose store is in a folder."""
    store = Store(folder, REQUEST)
    options = Settings(repeats=3, optimizer="sgd")
    return TrialRunner(prepare_shared(NET, samples(), options), store, stop_signal)


def a_job(repeat: int = 0, rate: float = 0.1, updates: int = 20) -> Job:
    """A training with batch size 16."""
    return Job(
        Candidate(f"rate {rate:g}", NET, {"batch_size": 16, "learning_rate": rate}), repeat, updates, 5
    )


JOBS = [a_job(repeat, rate) for repeat in range(3) for rate in (0.1, 0.2)]


def trial_of(values: list[float], repeat: int = 1, reason: str = "") -> Trial:
    """A trial with these losses."""
    count = np.arange(len(values))
    columns = {"validation.loss": np.array(values, np.float32).astype(np.float64)}
    curves = Curves(np.full(len(values), repeat), count / 3, count * 4, count * 64, count * 1e-3, columns)
    updates, forecasts = int(count[-1]) * 4 if len(values) else 0, np.outer(count, [1 / 3, np.pi])
    return Trial("one", repeat, curves, updates, 0.0125, reason, {"validation.loss": count / 7}, forecasts)


def equal(one: Trial | None, other: Trial) -> None:
    """The same in all that is kept."""
    assert one is not None
    assert (one.candidate_name, one.repeat, one.updates, one.reason) == (
        other.candidate_name,
        other.repeat,
        other.updates,
        other.reason,
    )
    assert one.seconds == other.seconds
    for name in ("repeat", "epoch", "update", "samples"):
        np.testing.assert_array_equal(getattr(one.curves, name), getattr(other.curves, name))
    np.testing.assert_allclose(one.curves.seconds, other.curves.seconds, atol=1e-6)
    assert one.forecasts.tolist() == other.forecasts.tolist()
    assert one.curves.names == other.curves.names
    for name, values in other.curves.columns.items():
        np.testing.assert_array_equal(one.curves.columns[name], values)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    values=st.lists(st.floats(width=32, allow_infinity=False), max_size=12),
    repeat=st.integers(0, 50),
    reason=st.sampled_from(["", "rule", "not finite"]),
)
def test_what_is_found_again_is_what_was_kept(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], repeat: int, reason: str
) -> None:
    folder = tmp_path_factory.mktemp("store")
    kept = trial_of(values, repeat, reason)
    store = Store(folder, REQUEST)
    store.add("key", kept)
    store.add_timing("t", {"seconds": 1e-6})
    equal(store.find("key", "one", repeat), kept)
    again = Store(folder, REQUEST)
    equal(again.find("key", "one", repeat), kept)
    assert again.find("another", "one", repeat) is None
    assert again.timing("t") == {"key": "t", "seconds": 1e-6} and again.timing("u") is None
    assert len(again) == 1


def test_a_second_call_trains_nothing(tmp_path: Path) -> None:
    first = a_bench(tmp_path / "kept")
    made = {(trial.candidate_name, trial.repeat): trial for trial in first.run(JOBS)}
    assert first.updates_made == first.updates == 20 * len(JOBS)
    second = a_bench(tmp_path / "kept")
    for trial in second.run(JOBS):
        equal(trial, made[trial.candidate_name, trial.repeat])
    assert (second.updates_made, second.updates, second.trainings) == (0, first.updates, len(JOBS))


def test_a_second_call_goes_on(tmp_path: Path) -> None:
    list(a_bench(tmp_path).run(JOBS[:2]))
    second = a_bench(tmp_path)
    assert len(list(second.run(JOBS))) == len(JOBS)
    assert second.updates_made == 20 * (len(JOBS) - 2)
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == len(JOBS)


def test_in_memory_nothing_is_trained_twice_either() -> None:
    runner = a_bench()
    list(runner.run(JOBS[:3]))
    list(runner.run(JOBS))
    assert runner.updates_made == 20 * len(JOBS)
    assert runner.store.folder is None


@pytest.mark.parametrize("kept", ["half a line", "no line break"])
def test_a_line_that_a_kill_cut_off_is_done_again(tmp_path: Path, kept: str) -> None:
    list(a_bench(tmp_path).run(JOBS[:3]))
    path = tmp_path / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40] if kept == "half a line" else whole[:-1])
    lost = 1 if kept == "half a line" else 0
    second = a_bench(tmp_path)
    assert len(second.store) == 3 - lost
    assert len(list(second.run(JOBS[:4]))) == 4
    assert second.updates_made == 20 * (1 + lost)
    third = a_bench(tmp_path)
    assert len(third.store) == 4, "what was written after the cut can be read"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"\n",
        b"\xff\xfe\x00\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"17\n",
        b"null\n",
        b"{}\n",
        b'{"key": ["a", "list"]}\n',
        b'{"key": "KEY"}\n',
        b'{"key": "KEY", "updates": "many", "columns": 3}\n',
    ],
)
def test_lines_that_are_none_are_left_out(tmp_path: Path, line: bytes) -> None:
    list(a_bench(tmp_path).run(JOBS[1:2]))
    line = line.replace(b"KEY", JOBS[0].key.encode())
    for name in ("trials.jsonl", "timings.jsonl"):
        path = tmp_path / name
        path.write_bytes(line + (path.read_bytes() if path.is_file() else b""))
    second = a_bench(tmp_path)
    assert [trial.updates for trial in second.run(JOBS[:2])] == [20, 20]
    assert second.updates_made == 20


def test_another_request_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, REQUEST)
    Store(tmp_path, dict(reversed(REQUEST.items())))
    with pytest.raises(Refusal, match=r"must hold the same comparison; it holds another one") as refused:
        Store(tmp_path, {**REQUEST, "sizes": [8]})
    assert str(tmp_path) in str(refused.value) and "Name another folder" in str(refused.value)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(Refusal, match="must be new or hold a comparison"):
        Store(tmp_path, REQUEST)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(Refusal, match=r"thesis\.tex"):
        Store(tmp_path / "thesis.tex", REQUEST)


def test_an_empty_folder_and_folders_above_are_made(tmp_path: Path) -> None:
    Store(tmp_path, REQUEST)
    Store(tmp_path / "a" / "b", REQUEST)
    assert json.loads((tmp_path / "a" / "b" / "request.json").read_text()) == REQUEST


def test_a_folder_left_at_its_very_beginning_is_taken(tmp_path: Path) -> None:
    """A kill between the two steps leaves only the partial request."""
    (tmp_path / "request.json.partial").write_text("{")
    Store(tmp_path, REQUEST)
    assert json.loads((tmp_path / "request.json").read_text()) == REQUEST


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(Refusal, match="can't be written"):
            Store(tmp_path / "new", REQUEST)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", no)
    with pytest.raises(Refusal, match="can't be written"):
        Store(tmp_path / "new", REQUEST)


def test_a_folder_that_becomes_unwritable_is_said(tmp_path: Path) -> None:
    """As when a disk is full: one sentence, not a trace."""
    runner = a_bench(tmp_path)
    (tmp_path / "trials.jsonl").mkdir()
    with pytest.raises(Refusal, match="can't be written"):
        list(runner.run(JOBS[:1]))


def test_what_was_finished_before_a_stop_is_kept(tmp_path: Path) -> None:
    stop_signal = StopSignal()
    runner = a_bench(tmp_path, stop_signal)
    finished: list[tuple[str, int]] = []

    def go() -> None:
        for trial in runner.run([*JOBS, a_job(updates=10**9)]):
            finished.append((trial.candidate_name, trial.repeat))
            stop_signal.stop()

    with pytest.raises(Interrupted):
        go()
    assert len(finished) >= 1
    second = a_bench(tmp_path)
    assert len(second.store) >= len(finished)
    assert len(list(second.run(JOBS))) == len(JOBS)
    assert second.updates_made <= 20 * (len(JOBS) - len(finished))


def test_stopped_before_it_began(tmp_path: Path) -> None:
    stop_signal = StopSignal()
    stop_signal.stop()
    with pytest.raises(Interrupted):
        list(a_bench(tmp_path, stop_signal).run(JOBS))
    assert len(Store(tmp_path, REQUEST)) == 0


def test_leaving_the_loop_early_ends_the_threads(tmp_path: Path) -> None:
    runner = a_bench(tmp_path)
    running = runner.run([a_job(updates=10**9), *JOBS])
    next(running)
    running.close()  # waits for the endless one, which is told to end
    assert not runner.stop_signal.stopped, "the caller's own signal is left alone"
    assert len(Store(tmp_path, REQUEST)) >= 1
    assert len(list(runner.run(JOBS))) == len(JOBS), "and the runner goes on"


def test_an_error_in_a_thread_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = a_bench(tmp_path)

    def fail(group: list[Job]) -> None:
        raise ValueError("the stack failed")

    monkeypatch.setattr(runner, "stack", fail)
    with pytest.raises(ValueError, match="the stack failed"):
        list(runner.run(JOBS))


def test_a_diverged_training_is_kept_as_diverged(tmp_path: Path) -> None:
    job = a_job(rate=1e30, updates=50)
    [trial] = a_bench(tmp_path).run([job])
    assert trial.diverged and np.isnan(trial.best("validation.loss"))
    second = a_bench(tmp_path)
    [again] = second.run([job])
    assert second.updates_made == 0
    equal(again, trial)
    assert again.diverged and np.isnan(again.best("validation.loss"))


def test_jobs_with_other_numbers_have_other_keys() -> None:
    one = Job(Candidate("a", NET, {}), 0, 10, 5)
    others = [
        Job(Candidate("b", NET, {}), 0, 10, 5),
        Job(one.candidate, 1, 10, 5),
        Job(one.candidate, 0, 11, 5),
        Job(one.candidate, 0, 10, 6),
        Job(one.candidate, 0, 10, 5, target_value=0.5),
        Job(one.candidate, 0, 10, 5, target_value=0.5000001),
        Job(one.candidate, 0, 10, 5, patience=0.5),
        Job(one.candidate, 0, 10, 5, min_delta=0.5),
    ]
    assert len({job.key for job in (one, *others)}) == len(others) + 1


def test_requests_have_digests() -> None:
    assert digest(REQUEST) == digest(dict(reversed(REQUEST.items())))
    assert digest(REQUEST) != digest({**REQUEST, "more": None})
    assert len(digest(REQUEST)) == 8
