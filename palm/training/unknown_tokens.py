"""How much of a task's data its vocabulary does not know: a warning, or a refusal."""

from collections.abc import Iterator, Sequence

import numpy as np

from palm.data.dataset import Dataset, Record
from palm.data.tokenizer import Tokenizer
from palm.errors import DataError, Problem

WORTH_A_WARNING = 0.02
_CAUSE = "The vocabulary, or do_lower_case, does not fit the text."


def unknown_fraction(dataset: Dataset, tokenizer: Tokenizer) -> float:
    """The fraction of [UNK] among the tokens of text in `dataset`, but for words that are blank."""
    if tokenizer.unk_id is None:
        return 0.0
    ids = dataset.ragged("token_ids").values
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    unknown = int(counts[tokenizer.unk_id])
    special = int(sum(counts[number] for number in tokenizer.special_ids if number != tokenizer.unk_id))
    total = max(len(ids) - special, 1)
    if unknown >= WORTH_A_WARNING * total:  # a word that is a blank is [UNK] by design, and reported by its reader
        unknown -= min(unknown, sum(map(_blank_words, dataset.records)))
    return unknown / total


def _blank_words(record: Record) -> int:
    words = record.get("words")
    return sum(not str(word).strip() for word in words) if isinstance(words, list) else 0


def refuse_unknown(name: str, datasets: Sequence[Dataset | None], tokenizer: Tokenizer, most: float) -> None:
    """Refuse data with more unknown tokens than the task allows.

    Args:
        name: The task.
        datasets: Its training and dev data.
        tokenizer: Its tokenizer.
        most: The key `max_unk_fraction`.

    Raises:
        DataError: The fraction of a file is above `most`.
    """
    problems = []
    for data in datasets:
        fraction = unknown_fraction(data, tokenizer) if data is not None else 0.0
        if data is not None and fraction > most:
            rule = f"task `{name}`: at most {most:.0%} of the tokens may be unknown ([UNK]), found {fraction:.1%}."
            advice = "Use the tokenizer of the encoder, or set max_unk_fraction to train all the same."
            problems.append(Problem(str(data.file), f"{rule} {_CAUSE} {advice}"))
    if problems:
        raise DataError(problems)


def unknown_lines(name: str, datasets: Sequence[Dataset | None], tokenizer: Tokenizer) -> Iterator[str]:
    """A warning for each file with many unknown tokens.

    Args:
        name: The task.
        datasets: Its training and dev data.
        tokenizer: Its tokenizer.
    """
    for data in datasets:
        fraction = unknown_fraction(data, tokenizer) if data is not None else 0.0
        if data is not None and fraction >= WORTH_A_WARNING:
            yield f"Warning: {name}: {data.file}: {fraction:.1%} of the tokens are unknown ([UNK]). {_CAUSE}"
