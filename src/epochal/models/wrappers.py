"""Models around other models: pairs, embeddings, frozen parameters, mixed precision.

Frozen parameters move from what the optimizer moves into the state of the model, so they get no gradient, no
optimizer state and no weight decay. The model's own state, such as the running statistics of batch
normalization, is updated as before.

Mixed precision (Micikevicius et al. 2018) in bfloat16, whose range is that of float32, so no loss scaling is
needed: parameters are kept in float32 and rounded where they are used. Gradients come back in float32, so the
optimizer, its state, sums over micro-batches and losses are unaffected.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from epochal.errors import Refusal
from epochal.models.convert import as_model
from epochal.models.model import Applied, Model, PyTree, Variables, described, shapes_of


class Wrapper:
    """A model around another one; what it does not define is the other's, such as `evaluation_rows`."""

    model: Model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """The variables of the model."""
        return self.model.init(key, sample)


@dataclass(frozen=True)
class Pairwise:
    """A scorer f of one item, trained on pairs: the logit that the first is ahead is f(first) - f(second).

    With the log loss this is RankNet (Burges et al. 2005, "Learning to rank using gradient descent"); with a
    linear f, logistic regression on differences. Both items go through the same network, so that opposite
    pairs have opposite logits, preferences are transitive, and f alone ranks any number of items.

    Args:
        model: the scorer, as `fit` takes a model, with one output.

    >>> import jax.numpy as jnp
    >>> from epochal.models import MLP
    >>> ranker = Pairwise(MLP(8)).with_outputs(1)
    >>> variables = ranker.init(jax.random.key(0), jnp.zeros((2, 3)))
    >>> pair = jax.random.normal(jax.random.key(1), (1, 2, 3))
    >>> ahead, _ = ranker.apply(variables, pair, jax.random.key(0), False)
    >>> behind, _ = ranker.apply(variables, pair[:, ::-1], jax.random.key(0), False)
    >>> bool(ahead[0] == -behind[0])
    True
    """

    model: Any

    def with_outputs(self, outputs: int) -> Pairwise:
        """The scorer gets one output, whatever the task."""
        return Pairwise(as_model(self.model, 1))

    def refuse_inputs(self, values: Any) -> None:
        """Samples must be pairs."""
        if values.ndim < 3 or values.shape[1] != 2:
            raise Refusal(
                f"Pairwise needs samples that are pairs of items, (n, 2, ...); got {tuple(values.shape)}. "
                "Make them with epochal.load_rank_pairs."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"kind": "pairwise", "of": described(self.model)}

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the variables of the scorer."""
        scorer: Model = self.model
        return scorer.init(key, sample[0])

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map pairs (batch, 2, *item) to the logits (batch,) that the first item is ahead of the second."""
        pairs = inputs.shape[0]
        outputs, state = self.model.apply(
            variables, inputs.reshape(2 * pairs, *inputs.shape[2:]), key, training
        )
        scores = outputs.reshape(pairs, 2)
        return scores[:, 0] - scores[:, 1], state


def embedding_width(codes: int) -> int:
    """The size of an embedding: larger for more levels, at most 16; the rule is arbitrary.

    >>> [embedding_width(codes) for codes in (51, 1500, 100_000)]
    [4, 8, 16]
    """
    return min(16, max(4, round(1.25 * codes**0.25)))


@dataclass(frozen=True)
class Embedded(Wrapper):
    """A model of numbers and embeddings; each of the last `len(sizes)` inputs is a code below its size.

    Embeddings are initialized normal with variance 1 / width, code 0 (an unknown level) as zero.

    Args:
        model: the model, which sees the other inputs and then the embeddings.
        sizes: number of codes of each column of codes.

    >>> from epochal.models import MLP
    >>> model = Embedded(MLP(4, outputs=1), (100,))
    >>> variables = model.init(jax.random.key(0), jnp.zeros(3))
    >>> variables.params["embeddings"][0].shape, variables.params["model"][0]["kernel"].shape
    ((100, 4), (6, 4))
    """

    model: Model
    sizes: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The settings of the inner model as JSON; the data determines the columns of codes."""
        return described(self.model)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the embeddings, and the variables of the model."""
        tables = []
        for number, size in enumerate(self.sizes):
            width = embedding_width(size)
            own = jax.random.fold_in(jax.random.fold_in(key, 0x656D62), number)
            drawn = jax.random.normal(own, (size, width)) / jnp.sqrt(width)
            tables.append(drawn.at[0].set(0.0))
        shape = embedded_shape(sample.shape, self.sizes)
        variables = self.model.init(key, jnp.zeros(shape, sample.dtype))
        return Variables({"embeddings": tables, "model": variables.params}, variables.state)

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map inputs (batch, ..., columns), the last ones codes, to the model's outputs."""
        first = inputs.shape[-1] - len(self.sizes)
        columns = [inputs[..., :first]]
        for place, table in enumerate(variables.params["embeddings"]):
            columns.append(table[inputs[..., first + place].astype(jnp.int32)])
        within = Variables(variables.params["model"], variables.state)
        return self.model.apply(within, jnp.concatenate(columns, axis=-1), key, training)


