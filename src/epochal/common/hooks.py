"""Functions of higher layers that record classes call, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

HOOKS: dict[str, str] = {}
"""Functions as "module:function", imported on first use."""


def hook(name: str) -> Callable[..., Any]:
    """The function of this name.

    >>> hook("plot_curves").__module__
    'epochal.report.plots.curves'
    """
    module, _, function = HOOKS[name].partition(":")
    return getattr(importlib.import_module(module), function)
