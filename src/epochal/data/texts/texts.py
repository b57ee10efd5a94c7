"""The data set of a table's texts, and its encoder for new texts."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from epochal.common.option_text import register_call
from epochal.data.columns import ColumnReference, called, has_header, resolve
from epochal.data.dataset import Dataset, fingerprint
from epochal.data.files.read import form_of
from epochal.data.files.reading import Reading
from epochal.data.grouping import with_groups
from epochal.data.recipe import Recipe, option_types
from epochal.data.records import Damaged, SampleEncoder, built
from epochal.data.source import DataSource, TrainingContext, chosen
from epochal.data.tables.frames import is_frame, is_pair, named_table
from epochal.data.tables.new_rows import new_rows, read_new
from epochal.data.tables.recognize import TableOptions
from epochal.data.tables.schema import Column, LeftOut, TableEncoder
from epochal.data.tables.target import group_ids, read_target, weights_of
from epochal.data.texts.tokens import encode_texts, learn_tokenizer, padded, read_tokenizer
from epochal.data.values.writing_systems import writing_of
from epochal.errors import Refusal
from epochal.plan.sizes import as_integer

_SHARE = 99
"""The percentile of the lengths that is the default maximum length."""
_LONGEST = 2**16


@dataclass(frozen=True)
class TextEncoder(SampleEncoder):
    """Encodes texts as those of the training: columns, tokenizer, length.

    The tokenizer is learned from all texts given for training, without their targets. The part of its
    vocabulary that a repeat uses is fitted to that repeat's training samples alone (`Vocabulary`).
    """

    kind: ClassVar[str] = "texts"
    loader: ClassVar[str] = "ep.load_texts"

    table: TableEncoder
    """The columns; its only input is the one with the texts."""
    tokenizer: str
    """JSON of the library `tokenizers`."""
    vocabulary_size: int
    length: int

    standardize: ClassVar[bool] = False
    """Tokens are no quantities."""

    @cached_property
    def _tokenizer(self) -> Any:
        return read_tokenizer(json.loads(self.tokenizer))

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], list[str]]:
        """Token ids (texts, length), and notes on what was cut or is empty."""
        ids, lengths = encode_texts(self._tokenizer, texts)
        return padded(ids, lengths, self.length), _length_notes(lengths, self.length)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**super().to_dict(), "tokenizer": json.loads(self.tokenizer)}

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """The inverse of `to_dict`."""
        table = built(TableEncoder, value.get("table"))
        table.check(texts=True)
        sizes = {name: value[name] for name in ("vocabulary_size", "length") if name in value}
        tokenizer = json.dumps(value.get("tokenizer"), ensure_ascii=False)
        encoder = built(cls, sizes, table=table, tokenizer=tokenizer)
        encoder.check()
        return encoder

    def check(self) -> None:
        if not 1 <= self.length <= _LONGEST or self.vocabulary_size < 1:
            raise Damaged(f"texts of {self.length} tokens of {self.vocabulary_size}")
        tokenizer = json.loads(self.tokenizer)
        model = tokenizer.get("model") if isinstance(tokenizer, dict) else None
        words = model.get("vocab") if isinstance(model, dict) else None
        if not isinstance(words, dict) or len(words) > self.vocabulary_size:
            raise Refusal("the tokenizer of the run is damaged: it must have as many tokens as it says.")
        if len(self.table.columns) != 1:
            raise Damaged(f"texts are in 1 column; got {len(self.table.columns)}")


@register_call("ep.load_texts")
def load_texts(
    source: Any,
    *,
    text: ColumnReference | None = None,
    target: ColumnReference | None = None,
    tokenizer: str | None = None,
    vocabulary: int = 20_000,
    max_length: int | None = None,
    lowercase: bool = True,
    task: str | None = None,
    sample_weight: ColumnReference | None = None,
    groups: ColumnReference | Sequence[Any] | NDArray[Any] | None = None,
    groups_from: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    missing: Collection[str] | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
    sheet: str | int | None = None,
) -> Dataset:
    """Texts with their classes (or numbers), as token ids int32 `(n, length)`: 0 is padding, 1 unknown.

    Args:
        source: a path or "example:NAME", a data frame, or `(texts, labels)`, two sequences.
        text: the column with the texts, by name or number from 1; not needed for two sequences.
        target: the target column; by default the last one that is not `text`.
        tokenizer: "words" or "bpe" (pieces of words); it learns from these texts. By default words, which
            are characters where there are no blanks between them, as in Chinese and Thai; and pieces of long
            strings that hardly repeat, such as sequences of bases.
        vocabulary: most tokens, padding and unknown included.
        max_length: tokens to which longer texts are cut; by default the 99th percentile.
        lowercase: whether to convert to small letters.
        task: as for `load_data`.
        sample_weight: the column of sample weights.
        groups: the column of group names, such as authors, or the group of each text: a
            split keeps each on one side.
        groups_from: a regular expression for the group in that column.
        header, delimiter, missing, encoding, skip_rows, comment, sheet: as for `load_data`.

    Raises:
        Refusal: no such column, one without texts or with numbers, a target that can't be used.
        MissingExtra: the package `tokenizers` is not installed.

    >>> data = load_texts((["good film", "bad film"] * 4, ["yes", "no"] * 4))
    >>> data.inputs[:2].tolist(), data.encoder.vocabulary_size
    ([[4, 2], [3, 2]], 5)
    """
    arguments = locals().copy()
    reading = chosen(Reading, arguments)
    vocabulary = _whole("vocabulary", vocabulary, 3, 2**30)
    longest = None if max_length is None else _whole("max_length", max_length, 1, _LONGEST)
    table, name, notes, at, target_at = _table_of(source, text, target, reading, (sample_weight, groups))
    names = tuple(table.column_names)
    if table.num_rows < 2:
        raise Refusal(f"{name} must have at least 2 texts to train on; got {table.num_rows}.")
    weight = None if sample_weight is None else resolve(sample_weight, names, "sample_weight")
    if weight in (at, target_at):
        raise Refusal(f"`sample_weight` must be a column of its own; got {called(names, weight or 0)}.")
    target_column, text_name = called(names, target_at), called(names, at)
    by = resolve(groups, names, "groups") if isinstance(groups, str | int) else None
    if by in (at, target_at, weight) and by is not None:
        raise Refusal(f"`groups` must be a column of its own; got {called(names, by)}.")
    if groups_from is not None and by is None:
        raise Refusal("`groups_from` finds groups in a column; name it: `groups=COLUMN`.")
    labels = read_target(table, target_at, target_column, TableOptions(target, task))
    table = labels.table
    weights = None if weight is None else weights_of(table.column(weight), called(names, weight))
    texts = _texts_of(table.column(at), text_name)
    if not any(map(str.strip, texts)):
        raise _no_texts(text_name, f"all {len(texts):,} are empty")
    writing = writing_of(texts)
    usual = "bpe" if writing.strings else "words"
    tokenizer = usual if tokenizer is None else tokenizer
    learned = learn_tokenizer(tokenizer, texts, vocabulary, lowercase)
    ids, lengths = encode_texts(learned, texts)
    if longest is None:
        longest = max(1, int(np.percentile(lengths, _SHARE, method="higher")))
    others = tuple(
        LeftOut(other, index, "is not the text")
        for index, other in enumerate(names)
        if index not in (at, target_at, weight, by)
    )
    encoder = TextEncoder(
        table=TableEncoder(
            names=names,
            header=has_header(names),
            columns=(Column(names[at], at, "category", text=True),),
            left_out=others,
            target=target_at,
            weight=weight,
            na_values=reading.na_values,
            **form_of(table),
            **labels.fields,
        ),
        tokenizer=learned.to_str(),
        vocabulary_size=learned.get_vocab_size(),
        length=longest,
    )
    inputs = padded(ids, lengths, longest)
    raw_notes = [
        *notes,
        *labels.notes,
        f"texts in {text_name}: {encoder.vocabulary_size:,} tokens ({tokenizer}), learned from all "
        "texts given, without targets; those that no training text has are unknown to a repeat.",
        *([unspaced] if (unspaced := writing.note(tokenizer)) else []),
        *_length_notes(lengths, longest),
    ]
    if others:
        are = "s are" if len(others) > 1 else " is"
        raw_notes.append(f"{len(others):,} other column{are} no input (`text`).")
    dataset = Dataset(
        inputs=inputs,
        targets=labels.targets,
        task=labels.task,
        continuous=np.zeros(1, bool),
        encoder=encoder,
        target_name=names[target_at],
        source=name,
        raw_notes=tuple(raw_notes),
        row_numbers=labels.rows,
        sample_weight=weights,
        fingerprint=fingerprint((names[at], names[target_at]), inputs, labels.targets, weights),
        recipe=Recipe.of("load_texts", TEXTS.options, source, arguments),
    )
    if by is not None:
        values = group_ids(table.column(by), called(names, by), groups_from)
        return with_groups(dataset, values, f"from {called(names, by)}")
    if groups is None or isinstance(groups, str | int):
        return dataset
    return with_groups(dataset, groups, "from `groups`")


def new_texts(encoder: TextEncoder, source: Any, context: TrainingContext) -> Dataset:
    """The texts of a new table with the text column, or a sequence of strings."""
    column = encoder.table.columns[0]
    if _are_texts(source):
        source = pa.table({column.name: pa.array([str(one) for one in source], pa.string())})
    elif isinstance(source, tuple) and len(source) == 2 and _are_texts(source[0]):
        source = _pair(*source, column.name, encoder.table.target_name)
    elif not isinstance(source, (str, Path)) and not is_frame(source) and not is_pair(source):
        raise Refusal(
            f"new texts must be a path, a data frame or a sequence of strings; got {type(source).__name__}."
        )
    read = read_new(encoder.table, source, context.reading)

    def encoded(table: pa.Table, _: TableEncoder, positions: Sequence[int]) -> tuple[Any, list[str]]:
        known_as = called(table.column_names, positions[0])
        return encoder.encode(_texts_of(table.column(positions[0]), known_as))

    found = new_rows(read, encoder.table, encoded)
    return replace(found, encoder=encoder, features=(), continuous=np.zeros(1, bool))


def _length_notes(lengths: NDArray[np.int64], length: int) -> list[str]:
    cut, empty = int((lengths > length).sum()), int((lengths == 0).sum())
    shortest, longest = int(lengths.min()), int(lengths.max())
    note = (
        f"all have {longest:,} tokens"
        if shortest == longest
        else f"texts have {shortest:,} to {longest:,} tokens"
    )
    note += f"; {cut:,} are cut to {length:,} (`max_length`)." if cut else "."
    return [note, *([f"{empty:,} texts are empty: the network sees nothing of them."] if empty else [])]


def _table_of(
    source: Any,
    text: ColumnReference | None,
    target: ColumnReference | None,
    reading: Reading,
    others: Sequence[Any] = (),
) -> tuple[pa.Table, str, tuple[str, ...], int, int]:
    """The table, its name, notes, and the indices of the text and target columns.

    Columns but these and the `others` that are named are left empty, and may have any content.
    """
    if isinstance(source, tuple) and len(source) == 2 and _are_texts(source[0]):
        return _pair(*source, "text", "target"), "texts", (), 0, 1
    if is_pair(source) and len(source) == 2 and isinstance(source[1], (str, int)) and target is None:
        source, target = source

    def places(names: Sequence[str]) -> tuple[int, int]:
        at = _text_column(text, names)
        last = len(names) - 1 - (at == len(names) - 1)
        return at, last if target is None else resolve(target, names, "target")

    def unused(names: Sequence[str]) -> set[int]:
        more = [resolve(one, names, "column") for one in others if isinstance(one, str | int)]
        return set(range(len(names))) - {*places(names), *more}

    found = named_table(source, reading, text=lambda names: [names[_text_column(text, names)]], drop=unused)
    if found is None:
        raise Refusal(
            "texts must be a path, a data frame, or a pair of sequences (texts, labels); "
            f"got {type(source).__name__}."
        )
    names = found.table.column_names
    at, target_at = places(names)
    if len(names) < 2:
        raise Refusal(f"{found.name} must have at least 2 columns, texts and a target; got {len(names)}.")
    if target_at == at:
        raise Refusal(f"`target` must be another column than the text; got {called(names, at)}.")
    return found.table, found.name, found.notes, at, target_at


def _pair(texts: Sequence[str], labels: Any, text: str, target: str) -> pa.Table:
    if len(texts) != len(labels):
        raise Refusal(f"labels must be one for each of the {len(texts):,} texts; got {len(labels):,}.")
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    return pa.table({text: pa.array([str(one) for one in texts], pa.string()), target: values})


def _text_column(text: ColumnReference | None, names: Sequence[str]) -> int:
    if text is None:
        raise Refusal(
            f"`text` must name the column with the texts; got none. Columns: {', '.join(names[:10])}."
        )
    return resolve(text, names, "text")


def _texts_of(column: pa.ChunkedArray, known_as: str) -> list[str]:
    """The texts of a column, empty if missing; numbers and dates are refused."""
    kind = column.type
    if not pa.types.is_string(kind):
        got = "dates" if pa.types.is_temporal(kind) else "numbers"
        got = "truth values" if pa.types.is_boolean(kind) else got
        raise _no_texts(known_as, f"got {got}")
    with suppress(pa.ArrowInvalid):
        if column.null_count < len(column):
            pc.cast(column, pa.float64(), safe=False)
            raise _no_texts(known_as, "all its values are numbers")
    return pc.fill_null(column, "").to_pylist()


def _no_texts(known_as: str, what: str) -> Refusal:
    return Refusal(f"{known_as} must hold texts; {what}. Name another with `text=COLUMN`.")


def _are_texts(source: Any) -> bool:
    """Whether it is a sequence of strings, not the path of a file."""
    if isinstance(source, np.ndarray):
        return source.ndim == 1 and source.dtype.kind in "UTO" and all(isinstance(one, str) for one in source)
    return isinstance(source, (list, tuple)) and bool(source) and all(isinstance(one, str) for one in source)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    number = as_integer(value)
    if number is None or not low <= number <= high:
        raise Refusal(f"`{name}` must be a whole number of tokens between {low} and {high:,}; got {value!r}.")
    return number


TEXTS = DataSource(
    load=lambda source, arguments, progress: load_texts(source, **arguments),
    options={**option_types(load_texts), "groups": ColumnReference},
    reader="load_texts",
    encoder=TextEncoder,
    transform=new_texts,
)
