"""Random streams are a function of seed and purpose alone."""

import subprocess
import sys

import pytest

from palm.randomness import philox


def test_equal_arguments_give_equal_streams():
    assert philox(1, "shuffle", "mrqa", 3).random(5).tolist() == philox(1, "shuffle", "mrqa", 3).random(5).tolist()


@pytest.mark.parametrize(
    "other", [(2, "a", 1), (1, "b", 1), (1, "a", 2), (1, "a", "1"), (1, "a"), (1, "a1"), (1, "a", 1, 1)]
)
def test_other_arguments_give_another_stream(other):
    assert philox(1, "a", 1).random() != philox(*other).random()


def test_another_process_draws_the_same():
    command = "from palm.randomness import philox; print(philox(7, '文', 2).integers(10**9))"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert int(found) == philox(7, "文", 2).integers(10**9)


def test_streams_are_pinned():
    """A run that is resumed under a later version of PALM goes on with the same numbers."""
    assert philox(1, "pin").integers(0, 1000, 4).tolist() == [546, 40, 805, 783]
