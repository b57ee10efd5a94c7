"""A model whose outputs come from a host callback that never returns, for processes that are interrupted.

    python sleepy.py fit [FOLDER]      epochal train ... --model sleepy:model

The file `asleep` appears once a device waits for it; SLEEP_AT says at which call.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # what a shell starts in the background ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

CALLS = count(1)
AT = int(os.environ.get("SLEEP_AT", "1"))


def sleep(outputs: Any) -> Any:
    if next(CALLS) >= AT:
        Path("asleep").touch()
        time.sleep(10_000)
    return np.asarray(outputs)


def init(key: Any, sample: Any) -> Any:
    return {"kernel": jnp.zeros((sample.shape[-1], 3))}


def apply(params: Any, inputs: Any) -> Any:
    outputs = inputs @ params["kernel"]
    still = jax.lax.stop_gradient(outputs)
    return outputs + jax.pure_callback(sleep, jax.ShapeDtypeStruct(still.shape, still.dtype), still)


def model(inputs: Any, outputs: int) -> Any:
    return init, apply


if __name__ == "__main__":
    import epochal as ep

    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 4)).astype(np.float32), random.integers(0, 3, 60)
    what, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    options: Any = {"epochs": 3, "batch_size": 16, "progress": False}
    if what == "fit":
        try:
            ep.fit((init, apply), (X, y), out=folder, **options)
        except KeyboardInterrupt:
            print("caught")
            raise
    elif what == "train":
        for _ in ep.train((init, apply), (X, y), epochs=3, batch_size=16):
            pass
    elif what == "predict":
        run = ep.fit((init, apply), (X, y), **options)
        CALLS, AT = count(1), 1
        run.predict(X)
