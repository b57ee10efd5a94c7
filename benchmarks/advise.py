"""What does an advice cost, in seconds of the command and in updates beside the exhaustive grid?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Aim, Table

TABLES = ("breast-cancer", "digits", "diabetes")
OPTIMIZERS = ("adam", "sgd")


def advised(table: str, optimizer: str, cache: str) -> tuple[float, dict[str, Any]]:
    """The command in a process of its own: seconds, and what it printed."""
    folder = tempfile.mkdtemp()
    command = [
        str(Path(sys.executable).with_name("epochal")), "advise", f"example:{table}",
        "--optimizer", optimizer, "--json", "--out", f"{folder}/advice",
    ]  # fmt: skip
    begin = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "EPOCHAL_CACHE": cache}
    )
    seconds = time.perf_counter() - begin
    shutil.rmtree(folder)
    return seconds, json.loads(done.stdout)


def main() -> None:
    table = Table(
        "advise",
        "Advice on bundled tables, MLP 64-64, 10 repeats in the search and up to 60 in all",
        {
            "table": "table",
            "optimizer": "optimizer",
            "cold": "s, nothing compiled before",
            "warm": "s, the second time",
            "updates": "updates",
            "share": "share of the exhaustive grid",
            "trainings": "of one training",
            "answer": "answer",
        },
        notes=["From process start to exit, one run each; the page and the folder are written."],
    )
    cold, shares = [], []
    for name in TABLES:
        for optimizer in OPTIMIZERS:
            cache = tempfile.mkdtemp()
            first, advice = advised(name, optimizer, cache)
            second, _ = advised(name, optimizer, cache)
            shutil.rmtree(cache)
            cost = advice["usage"]
            cold.append(first)
            shares.append(cost["of_grid"])
            table.rows.append(
                {
                    "table": name,
                    "optimizer": optimizer,
                    "cold": first,
                    "warm": second,
                    "updates": cost["updates"],
                    "share": f"{cost['of_grid']:.1%}",
                    "trainings": f"{cost['of_one_training']:,.0f} times",
                    "answer": advice["answer"].partition(":")[0],
                }
            )
    table.aims.append(Aim("seconds of the slowest advice", max(cold), 60, at_most=True))
    table.aims.append(Aim("largest share of the grid's updates", max(shares), 0.1, at_most=True))
    table.publish()


if __name__ == "__main__":
    main()
