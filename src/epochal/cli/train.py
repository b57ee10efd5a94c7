"""epochal train: how does a table become a trained network with evidence?"""

from __future__ import annotations

import datetime
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from epochal.cli.options import batch_size as read_batch_size
from epochal.cli.options import column, columns, number_or_path, reading, reading_options
from epochal.cli.options import options as read_options
from epochal.errors import Refusal

__all__ = ["command"]


@click.command("train", context_settings={"show_default": True})
@click.argument("data")
@click.option(
    "--target", "-t", metavar="COLUMN", help="Name, or number from 1; the last column if not given."
)
@click.option("--batch-size", "-b", default="32", metavar="B", help='Samples of one update, or "full".')
@click.option("--epochs", "-e", type=int, default=100, help="Passes through the training samples, at most.")
@click.option("--repeats", "-r", type=int, default=1, help="Trainings with seeds of their own.")
@click.option("--seed", type=int, default=0, help="Of the first repeat; the next have the next numbers.")
@click.option(
    "--validation", default="0.2", metavar="SHARE|FILE", help="Held out for the curves; 0 for none."
)
@click.option("--test", default="0", metavar="SHARE|FILE", help="Held out and looked at once, at the end.")
@click.option("--hidden", default="64,64", metavar="UNITS", help='Units of the hidden layers; "" for none.')
@click.option("--activation", default="relu", help="Between the layers.")
@click.option("--dropout", type=float, default=0.0, help="Share of hidden units set to zero in an update.")
@click.option("--batch-norm", is_flag=True, help="Normalize hidden layers over the batch.")
@click.option("--model", metavar="MODULE:FUNCTION", help="A model of your own: function(inputs, outputs).")
@click.option("--optimizer", default="adam", help="sgd, momentum, nesterov, adam, adamw, rmsprop, lion, ...")
@click.option("--learning-rate", "-l", type=float, help="The optimizer's usual one if not given.")
@click.option("--optimizer-option", multiple=True, metavar="NAME=NUMBER", help="Such as weight_decay=0.01.")
@click.option("--schedule", default="constant", help="Of the learning rate: constant, cosine or step.")
@click.option("--warmup", type=int, default=0, metavar="UPDATES", help="Updates over which the rate rises.")
@click.option(
    "--step-every", type=int, default=0, metavar="UPDATES", help='For "step": updates between steps.'
)
@click.option("--step-factor", type=float, default=0.1, help='For "step": what a step multiplies with.')
@click.option("--loss", help="log_loss; squared_error, absolute_error or huber. The task's if not given.")
@click.option("--metrics", metavar="NAMES", help="Metrics along the curve, such as accuracy,roc_auc.")
@click.option("--monitor", metavar="COLUMN", help="Decides the best parameters; validation.loss.")
@click.option("--class-weight", metavar="balanced|C=W,...", help="Weights of the classes in the loss.")
@click.option("--sample-weight", metavar="COLUMN", help="A column that weighs the samples.")
@click.option("--order", default="shuffle", help="shuffle, shuffle_once or sequential.")
@click.option("--remainder", default="keep", help="keep, drop, spread or carry.")
@click.option("--vary", default="split,init,order", help="What differs between repeats.")
@click.option(
    "--patience", type=float, metavar="EPOCHS", help="Stop after so many epochs without improvement."
)
@click.option("--min-change", type=float, default=0.0, help="What counts as an improvement, for --patience.")
@click.option("--min-epochs", type=float, default=0.0, help="Before which --patience does not stop.")
@click.option("--target-value", type=float, metavar="V", help="Stop when the monitored column reaches V.")
@click.option("--max-seconds", type=float, help="A budget of training time for each repeat.")
@click.option("--max-updates", type=int, help="A budget of updates for each repeat.")
@click.option("--stop-gl", type=float, metavar="ALPHA", help="Prechelt's generalization loss, in percent.")
@click.option("--stop-pq", type=float, metavar="ALPHA", help="Prechelt's productivity quotient.")
@click.option("--stop-up", type=int, metavar="STRIPS", help="Prechelt's successive rises.")
@click.option(
    "--evaluate-every", default="1", metavar="N[updates]", help="Epochs, or updates, between evaluations."
)
@click.option(
    "--evaluate-train/--no-evaluate-train", default=True, help="The training loss at fixed parameters."
)
@click.option(
    "--standardize/--no-standardize", default=True, help="Mean 0 and variance 1, by the training rows."
)
@click.option("--task", help="classification, binary, multiclass or regression; recognized.")
@click.option("--keep", multiple=True, metavar="COLUMNS", help="Not to be left out, whatever they look like.")
@click.option("--drop", multiple=True, metavar="COLUMNS", help="To be left out.")
@click.option("--categorical", multiple=True, metavar="COLUMNS", help="To be read as categories.")
@click.option("--numeric", multiple=True, metavar="COLUMNS", help="To be read as numbers.")
@reading()
@click.option("--out", "-o", type=click.Path(path_type=Path), help="The run folder; a new one in runs/.")
@click.option("--report/--no-report", "report", default=True, help="Write report.html into it.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on standard output, all else on standard error."
)
@click.option("--quiet", "-q", is_flag=True, help="Nothing but the result.")
@click.pass_context
def command(
    ctx: click.Context, data: str, out: Path | None, as_json: bool, quiet: bool, report: bool, **given: Any
) -> None:
    """Train a network on DATA: a CSV, TSV, Parquet, .npy or .npz file, or example:NAME."""
    from epochal.run import refuse_existing

    folder = refuse_existing(out) if out is not None else new_folder(data)
    status = _train(data, folder, as_json, quiet, report, given)
    ctx.exit(status)


