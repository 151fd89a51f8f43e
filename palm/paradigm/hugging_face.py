"""Predictions in the shapes of Hugging Face's inference API, which clients of many servers read.

https://huggingface.co/docs/inference-providers/tasks/index
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from palm.data.vocab import MASK

AnswerKind = Literal["labels", "spans", "answer", "match", "cloze", "value", "choice", "text", "tree"]
"""What a prediction says: labels of a text, spans of it, an answer in it, whether two texts match, words for masks, a
number, one of several candidates, a text, or the tree of a sentence."""

LABELLED = frozenset(get_args(AnswerKind)) - {"spans", "answer", "cloze", "text", "tree"}
"""Kinds whose shape is a list of labels, and a list of lists also for a single text."""


@dataclass(frozen=True)
class ApiRow:
    """What is known of a row when its prediction is written in a shape of the API.

    Attributes:
        texts: The texts of the row, in the order of the reader's `text_columns`.
        top_k: How many labels, answers or tokens to list; None for all.
    """

    texts: Sequence[str] = ()
    top_k: int | None = None


def scores_by_label(probabilities: Mapping[str, float], top_k: int | None = None) -> list[dict[str, object]]:
    """`[{"label", "score"}]`, best first; labels of equal scores in their own order."""
    best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:top_k]
    return [one_label(label, score) for label, score in best]


def one_label(label: str, score: object) -> dict[str, object]:
    """`{"label", "score"}`."""
    return {"label": label, "score": score}


def one_answer(answer: Mapping[str, object]) -> dict[str, object]:
    """`{"answer", "score", "start", "end"}` of a prediction of mrc, or of one of its `nbest`."""
    names = {"answer": "text", "score": "probability", "start": "start", "end": "end"}
    return {name: answer[own] for name, own in names.items()}


def one_entity(span: Mapping[str, object], start: object, end: object) -> dict[str, object]:
    """`{"entity_group", "score", "word", "start", "end"}` of a span of seq_label; without `score` where it has none."""
    score = {"score": span["score"]} if "score" in span else {}
    return {"entity_group": span["type"], **score, "word": span["text"], "start": start, "end": end}


def filled_masks(mask: Mapping[str, Sequence[object]], number: int, row: ApiRow) -> list[dict[str, object]]:
    """`[{"score", "token", "token_str", "sequence"}]` of the mask `number` of a text, best first.

    A sequence is the text with the token in place of this mask, and the others unchanged.
    """
    parts = row.texts[0].split(MASK) if row.texts else []
    before, after = MASK.join(parts[: number + 1]), MASK.join(parts[number + 1 :])
    words = list(map(str, mask.get("tokens", mask["ids"])))
    return [
        {"score": score, "token": token, "token_str": word, "sequence": f"{before}{word}{after}"}
        for score, token, word in list(zip(mask["probs"], mask["ids"], words, strict=True))[: row.top_k]
    ]
