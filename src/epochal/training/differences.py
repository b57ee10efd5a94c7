"""Differences between two descriptions, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from epochal.settings import DECLARED
from epochal.training.json_values import shown


def differences(then: Any, now: Mapping[str, Any]) -> list[str]:
    """The differences between two identities, one short clause each; none if the training can be resumed.

    Consequences of other differences are left out: with other data, other samples are held out.

    >>> differences({"plan": {"batch_size": 32}}, {"plan": {"batch_size": 64}})
    ['batch_size: 32 then, 64 now']
    """
    if not isinstance(then, Mapping):
        return [f"what the run was: {shown(then)}"]
    changed = {
        name: (then.get(name, _DEFAULTS.get(name)), now.get(name))
        for name in dict.fromkeys([*now, *then])
        if not _same(name, then.get(name, _DEFAULTS.get(name)), now.get(name))
    }
    found: list[str] = []
    for name, (before, after) in changed.items():
        if not _FOLLOWS.get(name, frozenset()).isdisjoint(changed):
            continue
        if name == "plan" and not _OF_SAMPLES.isdisjoint(changed):
            before, after = _without_samples(before), _without_samples(after)
            if _equal(before, after):
                continue
        found += _CLAUSES.get(name, _plainly)(name, before, after) or [f"{shown(name)} is not as it was"]
    return found


_DEFAULTS = {name: one.default for name, one in DECLARED.items() if one.fixed_on_resume}
"""What held before an option was declared."""
_WRITTEN_BY = ("jax", "backend")
"""What a digest of a program also depends on."""
_OF_SAMPLES = frozenset(("data", "validation", "test", "split", "gap", "seed"))
_FOLLOWS = {
    "held_out": _OF_SAMPLES,
    "state": frozenset(("data", "model", "optimizer", "freeze", "stop", "micro_batch")),
    "program": frozenset(("data", "model", "optimizer", "loss", "plan", "micro_batch", "augment")),
}
"""Differences that follow from others."""


def _same(name: str, then: Any, now: Any) -> bool:
    if name in ("program", "stop") and isinstance(then, Mapping) and isinstance(now, Mapping):
        # Another JAX or kind of device prints the same program differently.
        alike = all(_equal(then.get(key), now.get(key)) for key in _WRITTEN_BY)
        ignored = _WRITTEN_BY if alike else (*_WRITTEN_BY, "digest")
        then, now = ({k: v for k, v in one.items() if k not in ignored} for one in (then, now))
    return _equal(then, now)


def _equal(then: Any, now: Any) -> bool:
    """Equality in a file; in Python, False equals 0.0."""
    return json.dumps(then, sort_keys=True) == json.dumps(now, sort_keys=True)


def _without_samples(plan: Any) -> Any:
    if not isinstance(plan, Mapping):
        return plan
    return {name: value for name, value in plan.items() if name not in ("samples", "order_values")}


def _plainly(name: str, then: Any, now: Any) -> list[str]:
    return [f"{shown(name)}: {_text(then)} then, {_text(now)} now"]


def _data(name: str, then: Any, now: Any) -> list[str]:
    of = "" if name == "data" else f"{name} "
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        sides = ["data of its own" if isinstance(one, Mapping) else _text(one) for one in (then, now)]
        return [f"{name}: {sides[0]} then, {sides[1]} now"]
    found: list[str] = []
    if then.get("samples") != now.get("samples"):
        found += _plainly(f"{of}samples", then.get("samples"), now.get("samples"))
    elif then.get("fingerprint") != now.get("fingerprint"):
        before, after = (shown(one.get("fingerprint"))[:8] for one in (then, now))
        found.append(f"the {of}data differ: 1 cell or more (fingerprint {before}... then, {after}... now)")
    for key, words in (("shape", "shape of a sample"), ("dtype", "kind of numbers"), ("task", "task")):
        if not _equal(then.get(key), now.get(key)):
            found += _plainly(f"{of}{words}", _task(then.get(key)), _task(now.get(key)))
    if then.get("streamed") != now.get("streamed"):
        before, after = ("streamed" if one.get("streamed") else "in memory" for one in (then, now))
        found.append(f"the samples were {before} then, and are {after} now")
    return found or [f"the {of}data are read in another way: columns, kinds or categories differ"]


def _task(value: Any) -> Any:
    """A task in words; another value as it is."""
    if not isinstance(value, Mapping) or not isinstance(value.get("classes"), list):
        return value
    classes = f" of {', '.join(map(str, value['classes']))}" if value["classes"] else ""
    targets = "" if value.get("targets") in (1, None) else f" of {value['targets']} targets"
    return f"{value.get('kind')}{classes}{targets}"


def _each(name: str, then: Any, now: Any) -> list[str]:
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return _plainly(name, then, now)
    if name != "schedule" and then.get("kind") != now.get("kind"):
        return _plainly(name, then.get("kind", "a model of your own"), now.get("kind", "a model of your own"))
    differing = [key for key in dict.fromkeys([*now, *then]) if not _equal(then.get(key), now.get(key))]
    within = "{} of the schedule" if name == "schedule" else "{}"
    return [
        clause
        for key in differing
        for clause in _CLAUSES.get(key, _plainly)(
            _WITHIN.get(key, within.format(key)), then.get(key), now.get(key)
        )
    ]


_WITHIN = {"samples": "training samples"}


def _stop(name: str, then: Any, now: Any) -> list[str]:
    before, after = (one.get("words") if isinstance(one, Mapping) else one for one in (then, now))
    if _equal(before, after):
        return [f"the stopping rule ({_text(after)}) computes something else"]
    return _plainly("stopping rule", before, after)


def _only(what: str) -> Callable[[str, Any, Any], list[str]]:
    return lambda name, then, now: [what]


_CLAUSES: dict[str, Callable[[str, Any, Any], list[str]]] = {
    "data": _data,
    "validation": _data,
    "test": _data,
    "plan": _each,
    "model": _each,
    "of": _each,
    "network": _each,
    "schedule": _each,
    "stop": _stop,
    "state": _only("what a training remembers has other arrays"),
    "program": _only("the model, the loss or the optimizer of your own computes something else"),
    "held_out": _only("other samples are held out"),
    "order_values": _only("the values by which the order is made differ"),
    "initial": _only("the parameters to start from differ"),
}


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    try:
        return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return shown(value)
