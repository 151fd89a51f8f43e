"""Greedy and beam search: which tokens a decoder writes, a token of every text at a time.

Beam search does as that of transformers with `early_stopping=False`: a text ends where its best continuation that is
still written scores no more than the worst that is finished. Scores are sums of log probabilities, divided by
length ** length_penalty (arXiv:1609.08144 has another divisor).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palm.data.dataset import UNLABELLED, IntArray

LogProbs = NDArray[np.float32]
NextToken = Callable[[IntArray, IntArray], LogProbs]
"""Takes the latest token of each row, and which row each one continues; returns log probabilities of the next token,
float32[row vocab], an array that the search may write to."""

_NEVER = -1e9


@dataclass(frozen=True)
class SearchSettings:
    """How texts are written.

    Attributes:
        start_id: The token before the first.
        end_id: The token after the last.
        longest: Most tokens of a text, its end included.
        shortest: Least tokens before the end.
        beams: Continuations that are kept of each text; with 1 the most probable token is taken.
        length_penalty: Exponent of the length that scores are divided by: above 0 for longer texts.
        no_repeat: No run of as many tokens occurs twice in a text; 0 for any.
    """

    start_id: int
    end_id: int
    longest: int
    shortest: int = 0
    beams: int = 1
    length_penalty: float = 1.0
    no_repeat: int = 0


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        ids: The tokens of each text without its end, -100 behind them: int64[batch output].
        scores: The score of each text: float32[batch].
    """

    ids: IntArray
    scores: LogProbs


def write_texts(advance: NextToken, batch: int, settings: SearchSettings) -> Written:
    """Write a text for each of `batch` rows.

    Args:
        advance: Computes the next token; its rows are `beams` for each text, one text after the other.
        batch: Number of texts.
        settings: How they are written.
    """
    search = _greedy if settings.beams == 1 else _beams
    return search(advance, batch, settings)


def _greedy(advance: NextToken, batch: int, settings: SearchSettings) -> Written:
    tokens = np.full((batch, settings.longest), UNLABELLED, "int64")
    scores, lengths = np.zeros(batch, "float32"), np.zeros(batch, "int64")
    latest, rows, unfinished = np.full(batch, settings.start_id), np.arange(batch), np.ones(batch, "bool")
    for place in range(settings.longest):
        log_probs = _allowed(advance(latest, rows), tokens[:, :place], settings)
        latest = log_probs.argmax(axis=1)
        scores += np.where(unfinished, log_probs[rows, latest], np.float32(0))
        lengths += unfinished
        tokens[unfinished, place] = latest[unfinished]
        unfinished &= latest != settings.end_id
        if not unfinished.any():
            break
    return Written(_without_end(tokens, settings), (scores / lengths**settings.length_penalty).astype("float32"))


@dataclass
class _Beams:
    """The continuations of each text: tokens int64[batch beams longest], scores float32[batch beams]."""

    tokens: IntArray
    scores: LogProbs

    def best(self, number: int) -> IntArray:
        """The places of the best ones, best first, of equal ones the first: int64[batch number]."""
        found: IntArray = np.argsort(-self.scores, axis=1, kind="stable")[:, :number]
        return found

    def take(self, places: IntArray) -> "_Beams":
        """Those at `places`, int64[batch number]."""
        tokens = np.take_along_axis(self.tokens, places[:, :, None], axis=1)
        return _Beams(tokens, np.take_along_axis(self.scores, places, axis=1))


