"""How much of a task's data its vocabulary does not know: a warning, or a refusal."""

from collections.abc import Iterator, Sequence

import numpy as np

from palm.data.dataset import Dataset
from palm.errors import DataError, Problem
from palm.reader.base import Reader

WORTH_A_WARNING = 0.02
_CAUSE = "The vocabulary, or do_lower_case, does not fit the text."


def unknown_fraction(dataset: Dataset, reader: Reader) -> float:
    """The fraction of [UNK] among the tokens of text in `dataset`, but for those that its reader makes on purpose."""
    tokenizer = reader.tokenizer
    if tokenizer.unk_id is None:
        return 0.0
    ids = dataset.ragged("token_ids").values
    if "soft_ids" in dataset.columns:  # where a learned vector stands, the token counts for nothing
        ids = ids[dataset.ragged("soft_ids").values == 0]
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    unknown = int(counts[tokenizer.unk_id])
    special = int(sum(counts[number] for number in tokenizer.special_ids if number != tokenizer.unk_id))
    total = max(len(ids) - special, 1)
    if unknown >= WORTH_A_WARNING * total:
        unknown -= min(unknown, sum(map(reader.blank_words, dataset.records)))
    return unknown / total


def refuse_unknown(name: str, datasets: Sequence[Dataset | None], reader: Reader, most: float) -> None:
    """Refuse data with more unknown tokens than the task allows.

    Args:
        name: The task.
        datasets: Its training and dev data.
        reader: Its reader.
        most: The key `max_unk_fraction`.

    Raises:
        DataError: The fraction of a file is above `most`.
    """
    problems = []
    for data in datasets:
        fraction = unknown_fraction(data, reader) if data is not None else 0.0
        if data is not None and fraction > most:
            rule = f"task `{name}`: at most {most:.0%} of the tokens may be unknown ([UNK]), found {fraction:.1%}."
            advice = "Use the tokenizer of the encoder, or set max_unk_fraction to train all the same."
            problems.append(Problem(str(data.file), f"{rule} {_CAUSE} {advice}"))
    if problems:
        raise DataError(problems)


def unknown_lines(name: str, datasets: Sequence[Dataset | None], reader: Reader) -> Iterator[str]:
    """A warning for each file with many unknown tokens.

    Args:
        name: The task.
        datasets: Its training and dev data.
        reader: Its reader.
    """
    for data in datasets:
        fraction = unknown_fraction(data, reader) if data is not None else 0.0
        if data is not None and fraction >= WORTH_A_WARNING:
            yield f"Warning: {name}: {data.file}: {fraction:.1%} of the tokens are unknown ([UNK]). {_CAUSE}"
