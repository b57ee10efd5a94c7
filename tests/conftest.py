"""What do all tests share?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
