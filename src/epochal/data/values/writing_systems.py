"""Whether the words of texts are separated by spaces, or not, or are long strings that are no words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SIGNS = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U0003ffff"
)
"""Chinese characters and kana."""
_LETTERS = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua980-\ua9df\uaa60-\uaa7f"
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai and Javanese letters."""
SINGLE = rf"[{_SIGNS}]|[{_LETTERS}]\p{{M}}*|\p{{Extended_Pictographic}}"
"""A single token in the syntax of `tokenizers`: a sign, a letter with its marks, an emoji."""

_UNSPACED = re.compile(f"[{_SIGNS}{_LETTERS}]")
_PICTURE = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_WORD, _ANY = re.compile(r"\w+"), re.compile(r"\w")
_LOOKED_AT = 2000
"""Most texts to inspect, evenly spaced."""
_SHARE = 0.1
"""The share of letters from which texts count as written without blanks."""
_LONG = 20
"""The mean number of letters of strings that are no words: base sequences, codes."""


@dataclass(frozen=True)
class Writing:
    """The writing of texts.

    Args:
        unspaced: whether much of it is in scripts without blanks between words.
        strings: whether words are long and rarely repeated, as base sequences are.
        single: whether it has single-character tokens, such as Chinese characters.
    """

    unspaced: bool = False
    strings: bool = False
    single: bool = False

    def note(self, tokenizer: str) -> str:
        """A note on tokens other than words between blanks, if any."""
        words = tokenizer == "words"
        if self.strings:
            taken = "a token each; bpe takes" if words else "cut into"
            return f"the texts are long strings that hardly repeat: {taken} frequent pieces (`tokenizer`)."
        taken = "each character is a token; bpe takes frequent pieces"
        taken = taken if words else "frequent pieces are tokens; words takes characters"
        return f"the texts have no blanks between words: {taken} (`tokenizer`)." if self.unspaced else ""


_MARKED = re.compile(
    f"[{_SIGNS}]|[{_LETTERS}]["
    + "".join(chr(code) for code in range(0x0E00, 0xAAE0) if unicodedata.category(chr(code))[0] == "M")
    + f"]*|[^{_SIGNS}{_LETTERS}]+"
)


def without_blanks(word: str) -> list[str]:
    """The characters of a script without blanks in a word, and the text between them.

    >>> without_blanks("用Python写"), without_blanks("ดีมาก"), without_blanks("plain")
    (['用', 'Python', '写'], ['ดี', 'ม', 'า', 'ก'], ['plain'])
    """
    return _MARKED.findall(word) if _UNSPACED.search(word) else [word]


def writing_of(texts: Sequence[str]) -> Writing:
    """The writing of texts.

    >>> writing_of(["我喜欢这部电影", "不好看"])
    Writing(unspaced=True, strings=False, single=True)
    >>> writing_of(["a fine film", "no good 😀"])
    Writing(unspaced=False, strings=False, single=True)
    """
    together = "\n".join(texts[:: max(1, len(texts) // _LOOKED_AT)])
    without = len(_UNSPACED.findall(together))
    words = Counter(_WORD.findall(together))
    count = max(1, words.total())
    once = sum(1 for times in words.values() if times == 1)
    mean = sum(len(word) * times for word, times in words.items()) / count
    unspaced = without > _SHARE * len(_ANY.findall(together))
    return Writing(
        unspaced=unspaced,
        strings=not unspaced and mean > _LONG and once > 0.5 * count,
        single=bool(without or _PICTURE.search(together)),
    )
