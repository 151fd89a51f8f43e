"""Calibration: ECE and Brier score worked by hand, and temperatures as scipy and PyTorch find them."""

import numpy as np
import pytest

from palm.analysis.calibration import (
    BINS,
    ScoredAnswers,
    ScoredClasses,
    ScoredDecisions,
    calibration_of,
    fit_temperature,
    padded,
    reliability,
)
from palm.errors import DataError

metrics = pytest.importorskip("sklearn.metrics")


def classes(count: int = 400, sharpness: float = 3.0) -> ScoredClasses:
    """Scores that are `sharpness` times too far apart: labels are sampled from the softmax of a part of them."""
    generator = np.random.default_rng(7)
    logits = generator.normal(size=(count, 4)) * 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gold = np.array([generator.choice(4, p=row) for row in probabilities])
    return ScoredClasses(logits * sharpness, gold)


def log_odds(*probabilities: float) -> np.ndarray:
    return np.array([[np.log(p), np.log(1 - p)] for p in probabilities])


def test_the_expected_calibration_error_by_hand():
    # Two bins of 15 have rows: 0.9 three times (two right), 0.6 twice (one right).
    scored = ScoredClasses(log_odds(0.9, 0.9, 0.9, 0.6, 0.6), np.array([0, 0, 1, 0, 1]))
    found = calibration_of(scored, 1.0)
    assert found.ece == pytest.approx((3 * abs(2 / 3 - 0.9) + 2 * abs(1 / 2 - 0.6)) / 5)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.confidence == pytest.approx((3 * 0.9 + 2 * 0.6) / 5)
    assert found.brier == pytest.approx((2 * 0.02 + 2 * 0.81 + 2 * 0.16 + 2 * 0.36) / 5)
    assert found.nll == pytest.approx(-(2 * np.log(0.9) + np.log(0.1) + np.log(0.6) + np.log(0.4)) / 5)
    filled = [(round(each.lower, 3), each.count, each.accuracy) for each in found.bins if each.count]
    assert filled == [(0.533, 2, 0.5), (0.867, 3, pytest.approx(2 / 3))]
    assert len(found.bins) == BINS


def test_bins_have_a_row_at_their_upper_end():
    found = reliability(np.array([0.0, 0.2, 0.4, 1.0]), np.array([False, True, True, True]), bins=5)
    assert [each.count for each in found] == [2, 1, 0, 0, 1]
    assert found[2].accuracy is None
    assert found[0].confidence == pytest.approx(0.1)


def test_negative_log_likelihood_and_brier_score_are_those_of_scikit_learn():
    scored = classes()
    found = calibration_of(scored, 1.7)
    probabilities = np.exp(scored.scores / 1.7)
    probabilities /= probabilities.sum(1, keepdims=True)
    assert found.nll == pytest.approx(metrics.log_loss(scored.gold, probabilities))
    brier = metrics.mean_squared_error(np.eye(4)[scored.gold], probabilities) * 4
    assert found.brier == pytest.approx(brier)


def test_the_temperature_undoes_what_made_scores_too_sharp():
    assert fit_temperature(classes(4000, 3.0), "dev.tsv") == pytest.approx(3.0, rel=0.1)
    scored = classes()
    fitted = fit_temperature(scored, "dev.tsv")
    before, after = calibration_of(scored, 1.0), calibration_of(scored, fitted)
    assert after.nll < before.nll
    assert after.ece < before.ece / 2
    assert after.accuracy == before.accuracy


def test_the_temperature_is_the_one_that_pytorch_finds():
    torch = pytest.importorskip("torch")
    scored = classes()
    logits, gold = torch.tensor(scored.scores), torch.tensor(scored.gold)
    logarithm = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], max_iter=100, tolerance_grad=1e-12)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits / logarithm.exp(), gold)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fit_temperature(scored, "dev.tsv") == pytest.approx(logarithm.exp().item(), rel=1e-3)


def test_decisions_are_calibrated_by_their_sigmoid():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=3000) * 2
    gold = generator.random(3000) < 1 / (1 + np.exp(-logits))
    scored = ScoredDecisions(logits * 2.5, gold)
    assert fit_temperature(scored, "dev.tsv") == pytest.approx(2.5, rel=0.15)
    one = calibration_of(ScoredDecisions(np.array([np.log(4)]), np.array([False])), 1.0)
    assert (one.confidence, one.accuracy, one.nll) == pytest.approx((0.8, 0.0, -np.log(0.2)))
    assert one.brier == pytest.approx(2 * 0.64)


def test_answers_are_calibrated_by_whether_the_chosen_one_is_right():
    scores = padded([np.log([0.7, 0.2, 0.1]), np.log([0.5, 0.5])])
    found = calibration_of(ScoredAnswers(scores, np.array([0, 1]), np.array([True, False])), 1.0)
    assert (found.confidence, found.unit) == (pytest.approx(0.6), "question")
    assert found.nll == pytest.approx(-(np.log(0.7) + np.log(0.5)) / 2)


def test_rows_with_fewer_candidates_are_padded():
    assert padded([np.array([1.0]), np.array([1.0, 2.0])]).tolist() == [[1.0, -np.inf], [1.0, 2.0]]
    found = calibration_of(ScoredClasses(padded([np.array([1.0]), np.array([0.0, 0.0])]), np.array([0, 1])), 2.0)
    assert found.confidence == pytest.approx(0.75)


@pytest.mark.parametrize(("gold", "how"), [([0, 0], "all of them right"), ([1, 1], "none of them right")])
def test_rows_that_determine_no_temperature_are_refused(gold, how):
    with pytest.raises(DataError, match=rf"^dev\.tsv: .*Found 2 rows, {how}\. Give more rows"):
        fit_temperature(ScoredClasses(log_odds(0.9, 0.8), np.array(gold)), "dev.tsv")


def test_a_temperature_beyond_its_range_is_refused():
    # Wrong where the model is most certain: the flattest probabilities are the best.
    scored = ScoredClasses(log_odds(0.99, 0.6), np.array([1, 0]))
    with pytest.raises(DataError, match="still grows at 20"):
        fit_temperature(scored, "dev.tsv")
