"""What a reader of tagged words finds out about its tags: their scheme, and the sentences that break it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from palm.data.dataset import Dataset, IntArray, LabelMap
from palm.data.lemma_rules import are_rules
from palm.data.tag_schemes import TagScheme, detect_scheme
from palm.errors import counted
from palm.schema.fields import TagSchemeName

_EDGE = "O"


def with_tag_scheme(
    labels: LabelMap, wanted: Literal["auto", TagSchemeName], texts: Iterable[Sequence[str]]
) -> LabelMap:
    """The tags and their scheme: `wanted`, or with `auto` that of the training data.

    Args:
        labels: All tags.
        wanted: The key `tag_scheme`.
        texts: The tags of each sentence.

    Raises:
        ConfigError: The tags are not of the scheme that is set.
    """
    auto: TagSchemeName = "none" if are_rules(labels.names) else detect_scheme(labels.names, texts)
    name = auto if wanted == "auto" else wanted
    TagScheme.of(name, labels.names)
    return replace(labels, tag_scheme=name)


def describe_breaks(count: int, total: int, scheme: TagScheme, line: object, pair: tuple[str, str]) -> str:
    """`2 of 8 sentences break it, such as line 5 (I-PER after O)`."""
    one, other = pair
    shown = f"{one} before {other}" if other == _EDGE else f"{other} after {one}"
    breaks = f"{counted(total, 'sentence')} {'breaks' if count == 1 else 'break'}"
    return f"{count} of {breaks} the tag scheme {scheme.name}, such as line {line} ({shown})"


def broken_records(dataset: Dataset, scheme: TagScheme, names: Sequence[str]) -> IntArray:
    """Numbers of the records whose tags break `scheme`, ascending; words that the model does not see break nothing.

    Args:
        dataset: With `label_ids` and `word_index`.
        scheme: What the tags should be of.
        names: The tags by id.
    """
    index, tags = dataset.ragged("word_index"), dataset.ragged("label_ids")
    seen = np.flatnonzero(np.asarray(index.values) >= 0)  # first pieces of words
    if not len(seen):
        return np.zeros(0, "int64")
    record, word = np.repeat(dataset.array("record"), index.lengths)[seen], index.values[seen].astype("int64")
    # Windows overlap, and a sentence goes on from one to the next.
    _, once = np.unique(record * (word.max() + 1) + word, return_index=True)
    record, word, tag = record[once], word[once], tags.values[seen[once]].astype("int64")
    edge = len(names)  # an id of its own, which a tag that is not known has as well
    tag = np.where(tag < 0, edge, tag)
    first = np.append(True, record[1:] != record[:-1])
    last = np.append(first[1:], True)
    joined = np.flatnonzero(~last & np.append(word[1:] == word[:-1] + 1, False))
    before = np.concatenate([tag[joined], np.full(first.sum(), edge), tag[last]])
    after = np.concatenate([tag[joined + 1], tag[first], np.full(last.sum(), edge)])
    owner = np.concatenate([record[joined], record[first], record[last]])
    pairs, kind = np.unique(before * (edge + 1) + after, return_inverse=True)
    listed = [*names, _EDGE]
    breaks = np.array([scheme.break_at(listed[pair // (edge + 1)], listed[pair % (edge + 1)]) for pair in pairs], bool)
    return np.unique(owner[breaks[kind]]).astype("int64")
