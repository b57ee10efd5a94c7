"""Oracle: updates against the batch size show the regions of Shallue et al. (2018)."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "three_regions.py"))


def test_twice_the_batch_first_halves_the_updates_and_then_buys_less(tmp_path):
    sizes = (2, 16, 128, 256)
    found, fit = EXAMPLE["study"](sizes=sizes, target=0.4, repeats=3, max_updates=4000)
    updates = np.array([np.mean([one.updates for one in row]) for row in found.values()])
    assert all(one.reached for row in found.values() for one in row)
    assert updates[0] / updates[1] > 5, "from 2 to 16 nearly in proportion (8)"
    assert updates[2] / updates[3] < 1.9, "from 128 to 256 less than half"
    assert 16 < fit.critical_batch_size < 1000
    running_times = {point.batch_size: EXAMPLE["expected_running_time"](row) for point, row in found.items()}
    EXAMPLE["picture"](running_times, fit, str(tmp_path / "regions.png"))
    assert (tmp_path / "regions.png").stat().st_size > 10_000
