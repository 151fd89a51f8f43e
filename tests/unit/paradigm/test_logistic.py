"""The fitted logistic regression is scikit-learn's, and the same whenever it is fitted."""

import numpy as np
import pytest

from palm.paradigm.logistic import fit_logistic


def rows(count, size, classes, seed=3, *, apart=1.0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    features = generator.normal(size=(count, size)) + apart * generator.normal(size=(classes, size))[labels]
    return features / np.linalg.norm(features, axis=1, keepdims=True), labels


def probabilities(found, features):
    logits = features @ found[:-1] + found[-1]
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("strength", [0.1, 1.0, 100.0])
@pytest.mark.parametrize(("count", "size", "classes"), [(60, 8, 3), (30, 40, 5), (200, 16, 15)])
def test_it_is_that_of_scikit_learn(count, size, classes, strength):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn: pip install .[test]")
    features, labels = rows(count, size, classes)
    theirs = linear_model.LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(features, labels)
    ours = fit_logistic(features, labels, classes, inverse_penalty=strength)

    assert ours.shape == (size + 1, classes)
    np.testing.assert_allclose(probabilities(ours, features), theirs.predict_proba(features), atol=1e-4)


def test_two_classes_on_one_axis_by_hand():
    # Classes -1 and 1 at ±1, no bias by symmetry: the weights are ∓w with w = C · 2 · sigmoid(-2w).
    found = fit_logistic(np.array([[-1.0], [1.0]]), np.array([0, 1]), 2, inverse_penalty=1.0)
    weight = found[0, 1]
    assert found[0, 0] == pytest.approx(-weight)
    assert weight == pytest.approx(2 / (1 + np.exp(2 * weight)), abs=1e-4)
    np.testing.assert_allclose(found[1], [0, 0], atol=1e-6)


def test_the_same_rows_give_the_same_bits():
    features, labels = rows(50, 12, 4)
    one, other = (fit_logistic(features, labels, 4, inverse_penalty=1.0) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_classes_without_rows_never_win():
    features, labels = rows(40, 6, 2)
    found = fit_logistic(features, np.where(labels == 0, 1, 3), 5, inverse_penalty=1.0)
    chances = probabilities(found, features)
    assert chances[:, [0, 2, 4]].max() < 1e-9
    np.testing.assert_allclose(
        chances[:, [1, 3]], probabilities(fit_logistic(features, labels, 2, inverse_penalty=1.0), features), atol=1e-9
    )


def test_classes_far_apart_end_in_finite_weights():
    features, labels = rows(30, 4, 3, apart=50.0)
    found = fit_logistic(features, labels, 3, inverse_penalty=1e6)
    assert np.isfinite(found).all()
    assert (probabilities(found, features).argmax(axis=1) == labels).all()
