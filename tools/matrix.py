"""The declared Python and package versions, each tried in a fresh environment.

    python tools/matrix.py                        every cell: a smoke of each command, then the laws
    python tools/matrix.py 3.12-lowest 3.13-newest
    python tools/matrix.py --quick                the newest Python and packages, and few laws

`lowest` are the lowest versions that pyproject.toml declares, `newest` those that pip resolves.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [
    found[1]
    for line in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line))
]
SETS = ("lowest", "newest")
EXTRAS = "dev"
QUICK = ["tests/laws/test_plan.py", "tests/laws/test_asked.py", "tests/laws/test_sealed.py"]
LAWS = ["tests/laws"]

SMOKE = (
    "plan 200 --batch-size 32 --epochs 5",
    "example iris --out iris.csv",
    "train iris.csv --hidden 4 --epochs 4 --repeats 2 --out run",
    "train series.csv --window 5 --network lstm --units 4 --epochs 2 --out forecast",
    "resume run --epochs 6",
    "evaluate run iris.csv",
    "predict run iris.csv --out predicted.csv",
    "trace run --audit",
    "trace run --update 2",
    "report run",
    "verify run",
    "compare iris.csv --batch-size 16,32 --hidden 4 --epochs 3 --repeats 3 --out compared",
    "advise iris.csv --hidden 4 --epochs 3 --repeats 3 --out advised",
    "words corpus.txt --dimensions 4 --epochs 2 --min-count 1 --batch-size 32 --out vectors.txt",
    "runs .",
)
"""One line for each command; the options keep them short."""

ODD = re.compile(r"^[IWEF]\d{4,} |Warning\b|Traceback|^ERROR\b", re.MULTILINE)
"""What no command says on standard error: log lines of the compiler, warnings, tracebacks."""


@dataclass(frozen=True)
class Outcome:
    """How a cell went."""

    cell: str
    installed: str = "-"
    smoke: str = "-"
    laws: str = "-"
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing failed."""
        return self.smoke == self.laws == "passed"


def interpreter(version: str) -> str | None:
    """The Python of that version on the path, if it runs."""
    for name in (f"python{version}", sys.executable, "python3"):
        path = shutil.which(name)
        asked = [path or name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if path and subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            return path
    return None


@contextmanager
def environment(python: str, packages: str) -> Iterator[Path]:
    """The Python of a fresh environment with epochal in it, built from a copy of its sources."""
    with tempfile.TemporaryDirectory(prefix="epochal-matrix-") as folder:
        source = Path(folder) / "source"
        shutil.copytree(
            ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
        )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        subprocess.run([python, "-m", "venv", f"{folder}/venv"], check=True)
        inside = Path(folder) / "venv" / "bin" / "python"
        wanted = f"epochal[{EXTRAS}] @ {source.as_uri()}"
        quietly = ["--quiet", "--disable-pip-version-check"]
        if packages == "lowest":
            subprocess.run([inside, "-m", "pip", "install", *quietly, "uv"], check=True)
            resolve = ["uv", "pip", "install", "--quiet", "--python", inside, "--resolution", "lowest-direct"]
            subprocess.run([inside, "-m", *resolve, wanted], check=True)
        else:
            subprocess.run([inside, "-m", "pip", "install", *quietly, wanted], check=True)
        yield inside


def alone(cache: Path) -> dict[str, str]:
    """The surroundings of a process that sees nothing of this checkout's packages and caches.

    Cells share compiled programs, which the compiler's own key tells apart by version.
    """
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "XLA_FLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"EPOCHAL_CACHE": str(cache), "JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg"}


def smoke(python: Path, folder: Path, cache: Path) -> str:
    """`passed`, or which command failed: by its status, or because it said what is not for the reader."""
    shutil.copytree(ROOT / "tests" / "smoke", folder, dirs_exist_ok=True)
    for line in SMOKE:
        command = [python, "-m", "epochal", *line.split()]
        done = subprocess.run(command, cwd=folder, env=alone(cache), capture_output=True, text=True)
        if done.returncode or ODD.search(done.stderr):
            print(f"  epochal {line}: exit status {done.returncode}\n{done.stderr[-3000:]}", flush=True)
            return f"{line.split()[0]} failed"
    return "passed"


def laws(python: Path, cache: Path, tests: list[str]) -> str:
    """`passed`, or how many tests did not."""
    command = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=alone(cache), capture_output=True, text=True)
    if done.returncode == 0:
        return "passed"
    print(done.stdout[-6000:], done.stderr[-2000:], flush=True)
    last = (done.stdout.splitlines() or ["nothing ran"])[-1]
    return re.sub(r" in [\d.]+s.*", "", last).strip("= ") or "failed"


def tried(cell: str, tests: list[str], cache: Path) -> Outcome:
    """A cell, from its environment to its outcome."""
    version, packages = cell.split("-")
    python, begin = interpreter(version), time.monotonic()
    if python is None:
        return Outcome(cell, f"python{version} is not on the path")
    print(f"{cell}: {python}", flush=True)
    try:
        with environment(python, packages) as inside, tempfile.TemporaryDirectory() as folder:
            asked = "import flax, jax, numpy; print(jax.__version__, flax.__version__, numpy.__version__)"
            found = subprocess.run([inside, "-c", asked], capture_output=True, text=True, check=True)
            installed = "jax {} flax {} numpy {}".format(*found.stdout.split())
            smoked = smoke(inside, Path(folder), cache)
            return Outcome(cell, installed, smoked, laws(inside, cache, tests), time.monotonic() - begin)
    except subprocess.CalledProcessError as error:
        return Outcome(cell, f"not installed: {error}"[:60], seconds=time.monotonic() - begin)


def row(one: Outcome) -> str:
    """An outcome as a row of the table."""
    return f"{one.cell:<13}{one.installed:<38}{one.smoke:<17}{one.laws:<28}{one.seconds:.0f}"


def main() -> int:
    """Try the cells and say how each went."""
    cells = [f"{version}-{packages}" for version in PYTHONS for packages in SETS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cells", nargs="*", metavar="CELL", help=", ".join(cells))
    parser.add_argument("--quick", action="store_true", help="one cell and few laws, as .ci/run has it")
    given = parser.parse_args()
    unknown = sorted(set(given.cells) - set(cells))
    if unknown:
        parser.error(f"no such cell: {', '.join(unknown)}; there are {', '.join(cells)}")
    wanted = given.cells or cells
    if given.quick and not given.cells:
        wanted = [f"{next(one for one in reversed(PYTHONS) if interpreter(one))}-newest"]
    tests = QUICK if given.quick else LAWS
    with tempfile.TemporaryDirectory(prefix="epochal-matrix-") as cache:
        outcomes = []
        for cell in wanted:
            outcomes.append(tried(cell, tests, Path(cache)))
            print(row(outcomes[-1]), flush=True)
    print(f"\n{'cell':<13}{'packages':<38}{'smoke':<17}{'laws':<28}seconds")
    print("\n".join(map(row, outcomes)))
    return 0 if all(one.good for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
