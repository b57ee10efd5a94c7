"""Image augmentation during training, by transforms that keep the label valid.

A transform is a pair of pure functions: `draw` takes from a key what happens to each image of a batch, and
`apply` does it to one image. Pixel coordinates are (row, column), from 0 at the top left. The random key is
that of the update, so augmentation does not depend on where a call ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from epochal.errors import Refusal, did_you_mean
from epochal.models.model import Applied, Model, PyTree, Variables
from epochal.models.wrappers import Wrapper


@runtime_checkable
class Transform(Protocol):
    """An image transform."""

    def draw(self, key: jax.Array, count: int) -> PyTree:
        """Random parameters of each of `count` images, drawn independently; leaves (count, ...)."""
        ...

    def apply(self, image: jax.Array, drawn: PyTree) -> jax.Array:
        """The transformed image (height, width, channels), of the same shape."""
        ...

    def check(self, height: int, width: int) -> None:
        """Refuse images of a size that can't be transformed."""
        ...


_AXES = {"horizontal": (False, True), "vertical": (True, False), "both": (True, True)}


@dataclass(frozen=True)
class Flip:
    """Mirror an image with probability 1/2, horizontally (left becomes right), vertically, or both.

    With "both" the two are drawn independently.

    >>> import jax.numpy as jnp
    >>> Flip().apply(jnp.array([[[1.0], [2.0]]]), jnp.array([False, True])).ravel().tolist()
    [2.0, 1.0]
    """

    axis: str = "horizontal"
    name: ClassVar[str] = "flip"

    def __post_init__(self) -> None:
        if self.axis not in _AXES:
            raise Refusal(did_you_mean("axis of flip", str(self.axis), _AXES))

    def draw(self, key: jax.Array, count: int) -> jax.Array:
        """Whether each is mirrored: bool (count, 2), vertically and horizontally."""
        return jax.random.bernoulli(key, shape=(count, 2)) & jnp.array(_AXES[self.axis])

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The image, mirrored where drawn."""
        image = jnp.where(drawn[0], image[::-1], image)
        return jnp.where(drawn[1], image[:, ::-1], image)

    def check(self, height: int, width: int) -> None:
        """Any size can be mirrored."""

    def __str__(self) -> str:
        return "flip" if self.axis == "horizontal" else f"flip:{self.axis}"


class _Amount:
    """Transforms by a number uniform in [-amount, amount], the first field; a second one is `fill`."""

    name: ClassVar[str]
    most: ClassVar[float] = math.inf
    draws: ClassVar[tuple[int, ...]] = ()
    """The shape of the numbers of an image."""
    moves_out: ClassVar[bool] = False
    """Whether a large amount could move the whole image out."""
    fill: float = 0.0

    @property
    def _amount(self) -> tuple[str, float]:
        """What the amount is called, and its value."""
        this: Any = self
        field = fields(this)[0].name
        return f"{field} of {self.name}", getattr(self, field)

    def __post_init__(self) -> None:
        what, value = self._amount
        if not _is_finite(value) or not 0 <= value <= self.most:
            bound = "at least 0" if self.most == math.inf else f"between 0 and {self.most:g}"
            raise Refusal(f"the {what} must be a number {bound}; got {value!r}.")
        if not _is_finite(self.fill):
            raise Refusal(f"the fill of {self.name} must be a finite number; got {self.fill!r}.")

    def draw(self, key: jax.Array, count: int) -> jax.Array:
        """The numbers of each image, (count, ...)."""
        _, most = self._amount
        return jax.random.uniform(key, (count, *self.draws), minval=-most, maxval=most)

    def check(self, height: int, width: int) -> None:
        """Refuse an amount that could move the whole image out."""
        what, value = self._amount
        if self.moves_out and value >= min(height, width):
            raise Refusal(
                f"the {what} must be less than the {min(height, width)} pixels of the images' shorter side; "
                f"got {value:g}."
            )

    def __str__(self) -> str:
        return f"{self.name}:{self._amount[1]:g}" + (f":{self.fill:g}" if self.fill else "")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Crop(_Amount):
    """Pad an image by `padding` pixels on each side and crop it to its size at a random place.

    Each of the (2 * padding + 1)^2 places is equally likely; the pixels added are `fill` (black is 0).

    >>> import jax.numpy as jnp
    >>> Crop(1).apply(jnp.array([[[1.0], [2.0]]]), jnp.array([1, 0])).ravel().tolist()
    [0.0, 1.0]
    """

    padding: int
    fill: float = 0.0
    name: ClassVar[str] = "crop"
    moves_out: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not _is_finite(self.padding) or not float(self.padding).is_integer() or self.padding < 0:
            raise Refusal(f"the padding of crop must be a whole number, at least 0; got {self.padding!r}.")
        object.__setattr__(self, "padding", int(self.padding))
        super().__post_init__()

    def draw(self, key: jax.Array, count: int) -> jax.Array:
        """Row and column of each crop in the padded image, (count, 2); `padding` is the original place."""
        return jax.random.randint(key, (count, 2), 0, 2 * self.padding + 1)

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The part of the padded image."""
        padding = ((self.padding, self.padding), (self.padding, self.padding), (0, 0))
        padded = jnp.pad(image, padding, constant_values=self.fill)
        return jax.lax.dynamic_slice(padded, (drawn[0], drawn[1], 0), image.shape)


