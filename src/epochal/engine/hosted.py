"""Evaluation with metrics computed on the host, between two calls of a compiled program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.engine.evaluate import figures_of_part
from epochal.engine.optimizers import averaged
from epochal.engine.program import over_repeats
from epochal.engine.spec import Spec
from epochal.engine.state import RUNNING, Part, Repeat
from epochal.engine.update import packing
from epochal.models import Variables, evaluated

Restore = Callable[[str, NDArray[Any]], NDArray[Any]]
"""Converts targets or outputs of a part of one repeat to their own units: (part, values)."""


def measuring(spec: Spec, shapes: Variables, shared: bool) -> Any:
    """The function (repeats, parts, units) -> (figures, outputs) of all repeats.

    Figures (repeats, columns but the first) have NaN for the metrics of the host, which need the outputs of
    each part, (repeats, n, ...). `shared` is whether all repeats share the samples.
    """
    packed = packing(spec, shapes.params)

    def measure(repeat: Repeat, parts: tuple[Part, ...], units: jax.Array) -> Any:
        variables = Variables(packed.unpack(averaged(repeat.optimizer, repeat.params)), repeat.model)
        found = [figures_of_part(spec, variables, part, units) for part in parts]
        return jnp.stack([figure for figures, _ in found for figure in figures]), [one for _, one in found]

    return over_repeats(spec.repeats, measure, (0, None if shared else 0, 0))


def filled(
    spec: Spec,
    figures: NDArray[np.float32],
    outputs: Sequence[NDArray[Any]],
    targets: Mapping[str, Sequence[NDArray[Any]]],
    restore: Sequence[Restore],
    status: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Fill in the host's metrics in the figures and outputs of running repeats, as `measuring` gives them.

    `targets` are of each part for each repeat; `restore` and `status` of each repeat.
    """
    figures = np.array(figures)
    for row in map(int, np.flatnonzero(status == RUNNING)):
        for number, name in enumerate(spec.parts):
            first = number * (len(spec.metrics) + 1) + 1
            true = restore[row](name, targets[name][row])
            predicted = np.asarray(outputs[number][row], np.float64)
            if true.dtype.kind == "f" and predicted.size == true.size:
                predicted = restore[row](name, predicted.reshape(true.shape))
            for place, metric in enumerate(spec.metrics, start=first):
                if metric.host:
                    figures[row, place] = evaluated(metric, predicted, true, spec.classes)
    return figures
