"""Greedy and beam search over a small table of probabilities, against all texts that there are."""

from itertools import product

import numpy as np
import pytest

from palm.paradigm.beam_search import SearchSettings, write_texts

START, END, WORDS, LONGEST = 0, 1, 5, 4


def table(seed):
    """Log probabilities of the next token after each token, for each place: float32[place token token]."""
    scores = np.random.default_rng(seed).normal(size=(LONGEST, WORDS, WORDS)) * 2
    scores[:, :, START] = -30.0
    return (scores - np.log(np.exp(scores).sum(-1, keepdims=True))).astype("float32")


class Model:
    """A model that knows the latest token and its place, and of each row which text it belongs to."""

    def __init__(self, tables, beams):
        self.tables, self.place, self.text = tables, 0, np.repeat(np.arange(len(tables)), beams)

    def __call__(self, latest, rows):
        self.text = self.text[rows]
        found = np.stack([self.tables[text][self.place, token] for text, token in zip(self.text, latest, strict=True)])
        self.place += 1
        return found


def texts_of(tables, **keys):
    settings = SearchSettings(START, END, LONGEST, **keys)
    written = write_texts(Model(tables, settings.beams), len(tables), settings)
    return [[token for token in row if token >= 0] for row in written.ids.tolist()], written.scores.tolist()


def every_text(one):
    """Each text with its log probability and its number of tokens, the end included."""
    for length in range(LONGEST + 1):
        for words in product(range(2, WORDS), repeat=length):
            tokens = [*words, END][:LONGEST]
            before = [START, *tokens]
            yield list(words), sum(one[place, before[place], token] for place, token in enumerate(tokens)), len(tokens)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_with_beams_for_all_texts_the_best_one_is_written(seed, penalty):
    """As many beams as there are texts: 3 ** 4, and a search that does not end before the last place."""
    tables = [table(seed), table(seed + 100)]
    settings = {"beams": 90, "length_penalty": penalty}
    found, scores = texts_of(tables, **settings)
    for one, text, score in zip(tables, found, scores, strict=True):
        best = max(every_text(one), key=lambda each: each[1] / each[2] ** penalty)
        assert text == best[0]
        assert score == pytest.approx(best[1] / best[2] ** penalty, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_greedy_takes_the_most_probable_token(seed):
    tables = [table(seed), table(seed + 50), table(seed + 90)]
    found, scores = texts_of(tables)
    for one, text, score in zip(tables, found, scores, strict=True):
        tokens, total = [START], 0.0
        while len(tokens) <= LONGEST and tokens[-1] != END:
            following = one[len(tokens) - 1, tokens[-1]]
            total += following.max()
            tokens.append(int(following.argmax()))
        assert text == [token for token in tokens[1:] if token != END]
        assert score == pytest.approx(total / (len(tokens) - 1), rel=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_texts_of_a_batch_are_those_of_each_alone(beams):
    tables = [table(seed) for seed in range(6)]
    together, _ = texts_of(tables, beams=beams)
    assert together == [texts_of([one], beams=beams)[0][0] for one in tables]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("shortest", [1, 3])
def test_texts_are_no_shorter_than_asked(beams, shortest):
    found, _ = texts_of([table(seed) for seed in range(8)], beams=beams, shortest=shortest)
    assert min(map(len, found)) >= shortest
    assert max(map(len, found)) <= LONGEST


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("size", [1, 2])
def test_no_run_occurs_twice(beams, size):
    tables = [table(seed) for seed in range(12)]
    for one in tables:
        one[:, 2, 2] = -0.01  # which would be written over and over
        one[:, 2, 1] = -20.0
        one[0, START, 2] = -0.01
    free, _ = texts_of(tables, beams=beams)
    assert any(text == [2] * LONGEST for text in free)
    for text in texts_of(tables, beams=beams, no_repeat=size)[0]:
        runs = [tuple(text[start : start + size]) for start in range(len(text) - size + 1)]
        assert len(runs) == len(set(runs))