def _train(
    source: str, folder: Path, as_json: bool, quiet: bool, with_report: bool, given: dict[str, Any]
) -> int:
    from epochal.cli.screen import Screen
    from epochal.data import load
    from epochal.events import RunEnded
    from epochal.run import save
    from epochal.training import Control, train

    screen = Screen(quiet=quiet, to_stderr=as_json)
    dataset = load(
        source,
        target=column(given["target"]),
        task=given["task"],
        keep=columns(given["keep"]),
        drop=columns(given["drop"]),
        categorical=columns(given["categorical"]),
        numeric=columns(given["numeric"]),
        sample_weight=column(given["sample_weight"]),
        **reading_options(given["header"], given["delimiter"], given["missing"]),
    )
    control = Control()
    events = train(_model(given, dataset), dataset, control=control, **_settings(given))
    run = None
    with screen, _interrupting(control):
        for event in events:
            screen.show(event)
            if isinstance(event, RunEnded):
                run = event.run
    assert run is not None
    path = save(run, folder, report=with_report)
    screen.conclude(run, path, path / "report.html" if with_report else None)
    if as_json:
        click.echo(json.dumps(result(run, path), ensure_ascii=False))
    elif quiet:
        headline = run.headline
        click.echo(f"{path}" + (f"  {headline[0]} {headline[1]}" if headline is not None else ""))
    return 130 if run.interrupted else 0


def result(run: Any, path: Path) -> dict[str, Any]:
    """What --json prints."""
    from epochal.run.folder import plain

    document: dict[str, Any] = plain(
        {
            "run": str(path),
            "plan": run.plan.to_dict(),
            "task": run.task.to_dict(),
            "stopped": [
                {
                    "repeat": outcome.repeat,
                    "seed": outcome.seed,
                    "epochs": outcome.epochs,
                    "updates": outcome.updates,
                    "reason": outcome.stopped,
                }
                for outcome in run.outcomes
            ],
            "best_epoch": run.best_epoch.to_dict(),
            "verdict": run.verdict.to_dict(),
            "metrics": {
                part: {name: summary.to_dict() for name, summary in metrics.items()}
                for part, metrics in run.metrics.items()
            },
            "settings": run.settings,
            "data": {
                key: run.data[key]
                for key in ("source", "samples", "sizes", "features", "notes", "fingerprint")
            },
            "conditions": run.conditions,
            "interrupted": run.interrupted,
        }
    )
    return document


