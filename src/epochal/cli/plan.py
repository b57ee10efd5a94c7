"""epochal plan: the batches of a number of samples, or of the rows of a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from epochal.cli.arguments import batch_size_of, order_of
from epochal.cli.command import Command
from epochal.cli.data import reading_of
from epochal.cli.flags import BLOCK, GROW, JSON, READING, TARGET
from epochal.cli.options import Text, but, flags
from epochal.cli.output import echo, echo_json
from epochal.errors import Refusal
from epochal.plan import Plan
from epochal.settings.value_kinds import whole


class _Samples(Text):
    """A number of samples, or a file that has them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if text == "-" or text.startswith("example:") or Path(text).expanduser().exists():
            return text
        if any(mark in text.strip("+-").rstrip("0123456789._,") for mark in "./\\"):
            raise Refusal(f'samples must be a number or a file; there is no file "{text}".')
        return super().convert(value, param, ctx)


_OPTIONS = (
    "batch_size",
    but("epochs", "Passes through the samples.", default=1),
    *("updates_per_epoch", GROW, "remainder"),
    but("order", "shuffle, shuffle_once, sequential, replacement, blocks or contiguous."),
    BLOCK,
    but("seed", "Seed of the random order."),
    replace(TARGET, help=f"DATA: {TARGET.help}"),
    but("validation", "DATA: held out, as train does.", metavar="FRACTION"),
    but("test", "DATA: held out for testing.", metavar="FRACTION"),
    *(*READING, JSON),
)


@click.command("plan", cls=Command)
@click.argument("samples", metavar="SAMPLES|DATA", type=_Samples(whole(1)))
@flags({"Options": _OPTIONS})
def command(samples: int | str, batch_size: Any, order: str, as_json: bool, **given: Any) -> None:
    """Say what batches SAMPLES make, how many updates that is, and what becomes of the remainder.

    SAMPLES is a number, or a file whose rows are counted as train would use them.

    \b
    epochal plan 1000 --batch-size 400
    epochal plan table.csv --target price --batch-size 32 --epochs 100
    """
    chosen = order_of(order, given["block_length"])
    if chosen.needs:
        raise Refusal(
            f'order "{order}" depends on the {chosen.needs} of the samples, and here is but their number: '
            f"use epochal train DATA --order {order}, then epochal trace RUN --audit."
        )
    counted = {} if isinstance(samples, int) else _count(samples, given)
    training = samples if isinstance(samples, int) else counted["training"]
    plan = Plan(
        training,
        batch_size_of(min(32, training) if batch_size is None else batch_size, given["grow_batch"]),
        order=chosen,
        **{name: given[name] for name in ("epochs", "seed", "remainder", "updates_per_epoch")},
    )
    if as_json:
        echo_json({**plan.to_dict(), "data": counted} if counted else plan.to_dict())
    else:
        if counted:
            echo(_counted(counted))
        echo(plan)


def _count(source: str, given: dict[str, Any]) -> dict[str, Any]:
    from epochal.data import load
    from epochal.settings import Settings
    from epochal.training.samples import prepare_samples

    held_out = {name: given[name] for name in ("validation", "test")}
    for name, part in held_out.items():
        if isinstance(part, str):
            raise Refusal(f'{name} must be a fraction or a number of samples here; got "{part}".')
    dataset = load(source, target=given["target"], **reading_of(given))
    parts = prepare_samples(dataset, Settings(repeats=1, seed=given["seed"], **held_out)).splits[0]
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
    held_out = " and ".join(
        f"{counted[part]:,} for {part}" for part in ("validation", "test") if counted[part]
    )
    sentence = f"{counted['training']:,} of the {counted['samples']:,} samples of {counted['source']} train"
    if not held_out:
        return f"{sentence}."
    return f"{sentence}; {held_out.replace(' for', ' are held out for', 1)}."
