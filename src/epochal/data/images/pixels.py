"""Pixels of an image file, and the range from black to white of images with more than 8 bits."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from epochal.common.text import counted

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Suffixes of image files, in small letters."""

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N")
_GRAY = ("1", "L", "LA", "La", "I", "F", *_SIXTEEN)
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
"""The EXIF orientation tag, and its values that exchange height and width."""

DEEPEST = 65_535
"""The largest value of 16 bits."""
_RARE = 0.001
"""The share of outlier pixels that may be clipped if the others need a far smaller range."""
_FAR = 8
"""How many times the range must shrink to clip outliers."""


@dataclass(frozen=True)
class PixelRange:
    """The values of black and white in deep images; values outside are clipped.

    >>> PixelRange(0.0, 4095.0).bytes_of(np.array([0, 2048, 4095, 5000], np.uint16)).tolist()
    [0, 128, 255, 255]
    """

    black: float = 0.0
    white: float = float(DEEPEST)

    def bytes_of(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The values as bytes; NaN is black."""
        share = (values.astype(np.float64) - self.black) / (self.white - self.black)
        return np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)


@dataclass
class Histogram:
    """A histogram of deep images with 16-bit integers, and their range."""

    of_value: NDArray[np.int64] = field(default_factory=lambda: np.zeros(DEEPEST + 1, np.int64))
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    images: int = 0

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> Histogram:
        """The histogram of one image."""
        finite = values if values.dtype.kind in "ui" else values[np.isfinite(values.astype(np.float64))]
        if not finite.size:
            return cls(images=1)
        low, high = float(finite.min()), float(finite.max())
        if values.dtype.kind not in "ui" or low < 0 or high > DEEPEST:
            return cls(low=low, high=high, whole=False, images=1)
        counted = np.bincount(finite.ravel().astype(np.int64), minlength=DEEPEST + 1)
        return cls(counted, low, high, images=1)

    @classmethod
    def sum(cls, parts: Iterable[Histogram]) -> Histogram:
        """The histogram of many images."""
        total = cls()
        for one in parts:
            total.of_value += one.of_value
            total.low, total.high = min(total.low, one.low), max(total.high, one.high)
            total.whole &= one.whole
            total.images += one.images
        return total

    def pixel_range(self) -> PixelRange:
        """A common range for these images and similar new ones.

        From 0 to the largest value of the bits that are used, 8 at least. Values that use less than half of
        that range from the lowest to the highest; a few outliers, such as broken pixels, do not count. Other
        numbers range from the lowest to the highest, or from 0 to 1.

        >>> Histogram.of(np.array([[3, 4000]], np.uint16)).pixel_range()
        PixelRange(black=0.0, white=4095.0)
        >>> Histogram.of(np.array([[-1.5, 2.5]], np.float32)).pixel_range()
        PixelRange(black=-1.5, white=2.5)
        """
        if self.low >= self.high:
            black = min(0.0, self.low) if np.isfinite(self.low) else 0.0
            return PixelRange(black, max(255.0 if self.whole else 1.0, self.high))
        if not self.whole:
            unit = self.low >= 0 and 1 / _FAR < self.high <= 1
            return PixelRange(0.0, 1.0) if unit else PixelRange(self.low, self.high)
        share = np.cumsum(self.of_value) / self.of_value.sum()
        low, high = int(np.searchsorted(share, _RARE)), int(np.searchsorted(share, 1 - _RARE))
        top = self.high if self.high - self.low < _FAR * max(1, high - low) else float(high)
        bottom = self.low if top - self.low < _FAR * max(1, top - low) else float(low)
        white = float(2 ** max(8, int(top).bit_length()) - 1)
        return PixelRange(bottom, top) if (top - bottom) * 2 < white else PixelRange(0.0, white)

    def note(self, pixel_range: PixelRange) -> str:
        """A note on the range."""
        kind = "values of more than 8 bits" if self.whole else "numbers without a fixed range"
        outside = self.low < pixel_range.black or self.high > pixel_range.white
        return (
            f"{counted(self.images, 'image has', 'images have')} {kind}, from {self.low:g} to {self.high:g}: "
            f"{pixel_range.black:g} is seen as black and {pixel_range.white:g} as white"
            f"{', values outside as these' if outside else ''}; new images likewise."
        )


class Unreadable(Exception):
    """Why an image can't be read, in words that follow "since"."""


class ImageHeader(NamedTuple):
    """Metadata of an image, read without its pixels, after its EXIF orientation."""

    height: int
    width: int
    gray: bool
    transparent: bool
    deep: bool
    """Whether values have more than 8 bits."""
    more_frames: bool
    """Whether there are further frames or pages."""


@contextmanager
def bombs_as_errors() -> Iterator[None]:
    """A context in which decompression bombs are errors instead of Pillow's warnings.

    Warning filters are per process: use it around all threads that read images.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow's warnings on EXIF data and old palettes
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def header(path: Path) -> ImageHeader:
    """The size and kind of an image, without reading its pixels."""
    with _opened(path) as image:
        height, width = image.height, image.width
        if _orientation(image) in _TURNED:
            height, width = width, height
        more = bool(getattr(image, "is_animated", False))
        return ImageHeader(height, width, image.mode in _GRAY, _is_transparent(image), _is_deep(image), more)


def counts(path: Path) -> Histogram:
    """The values of an image with more than 8 bits."""
    with _opened(path) as image:
        return Histogram.of(_values(image))


def pixels(
    path: Path, channels: int, size: tuple[int, int] | None = None, pixel_range: PixelRange | None = None
) -> NDArray[np.uint8]:
    """The pixels (height, width, channels) of an image: the first frame, in its EXIF orientation.

    Transparent pixels are blended with white, and values of more than 8 bits become bytes.

    Args:
        channels: 1 for gray (the luma of ITU-R 601-2 where the image has colors) or 3 for RGB.
        size: the height and width to resize to, by area averaging; its own by default.
        pixel_range: black and white of more than 8 bits; 0 and 65,535 by default.
    """
    with _opened(path) as opened:
        turned = _orientation(opened) in _TURNED
        if size is not None:
            height, width = size[::-1] if turned else size
            opened.draft(None, (2 * width, 2 * height))  # lets the decoder reduce large JPEG files
        deep = _is_deep(opened)
        image = ImageOps.exif_transpose(opened)
        if deep and (pixel_range is not None or image.mode in _SIXTEEN):
            alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
            image = Image.fromarray((pixel_range or PixelRange()).bytes_of(_values(image)))
            if alpha is not None:
                image.putalpha(alpha)
        elif image.mode in ("F", "I"):
            raise Unreadable(f"its pixels have no known range from black to white (mode {image.mode})")
        if _is_transparent(image):
            above = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
        image = image.convert("L" if channels == 1 else "RGB")
        if size is not None and image.size != size[::-1]:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        found = np.ascontiguousarray(image)
    return found.reshape(*found.shape[:2], channels)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The opened image; any error of its decoder, within the context too, becomes Unreadable."""
    if not path.is_file():
        raise Unreadable(_what_else(path))
    if path.stat().st_size == 0:
        raise Unreadable("it is empty (0 bytes)")
    try:
        # Given a path, Pillow memory-maps uncompressed TIFF files and fails on those that need a rotation.
        with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            yield image
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("its content is no JPEG, PNG, BMP, GIF, TIFF or WebP image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        most = Image.MAX_IMAGE_PIXELS or 0
        raise Unreadable(f"it claims more than {most:,} pixels, which a small file can do") from error
    except MemoryError as error:
        raise Unreadable("its pixels do not fit into memory") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error and more
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise Unreadable(message[:1].lower() + message[1:160]) from error


def _what_else(path: Path) -> str:
    if path.is_dir():
        return "it is a folder"
    if path.is_symlink() and not path.exists():
        return "it is a link to a file that does not exist"
    return "it is no regular file" if path.exists() else "it does not exist"


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 if there is none, or if Pillow rotates the image itself."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1  # asking a PNG file would read all of it
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_deep(image: Image.Image) -> bool:
    """Whether values have more than 8 bits; with several channels, Pillow reads the upper 8."""
    tiles = getattr(image, "tile", [])
    return image.mode in ("F", "I", *_SIXTEEN) or any(";16" in str(tile[3]) for tile in tiles[:1])


def _values(image: Image.Image) -> NDArray[np.generic]:
    found = np.asarray(image)
    if found.ndim == 2:
        return found
    colors = found[..., :3] if found.shape[-1] > 2 else found[..., 0]
    return colors.astype(np.uint16) * np.uint16(257)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info
