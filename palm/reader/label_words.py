"""The words of labels in a prompt: of a file of labels, of a prompt file, or of a key; and their tokens."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.data.dataset import LabelMap
from palm.data.prompt_encoding import PromptEncoding
from palm.errors import ConfigError, DataError, Problem
from palm.reader.formats.files import FileProblems, quoted, read_lines, read_text
from palm.reader.labels import learn_label_map

LabelWords = dict[str, list[str]]
"""Label → its words."""

# The document of few-shot learning prints `news_car'=='汽车`.
_EQUALS = re.compile(r"'==\s*'|==")
_MOST_LISTED = 5


@dataclass(frozen=True)
class PromptEntry:
    """An entry of a prompt file.

    Attributes:
        prompt: The template.
        words: The words of its labels; empty if it has none.
    """

    prompt: str
    words: LabelWords


def read_label_words(file: Path) -> LabelWords:
    """The labels of a file, one `label` or `label==word` a line; a label on several lines has several words.

    Raises:
        DataError: The file is missing, or a line is not valid.
    """
    problems, found = FileProblems(file), LabelWords()
    for number, line in enumerate(read_lines(file), 1):
        parts = [part.strip() for part in _EQUALS.split(line.strip())]
        if parts == [""]:
            continue
        if len(parts) > 2 or not all(parts):
            problems.add(f"a line must be `label` or `label==word`, found {quoted(line)}. Correct it.", line=number)
            continue
        words = found.setdefault(parts[0], [])
        if parts[-1] in words:
            problems.add(f"a word must occur once, found {quoted(line)} again. Remove the line.", line=number)
        words.append(parts[-1])
    problems.raise_all()
    return found


def read_prompt_file(file: Path, index: int) -> PromptEntry:
    """An entry of a file `{"template": [{"text": …}, …], "verbalizer": [{label: word} | [word, …] | null, …]}`.

    null stands for the verbalizer of the entry before; labels of a list are their own words.

    Raises:
        DataError: The file is missing or not valid.
        ConfigError: It has no such entry.
    """
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise _invalid(file, f"a prompt file must be JSON, found invalid JSON: {error}. Correct it.") from error
    fields = content if isinstance(content, dict) else {}
    templates, verbalizers = fields.get("template"), fields.get("verbalizer", [])
    if not isinstance(templates, list) or not templates or not isinstance(verbalizers, list):
        rule = 'a prompt file must hold lists, {"template": [{"text": …}], "verbalizer": [{label: word}]}'
        raise _invalid(file, f"{rule}, found {quoted(content)}. Correct it.")
    if verbalizers and len(verbalizers) != len(templates):
        rule = "a prompt file must have one verbalizer, or null, for each template"
        raise _invalid(file, f"{rule}, found {len(verbalizers)} and {len(templates)}. Correct it.")
    if index >= len(templates):
        rule = f"{file} has {len(templates)} templates, counted from 0"
        raise ConfigError(Problem("prompt_index", f"{rule}. Found {index}. Choose one of these."))
    template = templates[index]
    text = template.get("text") if isinstance(template, dict) else template
    if not isinstance(text, str) or not text:
        rule = f'template {index} must be a text, or {{"text": …}}'
        raise _invalid(file, f"{rule}, found {quoted(template)}. Correct it.")
    filled = [verbalizer for verbalizer in verbalizers[: index + 1] if verbalizer]
    try:
        return PromptEntry(text, words_by_label(filled[-1]) if filled else {})
    except ValueError as error:
        raise _invalid(file, f"verbalizer {index}: {error}. Correct it.") from error


def words_by_label(value: object) -> LabelWords:
    """`{label: word}`, `{label: [word, …]}` or `[label, …]` as label → words.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, Mapping):
        found = {_label(label): _words(words, label) for label, words in value.items()}
    elif isinstance(value, list | tuple):
        found = {_label(label): [_label(label)] for label in value}
    else:
        raise ValueError(f"label words are `{{label: word}}`, found {quoted(value)}")  # noqa: TRY004 (for pydantic)
    if len(found) < len(value):
        raise ValueError("a label must occur once")
    return found


def _label(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"a label must be text or a whole number, found {quoted(value)}. Put it in quotation marks")
    return str(value).strip()


def _words(value: object, label: object) -> list[str]:
    words = [_label(word) for word in value] if isinstance(value, list | tuple) else [_label(value)]
    if not words or len(set(words)) < len(words):
        raise ValueError(f"a label has one word or more, each once, found {quoted(value)} for {quoted(str(label))}")
    return words


def _invalid(file: Path, message: str) -> DataError:
    return DataError(Problem(str(file), message))


def labels_with_words(names: Iterable[str], words: Mapping[str, Sequence[str]], n_classes: int | None) -> LabelMap:
    """The labels in the order of their ids, each with its words; a label without any is its own word."""
    return with_words(learn_label_map({*names, *words}, n_classes), words)


def with_words(labels: LabelMap, words: Mapping[str, Sequence[str]]) -> LabelMap:
    """The same labels with their words; a label without any is its own word."""
    return replace(labels, words=tuple(tuple(words.get(name, (name,))) for name in labels.names))


def tokens_of_words(labels: LabelMap, encoding: PromptEncoding) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Label → word → token ids.

    Raises:
        ConfigError: A word has no tokens.
    """
    words = labels.words or tuple((name,) for name in labels.names)
    ids = iter(encoding.word_ids([word for own in words for word in own]))
    found = tuple(tuple(tuple(next(ids)) for _ in own) for own in words)
    for name, own, tokens in zip(labels.names, words, found, strict=True):
        if not all(tokens):
            rule = f"a word must have tokens, found {quoted(own[tokens.index(())])} of the label {quoted(name)}"
            raise ConfigError(Problem("label_words", f"{rule}. Choose another word."))
    return found


def notes_on_words(labels: LabelMap, tokens: Sequence[Sequence[Sequence[int]]], unknown: int | None) -> tuple[str, ...]:
    """Remarks about words that the vocabulary lacks, and about labels that have the same words."""
    words = labels.words or tuple((name,) for name in labels.names)
    missing = [
        word
        for own, ids in zip(words, tokens, strict=True)
        for word, each in zip(own, ids, strict=True)
        if unknown in each
    ]
    first: dict[Sequence[Sequence[int]], str] = {}
    alike = [
        f"{before} and {name}"
        for name, ids in zip(labels.names, map(tuple, tokens), strict=True)
        if (before := first.setdefault(ids, name)) != name
    ]
    notes = []
    if missing:
        notes.append(f"label words that the vocabulary lacks: {_listed(missing)}. Choose words that it has.")
    if alike:
        notes.append(f"labels with the same words: {_listed(alike)}. No prompt can distinguish them.")
    return tuple(notes)


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_MOST_LISTED])
    return f"{shown}, …" if len(items) > _MOST_LISTED else shown
