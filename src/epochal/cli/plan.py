"""epochal plan: which samples form each update?"""

from __future__ import annotations

import json
from typing import Any

import click

from epochal.cli.command import Command
from epochal.cli.options import BatchSize, Whole
from epochal.plan import Plan

__all__ = ["command"]


@click.command("plan", cls=Command)
@click.argument("samples", type=Whole(1))
@click.option(
    "--batch-size",
    "-b",
    type=BatchSize(),
    required=True,
    metavar="B",
    help='Samples of one update, or "full".',
)
@click.option(
    "--epochs",
    "-e",
    type=Whole(1),
    default=1,
    show_default=True,
    metavar="E",
    help="Passes through the samples.",
)
@click.option(
    "--remainder", default="keep", show_default=True, metavar="R", help="keep, drop, spread or carry."
)
@click.option(
    "--order", default="shuffle", show_default=True, metavar="O", help="shuffle, shuffle_once or sequential."
)
@click.option("--seed", type=Whole(0), default=0, show_default=True, metavar="S", help="Which random order.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    samples: int, batch_size: Any, epochs: int, seed: int, order: str, remainder: str, as_json: bool
) -> None:
    """Say what batches SAMPLES make, how many updates that is, and what becomes of the remainder."""
    plan = Plan(samples, batch_size, epochs, seed=seed, order=order, remainder=remainder)
    click.echo(json.dumps(plan.to_dict()) if as_json else str(plan))
