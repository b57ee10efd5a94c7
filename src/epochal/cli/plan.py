"""epochal plan: which samples form each update?"""

from __future__ import annotations

from typing import Any

import click

from epochal.cli.command import Command
from epochal.cli.options import BatchSize, Growth, Whole, batch_size_of, order_of
from epochal.cli.say import say, say_document
from epochal.errors import Refusal
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
    help='Batch size, or "full".',
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
    "--updates-per-epoch",
    type=Whole(1),
    metavar="U",
    help="What an epoch is, instead of one pass through the samples; passes go on underneath.",
)
@click.option(
    "--grow-batch",
    type=Growth(),
    metavar="E:B,...",
    help='Batch sizes from later epochs on, such as 30:128,60:full; or "5000 updates:128".',
)
@click.option(
    "--remainder", default="keep", show_default=True, metavar="R", help="keep, drop, spread or carry."
)
@click.option(
    "--order",
    default="shuffle",
    show_default=True,
    metavar="O",
    help="shuffle, shuffle_once, sequential, replacement, blocks or tracks.",
)
@click.option("--block-length", type=Whole(1), metavar="N", help="Consecutive samples of a block.")
@click.option("--seed", type=Whole(0), default=0, show_default=True, metavar="S", help="Which random order.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    samples: int,
    batch_size: Any,
    epochs: int,
    updates_per_epoch: int | None,
    grow_batch: Any,
    seed: int,
    order: str,
    block_length: int | None,
    remainder: str,
    as_json: bool,
) -> None:
    """Say what batches SAMPLES make, how many updates that is, and what becomes of the remainder."""
    chosen = order_of(order, block_length)
    if chosen.needs:
        raise Refusal(
            f'order "{order}" depends on the {chosen.needs} of the samples, and here is but their number: '
            f"use epochal train DATA --order {order}, then epochal trace RUN --audit."
        )
    plan = Plan(
        samples,
        batch_size_of(batch_size, grow_batch),
        epochs,
        seed=seed,
        order=chosen,
        remainder=remainder,
        updates_per_epoch=updates_per_epoch,
    )
    if as_json:
        say_document(plan.to_dict())
    else:
        say(plan)
