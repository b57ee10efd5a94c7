"""What counts as a finding?"""

from __future__ import annotations

import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from epochal.errors import DataFailed, Refusal, SaveFailed

from .kinds import Kind, Made

__all__ = ["CPU_SECONDS", "Verdict", "judge", "same"]

CPU_SECONDS = 5.0
"""Time of the processor for one small input, at most."""


@dataclass(frozen=True)
class Verdict:
    """What became of a case: "read", "refused", or "finding" with its reason."""

    outcome: str
    why: str = ""


def judge(one: Kind, made: Made, number: int, work: Path, random: Random | None = None) -> Verdict:
    """Make case `number` of a kind in the folder `work` and read it."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    random = random or Random(f"{one.name}:{number}")
    good = made.of(one)
    case = one.bad(random, good, work)
    begin = time.process_time()
    try:
        found = case.read()
    except (Refusal, DataFailed, SaveFailed) as refusal:
        verdict = _sentence(str(refusal))
    except MemoryError:
        verdict = Verdict("finding", f"memory: {_where()}")
    except Exception:
        verdict = Verdict("finding", _where())
    else:
        intact = one.intact(good) if case.same and one.intact is not None else found
        verdict = Verdict("read") if same(found, intact) else Verdict("finding", "silently another result")
    took = time.process_time() - begin
    if took > CPU_SECONDS:
        return Verdict("finding", f"{took:.1f} s of CPU ({verdict.outcome}: {verdict.why[:200]})")
    return verdict


def _where() -> str:
    return traceback.format_exc(limit=-6)[-1800:]


def _sentence(text: str) -> Verdict:
    """A refusal must be a line that can be shown."""
    wrong = [sign for sign in text if (ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u202e\u2028")]
    if wrong or not text or len(text) > 4000:
        return Verdict("finding", f"no printable sentence: {text[:300]!r}")
    if text[-1] not in ".?":
        return Verdict("finding", f"no sentence: {text[-300:]!r}")
    if "MemoryError" in text or "allocate" in text.lower() or "bad_alloc" in text:
        return Verdict("finding", f"memory was asked for first: {text[:400]!r}")
    return Verdict("refused", text[:200])


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal, NaN with NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        first, second = np.asarray(one), np.asarray(other)
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and first.tobytes() == second.tobytes()
        )
    return one is other or bool(one == other) or (one != one and other != other)
