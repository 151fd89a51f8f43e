"""Gradient methods: cases computed by hand, and what each promises for any gradients."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from palm.balancing.gradients import GRADIENT_METHODS, GradientFields
from palm.randomness import philox

NAMES = list(GRADIENT_METHODS)
gradient_sets = st.tuples(st.integers(2, 5), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-10, 10).map(lambda x: round(x, 3)))
)


def combined(name, gradients, generator=None):
    gradients = np.asarray(gradients, float)
    return (
        GRADIENT_METHODS[name](GradientFields()).weights(gradients @ gradients.T, generator or philox(1, "test"))
        @ gradients
    )


def test_two_gradients_at_right_angles_by_hand():
    gradients = [[3.0, 0.0], [0.0, 4.0]]
    assert combined("pcgrad", gradients) == pytest.approx([3, 4])
    assert combined("upgrad", gradients) == pytest.approx([1.5, 2])
    # The foot of the perpendicular on the line between (3, 0) and (0, 4): 12/25 of (4, 3).
    assert combined("mgda", gradients) == pytest.approx([48 / 25, 36 / 25])
    # products·w = 1/w: w = (1/3, 1/4), so the sum is (1, 1), scaled to length 1.
    assert combined("nash_mtl", gradients) == pytest.approx([0.5**0.5, 0.5**0.5], rel=1e-5)


def test_two_conflicting_gradients_by_hand():
    gradients = [[1.0, 0.0], [-1.0, 1.0]]
    # (1,0) + (−1,1)/2 = (½,½), and (−1,1) + (1,0) = (0,1).
    assert combined("pcgrad", gradients) == pytest.approx([0.5, 1.5])
    # The same projections, for two tasks are those onto the cone; their mean.
    assert combined("upgrad", gradients) == pytest.approx([0.25, 0.75], rel=1e-3)
    # Between (1,0) and (−1,1) the point next to 0 is (1,0) + 0.4·(−2,1).
    assert combined("mgda", gradients) == pytest.approx([0.2, 0.4])


def test_mgda_takes_the_short_gradient_alone_where_the_long_one_points_along_it():
    assert combined("mgda", [[1.0, 0.0], [5.0, 1.0]]) == pytest.approx([1, 0])


def test_cagrad_by_hand_where_both_tasks_are_alike():
    # By symmetry w is even: the mean (1, 0) half as long again.
    assert combined("cagrad", [[1.0, 2.0], [1.0, -2.0]]) == pytest.approx([1.5, 0], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_that_agree_keep_their_direction(name):
    found = combined(name, [[2.0, 1.0]] * 3)
    assert found / np.linalg.norm(found) == pytest.approx(np.array([2, 1]) / 5**0.5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_zero_give_none_and_weights_that_are_finite(name):
    weights = GRADIENT_METHODS[name](GradientFields()).weights(np.zeros((3, 3)), philox(1, "test"))
    assert np.isfinite(weights).all()
    gradients = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(combined(name, gradients)).all()


@pytest.mark.parametrize("name", ["mgda", "upgrad", "nash_mtl"])
@given(gradients=gradient_sets)
@settings(max_examples=60, deadline=None)
def test_no_task_gets_worse(name, gradients):
    products = gradients @ gradients.T
    weights = GRADIENT_METHODS[name](GradientFields()).weights(products, philox(1, "test"))
    # They solve their programs with a ridge of at most 1e-4 of the trace.
    assert (products @ weights >= -1.01e-4 * np.trace(products) * weights.max() - 1e-9).all()


@given(gradients=gradient_sets)
@settings(max_examples=60, deadline=None)
def test_mgda_is_the_shortest_of_all_means(gradients):
    shortest = np.linalg.norm(combined("mgda", gradients))
    for number in range(50):
        weights = philox(2, number).dirichlet(np.full(len(gradients), 0.5))
        assert shortest <= np.linalg.norm(weights @ gradients) + 1e-3


@given(gradients=gradient_sets)
@settings(max_examples=60, deadline=None)
def test_cagrad_stays_within_its_radius_of_the_mean(gradients):
    found, mean = combined("cagrad", gradients), gradients.mean(axis=0)
    if found.any():
        assert np.linalg.norm(found - mean) <= 0.5 * np.linalg.norm(mean) + 1e-6


def random_gradients(tasks, size, seed=4):
    generator = philox(seed, "gradients", tasks, size)
    return generator.normal(size=(tasks, size)) * generator.uniform(0.1, 5, size=(tasks, 1)) + 0.1


@pytest.mark.parametrize(("tasks", "size"), [(2, 2), (2, 3), (3, 3), (4, 9)])
def test_cagrad_helps_the_worst_off_task_most_of_all_vectors_near_the_mean(tasks, size):
    """The program of section 3.1 itself: of all d with |d - mean| <= |mean| / 2, the greatest min(gradients·d)."""
    gradients = random_gradients(tasks, size)
    mean, found = gradients.mean(axis=0), combined("cagrad", gradients)
    radius = 0.5 * np.linalg.norm(mean)
    assert np.linalg.norm(found - mean) == pytest.approx(radius, rel=1e-6)
    around = philox(5, "around", tasks).normal(size=(20_000, size))
    # Directions all over the sphere, and others close to the one that was found.
    around[::2] = found - mean + 0.1 * radius * around[::2]
    others = mean + radius * around / np.linalg.norm(around, axis=1, keepdims=True)
    assert (gradients @ found).min() >= (gradients @ others.T).min(axis=0).max() - 1e-6 * radius


@pytest.mark.parametrize("small", [0.0, 1e-6, 1e-3])
def test_a_task_that_is_done_does_not_stop_the_others_in_cagrad(small):
    """Radius 1/4 around the mean (1/2, 0), whatever there is no more of: an update of zero is not in it."""
    found = combined("cagrad", [[1.0, 0.0], [0.0, small]])
    assert found[0] >= 0.249
    assert np.linalg.norm(found - [0.5, small / 2]) <= 0.251


@pytest.mark.parametrize(("tasks", "size"), [(2, 2), (3, 5), (6, 40)])
def test_nash_mtl_solves_the_equation_of_the_bargain(tasks, size):
    """Claim 3.1: products·w = 1/w. The sum then has the length √tasks, which is cut to 1."""
    gradients = random_gradients(tasks, size)
    products = gradients @ gradients.T
    weights = GRADIENT_METHODS["nash_mtl"](GradientFields()).weights(products, None)
    assert (weights > 0).all()
    assert weights * (products @ weights) == pytest.approx(np.full(tasks, 1 / tasks), rel=1e-4)
    assert np.linalg.norm(weights @ gradients) == pytest.approx(1)


def test_the_scales_of_the_losses_make_no_difference_to_nash_mtl():
    gradients = random_gradients(3, 8)
    scales = np.array([[1e-3], [1.0], [1e3]])
    assert combined("nash_mtl", scales * gradients) == pytest.approx(combined("nash_mtl", gradients), rel=1e-6)


def test_a_gradient_of_zero_has_no_say_in_nash_mtl():
    gradients = np.array([[3.0, 0.0], [0.0, 0.0], [0.0, 0.2]])
    assert combined("nash_mtl", gradients) == pytest.approx([0.5**0.5, 0.5**0.5], rel=1e-5)
    assert GRADIENT_METHODS["nash_mtl"](GradientFields()).weights(gradients @ gradients.T, None)[1] == 0


class Orders:
    """Gives the orders that it is told."""

    def __init__(self, orders):
        self._orders = iter(orders)

    def permutation(self, count):
        return np.array(next(self._orders))


def test_pcgrad_is_algorithm_1_on_the_vectors_themselves():
    """Each task has an order of its own, projects what it has become, and onto the others as they were."""
    gradients = random_gradients(4, 3) - 0.6
    orders = [[2, 0, 3, 1], [3, 2, 1, 0], [0, 1, 2, 3], [1, 3, 0, 2]]
    wanted, projections = np.zeros(3), 0
    for task, order in enumerate(orders):
        own = gradients[task].copy()
        for other in (gradients[number] for number in order if number != task):
            if own @ other < 0:
                own -= (own @ other) / (other @ other) * other
                projections += 1
        wanted += own
    assert projections > 4
    assert combined("pcgrad", gradients, Orders(orders)) == pytest.approx(wanted)


def subsets(count):
    return [list(rows) for size in range(1, count + 1) for rows in combinations(range(count), size)]


@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_mgda_is_the_shortest_of_the_faces_of_the_convex_hull(tasks):
    """The nearest point of each face's plane in closed form; the shortest that is inside its face."""
    gradients = random_gradients(tasks, 6) + 0.5
    shortest = None
    for rows in subsets(tasks):
        weights = np.linalg.solve(gradients[rows] @ gradients[rows].T, np.ones(len(rows)))
        point = weights / weights.sum() @ gradients[rows]
        if (weights > 0).all() and (shortest is None or np.linalg.norm(point) < np.linalg.norm(shortest)):
            shortest = point
    assert combined("mgda", gradients) == pytest.approx(shortest, rel=1e-5)


