"""How much memory does a large table take? The peak of a whole `epochal train`, beside the data's size."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0

from benchmarks.measure import Aim, Figure, Table
from benchmarks.startup import EPOCHAL, write_table

COLUMNS = 100  # the last one is the target, 0 or 1
BLOCK = 10_000
PEER = """
import sys, numpy as np
from sklearn.neural_network import MLPClassifier
data = np.load(sys.argv[1])
MLPClassifier((12, 8), batch_size=1000, max_iter=1).fit(data[:, :-1], data[:, -1])
"""


def block(number: int) -> np.ndarray:
    generator = np.random.default_rng(number)
    rows = generator.normal(size=(BLOCK, COLUMNS)).astype(np.float32)
    rows[:, -1] = rows[:, :3].sum(1) + generator.normal(size=BLOCK) > 0
    return rows


def write_npy(path: Path, rows: int) -> None:
    """Block by block: a child process inherits the peak of its parent, so this one stays small."""
    header = header_data_from_array_1_0(np.empty((0, COLUMNS), np.float32)) | {"shape": (rows, COLUMNS)}
    with path.open("wb") as file:
        write_array_header_1_0(file, header)
        for number in range(rows // BLOCK):
            file.write(block(number).tobytes())


def write_csv(path: Path, rows: int) -> None:
    line = ",".join(["%.5f"] * (COLUMNS - 1) + ["%d"]) + "\n"
    with path.open("w") as file:
        file.write(",".join([*(f"x{column}" for column in range(1, COLUMNS)), "y"]) + "\n")
        for number in range(rows // BLOCK):
            file.writelines(line % tuple(row) for row in block(number).tolist())


def peak_megabytes(command: list[str]) -> float:
    """The largest resident set of one child process, as the system counted it."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read()}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the .npy file")
    parser.add_argument("--csv-rows", type=int, default=200_000, help="rows of the CSV file")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    table = Table(
        "memory",
        "Peak memory of a whole process, one epoch with batches of 1,000, MLP 12-8",
        {
            "command": "",
            "data": "MB of data as float32",
            "peak": "MB at the peak",
            "above": "times the data, above an empty run",
        },
        notes=[
            f"Median of {options.rounds} alternating rounds (min–max) of the largest resident set, by "
            "getrusage. An empty run: `epochal train` on the worked example's 200 rows. 1 MB is 10^6 bytes.",
        ],
        timed=False,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, npy, csv = folder / "small.csv", folder / "large.npy", folder / "large.csv"
        write_table(small)
        write_npy(npy, options.rows)
        write_csv(csv, options.csv_rows)
        text_megabytes = csv.stat().st_size / 1e6
        settings = ["--hidden", "12,8", "--epochs", "1", "--seed", "0", "--quiet"]
        megabytes = {
            "epochal train, an empty run": 0.0,
            f"epochal train, {options.rows:,} × {COLUMNS} from .npy": options.rows * COLUMNS * 4e-6,
            f"epochal train, {options.csv_rows:,} × {COLUMNS} from CSV": options.csv_rows * COLUMNS * 4e-6,
            f"scikit-learn, {options.rows:,} × {COLUMNS} from .npy": options.rows * COLUMNS * 4e-6,
        }
        empty, from_npy, from_csv, peer = megabytes
        peaks: dict[str, list[float]] = {label: [] for label in megabytes}
        for turn in range(options.rounds):
            for label, data, batch_size in ((empty, small, 5), (from_npy, npy, 1000), (from_csv, csv, 1000)):
                run = folder / f"run-{data.stem}-{data.suffix[1:]}-{turn}"
                train = [
                    EPOCHAL,
                    "train",
                    str(data),
                    "--batch-size",
                    str(batch_size),
                    *settings,
                    "--out",
                    str(run),
                ]
                peaks[label].append(peak_megabytes(train))
            peaks[peer].append(peak_megabytes([sys.executable, "-W", "ignore", "-c", PEER, str(npy)]))

    figures = {label: Figure(tuple(values)) for label, values in peaks.items()}
    for label, size in megabytes.items():
        above = (figures[label].median - figures[empty].median) / size if size and label != peer else None
        table.rows.append({"command": label, "data": size, "peak": figures[label], "above": above})
    bound = 2.5 * megabytes[from_npy] + 700
    table.aims.append(Aim(f"{from_npy}, MB", figures[from_npy].median, bound, at_most=True))
    above = (figures[from_csv].median - figures[empty].median) / megabytes[from_csv]
    table.aims.append(Aim(f"{from_csv}, times the parsed data above an empty run", above, 4, at_most=True))
    table.notes.append(
        f"The CSV file has {text_megabytes:,.0f} MB of text; `--csv-rows 1000000` makes it a million rows."
    )
    table.publish()


if __name__ == "__main__":
    main()
