"""How does a good input become a bad one?

Everything is drawn from a `random.Random`, so that a case is its kind and its number, whether Hypothesis
draws them or a long run counts them up.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

HOSTILE = (
    "<script>alert(1)</script>", "\x1b[2J\x1b]0;x\x07", "../../../../etc/passwd", "/dev/zero", "=1+1",
    "\u202eevil", "a\x00b", "\r\n", "\ud800", "x" * 100_000, "%s%n{0}", "__proto__", "os:system", "\ufeff",
    "'; --", "🙂" * 50,
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 3, 7, 255, 256, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30,
    10**400, -(2**63), 0.0, -0.0, 0.5, 1e-300, 1e300, 1e308, -1.5, True, False,
)  # fmt: skip
RAW = (
    "NaN", "Infinity", "-Infinity", "1e999999", "1" * 5000, "-", "{", "[", '"', '"\\ud800"', "\x00", "nul",
    "+1", "[" * 5000, '{"a":' * 3000, "/**/1",
)  # fmt: skip


def value_of(random: Random) -> Any:
    """Something that stands where something else should."""
    make = (
        lambda: random.choice(NUMBERS),
        lambda: random.choice(HOSTILE),
        lambda: random.choice((None, [], {}, [[]], [None], "", {"": None}, [0] * 1000)),
        lambda: [random.choice(NUMBERS) for _ in range(random.randrange(40))],
        lambda: {random.choice(HOSTILE): random.choice(NUMBERS) for _ in range(random.randrange(5))},
        lambda: random.randrange(-10, 100),
    )
    return random.choice(make)()


def places(value: Any, most: int = 5000) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left and len(found) < most:
        one = left.pop()
        keys = list(one) if isinstance(one, dict) else list(range(len(one))) if isinstance(one, list) else []
        for key in keys:
            found.append((one, key))
            left.append(one[key])
    return found


def mutated_json(random: Random, value: Any) -> Any:
    """A copy of a JSON value with one to four changes: replaced, removed, renamed, repeated, exchanged."""
    value = json.loads(json.dumps(value))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        found = places(value)
        if not found:
            return value_of(random)
        holder, key = random.choice(found)
        what = random.randrange(9)
        if what <= 3:
            holder[key] = value_of(random)
        elif what == 4:
            del holder[key]
        elif what == 5:
            other, place = random.choice(found)
            if place in other if isinstance(other, dict) else place < len(other):
                holder[key] = json.loads(json.dumps(other[place]))
        elif what == 6 and isinstance(holder, dict):
            holder[random.choice(HOSTILE)] = holder[key]
        elif what == 7 and isinstance(holder[key], list):
            holder[key] = holder[key] * random.choice((0, 2, 50))
        elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] = holder[key] * random.choice((-1, 0, 2, 1000)) + random.choice((-1, 0, 1))
        else:
            holder[key] = [holder[key]]
    return value


def json_text(random: Random, value: Any) -> str:
    """JSON that may be no JSON."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    if random.random() < 0.15:
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(RAW) + text[at + random.randrange(3) :]
    return text


def mutated_bytes(random: Random, data: bytes) -> bytes:
    """One to five changes: flipped bits, cut, repeated, overwritten, filled with zeros or large numbers."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        if not found:
            return bytes(random.randrange(256) for _ in range(random.randrange(40)))
        # Headers are at the ends: half of the places are near them.
        near = random.choice((len(found), len(found), 64, 300))
        at = random.randrange(min(near, len(found)))
        if random.random() < 0.3:
            at = len(found) - 1 - at
        what = random.randrange(9)
        if what == 0:
            found[at] ^= 1 << random.randrange(8)
        elif what == 1:
            found[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
        elif what == 2:
            del found[at:]
        elif what == 3:
            del found[at : at + random.choice((1, 2, 4, 8, 100))]
        elif what == 4:
            number = random.choice(NUMBERS)
            size = random.choice((2, 4, 8))
            raw = (int(number) % (1 << 8 * size)).to_bytes(size, random.choice(("little", "big")))
            found[at : at + size] = raw
        elif what == 5:
            piece = found[at : at + random.choice((1, 4, 16, 200))]
            found[at:at] = piece * random.choice((1, 2, 30))
        elif what == 6:
            size = random.choice((1, 8, 64, 512))
            found[at : at + size] = bytes(len(found[at : at + size]))
        elif what == 7:
            found += bytes(random.randrange(256) for _ in range(random.choice((1, 8, 100))))
        else:
            digits = [i for i in range(at, min(len(found), at + 200)) if 48 <= found[i] <= 57]
            if digits:
                found[digits[0] : digits[0] + 1] = str(random.choice(NUMBERS)).encode()
    return bytes(found)


CELLS = (
    "", "?", "NA", "nan", "inf", "-inf", "1e999", "1e-999", "0x10", "1_000", "1,5", "1.5", "-0", "+", ".",
    "1e", "9" * 400, "2020-01-01", "2020-13-45", "0000-00-00", "9999-12-31T23:59:59.999999999", "true",
    "False", "=1+1", "null", "a\x00b", "\x1b[31m", "\u202e", "ＴＲＵＥ", "１２",
    '"', '""', '"a""b"', "'", "\\",
    "\xa0", "\u2028", "x" * 200_000, "🙂", "-9223372036854775809", "18446744073709551616",
    "1.7976931348623157e308", "3.5e38",
)  # fmt: skip


def mutated_text(random: Random, text: str) -> bytes:
    """A text table with cells, lines, delimiters, line ends, byte order marks and encodings of all kinds."""
    ends = random.choice(("\n", "\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\r", "mixed"))
    delimiter = random.choice((*[","] * 8, ";", "\t", "|", " ", "::"))
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(random.choice((1, 1, 2, 4))):
        row = random.choice(rows)
        what = random.choice((0, 1, 2, 3, 3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 9, 10, 11))
        if what <= 3 and row:
            row[random.randrange(len(row))] = random.choice(CELLS)
        elif what == 4:
            row.extend(["1"] * random.choice((1, 5, 2000)))
        elif what == 5 and row:
            row.pop(random.randrange(len(row)))
        elif what == 6:
            rows.insert(random.randrange(len(rows)), random.choice(([], [""], list(row), ["#"], ["a", "b"])))
        elif what == 7:
            at = random.randrange(max(1, len(rows[0])))
            cell = random.choice(CELLS)
            for each in rows[1:]:
                if at < len(each) and random.random() < 0.9:
                    each[at] = cell
        elif what == 8:
            at = random.randrange(max(1, len(rows[0])))
            for number, each in enumerate(rows):
                if at < len(each):
                    each[at] = random.choice(CELLS[:-8]) if number % 7 == 0 else f"v{number}"
        elif what == 9:
            rows[0] = [random.choice((*HOSTILE[:9], "a", "")) for _ in rows[0]]
        elif what == 10:
            del rows[random.randrange(len(rows)) :]
            rows = rows or [[]]
        else:
            random.shuffle(rows)
    lines = [delimiter.join(row) for row in rows]
    pick = ("\n", "\r\n", "\r") if ends == "mixed" else (ends,)
    whole = "".join(line + random.choice(pick) for line in lines)
    encodings = (*["utf-8"] * 8, "utf-8-sig", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252")
    data = whole.encode(random.choice(encodings), "replace")
    return mutated_bytes(random, data) if random.random() < 0.15 else data
