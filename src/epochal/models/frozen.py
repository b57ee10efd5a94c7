"""Models with frozen parameters.

Frozen parameters move from what the optimizer moves into the state of the model, so they get no gradient, no
optimizer state and no weight decay. The model's own state, such as the running moments of batch
normalization, is updated as before.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax

from epochal.errors import Refusal
from epochal.models.model import Model, PyTree, Variables, Wrapper, shapes_of


class FrozenState(NamedTuple):
    """The state of a frozen model: the model's own, and the frozen parameters."""

    model: PyTree
    frozen: PyTree


@dataclass(frozen=True)
class Frozen(Wrapper):
    """A model with frozen parameters."""

    model: Model
    names: frozenset[str]
    """The frozen parameters, as in `names_of`."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """The model's variables, split into trained and frozen."""
        return self.parted(self.model.init(key, sample))

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Apply the model; frozen parameters do not change."""
        outputs, state = self.model.apply(whole(self, variables), inputs, key, training)
        return outputs, FrozenState(state, variables.state.frozen)

    def describe(self, sample: tuple[int, ...], dtype: Any) -> str:
        """The number of frozen parameters, in words.

        >>> import numpy as np
        >>> from epochal.models.mlp import MLP
        >>> Frozen(MLP(2, outputs=1), frozenset({"0/kernel"})).describe((3,), np.float32)
        'frozen: 6 of 11 parameters (0/kernel)'
        """
        shapes = shapes_of(self.model, sample, dtype).params
        sizes = {_name(path): leaf.size for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)}
        frozen = sum(sizes[name] for name in self.names)
        shown = first_of(sorted(self.names), 6)
        return f"frozen: {frozen:,} of {sum(sizes.values()):,} parameters ({shown})"

    def parted(self, variables: Variables) -> Variables:
        """Split the model's variables; None marks a parameter that is in the other part."""

        def part(frozen: bool) -> PyTree:
            return jax.tree_util.tree_map_with_path(
                lambda path, leaf: leaf if (_name(path) in self.names) == frozen else None,
                variables.params,
                is_leaf=lambda leaf: leaf is None,
            )

        return Variables(part(False), FrozenState(variables.state, part(True)))


def whole(model: Model, variables: Variables) -> Variables:
    """The variables of the inner model; those of other models unchanged."""
    if not isinstance(model, Frozen):
        return variables
    params = jax.tree.map(
        lambda moved, fixed: fixed if moved is None else moved,
        variables.params,
        variables.state.frozen,
        is_leaf=lambda leaf: leaf is None,
    )
    return Variables(params, variables.state.model)


def names_of(tree: PyTree) -> list[str]:
    """The names of a tree's arrays: their paths, joined by "/".

    >>> names_of([{"kernel": 1, "bias": 2}])
    ['0/bias', '0/kernel']
    """
    return [_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def matching(patterns: Sequence[str], names: Sequence[str], what: str) -> frozenset[str]:
    """The names that match patterns such as "conv*", in whole or as the beginning of a path.

    Raises:
        Refusal: a pattern matches nothing.

    >>> sorted(matching(["0"], ["0/bias", "0/kernel", "1/bias"], "freeze"))
    ['0/bias', '0/kernel']
    """
    found: set[str] = set()
    for pattern in patterns:
        own = {name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")}
        if not own:
            layers = sorted({"/".join(name.split("/")[:-1]) or name for name in names})
            near = difflib.get_close_matches(pattern.rstrip("*"), [*layers, *names], n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else "."
            raise Refusal(
                f'{what} must match a parameter; "{pattern}" matches none{hint} There are: '
                f"{first_of(names, 12)}."
            )
        found |= own
    return frozenset(found)


def first_of(names: Sequence[str], most: int) -> str:
    """The first names in a sentence, and the number of others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
