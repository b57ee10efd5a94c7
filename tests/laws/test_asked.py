"""Law (Resume): a training that is asked again from what a file says of it is the same training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import epochal as ep
from epochal.plan.contiguous import Contiguous
from epochal.settings import Settings
from epochal.training.differences import differences
from epochal.training.json_settings import read_settings, write_settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare
from epochal.training.prepared import Prepared
from epochal.training.request import ask_again, environment_changes, environment_of, request_json
from epochal.training.resume_fingerprint import program_digest, resume_fingerprint
from helpers import assert_same_bits

ROWS = 40


def through_json(value: Any) -> Any:
    """What a file would hold of it; a number that JSON has not is an error."""
    return json.loads(json.dumps(value, allow_nan=False))


def prepared_again(first: Prepared) -> Prepared:
    """The training that the document of another asks for; they must be the same."""
    written = through_json(request_json(first))
    second = prepare(*ask_again(written))
    assert second.spec == first.spec
    assert second.plan == first.plan
    assert [second.plan_of(repeat) for repeat in range(first.settings.repeats)] == [
        first.plan_of(repeat) for repeat in range(first.settings.repeats)
    ]
    assert differences(written["fingerprint"], through_json(resume_fingerprint(second))) == []
    assert through_json(request_json(second)["settings"]) == written["settings"]
    assert environment_changes(written["environment"], environment_of(second)) == []
    return second


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small table of two classes, whose target is amid its columns."""
    path = tmp_path_factory.mktemp("asked") / "table.csv"
    rows = [f"{i * 7 % 11},{'ab'[i % 2]},{i * 0.5:.1f},{i % 3}" for i in range(ROWS)]
    path.write_text("\n".join(["x,kind,y,z", *rows]) + "\n")
    return path


