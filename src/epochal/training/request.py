"""The request of a training as JSON, and the training rebuilt from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from epochal.data import Dataset, load
from epochal.data.recipe import EXAMPLE
from epochal.data.registry import read_again, recipe_from_dict
from epochal.errors import Refusal
from epochal.models.convert import NamedModel
from epochal.runs.checks import WRONG
from epochal.settings import Settings
from epochal.training.describe import environment
from epochal.training.differences import differences
from epochal.training.json_settings import (
    damaged,
    given_in_words,
    read_model,
    read_settings,
    write_model,
    write_settings,
)
from epochal.training.json_values import shown
from epochal.training.prepared import Prepared
from epochal.training.resume_fingerprint import resume_fingerprint

FORMAT = 1
"""The version of the document; others are not read."""

_PARTS = ("format", "model", "data", "settings", "fingerprint", "environment")

_FILES = {"validation": "validation data", "test": "test data", "initial": "first parameters"}
"""Settings that may name a file."""


def request_json(prepared: Prepared) -> dict[str, Any]:
    """The request of a training as JSON: model, data and settings as given, or {"given": words}."""
    settings = prepared.settings
    if settings.micro_batch == "auto":
        settings = replace(settings, micro_batch=prepared.spec.micro_batch)
    if settings.stream is None:
        # A micro-batch chosen by memory is fixed: another machine must make the same program.
        settings = replace(settings, stream=prepared.streamed)
    recipe = prepared.dataset.recipe
    return {
        "format": FORMAT,
        "model": write_model(prepared.model_argument),
        "data": {"given": prepared.dataset.source} if recipe is None else recipe.to_dict(),
        "settings": write_settings(settings),
        "fingerprint": resume_fingerprint(prepared),
        "environment": environment_of(prepared),
    }


def environment_of(prepared: Prepared) -> dict[str, Any]:
    """What is trained on, and modification time and size of a streamed file."""
    stamp, recipe = None, prepared.dataset.recipe
    if prepared.streamed and recipe is not None and Path(recipe.source).is_file():
        stat = Path(recipe.source).stat()
        stamp = {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}
    return environment(deterministic=prepared.settings.deterministic) | {"data": stamp}


def ask_again(
    document: Any,
    *,
    model: Any = None,
    data: Any = None,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Any, Any, Settings]:
    """Rebuild the arguments of `prepare`: model, data and settings.

    The document may be damaged or untrusted: nothing is imported. `model`, `data` and `options` replace what
    it says: "module:function" names a model, a path is a moved file.

    >>> from epochal.models import MLP
    >>> from epochal.training.prepare import prepare
    >>> request = request_json(prepare(MLP(8), "example:iris", Settings(epochs=5)))
    >>> model, data, settings = ask_again(request)
    >>> model.hidden, data.samples, settings.epochs
    ((8,), 150, 5)
    """
    if not isinstance(document, Mapping) or not set(_PARTS) <= set(document):
        raise damaged(f"it must have {', '.join(_PARTS)}")
    if document["format"] != FORMAT:
        raise Refusal(
            f"request.json must be of format {FORMAT}; got {shown(document['format'])}. "
            "Go on with the version of epochal that wrote it."
        )
    values, lacking = read_settings(document["settings"], options or {})
    for name, given in (("data", data), ("model", model)):
        words = given_in_words(document[name])
        if given is None and words is not None:
            lacking[name] = words
    if lacking:
        what = ", ".join(f"{name} ({words})" for name, words in lacking.items())
        again = ", ".join(f"{name}=..." for name in lacking)
        raise Refusal(
            f"a file can't hold all that the run was given; give it again: {what}: "
            f"epochal.resume(folder, {again})."
        )
    for name, what in _FILES.items():
        path = getattr(values.get(name), "path", values.get(name))
        if name not in (options or {}) and isinstance(path, str) and not _there(path):
            raise Refusal(
                f'the {what} of the run must be where they were, "{shown(path)}"; nothing is there. '
                f"Say where they are now: epochal.resume(folder, {name}=path)."
            )
    settings = Settings(**values)
    chosen = model if model is not None else read_model(document["model"])
    samples = _read_data(document["data"], data, progress)
    if isinstance(chosen, str):
        samples = samples if isinstance(samples, Dataset) else load(samples, task=settings.task)
        if samples.task is None:
            raise Refusal("the training data has no target; name the target column.")
        chosen = NamedModel.of(chosen, samples.shape, samples.task.outputs)
    return chosen, samples, settings


def _read_data(written: Any, given: Any, progress: Callable[[str, int, int], None] | None) -> Any:
    if not isinstance(given, str | Path | None) or given_in_words(written) is not None:
        return given
    try:
        recipe = recipe_from_dict(written)
    except Refusal as error:
        raise damaged(f"data: {error.sentence.rstrip('.')}") from None
    except WRONG:
        raise damaged(f"data must say how it is read; got {shown(written)}") from None
    if given is None and not _there(recipe.source):
        raise Refusal(
            f'the data of the run must be where they were, "{shown(recipe.source)}"; nothing is there. Say '
            "where they are now: `ep.resume(..., data=PATH)`."
        )
    return read_again(recipe, given, progress)


def _there(source: str) -> bool:
    """Whether it names an example, a file or a folder; devices and pipes may never end."""
    try:
        return source.startswith(EXAMPLE) or Path(source).is_file() or Path(source).is_dir()
    except (OSError, ValueError):
        return False


def with_epochs(document: Mapping[str, Any], epochs: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The request with more epochs, and notes; fewer are refused."""
    values, _ = read_settings(document["settings"], {})
    before = values.get("epochs", Settings().epochs)
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < before:
        raise Refusal(
            f"`epochs` must be a whole number, at least {before:,}, what the run was asked for; got "
            f"{epochs!r}. A run that goes on can be ended earlier by Ctrl-C: what was learned is then saved."
        )
    schedule = values.get("schedule", "constant")
    notes: tuple[str, ...] = ()
    if getattr(schedule, "kind", schedule) in ("cosine", "linear") and epochs > before:
        notes = (
            f"the learning rate has fallen along {before:,} epochs and goes on along {epochs:,}: this is not "
            f"the run that {epochs:,} epochs asked for at once would have been.",
        )
    return {**document, "settings": {**document["settings"], "epochs": epochs}}, notes


def environment_changes(then: Any, now: Mapping[str, Any]) -> list[str]:
    """What changed around a resumed training, one short clause each.

    It is the same training, but with another version of JAX or another device numbers may differ in their
    last bits. A streamed file is compared by some of its samples, so a change is reported.
    """
    before: Mapping[str, Any] = then if isinstance(then, Mapping) else {}
    versions = before.get("versions")
    found = differences(versions, now["versions"]) if isinstance(versions, Mapping) else []
    names = ("device", "machine", "deterministic")
    found += differences({name: before.get(name) for name in names}, {name: now.get(name) for name in names})
    if before.get("data") != now.get("data", before.get("data")):
        found.append(
            "the file with the data was written since; of what is streamed, some samples are compared"
        )
    return found
