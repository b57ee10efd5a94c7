"""Late-bound functions of higher layers: records call them by name, and the first call imports them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

FUNCTIONS: dict[str, str] = {}
"""Functions as "module:function", imported on first use."""


def late_bound(name: str) -> Callable[..., Any]:
    """The function registered under this name, imported now if it was not.

    >>> late_bound("plot_curves").__module__
    'epochal.report.plots.curves'
    """
    module, _, function = FUNCTIONS[name].partition(":")
    return getattr(importlib.import_module(module), function)
