"""Registry of functions that records call by name, filled by the layer above."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

VIEWS: dict[str, str] = {}
"""Functions as "module:function", imported on first use."""


def view(name: str) -> Callable[..., Any]:
    """The function of this name.

    >>> view("plot_curves").__module__
    'epochal.report.plots.curves'
    """
    module, _, function = VIEWS[name].partition(":")
    return getattr(importlib.import_module(module), function)
