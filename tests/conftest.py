"""What do all tests share?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from epochal.runs import Run

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")


# The same examples in every run, and none that fails because a machine is busy.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def tables() -> Path:
    """The folder of public tables, where a checkout has one beside it."""
    folder = Path(os.environ.get("EPOCHAL_TABLES", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the public tables are not here")
    return folder


@pytest.fixture(scope="session")
def binary_run() -> Run:
    """A run with few positives: 3 repeats, each its own split with test samples, and a threshold."""
    import numpy as np

    import epochal as ep

    random = np.random.default_rng(4)
    inputs = random.normal(size=(300, 3)).astype(np.float32)
    targets = (inputs @ [1.0, -1.0, 0.5] + random.normal(size=300) > 2.2).astype(int)
    return ep.fit(
        ep.MLP(),
        (inputs, targets),
        epochs=20,
        learning_rate=0.1,
        repeats=3,
        validation=0.3,
        test=0.3,
        threshold="f1",
    )
