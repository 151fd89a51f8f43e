"""Exact match and F1 of answers: SQuAD's for English, CMRC 2018's for Chinese.

Sources: the official script of SQuAD 2.0 (https://rajpurkar.github.io/SQuAD-explorer/), whose values equal those of
the 1.1 script if every question has an answer; `cmrc2018_evaluate.py` for SQuAD-style data
(https://github.com/ymcui/cmrc2018), which splits text into Chinese characters and English words and computes F1 on
the longest common run of them.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from palm.data.dataset import Record
from palm.metric.base import METRICS

AnswerScore = Callable[[str, str], float]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CHINESE_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_SEGMENT = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+(?:[.,'][^\W\u4e00-\u9fa5]+)*|[^\w\s]")


@METRICS.register("squad")
def squad(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """F1 and exact match after normalisation: lower case, no punctuation, no articles, single blanks."""
    return _scores(predictions, records, normalize=normalize, f1=_word_f1)


@METRICS.register("squad_zh")
def squad_zh(predictions: Sequence[Record], records: Sequence[Record]) -> dict[str, float]:
    """F1 over characters and words, and exact match, both without punctuation and case."""
    return _scores(predictions, records, normalize=_without_punctuation, f1=_run_f1)


def normalize(text: str) -> str:
    """SQuAD's normalised form of an English answer."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def segments(text: str) -> list[str]:
    """Chinese characters and words of other languages, lower case, without punctuation.

    The official script splits other languages with NLTK; here blanks, and `.`, `,` and `'` outside words, split them.
    """
    return _SEGMENT.findall(_without_punctuation(text))


def _scores(
    predictions: Sequence[Record], records: Sequence[Record], *, normalize: Callable[[str], str], f1: AnswerScore
) -> dict[str, float]:
    exact = overlap = 0.0
    for prediction, record in zip(predictions, records, strict=True):
        text, golds = str(prediction["text"]), _gold_texts(record, normalize)
        exact += max(float(normalize(text) == normalize(gold)) for gold in golds)
        overlap += max(f1(text, gold) for gold in golds)
    count = max(len(records), 1)
    return {"f1": overlap / count, "exact_match": exact / count}


def _gold_texts(record: Record, normalize: Callable[[str], str]) -> list[str]:
    """The gold answers; one empty text for a question without any."""
    answers = cast("Sequence[Mapping[str, object]]", record["answers"])
    return [text for text in (str(answer["text"]) for answer in answers) if normalize(text)] or [""]


def _word_f1(text: str, gold: str) -> float:
    predicted, expected = normalize(text).split(), normalize(gold).split()
    return _f1((Counter(predicted) & Counter(expected)).total(), len(predicted), len(expected))


def _run_f1(text: str, gold: str) -> float:
    predicted, expected = segments(text), segments(gold)
    return _f1(_longest_common_run(predicted, expected), len(predicted), len(expected))


def _f1(common: int, predicted: int, expected: int) -> float:
    """F1 of `common` tokens; if one side is empty, 1 if both are."""
    if not predicted or not expected:
        return float(predicted == expected)
    return 2 * common / (predicted + expected)


def _longest_common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common run of tokens."""
    longest = 0
    row = [0] * (len(second) + 1)
    for token in first:
        row = [0] + [row[index] + 1 if token == other else 0 for index, other in enumerate(second)]
        longest = max(longest, *row)
    return longest


def _without_punctuation(text: str) -> str:
    return text.lower().strip().translate(_CHINESE_PUNCTUATION)
