"""The fastest laws and golden tests, beside a smoke of each command: a first answer in under 90 s.

python tools/quick.py
python tools/quick.py --record report.xml    keep the seconds of each file, from `pytest --junitxml`
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from matrix import ROOT, smoke

SECONDS = ROOT / "tests" / "seconds.json"
FOLDERS = ("laws", "golden")
MOST = 60.0
"""Seconds of tests, on one core beside the smoke; each file counts with its recorded time."""


def record(report: Path) -> None:
    """Keep how long each file of laws and golden tests took."""
    taken: dict[str, float] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        file = "/".join(case.attrib["classname"].split(".")[:3]) + ".py"
        if file.startswith(tuple(f"tests/{one}/" for one in FOLDERS)):
            taken[file] = taken.get(file, 0.0) + float(case.attrib["time"])
    rounded = {file: round(seconds, 1) for file, seconds in sorted(taken.items())}
    SECONDS.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def fastest() -> list[str]:
    """The shortest files, as many as there is time for; new ones come first."""
    taken = json.loads(SECONDS.read_text(encoding="utf-8"))
    there = [
        file.relative_to(ROOT).as_posix() for one in FOLDERS for file in ROOT.glob(f"tests/{one}/test_*.py")
    ]
    chosen, left = [], MOST
    for file in sorted(there, key=lambda file: taken.get(file, 0.0)):
        left -= taken.get(file, 0.0)
        if left < 0:
            break
        chosen.append(file)
    return chosen


def main() -> int:
    """Run both and say how each went."""
    if sys.argv[1:2] == ["--record"]:
        record(Path(sys.argv[2]))
        return 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        smoked = beside.submit(smoke, Path(sys.executable), Path(folder), Path(folder) / "cache")
        tests = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", *fastest()], cwd=ROOT)
        print(f"a smoke of each command: {smoked.result()}")
    return int(bool(tests.returncode) or smoked.result() != "passed")


if __name__ == "__main__":
    sys.exit(main())
