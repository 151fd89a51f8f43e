"""What `palm check --data` says of data files: lengths, labels, repetitions, overlap, unknown words, wrong answers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from palm.config.run_config import RunConfig, TaskConfig
from palm.data.dataset import Record
from palm.errors import ConfigError, DataError, Problem
from palm.reader.base import Reader
from palm.reader.mrc_windows import gold_answers, misplaced
from palm.spec import Phase
from palm.training.tasks import reader_of

MOST_LABELS = 12
# Readers that cut a long text into several examples lose nothing of it.
_WINDOWED = ("words", "context")

Line = tuple[str, str]


@dataclass(frozen=True)
class _File:
    """One data file: what it is for, its path, and its records."""

    role: str
    path: Path
    records: Sequence[Record]


def data_report(config: RunConfig) -> tuple[list[str], list[Problem]]:
    """Lines on the data of every task, and everything that is wrong with the files."""
    lines: list[str] = []
    problems: list[Problem] = []
    for task in config.tasks:
        try:
            reader = reader_of(config, task)
            files = list(_files(task, reader, problems))
        except ConfigError as error:
            problems += error.problems
            continue
        for file in files:
            lines.append(f"{task.name}: {file.role} {file.path}, {len(file.records)} records")
            lines += [f"  {topic:<13}{words}" for topic, words in _about(file, files, reader)]
    return lines, problems


def _files(task: TaskConfig, reader: Reader, problems: list[Problem]) -> Iterator[_File]:
    settings = task.settings
    wanted: list[tuple[str, str | None, Phase]] = [
        ("train_file", settings.train_file, "train"),
        ("dev_file", settings.dev_file, "eval"),
    ]
    for role, path, phase in wanted:
        if path is None:
            continue
        try:
            yield _File(role, Path(path), reader.read(Path(path), phase))
        except DataError as error:
            problems += error.problems


def _about(file: _File, files: Sequence[_File], reader: Reader) -> Iterator[Line]:
    yield from _lengths(file, reader)
    yield from _labels(file, files)
    yield from _repetitions(file)
    if file.role == "dev_file":
        yield from _overlap(file, files)
    yield from _wrong_answers(file)


def texts_of(record: Record) -> tuple[str, ...]:
    """The texts that a model sees of a record."""
    if "words" in record:
        return (" ".join(cast("list[str]", record["words"])),)
    texts = tuple(str(record[name]) for name in ("text_a", "text_b", "question", "context") if name in record)
    return (*texts, *cast("list[str]", record.get("choices", ())))


def labels_of(record: Record) -> list[str]:
    """The labels of a record: one, several, or one a word."""
    found = record.get("labels", record.get("label"))
    return [] if found is None else found if isinstance(found, list) else [str(found)]


def _longest_sequence(record: Record) -> tuple[str, ...]:
    """The texts of the longest sequence that becomes of a record: of several candidates the longest goes with it."""
    if "choices" not in record:
        return texts_of(record)
    return str(record["text_a"]), max(cast("list[str]", record["choices"]), key=len)


def _lengths(file: _File, reader: Reader) -> Iterator[Line]:
    """Lengths in word-pieces before anything is cut, with [CLS] and a [SEP] after each text."""
    columns = list(zip(*map(_longest_sequence, file.records), strict=True))
    pieces = [reader.tokenizer.encode_ids(column) for column in columns]
    lengths = np.sum([[len(ids) for ids in column] for column in pieces], axis=0) + 1 + len(columns)
    longest = reader.config.max_seq_len
    over = float(np.mean(lengths > longest))
    what = "in several windows" if any(name in file.records[0] for name in _WINDOWED) else "cut"
    spread = f"{lengths.min()} to {lengths.max()} word-pieces, mean {lengths.mean():.1f}"
    yield "lengths", f"{spread}, 95 % up to {np.percentile(lengths, 95):.0f}; {over:.1%} over {longest} ({what})"
    counted = Counter(piece for column in pieces for ids in column for piece in ids)
    share = counted[reader.tokenizer.unk_id] / max(counted.total(), 1)
    yield "[UNK]", f"{share:.2%} of the word-pieces"


def _labels(file: _File, files: Sequence[_File]) -> Iterator[Line]:
    counted = Counter(label for record in file.records for label in labels_of(record))
    if not counted:
        return
    shown = ", ".join(f"{label} {count / counted.total():.1%}" for label, count in counted.most_common(MOST_LABELS))
    more = f", and {len(counted) - MOST_LABELS} more" if len(counted) > MOST_LABELS else ""
    rarest, least = min(counted.items(), key=lambda item: item[1])
    yield "labels", f"{shown}{more}; the rarest is {rarest} ({least})"
    if file.role == "dev_file" and files[0].role == "train_file":
        new = sorted(set(counted) - {label for record in files[0].records for label in labels_of(record)})
        if new:
            yield "new labels", f"{', '.join(new[:MOST_LABELS])}: not in train_file"


def _repetitions(file: _File) -> Iterator[Line]:
    first: dict[tuple[str, ...], Record] = {}
    again, other, example = 0, 0, ""
    for record in file.records:
        before = first.setdefault(texts_of(record), record)
        if before is not record:
            again += 1
            other += labels_of(before) != labels_of(record)
            example = example or f", such as {before['line']} and {record['line']}"
    yield "duplicates", f"{again} records repeat an earlier one ({other} with another label){example}"


def _overlap(file: _File, files: Sequence[_File]) -> Iterator[Line]:
    if files[0].role != "train_file":
        return
    seen = {texts_of(record) for record in files[0].records}
    shared = [record for record in file.records if texts_of(record) in seen]
    example = f", such as {shared[0]['line']}" if shared else ""
    share = len(shared) / len(file.records)
    yield "overlap", f"{len(shared)} records ({share:.1%}) stand in train_file as well{example}"


def _wrong_answers(file: _File) -> Iterator[Line]:
    if "context" not in file.records[0]:
        return
    faults = [(record, reason) for record in file.records for reason in _faults_of(record)]
    example = f", such as question {faults[0][0]['id']}: {faults[0][1]}" if faults else ""
    yield "bad answers", f"{len(faults)} of {sum(len(gold_answers(record)) for record in file.records)}{example}"


def _faults_of(record: Mapping[str, object]) -> list[str]:
    found = [misplaced(answer, str(record["context"])) for answer in gold_answers(record)]
    return [fault for fault in found if fault]
