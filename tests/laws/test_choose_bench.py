"""Is a training of a comparison the one that `fit` does: alone, with others, on any number of cores?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import epochal as ep
from epochal.choose.trials import trial_runner as runner_module
from epochal.choose.trials.store import Store
from epochal.choose.trials.timing import Timer, TimingCurve, UpdateTime, update_time
from epochal.choose.trials.trial import Candidate, Job, Trial, TrialStopping
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared
from epochal.engine import compiler
from epochal.engine.rules import Observation
from epochal.settings import Settings
from epochal.stopping import Patience, TargetValue
from helpers import decide

ROWS, FEATURES = 90, 2


def samples() -> tuple[Any, Any]:
    """Two noisy classes, of which a network does not see through at once."""
    random = np.random.default_rng(5)
    inputs = (1.5 + 3 * random.normal(size=(ROWS, FEATURES))).astype(np.float32)
    score = (inputs[:, 0] - 1.5) * (inputs[:, 1] - 1.5) + 2 * random.normal(size=ROWS)
    return inputs, (score > 0).astype(int)


NET = ep.MLP(4)
UPDATES, EVERY = 45, 3


def a_bench(repeats: int = 3, **options: Any) -> TrialRunner:
    """A runner of that net, whose settings are evaluated on the validation samples only."""
    given = Settings(**{"repeats": repeats, "epochs": 50, "seed": 3, **options})
    return TrialRunner(prepare_shared(NET, samples(), given))


def candidate(name: str = "", **changes: Any) -> Candidate:
    """A setting with a name that tells it apart."""
    return Candidate(name or str(sorted(changes.items())), NET, changes)


def same(one: Trial, other: Trial, *, exactly: bool = False) -> None:
    """Trials with the same curves, to float tolerance or to the bit."""
    assert (one.candidate_name, one.repeat, one.reason) == (other.candidate_name, other.repeat, other.reason)
    assert one.updates == other.updates
    np.testing.assert_array_equal(one.curves.update, other.curves.update)
    np.testing.assert_array_equal(one.curves.samples, other.curves.samples)
    np.testing.assert_array_equal(one.curves.repeat, other.curves.repeat)
    tolerance = 0.0 if exactly else 2e-5
    for name, values in one.curves.columns.items():
        np.testing.assert_allclose(values, other.curves.columns[name], rtol=tolerance, atol=tolerance)


def trained(runner: TrialRunner, jobs: list[Job]) -> dict[str, Trial]:
    """The trials by the keys of their jobs."""
    names = {(job.candidate.name, job.repeat): job.key for job in jobs}
    return {names[trial.candidate_name, trial.repeat]: trial for trial in runner.run(jobs)}


@pytest.mark.parametrize(
    ("remainder", "optimizer", "standardize"),
    [("keep", "sgd", True), ("drop", "adam", False), ("spread", "adam", True), ("carry", "sgd", False)],
)
def test_a_job_is_what_fit_does(remainder: str, optimizer: str, standardize: bool) -> None:
    shared = {"remainder": remainder, "optimizer": optimizer, "standardize": standardize, "seed": 3}
    changes = {"batch_size": 16, "learning_rate": 0.05}
    runner = a_bench(**shared)
    jobs = [Job(candidate(**changes), repeat, UPDATES, EVERY) for repeat in (2, 0)]
    run = ep.fit(
        NET,
        samples(),
        repeats=3,
        epochs=12,
        stop=TrialStopping(
            "validation.loss"
        ),  # without limits; the rule of the runner, and so the same program
        evaluate_every=f"{EVERY} updates",
        evaluate_train=False,
        **shared,
        **changes,
    )
    for trial in runner.run(jobs):
        whole = run.curves.of(trial.repeat)
        until = len(trial.curves)
        assert len(whole) > until, "the end of a job is not the end of the plan"
        np.testing.assert_array_equal(trial.curves.update, whole.update[:until])
        np.testing.assert_allclose(trial.curves.epoch, whole.epoch[:until])
        for name in ("validation.loss", "validation.accuracy", "train.running_loss"):
            np.testing.assert_allclose(
                trial.curves.columns[name], whole.columns[name][:until], rtol=1e-5, atol=1e-5, err_msg=name
            )
        assert trial.updates == UPDATES and trial.reason == "" and not trial.diverged


def test_another_batch_size_does_not_change_the_samples_of_a_repeat() -> None:
    runner = a_bench()
    jobs = [Job(candidate(batch_size=size), 1, 2, 1) for size in (8, 16)]
    starts = [trial.curves.columns["validation.loss"][0] for trial in runner.run(jobs)]
    assert starts[0] == pytest.approx(starts[1], rel=1e-6)


def test_jobs_together_are_the_jobs_alone() -> None:
    """Each with its own rate, target and patience, and one that breaks."""
    runner = a_bench(optimizer="sgd")

    def job(
        repeat: int, rate: float, target_value: float | None = None, patience: float | None = None
    ) -> Job:
        return Job(candidate(batch_size=16, learning_rate=rate), repeat, 200, 2, target_value, patience)

    jobs = [
        job(0, 0.05),
        job(1, 0.4, target_value=0.66),
        job(2, 2.0, patience=3.0),
        job(1, 1e-4, patience=30.0),
        job(2, 0.02, target_value=0.0),
        job(0, 1e12),
    ]
    together = runner.train(jobs, (), lambda: False)
    assert together is not None
    reasons = []
    for one, trial in zip(jobs, together, strict=True):
        [alone] = runner.train([one], (), lambda: False) or []
        same(trial, alone)
        reasons.append((trial.reason, trial.updates))
    assert [reason for reason, _ in reasons] == ["", "rule", "rule", "", "", "not finite"], reasons
    assert len({updates for _, updates in reasons}) == 4, "they stop on their own"


def test_a_group_holds_what_shares_program_plan_and_limits() -> None:
    runner = a_bench()
    slow, fast = candidate(batch_size=16, learning_rate=0.1), candidate(batch_size=16, learning_rate=0.2)
    jobs = [
        Job(slow, 0, 40, 4),
        Job(candidate(batch_size=8), 0, 40, 4),
        Job(fast, 0, 40, 4, target_value=0.5),
        Job(slow, 1, 40, 4, patience=2.0),
        Job(slow, 2, 80, 4),
        Job(fast, 2, 40, 5),
        Job(candidate(batch_size=16, optimizer="sgd"), 0, 40, 4),
    ]
    assert runner._job_stacks(jobs, 64) == [
        [jobs[0], jobs[2], jobs[3]],
        *([job] for job in jobs[1:2] + jobs[4:]),
    ]
    assert [len(stacked) for stacked in runner._job_stacks(jobs, 2)] == [2, 1, 1, 1, 1, 1]
    assert runner._job_stacks(jobs, 1) == [[job] for job in jobs]


def test_many_together_give_the_same_trials_through_run(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [
        Job(candidate(batch_size=16, learning_rate=rate), repeat, 60, 6, target_value=0.6)
        for rate in (0.01, 0.1, 0.4, 1.0)
        for repeat in range(3)
    ]
    alone = trained(a_bench(optimizer="sgd"), jobs)
    runner = a_bench(optimizer="sgd")
    stacks = runner._job_stacks
    monkeypatch.setattr(runner, "_job_stacks", lambda jobs, together: stacks(jobs, 6))
    together = trained(runner, jobs)
    assert alone.keys() == together.keys() == {job.key for job in jobs}
    for key, trial in alone.items():
        same(trial, together[key])
    assert runner.updates_made == sum(trial.updates for trial in alone.values())
    assert runner.trainings == len(jobs)


@pytest.mark.parametrize("workers", [1, 5])
def test_results_do_not_depend_on_the_workers(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    jobs = [
        Job(candidate(batch_size=size, learning_rate=0.1), repeat, 40, 5, patience=2.0)
        for size in (8, 16)
        for repeat in range(3)
    ]
    wanted = trained(a_bench(), jobs)
    monkeypatch.setattr(runner_module, "cores", lambda: workers)
    for key, trial in trained(a_bench(), jobs).items():
        same(trial, wanted[key], exactly=True)


# TrialStopping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["validation.loss", "validation.accuracy"])
def test_limits_as_numbers_stop_where_the_rules_of_stopping_do(monitor: str) -> None:
    runner = a_bench(monitor=monitor)
    same_program = candidate(batch_size=16, learning_rate=0.2)
    [whole] = runner.run([Job(same_program, 1, 150, 5)])
    curve = whole.curves.columns[monitor]
    middle, best = float(np.median(curve)), float(whole.curves.best(monitor).value[0])
    limits: list[tuple[float | None, float | None, float]] = [
        (middle, None, 0.0),
        (best, None, 0.0),
        (None, 2.0, 0.0),
        (None, 7.5, 0.0),
        (None, 7.5, 0.05),
        (best, 4.0, 0.01),
        (100.0 if monitor.endswith("y") else -100.0, None, 0.0),
    ]
    stopped = []
    for target, patience, change in limits:
        job = Job(same_program, 1, 150, 5, target, patience, change)
        [trial] = runner.run([job])
        criteria = []
        if target is not None:
            criteria.append(TargetValue(float(np.float32(target)), monitor))
        if patience is not None:
            criteria.append(Patience(patience, min_delta=change, monitor=monitor))
        said = decide(ep.any_of(*criteria), whole.curves, 1)
        end = said.epoch if said is not None else whole.curves.epoch[-1]
        assert trial.curves.epoch[-1] == pytest.approx(end), job.key
        assert (trial.reason == "rule") == (said is not None)
        stopped.append(trial.updates)
    assert len(set(stopped)) >= 4, "the limits differ in what they do"


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    target=st.none() | st.floats(0, 1, width=32),
    patience=st.none() | st.integers(1, 8),
    change=st.sampled_from([0.0, 0.125]),
    higher=st.booleans(),
)
def test_a_trial_stops_at_target_or_patience(
    values: list[float], target: float | None, patience: int | None, change: float, higher: bool
) -> None:
    monitor = "validation.accuracy" if higher else "validation.loss"
    sign = -1 if higher else 1
    rule = TrialStopping(monitor)
    state: Any = rule.limited(target, patience, change)
    best, since = np.float32(np.inf), 0
    for epoch, value in enumerate(values):
        seen = Observation(np.float32(epoch), {monitor: np.float32(value)})
        state, stop = rule.step(state, seen)
        if sign * np.float32(value) < best - np.float32(change):
            best, since = sign * np.float32(value), epoch
        reached = target is not None and sign * value <= sign * target
        tired = patience is not None and epoch - since >= patience
        assert bool(stop) == (reached or tired)
    assert monitor in rule.reason(state) and monitor in rule.describe()


def test_other_numbers_compile_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = a_bench()
    first = Job(candidate(batch_size=16, learning_rate=0.2), 0, 60, 5)
    list(runner.run([first]))
    before = compiler._slot.cache_info().misses
    others = [
        Job(candidate(batch_size=16, learning_rate=0.3), 0, 60, 5),
        Job(first.candidate, 1, 30, 3),
        Job(first.candidate, 2, 200, 7, target_value=0.4),
        Job(first.candidate, 0, 90, 1, patience=2.0),
    ]
    assert len(list(runner.run(others))) == len(others)
    assert compiler._slot.cache_info().misses == before

    class Compiled(Exception):
        pass

    def compiles(*args: Any) -> None:
        raise Compiled

    monkeypatch.setattr(compiler, "compiled_from", compiles)
    with pytest.raises(Compiled):  # what the law forbids can be seen
        list(runner.run([Job(candidate(batch_size=15), 0, 5, 5)]))
    assert compiler._slot.cache_info().misses > before


# Broken ---------------------------------------------------------------------------------------------------


def test_a_diverged_training_says_so() -> None:
    [trial] = a_bench(optimizer="sgd").run([Job(candidate(batch_size=16, learning_rate=1e12), 0, 100, 5)])
    assert trial.diverged and trial.reason == "not finite"
    assert np.isnan(trial.best("validation.loss"))
    assert trial.updates < 100


# Timing ---------------------------------------------------------------------------------------------------


def curve_of(sizes: list[int], seconds: list[float]) -> TimingCurve:
    """A curve through these points."""
    points = (UpdateTime(size, time, 0.0, 0.0, 10) for size, time in zip(sizes, seconds, strict=True))
    return TimingCurve(tuple(points))


sizes_of = st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True).map(sorted)


@given(sizes=sizes_of, data=st.data())
def test_interpolation_goes_through_the_points_and_stays_between(sizes: list[int], data: Any) -> None:
    times = st.lists(st.floats(1e-7, 10), min_size=len(sizes), max_size=len(sizes))
    seconds = data.draw(times)
    curve = curve_of(sizes, seconds)
    np.testing.assert_allclose(curve.seconds(sizes), seconds, rtol=1e-9)
    place = data.draw(st.integers(0, len(sizes) - 2))
    between = data.draw(st.integers(sizes[place], sizes[place + 1]))
    low, high = sorted(seconds[place : place + 2])
    assert low * (1 - 1e-9) <= float(curve.seconds(between)) <= high * (1 + 1e-9)
    assert float(curve.seconds(sizes[-1] * 3)) == pytest.approx(seconds[-1])


@given(sizes=sizes_of, fixed=st.floats(1e-6, 1e-3), each=st.floats(1e-9, 1e-5))
def test_a_line_is_found_again(sizes: list[int], fixed: float, each: float) -> None:
    curve = curve_of(sizes, [fixed + each * size for size in sizes])
    a, b = curve.line()
    assert a >= 0 and b >= 0
    np.testing.assert_allclose(a + b * curve.batch_sizes, fixed + each * np.array(sizes, float), rtol=1e-6)


def test_the_line_is_never_negative() -> None:
    assert curve_of([1, 10, 100], [3.0, 2.0, 1.0]).line()[1] == 0
    assert curve_of([1, 10, 100], [0.1, 2.0, 40.0]).line()[0] >= 0


def test_an_update_time_is_measured_once() -> None:
    runner = a_bench()
    found = update_time(runner, candidate("timed", batch_size=16), seconds=0.02)
    assert found.batch_size == 16 and 0 < found.seconds < 60 and found.updates > 0
    assert np.isfinite(found.relative_excess) and found.relative_excess >= 0 and found.compile_seconds >= 0
    trained = runner.updates_made
    assert trained >= found.updates, "updates that are timed count"
    assert update_time(runner, candidate("timed", batch_size=16)) == found
    assert runner.updates_made == trained


def test_a_timer_measures_a_size_once_and_keeps_a_curve() -> None:
    timer = Timer(a_bench(), candidate("net"))
    one = timer.seconds(8)
    assert timer.seconds(8) == one == timer.curve.points[0].seconds
    timer.seconds(16)
    assert timer.curve.batch_sizes.tolist() == [8, 16]


# The store is asked first ---------------------------------------------------------------------------------


def test_a_known_job_is_not_trained_again() -> None:
    runner = a_bench()
    job = Job(candidate(batch_size=16), 0, 30, 5)
    [known] = runner.run([job])
    [found] = runner.run([job])
    assert runner.updates_made == known.updates and runner.trainings == 2
    same(known, found, exactly=True)
    runner.store = Store(None)
    [again] = runner.run([replace(job, repeat=1)])
    assert again.repeat == 1
