"""Initial parameters: drawn, given as arrays, or read from a file.

A file must hold every parameter of the model but those that are to be drawn, and nothing is guessed: names
must match, or, without names, each layer must have exactly one counterpart with the same shapes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.common.option_text import option
from epochal.errors import Refusal
from epochal.models.built_in import check_whole
from epochal.models.keras_file import Stored, numbered, opened_keras
from epochal.models.model import Variables
from epochal.models.wrappers import first_of, matching, names_of


@dataclass(frozen=True)
class Initial:
    """Parameters in a file from which every repeat starts.

    Args:
        path: a run folder (its best parameters), a `.safetensors` file, or one of Keras (`.weights.h5`,
            `.keras`).
        reinitialize: patterns such as "dense/*" of parameters that each repeat draws.
        rename: maps prefixes of names in the file to those in the model.
        repeat: the repeat of a run to read, from 0.
    """

    path: str | Path
    reinitialize: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 0

    def __post_init__(self) -> None:
        patterns = self.reinitialize
        patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns)
        object.__setattr__(self, "reinitialize", patterns)
        check_whole("repeat", self.repeat, 0)


class InitialVariables(NamedTuple):
    """Initial variables of all repeats, None where each draws its own, and notes on their origin."""

    variables: Variables | None = None
    notes: tuple[str, ...] = ()


def initial_variables(initial: Any, shapes: Variables) -> InitialVariables:
    """The `initial` argument of `fit` as variables of a model with these shapes."""
    if initial is None:
        return InitialVariables()
    if isinstance(initial, Variables):
        _check(initial, shapes)
        return InitialVariables(initial)
    if isinstance(initial, str | Path):
        initial = Initial(initial)
    if not isinstance(initial, Initial):
        raise Refusal(
            "`initial` must be Variables(params, state), a path or Initial(path, ...); "
            f"got {type(initial).__name__}."
        )
    with _opened(initial) as (source, stored):
        return _taken(initial, source, _renamed(stored, initial.rename), shapes)


def _check(initial: Variables, wanted: Variables) -> None:
    found, shapes = str(jax.tree.structure(initial)), str(jax.tree.structure(wanted))
    if found != shapes:
        raise Refusal(f"`initial` must be built as the variables of the model are, {shapes}; got {found}.")
    leaves = jax.tree.leaves(initial), jax.tree.leaves(wanted)
    for name, leaf, shape in zip(names_of(initial), *leaves, strict=True):
        if np.shape(leaf) != shape.shape:
            raise Refusal(f"`initial` must have {name} of shape {shape.shape}; got {np.shape(leaf)}.")
        if jax.eval_shape(jax.numpy.asarray, leaf).dtype != shape.dtype:
            got = getattr(leaf, "dtype", type(leaf).__name__)
            raise Refusal(f"`initial` must have {name} of type {shape.dtype}; got {got}.")


@contextmanager
def _opened(initial: Initial) -> Iterator[tuple[str, dict[str, Stored]]]:
    """The description of the file, and its arrays by name."""
    path = Path(initial.path).expanduser()
    if path.is_dir():
        path = path / "best.safetensors"
    if not path.is_file():
        raise Refusal(
            f'`initial` must be a run folder, a .safetensors or a Keras file; there is no file "{path}".'
        )
    if _of_keras(path):
        with opened_keras(path) as stored:
            yield path.name, stored
        return
    if path.suffix.lower() != ".safetensors":
        raise Refusal(f'`initial` must be a run folder, a .safetensors or a Keras file; got "{path}".')
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            repeats = {name.partition("/")[0] for name in names if re.match(r"\d+/(params|state)/", name)}
            source, before = path.name, ""
            if repeats:
                if str(initial.repeat) not in repeats:
                    raise Refusal(
                        f'`repeat` must be between 0 and {len(repeats) - 1} for "{path}"; '
                        f"got {initial.repeat}."
                    )
                before = f"{initial.repeat}/"
                source = f"{path.parent.name or path.parent} (repeat {initial.repeat + 1})"
            stored = {}
            for name in [name for name in names if name.startswith(before)]:
                shape = tuple(file.get_slice(name).get_shape())
                stored[name.removeprefix(before)] = Stored(shape, partial(file.get_tensor, name))
            yield source, stored
    except (OSError, SafetensorError) as error:
        raise Refusal(f'"{path}" can\'t be read as safetensors: {error}.') from error


def _of_keras(path: Path) -> bool:
    return path.suffix.lower() in (".h5", ".hdf5", ".keras")


def _renamed(stored: dict[str, Stored], rename: Mapping[str, str]) -> dict[str, Stored]:
    """Names as in the model: with "/", and without a leading "params" or "state"."""
    found: dict[str, Stored] = {}
    used: set[str] = set()
    for name, one in stored.items():
        plain = _bare(name.replace(".", "/"))
        for old in [old for old in rename if f"{plain}/".startswith(f"{old.replace('.', '/')}/")][:1]:
            plain = rename[old] + plain[len(old) :]
            used.add(old)
        found[plain] = one
    for old in [old for old in rename if old not in used]:
        shown = ", ".join(list(stored)[:12])
        raise Refusal(f'rename must name what is in the file; "{old}" is not there. There are: {shown}.')
    return found


def _taken(initial: Initial, source: str, stored: dict[str, Stored], shapes: Variables) -> InitialVariables:
    leaves = dict(zip(map(_bare, names_of(shapes)), jax.tree.leaves(shapes), strict=True))
    wanted = {name: tuple(leaf.shape) for name, leaf in leaves.items()}
    drawn = matching(initial.reinitialize, list(wanted), "reinitialize")
    needed = {name: shape for name, shape in wanted.items() if name not in drawn}
    if not needed:
        raise Refusal(f"`reinitialize` must leave parameters to take from {source}; it names all of them.")
    found = [name in stored for name in needed]
    # Default Keras names such as "dense" or "conv2d" may match by accident.
    by_name = all(found) if _of_keras(Path(initial.path)) else any(found)
    pairs = (
        {name: name for name in needed if name in stored} if by_name else _by_shape(needed, stored, source)
    )
    for name, shape in needed.items():
        layer = name.rpartition("/")[0] or name
        remedy = f"Draw it anew with {option('reinitialize', [layer], of='ep.Initial')}"
        if name not in pairs:
            there = ", ".join(list(stored)[:8]) + (", …" if len(stored) > 8 else "")
            raise Refusal(f"{source} must have {name} {shape}; it has {there}. {remedy}, or rename it.")
        if stored[pairs[name]].shape != shape:
            raise Refusal(
                f"{source} must have {name} of shape {shape}; it is {stored[pairs[name]].shape}. {remedy}."
            )
    values = {
        name: _read(source, pairs[name], stored, leaf) for name, leaf in leaves.items() if name in pairs
    }
    variables: Variables = jax.tree_util.tree_map_with_path(
        lambda path, _: values.get(_bare(jax.tree_util.keystr(path, simple=True, separator="/"))), shapes
    )
    return InitialVariables(variables, _notes(source, by_name, pairs, stored, sorted(drawn)))


def _read(source: str, name: str, stored: dict[str, Stored], leaf: Any) -> NDArray[Any]:
    array = np.asarray(stored[name].read())
    if array.dtype.kind not in "fiub" and str(array.dtype) != "bfloat16":
        raise Refusal(f"{source} must hold numbers; {name} is {array.dtype}.")
    found = np.ascontiguousarray(array, dtype=leaf.dtype)
    if not np.isfinite(found).all():
        raise Refusal(f"{source} must hold finite numbers; {name} has others. Take another file.")
    return found


def _by_shape(
    needed: Mapping[str, tuple[int, ...]], stored: dict[str, Stored], source: str
) -> dict[str, str]:
    """The counterpart of each array, layer by layer, if there is exactly one way."""
    for name, one in stored.items():
        if name.endswith("weight") and len(one.shape) > 1:
            raise Refusal(
                f'{source} seems to be of PyTorch ("{name}"), whose kernels have their axes in another '
                "order. Save them transposed, with the names of this model."
            )
    ours = _by_signature(needed)
    theirs = _by_signature({name: one.shape for name, one in stored.items()})
    pairs: dict[str, str] = {}
    for signature, layers in ours.items():
        others = theirs.get(signature, [])
        together = len({re.sub(r"\d+$", "", way) for way, _ in layers}) == 1
        if others and (len(others) != len(layers) or not together):
            raise Refusal(
                f"`initial` must be of one meaning; {', '.join(way for way, _ in layers)} could each be "
                f"any of {', '.join(way for way, _ in others)} in {source}, with the same shapes. Say "
                "which with Initial(path, rename={...})."
            )
        for (_, own), (_, other) in zip(layers, others, strict=False):
            pairs |= {own[role]: other[role] for role in own}
    return pairs


_SAME = {
    "weight": "kernel",
    "embedding": "table",
    "embeddings": "table",
    "gamma": "scale",
    "beta": "shift",
    "var": "variance",
    "moving_mean": "mean",
    "moving_variance": "variance",
}
_NORM = ("scale", "shift", "mean", "variance")


def _by_signature(arrays: Mapping[str, tuple[int, ...]]) -> dict[Any, list[tuple[str, dict[str, str]]]]:
    """Layers, each a path and its arrays by role, grouped by shapes and roles and sorted by number."""
    ways: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in arrays:
        way, _, last = name.rpartition("/")
        ways[way][_SAME.get(last, last)] = name
    layers = []
    for way, names in ways.items():
        if "scale" in names and "kernel" not in names and "bias" in names:
            names["shift"] = names.pop("bias")
        for norm in (False, True):
            own = {role: name for role, name in names.items() if (role in _NORM) == norm}
            layers += [(way, own)] if own else []
    found: defaultdict[Any, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for way, names in sorted(layers, key=lambda layer: numbered(layer[0])):
        found[tuple(sorted((role, arrays[name]) for role, name in names.items()))].append((way, names))
    return found


def _notes(
    source: str, by_name: bool, pairs: Mapping[str, str], stored: dict[str, Stored], drawn: Sequence[str]
) -> tuple[str, ...]:
    if by_name:
        notes = [f"starts from {source}: {len(pairs)} arrays, by their names"]
    else:
        layers = {name.rpartition("/")[0]: other.rpartition("/")[0] for name, other in pairs.items()}
        each = ", ".join(f"{other} → {name}" for name, other in layers.items())
        notes = [f"starts from {source}: {len(pairs)} arrays, by the shapes of their layers ({each})"]
    if drawn:
        notes.append(f"drawn anew: {', '.join(drawn)}")
    rest = [name for name in stored if name not in pairs.values()]
    if rest:
        notes.append(f"of {source} not used: {first_of(rest, 6)}")
    return tuple(notes)


def _bare(name: str) -> str:
    return re.sub(r"^(params|state)/", "", name)
