"""Registry of functions that records call by name, filled by the layer above."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

_VIEWS: dict[str, str] = {}


def register(views: Mapping[str, str]) -> None:
    """Register functions as "module:function", imported on first use."""
    _VIEWS.update(views)


def view(name: str) -> Callable[..., Any]:
    """The function of this name.

    >>> view("plot_curves").__module__
    'epochal.report.paper.curves'
    """
    module, _, function = _VIEWS[name].partition(":")
    return getattr(importlib.import_module(module), function)
