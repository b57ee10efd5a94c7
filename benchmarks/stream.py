"""What does data cost that does not fit in memory? A memory-mapped set, its peak memory and its pace."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import write_array_header_1_0

from benchmarks.measure import Aim, Figure, Table

SAMPLE = 784  # numbers of a sample, as of a digit of 28 × 28
HIDDEN = (256, 256)
BATCH = 64
BLOCK = 10_000
WITHIN = 100_000  # samples of the set in memory
WARM_UPDATES = 100
WORKERS = (0, 1, 2)


def write(folder: Path, rows: int) -> None:
    """Inputs block by block, and targets that depend on them a little."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, SAMPLE)}
    targets = np.empty(rows, np.int32)
    with (folder / "x.npy").open("wb") as file:
        write_array_header_1_0(file, header)
        for start in range(0, rows, BLOCK):
            generator = np.random.default_rng(start)
            block = generator.random((min(BLOCK, rows - start), SAMPLE), np.float32)
            targets[start : start + len(block)] = (block[:, :10] + 0.3).argmax(axis=1)
            file.write(block.data)
    np.save(folder / "y.npy", targets)


def peak_megabytes() -> float:
    """The largest resident set of this process so far, pages of mapped files included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("this system has no VmHWM in /proc/self/status")


# What runs in a process of its own --------------------------------------------------------------------------


def epochal_training(folder: Path, rows: int | None, seconds: float, stream: bool) -> dict[str, float]:
    """Updates a second of `epochal.train`, evaluations apart, and the peak of the whole process."""
    import epochal as ep

    inputs = np.load(folder / "x.npy", mmap_mode="r")
    targets = np.load(folder / "y.npy")
    held_out = (np.array(inputs[:1000]), targets[:1000])
    chosen = (inputs, targets) if rows is None else (np.array(inputs[:rows]), targets[:rows])
    first = last = (0, 0.0)
    events: Any = ep.train(
        ep.MLP(*HIDDEN), chosen, batch_size=BATCH, epochs=1000, validation=held_out, stream=stream,
        evaluate_every="100000000 updates", evaluate_train=False, stop=ep.Budget(seconds=seconds),
    )  # fmt: skip
    for event in events:
        if isinstance(event, ep.Progressed):
            last = (event.updates, event.training_seconds)
            first = last if not first[0] and event.updates >= WARM_UPDATES else first
    if last == first:
        raise RuntimeError(f"{seconds:g} s are too few for {WARM_UPDATES} updates and some more")
    return {"pace": (last[0] - first[0]) / (last[1] - first[1]), "peak": peak_megabytes()}


def epochal_feeding(folder: Path, seconds: float) -> dict[str, float]:
    """Batches a second that are read, in the order of the plan, and put on the device; nothing is trained."""
    from concurrent.futures import ThreadPoolExecutor

    import epochal as ep
    from epochal.engine.prefetch import Prefetcher
    from epochal.settings import Settings
    from epochal.training.prepare import prepare

    inputs, targets = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    settings = Settings(batch_size=BATCH, stream=True, validation=(np.array(inputs[:1000]), targets[:1000]))
    prepared = prepare(ep.MLP(*HIDDEN), (inputs, targets), settings)
    with ThreadPoolExecutor(2) as executor:
        prefetcher = Prefetcher(
            prepared.plan, prepared.reader(0, "train"), executor, 0, prepared.plan.updates
        )
        begin, batches = 0.0, 0
        for chunk in prefetcher.chunks:
            if begin:
                batches += chunk.segment.batches
            elif chunk.segment.update >= WARM_UPDATES:
                begin = time.perf_counter()
            prefetcher.recycle(chunk)
            if begin and time.perf_counter() - begin > seconds:
                break
        took = time.perf_counter() - begin
        prefetcher.chunks.close()
    return {"pace": batches / took, "peak": peak_megabytes()}


def torch_loader(folder: Path, workers: int, seconds: float, trained: bool) -> dict[str, float]:
    """Batches a second of PyTorch's DataLoader over the same memory map, with or without a training step."""
    import torch

    class Mapped(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.inputs = np.load(folder / "x.npy", mmap_mode="r")
            self.targets = np.load(folder / "y.npy").astype(np.int64)

        def __len__(self) -> int:
            return len(self.targets)

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            return torch.from_numpy(np.array(self.inputs[number])), self.targets[number]

    wide = (SAMPLE, *HIDDEN)
    layers: list[torch.nn.Module] = []
    for before, after in zip(wide, HIDDEN, strict=False):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 10))
    optimizer, loss_of = torch.optim.Adam(model.parameters()), torch.nn.CrossEntropyLoss()
    loader = torch.utils.data.DataLoader(Mapped(), batch_size=BATCH, shuffle=True, num_workers=workers)
    begin, batches = 0.0, 0
    for number, (inputs, targets) in enumerate(loader):
        if trained:
            optimizer.zero_grad()
            loss_of(model(inputs), targets).backward()
            optimizer.step()
        batches += bool(begin)
        if number == WARM_UPDATES:
            begin = time.perf_counter()
        if begin and time.perf_counter() - begin > seconds:
            break
    return {"pace": batches / (time.perf_counter() - begin), "peak": peak_megabytes()}


