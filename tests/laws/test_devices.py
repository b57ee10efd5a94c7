"""Laws 3, 4 and 5 on several devices: batches that are shared move the parameters as on one device.

All of it in one process with 8 forced devices (`several_devices.py`); here is what must come out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import epochal as ep
from epochal.training.repeat_stacks import groups_of

pytestmark = pytest.mark.slow

FLAGS = (
    "--xla_force_host_platform_device_count=8",
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
)
"""Eight devices, and programs that are compiled soon rather than well."""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    program = Path(__file__).parents[1] / "several_devices.py"
    flags = " ".join((os.environ.get("XLA_FLAGS", ""), *FLAGS))
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=1200,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": paths},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_shared_batch_has_the_gradient_of_the_whole_batch(found: dict[str, Any]) -> None:
    """Sizes that leave every rest, batch normalization, dropout, weights, micro-batches."""
    right = {name: gap for name, gap in found["gradients"].items() if "mean of means" not in name}
    assert len(right) == 5
    assert max(right.values()) < 1e-6


def test_a_mean_of_means_would_be_seen(found: dict[str, Any]) -> None:
    wrong = [gap for name, gap in found["gradients"].items() if "mean of means" in name]
    assert len(wrong) == 1
    assert min(wrong) > 1e-3


def test_a_training_on_several_devices_ends_where_that_on_one_does(found: dict[str, Any]) -> None:
    """Repeats with splits of their own that stop by themselves, orders, remainders, micro-batches, and
    samples that are dealt out, with what is not a number where a device has none."""
    assert set(found["trainings"]) == {"repeats", "carry", "streamed"}
    for one in found["trainings"].values():
        assert one["places"]
        assert set(one["values"]) == set(one["state"]) == {"2", "3", "8"}
        assert max(one["values"].values()) < 1e-5
        assert max(one["state"].values()) < 1e-5 < 1e-2 < one["moved"]
        assert all(status == one["stopped"]["1"] for status in one["stopped"].values())
    assert found["trainings"]["repeats"]["stopped"]["1"] == [1, 1, 1]


def test_a_training_that_goes_on_on_other_devices_ends_where_the_unmoved_one_does(
    found: dict[str, Any],
) -> None:
    for one in found["trainings"].values():
        assert one["elsewhere"] < 1e-5


def test_the_same_devices_give_the_same_bits_wherever_calls_end(found: dict[str, Any]) -> None:
    assert [one["again"] for one in found["trainings"].values()] == [0, 0, 0]


def test_a_device_does_its_share_of_the_work_and_tells_only_sums(found: dict[str, Any]) -> None:
    """As the compiler counts multiplications: an eighth of them, and what all devices do (the update).

    Versions of the compiler differ by some percent in what they count.
    """
    for one in found["work"].values():
        assert 0.12 < one["share"] < 0.14
        assert one["told"] == ["all-reduce"]


def test_repeats_train_on_groups_of_devices_and_the_run_says_so(found: dict[str, Any]) -> None:
    groups = found["runs"]["groups"]
    assert groups["notes"] == ["8 devices are used, in 2 groups; 4 share each batch"]
    assert groups["environment"] == [8, 4]
    assert groups["same places"]
    assert groups["fitted"] < 1e-5


def test_groups_of_devices_divide_them_and_have_a_repeat_each() -> None:
    for devices in range(1, 25):
        for repeats in range(1, 25):
            groups, each = groups_of(repeats, devices)
            assert groups * each == devices and groups <= repeats
            assert not any(devices % more == 0 for more in range(groups + 1, min(repeats, devices) + 1))


def test_more_devices_than_there_are_are_refused() -> None:
    found = r"devices must be between 1 and (\d+) .*; got 9999\. devices=\1 takes all there are; XLA_FLAGS="
    with pytest.raises(ep.Refusal, match=found):
        ep.fit(ep.MLP(), "example:iris", devices=9999)
    with pytest.raises(ep.Refusal, match=r"devices must be a whole number, at least 1; got 0\."):
        ep.fit(ep.MLP(), "example:iris", devices=0)
