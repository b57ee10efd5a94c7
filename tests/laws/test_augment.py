"""Laws of augmentation: an update always sees the same images, draws are uniform, nothing else moves."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from tests.helpers import assert_same_bits

import epochal as ep
from epochal.models import Variables
from epochal.models.augment import (
    Augmented,
    Brightness,
    Contrast,
    Crop,
    Flip,
    Rotate,
    Shift,
    augmented,
    transforms_of,
)
from epochal.settings import Settings
from epochal.training.loop import make_stack
from epochal.training.prepare import prepare

ALL = (Flip("both"), Shift(1.5), Crop(1), Rotate(20), Brightness(0.1), Contrast(0.2))
SOME = (Flip(), Crop(1), Brightness(0.1))
RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (48, 6, 7), dtype=np.uint8)
LABELS = np.arange(48) % 3
IDENTITY = {
    "flip": [False, False],
    "shift": np.float32([0, 0]),
    "crop": [1, 1],
    "rotate": np.float32(0),
    "brightness": np.float32(0),
    "contrast": np.float32(0),
}


@pytest.mark.parametrize("transform", ALL, ids=str)
def test_a_transform_with_neutral_parameters_gives_the_same_bits(transform: Any):
    image = jnp.asarray(RANDOM.random((6, 7, 2)).astype(np.float32))
    assert_same_bits(jax.jit(transform.apply)(image, jnp.asarray(IDENTITY[transform.name])), image)


def drawn(transform: Any, count: int = 20_000) -> np.ndarray:
    return np.asarray(transform.draw(jax.random.key(11), count))


def test_draws_are_distributed_as_documented():
    """Kolmogorov-Smirnov and chi-squared tests at a fixed key; the lowest p, corrected, is above 1 %."""
    p = [stats.kstest(column, stats.uniform(-1.5, 3).cdf).pvalue for column in drawn(Shift(1.5)).T]
    p.append(stats.kstest(drawn(Rotate(20)), stats.uniform(-20, 40).cdf).pvalue)
    p.append(stats.kstest(drawn(Brightness(0.1)), stats.uniform(-0.1, 0.2).cdf).pvalue)
    p.append(stats.kstest(drawn(Contrast(0.2)), stats.uniform(-0.2, 0.4).cdf).pvalue)
    places = drawn(Crop(2))
    p.append(stats.chisquare(np.bincount(places[:, 0] * 5 + places[:, 1], minlength=25)).pvalue)
    flips = drawn(Flip("both"))
    p.append(stats.chisquare(np.bincount(flips[:, 0] * 2 + flips[:, 1], minlength=4)).pvalue)
    # Row and column of a shift are independent of each other.
    p.append(stats.pearsonr(*drawn(Shift(1.5)).T).pvalue)
    assert min(p) * len(p) > 0.01
    assert not drawn(Flip("horizontal"))[:, 0].any()
    assert not drawn(Flip("vertical"))[:, 1].any()


class Seeing:
    """A model whose state is what it saw last, and whose outputs ignore it."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        return Variables(jnp.zeros(3), jnp.zeros((12, *sample.shape)))

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Any:
        outputs = jnp.zeros((len(inputs), 3)) + variables.params
        return outputs, inputs if training else variables.state


SEEING = Seeing()


@functools.cache
def seen(budget: int | None = None, augment: tuple[Any, ...] = SOME, epochs: int = 2, seed: int = 0) -> Any:
    """What the last update saw, after trainings that are told in calls of so many updates."""
    settings = Settings(
        batch_size=12, epochs=epochs, validation=0, augment=augment, seed=seed, optimizer="sgd"
    )
    stack = make_stack(prepare(SEEING, (IMAGES, LABELS), settings), range(1), fixed_updates_per_call=budget)
    while not stack.done:
        stack.advance()
    return np.asarray(stack.train_state.repeat_states.model[0]), np.asarray(
        stack.train_state.repeat_states.params[0]
    )


def test_the_images_of_an_update_depend_on_neither_calls_nor_observers():
    first = seen()
    assert_same_bits(seen(1), first)
    assert_same_bits(seen(3), first)