def new_folder(source: str) -> Path:
    """A run folder of its own in runs/, named after the data and the time."""
    name = source.removeprefix("example:") if source.startswith("example:") else Path(source).stem
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".-")[:60] or "run"
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = Path("runs") / f"{safe}-{stamp}"
    count = 2
    while path.exists():
        path = Path("runs") / f"{safe}-{stamp}-{count}"
        count += 1
    return path


@contextmanager
def _interrupting(control: Any) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends training with what it has; the second one leaves at once."""

    def handle(number: int, frame: object) -> None:
        if control.stopped:
            raise KeyboardInterrupt
        control.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _model(given: dict[str, Any], dataset: Any) -> Any:
    from epochal.models import MLP
    from epochal.models.imported import NamedModel

    if given["model"] is not None:
        return NamedModel.of(given["model"], dataset.shape, dataset.task.outputs)
    units = [part.strip() for part in given["hidden"].split(",") if part.strip()]
    for unit in units:
        if not unit.isdigit() or int(unit) < 1:
            raise Refusal(
                f'hidden must be whole numbers, at least 1, such as 64,64; got "{given["hidden"]}".'
            )
    return MLP(
        *(int(unit) for unit in units),
        activation=given["activation"],
        dropout=given["dropout"],
        batch_norm=given["batch_norm"],
    )


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    from epochal.engine.schedules import Schedule

    metrics = given["metrics"]
    schedule = Schedule(
        given["schedule"], warmup=given["warmup"], every=given["step_every"], factor=given["step_factor"]
    )
    return {
        "batch_size": read_batch_size(given["batch_size"]),
        "epochs": given["epochs"],
        "optimizer": given["optimizer"],
        "learning_rate": given["learning_rate"],
        "optimizer_options": read_options(given["optimizer_option"]),
        "schedule": schedule,
        "loss": given["loss"],
        "metrics": None if metrics is None else tuple(name.strip() for name in metrics.split(",")),
        "monitor": given["monitor"],
        "stop": _rule(given),
        "order": given["order"],
        "remainder": given["remainder"],
        "repeats": given["repeats"],
        "seed": given["seed"],
        "vary": tuple(name.strip() for name in given["vary"].split(",") if name.strip()),
        "validation": number_or_path(given["validation"]),
        "test": number_or_path(given["test"]),
        "class_weight": _class_weight(given["class_weight"]),
        "standardize": given["standardize"],
        "evaluate_every": given["evaluate_every"],
        "evaluate_train": given["evaluate_train"],
    }


def _class_weight(text: str | None) -> Any:
    return text if text is None or "=" not in text else read_options(tuple(text.split(",")))


def _rule(given: dict[str, Any]) -> Any:
    from epochal.stopping import (
        Budget,
        GeneralizationLoss,
        Patience,
        Productivity,
        RisingStrips,
        Target,
        any_of,
    )

    monitor = given["monitor"] or ("train.loss" if given["validation"] in ("0", "0.0") else "validation.loss")
    rules: list[Any] = []
    if given["patience"] is not None:
        rules.append(Patience(given["patience"], given["min_change"], given["min_epochs"], monitor))
    if given["target_value"] is not None:
        rules.append(Target(given["target_value"], monitor))
    for name, make in (("stop_gl", GeneralizationLoss), ("stop_pq", Productivity), ("stop_up", RisingStrips)):
        if given[name] is not None:
            rules.append(make(given[name]))
    if given["max_seconds"] is not None or given["max_updates"] is not None:
        rules.append(Budget(given["max_seconds"], given["max_updates"]))
    return any_of(*rules) if rules else None
