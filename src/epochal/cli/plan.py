"""epochal plan: the batches of a number of samples, or of the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epochal.cli.command import Command
from epochal.cli.options import (
    BatchSize,
    Growth,
    Whole,
    batch_size_of,
    column,
    number_or_path,
    order_of,
    reading,
    reading_options,
)
from epochal.cli.say import say, say_document
from epochal.errors import Refusal
from epochal.plan import Plan

__all__ = ["command"]


class _Samples(Whole):
    """A number of samples, or a file that has them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if text == "-" or text.startswith("example:") or Path(text).expanduser().exists():
            return text
        if any(mark in text.strip("+-").rstrip("0123456789._,") for mark in "./\\"):
            raise Refusal(f'samples must be a number or a file; there is no file "{text}".')
        return super().convert(value, param, ctx)


@click.command("plan", cls=Command)
@click.argument("samples", metavar="SAMPLES|DATA", type=_Samples(1))
@click.option(
    "--batch-size",
    "-b",
    type=BatchSize(),
    metavar="B",
    help='Batch size, or "full". [32, or all samples if fewer]',
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
    help='Other batch sizes after so many epochs, such as 30:128,60:full; or "5000 updates:128".',
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
@click.option(
    "--seed", type=Whole(0), default=0, show_default=True, metavar="S", help="Seed of the random order."
)
@click.option("--target", "-t", metavar="COLUMN", help="DATA: name or number, from 1. [the last column]")
@click.option(
    "--validation", default="0.2", show_default=True, metavar="SHARE", help="DATA: held out, as train does."
)
@click.option("--test", default="0", show_default=True, metavar="SHARE", help="DATA: held out for testing.")
@reading("Options")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def command(
    samples: int | str,
    batch_size: Any,
    epochs: int,
    updates_per_epoch: int | None,
    grow_batch: Any,
    seed: int,
    order: str,
    block_length: int | None,
    remainder: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Say what batches SAMPLES make, how many updates that is, and what becomes of the remainder.

    SAMPLES is a number, or a file whose rows are counted as train would use them.

    \b
    epochal plan 1000 --batch-size 400
    epochal plan table.csv --target price --batch-size 32 --epochs 100
    """
    chosen = order_of(order, block_length)
    if chosen.needs:
        raise Refusal(
            f'order "{order}" depends on the {chosen.needs} of the samples, and here is but their number: '
            f"use epochal train DATA --order {order}, then epochal trace RUN --audit."
        )
    counted = {} if isinstance(samples, int) else _count(samples, seed, given)
    training = samples if isinstance(samples, int) else counted["training"]
    plan = Plan(
        training,
        batch_size_of(min(32, training) if batch_size is None else batch_size, grow_batch),
        epochs,
        seed=seed,
        order=chosen,
        remainder=remainder,
        updates_per_epoch=updates_per_epoch,
    )
    if as_json:
        say_document({**plan.to_dict(), "data": counted} if counted else plan.to_dict())
    else:
        if counted:
            say(_counted(counted))
        say(plan)


def _count(source: str, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    """How many samples of a table train, validate and test."""
    from epochal.data import load
    from epochal.settings import Settings
    from epochal.training.samples import Gathered

    shares = {name: number_or_path(given[name]) for name in ("validation", "test")}
    for name, share in shares.items():
        if isinstance(share, str):
            raise Refusal(f'{name} must be a share or a number of samples here; got "{share}".')
    dataset = load(source, target=column(given["target"]), **reading_options(given))
    parts = Gathered.of(dataset, Settings(repeats=1, seed=seed, **shares)).splits[0]
    return {
        "source": dataset.source,
        "target": dataset.target_name,
        "samples": dataset.samples,
        "training": len(parts.train),
        "validation": len(parts.validation),
        "test": len(parts.test),
    }


def _counted(counted: dict[str, Any]) -> str:
    """What the samples of a table are for.

    >>> _counted({"source": "t.csv", "samples": 10, "training": 8, "validation": 2, "test": 0})
    '8 of the 10 samples of t.csv train; 2 are held out for validation.'
    """
    held = " and ".join(f"{counted[part]:,} for {part}" for part in ("validation", "test") if counted[part])
    said = f"{counted['training']:,} of the {counted['samples']:,} samples of {counted['source']} train"
    return f"{said}; {held.replace(' for', ' are held out for', 1)}." if held else f"{said}."
