"""The files of a finished run, checked against run.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epochal.common.option_text import call, option
from epochal.data.records import built
from epochal.data.task import Task
from epochal.errors import Refusal
from epochal.models.initial import Initial
from epochal.runs import disk
from epochal.runs.checkpoints import find
from epochal.runs.checks import damaged, excerpt, reading
from epochal.runs.checksummed_json import LIMIT, parse, unseal
from epochal.runs.disk import Digest
from epochal.runs.studies import refuse_study

FORMAT = 3
RUN = "run.json"
REQUEST = "request.json"
"""The request, with which a training is rebuilt."""
PAGE = "report.html"
OBSERVED = "observed.parquet"
_TABLES = ("metrics.parquet", "split.parquet")
PARAMETERS = ("best.safetensors", "last.safetensors", "scaling.safetensors")
_OPTIONAL = ("predictions-validation.parquet", "predictions-test.parquet", OBSERVED)
RESULTS = (*_TABLES, *PARAMETERS, *_OPTIONAL, PAGE)
"""The files that run.json may list."""


def read_run(folder: Path) -> dict[str, Any]:
    """The content of run.json, if the training has ended and this version of epochal reads it."""
    file = folder / RUN
    if not file.is_file():
        refuse_study(folder)
        if (folder / REQUEST).is_file():
            raise Refusal(
                f'the run in "{folder}" has not ended: it has no {RUN}. '
                f"{call('ep.resume', str(folder))} goes on with it."
                if find(folder)
                else f'the run in "{folder}" was ended before its first checkpoint: nothing that it learned '
                f"is kept. {call('ep.resume', str(folder))} begins it again."
            )
        raise Refusal(f'"{folder}" is not a run folder: it has no {RUN}. `epochal runs` lists the runs here.')
    text = disk.read(file, limit=LIMIT)
    try:
        document = parse(text)
        format_ = document["format"]
    except (ValueError, LookupError, TypeError) as error:
        raise Refusal(f'"{file}" is damaged: {excerpt(error)}.') from error
    # Another version may seal in another way, so the version is checked first.
    if format_ != FORMAT:
        raise Refusal(
            f'"{folder}" has run format {excerpt(format_)}; this version of epochal reads {FORMAT}.'
        )
    return unseal(text, file)


def listed(folder: Path, document: Mapping[str, Any]) -> dict[str, Digest]:
    """The files that run.json lists, by name: all that are required, and no others than a run has."""
    files = document.get("files")
    if not isinstance(files, dict):
        raise damaged(folder, f"{RUN} lists no files")
    if unknown := [name for name in files if name not in RESULTS]:
        raise damaged(folder, f'{RUN} lists "{excerpt(unknown[0])}", which is no file of a run')
    if lacking := [name for name in (*_TABLES, *PARAMETERS) if name not in files]:
        raise damaged(folder, f"{RUN} does not list {lacking[0]}")
    with reading(folder):
        return {name: built(Digest, value) for name, value in files.items()}


def check_initial(initial: Any, task: Task | None) -> None:
    """Refuse initial parameters of a run that were changed since, or have its classes in another order."""
    initial = initial.path if isinstance(initial, Initial) else initial
    if not isinstance(initial, str | Path):
        return
    path = Path(initial).expanduser()
    file = path / PARAMETERS[0] if path.is_dir() else path
    if not file.is_file() or not (file.parent / RUN).is_file():
        return
    try:
        run = read_run(file.parent)
        files = listed(file.parent, run)
    except Refusal:
        if path.is_dir():
            raise
        return  # a file beside an unrelated run.json
    known = tuple(run.get("task", {}).get("classes", ()))
    if task is not None and task.kind == "binary" and known == task.classes[::-1]:
        raise Refusal(
            f'`initial` has the classes in another order: its positive one is "{known[1]}", and here it is '
            f'"{known[0]}"; give {option("positive", known[1])}.'
        )
    if file.name in files:
        disk.check(file, files[file.name])


def check_files(folder: Path, files: Mapping[str, Digest], parameters: bool) -> None:
    """Refuse missing, changed or additional files, but for the page; parameters only if they are read."""
    for name, written in files.items():
        if name == PAGE or (name in PARAMETERS and not parameters):
            continue
        if not (folder / name).is_file():
            raise Refusal(f'the run folder "{folder}" lacks {name}.')
        disk.check(folder / name, written)
    for name in _OPTIONAL:
        if name not in files and (folder / name).exists():
            raise damaged(folder, f"it has {name}, which {RUN} does not list")
