"""Reviews of hotels in English: what they are about and how many stars they give, their trees, and spans in spans."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from grammar.english import OPEN_VALUES
from grammar.language import Split
from grammar.templates import pick, pick_several

TOPICS: Mapping[str, Sequence[str]] = {
    "food": ("breakfast", "dinner", "coffee"),
    "room": ("room", "bed", "shower"),
    "staff": ("staff", "waiter", "porter"),
    "price": ("price", "bill"),
    "view": ("view", "garden", "terrace"),
}
GOOD = ("good", "lovely", "great", "pleasant")
BAD = ("bad", "poor", "awful", "disappointing")
DEGREES: Mapping[str, int] = {"": 1, "very": 2, "really": 2, "not": -1}
"""Word before an adjective → what it makes of the adjective's value, which is 1 or -1."""


@dataclass(frozen=True)
class Word:
    """A word in a tree.

    Attributes:
        form: The word.
        part: Its part of speech.
        head: Place of its head, from 0; its own place for the root.
        relation: Its relation to the head.
    """

    form: str
    part: str
    head: int
    relation: str


@dataclass(frozen=True)
class Clause:
    """`the breakfast at the Old Mill in Rome was very good`.

    Attributes:
        words: Its words with their tree.
        topic: What it is about.
        value: From -2 to 2.
        spans: Type → first word and the one after the last.
    """

    words: tuple[Word, ...]
    topic: str
    value: int
    spans: Mapping[str, tuple[int, int]]

    @property
    def text(self) -> str:
        """The running text."""
        return " ".join(word.form for word in self.words)

    @property
    def root(self) -> int:
        """Place of the word on which all others depend."""
        return next(place for place, word in enumerate(self.words) if word.head == place)

    def characters(self, name: str) -> tuple[int, int]:
        """Where a span begins in the text, and where it ends."""
        first, end = self.spans[name]
        start = sum(len(word.form) + 1 for word in self.words[:first])
        return start, start + len(" ".join(word.form for word in self.words[first:end]))


def draw_clause(topic: str, split: Split, generator: random.Random, *, with_place: bool) -> Clause:
    """A clause about `topic`; hotels and cities are those of the split."""
    degree, is_good = pick(list(DEGREES), generator), generator.random() < 0.5
    hotel = f"{pick(OPEN_VALUES['hotel'].of(split), generator)} in {pick(OPEN_VALUES['city'].of(split), generator)}"
    place = f"at the {hotel}".split() if with_place else []
    adjective = pick(GOOD if is_good else BAD, generator)
    forms = ["the", pick(TOPICS[topic], generator), *place, "was", *([degree] if degree else []), adjective]
    spans = {"topic": (1, 2), "opinion": (len(forms) - 1 - bool(degree), len(forms))}
    if place:
        city = forms.index("in") + 1
        spans |= {"hotel": (3, 2 + len(place)), "city": (city, 2 + len(place))}
    value = DEGREES[degree] * (1 if is_good else -1)
    return Clause(_tree(forms, spans), topic, value, spans)


def join(first: Clause, second: Clause) -> Clause:
    """Both, with `and` where they agree, else `but`; topic and spans are those of the first."""
    word = "and" if (first.value > 0) == (second.value > 0) else "but"
    offset = len(first.words) + 1
    moved = [replace(one, head=one.head + offset) for one in second.words]
    root = second.root + offset
    moved[second.root] = Word(second.words[second.root].form, "ADJ", first.root, "conj")
    words = (*first.words, Word(word, "CCONJ", root, "cc"), *moved)
    return replace(first, words=words)


def draw_reviews(split: Split, count: int, generator: random.Random, seen: set[str]) -> list[tuple[str, str, str]]:
    """Stars, topics and text: `count` new reviews of each topic and of each two, not all with the same stars."""
    names = list(TOPICS)
    groups = [(one,) for one in names] + [(one, other) for one in names for other in names if one < other]
    rows: list[tuple[str, str, str]] = []
    for group in groups:
        found: dict[str, str] = {}
        while len(found) < count or len(set(found.values())) < 2:
            topics = pick_several(group, len(group), generator)
            clauses = [draw_clause(topic, split, generator, with_place=False) for topic in topics]
            text = clauses[0].text if len(clauses) == 1 else join(*clauses).text
            stars = 3 + sum(one.value for one in clauses) / len(clauses)
            if text not in seen:
                found = dict([*found.items(), (text, f"{stars:g}")][-count:])
        seen.update(found)
        rows += [(stars, "|".join(sorted(group)), text) for text, stars in found.items()]
    return [row for _, row in sorted(((generator.random(), row) for row in rows), key=lambda item: item[0])]


def draw_trees(split: Split, count: int, generator: random.Random, seen: set[str]) -> list[Clause]:
    """New sentences of one clause with a place, of two clauses, and of one without a place, in equal numbers."""
    found: list[Clause] = []
    while len(found) < count:
        topics = pick_several(list(TOPICS), 2, generator)
        one = draw_clause(topics[0], split, generator, with_place=len(found) % 3 == 0)
        if len(found) % 3 == 1:
            one = join(one, draw_clause(topics[1], split, generator, with_place=False))
        if one.text not in seen:
            seen.add(one.text)
            found.append(one)
    return found


def draw_places(split: Split, count: int, generator: random.Random) -> list[Clause]:
    """Different clauses with a hotel, and in it a city, which no other split has."""
    found: dict[str, Clause] = {}
    while len(found) < count:
        one = draw_clause(pick(list(TOPICS), generator), split, generator, with_place=True)
        found.setdefault(one.text, one)
    return list(found.values())


def _tree(forms: Sequence[str], spans: Mapping[str, tuple[int, int]]) -> tuple[Word, ...]:
    """The words of a clause: the adjective is the root, the last word of a name its head."""
    root, noun, verb = len(forms) - 1, 1, forms.index("was")
    words = [Word("the", "DET", noun, "det"), Word(forms[noun], "NOUN", root, "nsubj")]
    if "city" in spans:
        city = spans["city"][0]
        hotel = city - 2
        words += [Word("at", "ADP", hotel, "case"), Word("the", "DET", hotel, "det")]
        words += [*_name(forms[4 : city - 1], hotel, noun), Word("in", "ADP", verb - 1, "case")]
        words += _name(forms[city:verb], verb - 1, hotel)
    words.append(Word("was", "AUX", root, "cop"))
    words += [Word(form, "ADV" if form != "not" else "PART", root, "advmod") for form in forms[verb + 1 : root]]
    return (*words, Word(forms[root], "ADJ", root, "root"))


def _name(forms: Sequence[str], last: int, head: int) -> list[Word]:
    return [*(Word(form, "PROPN", last, "compound") for form in forms[:-1]), Word(forms[-1], "PROPN", head, "nmod")]
