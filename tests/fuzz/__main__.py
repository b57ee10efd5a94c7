"""How is it run for long?

python -m tests.fuzz --minutes 10
python -m tests.fuzz --kind csv --number 123     one case, in this process, with its traceback
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from .child import Child
from .judge import judge
from .kinds import Made, load_all


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz")
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--kind", action="append", help="only these kinds")
    asked.add_argument("--number", type=int, help="one case, in this process")
    asked.add_argument("--first", type=int, default=0, help="the number of the first case")
    given = asked.parse_args()
    os.nice(19)
    kinds = [one for name, one in load_all().items() if given.kind is None or name in given.kind]
    if given.number is not None:
        with tempfile.TemporaryDirectory() as place:
            for one in kinds:
                verdict = judge(one, Made(Path(place) / "good"), given.number, Path(place) / "work")
                print(one.name, verdict.outcome, verdict.why, sep="\n")
        return 0
    counts: dict[str, collections.Counter[str]] = {one.name: collections.Counter() for one in kinds}
    spent = dict.fromkeys(counts, 0.0)
    numbers = dict.fromkeys(counts, given.first)
    findings: dict[str, list[object]] = {}
    child, begin = Child(), time.monotonic()
    while time.monotonic() - begin < 60 * given.minutes:
        name = min(spent, key=spent.__getitem__)  # each kind gets the same share of the time
        at = time.monotonic()
        answer = child.ask(name, numbers[name])
        spent[name] += min(time.monotonic() - at, 1.0)  # the first makes the good inputs, for all
        counts[name][answer["outcome"]] += 1
        if answer["outcome"] == "finding":
            last = answer["why"].strip().splitlines()[-3:]
            key = f"{name}: {' | '.join(part.strip() for part in last)[-300:]}"
            if key not in findings:
                findings[key] = [name, numbers[name], answer["why"]]
                print(f"--- {name} {numbers[name]}\n{answer['why']}", flush=True)
        numbers[name] += 1
    child.close()
    total = sum((counts[name] for name in counts), collections.Counter())
    for name, count in counts.items():
        print(f"{name:<22}{sum(count.values()):>8,}  {json.dumps(dict(count))}")
    seconds = time.monotonic() - begin
    print(f"{sum(total.values()):,} inputs in {seconds:.0f} s: {dict(total)}; {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