def _beams(advance: NextToken, batch: int, settings: SearchSettings) -> Written:
    beams, longest = settings.beams, settings.longest
    # Only the first continuation counts at first, since all of a text are equal.
    started = np.where(np.arange(beams) == 0, 0.0, _NEVER).astype("float32")
    running = _Beams(np.full((batch, beams, longest), UNLABELLED, "int64"), np.tile(started, (batch, 1)))
    finished = _Beams(running.tokens.copy(), np.full((batch, beams), _NEVER, "float32"))
    is_finished, may_improve = np.zeros((batch, beams), "bool"), np.ones((batch, 1), "bool")
    latest, rows = np.full(batch * beams, settings.start_id), np.arange(batch * beams)
    for place in range(longest):
        log_probs = advance(latest, rows)
        log_probs = _allowed(log_probs, running.tokens.reshape(-1, longest)[:, :place], settings)
        candidates, parents = _candidates(running, log_probs, place, 2 * beams)
        ends = (candidates.tokens[:, :, place] == settings.end_id) | (place + 1 == longest)
        divided = candidates.scores / np.float32((place + 1) ** settings.length_penalty)
        counts = ends & (np.arange(2 * beams) < beams)  # the others only replace continuations that end
        divided += np.where(counts & may_improve, np.float32(0), np.float32(_NEVER))
        both = _Beams(
            np.concatenate([finished.tokens, candidates.tokens], axis=1),
            np.concatenate([finished.scores, divided], axis=1),
        )
        best = both.best(beams)
        finished, is_finished = both.take(best), np.take_along_axis(np.hstack([is_finished, counts]), best, axis=1)
        candidates.scores += np.where(ends, np.float32(_NEVER), np.float32(0))
        best = candidates.best(beams)
        running, parents = candidates.take(best), np.take_along_axis(parents, best, axis=1)
        latest = running.tokens[:, :, place].reshape(-1)
        rows = (parents + np.arange(batch)[:, None] * beams).reshape(-1)
        possible = running.scores[:, :1] / np.float32((place + 1) ** settings.length_penalty)
        worst = np.where(is_finished, finished.scores.min(axis=1, keepdims=True), np.float32(_NEVER))
        may_improve &= (possible > worst).any(axis=1, keepdims=True)
        if not may_improve.any() or ends.all():
            break
    return Written(_without_end(finished.tokens[:, 0], settings), finished.scores[:, 0])


def _candidates(running: _Beams, log_probs: LogProbs, place: int, number: int) -> tuple[_Beams, IntArray]:
    """The best continuations of each text by one token, best first, and which one each of them continues."""
    batch, beams = running.scores.shape
    vocab = log_probs.shape[1]
    sums = (log_probs.reshape(batch, beams, vocab) + running.scores[:, :, None]).reshape(batch, -1)
    chosen = np.sort(np.argpartition(-sums, number - 1, axis=1)[:, :number], axis=1)
    scores = np.take_along_axis(sums, chosen, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.take_along_axis(chosen, order, axis=1)
    parents = chosen // vocab
    tokens = np.take_along_axis(running.tokens, parents[:, :, None], axis=1)
    tokens[:, :, place] = chosen % vocab
    return _Beams(tokens, np.take_along_axis(scores, order, axis=1)), parents


def _allowed(log_probs: LogProbs, before: IntArray, settings: SearchSettings) -> LogProbs:
    """`log_probs` [row vocab] without the tokens that may not come after `before`, int64[row token]."""
    place = before.shape[1]
    if place < settings.shortest:
        log_probs[:, settings.end_id] = -np.inf
    if settings.no_repeat:
        for row, tokens in enumerate(before.tolist()):
            log_probs[row, _repeating([settings.start_id, *tokens], settings.no_repeat)] = -np.inf
    return log_probs


def _repeating(tokens: Sequence[int], size: int) -> list[int]:
    """The tokens with which the last `size` tokens would be a run that occurs already."""
    last = list(tokens[len(tokens) - size + 1 :])
    starts = range(len(tokens) - size + 1)
    found = {tokens[start + size - 1] for start in starts if list(tokens[start : start + size - 1]) == last}
    return [token for token in found if token >= 0]


def _without_end(tokens: IntArray, settings: SearchSettings) -> IntArray:
    """Texts without their end, padded to the longest of them."""
    kept = np.where(tokens == settings.end_id, UNLABELLED, tokens)
    width = int((kept != UNLABELLED).sum(axis=1).max(initial=1))
    return kept[:, :width]
