"""Guard against deadlocks of batched LAPACK factorizations on a CPU, before JAX 0.11.2.

Older JAX splits a batch of factorizations (QR, Cholesky, LU, solves) over the same threads that run the
factorizations, and each waits there for its parts. As many at a time as there are threads wait forever: in
one program, in those of parallel repeats, or on several devices of one CPU.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from math import prod
from typing import Any

import jax

from epochal.common.machine import cores
from epochal.errors import Refusal

MENDED = (0, 11, 2)
_CALL = re.compile(r"custom_call @lapack_\w+\(.*: \(tensor<([\dx]+)x[a-z]\w*>")
_turn = threading.Lock()


def in_turn(lowered: Any, program: Any, devices: int) -> Any:
    """The compiled program, never run in parallel with others whose factorizations could deadlock.

    Raises:
        Refusal: its own factorizations could wait for each other.
    """
    if jax.default_backend() != "cpu" or jax.__version_info__ >= MENDED:
        return program
    calls = devices * factorizations(lowered)
    threads = _threads()
    if not calls or threads == 1:
        return program
    if calls >= threads:
        raise Refusal(
            f"PJRT_NPROC must be at least {calls + 1} for this model; got {threads}. It factorizes batches "
            f"of matrices in {calls} places, which can wait for each other forever in JAX "
            f"{jax.__version__} with {threads} threads: set that environment variable before Python starts, "
            "or use JAX 0.11.2 or later."
        )
    return _InTurn(program)


def factorizations(lowered: Any) -> int:
    """Number of calls that factorize more than one matrix."""
    text = lowered.compiler_ir().operation.get_asm(large_elements_limit=8)
    shapes = [[int(size) for size in found.split("x")] for found in _CALL.findall(text)]
    return sum(prod(shape[:-2]) > 1 for shape in shapes)


def _threads() -> int:
    """Number of threads of JAX's CPU client."""
    for name in ("PJRT_NPROC", "NPROC"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return cores()


@dataclass(frozen=True)
class _InTurn:
    program: Any

    def __call__(self, *arguments: Any) -> Any:
        with _turn:
            return jax.block_until_ready(self.program(*arguments))

    def memory_analysis(self) -> Any:
        return self.program.memory_analysis()
