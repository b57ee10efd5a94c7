"""Settings from keyword arguments, and the signatures and docstrings of functions that take them."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from epochal.data import load
from epochal.errors import Refusal, did_you_mean
from epochal.settings import DECLARED, Settings
from epochal.settings.option import Option, declared_options

Function = TypeVar("Function", bound=Callable[..., Any])

_STARRED = re.compile(r"^( *)\*\*options: .*(?:\n\1 +.*)*", re.MULTILINE)

_ELSEWHERE = {
    "patience": "stop=ep.Patience(20)",
    "target": 'y="column", as in ep.fit(model, frame, "column")',
    "hidden": "the model ep.MLP(64, 64)",
    "sample_weight": "ep.fit(model, X, y, sample_weight=weights)",
    "block_length": "order=ep.Blocks(12)",
    "groups": 'order=ep.Groups(values), or ep.load_data(source, groups="column")',
    "progress": "ep.fit(..., progress=False), since train yields events",
    "max_seconds": "stop=ep.Budget(seconds=60)",
    "max_updates": "stop=ep.Budget(updates=1000)",
    "lr": "learning_rate",
    "n_epochs": "epochs",
    "max_iter": "epochs",
    "random_state": "seed",
    "verbose": "progress=False to be silent",
    "validation_split": "validation=0.2",
    "validation_data": "validation=(X_val, y_val)",
    "early_stopping": "stop=ep.Patience(20)",
    "hidden_layer_sizes": "the model ep.MLP(64, 64)",
    "shuffle": 'order="shuffle", the default, or order="sequential"',
    "callbacks": "ep.train(...), which yields events",
}
"""Options of the command line and of other libraries that are elsewhere, and where."""


def settings_of(options: Mapping[str, Any], beside: Iterable[str] = ()) -> Settings:
    """The settings with these options; an unknown one is refused with the nearest name, or `beside`."""
    for name in options:
        if name in _ELSEWHERE:
            raise Refusal(f'unknown option "{name}"; use {_ELSEWHERE[name]}.')
        if name not in DECLARED and name in inspect.signature(load).parameters:
            raise Refusal(
                f'option "{name}" is one of load_data: ep.fit(model, ep.load_data(source, {name}=...)).'
            )
        if name not in DECLARED:
            raise Refusal(did_you_mean("option", name, [*beside, *DECLARED]))
    return Settings(**options)


def takes_options(
    *,
    without: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    several: Collection[str] = (),
    declaring: type = Settings,
) -> Callable[[Function], Function]:
    """Document the options of a function with `**options`: types, defaults and descriptions.

    `inspect.signature`, completion and `help()` show what is declared; the function itself is not wrapped.

    Args:
        without: options that the function refuses.
        defaults: those that differ from the declared ones.
        several: options that also take a list of values, or a mapping from labels to values.
        declaring: what declares the options.
    """

    def complete(function: Function) -> Function:
        own = inspect.signature(function)
        types = typing.get_type_hints(declaring)
        plain = [
            one.replace(annotation=_resolved(one.annotation, function))
            for one in own.parameters.values()
            if one.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        taken = [one for one in declared_options(declaring).values() if one.name not in without]
        shown = []
        for one in taken:
            kind = types[one.name]
            if one.name in several and kind is not Any:
                kind = kind | list[Any] | Mapping[str, Any]
            about = {"default": (defaults or {}).get(one.name, one.default), "annotation": kind}
            shown.append(inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, **about))
        function.__signature__ = own.replace(  # type: ignore[attr-defined]  # read by `inspect`
            parameters=[*plain, *shown], return_annotation=_resolved(own.return_annotation, function)
        )
        if function.__doc__:
            function.__doc__ = _completed(function.__doc__, taken)
        return function

    return complete


def _resolved(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation as a type; forward references remain strings."""
    try:
        return typing.get_type_hints(
            type("", (), {"__annotations__": {"one": annotation}}), vars(sys.modules[function.__module__])
        )["one"]
    except NameError:
        return annotation


def _completed(doc: str, options: list[Option]) -> str:
    """A docstring with a line for each option after that of `**options`."""

    def entry(found: re.Match[str]) -> str:
        lines = [" ".join(found[0].split()), *(one.documentation for one in options)]
        return "\n".join(
            textwrap.fill(one, 110, initial_indent=found[1], subsequent_indent=found[1] + "    ")
            for one in lines
        )

    return _STARRED.sub(entry, doc, count=1)
