"""JSON documents with their own SHA-256.

A document must be written exactly as `seal` writes it, so every bit of the text counts, blanks and the case
of letters included. This guards against accidents; who changes a document on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epochal.errors import Refusal
from epochal.runs import disk

LIMIT = 256 << 20
"""Most bytes of a sealed document."""

_SEAL = "sha256"


def digest(value: Any) -> str:
    """The SHA-256 of the canonical text of a JSON value: sorted names, no blanks, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(document: Mapping[str, Any]) -> str:
    """A JSON text with the SHA-256 of its own content; NaN, infinity and a second seal are ValueErrors.

    >>> print(seal({"updates": 200}), end="")
    {
     "updates": 200,
     "sha256": "2abed3bb2307a4005433a4a97c06dcef8505305b4dccbb3bfba08b6d474edb11"
    }
    """
    if _SEAL in document:
        raise ValueError("the document is sealed already")
    plain = json.loads(json.dumps(document, allow_nan=False))  # integer keys become text before sorting
    sealed = {**plain, _SEAL: digest(plain)}
    text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # an invalid surrogate, as from a file name that is not UTF-8
        text = json.dumps(sealed, indent=1, allow_nan=False) + "\n"
    return text


def parse(text: str | bytes) -> Any:
    """Strict JSON, else a ValueError: no repeated name in an object, no NaN, UTF-8."""
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def unseal(text: str | bytes, path: Path) -> dict[str, Any]:
    """The document without its seal; one that is not sealed, or changed since, is refused."""
    try:
        document = parse(text)
        if not isinstance(document, dict) or not isinstance(document.get(_SEAL), str):
            raise ValueError("it is not sealed")
        found = document.pop(_SEAL)
        again = seal(document)
        if found != digest(document) or again != (text.decode() if isinstance(text, bytes) else text):
            raise ValueError("its content is not what was sealed")
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split()).rstrip(".")
        raise Refusal(f'"{path}" is damaged: {words}.') from error
    return document


def read_sealed(path: Path, limit: int = LIMIT) -> dict[str, Any]:
    """Read a sealed file; one that is not there, too large or damaged is refused."""
    return unseal(disk.read(path, limit=limit), path)
