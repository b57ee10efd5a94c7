"""How is the command line run as a real process?"""

import json
import subprocess
import sys
from dataclasses import dataclass

EPOCHAL = [sys.executable, "-m", "epochal"]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as exactly one JSON document."""
        return json.loads(self.out)


def start(*arguments, cwd, **options):
    """Start a real process."""
    command = [*EPOCHAL, *(str(one) for one in arguments)]
    return subprocess.Popen(command, cwd=cwd, text=True, stdout=-1, stderr=-1, **options)


def process(*arguments, cwd, **options):
    """Run a real process to its end."""
    with start(*arguments, cwd=cwd, **options) as running:
        out, err = running.communicate(timeout=120)
    return Result(running.returncode, out, err)
