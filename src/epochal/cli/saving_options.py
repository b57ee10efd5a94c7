"""Options of saving and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from epochal.cli.command import under
from epochal.cli.options import Whole, decorate

__all__ = ["saving", "saving_options"]

_kept = under("Checkpoints")

saving_options = decorate(
    _kept("--checkpoint-every", metavar="RHYTHM", help="Such as 60s, 500updates or 1epoch. [60s]"),
    _kept(
        "--keep-checkpoints",
        type=Whole(1),
        metavar="M",
        help="Every M-th stays, with the last 2 and the best.",
    ),
    _kept(
        "--if-unsaved",
        type=click.Choice(["stop", "continue"]),
        help="When a checkpoint can't be written: stop or continue. [stop]",
    ),
)
"""Options of the commands that train into a run folder."""


def saving(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of `RunFolder` that were given."""
    names = {
        "checkpoint_every": "checkpoint_every",
        "keep_checkpoints": "keep_every",
        "if_unsaved": "if_unsaved",
    }
    return {field: given[name] for name, field in names.items() if given.get(name) is not None}
