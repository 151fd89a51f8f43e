"""Metrics of texts that a model writes: exact match, perplexity, BLEU and chrF (sacrebleu), ROUGE (rouge-score)."""

import math
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from palm.data.dataset import Record
from palm.errors import ConfigError, Problem
from palm.metric.base import METRICS, PERPLEXITY
from palm.metric.squad import segments

_PACKAGES = {"bleu": "sacrebleu", "rouge": "rouge_score.rouge_scorer"}
_INSTALL = "pip install 'paddle-palm[seq2seq]'"
_CHINESE = re.compile("[\u3400-\u9fff]")
_JAPANESE = re.compile("[\u3040-\u30ff]")
_LEAST_CHINESE = 0.1
"""Fraction of the characters of the references from which on words are not between blanks."""


@METRICS.register("exact_match")
def exact_match(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Fraction of texts that are the target, as the vocabulary writes both: without case if it has none."""
    pairs = zip(predictions, records, strict=True)
    right = sum(prediction["text"] == prediction.get("gold_text", record.get("target")) for prediction, record in pairs)
    return {"exact_match": right / max(len(records), 1)}


@METRICS.register("teacher_forcing")
def teacher_forcing(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Of each target token after those before it: whether it is the most probable, and the perplexity."""
    del records
    count, right = (sum(cast("int", row[name]) for row in predictions) for name in ("gold_tokens", "right_tokens"))
    log_prob = sum(cast("float", row["log_prob"]) for row in predictions)
    mean = -log_prob / max(count, 1)
    perplexity = math.exp(mean) if mean < math.log(1e30) else math.inf
    return {"target_accuracy": right / max(count, 1), PERPLEXITY: perplexity}


@METRICS.register("bleu")
def bleu(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """BLEU of the corpus by sacrebleu, as a fraction of 1; its tokenisation `zh` for Chinese, `char` for Japanese."""
    written, targets = _texts(predictions, records)
    corpus_bleu = _package("bleu", "BLEU and chrF are computed by sacrebleu.").corpus_bleu
    return {"bleu": _score(corpus_bleu(written, [targets], tokenize=_tokenisation(targets))) if targets else 0.0}


@METRICS.register("chrf")
def chrf(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """chrF2 of the corpus by sacrebleu, as a fraction of 1."""
    written, targets = _texts(predictions, records)
    corpus_chrf = _package("bleu", "BLEU and chrF are computed by sacrebleu.").corpus_chrf
    return {"chrf": _score(corpus_chrf(written, [targets])) if targets else 0.0}


@METRICS.register("rouge1")
def rouge1(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean F1 of words, by rouge-score."""
    return {"rouge1": _rouge("rouge1", predictions, records)}


@METRICS.register("rouge2")
def rouge2(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean F1 of pairs of words, by rouge-score."""
    return {"rouge2": _rouge("rouge2", predictions, records)}


@METRICS.register("rouge_l")
def rouge_l(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """Mean F1 of the longest common subsequence, by rouge-score."""
    return {"rouge_l": _rouge("rougeL", predictions, records)}


class _ByCharacter:
    """Splits a text into Chinese characters and words of other languages, for rouge-score, whose own drops Chinese."""

    def tokenize(self, text: str) -> list[str]:
        """The characters and words."""
        return segments(text)


def _rouge(kind: str, predictions: Sequence[Record], records: Sequence[Record]) -> float:
    written, targets = _texts(predictions, records)
    scorers = _package("rouge", "ROUGE is computed by rouge-score.")
    tokenizer = None if _tokenisation(targets) == _BY_BLANKS else _ByCharacter()
    scorer = scorers.RougeScorer([kind], use_stemmer=False, tokenizer=tokenizer)
    scores = [float(scorer.score(target, text)[kind].fmeasure) for target, text in zip(targets, written, strict=True)]
    return sum(scores) / max(len(scores), 1)


_BY_BLANKS = "13a"


def _tokenisation(targets: Iterable[str]) -> str:
    """Sacrebleu's name of how texts are split into words: by what most references are written in."""
    whole = "".join(targets)
    letters = max(sum(map(str.isalpha, whole)), 1)
    if len(_JAPANESE.findall(whole)) / letters >= _LEAST_CHINESE:
        return "char"
    return "zh" if len(_CHINESE.findall(whole)) / letters >= _LEAST_CHINESE else _BY_BLANKS


def _texts(predictions: Sequence[Record], records: Sequence[Record]) -> tuple[list[str], list[str]]:
    return [str(row["text"]) for row in predictions], [str(row["target"]) for row in records]


def _score(found: Any) -> float:  # noqa: ANN401 (sacrebleu has no types that mypy sees)
    return float(found.score) / 100


def _package(name: str, rule: str) -> ModuleType:
    """The package of a score of the extra `seq2seq`, imported when it is needed.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module(_PACKAGES[name])
    except ImportError as error:
        raise ConfigError(Problem("metrics", f"{rule} Found none ({error}). Install it: {_INSTALL}")) from None
