"""Where do the readers run, so that memory and time have bounds?

A process that is given a kind and a number a line and answers with a line of JSON. Its address space may grow
by so many bytes from where it stands when everything is imported; the parent watches the clock.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["Child"]

MORE_BYTES = 3 << 29
"""1.5 GB: what the largest picture that is believed takes, and its copies."""
WALL_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]


def serve() -> None:
    """Answer until the parent leaves."""
    from .judge import judge
    from .kinds import KINDS, Made, load_all

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    load_all()
    with tempfile.TemporaryDirectory(prefix="epochal-fuzz-") as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        made, limited = Made(Path(place) / "good"), 0
        for line in sys.stdin:
            name, _, number = line.strip().rpartition(" ")
            if name not in made.held:
                resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                made.of(KINDS[name])
                limited = _size() + MORE_BYTES
                resource.setrlimit(resource.RLIMIT_AS, (limited, resource.RLIM_INFINITY))
            os.chdir(place)
            verdict = judge(KINDS[name], made, int(number), Path(place) / "work")
            print(json.dumps({"outcome": verdict.outcome, "why": verdict.why}), file=answers, flush=True)


def _size() -> int:
    """Bytes of the address space."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


class Child:
    """The process, started again when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, name: str, number: int) -> dict[str, Any]:
        """What became of a case; a death, or a time that has run out, is a finding, too."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
                env={**os.environ, "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "EPOCHAL_DEBUG": ""},
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{name} {number}\n".encode())
        process.stdin.flush()
        # The first question of a kind makes its good inputs, which may be trained.
        ready, _, _ = select.select([process.stdout], [], [], 3 * WALL_SECONDS)
        line = process.stdout.readline() if ready else b""
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        status = process.poll() if ready else None
        why = "no answer in time" if not ready else f"died with status {process.wait()}"
        said = self.close()
        return {"outcome": "finding", "why": f"{why} {status or ''} {said[-1500:]}"}

    def close(self) -> str:
        """End it; what it has said on standard error."""
        if self._process is None:
            return ""
        process, self._process = self._process, None
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return said


if __name__ == "__main__":
    serve()
