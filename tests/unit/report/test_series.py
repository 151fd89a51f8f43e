import numpy as np

from palm.report.series import Series


def test_points_come_back():
    series = Series.of([(1, 0.5), (4, 0.25)])
    assert series.points == [(1, 0.5), (4, 0.25)]
    assert series.last == (4, 0.25)
    assert len(series) == 2
    assert Series().last is None


def test_a_step_that_comes_again_replaces_what_follows():
    assert Series.of([(1, 1.0), (2, 2.0), (3, 3.0), (2, 9.0)]).points == [(1, 1.0), (2, 9.0)]
    series = Series.of([(1, 1.0), (5, 2.0)])
    series.cut(5)
    assert series.points == [(1, 1.0)]


def test_the_first_of_equal_values_is_the_best():
    series = Series.of([(1, 0.5), (2, 0.9), (3, 0.9), (4, float("nan"))])
    assert series.best(falls=False) == (2, 0.9)
    assert series.best(falls=True) == (1, 0.5)
    assert Series.of([(1, float("nan"))]).best(falls=True) is None
    assert Series().best(falls=True) is None


def test_the_average_starts_without_a_bias():
    assert Series.of([(1, 4.0), (2, 4.0), (3, 4.0)]).smoothed().points == [(1, 4.0), (2, 4.0), (3, 4.0)]
    # span 3 keeps a half: (4 * 0.5 + 8) / (0.5 + 1) = 20/3
    values = Series.of([(1, 4.0), (2, 8.0)]).smoothed(3).values
    np.testing.assert_allclose(values, [4.0, 20 / 3])


def test_thinned_keeps_peaks_and_both_ends():
    values = np.zeros(100_000)
    values[31_337], values[77_777] = 5.0, -3.0
    thin = Series.of((step, float(value)) for step, value in enumerate(values)).thinned(200)
    assert len(thin) <= 202
    assert (31_337, 5.0) in thin.points
    assert (77_777, -3.0) in thin.points
    assert (thin.points[0][0], thin.points[-1][0]) == (0, 99_999)
    assert np.all(np.diff(thin.steps) > 0)


def test_a_short_series_is_not_thinned():
    series = Series.of([(1, 1.0), (2, 2.0)])
    assert series.thinned(2) is series
