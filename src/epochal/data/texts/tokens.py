"""Tokenizers of the library `tokenizers`, texts as rows of token ids, and vocabularies of samples."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from epochal.data.lazy import LazyArray
from epochal.data.values.writing_systems import SINGLE, writing_of
from epochal.errors import Refusal, did_you_mean, require

PADDING, UNKNOWN = 0, 1
"""The ids of padding, and of unknown tokens."""
TOKENIZERS = ("words", "bpe")
_SPECIAL = ["[PAD]", "[UNK]"]
_BLOCK = 4096
_OFTEN = (5, 50, 50)
"""Occurrences needed for a piece without word boundaries: minimum, maximum, and one per this many texts."""
_MAX_PIECE = 8


def learn_tokenizer(kind: str, texts: Sequence[str], vocabulary: int, lowercase: bool) -> Any:
    """A tokenizer with at most `vocabulary` tokens, padding and unknown included.

    "words" keeps the most frequent words and signs; "bpe" merges the most frequent pairs of pieces (Sennrich
    et al. 2016). Chinese characters, letters of other scripts without blanks and emoji are single words;
    without word boundaries, pieces are short and frequent. The same texts give the same tokenizer.
    """
    library = require("tokenizers", extra="text", purpose="reading texts")
    if kind not in TOKENIZERS:
        raise Refusal(did_you_mean("tokenizer", str(kind), TOKENIZERS))
    models, trainers = library.models, library.trainers
    writing = writing_of(texts)
    options = {"vocab_size": vocabulary, "special_tokens": _SPECIAL, "show_progress": False}
    if kind == "words":
        model, trainer = models.WordLevel(unk_token=_SPECIAL[1]), trainers.WordLevelTrainer(**options)
    else:
        if writing.unspaced or writing.strings:
            often = min(_OFTEN[1], max(_OFTEN[0], len(texts) // _OFTEN[2]))
            options |= {"min_frequency": often, "max_token_length": _MAX_PIECE}
        model, trainer = models.BPE(unk_token=_SPECIAL[1]), trainers.BpeTrainer(**options)
    tokenizer, normalizers = library.Tokenizer(model), library.normalizers
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = _cuts()["pieces" if kind == "bpe" else "single" if writing.single else "words"]
    tokenizer.train_from_iterator(_blocks(texts), trainer)
    return read_tokenizer(json.loads(tokenizer.to_str()))


def _cuts() -> dict[str, Any]:
    """The pre-tokenizer of each kind."""
    library = require("tokenizers", extra="text", purpose="reading texts")
    cut = library.pre_tokenizers
    single = cut.Sequence([cut.Split(library.Regex(SINGLE), "isolated"), cut.Whitespace()])
    return {"words": cut.Whitespace(), "single": single, "pieces": cut.Metaspace()}


def read_tokenizer(value: Any) -> Any:
    """The tokenizer of a JSON object."""
    library = require("tokenizers", extra="text", purpose="reading texts")
    _check(value)
    try:
        tokenizer = library.Tokenizer.from_str(json.dumps(value))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # its panics are no Exception
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise Refusal(f"the tokenizer of the run is damaged: {reason}.") from error
    found = [tokenizer.token_to_id(token) for token in _SPECIAL]
    if found != [PADDING, UNKNOWN]:
        raise Refusal(f"the tokenizer of the run is damaged: [PAD] and [UNK] must be 0 and 1; got {found}.")
    tokenizer.encode_special_tokens = True  # "[PAD]" within a text is text
    return tokenizer


def _check(value: Any) -> None:
    """Refuse other tokenizers than `learn_tokenizer` makes: they may run untrusted patterns, or be random."""
    try:
        model = value["model"]
        vocabulary = model["vocab"]
        steps = {step["type"] for step in value["normalizer"]["normalizers"]}
        sound = (
            value["normalizer"]["type"] == "Sequence"
            and steps <= {"NFKC", "Lowercase"}
            and value["pre_tokenizer"] in [json.loads(cut.__getstate__()) for cut in _cuts().values()]
            and not any(value[name] for name in ("truncation", "padding", "post_processor", "decoder"))
            and [token["content"] for token in value["added_tokens"]] == _SPECIAL
            and model["type"] in ("WordLevel", "BPE")
            and model.get("dropout") is None
            and sorted(vocabulary.values()) == list(range(len(vocabulary)))
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise Refusal("the tokenizer of the run is damaged: it is not what epochal writes.") from error
    if not sound:
        raise Refusal(
            "the tokenizer of the run is damaged: it has steps or tokens that epochal does not write."
        )


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The concatenated ids of all texts, and the length of each."""
    ids, lengths = array("i"), array("q")
    for block in _blocks(texts):
        for found in tokenizer.encode_batch_fast(block, add_special_tokens=False):
            ids.extend(found.ids)
            lengths.append(len(found.ids))
    return np.asarray(ids, np.int32), np.asarray(lengths, np.int64)


def padded(ids: NDArray[np.int32], lengths: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Rows of that length: longer texts are cut, shorter ones padded at the end.

    >>> padded(np.array([5, 6, 7, 8], np.int32), np.array([3, 0, 1]), 2).tolist()
    [[5, 6], [0, 0], [8, 0]]
    """
    starts = np.cumsum(lengths) - lengths
    rows = np.full((len(lengths), length), PADDING, np.int32)
    for place in range(length):
        there = lengths > place
        rows[there, place] = ids[starts[there] + place]
    return rows


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    return (list(texts[start : start + _BLOCK]) for start in range(0, len(texts), _BLOCK))


@dataclass(frozen=True)
class Vocabulary:
    """Maps tokens that no training sample has to unknown.

    `known` is bool `(tokens,)`.

    >>> Vocabulary(np.array([True, True, True, False])).apply(np.array([[2, 3, 0]], np.int32)).tolist()
    [[2, 1, 0]]
    """

    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.known.ndim != 1 or self.known.dtype != np.bool_ or len(self.known) <= UNKNOWN:
            raise ValueError(f"a vocabulary must be booleans (tokens,); got {self.known.dtype}")

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int32)
    """The dtype of the result."""

    def apply(self, inputs: NDArray[Any] | LazyArray, out: NDArray[Any] | None = None) -> NDArray[np.int32]:
        """The ids with unknown ones replaced; written to `out` (which may be `inputs`) if given."""
        ids: NDArray[np.int32] = inputs[:] if not isinstance(inputs, np.ndarray) else inputs
        seen: NDArray[np.int32] = np.where(self.known[ids], ids, np.int32(UNKNOWN))
        if out is None:
            return seen
        out[...] = seen
        return out


def fit_vocabulary(
    inputs: NDArray[np.int32] | LazyArray, tokens: int, train: NDArray[np.int64]
) -> Vocabulary:
    """The tokens that occur in the training samples, of `tokens` ids."""
    known = np.zeros(tokens, bool)
    known[[PADDING, UNKNOWN]] = True
    for start in range(0, len(train), 1 << 14):
        known[inputs[train[start : start + (1 << 14)]]] = True
    return Vocabulary(known)
