"""Image files of a folder, and their classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from epochal.common.option_text import option
from epochal.common.text import counted, natural, shortlist
from epochal.data.images.pixels import SUFFIXES
from epochal.data.task import class_order
from epochal.errors import Refusal

_TRAINING = ("train", "training")
_VALIDATION = ("validation", "val", "valid", "dev")
_TESTING = ("test", "testing", "holdout", "hold-out")
"""Names, in small letters, of folders that are parts of a data set."""


@dataclass(frozen=True)
class Listing:
    """The image files of a folder: paths, names, and classes if known."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    """Relative to the folder, with "/"."""
    labels: tuple[str, ...] | None
    """The class folder of each; None if folders are no classes."""
    notes: tuple[str, ...] = ()


def holds_images(folder: Path) -> bool:
    """Whether a path is a folder with images, directly or in subfolders."""
    return folder.is_dir() and any(files for _, files, _ in _walk(folder))


def classes_in(folder: Path) -> tuple[Listing, tuple[str, ...]]:
    """The images of a folder with one subfolder per class, and the sorted classes.

    The uppermost folder is the class of nested images. Other layouts are refused, such as images beside the
    folders, a class without images, and folders that are parts of a data set.
    """
    loose, folders, others = _entries(folder)
    if not folders:
        raise Refusal(
            f'the folder "{folder}" must have one sub-folder of images for each class; got '
            f"{len(loose):,} images and no sub-folder. Put the images of each class into a folder of its own."
        )
    _refuse_parts(folder, folders)
    if loose:
        raise Refusal(
            f'all images of "{folder}" must lie in a sub-folder, which is their class; got {len(loose):,} '
            f'beside them, "{file_label(loose[0].name)}" first. Move or remove them.'
        )
    names = class_order(one.name for one in folders)
    _refuse_repeated(folder, names)
    listing = _listing(folder, [], folders, others)
    found = set(listing.labels or ())
    for name in names:
        if file_label(name) not in found:
            raise Refusal(
                f'the class "{file_label(name)}" must have at least 1 image; its folder in "{folder}" has '
                "none. Add images, or remove the folder."
            )
    if len(names) < 2:
        deeper = any(file.parent != folder / names[0] for file in listing.files)
        raise Refusal(
            f'the folder "{folder}" must have at least 2 sub-folders, one for each class; '
            f'got 1, "{file_label(names[0])}".' + (f' Give "{folder / names[0]}".' if deeper else "")
        )
    return listing, tuple(map(file_label, names))


def images_in(folder: Path, classes: Sequence[str]) -> Listing:
    """The images of a folder to predict: in folders of `classes`, in others, or in none."""
    loose, folders, others = _entries(folder)
    listing = _listing(folder, loose, folders, others)
    if not listing.files:
        raise Refusal(f'the folder "{folder}" must have at least 1 image to predict; got 0.')
    labels, notes = set(listing.labels or ()), listing.notes
    if unknown := sorted(labels - set(classes)):
        note = f'"{unknown[0]}" is no class of the training images: the true classes are not known.'
        notes = (note, *notes)
    known = labels and not loose and not unknown
    return replace(listing, labels=listing.labels if known else None, notes=notes)


def _listing(folder: Path, loose: Sequence[Path], folders: Sequence[Path], others: int) -> Listing:
    """The loose images, and those below each folder, which is their label; `others` were ignored."""
    found, labels = list(loose), list[str]()
    deeper = empty = 0
    for one in sorted(folders, key=lambda path: natural(path.name)):
        for here, files, beside in _walk(one):
            found += files
            labels += [file_label(one.name)] * len(files)
            others += beside
            if here != one:
                deeper += len(files)
                empty += not files and not any(path.is_dir() for path in here.iterdir())
    notes = []
    if deeper:
        which = counted(deeper, "image lies", "images lie")
        notes.append(f"{which} in folders within the class folders, of their class.")
    ignored = [counted(others, "hidden or other file")] if others else []
    ignored += [f"{counted(empty, 'folder')} within class folders"] if empty else []
    if ignored:
        notes.append(f"{' and '.join(ignored)} ignored.")
    linked, home = [file for file in found if file.is_symlink() or file.parent.is_symlink()], folder.resolve()
    # A circular link leads nowhere and is reported on reading; `Path.resolve` raises on it.
    outside = [file for file in linked if not Path(os.path.realpath(file)).is_relative_to(home)]
    if outside:  # which may be unintended
        first = file_label(outside[0].relative_to(folder).as_posix())
        notes.append(f"{len(outside):,} images are links to files outside of the folder, {first} first.")
    names = tuple(file_label(file.relative_to(folder).as_posix()) for file in found)
    return Listing(tuple(found), names, tuple(labels), tuple(notes))


def file_label(name: str) -> str:
    """The name of a file as text, with invalid UTF-8 and control characters replaced.

    >>> file_label("a\\nb.png")
    'a?b.png'
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


