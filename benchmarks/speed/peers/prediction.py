"""A worker that predicts a file with PyTorch and transformers in a plain loop. A lap is the whole file.

Settings: those of a peer; `engine` (`torch`, or a function of `engines`) and `threads`; and `task` with `kind`, `file`,
`batch_size`, `max_length`, `stride`, `labels`, `max_answer_len` and `sorted`. The head is randomly initialized: its
cost does not depend on its weights.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import BertTokenizer, DataCollatorWithPadding

from benchmarks.speed.peers.features import Features, Task, listed, mrc_windows, squad_rows
from benchmarks.speed.peers.multi_head import MultiHeadBert, build, tokenizer_of, tune
from benchmarks.speed.worker import Pace

Predictions = list[dict[str, Any]]


class Model(Protocol):
    """Computes logits."""

    def logits(self, task: str, **inputs: torch.Tensor) -> torch.Tensor:
        """[batch class], or [batch seq class], of `input_ids`, `token_type_ids` and `attention_mask`."""
        ...


_BEST = 20


def main() -> None:
    pace = Pace.of_process()
    settings, keys = pace.settings, pace.settings["task"]
    tokenizer, precision = tokenizer_of(settings), tune(settings)
    task = Task(
        "task", keys["kind"], 1.0, keys["batch_size"], [], len(keys["labels"]), DataCollatorWithPadding(tokenizer)
    )
    model = engine(settings["engine"], build(settings, [task]).eval(), task, settings)
    predict = predict_answers if keys["kind"] == "mrc" else predict_labels
    pace.ready()
    with torch.inference_mode(), precision:
        while True:
            pace.lap(len(predict(model, task, tokenizer, keys)))


def engine(name: str, model: MultiHeadBert, task: Task, settings: Mapping[str, Any]) -> Model:
    """What computes logits: PyTorch itself, or the model in another runtime."""
    if name == "torch":
        return model
    from benchmarks.speed.peers import engines  # noqa: PLC0415 (needs packages that may be missing)

    build_engine: Callable[..., Model] = getattr(engines, name)
    return build_engine(model, task.name, threads=settings["threads"])


def predict_labels(model: Model, task: Task, tokenizer: BertTokenizer, keys: Mapping[str, Any]) -> Predictions:
    """One label per text, or one per word."""
    with Path(keys["file"]).open(encoding="utf-8", newline="") as opened:
        texts = [row["text_a"] for row in csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)]
    words = task.kind == "seq_label"
    encoded = tokenizer(
        [text.split() for text in texts] if words else texts,
        is_split_into_words=words,
        truncation=True,
        max_length=keys["max_length"],
    )
    predictions: Predictions = []
    for logits in outputs(model, task, listed(encoded), by_length=keys["sorted"]):
        best, probabilities = logits.argmax(-1), softmax(logits)
        if words:
            places = encoded.word_ids(len(predictions))
            firsts = [place for place, word in enumerate(places) if word is not None and word != places[place - 1]]
            predictions.append({"labels": [keys["labels"][best[place]] for place in firsts]})
        else:
            predictions.append({"label": keys["labels"][best], "probs": probabilities.tolist()})
    return predictions


def predict_answers(model: Model, task: Task, tokenizer: BertTokenizer, keys: Mapping[str, Any]) -> Predictions:
    """The best span over the windows of each question."""
    questions, contexts, _ = squad_rows(Path(keys["file"]))
    windows = mrc_windows(questions, contexts, tokenizer, length=keys["max_length"], stride=keys["stride"])
    best: Predictions = [{"score": -np.inf, "text": ""} for _ in questions]
    for number, logits in enumerate(outputs(model, task, listed(windows), by_length=keys["sorted"])):
        row = windows["overflow_to_sample_mapping"][number]
        inside = np.array([part == 1 for part in windows.sequence_ids(number)])
        score, start, end = best_span(logits[: len(inside)], inside, keys["max_answer_len"])
        if score > best[row]["score"]:
            offsets = windows["offset_mapping"][number]
            best[row] = {"score": score, "text": contexts[row][offsets[start][0] : offsets[end][1]]}
    return best


def best_span(logits: np.ndarray, inside: np.ndarray, longest: int) -> tuple[float, int, int]:
    """Score, start and end of the best pair among the most probable starts and ends: [seq 2], [seq]."""
    masked = np.where(inside[:, None], logits, -np.inf)
    starts, ends = (np.argsort(masked[:, side])[-_BEST:] for side in (0, 1))
    scores = masked[starts, 0][:, None] + masked[ends, 1]  # [start end]
    length = ends - starts[:, None] + 1
    scores[(length < 1) | (length > longest)] = -np.inf
    start, end = np.unravel_index(scores.argmax(), scores.shape)
    return float(scores[start, end]), int(starts[start]), int(ends[end])


def outputs(model: Model, task: Task, features: Features, *, by_length: bool) -> Iterator[np.ndarray]:
    """Logits of each example, in the order of the file, each batch padded to its longest.

    Args:
        model: Computes them.
        task: Gives batch size and padding.
        features: The examples.
        by_length: Whether a batch has examples of similar length, the longest first, instead of neighbours.
    """
    order = list(range(len(features)))
    if by_length:
        order.sort(key=lambda row: -len(features[row]["input_ids"]))
    examples = [features[row] for row in order]
    batches: DataLoader[Any] = DataLoader(examples, task.batch_size, collate_fn=task.collate)  # type: ignore[arg-type]
    computed = (row for batch in batches for row in model.logits(task.name, **batch).float().numpy())
    found = dict(zip(order, computed, strict=True))
    yield from (found[row] for row in range(len(features)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


if __name__ == "__main__":
    main()
