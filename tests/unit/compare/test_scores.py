"""Differences between seeds, against numbers computed by hand."""

import pytest

from palm.compare.scores import difference, spread


def test_the_difference_of_three_seeds_and_its_standard_error():
    # Differences 0.02, 0.04, 0.03: mean 0.03, standard deviation 0.01, standard error 0.01 / sqrt(3).
    found = difference([0.52, 0.64, 0.73], [0.50, 0.60, 0.70], "accuracy")
    assert found.mean == pytest.approx(0.03)
    assert found.error == pytest.approx(0.0057735, rel=1e-4)
    assert (found.hurts, found.helps) == (False, True)


def test_sharing_hurts_only_beyond_two_standard_errors():
    assert difference([0.47, 0.56, 0.67], [0.50, 0.60, 0.70], "macro_f1").hurts
    noisy = difference([0.40, 0.65, 0.70], [0.50, 0.60, 0.70], "macro_f1")  # -0.1, 0.05, 0: mean -0.0167, error 0.044
    assert noisy.mean < 0
    assert not noisy.hurts


def test_of_a_loss_the_lower_one_is_better():
    assert difference([0.2, 0.3], [0.5, 0.5], "loss").mean == pytest.approx(0.25)


def test_one_seed_proves_nothing():
    found = difference([0.1], [0.9], "accuracy")
    assert (found.error, found.hurts, found.helps) == (None, False, False)


def test_mean_and_deviation_as_text():
    assert spread([0.5]) == "0.5000"
    assert spread([0.50, 0.52, 0.54]) == "0.5200 ± 0.0200"
