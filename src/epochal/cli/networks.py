"""The network that a command line names, with its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from epochal.cli.flags import NETWORKS
from epochal.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from epochal.data import Dataset

__all__ = ["model", "networks", "told", "variants"]

HIDDEN, ACTIVATION = "64,64", "relu"
"""What holds for the MLP, and for all that have an activation, where nothing is said."""

OWNERS = {
    "hidden": ("mlp",),
    "activation": ("mlp", "cnn"),
    "batch_norm": ("mlp", "cnn"),
    "filters": ("cnn",),
    "kernel": ("cnn",),
    "pool": ("cnn",),
    "dense": ("cnn",),
    "units": ("lstm", "gru", "text"),
    "layers": ("lstm", "gru"),
    "embedding": ("text",),
    "text_by": ("text",),
}
"""The networks that an option belongs to."""

SMALLEST_IMAGE = 4
"""Pixels of a side that two poolings leave something of."""


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


def _are_images(dataset: Dataset) -> bool:
    """Whether the axes of a sample are those of an image: of plain arrays that is assumed."""
    images = dataset.encoder is None or dataset.encoder.are_images
    return images and len(dataset.shape) in (2, 3)


def _by_shape(dataset: Dataset) -> str:
    """The network that the samples suggest: tokens are text, arrays of two axes or three are images."""
    if dataset.dtype.kind == "i":
        return "text"
    sides = dataset.shape[:2] if _are_images(dataset) else (0,)
    return "cnn" if min(sides) >= SMALLEST_IMAGE else "mlp"


def _network(given: Mapping[str, Any], dataset: Dataset) -> str:
    name = given["network"]
    if name is not None and name not in NETWORKS:
        raise Refusal(did_you_mean("network", name, NETWORKS))
    return _by_shape(dataset) if name is None else str(name)


def told(dataset: Dataset, given: Mapping[str, Any]) -> Dataset:
    """The data, with a note where its shape decides that the network is not the usual one of a table."""
    if given["network"] is not None or given["model"] is not None:
        return dataset
    name = _by_shape(dataset)
    if name == "mlp":
        return dataset
    what = "tokens" if name == "text" else f"of shape {' x '.join(map(str, dataset.shape))}"
    note = f"the samples are {what}: network {name}; --network takes another."
    return replace(dataset, noticed=(*dataset.noticed, note))


def model(given: Mapping[str, Any], dataset: Dataset) -> Any:
    """The network that was asked for; for pairs of ranked rows, the scorer of one of them."""
    from epochal.data import PairEncoder
    from epochal.models import Pairwise

    if isinstance(dataset.encoder, PairEncoder):
        return Pairwise(_chosen(given, replace(dataset, inputs=np.asarray(dataset.inputs)[:, 0])))
    return _chosen(given, dataset)


def networks(given: Mapping[str, Any], dataset: Dataset) -> Any:
    """The network, or several of them by what makes them differ: lists of networks, layers and activations.

    Of several networks each takes the options that it has.
    """
    varied = variants(given)
    if len(varied) > 1 and given["model"] is not None:
        raise Refusal("network, hidden and activation vary built-in networks; leave them out with --model.")
    if len(varied) == 1:
        return model(varied[0][1], dataset)
    found: dict[str, Any] = {}
    for called, own in varied:
        if called in found:
            raise Refusal(f'each network must be compared once; got "{called}" twice.')
        found[called] = model(own, dataset)
    return found


def variants(given: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each network of a comparison: what makes it differ, and the options as if it had been named alone."""
    named: Any = given["network"] or (None,)
    varied: list[tuple[str, Mapping[str, Any]]] = []
    for name in named:
        one = given if len(named) == 1 else {**given, **_of_others(name, named)}
        hidden: Any = one["hidden"] or (None,)
        activations: Any = one["activation"] or (None,)
        for units in hidden:
            for activation in activations:
                words = [name] if len(named) > 1 else []
                words += [_layers(units)] if len(hidden) > 1 else []
                words += [activation] if len(activations) > 1 else []
                own = {**one, "network": name, "hidden": units, "activation": activation}
                varied.append((", ".join(words), own))
    return varied


def _of_others(name: str, named: tuple[str, ...]) -> dict[str, None]:
    """The options that only others of the named networks have, as if they were not given."""
    return {
        option: None
        for option, owners in OWNERS.items()
        if name not in owners and any(other in owners for other in named)
    }


def _layers(units: str) -> str:
    """A network in short.

    >>> _layers("64, 64"), _layers("")
    ('64-64 hidden', 'no hidden')
    """
    return f"{'-'.join(part.strip() for part in units.split(',') if part.strip()) or 'no'} hidden"


def _chosen(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.data.encoder import code_sizes
    from epochal.models import embedded_shape
    from epochal.models.imported import NamedModel

    if given["model"] is not None:
        for option in ("network", *OWNERS):
            if option not in ("hidden", "activation", "batch_norm") and _is_given(given[option]):
                raise Refusal(f"{_flag(option)} belongs to a built-in network; leave it out with --model.")
        assert dataset.task is not None
        shape = embedded_shape(dataset.shape, code_sizes(dataset.encoder))
        return NamedModel.of(given["model"], shape, dataset.task.outputs)
    name = _network(given, dataset)
    for option, owners in OWNERS.items():
        if _is_given(given[option]) and name not in owners:
            chosen = "" if given["network"] else ", which the samples' shape suggests"
            raise Refusal(
                f"{_flag(option)} belongs to --network {_either(owners)}; got the network {name}{chosen}."
            )
    return _MAKERS[name](given, dataset)


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _either(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _units(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise Refusal(f'{name} must be whole numbers, at least 1, such as 64,64; got "{text}".')
    return tuple(int(part) for part in parts)


def _given(given: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """The arguments that were given, by the names that the network has for them."""
    return {argument: given[option] for argument, option in names.items() if _is_given(given[option])}


def _mlp(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.models import MLP

    hidden = _units("hidden", HIDDEN if given["hidden"] is None else given["hidden"])
    activation = given["activation"] or ACTIVATION
    return MLP(*hidden, activation=activation, dropout=given["dropout"], batch_norm=given["batch_norm"])


def _cnn(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.nn import CNN

    filters = _units("filters", "32,64" if given["filters"] is None else given["filters"])
    rest = _given(given, kernel="kernel", pool="pool", activation="activation", batch_norm="batch_norm")
    if given["dense"] is not None:
        rest["dense"] = _units("dense", given["dense"])
    # Windows of a series are slid over in time only.
    axes = 1 if len(dataset.shape) == 2 and not _are_images(dataset) else 2
    return CNN(*filters, dropout=given["dropout"], axes=axes, **rest)


def _lstm(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.nn import LSTM

    return LSTM(dropout=given["dropout"], **_given(given, units="units", layers="layers"))


def _gru(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.nn import GRU

    return GRU(dropout=given["dropout"], **_given(given, units="units", layers="layers"))


def _text(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.nn import TextClassifier

    rest = _given(given, units="units", embedding="embedding", kind="text_by")
    return TextClassifier(dropout=given["dropout"], **rest)


_MAKERS: dict[str, Callable[[Mapping[str, Any], Dataset], Any]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "lstm": _lstm,
    "gru": _gru,
    "text": _text,
}
