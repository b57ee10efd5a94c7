"""Law 4 (Resume), on disk: a sealed document says what was sealed, or that it was changed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from epochal.errors import Refusal
from epochal.runs.checksummed_json import digest, parse, read_sealed, seal, unseal

PATH = Path("run.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=5).filter(lambda name: name != "sha256"), JSON, max_size=4)


@given(DOCUMENTS)
def test_what_is_sealed_comes_back(document):
    text = seal(document)
    assert unseal(text, PATH) == unseal(text.encode(), PATH) == document
    assert list(unseal(text, PATH)) == list(document), "in its order"
    assert seal(unseal(text, PATH)) == text


@given(DOCUMENTS)
def test_the_hash_does_not_depend_on_the_order_of_names(document):
    turned = dict(reversed(document.items()))
    assert digest(document) == digest(turned)
    assert digest(document) == digest(turned)


def test_every_bit_counts():
    content = seal({"updates": 200, "é": [1.5e-7, None, True, "a b"], "files": {"x": {"size": 10}}}).encode()
    for at in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            with pytest.raises(Refusal) as refused:
                unseal(bytes(changed), PATH)
            assert str(refused.value).startswith('"run.json" is damaged: '), (at, bit)


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode), st.integers(0, 80))
def test_what_was_not_sealed_is_refused(junk, at):
    content = seal({"a": 1}).encode()
    for one in (junk, content[:at] + junk, content[: at % len(content)], content + junk + b" "):
        with pytest.raises(Refusal):
            unseal(one, PATH)


CHANGED = {
    "a name twice": lambda text: text.replace('"b": 2', '"b": 2, "b": 2'),
    "another number": lambda text: text.replace("2,", "3,"),
    "the same number otherwise": lambda text: text.replace("2,", "2.0,"),
    "NaN": lambda text: text.replace("2,", "NaN,"),
    "an infinite number": lambda text: text.replace("2,", "1e999,"),
    "a name more": lambda text: text.replace('"b": 2', '"b": 2, "c": 3'),
    "another order": lambda text: json.dumps(dict(reversed(json.loads(text).items())), indent=1) + "\n",
    "other blanks": lambda text: json.dumps(json.loads(text)),
    "no seal": lambda text: json.dumps({"a": 1, "b": 2}),
    "a seal that is none": lambda text: json.dumps({"a": 1, "b": 2, "sha256": 5}),
    "deep": lambda text: "[" * 200_000,
    "a long number": lambda text: text.replace("2,", "9" * 5000 + ","),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_document_that_was_changed_is_refused(name):
    changed = CHANGED[name](seal({"a": 1, "b": 2}))
    with pytest.raises(Refusal) as refused:
        unseal(changed, PATH)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', '{"a": 1, "a": 1}', "", b"\xff"])
def test_json_is_what_its_standard_says(text):
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_numbers_as_names_and_tuples_are_what_json_makes_of_them():
    assert unseal(seal({10: "x", 9: (1, 2)}), PATH) == {"10": "x", "9": [1, 2]}


def test_half_a_character_is_kept():
    """As in the name of a file that is not in UTF-8."""
    assert unseal(seal({"source": "a\udcff.csv"}).encode(), PATH) == {"source": "a\udcff.csv"}


@pytest.mark.parametrize("document", [{"a": math.nan}, {"a": math.inf}, {"sha256": "x"}])
def test_what_json_has_not_is_not_sealed(document):
    with pytest.raises(ValueError, match=r"not JSON compliant|sealed already"):
        seal(document)


def test_a_file_is_bounded_before_it_is_read(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(seal({"a": 1}))
    assert read_sealed(file) == {"a": 1}
    with pytest.raises(Refusal, match="must have at most 20 bytes"):
        read_sealed(file, limit=20)
    with pytest.raises(Refusal, match="can't be read: no such file"):
        read_sealed(tmp_path / "nowhere")
    with pytest.raises(Refusal, match="must be a file"):
        read_sealed(Path("/dev/zero"))
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("[" * 200_000)
