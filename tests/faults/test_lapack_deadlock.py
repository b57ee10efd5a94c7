"""Injected fault: a CPU with two threads, where JAX before 0.11.2 lets factorizations wait forever."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from epochal.engine.lapack_deadlock import MENDED, factorizations

pytestmark = pytest.mark.slow

TIMEOUT = 240.0
"""Seconds after which a process is taken for hung."""

TRAININGS = """
import json
import jax, jax.numpy as jnp, numpy as np
import epochal as ep
from epochal.nn import GRU, LSTM

random = np.random.default_rng(0)
X, y = random.normal(size=(64, 5, 3)).astype(np.float32), random.integers(0, 2, 64)
options = {"batch_size": 32, "epochs": 1, "metrics": (), "progress": False}
done = [ep.fit(LSTM(64), (X, y), devices=2, **options).plan.updates]
done.append(ep.fit(GRU(96), (X, y), repeats=2, devices=1, **options).repeats)

def init(key, sample):
    return {"kernel": jnp.ones((3, 1))}

def apply(params, inputs):
    inputs = inputs[:, 0]
    square = inputs[:, :, None] * inputs[:, None, :] + jnp.eye(3)
    return (jnp.linalg.cholesky(square) @ params["kernel"])[..., 0].sum(1)

try:
    ep.fit((init, apply), (X, y.astype(float)), **options)
except ep.Refusal as refusal:
    done.append(str(refusal))
print(json.dumps(done))
"""


def test_recurrent_networks_start_on_few_threads_and_other_factorizations_are_refused(tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PJRT_NPROC": "2"}
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", TRAININGS],
        cwd=tmp_path,
        env={**os.environ, **flags, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    updates, repeats, *refused = json.loads(done.stdout)
    assert (updates, repeats) == (2, 2)
    assert len(refused) == (jax.__version_info__ < MENDED)
    assert all(one.startswith("PJRT_NPROC must be at least ") for one in refused)


@pytest.mark.parametrize("matrices", [1, 4])
def test_batches_of_factorizations_are_counted(matrices):
    """Of one matrix, too, none counts."""

    def twice(inputs):
        return jnp.linalg.qr(inputs)[1].sum() + jnp.linalg.cholesky(inputs).sum()

    lowered = jax.jit(twice).lower(jnp.ones((matrices, 3, 3)))
    assert factorizations(lowered) == (3 if matrices > 1 else 0)  # R, Q, and that of Cholesky