def _entries(folder: Path) -> tuple[list[Path], list[Path], int]:
    """Image files, folders and the number of other files, sorted by name.

    Hidden ones are skipped; a folder named like an image counts as one, to be reported.
    """
    files, folders, others = [], [], 0
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise Refusal(f'the folder "{folder}" can\'t be read: {error.strerror}.') from error
    for path in entries:
        hidden = path.name.startswith((".", "__MACOSX"))
        if not hidden and path.suffix.lower() in SUFFIXES:
            files.append(path)
        elif not hidden and path.is_dir():
            folders.append(path)
        else:
            others += 1
    return files, folders, others


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path], int]]:
    """A folder and its subfolders, each with its images and its number of other files."""
    seen: set[str] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real not in seen:  # no link to a parent folder
            seen.add(real)
            files, folders, others = _entries(here)
            yield here, files, others
            waiting += reversed(folders)


def _refuse_parts(folder: Path, folders: Sequence[Path]) -> None:
    """Refuse folders named like parts of a data set (one for training among them) as classes."""
    parts = {one.name.lower(): one for one in folders if any(files for _, files, _ in _walk(one))}
    training = next((parts[name] for name in _TRAINING if name in parts), None)
    if training is None or not set(parts) <= {*_TRAINING, *_VALIDATION, *_TESTING}:
        return
    named = "".join(
        f" {option(part, str(parts[name]))}"
        for part, words in (("validation", _VALIDATION), ("test", _TESTING))
        for name in words
        if name in parts
    )
    also = f" with{named}" if named else ", and other parts with `validation=PATH` and `test=PATH`"
    are = "is a part" if len(parts) == 1 else "are parts"
    name = file_label(training.name)
    remedy = f'"{name}" holds folders of images. Give "{training}"{also}'
    if not any(files for one in _entries(training)[1] for _, files, _ in _walk(one)):
        remedy = f'"{name}" has no folder for each class. Put the images of each class into one'
    raise Refusal(
        f'the sub-folders of "{folder}" must be classes, and hold the images themselves; '
        f"{_quoted([one.name for one in parts.values()])} {are} of a data set, and {remedy}."
    )


def _refuse_repeated(folder: Path, names: Sequence[str]) -> None:
    """Refuse folders that all hold the same subfolders, at least two, and no images."""
    within = []
    for name in names:
        files, folders, _ = _entries(folder / name)
        if files or len(folders) < 2:
            return
        within.append({one.name for one in folders})
    if len(within) > 1 and all(one == within[0] for one in within):
        raise Refusal(
            f'the sub-folders of "{folder}" must be classes; got {_quoted(names)}, each of which holds '
            f"{_quoted(sorted(within[0], key=natural))}. Put these above, as the classes, and "
            "tell the others apart as groups (`groups_from`)."
        )


def _quoted(names: Sequence[str]) -> str:
    quoted = [f'"{file_label(name)}"' for name in names]
    return " and ".join(quoted) if len(names) == 2 else shortlist(quoted, 3, quote="")
