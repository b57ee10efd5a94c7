"""epochal plan: which samples form each update?"""

from __future__ import annotations

import json

import click

from epochal.cli.options import batch_size as read_batch_size
from epochal.cli.options import whole
from epochal.plan import Plan

__all__ = ["command"]


@click.command("plan")
@click.argument("samples")
@click.option("--batch-size", "-b", required=True, metavar="B", help='Samples of one update, or "full".')
@click.option(
    "--epochs", "-e", default="1", show_default=True, metavar="E", help="Passes through the samples."
)
@click.option("--seed", default="0", show_default=True, help="Which random order.")
@click.option("--order", default="shuffle", show_default=True, help="shuffle, shuffle_once or sequential.")
@click.option("--remainder", default="keep", show_default=True, help="keep, drop, spread or carry.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    samples: str, batch_size: str, epochs: str, seed: str, order: str, remainder: str, as_json: bool
) -> None:
    """Say what batches SAMPLES make, how many updates that is, and what becomes of the remainder."""
    plan = Plan(
        whole("samples", samples),
        read_batch_size(batch_size),
        whole("epochs", epochs),
        seed=whole("seed", seed),
        order=order,
        remainder=remainder,
    )
    click.echo(json.dumps(plan.to_dict()) if as_json else str(plan))
