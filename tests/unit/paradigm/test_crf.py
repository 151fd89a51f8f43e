"""The CRF against brute force over every label sequence."""

import math
from itertools import pairwise, product

import numpy as np
import paddle
import pytest

from palm.paradigm.crf import crf_loss, viterbi


def score(logits: np.ndarray, path: tuple[int, ...], transitions: np.ndarray) -> float:
    """Score of one label sequence, term by term."""
    steps = sum(transitions[before, after] for before, after in pairwise(path))
    emitted = sum(logits[place, label] for place, label in enumerate(path))
    return float(transitions[-2, path[0]] + emitted + steps + transitions[-1, path[-1]])


def negative_log_likelihood(logits: np.ndarray, gold: tuple[int, ...], transitions: np.ndarray) -> float:
    paths = product(range(logits.shape[1]), repeat=len(logits))
    total = math.log(sum(math.exp(score(logits, path, transitions)) for path in paths))
    return total - score(logits, gold, transitions)


def drawn(seed: int, words: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(words, classes)), generator.normal(size=(classes + 2, classes))


def loss_of(logits: np.ndarray, labels: list[list[int]], transitions: np.ndarray) -> float:
    tensors = paddle.to_tensor(logits, "float32"), paddle.to_tensor(labels), paddle.to_tensor(transitions, "float32")
    return float(crf_loss(*tensors))


@pytest.mark.parametrize(("words", "classes"), [(1, 3), (2, 2), (5, 3), (4, 1)])
def test_loss_is_the_negative_log_likelihood_per_word(words, classes):
    logits, transitions = drawn(words, words, classes)
    gold = tuple(np.random.default_rng(9).integers(classes, size=words).tolist())

    expected = negative_log_likelihood(logits, gold, transitions) / words
    assert loss_of(logits[None], [list(gold)], transitions) == pytest.approx(expected, abs=1e-5)


def test_unlabelled_tokens_are_left_out_of_the_sequence():
    (first, transitions), (second, _) = drawn(1, 6), drawn(2, 6)
    labels = [[-100, 2, -100, -100, 0, 1], [-100, 1, 1, -100, -100, -100]]

    lost = negative_log_likelihood(first[[1, 4, 5]], (2, 0, 1), transitions)
    lost += negative_log_likelihood(second[[1, 2]], (1, 1), transitions)
    assert loss_of(np.stack([first, second]), labels, transitions) == pytest.approx(lost / 5, abs=1e-5)


def test_a_row_without_labels_does_not_weigh():
    (first, transitions), (second, _) = drawn(3, 2), drawn(4, 2)
    alone = loss_of(first[None], [[0, 2]], transitions)

    assert loss_of(np.stack([first, second]), [[0, 2], [-100, -100]], transitions) == pytest.approx(alone, abs=1e-6)
    assert loss_of(second[None], [[-100, -100]], transitions) == 0.0


def test_gradients_equal_differences_of_the_brute_force():
    logits, transitions = drawn(5, 3)
    gold = (1, 0, 2)
    tensors = [paddle.to_tensor(array, "float32", stop_gradient=False) for array in (logits[None], transitions)]
    crf_loss(tensors[0], paddle.to_tensor([list(gold)]), tensors[1]).backward()
    step = 1e-5
    for tensor, changed in zip(tensors, (logits, transitions), strict=True):
        expected = np.zeros_like(changed)
        for place in np.ndindex(changed.shape):
            before, around = changed[place], []
            for difference in (step, -step):
                changed[place] = before + difference
                around.append(negative_log_likelihood(logits, gold, transitions) / 3)
            changed[place] = before
            expected[place] = (around[0] - around[1]) / (2 * step)
        np.testing.assert_allclose(tensor.grad.numpy().reshape(changed.shape), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_viterbi_finds_the_best_of_all_sequences(seed):
    words, classes = 1 + seed % 5, 2 + seed % 3
    logits, transitions = drawn(seed, words, classes)
    best = max(product(range(classes), repeat=words), key=lambda path: score(logits, path, transitions))

    assert viterbi(logits, transitions).tolist() == list(best)


def test_viterbi_of_nothing():
    assert viterbi(np.zeros((0, 3)), np.zeros((5, 3))).tolist() == []
