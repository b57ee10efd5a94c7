"""What does a process do that trains for a comparison on another machine?

It is an actor of a Ray cluster, one a core (or one an accelerator). It gets the samples and seeds that all
share once, then jobs, and gives back their trials.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epochal.choose.bench import Bench
    from epochal.choose.trial import Trial
    from epochal.driving import Control

__all__ = ["Worker", "conditions", "differences"]

PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax")
"""Whose versions decide the figures, besides epochal's own."""


def conditions() -> dict[str, str]:
    """What must be the same in all processes, so that a training gives the same figures in each."""
    import jax

    import epochal

    found = {"Python": ".".join(platform.python_version_tuple()[:2]), "epochal": epochal.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    device = jax.devices()[0]
    found["device"] = device.platform if device.platform == "cpu" else device.device_kind
    return found | {"code of epochal": _code()}


@cache
def _code() -> str:
    """Eight digits of the source: a version that is being worked on keeps its number."""
    folder, found = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:8]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in words; empty if nothing does.

    >>> differences({"jax": "0.10.2", "numpy": "2.4"}, {"jax": "0.9.0", "numpy": "2.4"})
    'jax 0.9.0 there and 0.10.2 here'
    """
    return ", ".join(
        f"{name} {there.get(name, 'none')} there and {mine} here"
        for name, mine in here.items()
        if there.get(name) != mine
    )


class Worker:
    """One process that trains. Two of its methods may run at a time: a training, and what ends it."""

    def __init__(self) -> None:
        self._training = threading.Lock()
        self._controls: dict[int, Control] = {}
        self._stopped: set[int] = set()
        self._held: dict[int, Any] = {}
        self._bench: Bench | None = None

    def about(self) -> dict[str, str]:
        """Under which conditions it would train."""
        return conditions()

    def train(
        self,
        call: int,
        base: Sequence[Any],
        groups: Sequence[Sequence[Mapping[str, Any]]],
        places: Mapping[int, Any],
    ) -> list[list[Trial]]:
        """The trials of each group of packed jobs, as far as it came before it was stopped.

        Args:
            call: the number by which it can be stopped.
            base: of one element: where the samples and seeds are that all jobs share, in the object store.
            groups: packed jobs that go through one program in step.
            places: where the objects are that the jobs need.
        """
        import ray

        from epochal.choose.away import unpacked
        from epochal.choose.bench import Bench
        from epochal.driving import Control

        with self._training:
            control = self._controls[call] = Control()
            if call in self._stopped:
                control.stop()
            if self._bench is None:
                self._bench = Bench.on(ray.get(base[0]))
            self._bench.control = control
            for number, place in places.items():
                if number not in self._held:
                    self._held[number] = ray.get(place)
            found = []
            for group in groups:
                trials = self._bench.train([unpacked(values, self._held) for values in group])
                if not trials:
                    break
                found.append(trials)
            del self._controls[call]
            return found

    def stop(self, call: int) -> None:
        """End a call of `train`, which gives back what it has finished."""
        self._stopped.add(call)
        control = self._controls.get(call)
        if control is not None:
            control.stop()
