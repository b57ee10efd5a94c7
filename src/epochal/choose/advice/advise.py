"""`advise`: batch size, learning rate and number of epochs, with their uncertainty.

advice = advise(MLP(64, 64), X, y, goal="time")
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from epochal.choose.advice.advice import GOALS, Advice
from epochal.choose.advice.builder import build_advice
from epochal.choose.advice.steps import Adviser
from epochal.choose.search.final_step import MIN_FINAL_SEEDS
from epochal.choose.trials.progress import OnStep, ProgressSteps
from epochal.choose.trials.store import Store
from epochal.choose.trials.target_values import check_target_value
from epochal.choose.trials.trial import Candidate
from epochal.choose.trials.trial_runner import TrialRunner, prepare_shared, training_on
from epochal.data import named_columns, source_from_xy, y_or_target
from epochal.errors import Refusal, did_you_mean
from epochal.models import check_model
from epochal.plan import BatchSchedule
from epochal.runs.studies import write_study
from epochal.settings import ADVISE_DEFAULTS, Options
from epochal.settings.value_kinds import plain_number
from epochal.training.loop import StopSignal
from epochal.training.samples import as_dataset
from epochal.training.signatures import settings_of, takes_options

_OTHER_GOALS = {"accuracy": "quality", "loss": "quality", "speed": "time", "fast": "time", "data": "samples"}
"""Words that were meant for one of the goals."""

SMALL, MORE_REPEATS = 20_000, 40  # samples up to which a training is cheap enough for so many further repeats

FINAL_SEEDS = 4
"""So many times the repeats are seeds that choose nothing, in a small table: 40 show a failure in 1 of 14
trainings with a chance of 95 %."""


@takes_options(without=("stop", "updates_per_epoch"), defaults=ADVISE_DEFAULTS)
def advise(
    model: Any,
    data: Any = None,
    y: Any = None,
    *,
    sample_weight: Any = None,
    goal: str = "quality",
    target: str | None = None,
    target_value: float | None = None,
    folder: str | Path | None = None,
    stop_signal: StopSignal | None = None,
    watch: OnStep | None = None,
    progress: bool | None = None,
    ray: str | None = None,
    **options: Unpack[Options],
) -> Advice:
    """Advise a batch size, a learning rate and a number of epochs, each with an interval.

    Args:
        model: what `fit` takes.
        data: what `fit` takes.
        y: what `fit` takes.
        sample_weight: what `fit` takes.
        goal: "quality", the lowest validated error, and of settings that are as good the fastest; or what is
            minimized, "time", "samples" or "updates", until the quality is nearly as good as the best.
        target: the column of the targets, if not in `y`.
        target_value: the value of the monitored metric that counts as reached, instead of one measured in
            each repeat.
        folder: where finished trainings are kept; a second call goes on where the first ended.
        stop_signal: ends it from outside (`StopSignal.stop`).
        watch: called with a `ProgressStep` after each training.
        progress: whether to show progress, as in `fit`; the default is yes unless `watch` is given.
        ray: address of a Ray cluster on whose nodes the trainings are made ("auto": the one this machine
            belongs to). Updates are timed and the gradient noise is measured here.
        **options: those of a training, by name. `repeats` (10) is that of the search; its result is checked
            on at least 10 more. `epochs` is the most that are thought of; a `batch_size` or
            `learning_rate` that is given is kept:

    Returns:
        The advice and all that it rests on.

    Raises:
        Refusal: what cannot work, or a target that no setting reached.
        Interrupted: `stop_signal` was set.
        ProcessLost: no node of the cluster is left; what was finished is in the folder.
    """
    stop_signal = stop_signal or StopSignal()
    steps = ProgressSteps(watch, progress, stop_signal)
    if goal not in GOALS:
        meant = _OTHER_GOALS.get(str(goal).lower(), str(goal))
        raise Refusal(did_you_mean("goal", meant, GOALS, given=str(goal)))
    check_model(model, data)
    y = y_or_target(y, target)
    check_target_value(target_value)
    given: dict[str, Any] = dict(options)
    asked = ("repeats", "batch_size", "epochs")
    repeats, size, epochs = (given.pop(name, ADVISE_DEFAULTS[name]) for name in asked)
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 3:
        raise Refusal(f"`repeats` must be at least 3, to tell chance from difference; got {repeats!r}.")
    if isinstance(size, list | tuple | Mapping | BatchSchedule):
        raise Refusal(
            f"`batch_size` must be one size to keep, or left out; got {size!r}: compare takes lists."
        )
    if given.get("stop") is not None:
        raise Refusal("stop has no place in an advice, whose trainings end by themselves; leave it out.")
    held_out = plain_number(given.get("validation", 0.2))
    if isinstance(held_out, int | float) and held_out == 0:
        raise Refusal(
            "advice needs validation samples to judge by; got `validation=0`. Use `validation=0.2`."
        )
    dataset = as_dataset(source_from_xy(data, y, sample_weight, task=given.get("task")), given.get("task"))
    small = dataset.samples <= SMALL
    final_seeds = FINAL_SEEDS * repeats if small else max(MIN_FINAL_SEEDS, repeats)
    most = final_seeds + 2 * repeats + (MORE_REPEATS if small else 0)
    settings = settings_of({**given, "batch_size": "full", "repeats": most, "epochs": epochs})
    runner = TrialRunner(prepare_shared(model, dataset, settings), stop_signal=stop_signal)
    if size is not None:
        size = runner.base.plan.with_(batch_size=size).segments[0][1]
    steps.opening(runner.base.dataset)
    steps.where = lambda: runner.executor.where
    with closing(steps), training_on(ray, runner):
        if folder is not None:
            request = {"goal": goal, "target_value": target_value, "batch_size": size, "repeats": repeats}
            runner.store = Store(Path(folder), {"what": "advice", **request, **runner.described()})
        candidate = Candidate("", model, {})
        adviser = Adviser(runner, candidate, goal, target_value, size, repeats, final_seeds, epochs, steps)
        adviser.advise()
        found = replace(build_advice(adviser), asked={**named_columns(y, sample_weight), **given})
        if folder is not None:
            write_study(folder, found.to_dict())
        return found
