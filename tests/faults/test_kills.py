"""SIGKILL at random moments: the run ends as if nothing had been. `python -m tests.kills`: in long."""

import pytest
from tests.kills import trial

pytestmark = pytest.mark.slow


def test_a_run_that_is_killed_again_and_again_is_the_one_that_was_not():
    count = trial("iris, carry, 3 repeats", kills=2, runs=1, seed=3, say=False)
    assert count.kills >= 2
    assert count.finished >= 1
