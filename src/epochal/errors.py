"""Errors of epochal.

A refusal is one sentence that gives the name, the bound, the value and the remedy. The command line
prints it and exits with status 2; in Python it is a `ValueError`.

    ValueError
    └── Refusal          bad input, found before anything is trained or written
        └── MissingExtra  an optional package is not installed; the sentence has the install command
    RuntimeError
    ├── DataFailed       data became unreadable while training; the training keeps what it has
    ├── SaveFailed       a disk could not be written while training; what was saved is kept
    └── ProcessLost         a process that trains together with this one is gone, or has failed
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from epochal.common.option_text import render_message
from epochal.common.text import one_line


class _OneSentence(Exception):
    """An error whose message is complete, on one line: a notebook shows no traceback."""

    def __init__(self, sentence: object = "") -> None:
        super().__init__(one_line(sentence))

    @property
    def sentence(self) -> str:
        """The message with options as code between backticks; `str` has it as shown."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return render_message(self.sentence)

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class Refusal(_OneSentence, ValueError):
    r"""An impossible request, refused before training: name, bound, value, remedy in one sentence.

    >>> raise Refusal("`epochs` must be at least 1; got 0.")
    Traceback (most recent call last):
    epochal.errors.Refusal: epochs must be at least 1; got 0.

    Options in it are code between backticks, which the command line shows as flags.

    >>> print(Refusal('row 3 has no time; `drop=["when"]` leaves the column out.'))
    row 3 has no time; drop=["when"] leaves the column out.

    Text from files can't break it: it is one line, without control characters.

    >>> print(Refusal("no column \x1b[2J\n."))
    no column ?[2J .
    """


class MissingExtra(Refusal):
    """An optional package is not installed; the message has the install command."""


class DataFailed(_OneSentence, RuntimeError):
    """Data became unreadable, in one sentence: a sample that raises, a file that has changed."""


class SaveFailed(_OneSentence, RuntimeError):
    """A write failed while training, in one sentence: a full disk, a removed folder."""

    def __init__(self, sentence: object = "", run: Any = None) -> None:
        super().__init__(sentence)
        self.run = run
        """The `Run`, if only its folder could not be written at the end."""


def reason(error: OSError) -> str:
    """Why a write failed, in words.

    >>> reason(OSError(errno.ENOSPC, "No space left on device"))
    'there is no space left on the disk'
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "there is no space left on the disk"
    return (error.strerror or str(error)).rstrip(".").lower()


def first_line(error: Exception) -> str:
    """The first line of a library's error, without its period; the kind of error if it says nothing.

    >>> first_line(ValueError("no number.\\nDetails")), first_line(KeyError())
    ('no number', 'KeyError')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


class ProcessLost(_OneSentence, RuntimeError):
    """A process of the group is lost or has failed: which, and the remedy."""


def did_you_mean(kind: str, name: str, options: Iterable[str], given: str = "") -> str:
    """The message for an unknown name: the name, the nearest known ones, and all of them.

    `given` is the user's text, if `name` is a normalized form.

    >>> did_you_mean("optimizer", "admw", ["adam", "adamw", "sgd"])
    'unknown optimizer "admw"; did you mean "adamw"? Known: adam, adamw, sgd.'
    >>> did_you_mean("optimizer", "adma", ["adamax", "adam"])
    'unknown optimizer "adma"; did you mean "adam"? Known: adamax, adam.'
    """
    import difflib  # late: only messages need it

    known = list(options)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6 if len(name) > 3 else 0.5)
    near.sort(key=lambda one: sorted(one) != sorted(name))  # first those with letters transposed
    hint = f'; did you mean "{near[0]}"?' if near else "."
    return f'unknown {kind} "{given or name}"{hint} Known: {", ".join(known)}.'


_MAX_PROBLEMS = 8
"""Most problems that one refusal lists; the others are counted."""


def join_refusals(problems: Sequence[str]) -> Refusal:
    """One refusal of all problems of the data, so that they can be fixed at once.

    A single problem is its own sentence. The first ones are listed, the others counted.

    >>> print(join_refusals(["line 3 has 5 fields.", 'column 2 ("x") mixes texts and numbers.']))
    2 problems: (1) line 3 has 5 fields. (2) column 2 ("x") mixes texts and numbers.
    """
    if len(problems) == 1:
        return Refusal(problems[0])
    shown = problems if len(problems) <= _MAX_PROBLEMS else problems[: _MAX_PROBLEMS - 1]
    listed = " ".join(f"({number}) {problem}" for number, problem in enumerate(shown, start=1))
    hidden = len(problems) - len(shown)
    more = f" And {hidden:,} more of the kind." if hidden else ""
    return Refusal(f"{len(problems):,} problems: {listed}{more}")


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional `module`, or refuse with the install command."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f'{purpose} needs {module}: pip install "epochal[{extra}]".') from error
