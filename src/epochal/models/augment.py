"""Image augmentation during training.

The random key is that of the update, so augmentation does not depend on where a call ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import jax

from epochal.errors import Refusal, did_you_mean
from epochal.models.model import Model, PyTree, Variables, Wrapper
from epochal.models.transforms import Brightness, Contrast, Crop, Flip, Rotate, Shift, Transform

_STREAM = 0x7FFFFFF1
"""Separates the draws of augmentation from those of dropout, which fold small numbers into the key."""

KINDS: dict[str, type[Any]] = {kind.name: kind for kind in (Flip, Shift, Crop, Rotate, Brightness, Contrast)}
"""Transforms by name."""


def transforms_of(value: Any) -> tuple[Transform, ...]:
    """The `augment` argument of `fit`: objects, or words such as "flip,shift:2,rotate:15".

    A word is "name:amount:fill", where fill is the border.

    >>> [str(one) for one in transforms_of("flip, shift:2, rotate:15:1")]
    ['flip', 'shift:2', 'rotate:15:1']
    """
    if value is None:
        return ()
    parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, Transform) else value
    if not isinstance(parts, Sequence):
        raise Refusal(f"`augment` must be transforms such as Flip() or Shift(2), or words; got {value!r}.")
    found: list[Transform] = []
    for part in parts:
        if isinstance(part, str):
            found += [_named(part.strip())] if part.strip() else []
        elif isinstance(part, Transform) and not isinstance(part, type):
            found.append(part)
        else:
            raise Refusal(f"`augment` must be transforms such as Flip() or Shift(2); got {part!r}.")
    return tuple(found)


def _named(word: str) -> Transform:
    name, *amounts = word.split(":")
    if name not in KINDS:
        raise Refusal(did_you_mean("transform", name, KINDS))
    kind, least = KINDS[name], 0 if name == "flip" else 1
    try:
        values = amounts if name == "flip" else [float(amount) for amount in amounts]
    except ValueError:
        values = []
    if not least <= len(values) <= len(fields(kind)):
        raise Refusal(f'a transform is a name and its amount, such as {name}:{_USUAL[name]}; got "{word}".')
    made: Transform = kind(*values)
    return made


_USUAL = {"flip": "vertical", "shift": 2, "crop": 4, "rotate": 15, "brightness": 0.2, "contrast": 0.2}


@dataclass(frozen=True)
class Augmented(Wrapper):
    """A model whose images are augmented in training, by transforms in order with draws of their own."""

    model: Model
    transforms: tuple[Transform, ...]

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Map images (batch, height, width[, channels]) to outputs, augmented if `training`."""
        if training:
            inputs = augmented(inputs, self.transforms, jax.random.fold_in(key, _STREAM))
        return self.model.apply(variables, inputs, key, training)


def augmented(images: jax.Array, transforms: Sequence[Transform], key: jax.Array) -> jax.Array:
    """Images (batch, height, width[, channels]) after all transforms, with independent draws for each."""
    shape = images.shape
    moved = images.reshape(*shape[:3], -1)
    for index, transform in enumerate(transforms):
        drawn = transform.draw(jax.random.fold_in(key, index), shape[0])
        moved = jax.vmap(transform.move)(moved, drawn)
    return moved.reshape(shape)