finite = st.floats(1e-3, 1e3)
columns = st.sampled_from(["validation.loss", "train.loss", "validation.accuracy"])
single_rules = st.one_of(
    st.builds(ep.Patience, finite, finite, finite, columns),
    st.builds(ep.TargetValue, st.floats(-1e3, 1e3), columns),
    st.builds(ep.GeneralizationLoss, finite),
    st.builds(ep.ProgressQuotient, finite, st.integers(2, 9)),
    st.builds(ep.RisingStrips, st.integers(1, 9), st.integers(1, 9)),
)
joined = st.recursive(
    single_rules,
    lambda rules: st.lists(rules, min_size=2, max_size=3).flatmap(
        lambda some: st.sampled_from([ep.any_of(*some), ep.all_of(*some)])
    ),
    max_leaves=4,
)
budgets = st.builds(ep.Budget, st.none() | finite, st.integers(1, 50))
rules = st.one_of(st.none(), joined, budgets, st.builds(ep.any_of, joined, budgets))
values = st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS).filter(lambda some: len(set(some)) > 1)
orders = st.one_of(
    st.sampled_from(["shuffle", "shuffle_once", "sequential", "replacement", "stratified", "balanced"]),
    st.builds(ep.Blocks, st.integers(1, 5)),
    st.builds(ep.Replacement, st.none() | st.integers(20, 60)),
    st.builds(ep.Groups, values),
    st.builds(lambda some: ep.Groups([f"group {one}" for one in some]), values),
    st.builds(ep.Stratified, values),
    st.builds(ep.Weighted, st.lists(finite, min_size=ROWS, max_size=ROWS), st.none() | st.integers(20, 60)),
    st.just(ep.Balanced(length=60)),
    st.just(Contiguous()),
)
sizes = st.integers(4, 20) | st.just("full")
batch_sizes = st.one_of(
    sizes,
    st.dictionaries(st.integers(1, 30), sizes, max_size=3).map(lambda later: {0: 8, **later}),
    st.dictionaries(st.integers(1, 90), sizes, max_size=3).map(
        lambda later: ep.BatchSchedule({0: 8, **later}, "updates")
    ),
)
schedules = st.one_of(
    st.sampled_from(["constant", "cosine"]),
    st.builds(ep.Schedule, st.sampled_from(["cosine", "linear"]), st.integers(0, 9), floor=st.floats(0, 1)),
    st.builds(ep.Schedule, st.sampled_from(["constant", "inverse_sqrt"]), st.integers(0, 9)),
    st.builds(
        ep.Schedule,
        st.sampled_from(["step", "exponential"]),
        st.integers(0, 9),
        every=st.integers(1, 9),
        factor=finite,
    ),
)
asked = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": batch_sizes,
        "micro_batch": st.none() | st.integers(1, 9),
        "epochs": st.integers(1, 99),
        "updates_per_epoch": st.none() | st.integers(1, 9),
        "optimizer": st.sampled_from(["sgd", "lion", "rmsprop", "muon", "schedule_free_adam"]),
        "weight_decay": st.none() | finite,
        "clip_norm": st.none() | finite,
        "gradient_noise": st.floats(0, 1),
        "label_smoothing": st.floats(0, 0.5),
        "learning_rate": st.none() | finite | finite.map(np.float32),
        "schedule": schedules,
        "stop": rules,
        "order": orders,
        "remainder": st.sampled_from(["keep", "drop", "spread", "carry"]),
        "repeats": st.integers(1, 3),
        "seed": st.integers(0, 2**63) | st.integers(0, 9).map(np.int64),
        "vary": st.lists(st.sampled_from(["split", "init", "order"]), min_size=1, unique=True).map(tuple),
        "metrics": st.sampled_from([("accuracy", "roc_auc"), ("accuracy", "sklearn:roc_auc")]),
        "monitor": columns,
        "validation": st.floats(0.1, 0.4),
        "test": st.floats(0.0, 0.2),
        "split": st.sampled_from(["random", "chronological"]),
        "class_weight": st.sampled_from(["balanced", {"a": 2}, {"a": 0.1, "b": 3.5}]),
        "threshold": st.sampled_from(["f1", "youden", 0.25]),
        "positive": st.sampled_from(["a", "b"]),
        "standardize": st.booleans(),
        "evaluate_every": st.integers(1, 9) | st.sampled_from(["3 updates", "2 epochs"]),
        "evaluate_train": st.booleans(),
        "stream": st.booleans(),
        "workers": st.none() | st.integers(0, 3),
        "deterministic": st.booleans(),
        "precision": st.sampled_from(["float32", "bfloat16"]),
        "freeze": st.sampled_from([(), ("0/kernel",), ("0/*",)]),
    },
)
networks = st.builds(
    lambda hidden, **rest: ep.MLP(*hidden, **rest),
    st.lists(st.integers(1, 9), min_size=1, max_size=2),
    activation=st.sampled_from(["relu", "tanh"]),
    dropout=st.sampled_from([0.0, 0.25]),
    batch_norm=st.booleans(),
    outputs=st.none() | st.just(1),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(networks, asked)
def test_a_training_that_is_asked_again_is_the_same(table: Path, model: Any, options: dict[str, Any]) -> None:
    """Spec, plan, order of every repeat and identity, whatever is asked of it."""
    try:
        first = prepare(model, ep.load_data(table, target="kind"), Settings(**options))
    except ep.Refusal:
        assume(False)
    prepared_again(first)


@settings(max_examples=60)
@given(asked)
def test_settings_come_back_as_they_were(options: dict[str, Any]) -> None:
    """Also those that go with no data; and writing them again gives the same text."""
    try:
        given_ = Settings(**options)
    except ep.Refusal:
        assume(False)
    written = through_json(write_settings(given_))
    found, lacking = read_settings(written, {})
    assert lacking == {}
    again = Settings(**found)
    assert through_json(write_settings(again)) == written
    if not isinstance(given_.batch_size, dict):
        assert again == given_
    else:
        assert again.batch_size == ep.BatchSchedule(given_.batch_size)


def test_every_kind_of_data_in_files_is_read_again(table: Path, tmp_path: Path) -> None:
    """Windows, texts, ranked rows, arrays in files, other data to validate on, images with transforms."""
    image = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    series, ranks, arrays, images = (tmp_path / name for name in ("s.csv", "r.csv", "x.npz", "images"))
    series.write_text("v,w\n" + "".join(f"{np.sin(i / 3):.4f},{i * i % 7}\n" for i in range(120)))
    ranks.write_text("race,speed,rank\n" + "".join(f"{i // 5},{i * 7 % 11},{i % 5 + 1}\n" for i in range(60)))
    np.savez(arrays, X=random.normal(size=(50, 5)).astype(np.float32), y=np.arange(50) % 2)
    for number in range(16):
        (images / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (8, 8), dtype=np.uint8)
        image.fromarray(pixels).save(images / "ab"[number % 2] / f"{number}.png")
    texts = (table.parent / "texts.csv").resolve()
    texts.write_text("t,liked\n" + "".join(f"{'so' * (i % 2)} good {i % 5},{i % 2}\n" for i in range(40)))
    trained: list[tuple[Any, Any, dict[str, Any]]] = [
        (ep.LSTM(3), ep.load_windows(series, target="v", window=6, inputs=()), {}),
        (
            ep.GRU(3),
            ep.load_windows(series, target=1, window=6, stride=6),
            {"stateful": True, "batch_size": 2},
        ),
        (ep.TextClassifier(3, 4), ep.load_texts(texts, text="t", target="liked"), {"order": "buckets"}),
        (ep.Pairwise(ep.MLP(4)), ep.load_rank_pairs(ranks, by="race", target="rank", max_pairs=3), {}),
        (ep.MLP(4), arrays, {"stream": True}),
        (ep.MLP(4), ep.load_data(table, target="kind", drop=["x"]), {"validation": table}),
        (ep.CNN(4), images, {"augment": (ep.Flip(), ep.Shift(1.23456789012)), "batch_size": 4}),
        (ep.CNN(4), ep.load_data(images, resize=(6, 6)), {"stream": True, "batch_size": 4}),
    ]
    for model, data, options in trained:
        first = prepare(model, data, Settings(epochs=3, **options))
        second = prepared_again(first)
        assert second.dataset.recipe == first.dataset.recipe


def test_data_that_was_moved_is_read_from_its_new_place_in_the_same_way(table: Path, tmp_path: Path) -> None:
    """The options of the reader still hold; without the place, one sentence asks for it."""
    path = tmp_path / "first.csv"
    path.write_bytes(table.read_bytes())
    first = prepare(ep.MLP(4), ep.load_data(path, target="kind", drop=["x"]), Settings())
    written, moved = request_json(first), path.rename(tmp_path / "moved.csv")
    with pytest.raises(
        ep.Refusal,
        match=r"where they were, .*first\.csv.* Say where they are now: ep\.resume\(\.\.\., data=PATH\)",
    ):
        ask_again(written)
    second = prepare(*ask_again(written, data=moved))
    assert differences(written["fingerprint"], resume_fingerprint(second)) == []


@dataclass(frozen=True)
class Falls:
    """A rule of one's own: the training loss is below a number."""

    to: float

    def init(self) -> Any:
        return ()

    def step(self, state: Any, observation: Any) -> tuple[Any, jax.Array]:
        return state, observation.metrics["train.loss"] < self.to

    def reason(self, state: Any) -> str:
        return "it fell"

    def describe(self) -> str:
        return "the loss falls"

    def metric_names(self) -> tuple[str, ...]:
        return ("train.loss",)


def test_what_a_file_cannot_hold_is_named_and_has_to_be_given(table: Path) -> None:
    """One sentence names all of it; given again, the training is the same, and another one is noticed."""
    data = ep.load_data(table, target="kind")
    arrays = (data.inputs, data.targets)
    weights = np.asarray([0.5, 2.0], np.float32)

    def loss(outputs: Any, targets: Any) -> Any:
        return jax.numpy.square(outputs.reshape(-1) - jax.numpy.asarray(weights)[targets])

    def other(outputs: Any, targets: Any) -> Any:
        return jax.numpy.square(outputs.reshape(-1) - jax.numpy.asarray(weights + 1)[targets])

    def model(by: float) -> Any:
        scale = np.full(3, by, np.float32)
        inner = jax.jit(lambda inputs: (inputs * scale).sum(axis=1))
        return ep.model_from_functions(
            lambda key, sample: jax.numpy.zeros(()), lambda params, inputs: params + inner(inputs)
        )

    own = {"loss": loss, "optimizer": optax.sgd(0.1), "stop": Falls(0.5)}
    first = prepare(model(1.0), arrays, Settings(**own))
    written = through_json(request_json(first))
    sentence = (
        r"optimizer \(.*\), loss \(the function loss\), stop \(a Falls\), data \(arrays\), "
        r"model \(a FunctionModel\)"
    )
    with pytest.raises(ep.Refusal, match=sentence):
        ask_again(written)

    def again(model_: Any, **changed: Any) -> list[str]:
        second = prepare(*ask_again(written, model=model_, data=arrays, options={**own, **changed}))
        return differences(written["fingerprint"], through_json(resume_fingerprint(second)))

    assert again(model(1.0)) == []
    computes = ["the model, the loss or the optimizer of your own computes something else"]
    assert again(model(1.0), optimizer=optax.sgd(0.2)) == computes
    assert again(model(1.0), loss=other)[-1:] == ["loss: loss then, other now"]
    assert again(model(1.0), stop=Falls(0.25)) == [
        "the stopping rule (the loss falls) computes something else"
    ]
    # The number is within a function that is compiled on its own.
    assert again(model(2.0)) == computes


def test_a_terminal_does_not_change_what_a_program_is_called(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX prints programs in color where it writes to one."""
    from jax._src import pretty_printer

    prepared = prepare(ep.MLP(3), str(table), Settings())
    plain = program_digest(prepared)
    monkeypatch.setattr(pretty_printer, "CAN_USE_COLOR", not pretty_printer.CAN_USE_COLOR)
    assert program_digest(prepared) == plain


def test_a_longer_training_stands_where_the_shorter_one_ended(table: Path) -> None:
    """Bit for bit after every update, between two evaluations, too, and with a batch that borrows."""
    options = {"evaluate_every": 3, "stop": ep.Patience(99), "batch_size": 12, "remainder": "carry"}
    data = ep.load_data(table, target="kind")
    shorter, longer = (prepare(ep.MLP(3), data, Settings(epochs=epochs, **options)) for epochs in (4, 9))
    assert differences(resume_fingerprint(shorter), resume_fingerprint(longer)) == []
    stacks = [make_stack(one, range(1), fixed_updates_per_call=1) for one in (shorter, longer)]
    while stacks[0].update < shorter.plan.updates:
        for stack in stacks:
            stack.advance()
        for one, two in zip(*(jax.tree.leaves(stack.train_state) for stack in stacks), strict=True):
            assert_same_bits(np.asarray(one), np.asarray(two))