@dataclass(frozen=True)
class Shift(_Amount):
    """Move an image by up to `pixels` up or down and left or right, in fractions of a pixel.

    Both distances are uniform in [-pixels, pixels]. Pixels are interpolated bilinearly; what lies outside of
    the image is `fill` (black is 0), and blends with its border.
    """

    pixels: float
    fill: float = 0.0
    name: ClassVar[str] = "shift"
    draws: ClassVar[tuple[int, ...]] = (2,)
    moves_out: ClassVar[bool] = True

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The image, moved down and to the right: a slice of the padded image, blended with its neighbors."""
        margin = math.ceil(self.pixels) + 1
        padded = jnp.pad(image, ((margin, margin), (margin, margin), (0, 0)), constant_values=self.fill)
        height, width, channels = image.shape
        whole = jnp.floor(-drawn)
        down, right = -drawn - whole
        row, column = whole.astype(jnp.int32) + margin
        part = jax.lax.dynamic_slice(padded, (row, column, 0), (height + 1, width + 1, channels))
        part = part[:, :-1] * (1 - right) + part[:, 1:] * right
        return part[:-1] * (1 - down) + part[1:] * down


@dataclass(frozen=True)
class Rotate(_Amount):
    """Rotate an image around its center by an angle uniform in [-degrees, degrees], counterclockwise.

    Interpolation and `fill` are those of `Shift`.
    """

    degrees: float
    fill: float = 0.0
    name: ClassVar[str] = "rotate"
    most: ClassVar[float] = 180

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The image, rotated."""
        angle = jnp.deg2rad(drawn)
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        middle = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
        down = jnp.arange(image.shape[0])[:, None] - middle[0]
        right = jnp.arange(image.shape[1])[None] - middle[1]
        rows = cosine * down + sine * right + middle[0]
        columns = cosine * right - sine * down + middle[1]
        return _interpolated(image, rows, columns, self.fill)


@dataclass(frozen=True)
class Brightness(_Amount):
    """Add a number uniform in [-amount, amount] to all pixels of an image in the model's range from 0 to 1.

    Values are not clipped.
    """

    amount: float
    name: ClassVar[str] = "brightness"

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The image, brighter or darker."""
        return image + drawn


@dataclass(frozen=True)
class Contrast(_Amount):
    """Multiply an image's deviation from its mean by a number uniform in [1 - amount, 1 + amount].

    >>> import jax.numpy as jnp
    >>> Contrast(0.5).apply(jnp.array([[[0.0], [1.0]]]), jnp.float32(0.5)).ravel().tolist()
    [-0.25, 1.25]
    """

    amount: float
    name: ClassVar[str] = "contrast"
    most: ClassVar[float] = 1

    def apply(self, image: jax.Array, drawn: jax.Array) -> jax.Array:
        """The image with the deviation from its mean scaled."""
        return image + drawn * (image - image.mean())


def _interpolated(image: jax.Array, rows: jax.Array, columns: jax.Array, fill: float) -> jax.Array:
    """The image at `rows` and `columns` (height, width), bilinearly between its pixels.

    Outside lie pixels of `fill`, as in the mode "grid-constant" of scipy.ndimage.
    """
    height, width, channels = image.shape
    flat = image.reshape(height * width, channels)
    top, left = jnp.floor(rows), jnp.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]

    def pixel(row: jax.Array, column: jax.Array) -> jax.Array:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        at = jnp.where(inside, row * width + column, 0).astype(jnp.int32)
        return jnp.where(inside[..., None], flat.at[at].get(mode="promise_in_bounds"), fill)

    above = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
    below = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
    return above * (1 - down) + below * down


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
    given = [value] if isinstance(value, Transform) else value
    given = value.split(",") if isinstance(value, str) else given
    if not isinstance(given, Sequence):
        raise Refusal(f"`augment` must be transforms such as Flip() or Shift(2), or words; got {value!r}.")
    found: list[Transform] = []
    for one in given:
        if isinstance(one, str):
            found += [_named(one.strip())] if one.strip() else []
        elif isinstance(one, Transform) and not isinstance(one, type):
            found.append(one)
        else:
            raise Refusal(f"`augment` must be transforms such as Flip() or Shift(2); got {one!r}.")
    return tuple(found)


def _named(word: str) -> Transform:
    name, *amounts = word.split(":")
    if name not in KINDS:
        raise Refusal(did_you_mean("transform", name, KINDS))
    kind, minimum = KINDS[name], 0 if name == "flip" else 1
    try:
        values = amounts if name == "flip" else [float(amount) for amount in amounts]
    except ValueError:
        values = []
    if not minimum <= len(values) <= len(fields(kind)):
        raise Refusal(f'a transform is a name and its amount, such as {name}:{_USUAL[name]}; got "{word}".')
    made: Transform = kind(*values)
    return made


_USUAL = {"flip": "vertical", "shift": 2, "crop": 4, "rotate": 15, "brightness": 0.2, "contrast": 0.2}


@dataclass(frozen=True)
class Augmented(Wrapper):
    """A model whose images are augmented in training, by transforms in order with draws of their own."""

    model: Model
    transforms: tuple[Transform, ...]

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
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
        moved = jax.vmap(transform.apply)(moved, drawn)
    return moved.reshape(shape)
