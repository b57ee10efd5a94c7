"""Resuming an interrupted training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from epochal.errors import Refusal
from epochal.runs import Run, load, load_record
from epochal.runs.checkpoints import newest
from epochal.runs.run_folder import RunFolder, read_request
from epochal.runs.studies import refuse_study
from epochal.training.agreement import same_micro_batch, start_together
from epochal.training.differences import differences
from epochal.training.events import Resumed
from epochal.training.loop import StopSignal, micro_batched
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared
from epochal.training.processes import process_group
from epochal.training.progress import display
from epochal.training.repeats import cluster_for
from epochal.training.request import ask_again, environment_changes, environment_of, with_epochs
from epochal.training.resume_fingerprint import resume_fingerprint
from epochal.training.snapshot import Snapshot, read_snapshots
from epochal.training.train import Events, run_to_end


def resume(
    folder: str | Path,
    *,
    model: Any = None,
    data: Any = None,
    epochs: int | None = None,
    progress: bool | None = None,
    ray: str | None = None,
    **given: Any,
) -> Run:
    """Resume the training in a run folder and return its finished `Run`.

    It resumes from the newest checkpoint that verifies, and the result is bit-identical to that
    without the interruption, on the same machine and versions. A finished run is returned unchanged,
    as is one whose repeats were all ended by a rule.

    Args:
        folder: from `fit(..., out=folder)` or `epochal train`.
        model: a custom model.
        data: the data, if it was no file or has been moved; its content must be the same.
        epochs: more epochs than before: the result is as if they had been requested at first.
        progress: whether to show progress, as in `fit`.
        ray: the address of a Ray cluster for the repeats, as in `fit`.
        **given: what JSON can't hold, such as an Optax object (`optimizer=...`).

    Raises:
        Refusal: no such folder, other data, another model, or something that has to be given again.
        SaveFailed: a checkpoint or the run can't be written.

    >>> import tempfile, epochal as ep
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp()) / "iris"
    >>> run = ep.fit(ep.MLP(8), "example:iris", epochs=2, out=folder)
    >>> longer = resume(folder, epochs=5)
    >>> longer.plan.epochs, longer.curves.epoch[-1]
    (5, np.float64(5.0))
    """
    stop_signal, shown = StopSignal(), display(progress)
    found = resuming(folder, model=model, data=data, epochs=epochs, ray=ray, stop_signal=stop_signal, **given)
    return load(folder, model) if isinstance(found, Run) else run_to_end(found, stop_signal, shown)


def resuming(
    folder: str | Path,
    *,
    model: Any = None,
    data: Any = None,
    epochs: int | None = None,
    ray: str | None = None,
    stop_signal: StopSignal | None = None,
    saving: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    **given: Any,
) -> Events | Run:
    """The events of a resumed training, as in `train`; or its record, if it has ended.

    `saving` has fields of `SaveOptions` to change; `progress` takes (what, done, total) during slow reading.
    """
    others, path, stop_signal = process_group(), Path(folder), stop_signal or StopSignal()
    refuse_study(path)
    reopened = others.run_on_leader("the run folder", lambda: RunFolder.reopen(path, **(saving or {})))
    run_folder, first = reopened or (None, {})

    def read() -> Run | tuple[dict[str, Any], dict[str, Any], tuple[str, ...], Prepared]:
        request = dict(first if run_folder is not None else read_request(path))
        request.pop("saving", None)  # for the process that writes
        longer, notes = (request, ()) if epochs is None else with_epochs(request, epochs)
        ended = _ended(path, longer)
        if ended is not None:
            return ended
        chosen, samples, settings = ask_again(
            longer, model=model, data=data, options=given, progress=progress
        )
        return request, longer, notes, micro_batched(prepare(chosen, samples, settings))

    def learned() -> tuple[int, dict[int, Snapshot], tuple[str, ...]]:
        _check(path, request["fingerprint"], resume_fingerprint(prepared))
        own = None if run_folder is None else run_folder.checkpoints_of(request["fingerprint"])
        kept, passed_over = newest(path) if own is None else own.newest()
        if kept is None:
            return 0, {}, passed_over
        _check(kept.path, kept.fingerprint, request["fingerprint"])
        return kept.updates, read_snapshots(prepared, kept.files), passed_over

    with ExitStack() as resources:
        if run_folder is not None:
            resources.callback(run_folder.close)
        found = others.run_on_all("what goes on", read)
        if isinstance(found, Run):
            return found
        request, longer, notes, prepared = found
        prepared = same_micro_batch(prepared)
        updates, snapshots, passed_over = others.run_on_all("what was learned", learned)
        if prepared.dataset.recipe is not None:
            longer = {**longer, "data": prepared.dataset.recipe.to_dict()}  # its present path
        cluster = cluster_for(prepared, ray, path, stop_signal, resources, snapshots)

        def begin() -> None:
            if run_folder is not None and (longer != request or saving):
                run_folder.update_request(longer)

        start_together(prepared, begin, path, updates)
        resources = resources.pop_all()
    environment = environment_changes(request["environment"], environment_of(prepared))
    resumed = Resumed(sum(one.updates for one in snapshots.values()), (*notes, *passed_over, *environment))
    return Events(prepared, stop_signal, resources, run_folder, cluster, snapshots, resumed)


def _check(path: Path, then: Any, now: Mapping[str, Any]) -> None:
    differing = differences(then, now)
    if differing:
        raise Refusal(f'the training in "{path}" can\'t go on: {"; ".join(differing)}.')


def _ended(path: Path, request: Mapping[str, Any]) -> Run | None:
    """The run in a folder, if it has these epochs or a rule ended each repeat; else None."""
    if not (path / "run.json").is_file():
        return None
    run = load_record(path)
    if run.interrupted or run.failed:
        return None
    by_rule = all(one.epochs < run.plan.epochs for one in run.outcomes)
    return run if by_rule or run.plan.epochs == request["settings"]["epochs"] else None
