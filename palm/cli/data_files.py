"""What a data file holds, found by asking readers: the task it is for, its columns, labels and lengths."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from palm.data.dataset import Record
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, DataError, Problem
from palm.reader import READERS
from palm.reader.base import Reader
from palm.reader.column_names import LABELS, PAIRS, TAGS, TEXTS, WORDS, ColumnGuess
from palm.reader.formats.columnar import open_columnar
from palm.reader.formats.columns import plain_name
from palm.reader.formats.delimited import read_delimited, sniff
from palm.reader.formats.files import FileProblems
from palm.reader.formats.json_rows import read_json

_GUESSES = (TEXTS, LABELS, PAIRS, WORDS, TAGS)
_NAMES = {name for guess in _GUESSES for names in (guess.columns, *guess.names) for name in names}
_CHINESE = re.compile("[\u4e00-\u9fff]")
_WORD = re.compile(r"[\u4e00-\u9fff]|\w+|[^\w\s]")
_SQUAD = ("questions about contexts, as in SQuAD", "SQuAD 式的问题与上下文")
_LINES = ("a sentence of word/TAG per line", "每行一句，词/标注")
_CONLL = ("a word and its tag per line", "每行一个词及其标注")
_LISTS = ("lists of words and tags", "词与标注的列表")
_PLAIN = ("plain text", "纯文本")
_COUNTED = 5000
TOKENS_PER_WORD = 1.3
"""Of English text in a WordPiece vocabulary; a Chinese character is one."""


@dataclass(frozen=True)
class Guess:
    """A way to read a file.

    Attributes:
        reader: Name of the reader.
        paradigm: Name of the paradigm.
        keys: Further keys of the task.
        why: What in the file says so, in English and in Chinese.
    """

    reader: str
    paradigm: str
    why: tuple[str, str]
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFile:
    """What a file holds.

    Attributes:
        file: The file.
        guess: How it is read.
        rows: Number of examples.
        labels: How often each label occurs; empty without labels.
        texts: The longest sequence of each of the first examples.
        is_chinese: Whether most of its characters are Chinese.
        longest: How many tokens 95 % of these need; an estimate by words until `with_tokenizer` counts them.
        is_counted: Whether a tokenizer has counted them.
    """

    file: Path
    guess: Guess
    rows: int
    labels: Mapping[str, int]
    texts: Sequence[str] = field(repr=False)
    is_chinese: bool
    longest: int
    is_counted: bool = False


def inspect(file: Path) -> DataFile:
    """What `file` holds, by the first guess whose reader reads it.

    Raises:
        ConfigError: The file is missing, or no reader reads it; with what the nearest one says.
    """
    if not file.is_file():
        raise ConfigError(
            Problem(
                str(file),
                f"a data file is expected. Found {'a folder' if file.is_dir() else 'nothing'}. Correct the path.",
            )
        )
    first: DataError | None = None
    for guess in _guesses(file):
        try:
            reader, records = _read(guess, file)
        except DataError as error:
            first = first or error
            continue
        return _describe(file, guess, reader, records)
    if first is not None:
        raise first
    listed = ", ".join(columns_in(file) or ["none"])
    rule = "no reader finds its columns in this file. Found the columns"
    raise ConfigError(Problem(str(file), f"{rule} {listed}. Rename a column to label, text_a or text_b."))


def _read(guess: Guess, file: Path) -> tuple[Reader, list[Record]]:
    kind = READERS[guess.reader]
    keys = {key: value for key, value in guess.keys.items() if key in kind.Config.model_fields}
    reader: Any = kind
    # Parsing needs no vocabulary: a reader without a tokenizer parses, and cannot encode.
    made: Reader = reader.__new__(reader)
    made.config, made.labels = kind.Config(**keys), None
    return made, made.read(file, "train")


def _describe(file: Path, guess: Guess, reader: Reader, records: Sequence[Record]) -> DataFile:
    labels = Counter(label for record in records for label in reader.labels_of(record)) if records else Counter[str]()
    if reader.splits_long_texts and "answers" in records[0]:
        labels = Counter()
    texts = [" ".join(reader.longest_sequence_of(record)) for record in islice(records, _COUNTED)]
    letters = "".join(texts[:500])
    is_chinese = len(_CHINESE.findall(letters)) > 0.3 * len(re.sub(r"\s", "", letters))
    return DataFile(file, guess, len(records), labels, texts, is_chinese, _longest(map(_tokens_in, texts)))


def with_tokenizer(data: DataFile, tokenizer: Tokenizer) -> DataFile:
    """`data` with lengths in the tokens of an encoder."""
    return replace(data, longest=_longest(map(len, tokenizer.encode_ids(data.texts))), is_counted=True)


def _longest(lengths: Iterable[int]) -> int:
    """The length that 95 % do not exceed, with three special tokens."""
    ordered = sorted(lengths)
    return ordered[int(0.95 * (len(ordered) - 1))] + 3


def _tokens_in(text: str) -> int:
    words = _WORD.findall(text)
    chinese = sum(1 for word in words if _CHINESE.match(word))
    return chinese + round(TOKENS_PER_WORD * (len(words) - chinese))


def _guesses(file: Path) -> Iterator[Guess]:
    """Ways to read `file`, the most specific first."""
    ending = _ending(file)
    if ending in (".conll", ".bio", ".iob", ".iob2", ".bmes", ".bioes", ".bilou", ".conllu", ".conllup"):
        yield Guess("seq_label", "seq_label", _CONLL)
        return
    names = columns_in(file)
    plain = {plain_name(name): name for name in reversed(names)}
    if ending in (".json", ".jsonl") and {"data", "paragraphs", "context"} & set(plain):
        yield Guess("mrc", "mrc", _SQUAD, {"file_format": "json"})
    yield from _of_columns(file, plain)
    if ending == ".txt" or not names:
        yield Guess("seq_label", "seq_label", _LINES, {"file_format": "lines"})
        yield Guess("seq_label", "seq_label", _CONLL, {"file_format": "conll"})
        yield Guess("mlm", "mlm", _PLAIN, {"file_format": "text"})


def _of_columns(file: Path, plain: Mapping[str, str]) -> Iterator[Guess]:
    label = _first(LABELS, plain)
    words, tags = _first(WORDS, plain), _first(TAGS, plain)
    if words and tags and (tags != label or _holds_lists(file, words)):
        yield Guess("seq_label", "seq_label", _LISTS, _columns(text_a=words, label=tags))
    numeric = label is not None and _is_continuous(file, label)
    kind = {"label_kind": "number"} if numeric else {}
    for one, two in (PAIRS.columns, *PAIRS.names):
        if one in plain and two in plain and label:
            keys = _columns(text_a=plain[one], text_b=plain[two], label=label) | kind
            why = f"pairs ({plain[one]}, {plain[two]})", f"成对文本（{plain[one]}、{plain[two]}）"
            yield Guess("match", "regression" if numeric else "match", why, keys)
    text = _first(TEXTS, {name: called for name, called in plain.items() if called != label})
    if text and label:
        what = ("numbers", "数值") if numeric else ("classes", "类别")
        keys = _columns(text_a=text, label=label) | kind
        why = f"texts ({text}) with {what[0]} ({label})", f"文本（{text}）与{what[1]}（{label}）"
        yield Guess("cls", "regression" if numeric else "cls", why, keys)
    if text:
        yield Guess("mlm", "mlm", (f"texts ({text}) without labels", f"无标签的文本（{text}）"), _columns(text_a=text))


def _first(guess: ColumnGuess, plain: Mapping[str, str]) -> str | None:
    """The file's name of a column: PALM's own, else the first that people use."""
    return next((plain[name] for (name,) in (guess.columns, *guess.names) if name in plain), None)


def _holds_lists(file: Path, column: str) -> bool:
    return any(isinstance(row.get(column), list) for row in _first_rows(file, 1))


def _columns(**names: str) -> dict[str, Any]:
    other = {name: called for name, called in names.items() if name != called}
    return {"columns": other} if other else {}


def _is_continuous(file: Path, label: str) -> bool:
    """Whether labels are numbers with fractions."""
    values = [str(row.get(label)) for row in _first_rows(file, 200)]
    fractions = [value for value in values if re.fullmatch(r"-?\d*\.\d+", value)]
    numbers = [value for value in values if re.fullmatch(r"-?\d*\.?\d+", value)]
    return bool(fractions) and len(numbers) == len(values) and len(set(values)) > 10


def columns_in(file: Path) -> list[str]:
    """Names of the columns, or of the fields of the first object, of a table or JSON file; none for other files."""
    return list(next(iter(_first_rows(file, 1)), {}))


def _first_rows(file: Path, count: int) -> list[Mapping[str, object]]:
    """The first rows of a table or JSON file; none where its reader has to say what is wrong.

    Raises:
        DataError: A parquet file or workbook that cannot be read, or whose package is missing.
    """
    ending, problems = _ending(file), FileProblems(file)
    try:
        if ending in (".csv", ".tsv"):
            form = sniff(file, "utf-8", _NAMES, delimiter="\t" if ending == ".tsv" else None, quoting=None)
            rows = read_delimited(file, "utf-8", form, problems)
            header = [name.strip() for name in next(rows)[1]]
            cells = (row for _, row in islice(rows, count))
            return [dict(zip_longest(header, row[: len(header)])) for row in cells]
        if ending in (".json", ".jsonl", ".ndjson"):
            return [row for _, row in islice(read_json(file, "utf-8", problems, _NAMES), count)]
    except DataError:
        return []
    table = open_columnar(file, sheet=None, has_header=True)
    return [] if table is None else [row for row in islice(table, count) if isinstance(row, Mapping)]


def _ending(file: Path) -> str:
    return Path(file.stem).suffix.lower() if file.suffix.lower() == ".gz" else file.suffix.lower()
