"""Laws of curves: folding into columns loses nothing, stopped repeats do not count, pictures fit."""

from __future__ import annotations

import numpy as np
import pytest

from epochal.common.metric_names import higher_is_better
from epochal.curves import Curves, picture
from epochal.errors import Refusal
from epochal.models import METRICS


def ragged(ends: tuple[int, ...] = (5, 8, 3)) -> Curves:
    rng = np.random.default_rng(0)
    rows = [
        {
            "repeat": repeat,
            "epoch": epoch,
            "update": 4 * epoch,
            "samples": 20 * epoch,
            "seconds": 0.5 * epoch,
            "train.running_loss": None if epoch == 0 else rng.random() + 0.1,
            "train.loss": 1 / (1 + epoch) + 0.1 * repeat,
            "validation.loss": 1.2 / (1 + epoch) + 0.1 * repeat,
            "validation.accuracy": 1 - 0.5 / (1 + epoch),
        }
        for repeat, end in enumerate(ends)
        for epoch in range(end + 1)
    ]
    return Curves.from_rows(rows)


def test_values_align_repeats_and_end_where_they_stopped() -> None:
    curves = ragged()
    x, loss = curves.values("train.loss")
    assert x.tolist() == list(range(9)) and loss.shape == (3, 9)
    assert np.isfinite(loss).sum(axis=1).tolist() == [6, 9, 4]
    assert np.array_equal(loss[1], 1 / (1 + x) + 0.1)


@pytest.mark.parametrize(("x", "last"), [("epochs", 8), ("updates", 32), ("samples", 160), ("seconds", 4)])
def test_every_axis(x: str, last: float) -> None:
    assert ragged().values("train.loss", x)[0][-1] == last


def test_a_mean_holds_stopped_repeats_at_their_last_value_and_ends_with_the_majority() -> None:
    band = ragged().summary("validation.loss")
    assert band.count.tolist() == [3, 3, 3, 3, 2, 2, 1, 1, 1]
    assert band.mean[0] == pytest.approx(1.3)
    assert band.mean[5] == pytest.approx((1.2 / 6 + 1.2 / 6 + 0.1 + 1.2 / 4 + 0.2) / 3)
    assert np.isnan(band.mean[6:]).all() and np.isnan(band.sd[6:]).all() and np.isfinite(band.sd[:6]).all()


def test_a_repeat_that_leaves_does_not_move_the_mean() -> None:
    """Flat repeats at 0.24 and one at 0.05, which trains on alone."""
    rows = [
        dict(
            repeat=r, epoch=e, update=e, samples=e, seconds=e, **{"validation.loss": 0.05 if r == 4 else 0.24}
        )
        for r, end in enumerate([10, 14, 18, 22, 40])
        for e in range(end)
    ]
    curves = Curves.from_rows(rows)
    mean = curves.summary("validation.loss").mean
    known = mean[np.isfinite(mean)]
    assert known.size == 18 and np.ptp(known) < 1e-12
    _, array = curves.values("validation.loss")
    assert np.ptp(np.nanmean(array, axis=0)) > 0.1  # the control: the mean over those still running


def test_a_value_that_is_not_finite_does_not_count() -> None:
    curves = ragged((4, 4, 4))
    curves.columns["validation.loss"][-1] = np.inf
    band = curves.summary("validation.loss")
    assert band.count[-1] == 2 and np.isfinite(band.mean).all()
    assert curves.best().epoch.tolist() == [4, 4, 3]


def test_joined_curves_do_not_depend_on_their_pieces() -> None:
    whole = ragged()
    pieces = [whole.of(repeat) for repeat in whole.repeats]
    assert Curves.concatenate(pieces).equals(whole)
    joined = Curves.empty(whole.names)
    for piece in pieces:
        joined = joined.append(piece)
    assert joined.equals(whole)


def test_order_of_rows_does_not_matter_to_reading() -> None:
    whole = ragged()
    turned = Curves.concatenate([whole.of(2), whole.of(0), whole.of(1)])
    for mine, its in zip(whole.values("train.loss"), turned.values("train.loss"), strict=True):
        assert np.array_equal(mine, its, equal_nan=True)


def test_a_missing_column_is_nan_when_appended() -> None:
    one = ragged((2,))
    bare = Curves(one.repeat + 1, one.epoch, one.update, one.samples, one.seconds, {"train.loss": one.epoch})
    both = one.append(bare)
    assert np.isnan(both.columns["validation.loss"][3:]).all() and len(both) == 6


