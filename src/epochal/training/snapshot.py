"""Snapshots of repeats, and their conversion to named arrays and back.

A snapshot holds repeats independent of their vmapping: one saved on a machine with one device is resumed
where all repeats share a program, and the other way round.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from epochal.curves import Curves
from epochal.engine.state import Cursor, RepeatState, StackState, TrainState
from epochal.errors import Refusal
from epochal.models.wrappers import names_of
from epochal.runs.checkpoints import CheckpointFile
from epochal.training.prepared import Prepared
from epochal.training.resume_fingerprint import state_of


class Snapshot(NamedTuple):
    """The state of vmapped repeats between two updates, with their curves."""

    repeat_range: range
    state: StackState
    curves: Curves
    """With the original numbers of the repeats."""

    @property
    def updates(self) -> int:
        """Updates so far, over all its repeats."""
        return self.state.update * len(self.repeat_range)


_COLUMNS = {"update": np.int64, "samples": np.int64, "epoch": np.float64, "seconds": np.float64}


def checkpoint_file(snapshot: Snapshot) -> CheckpointFile:
    """The snapshot of one stack, as in a checkpoint."""
    tensors: dict[str, NDArray[Any]] = {}
    for row, repeat in enumerate(snapshot.repeat_range):
        tensors |= {
            f"{repeat}/state/{name}": leaf[row]
            for name, leaf in _named(snapshot.state.train_state.repeat_states)
        }
        own = snapshot.curves.of(repeat)
        tensors |= {f"{repeat}/curves/{name}": getattr(own, name) for name in _COLUMNS}
        tensors |= {f"{repeat}/curves/columns/{name}": column for name, column in own.columns.items()}
    train_state, update, seconds, samples = snapshot.state
    cursor = {name: value.item() for name, value in train_state.cursor._asdict().items()}
    stack = {
        "repeats": [snapshot.repeat_range.start, snapshot.repeat_range.stop],
        "update": update,
        "seconds": seconds,
    }
    stack |= {"samples": samples, "cursor": cursor}
    last = f"-{snapshot.repeat_range.stop - 1}" if len(snapshot.repeat_range) > 1 else ""
    return CheckpointFile(f"repeats-{snapshot.repeat_range.start}{last}", tensors, {"stacks": [stack]})


def merged(files: Sequence[CheckpointFile]) -> CheckpointFile:
    """Several stacks in one file: small ones are written faster this way."""
    tensors = {name: tensor for file in files for name, tensor in file.tensors.items()}
    return CheckpointFile(
        "repeats", tensors, {"stacks": [stack for file in files for stack in file.about["stacks"]]}
    )


def read_snapshots(prepared: Prepared, files: Sequence[CheckpointFile]) -> dict[int, Snapshot]:
    """The snapshot of each repeat; a state that is not that of this model and optimizer is refused."""
    shapes: RepeatState = state_of(prepared)
    return {
        repeat: _one(prepared, file, stack, repeat, shapes)
        for file in files
        for stack in file.about["stacks"]
        for repeat in range(*stack["repeats"])
    }


def regroup(snapshots: Mapping[int, Snapshot], repeat_range: range) -> list[tuple[range, Snapshot | None]]:
    """Stacks for vmapped repeats, split where their cursors differ."""

    def progress_of(repeat: int) -> Any:
        one = snapshots.get(repeat)
        return one and (one.state.update, tuple(value.item() for value in one.state.train_state.cursor))

    stacks = []
    for _, same in itertools.groupby(repeat_range, key=progress_of):
        numbers = list(same)
        part = range(numbers[0], numbers[-1] + 1)
        stacks.append((part, _joined(part, snapshots) if numbers[0] in snapshots else None))
    return stacks


def _joined(repeat_range: range, snapshots: Mapping[int, Snapshot]) -> Snapshot:
    ones = [snapshots[repeat] for repeat in repeat_range]
    first = ones[0].state
    state = first.train_state.repeat_states
    if len(ones) > 1:
        states = [one.state.train_state.repeat_states for one in ones]
        state = jax.tree.map(lambda *leaves: np.concatenate(leaves), *states)
    kept = first._replace(
        train_state=TrainState(first.train_state.cursor, state),
        seconds=max(one.state.seconds for one in ones),
    )
    return Snapshot(repeat_range, kept, Curves.concatenate([one.curves for one in ones]))


def _named(state: RepeatState) -> Iterator[tuple[str, Any]]:
    return zip(names_of(state), jax.tree.leaves(state), strict=True)


def _one(
    prepared: Prepared, file: CheckpointFile, stack: Mapping[str, Any], repeat: int, shapes: RepeatState
) -> Snapshot:
    tensors, leaves = file.tensors, []
    for name, wanted in _named(shapes):
        leaf = tensors.get(f"{repeat}/state/{name}")
        if leaf is None or leaf.shape != wanted.shape or leaf.dtype != wanted.dtype:
            got = "nothing" if leaf is None else f"{leaf.dtype} {leaf.shape}"
            raise Refusal(
                f"the checkpoint is of another training: {name} of repeat {repeat + 1} must be "
                f"{wanted.dtype} {wanted.shape}; it holds {got}."
            )
        leaves.append(leaf[None])
    state: RepeatState = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    given = stack["cursor"]
    types = {"eval_due": np.bool_, "samples_since_eval": np.uint32, "samples_since_eval_high": np.uint32}
    cursor = Cursor(**{name: types.get(name, np.int32)(given[name]) for name in Cursor._fields})
    numbers = int(stack["update"]), float(stack["seconds"]), int(stack["samples"])
    kept = StackState(TrainState(cursor, state), *numbers)
    columns = {name: tensors[f"{repeat}/curves/columns/{name}"] for name in prepared.spec.metric_names}
    rows: dict[str, Any] = {
        name: np.asarray(tensors[f"{repeat}/curves/{name}"], kind) for name, kind in _COLUMNS.items()
    }
    number = np.full(len(rows["update"]), repeat, np.int32)
    return Snapshot(range(repeat, repeat + 1), kept, Curves(number, columns=columns, **rows))
