"""Converts files to tokenised examples and padded batches, with transformers' tokenizer and data collators."""

import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers import (
    BertTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

Features = list[dict[str, Any]]
Batch = dict[str, torch.Tensor]
Collate = Callable[[Features], Batch]


@dataclass(frozen=True)
class Task:
    """One task of a peer.

    Attributes:
        name: The task's name.
        kind: `cls`, `match`, `seq_label`, `mlm` or `mrc`.
        ratio: Relative sampling rate.
        batch_size: Examples per step.
        features: The tokenised examples.
        classes: Number of labels; 0 if there are none.
        collate: Examples → padded batch.
    """

    name: str
    kind: str
    ratio: float
    batch_size: int
    features: Features
    classes: int
    collate: Collate


def read_task(name: str, keys: Mapping[str, Any], tokenizer: BertTokenizer) -> Task:
    """Tokenise a whole file of a task, like the examples of transformers."""
    file, length = Path(keys["file"]), keys["max_length"]
    kind = keys["kind"]
    classes = 0
    if kind == "mrc":
        features = read_mrc(file, tokenizer, length=length, stride=keys["stride"])
    else:
        features, classes = read_table(kind, file, tokenizer, length=length)
    return Task(name, kind, keys["ratio"], keys["batch_size"], features, classes, collator(kind, tokenizer))


def read_table(kind: str, file: Path, tokenizer: BertTokenizer, *, length: int) -> tuple[Features, int]:
    """Examples of a tsv with a header row, and the number of its labels."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [row["text_a"] for row in rows]
    if kind == "seq_label":
        return tagged(texts, [row["label"].split() for row in rows], tokenizer, length=length)
    pairs = [row["text_b"] for row in rows] if kind == "match" else None
    encoded = tokenizer(texts, pairs, truncation=True, max_length=length)
    features = listed(encoded)
    if kind == "mlm":
        return features, 0
    ids = label_ids(row["label"] for row in rows)
    for feature, row in zip(features, rows, strict=True):
        feature["labels"] = ids[row["label"]]
    return features, len(ids)


def tagged(
    texts: Sequence[str], tags: Sequence[Sequence[str]], tokenizer: BertTokenizer, *, length: int
) -> tuple[Features, int]:
    """Sentences as words, with the tag of each word at its first token."""
    ids = label_ids(tag for row in tags for tag in row)
    encoded = tokenizer([text.split() for text in texts], is_split_into_words=True, truncation=True, max_length=length)
    features = listed(encoded)
    for number, (feature, row) in enumerate(zip(features, tags, strict=True)):
        words = encoded.word_ids(number)
        firsts = [word is not None and word != before for word, before in zip(words, [None, *words], strict=False)]
        feature["labels"] = [ids[row[word]] if first else -100 for word, first in zip(words, firsts, strict=True)]
    return features, len(ids)


def read_mrc(file: Path, tokenizer: BertTokenizer, *, length: int, stride: int) -> Features:
    """Windows over the contexts of a SQuAD file, with the position of the first gold answer if it is in the window."""
    questions, contexts, answers = squad_rows(file)
    encoded = mrc_windows(questions, contexts, tokenizer, length=length, stride=stride)
    features = listed(encoded)
    for window, feature in enumerate(features):
        start, end = answers[encoded["overflow_to_sample_mapping"][window]]
        places = [
            place
            for place, (offsets, part) in enumerate(
                zip(encoded["offset_mapping"][window], encoded.sequence_ids(window), strict=True)
            )
            if part == 1 and offsets[0] < end and offsets[1] > start
        ]
        whole = places and encoded["offset_mapping"][window][places[-1]][1] >= end
        feature["start_positions"], feature["end_positions"] = (places[0], places[-1]) if whole else (0, 0)
    return features


def squad_rows(file: Path) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """Questions, contexts, and the characters of the first answer."""
    data = json.loads(file.read_text(encoding="utf-8"))["data"]
    rows = [
        (qa["question"].strip(), paragraph["context"], qa["answers"][0])
        for article in data
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    spans = [(answer["answer_start"], answer["answer_start"] + len(answer["text"])) for _, _, answer in rows]
    return [row[0] for row in rows], [row[1] for row in rows], spans


def mrc_windows(
    questions: Sequence[str], contexts: Sequence[str], tokenizer: BertTokenizer, *, length: int, stride: int
) -> Any:  # noqa: ANN401 (transformers' BatchEncoding)
    """Question and context in overlapping windows; `stride` is their distance, as in BERT's script."""
    longest = max(len(ids) for ids in tokenizer(list(questions), add_special_tokens=False)["input_ids"])
    overlap = max(0, length - longest - 3 - stride)
    return tokenizer(
        list(questions),
        list(contexts),
        truncation="only_second",
        max_length=length,
        stride=overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def listed(encoded: Any) -> Features:  # noqa: ANN401 (transformers' BatchEncoding)
    """One dict per example."""
    names = ("input_ids", "token_type_ids", "attention_mask")
    return [{name: encoded[name][row] for name in names} for row in range(len(encoded["input_ids"]))]


def label_ids(labels: Iterator[str]) -> dict[str, int]:
    """Label → id."""
    return {label: number for number, label in enumerate(sorted(set(labels)))}


def collator(kind: str, tokenizer: BertTokenizer) -> Collate:
    """Pads a batch to its longest example."""
    if kind == "seq_label":
        return DataCollatorForTokenClassification(tokenizer)
    if kind == "mlm":
        return DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    return DataCollatorWithPadding(tokenizer)


def loader_of(task: Task, sampler: "Sampler[int] | None" = None) -> "DataLoader[Any]":
    """Shuffled batches of the same size, or the batches of `sampler`."""
    return DataLoader(
        task.features,  # type: ignore[arg-type]
        task.batch_size,
        shuffle=sampler is None,
        sampler=sampler,
        drop_last=True,
        collate_fn=task.collate,
    )


def endless_batches(
    tasks: Sequence[Task], loaders: Mapping[str, DataLoader[Any]], *, seed: int
) -> Iterator[tuple[Task, Batch]]:
    """Batches of tasks that are sampled by their ratios, with consecutive epochs of each task."""
    batches = {task.name: _cycle(loaders[task.name]) for task in tasks}
    draw = random.Random(seed)
    while True:
        task = draw.choices(tasks, [task.ratio for task in tasks])[0]
        yield task, next(batches[task.name])


def _cycle(loader: DataLoader[Any]) -> Iterator[Batch]:
    while True:
        yield from loader
