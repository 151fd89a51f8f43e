"""The report of `palm check --data`: lengths, labels, duplicates, overlap, unknown words, wrong answers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from palm.config.run_config import RunConfig, TaskConfig
from palm.data.dataset import Record
from palm.errors import ConfigError, DataError, Problem, counted
from palm.locale.current import translated_word
from palm.locale.width import padded
from palm.reader.base import Reader
from palm.reader.formats.notes import collected_notes
from palm.spec import Phase
from palm.training.dev_split import mask_of
from palm.training.tasks import reader_of

MOST_LABELS = 12

Line = tuple[str, str]


@dataclass(frozen=True)
class _File:
    """One data file: its role, path and records."""

    role: str
    path: str
    records: Sequence[Record]


def data_report(config: RunConfig) -> tuple[list[str], list[Problem]]:
    """Lines about the data of every task, and every problem of the files."""
    lines: list[str] = []
    problems: list[Problem] = []
    for task in config.tasks:
        try:
            reader = reader_of(config, task)
            files = list(_files(config, task, reader, problems))
        except ConfigError as error:
            problems += error.problems
            continue
        for file in files:
            lines.append(f"{task.name}: {file.role} {_shown(file, task)}, {counted(len(file.records), 'record')}")
            lines += [f"  {padded(translated_word(topic), 13)}{words}" for topic, words in _about(file, files, reader)]
    return lines, problems


def _files(config: RunConfig, task: TaskConfig, reader: Reader, problems: list[Problem]) -> Iterator[_File]:
    settings = task.settings
    if settings.train_file is not None and settings.dev_fraction is not None:
        try:
            yield from _split_file(config, task, reader)
        except DataError as error:
            problems += error.problems
        return
    roles: list[tuple[str, str | None, Phase]] = [
        ("train_file", settings.train_file, "train"),
        ("dev_file", settings.dev_file, "eval"),
    ]
    for role, path, phase in roles:
        if path is None:
            continue
        try:
            with collected_notes():  # `palm check` says them when it loads the file as training does
                yield _File(role, path, reader.read(path, phase))
        except DataError as error:
            problems += error.problems


def _shown(file: _File, task: TaskConfig) -> str:
    """The file in the report: `10% of train.tsv` for dev rows that are split off."""
    is_part = file.role == "dev_file" and task.settings.dev_fraction is not None
    return f"{task.settings.dev_file} of {file.path}" if is_part else str(file.path)


def _split_file(config: RunConfig, task: TaskConfig, reader: Reader) -> Iterator[_File]:
    """The training rows and the dev rows of a file that both are from."""
    path = str(task.settings.train_file)
    records = reader.read(path, "train")
    reader.prepare(records, "train")
    mask = mask_of(config, task, reader, records)
    yield _File("train_file", path, [record for record, is_dev in zip(records, mask, strict=True) if not is_dev])
    yield _File("dev_file", path, [record for record, is_dev in zip(records, mask, strict=True) if is_dev])


def _about(file: _File, files: Sequence[_File], reader: Reader) -> Iterator[Line]:
    has_texts = bool(reader.texts_of(file.records[0]))  # a user's reader may not define it
    if has_texts:
        yield from _lengths(file, reader)
    yield from _labels(file, files, reader)
    if has_texts:
        yield from _repetitions(file, reader)
    if has_texts and file.role == "dev_file":
        yield from _overlap(file, files, reader)
    yield from reader.remarks(file.records).items()


def _lengths(file: _File, reader: Reader) -> Iterator[Line]:
    """Lengths in subword tokens before truncation, with special tokens and the prompt if there is one."""
    columns = list(zip(*map(reader.longest_sequence_of, file.records), strict=True))
    tokens = [reader.tokenizer.encode_ids(column) for column in columns]
    lengths = np.sum([[len(ids) for ids in column] for column in tokens], axis=0) + reader.tokens_around(len(columns))
    longest = reader.config.max_seq_len
    over = float(np.mean(lengths > longest))
    spread = f"{lengths.min()} to {lengths.max()} subword tokens, mean {lengths.mean():.1f}"
    rest = f"{over:.1%} over {longest} ({'split into windows' if reader.splits_long_texts else 'truncated'})"
    yield "lengths", f"{spread}, 95 % up to {np.percentile(lengths, 95):.0f}; {rest}"
    counted = Counter(token for column in tokens for ids in column for token in ids)
    unknown = reader.tokenizer.unk_id
    fraction = (0 if unknown is None else counted[unknown]) / max(counted.total(), 1)
    yield "[UNK]", f"{fraction:.2%} of the subword tokens"


def _labels(file: _File, files: Sequence[_File], reader: Reader) -> Iterator[Line]:
    counted = Counter(label for record in file.records for label in reader.labels_of(record))
    if not counted:
        return
    shown = ", ".join(f"{label} {count / counted.total():.1%}" for label, count in counted.most_common(MOST_LABELS))
    more = f", and {len(counted) - MOST_LABELS} more" if len(counted) > MOST_LABELS else ""
    rarest, least = min(counted.items(), key=lambda item: item[1])
    yield "labels", f"{shown}{more}; the rarest is {rarest} ({least})"
    if file.role == "dev_file" and files[0].role == "train_file":
        new = sorted(set(counted) - {label for record in files[0].records for label in reader.labels_of(record)})
        if new:
            yield "new labels", f"{', '.join(new[:MOST_LABELS])}: not in train_file"


def _repetitions(file: _File, reader: Reader) -> Iterator[Line]:
    first: dict[tuple[str, ...], Record] = {}
    again, other, example = 0, 0, ""
    for record in file.records:
        before = first.setdefault(reader.texts_of(record), record)
        if before is not record:
            again += 1
            other += reader.labels_of(before) != reader.labels_of(record)
            example = example or f", such as {before['line']} and {record['line']}"
    found = f"{counted(again, 'record')} {'repeats' if again == 1 else 'repeat'} an earlier one"
    yield "duplicates", f"{found} ({other} with a different label){example}"


def _overlap(file: _File, files: Sequence[_File], reader: Reader) -> Iterator[Line]:
    if files[0].role != "train_file":
        return
    seen = {reader.texts_of(record) for record in files[0].records}
    shared = [record for record in file.records if reader.texts_of(record) in seen]
    example = f", such as {shared[0]['line']}" if shared else ""
    fraction = len(shared) / len(file.records)
    rule = f"({fraction:.1%}) {'is' if len(shared) == 1 else 'are'} in train_file as well"
    yield "overlap", f"{counted(len(shared), 'record')} {rule}{example}"
