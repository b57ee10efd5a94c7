"""Faults: what would let a GPU give other bits another time.

Law 4 (Resume) holds on a GPU in deterministic mode. That needs no GPU to test: the compiler is asked for it
by options that every build of XLA knows.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import epochal as ep
from epochal.engine import compiler
from epochal.engine.compiler import OPTIONS, always_same, compiled_from, options_for
from epochal.settings import Settings
from epochal.training.describe import notes_of
from epochal.training.prepare import prepare

RANDOM = np.random.default_rng(1)
DATA = RANDOM.normal(size=(20, 6, 6)).astype(np.float32), RANDOM.integers(0, 2, 20).astype(np.int32)


@pytest.fixture
def on_a_gpu(monkeypatch):
    """A JAX that says it computes on a GPU where that is asked for the sake of determinism."""

    class Said:
        default_backend = staticmethod(lambda: "gpu")

        def __getattr__(self, name):
            return getattr(jax, name)

    monkeypatch.setattr(compiler, "jax", Said())


def test_the_compiler_knows_the_options_by_name():
    lowered = jax.jit(lambda x: x @ x).lower(jnp.ones((2, 2)))
    lowered.compile(compiler_options=OPTIONS)
    with pytest.raises(jax.errors.JaxRuntimeError, match="No such compile option"):
        lowered.compile(compiler_options={"xla_gpu_deterministic_opts": True})


def test_every_program_of_a_training_is_compiled_with_them(on_a_gpu, monkeypatch):
    asked = []

    def jit(*arguments, real=jax.jit, **options):
        asked.append(options["compiler_options"])
        return real(*arguments, **options)

    compile_ = jax.stages.Lowered.compile

    def compiled(self, compiler_options=None):
        asked.append(compiler_options)
        return compile_(self, compiler_options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", compiled)
    options = {"epochs": 1, "batch_size": 8, "deterministic": True}
    run = ep.fit(ep.MLP(3), DATA, **options)
    assert asked == [OPTIONS] * 2, "the drawing of parameters, and the training itself"
    assert run.settings["deterministic"] is True and run.environment["deterministic"] is True
    monkeypatch.setattr(jax, "jit", jit)
    run.predict(DATA[0])
    assert asked[2:] == [OPTIONS]


def test_without_the_mode_and_elsewhere_nothing_is_asked(on_a_gpu, monkeypatch):
    assert options_for(False) is None and not always_same(False)
    monkeypatch.setattr(compiler, "jax", jax)
    assert options_for(True) is None and always_same(False)


def test_it_is_said_before_training(on_a_gpu, monkeypatch):
    asked = Settings(deterministic=True, batch_size=4)
    prepared = prepare(ep.MLP(2), DATA, asked)
    assert "deterministic: the same bits every time, by XLA's deterministic operations" in notes_of(prepared)
    monkeypatch.setattr(compiler, "jax", jax)
    assert any("(cpu) gives the same bits every time in any case" in note for note in notes_of(prepared))


def test_an_operation_without_a_deterministic_form_is_refused_in_one_sentence():
    said = (
        "UNIMPLEMENTED: HLO instruction select-and-scatter.3 does not have a deterministic implementation, "
        "but run-to-run determinism is required."
    )

    class Lowered:
        def compile(self, compiler_options):
            raise jax.errors.JaxRuntimeError(said)

    with pytest.raises(
        ep.Refusal, match=r"^deterministic must be False.*select-and-scatter.*max_pool has one\.$"
    ):
        compiled_from(Lowered(), deterministic=True)
    with pytest.raises(jax.errors.JaxRuntimeError):
        compiled_from(Lowered(), deterministic=False)


@pytest.mark.parametrize("window", [2, 3])
def test_the_pooling_of_the_networks_has_one(window):
    def pooled(x):
        return ep.nn.max_pool(x, (window, window), (2, 2)).sum()

    said = jax.jit(jax.grad(pooled)).lower(jnp.ones((1, 6, 6, 1))).as_text()
    assert "select_and_scatter" not in said and "scatter" not in said


def test_what_is_no_flag_is_refused():
    with pytest.raises(ep.Refusal, match="deterministic must be True or False; got 1"):
        Settings(deterministic=1)
