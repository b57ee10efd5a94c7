"""A paper exercise: do 1,000 hosts find their samples among 10^12, each by itself?

    python examples/thousand_hosts.py                                     # a few seconds, 100 MB
    python examples/thousand_hosts.py --samples 1000003 --hosts 16 --batch-size 4097

No host knows more than the few numbers of the plan, and none asks another. Each computes its shard of some
batches; the shards must be disjoint and make the batch, in its order. Then some samples are looked up: the
update and the host that see them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from epochal.plan import Plan, SampleUse


@dataclass(frozen=True)
class Found:
    """What was found of one batch."""

    epoch: int
    index: int
    sizes: tuple[int, ...]
    """How many samples each shard has."""
    disjoint: bool
    """Whether no sample is in two shards, nor twice in one."""
    complete: bool
    """Whether the shards, one after the other, are the batch."""
    milliseconds: float
    """What a host needs for its shard: the median."""

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}, batch {self.index:,} of {sum(self.sizes):,} samples: {len(self.sizes):,} "
            f"shards of {min(self.sizes):,} to {max(self.sizes):,}, "
            f"{'disjoint' if self.disjoint else 'NOT DISJOINT'}, "
            f"{'complete' if self.complete else 'NOT COMPLETE'}, {self.milliseconds:.2f} ms each"
        )


def main(arguments: list[str] | None = None) -> int:
    """Look at some batches and samples; 1 where a shard is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=10**12)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--batch-size", type=int, default=1_024_000)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args(arguments)
    begin = time.perf_counter()
    plan = Plan(asked.samples, asked.batch_size, asked.epochs, seed=1)
    print(f"{plan}\n")
    batches = [looked_at(plan, *where, asked.hosts) for where in somewhere(plan)]
    print(*batches, sep="\n")
    good = all(found.disjoint and found.complete for found in batches)
    for sample in (0, plan.samples // 2, plan.samples - 1):
        (turn,) = plan.find(sample, plan.epochs - 1)
        host = host_of(plan, turn, asked.hosts)
        good = good and sample in plan.shard(turn.epoch, turn.batch, host, asked.hosts)
        print(f"sample {sample:,} is seen in epoch {turn.epoch} by update {turn.update:,}, on host {host:,}")
    print(f"{time.perf_counter() - begin:.1f} s for all hosts, one after the other")
    return 0 if good else 1


def somewhere(plan: Plan) -> Iterator[tuple[int, int]]:
    """The first batch, one in the middle of the plan, and the last of its last epoch."""
    yield 0, 0
    middle = plan.epochs // 2
    yield middle, plan.batches_in(middle) // 2
    yield plan.epochs - 1, plan.batches_in(plan.epochs - 1) - 1


def looked_at(plan: Plan, epoch: int, index: int, hosts: int) -> Found:
    """Every host's shard of a batch, against the batch."""
    shards, seconds = [], []
    for host in range(hosts):
        begin = time.perf_counter()
        shards.append(plan.shard(epoch, index, host, hosts))
        seconds.append(time.perf_counter() - begin)
    together = np.concatenate(shards)
    return Found(
        epoch=epoch,
        index=index,
        sizes=tuple(map(len, shards)),
        disjoint=len(np.unique(together)) == len(together),
        complete=bool(np.array_equal(plan.batch(epoch, index), together)),
        milliseconds=1000 * statistics.median(seconds),
    )


def host_of(plan: Plan, turn: SampleUse, hosts: int) -> int:
    """The host in whose shard a turn is: each has as many slots of the batch as the first."""
    return turn.slot // len(plan.shard(turn.epoch, turn.batch, 0, hosts))


if __name__ == "__main__":
    sys.exit(main())
