"""Keyword arguments of `train`, `compare` and `advise` from command-line flags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from epochal.cli.flags import KEPT, STOPPED_BY
from epochal.errors import Refusal
from epochal.settings import DECLARED

if TYPE_CHECKING:
    from epochal.plan import Order


def train_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `epochal.train`."""
    return {
        **_declared(given),
        "batch_size": batch_size_of(given["batch_size"], given["grow_batch"]),
        "schedule": _schedule(given["schedule"], given),
        "order": order_of(given["order"], given["block_length"]),
        "stop": _rule(given),
        "initial": _initial(given["initial"], given["reinitialize"]),
    }


def compare_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `epochal.choose.comparison.compare.compare`."""
    found = _declared(given, without=GRID_OPTIONS) | {
        name: list(given[name]) for name in GRID_OPTIONS if given[name] is not None
    }
    steps = dict.fromkeys(("step", "exponential"), given["step_every"])
    floors = dict.fromkeys(("cosine", "linear"), given["schedule_floor"])
    # A schedule that has no steps, or no end, takes no numbers of those that do.
    found["schedule"] = [
        _schedule(name, {**given, "step_every": steps.get(name), "schedule_floor": floors.get(name, 0.0)})
        for name in given["schedule"]
    ]
    return found | {name: given[name] for name in ("budget", "margin", "yes", "ray", "target_value")}


GRID_OPTIONS = ("batch_size", "learning_rate", "optimizer", "epochs", "schedule", "order", "remainder")


def advise_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `epochal.choose.advice.advise.advise`."""
    own = ("batch_size", "learning_rate", "epochs", "repeats")
    found = {name: one for name, one in _declared(given).items() if one is not None or name not in own}
    return found | {name: given[name] for name in ("goal", "ray", "target_value")}


def _declared(given: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    return {name: given[name] for name in DECLARED if name in given and name not in without}


def order_of(name: str, block_length: int | None) -> Order:
    """The order that is named, with the length of its blocks."""
    from epochal.plan import order_named

    if block_length is None:
        return order_named(name)
    if name == "blocks":
        return order_named(name, {"length": block_length})
    raise Refusal(f"--block-length belongs to --order blocks; got --order {name}.")


def batch_size_of(first: Any, growth: tuple[str, dict[int, Any]] | None) -> Any:
    """The batch size with which a plan begins, with those that follow, if any do."""
    if growth is None:
        return first
    from epochal.plan import BatchSchedule

    unit, sizes = growth
    return BatchSchedule({0: 32 if first is None else first, **sizes}, unit)


def _schedule(name: str, given: Mapping[str, Any]) -> Any:
    from epochal.engine.schedules import Schedule

    return Schedule(
        name,
        given["warmup"],
        every=given["step_every"] or 0,
        factor=given["step_factor"],
        floor=given["schedule_floor"],
    )


def _initial(path: str | None, reinitialize: tuple[str, ...]) -> Any:
    from epochal.models.initial import Initial

    if path is not None:
        return Initial(path, reinitialize)
    if reinitialize:
        raise Refusal("--reinitialize belongs to --initial; give that, too.")
    return None


def saving(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of `SaveOptions` that were given."""
    fields = {one.name: given[one.name] for one in KEPT if given[one.name] is not None}
    return {{"keep_checkpoints": "keep_every"}.get(name, name): value for name, value in fields.items()}


def _rule(given: Mapping[str, Any]) -> Any:
    from epochal import stopping

    held_out = given["validation"] != 0
    monitor = given["monitor"] or ("validation.loss" if held_out else "train.loss")
    rules: list[Any] = []
    if given["patience"] is not None:
        minima = (given["min_delta"] or 0.0, given["min_epochs"] or 0.0)
        rules.append(stopping.Patience(given["patience"], *minima, monitor))
    else:
        for name in ("min_delta", "min_epochs"):
            if given[name] is not None:
                raise Refusal(f"`{name}` belongs to --patience; give that, too.")
    if given["target_value"] is not None:
        rules.append(stopping.TargetValue(given["target_value"], monitor))
    rules += [
        stopping.RULES[rule](given[name]) for name, rule in STOPPED_BY.items() if given[name] is not None
    ]
    if given["max_seconds"] is not None or given["max_updates"] is not None:
        rules.append(stopping.Budget(given["max_seconds"], given["max_updates"]))
    return stopping.any_of(*rules) if rules else None
