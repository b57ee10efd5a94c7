"""Which tables are to be measured? All of them, or those that are named: `python -m benchmarks [NAME …]`."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.measure import RESULTS

TABLES = (
    "worked_example",
    "mlp",
    "cnn",
    "lstm",
    "repeats",
    "startup",
    "memory",
    "plan",
    "compare",
    "equal_settings",
    "advise",
    "regret",
    "promises",
    "stream",
    "orders",
    "verdicts",
    "coverage",
    "coverage_splits",
    "checkpoints",
)


ELSEWHERE = ("gpu",)
"""Tables that need another machine: measured only if named."""


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in (*TABLES, *ELSEWHERE)]
    if unknown:
        print(
            f"unknown: {', '.join(unknown)}. Choose among {', '.join((*TABLES, *ELSEWHERE))}.",
            file=sys.stderr,
        )
        return 2

    started = time.perf_counter()
    # A process for each table: nothing that one imports or allocates weighs on the next.
    failed = [
        name
        for name in names or TABLES
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode
    ]
    pages = [
        page.read_text() for table in (*TABLES, *ELSEWHERE) if (page := RESULTS / f"{table}.md").exists()
    ]
    if pages:
        (RESULTS / "README.md").write_text("# What was measured\n\n" + "\n".join(pages))
    print(f"{time.perf_counter() - started:.0f} s; written to {RESULTS}", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
