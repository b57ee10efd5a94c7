"""Options of texts."""

from __future__ import annotations

from typing import Any

from epochal.cli.command import under
from epochal.cli.options import Whole, column, decorate
from epochal.errors import Refusal

__all__ = ["text_options", "texts_of"]

_text = under("Texts")

text_options = decorate(
    _text("--text", metavar="COLUMN", help="The column with texts, which are the inputs."),
    _text("--tokenizer", metavar="NAME", help="words or bpe (pieces of words). [by the language]"),
    _text("--vocabulary", type=Whole(3), metavar="TOKENS", help="Distinct tokens, at most. [20000]"),
    _text(
        "--max-length",
        type=Whole(1),
        metavar="TOKENS",
        help="Tokens of a text, at most. [as 99 % of texts have]",
    ),
)
"""How texts are read."""

_MORE = ("tokenizer", "vocabulary", "max_length")


def texts_of(given: dict[str, Any]) -> dict[str, Any] | None:
    """The keyword arguments of `text` that no table has besides; None where no text is asked for."""
    if given["text"] is None:
        for name in _MORE:
            if given[name] is not None:
                flag = name.replace("_", "-")
                raise Refusal(f"--{flag} is about a column of texts; give --text COLUMN, too.")
        return None
    for name in ("keep", "drop", "categorical", "numeric", "window"):
        if given[name]:
            raise Refusal(f"--{name} does not go with --text, whose column is the only input; leave it out.")
    return {"text": column(given["text"]), **{name: given[name] for name in _MORE if given[name] is not None}}
