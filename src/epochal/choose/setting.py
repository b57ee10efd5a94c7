"""`Setting`: one combination of options in a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from epochal.models import Model


@dataclass(frozen=True, eq=False)
class Setting:
    """One way to train: a model, and what differs from the settings that all share.

    name     what people call it; unique within a comparison.
    model    what `fit` takes as a model.
    changes  options of `epochal.Settings` that differ from the common ones, such as {"batch_size": 8}.
    """

    name: str
    model: Model | Any
    changes: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "changes", MappingProxyType(dict(self.changes)))

    def with_(self, name: str | None = None, **changes: Any) -> Setting:
        """The same with further changes, and another name if one is given."""
        return Setting(self.name if name is None else name, self.model, {**self.changes, **changes})


def shown(value: Any) -> str:
    """A value of a setting in short: numbers with four digits, objects by their name.

    >>> shown(0.0031622776), shown("full"), shown(32)
    ('0.003162', 'full', '32')
    """
    if isinstance(value, float):
        return f"{value:.4g}"
    described = getattr(value, "name", None)
    return str(described) if isinstance(described, str) else str(value)
