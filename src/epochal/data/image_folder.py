"""Which image files does a folder hold, and of which class is each?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from epochal.data.pixels import SUFFIXES
from epochal.data.recognize import natural
from epochal.errors import Refusal

__all__ = ["Listing", "classes_in", "holds_images", "images_in", "shown"]


@dataclass(frozen=True)
class Listing:
    """The image files of a folder: paths, what each is called, and the class of each where it is known."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    """Relative to the folder, with "/"."""
    labels: tuple[str, ...] | None
    """The folder in which each is; None where folders are no classes."""
    notes: tuple[str, ...] = ()


def holds_images(folder: Path) -> bool:
    """Whether a path is a folder that has an image file, or has one in its folders."""
    if not folder.is_dir():
        return False
    files, folders, _ = _entries(folder)
    return bool(files) or any(_entries(one)[0] or any(_grandchildren(one)) for one in folders)


def classes_in(folder: Path) -> tuple[Listing, tuple[str, ...]]:
    """The images of a folder that has one sub-folder a class, and the classes in their order.

    Raises:
        Refusal: images that lie in no class folder, fewer than two classes, or a class without images.
    """
    loose, folders, others = _entries(folder)
    if not folders:
        raise Refusal(
            f'the folder "{folder}" must have one sub-folder of images for each class; got '
            f"{len(loose):,} images and no sub-folder. Put the images of each class into a folder of its own."
        )
    if loose:
        raise Refusal(
            f'all images of "{folder}" must lie in a sub-folder, which is their class; got {len(loose):,} '
            f'beside them, "{shown(loose[0].name)}" first. Move or remove them.'
        )
    names = tuple(sorted((one.name for one in folders), key=natural))
    found: list[Path] = []
    labels: list[str] = []
    nested = 0
    for name in names:
        files, inner, beside = _entries(folder / name)
        if not files:
            _refuse_empty(folder, name, inner)
        nested, others = nested + len(inner), others + beside
        found += files
        labels += [shown(name)] * len(files)
    if len(names) < 2:
        raise Refusal(
            f'the folder "{folder}" must have at least 2 sub-folders, one for each class; '
            f'got 1, "{shown(names[0])}".'
        )
    called = tuple(shown(file.relative_to(folder).as_posix()) for file in found)
    notes = (*_ignored(others, nested), *_outside(folder, found))
    return Listing(tuple(found), called, tuple(labels), notes), tuple(map(shown, names))


def images_in(folder: Path, classes: Sequence[str]) -> Listing:
    """The images of a folder that are to be predicted: in folders of `classes`, or in any others, or in none.

    Raises:
        Refusal: there is no image.
    """
    loose, folders, others = _entries(folder)
    found, notes, nested = list(loose), [], 0
    labels: list[str] = []
    for one in sorted(folders, key=lambda path: natural(path.name)):
        files, inner, beside = _entries(one)
        found += files
        labels += [shown(one.name)] * len(files)
        nested, others = nested + len(inner), others + beside
    if not found:
        raise Refusal(f'the folder "{folder}" must have at least 1 image to predict; got 0.')
    unknown = sorted(set(labels) - set(classes))
    known = bool(labels) and not loose and not unknown
    if labels and unknown:
        notes.append(f'"{unknown[0]}" is no class of the training images: the true classes are not known.')
    called = tuple(shown(file.relative_to(folder).as_posix()) for file in found)
    return Listing(
        tuple(found),
        called,
        tuple(labels) if known else None,
        (*notes, *_ignored(others, nested), *_outside(folder, found)),
    )


def shown(name: str) -> str:
    """The name of a file as text: bytes that are no UTF-8 and control characters become signs.

    >>> shown("a\\nb.png")
    'a?b.png'
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


def _entries(folder: Path) -> tuple[list[Path], list[Path], int]:
    """Image files, folders and the number of other files, each in the order of their names.

    What is hidden is left aside; a folder that is called like an image counts as one, to be told of.
    """
    files, folders, others = [], [], 0
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise Refusal(f'the folder "{folder}" can\'t be read: {error.strerror}.') from error
    for path in entries:
        if path.name.startswith((".", "__MACOSX")):
            others += 1
        elif path.suffix.lower() in SUFFIXES:
            files.append(path)
        elif path.is_dir():
            folders.append(path)
        else:
            others += 1
    return files, folders, others


def _grandchildren(folder: Path) -> list[Path]:
    return [path for one in _entries(folder)[1] for path in _entries(one)[0]]


def _refuse_empty(folder: Path, name: str, inner: Sequence[Path]) -> None:
    """A class without images; often the folder above the one that was meant."""
    if any(_entries(one)[0] for one in inner):
        raise Refusal(
            f'the sub-folders of "{folder}" must hold the images themselves; "{shown(name)}" holds folders '
            f'of images. Give "{folder / name}", and other parts with --validation and --test.'
        )
    raise Refusal(
        f'the class "{shown(name)}" must have at least 1 image; its folder in "{folder}" has none. '
        "Add images, or remove the folder."
    )


def _ignored(others: int, nested: int) -> tuple[str, ...]:
    parts = [f"{others:,} hidden or other file{'s' * (others > 1)}"] if others else []
    parts += [f"{nested:,} folder{'s' * (nested > 1)} within class folders"] if nested else []
    return (f"{' and '.join(parts)} ignored.",) if parts else ()


def _outside(folder: Path, files: Sequence[Path]) -> tuple[str, ...]:
    """A note on links that lead out of the folder: whoever made it may mean pictures that are not theirs."""
    linked = [file for file in files if file.is_symlink() or file.parent.is_symlink()]
    if not linked:
        return ()
    home = folder.resolve()
    # A link in a circle leads nowhere, and is told when it is read; `Path.resolve` raises at it.
    out = [file for file in linked if not Path(os.path.realpath(file)).is_relative_to(home)]
    first = f", {shown(out[0].relative_to(folder).as_posix())} first" if out else ""
    return (f"{len(out):,} images are links to files outside of the folder{first}.",) if out else ()
