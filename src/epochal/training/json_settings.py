"""Settings and models as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from epochal.common.option_text import option
from epochal.errors import Refusal, did_you_mean
from epochal.models import Pairwise, without_embeddings
from epochal.models.convert import NamedModel
from epochal.runs.checks import WRONG, network_class
from epochal.settings import DECLARED, Settings
from epochal.settings.value_kinds import InvalidValue
from epochal.training.json_values import NotSerializable, codec_of, in_words, shown

_MAX_LAYERS = 10_000
_MAX_UNITS = 2**31


def damaged(what: str) -> Refusal:
    """The refusal of a damaged request."""
    return Refusal(f"request.json is damaged: {what}.")


def given_in_words(value: Any) -> str | None:
    """The description of a value that a file can't hold; None for others."""
    if isinstance(value, Mapping) and set(value) == {"given"} and isinstance(value["given"], str):
        return shown(value["given"])
    return None


CODECS = {name: codec_of(one) for name, one in DECLARED.items()}
"""How each setting is written and read."""


def write_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON; other values become {"given": words}."""
    found = {}
    for name, codec in CODECS.items():
        value = getattr(settings, name)
        try:
            found[name] = codec.write(value)
        except NotSerializable:
            found[name] = {"given": in_words(value)}
    return found


def read_settings(written: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings with these options replaced, and a description of those to be given again."""
    if not isinstance(written, Mapping):
        raise damaged(f"settings must be named; got {shown(written)}")
    found: dict[str, Any] = {}
    lacking: dict[str, str] = {}
    for name, value in written.items():
        if name not in CODECS:
            raise damaged(did_you_mean("setting", shown(name), CODECS).rstrip("."))
        if name in options:
            continue
        if (words := given_in_words(value)) is not None:
            lacking[name] = words
            continue
        try:
            found[name] = CODECS[name].read(value)
        except InvalidValue as wrong:
            raise damaged(f"settings.{name} {shown(wrong)}") from None
        except WRONG as error:
            why = f" ({shown(error).rstrip('.')})" if isinstance(error, Refusal) else ""
            raise damaged(f"settings.{name} must be {CODECS[name].what}; got {_json(value)}{why}") from None
    return {**found, **options}, lacking


def _json(value: Any) -> str:
    try:
        return shown(json.dumps(value))
    except WRONG:
        return "what is no JSON"


def write_model(model: Any) -> dict[str, Any]:
    """A built-in network as its settings, one of a module by its name, others as {"given": words}."""
    model = without_embeddings(model)
    if type(model) is Pairwise:
        return {"kind": "pairwise", "of": write_model(model.model)}
    if isinstance(model, NamedModel) or type(model) is network_class(getattr(model, "kind", None)):
        return model.to_dict()
    return {"given": in_words(model)}


def read_model(written: Any) -> Any:
    """The requested network. A custom model is not imported and has to be named again."""
    words = given_in_words(written)
    if words is not None:
        raise Refusal(
            f"the model of the run ({words}) can't be kept in a file; give it again: "
            "`ep.resume(..., model=...)`."
        )
    try:
        kind = written["kind"]
        if kind == "pairwise":
            inner = written["of"]
            if set(written) != {"kind", "of"} or (isinstance(inner, Mapping) and inner.get("kind") == kind):
                raise TypeError
            return Pairwise(read_model(inner))
        if kind == "import":
            path = shown(written["path"])
            raise Refusal(
                f"the run trains the model {path} of your own; name it again: "
                f"{option('model', path, of='ep.resume')}."
            )
        network = network_class(kind)
        if network is None:
            raise TypeError(kind)
        found = network.from_dict(dict(written))
        # The settings must be complete: no other names, no values of another type.
        complete = json.dumps(found.to_dict(), sort_keys=True) == json.dumps(dict(written), sort_keys=True)
        outputs = written.get("network", written).get("outputs")
        counted = outputs is None or type(outputs) is int
        if not (complete and counted and all(0 < size <= _MAX_UNITS for size in _sizes(written))):
            raise TypeError
        return found
    except Refusal:
        raise
    except WRONG:
        raise damaged(f"model must be a network with its settings; got {_json(written)}") from None


def _sizes(written: Any) -> list[int]:
    """All integers of a network: units, filters, layers; at most as many as any network has."""
    inner = written.values() if isinstance(written, Mapping) else written
    if isinstance(written, Mapping | list):
        found = [size for one in inner for size in _sizes(one)]
    else:
        found = [written] if type(written) is int else []
    if len(found) > _MAX_LAYERS:
        raise TypeError
    return found
