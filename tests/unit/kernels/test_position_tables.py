"""Buckets of distances by hand and by Paddle, and where they end; angles by their definition."""

import numpy as np
import pytest

from palm.backbone.embeddings import relative_buckets as buckets_in_paddle
from palm.kernels.position_tables import angles, bucket, farthest, relative_buckets, vector_indices, vector_rows


def test_near_distances_have_a_bucket_each_and_far_ones_share_them() -> None:
    """Eight buckets of a sign, up to a distance of 64: half of them for the distances up to 4."""
    distances = np.arange(0, 65)
    found = bucket(distances, 8, 64)

    assert found[:5].tolist() == [0, 1, 2, 3, 4]
    assert found[63] == 7  # ceil(log(63/4) / log(63/4) · 3) + 4
    assert found[5] == 5  # ceil(0.08 · 3) + 4
    assert np.array_equal(np.unique(np.diff(found)), [0, 1])
    assert np.array_equal(bucket(-distances, 8, 64), -found)
    assert np.array_equal(bucket(distances, -1, 64), distances)


def test_the_vectors_of_a_sequence_are_a_range_of_rows() -> None:
    first, last, places = vector_indices(3, 8, 8, 64)
    assert (first, last, places.tolist()) == (6, 10, [0, 1, 2, 3, 4])
    first, last, places = vector_indices(200, 8, 8, 64)
    assert (first, last) == (0, 15)  # the last row stands for all distances behind it
    assert (places[0], places[199], places[-1]) == (0, 8, 15)


@pytest.mark.parametrize("buckets", [4, 8, 16, 32, 64, 320])
def test_relative_buckets_are_those_that_layers_compute_in_paddle(buckets: int) -> None:
    places = np.arange(700)
    distances = places[None] - places[:, None]

    assert np.array_equal(relative_buckets(distances, buckets), buckets_in_paddle(700, buckets).numpy())


def test_behind_the_farthest_distance_nothing_changes() -> None:
    def rows(distances: np.ndarray) -> np.ndarray:
        return vector_rows(distances, 8, 8, 64)

    limit = farthest(rows)
    behind = np.array([*range(-5000, -limit + 1), *range(limit, 5000)])
    assert np.array_equal(rows(behind), np.where(behind > 0, 15, 0))
    assert farthest(lambda distances: vector_rows(distances, 5, -1, 5)) == 8  # 5 in the powers of two
    assert farthest(lambda distances: relative_buckets(distances, 32)) <= 128


def test_angles_are_positions_times_rates() -> None:
    cosine, sine = angles(9, 6, 100.0)
    rates = np.array([1, 100 ** (-1 / 3), 100 ** (-2 / 3)] * 2)

    assert cosine.shape == sine.shape == (9, 6)
    np.testing.assert_allclose(cosine, np.cos(np.arange(9)[:, None] * rates), atol=1e-6)
    np.testing.assert_allclose(sine, np.sin(np.arange(9)[:, None] * rates), atol=1e-6)