def test_arrow_and_back() -> None:
    curves = ragged()
    table = curves.to_arrow()
    assert table.column_names[:5] == ["repeat", "epoch", "update", "samples", "seconds"]
    assert Curves.from_arrow(table).equals(curves)
    with pytest.raises(Refusal, match="epoch is missing"):
        Curves.from_arrow(table.drop_columns(["epoch"]))


def test_best_reads_metrics_upwards() -> None:
    curves = ragged()
    assert curves.best("validation.accuracy").epoch.tolist() == [5, 8, 3]
    assert curves.best("train.loss").median_epoch == 5
    assert not higher_is_better("validation.brier")
    assert all(higher_is_better(f"test.{one.name}") == one.greater_is_better for one in METRICS.values())
    assert higher_is_better("validation.r2") and not higher_is_better("train.running_loss")


def test_an_empty_record() -> None:
    curves = Curves.empty(["train.loss"])
    assert len(curves) == 0 and curves.repeats == () and picture(curves) == "(no losses to draw)"
    assert curves.values("train.loss")[1].shape == (0, 0)
    assert curves.summary("train.loss").mean.size == 0 and curves.best("train.loss").epoch.size == 0


def test_refusals() -> None:
    curves = ragged()
    with pytest.raises(Refusal, match=r'did you mean "train\.loss"'):
        curves.values("train.los")
    with pytest.raises(Refusal, match="unknown x-axis"):
        curves.values("train.loss", "hours")
    with pytest.raises(Refusal, match="repeat must be one of"):
        curves.of(7)
    with pytest.raises(Refusal, match="equally long"):
        Curves(curves.repeat, curves.epoch, curves.update, curves.samples, curves.seconds, {"a": np.ones(2)})
    with pytest.raises(Refusal, match="at least 40 columns"):
        picture(curves, 20, 20)


@pytest.mark.parametrize("width", [40, 44, 59, 60, 80, 132])
@pytest.mark.parametrize("height", [8, 12, 20, 40])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "no such encoding"])
def test_a_picture_fits(width: int, height: int, encoding: str) -> None:
    for curves in (ragged(), ragged((6,)), ragged((0,))):
        drawn = picture(curves, width, height, encoding=encoding)
        lines = drawn.splitlines()
        assert len(lines) == height and max(map(len, lines)) <= width
        if encoding != "utf-8":
            drawn.encode("ascii")


def test_a_picture_with_color_is_the_same_picture() -> None:
    import re

    drawn = picture(ragged(), 80, 20, True)
    plain = re.sub(r"\x1b\[\d+m", "", drawn)
    assert "\x1b[36m" in drawn and "\x1b[35m" in drawn
    assert not re.search(r"\x1b\[(3[07]|4\d|9\d)m", drawn)  # neither black nor white nor a background
    assert plain.splitlines()[-4:] == picture(ragged(), 80, 20).splitlines()[-4:]


def test_a_wide_range_is_drawn_and_called_logarithmic() -> None:
    rows = [
        dict(repeat=0, epoch=e, update=e, samples=e, seconds=e, **{"train.loss": 10.0 ** (-e / 5)})
        for e in range(20)
    ]
    curves = Curves.from_rows(rows)
    assert "log scale" in picture(curves)


def test_a_million_evaluations_are_drawn_quickly() -> None:
    at = np.arange(200_000)
    loss = 1 / (1 + at / 1000)
    curves = Curves(np.zeros(at.size), at, at, at, at, {"train.loss": loss, "validation.loss": loss + 0.01})
    assert len(picture(curves).splitlines()) == 20


@pytest.mark.parametrize("style", ["light", "dark", "auto"])
@pytest.mark.parametrize("x", ["epochs", "seconds"])
def test_plot(style: str, x: str, tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "curves.png"
    figure = ragged().plot(x=x, style=style, path=path, baseline={"validation.loss": 0.7})
    assert path.stat().st_size > 5000
    assert len(figure.axes) == 2
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any(text.startswith("training, fixed") for text in said)
    assert any(text.startswith("training, running") for text in said)
    assert any("best epoch" in text for text in said)


def test_plot_into_given_axes_and_refusals() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    at = figure.subplots()
    assert ragged().plot(["train.loss"], ax=at) is figure
    with pytest.raises(Refusal, match="unknown style"):
        ragged().plot(style="drak")
    with pytest.raises(Refusal, match="unknown curve"):
        ragged().plot(["loss"])