def child(options: argparse.Namespace) -> dict[str, float]:
    folder, seconds = Path(options.folder), options.seconds
    if options.child == "idle":
        return epochal_training(folder, 2000, seconds, stream=False)
    if options.child == "memory":
        return epochal_training(folder, WITHIN, seconds, stream=False)
    if options.child == "stream":
        return epochal_training(folder, None, seconds, stream=True)
    if options.child == "feed":
        return epochal_feeding(folder, seconds)
    kind, workers = options.child.split("-")
    return torch_loader(folder, int(workers), seconds, trained=kind == "train")


def run(name: str, folder: Path, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.stream", "--child", name]
    command += ["--folder", str(folder), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=8.0, help="size of the memory-mapped inputs")
    parser.add_argument("--folder", help="where they are written; else a temporary folder")
    parser.add_argument("--seconds", type=float, default=10.0, help="training time of each trial")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options)))
        return
    rows = max(2 * WITHIN, int(options.gigabytes * 1e9) // (4 * SAMPLE))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        free, needed = shutil.disk_usage(folder).free, rows * (4 * SAMPLE + 4)
        if needed > free:
            raise SystemExit(
                f"{needed / 1e9:.1f} GB are needed in {folder}, where {free / 1e9:.1f} GB are free."
            )
        write(folder, rows)
        measure(folder, rows, options.rounds, options.seconds).publish()


def measure(folder: Path, rows: int, rounds: int, seconds: float) -> Table:
    size = rows * SAMPLE * 4e-9
    trials = {
        "epochal, idle engine (2,000 samples in memory)": "idle",
        f"epochal, in memory ({WITHIN:,} samples)": "memory",
        f"epochal, streamed ({rows:,} samples, {size:.1f} GB)": "stream",
        "epochal, feeding alone": "feed",
        **{f"PyTorch DataLoader, feeding alone, {count} workers": f"load-{count}" for count in WORKERS},
        **{f"PyTorch DataLoader, training, {count} workers": f"train-{count}" for count in WORKERS},
    }
    found: dict[str, list[dict[str, float]]] = {label: [] for label in trials}
    for turn in range(rounds):
        for label, trial in list(trials.items())[:: 1 if turn % 2 == 0 else -1]:
            found[label].append(run(trial, folder, seconds))
    pace, peak = (
        {label: Figure(tuple(one[key] for one in each)) for label, each in found.items()}
        for key in ("pace", "peak")
    )
    idle, within, streamed, fed = list(trials)[:4]
    alone = max(
        (label for label in trials if trials[label].startswith("load-")), key=lambda x: pace[x].median
    )
    whole = max(
        (label for label in trials if trials[label].startswith("train-")), key=lambda x: pace[x].median
    )
    table = Table(
        "stream",
        f"A memory-mapped set of {size:.1f} GB, batches of {BATCH}, MLP {SAMPLE}-256-256-10, Adam",
        {
            "trial": "",
            "pace": "batches a second",
            "peak": "MB at the peak",
            "ratio": "times the streamed pace",
        },
        notes=[
            f"Median of {rounds} alternating rounds (min–max), each trial {seconds:g} s in a process of "
            f"its own after {WARM_UPDATES} batches, without evaluations. Peak: VmHWM, pages of mapped "
            "files included. 1 MB is 10^6 bytes. PyTorch: a Dataset on the same map, shuffled, "
            "default collate; its workers' memory is not counted.",
            "Feeding alone: batches are read in their order and handed over, and nothing is trained. That is "
            "what the aim of 3 times is about: in training, both wait for the same products of matrices.",
        ],
    )
    for label in trials:
        ratio = pace[label].per(pace[streamed]) if label not in (idle, fed) else None
        table.rows.append({"trial": label, "pace": pace[label], "peak": peak[label], "ratio": ratio})
    above = peak[streamed].median - peak[idle].median
    table.aims += [
        Aim("peak of the streamed training above the idle engine, MB", above, 1200, at_most=True),
        Aim("streamed pace, share of the pace in memory", pace[streamed].per(pace[within]).median, 0.85),
        Aim(f"feeding alone, times {alone}", pace[fed].per(pace[alone]).median, 3),
        Aim(f"streamed training, times {whole}", pace[streamed].per(pace[whole]).median, 1),
    ]
    return table


if __name__ == "__main__":
    main()
