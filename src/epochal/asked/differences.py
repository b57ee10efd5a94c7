"""What is not as it was, in words that people know?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from epochal.asked.plain import shown

__all__ = ["changed_conditions", "differences"]


def differences(then: Any, now: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one short clause each; none where a training can go on.

    >>> differences({"plan": {"batch_size": 32}}, {"plan": {"batch_size": 64}})
    ['batch_size: 32 then, 64 now']
    """
    if not isinstance(then, Mapping):
        return [f"what the run was: {shown(then)}"]
    found: list[str] = []
    for name in dict.fromkeys([*now, *then]):
        before, after = then.get(name), now.get(name)
        if before == after and type(before) is type(after):
            continue
        if name == "program" and _other_jax(before, after):
            continue
        found += _CLAUSES.get(name, _plainly)(name, before, after)
    return found


def _plainly(name: str, then: Any, now: Any) -> list[str]:
    return [f"{shown(name)}: {_said(then)} then, {_said(now)} now"]


def _data(name: str, then: Any, now: Any) -> list[str]:
    of = "" if name == "data" else f"{name} "
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        held = [one if isinstance(one, int | float) else "data of its own" for one in (then, now)]
        return [f"{name}: {shown(held[0])} then, {shown(held[1])} now"]
    found: list[str] = []
    if then.get("samples") != now.get("samples"):
        found.append(f"{of}samples: {_said(then.get('samples'))} then, {_said(now.get('samples'))} now")
    elif then.get("fingerprint") != now.get("fingerprint"):
        before, after = (shown(one.get("fingerprint"))[:8] for one in (then, now))
        found.append(f"the {of}data differ: 1 value or more (fingerprint {before}... then, {after}... now)")
    for key in ("shape", "dtype", "task"):
        if then.get(key) != now.get(key):
            found += _plainly(f"{of}{_DATA.get(key, key)}", then.get(key), now.get(key))
    if then.get("encoder") != now.get("encoder") and not found:
        found.append(f"the {of}data are read in another way: columns, kinds or categories differ")
    if then.get("streamed") != now.get("streamed"):
        found.append(f"the samples are {'streamed' if then.get('streamed') else 'in memory'} then, not now")
    return found


_DATA = {"shape": "shape of a sample", "dtype": "kind of numbers"}


def _each(name: str, then: Any, now: Any) -> list[str]:
    """What differs within, by its own name."""
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return _plainly(name, then, now)
    keys = [key for key in dict.fromkeys([*now, *then]) if then.get(key) != now.get(key)]
    if name == "plan" and "samples" in keys:
        keys = ["samples"] + [key for key in keys if key not in ("samples", "order_values")]
    return [
        clause
        for key in keys
        for clause in _CLAUSES.get(key, _plainly)(_PLAN.get(key, key), then.get(key), now.get(key))
    ]


_PLAN = {"samples": "training samples", "order_values": "order"}


def _hidden(what: str) -> Any:
    return lambda name, then, now: [what]


def _state(name: str, then: Any, now: Any) -> list[str]:
    if isinstance(then, Mapping) and isinstance(now, Mapping) and then.get("numbers") != now.get("numbers"):
        return _plainly("numbers that a training remembers", then.get("numbers"), now.get("numbers"))
    return ["the arrays that a training remembers have other names or shapes"]


def _program(name: str, then: Any, now: Any) -> list[str]:
    return ["the model, the loss or the optimizer of your own computes something else"]


def _other_jax(then: Any, now: Any) -> bool:
    """Whether two programs can't be compared, since another JAX writes them in another way."""
    return isinstance(then, Mapping) and isinstance(now, Mapping) and then.get("jax") != now.get("jax")


_CLAUSES = {
    "data": _data,
    "validation": _data,
    "test": _data,
    "plan": _each,
    "model": _each,
    "state": _state,
    "program": _program,
    "held_out": _hidden("other samples are held out"),
    "order_values": _hidden("the values by which the order is made differ"),
    "initial": _hidden("the parameters to start from differ"),
}


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    try:
        return shown(json.dumps(value))
    except (TypeError, ValueError):
        return shown(value)


def changed_conditions(then: Any, now: Mapping[str, Any]) -> list[str]:
    """Under which other conditions a training goes on: versions, device; figures may differ in last bits."""
    before = then if isinstance(then, Mapping) else {}
    versions = before.get("versions"), now.get("versions")
    found: list[str] = []
    if isinstance(versions[0], Mapping) and isinstance(versions[1], Mapping):
        for name in versions[1]:
            if versions[0].get(name) != versions[1][name]:
                found += _plainly(name, versions[0].get(name), versions[1][name])
    for name in ("device", "machine"):
        if before.get(name) != now.get(name):
            found += _plainly(name, before.get(name), now.get(name))
    return found
