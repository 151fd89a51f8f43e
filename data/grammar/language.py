"""The data of a language for the generator: values of slots, templates of requests, and facts in passages."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grammar.templates import pick, pick_several

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Values:
    """Values of open classes, such as cities: those of the training files, and those held out for dev and test."""

    train: Sequence[str]
    held_out: Sequence[str]

    def of(self, split: Split) -> Sequence[str]:
        """The values for `split`."""
        return self.train if split == "train" else self.held_out


@dataclass(frozen=True)
class Fact:
    """One fact about a traveller in a passage.

    Attributes:
        sentences: Ways to state it.
        questions: Slot of the sentences → ways to ask for it.
    """

    sentences: Sequence[str]
    questions: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Language:
    """Everything that differs between English and Chinese.

    Attributes:
        code: `en` or `zh`.
        by_character: Whether a sentence is split into characters rather than words.
        open_values: Name of an open class → its values.
        open_slots: Slot of an open class → its class. Slots of one class get different values.
        closed_slots: Slot → a function that samples its value.
        types: Slot → its type in BIO tags.
        phrases: Phrases that all requests share.
        objects: Booked object → its phrases (`new`, `mine`, `where`).
        actions: Action → templates.
        facts: Facts of the passages.
        answer_types: Slot that a question asks for → number of its kind (see data/README.md).
        sentence_glue: Separator of two sentences of a passage.
    """

    code: str
    by_character: bool
    open_values: Mapping[str, Values]
    open_slots: Mapping[str, str]
    closed_slots: Mapping[str, Callable[[random.Random], str]]
    types: Mapping[str, str]
    phrases: Mapping[str, Sequence[str]]
    objects: Mapping[str, Mapping[str, Sequence[str]]]
    actions: Mapping[str, Sequence[str]]
    facts: Mapping[str, Fact]
    answer_types: Mapping[str, int]
    sentence_glue: str

    def draw_values(self, split: Split, generator: random.Random) -> dict[str, str]:
        """A value for every slot."""
        values: dict[str, str] = {}
        for kind, known in self.open_values.items():
            slots = [slot for slot, source in self.open_slots.items() if source == kind]
            values |= zip(slots, pick_several(known.of(split), len(slots), generator), strict=True)
        return values | {slot: draw(generator) for slot, draw in self.closed_slots.items()}

    def phrases_for(self, wanted: str, generator: random.Random) -> dict[str, Sequence[str]]:
        """The phrases of a request about `wanted`; `<other>` is about another object."""
        other = pick([name for name in self.objects if name != wanted], generator)
        return {**self.phrases, **self.objects[wanted], "other": self.objects[other]["mine"]}
