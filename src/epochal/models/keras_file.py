"""Weights of Keras files as arrays of the layers here.

A `.weights.h5` file is HDF5: the variables of each layer are numbered in a group that is named after the
layer's class. A `.keras` file is an archive with such a file in it. Keras is not needed, its model settings
are not read, and nothing of a file is executed.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from epochal.common.machine import free_memory
from epochal.errors import Refusal, require

_MAX_NODES, _MAX_DEPTH, _MAX_BYTES, _MAX_UNFOLDED = 20_000, 24, 2**35, 1032
"""Limits for an untrusted file: links may form cycles, and a small archive may hold a large file."""


class Stored(NamedTuple):
    """An array in a file, read on access."""

    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


_KERNEL, _NORM = ("kernel", "bias"), ("scale", "shift", "mean", "variance")
_ROLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("dense", "conv1d", "conv2d", "conv3d"), _KERNEL),
    **dict.fromkeys(("lstm", "gru"), ("kernel", "recurrent", "bias")),
    "embedding": ("table",),
    "batch_normalization": _NORM,
    "layer_normalization": _NORM[:2],
}
"""The roles of a layer's numbered variables, by class of the layer."""


@contextmanager
def opened_keras(path: Path) -> Iterator[dict[str, Stored]]:
    """The arrays of a Keras file by layer and role, such as "head/kernel"; readable within the context."""
    h5py = require("h5py", extra="keras-files", purpose=f"reading {path.name}")
    with ExitStack() as opened:
        found: dict[str, Stored] = {}
        with _refusing(path):
            content = _weights_of(path) if zipfile.is_zipfile(path) else path
            for kind, name, variables in _layers(h5py, opened.enter_context(h5py.File(content, "r"))):
                found |= _named(path, kind, name, variables)
        if not found:
            raise Refusal(f'"{path}" has no variables of layers as Keras 3 writes them.')
        yield found


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise Refusal(f'"{path}" can\'t be read as a Keras file: {message[:200]}.') from error


def _weights_of(path: Path) -> io.BytesIO:
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model.weights.h5")
        most = min(_MAX_BYTES, _MAX_UNFOLDED * info.compress_size, free_memory())
        if info.file_size > most or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refusal(
                f'"{path}" must hold at most {most:,} bytes of weights, stored or deflated; it claims '
                f"{info.file_size:,}."
            )
        return io.BytesIO(archive.read(info))


def _layers(h5py: Any, file: Any) -> Iterator[tuple[str, str, list[Any]]]:
    """The class of each layer, its name, and its numbered variables; external links are not followed."""
    seen = 0

    def is_array(group: Any, key: str) -> bool:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            return False
        node = group[key]
        return isinstance(node, h5py.Dataset) and node.external is None and not node.is_virtual

    def walk(group: Any, way: tuple[str, ...]) -> Iterator[tuple[str, str, list[Any]]]:
        nonlocal seen
        for key in sorted(group, key=numbered):
            seen += 1
            if seen > _MAX_NODES or len(way) > _MAX_DEPTH:
                raise ValueError("it has more groups than a model has")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            node = group[key]
            if not isinstance(node, h5py.Group):
                continue
            if key != "vars":
                if way or key != "optimizer":
                    yield from walk(node, (*way, key))
            elif way and (arrays := [node[one] for one in sorted(node, key=numbered) if is_array(node, one)]):
                yield *_called(way, node), arrays

    yield from walk(file, ())


def _called(way: Sequence[str], variables: Any) -> tuple[str, str]:
    """The class of a layer and its name."""
    inner = way[-1] == "cell"
    own = way[-2] if inner else way[-1]
    holder = variables.parent.parent.get("vars") if inner else variables
    name = None if holder is None else holder.attrs.get("name")
    return re.sub(r"_[0-9]+$", "", own), name if isinstance(name, str) and name else own


def _named(path: Path, kind: str, name: str, variables: list[Any]) -> dict[str, Stored]:
    roles = _ROLES.get(kind, ())
    if len(variables) > len(roles) or (roles is _NORM and len(variables) < len(_NORM)):
        roles = tuple(str(number) for number in range(len(variables)))
    found = {
        f"{name}/{role}": Stored(tuple(one.shape), partial(_array, path, one))
        for role, one in zip(roles, variables, strict=False)
    }
    return _gru(name, found) if kind == "gru" else found


def _array(path: Path, one: Any) -> NDArray[Any]:
    with _refusing(path):
        return np.asarray(one)


def _gru(name: str, found: dict[str, Stored]) -> dict[str, Stored]:
    """Convert Keras gates z, r, n with two biases to r, z, n, with n's inner bias apart."""
    bias = found.get(f"{name}/bias")
    if bias is None or len(bias.shape) != 2:
        return found  # reset before the product: not supported
    units = bias.shape[1] // 3

    def turned(array: NDArray[Any]) -> NDArray[Any]:
        z, r, n = np.split(array, 3, axis=-1)
        return np.concatenate([r, z, n], axis=-1)

    def outer() -> NDArray[Any]:
        inputs, recurrent = bias.read()
        return turned(np.concatenate([(inputs + recurrent)[: 2 * units], inputs[2 * units :]]))

    def kernel(role: str) -> Stored:
        stored = found[f"{name}/{role}"]
        return stored._replace(read=lambda: turned(stored.read()))

    return {
        **{f"{name}/{role}": kernel(role) for role in ("kernel", "recurrent")},
        f"{name}/bias": Stored((3 * units,), outer),
        f"{name}/inner_bias": Stored((units,), lambda: bias.read()[1, 2 * units :]),
    }


def numbered(name: str) -> list[tuple[int, str]]:
    """A key for natural sorting: layer_2 comes before layer_10.

    >>> sorted(["layer_10", "layer_2"], key=numbered)
    ['layer_2', 'layer_10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
