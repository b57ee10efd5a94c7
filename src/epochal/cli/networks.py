"""The network that a command line names, with its options."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from epochal.cli.flags import NETWORKS
from epochal.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from epochal.data import Dataset

HIDDEN, FILTERS = (64, 64), (32, 64)  # layers of the MLP, and convolutions of the CNN, where nothing is said

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

MIN_IMAGE = 4  # pixels of a side that two poolings leave something of


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
    return "cnn" if min(sides) >= MIN_IMAGE else "mlp"


def noted(dataset: Dataset, given: Mapping[str, Any]) -> Dataset:
    """The data, with a note where its shape decides that the network is not the usual one of a table."""
    if given["network"] is not None or given["model"] is not None:
        return dataset
    name = _by_shape(dataset)
    if name == "mlp":
        return dataset
    what = "tokens" if name == "text" else f"of shape {' x '.join(map(str, dataset.shape))}"
    note = f"the samples are {what}: network {name}; --network takes another."
    return replace(dataset, raw_notes=(*dataset.raw_notes, note))


def model(given: Mapping[str, Any], dataset: Dataset) -> Any:
    """The network that was asked for; for pairs of ranked rows, the scorer of one of them."""
    from epochal.data import PairEncoder
    from epochal.models import Pairwise

    if isinstance(dataset.encoder, PairEncoder):
        return Pairwise(_chosen(given, replace(dataset, inputs=np.asarray(dataset.inputs)[:, 0])))
    return _chosen(given, dataset)


def networks(given: Mapping[str, Any], dataset: Dataset) -> Any:
    """The network, or several, each with the options that it has, by what makes them differ."""
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
        others = [of for of, owners in OWNERS.items() if name not in owners and set(named) & set(owners)]
        one = {**given, **dict.fromkeys(others)}
        hidden: Any = one["hidden"] or (None,)
        activations: Any = one["activation"] or (None,)
        for units, activation in itertools.product(hidden, activations):
            words = [name] if len(named) > 1 else []
            words += [f"{'-'.join(map(str, units)) or 'no'} hidden"] if len(hidden) > 1 else []
            words += [activation] if len(activations) > 1 else []
            own = {**one, "network": name, "hidden": units, "activation": activation}
            varied.append((", ".join(words), own))
    return varied


def _chosen(given: Mapping[str, Any], dataset: Dataset) -> Any:
    from epochal.data.records import code_sizes
    from epochal.models import embedded_shape
    from epochal.models.convert import NamedModel

    if given["model"] is not None:
        for option in ("network", *OWNERS):
            if option not in ("hidden", "activation", "batch_norm") and _is_given(given[option]):
                raise Refusal(f"`{option}` belongs to a built-in network; leave it out with --model.")
        assert dataset.task is not None
        shape = embedded_shape(dataset.shape, code_sizes(dataset.encoder))
        return NamedModel.of(given["model"], shape, dataset.task.outputs)
    name = _by_shape(dataset) if given["network"] is None else given["network"]
    if name not in NETWORKS:
        raise Refusal(did_you_mean("network", name, NETWORKS))
    for option, owners in OWNERS.items():
        if _is_given(given[option]) and name not in owners:
            chosen = "" if given["network"] else ", which the samples' shape suggests"
            either = " or ".join(filter(None, (", ".join(owners[:-1]), owners[-1])))
            raise Refusal(f"`{option}` belongs to --network {either}; got the network {name}{chosen}.")
    options = {
        {"text_by": "kind"}.get(option, option): given[option]
        for option, owners in OWNERS.items()
        if name in owners and _is_given(given[option])
    }
    options["dropout"] = given["dropout"]
    if name == "mlp":
        from epochal.models import MLP

        return MLP(*options.pop("hidden", HIDDEN), **options)
    from epochal.nn import CNN, GRU, LSTM, TextClassifier

    if name == "cnn":
        # Windows of a series are slid over in time only.
        axes = 1 if len(dataset.shape) == 2 and not _are_images(dataset) else 2
        return CNN(*options.pop("filters", FILTERS), axes=axes, **options)
    return {"lstm": LSTM, "gru": GRU, "text": TextClassifier}[name](**options)