def embedded_shape(shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    """The shape of one sample with its codes replaced by embeddings.

    >>> embedded_shape((12, 5), (100, 60)), embedded_shape((3,), ())
    ((12, 11), (3,))
    """
    return (*shape[:-1], shape[-1] - len(sizes) + sum(map(embedding_width, sizes))) if sizes else tuple(shape)


@functools.lru_cache(maxsize=256)
def embedded(model: Model, sizes: tuple[int, ...]) -> Model:
    """The model with embeddings for columns of codes, if there are any; for pairs, around the scorer."""
    if not sizes or isinstance(model, Embedded):
        return model
    if isinstance(model, Pairwise):
        return Pairwise(embedded(model.model, sizes))
    return Embedded(model, sizes)


def without_embeddings(model: Any) -> Any:
    """The inner model of one with embeddings; others unchanged."""
    return model.model if isinstance(model, Embedded) else model


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
        return self.partition(self.model.init(key, sample))

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Apply the model; frozen parameters do not change."""
        outputs, state = self.model.apply(inner_variables(self, variables), inputs, key, training)
        return outputs, FrozenState(state, variables.state.frozen)

    def describe(self, sample: tuple[int, ...], dtype: Any) -> str:
        """The number of frozen parameters, in words.

        >>> import numpy as np
        >>> from epochal.models.built_in import MLP
        >>> Frozen(MLP(2, outputs=1), frozenset({"0/kernel"})).describe((3,), np.float32)
        'frozen: 6 of 11 parameters (0/kernel)'
        """
        shapes = shapes_of(self.model, sample, dtype).params
        sizes = {_name(path): leaf.size for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)}
        frozen = sum(sizes[name] for name in self.names)
        shown = first_of(sorted(self.names), 6)
        return f"frozen: {frozen:,} of {sum(sizes.values()):,} parameters ({shown})"

    def partition(self, variables: Variables) -> Variables:
        """Split the model's variables; None marks a parameter that is in the other tree."""

        def only(frozen: bool) -> PyTree:
            return jax.tree_util.tree_map_with_path(
                lambda path, leaf: leaf if (_name(path) in self.names) == frozen else None,
                variables.params,
                is_leaf=lambda leaf: leaf is None,
            )

        return Variables(only(False), FrozenState(variables.state, only(True)))


def inner_variables(model: Model, variables: Variables) -> Variables:
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

    A pattern without a match is refused.

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


@dataclass(frozen=True)
class MixedPrecision(Wrapper):
    """A model with mixed precision: its compute dtype differs from that of its parameters.

    Inputs that are quantities and parameters are rounded, outputs are float32 again. State from
    batch to batch (running statistics, a carried state) keeps its own dtype.

    Args:
        model: the model. If it has `low_precision_params`, patterns of parameter names, only those are
            rounded, and the rest is computed in float32, as in the built-in networks.
        precision: the name of a dtype.

    >>> from epochal.models.built_in import MLP
    >>> model = MixedPrecision(MLP(2, outputs=1), "bfloat16")
    >>> variables = model.init(jax.random.key(0), jnp.zeros(3))
    >>> variables.params[0]["kernel"].dtype.name
    'float32'
    >>> traced = jax.make_jaxpr(lambda x: model.apply(variables, x, jax.random.key(0), True)[0])
    >>> [str(one.outvars[0].aval) for one in traced(jnp.zeros((4, 3))).eqns if "dot" in one.primitive.name]
    ['bfloat16[4,2]', 'bfloat16[4,1]']
    """

    model: Model
    precision: str

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Apply the model in fewer bits, with outputs in float32."""
        params, state = variables
        patterns = getattr(self.model, "low_precision_params", ("*",))
        leaves, tree = jax.tree.flatten(params)
        rounded = [
            self._rounded(leaf) if any(fnmatchcase(name, pattern) for pattern in patterns) else leaf
            for name, leaf in zip(names_of(params), leaves, strict=True)
        ]
        variables = Variables(jax.tree.unflatten(tree, rounded), state)
        outputs, after = self.model.apply(variables, self._rounded(inputs), key, training)
        after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, state)
        return outputs.astype(jnp.float32), after

    def _rounded(self, values: jax.Array) -> jax.Array:
        return values.astype(self.precision) if values.dtype == jnp.float32 else values


@functools.lru_cache(maxsize=64)
def computing_in(model: Model, precision: str) -> Model:
    """The model in that precision; float32 leaves it unchanged.

    A method `computing_in(dtype)` of the model returns what is wrapped: a Flax module sets the dtype of its
    layers, so that a layer after one with float32 outputs still computes in fewer bits.
    """
    if precision == "float32":
        return model
    if isinstance(model, Pairwise):
        return Pairwise(computing_in(model.model, precision))
    if isinstance(model, Embedded):  # codes need more digits than fewer bits have
        return Embedded(computing_in(model.model, precision), model.sizes)
    own = getattr(model, "computing_in", None)
    return MixedPrecision(model if own is None else own(jnp.dtype(precision)), precision)