@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_upgrad_is_the_mean_of_the_projections_onto_the_cone(tasks):
    """The projection onto each face {x: x·g = 0 for the g of the face}; the nearest that makes no task worse."""
    gradients = random_gradients(tasks, 6)
    gradients -= 0.9 * gradients.mean(axis=0)
    assert (gradients @ gradients.T < 0).any()
    wanted = []
    for own in gradients:
        faces = [own, *(own - np.linalg.pinv(gradients[rows]) @ gradients[rows] @ own for rows in subsets(tasks))]
        allowed = [point for point in faces if (gradients @ point >= -1e-9).all()]
        wanted.append(min(allowed, key=lambda point: np.linalg.norm(point - own)))
    # The ridge of the reference implementation makes the difference.
    assert combined("upgrad", gradients) == pytest.approx(np.mean(wanted, axis=0), rel=5e-3, abs=5e-3)


def test_pcgrads_order_comes_from_the_generator_alone():
    gradients = philox(3, "gradients").normal(size=(5, 3))
    found = {tuple(combined("pcgrad", gradients, philox(1, "order", step)).round(9)) for step in range(20)}
    assert len(found) > 1
    again = [combined("pcgrad", gradients, philox(1, "order", 7)) for _ in range(2)]
    assert (again[0] == again[1]).all()