def test_another_epoch_and_another_seed_see_other_images():
    assert not np.array_equal(seen()[0], seen(epochs=1)[0])
    assert not np.array_equal(seen()[0], seen(seed=1)[0])


def test_an_update_sees_its_samples_moved_as_the_key_of_its_coordinates_says():
    """What the engine saw is `augmented` of the samples of the plan's last batch, with labels untouched."""
    settings = Settings(batch_size=12, epochs=2, validation=0, augment=SOME, optimizer="sgd")
    prepared = prepare(SEEING, (IMAGES, LABELS), settings)
    batch = prepared.plan_of(0).batch(1, 3)
    key = prepared.stack_data(range(1)).per_repeat.dropout_keys[0]
    key = jax.random.fold_in(jax.random.fold_in(key, 1), 3)
    pixels = jnp.asarray(IMAGES[batch]).astype(jnp.float32) / 255
    model = prepared.spec.model
    assert isinstance(model, Augmented)
    _, wanted = jax.jit(lambda x: model.apply(Variables(jnp.zeros(3), None), x, key, True))(pixels)
    np.testing.assert_allclose(seen()[0], np.asarray(wanted), atol=1e-6)
    # The gradient is that of the labels as they are.
    assert_same_bits(seen()[1], seen(augment=())[1])


def test_images_are_varied_independently_and_only_in_training():
    images = jnp.tile(jnp.asarray(IMAGES[:1]).astype(jnp.float32), (8, 1, 1))
    found = np.asarray(jax.jit(lambda key: augmented(images, ALL, key))(jax.random.key(0)))
    assert len(np.unique(found.reshape(8, -1), axis=0)) == 8
    model = Augmented(SEEING, ALL)
    variables = Variables(jnp.zeros(3), "before")
    assert model.apply(variables, images, jax.random.key(0), False)[1] == "before"


def test_words_make_the_transforms_that_print_them():
    words = "flip,flip:vertical,shift:2,crop:4,rotate:15:1,brightness:0.2,contrast:0.3"
    made = transforms_of(words)
    assert ",".join(map(str, made)) == words
    assert made == transforms_of(list(made)) == transforms_of(words.split(","))
    assert transforms_of(None) == transforms_of("") == ()


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        ("flp", 'did you mean "flip"'),
        ("shift", "such as shift:2"),
        ("shift:x", "such as shift:2"),
        ("flip:sideways", "axis of flip"),
        ("shift:6", "less than the 6 pixels"),
        ("crop:6", "less than the 6 pixels"),
        ("crop:1.5", "whole number"),
        ("crop:nan", "whole number"),
        ("crop:inf", "whole number"),
        ("rotate:200", "between 0 and 180"),
        ("brightness:-1", "at least 0"),
        ("contrast:2", "between 0 and 1"),
        (3, "augment must be transforms"),
        ([Flip], "augment must be transforms"),
    ],
)
def test_what_is_no_augmentation_is_refused(augment: Any, words: str):
    with pytest.raises(ep.Refusal) as refused:
        prepare(SEEING, (IMAGES, LABELS), Settings(batch_size=12, augment=augment))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        (ep.MLP(2), (np.zeros((48, 5)), LABELS), "have the shape (5,)"),
        (ep.MLP(2), ep.load_windows(np.arange(48.0) % 5, window=4), "are windows of a series"),
        (
            ep.Pairwise(ep.MLP(2)),
            ep.load_rank_pairs((np.ones((48, 3)), np.arange(48) % 4), by=np.arange(48) // 4),
            "are pairs",
        ),
    ],
    ids=["table", "windows", "pairs"],
)
def test_what_is_no_image_is_not_varied(model: Any, data: Any, words: str):
    """Windows and pairs have the shape of an image, and mirrored would mean something else."""
    with pytest.raises(ep.Refusal) as refused:
        prepare(model, data, Settings(batch_size=8, augment="flip"))
    assert f"augment varies images (height, width) or (height, width, channels); the inputs {words}" in str(
        refused.value
    )
