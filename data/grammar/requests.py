"""Requests to the travel assistant: their intents and slots, and pairs that do or do not ask for the same."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grammar.language import Language, Split
from grammar.templates import Piece, expand, fill, pick, slots_of, text_of

MOST_DRAWS = 200


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        intent: The intent, such as `cancel_hotel`.
        template: Its expanded template.
        values: Values of all slots.
    """

    intent: str
    template: str
    values: Mapping[str, str]

    @property
    def pieces(self) -> list[Piece]:
        """The request in pieces."""
        return fill(self.template, self.values)

    @property
    def text(self) -> str:
        """The request as running text."""
        return text_of(self.pieces)


def intents(language: Language) -> list[str]:
    """Every intent: an action on an object."""
    return [f"{action}_{wanted}" for action in language.actions for wanted in language.objects]


def draw_request(language: Language, intent: str, values: Mapping[str, str], generator: random.Random) -> Request:
    """A random request with `intent`."""
    action, wanted = intent.split("_")
    template = pick(language.actions[action], generator)
    return Request(intent, expand(template, language.phrases_for(wanted, generator), generator), values)


def draw_requests(
    language: Language, split: Split, count: int, generator: random.Random, seen: set[str]
) -> list[Request]:
    """`count` requests, every intent equally often; their texts are not in `seen`, and are added to it."""
    wanted = intents(language)
    found: list[Request] = []
    while len(found) < count:
        intent = wanted[len(found) % len(wanted)]
        request = draw_request(language, intent, language.draw_values(split, generator), generator)
        if request.text not in seen:
            seen.add(request.text)
            found.append(request)
    return shuffled(found, generator)


def shuffled(rows: Sequence[Request], generator: random.Random) -> list[Request]:
    """`rows` in random order."""
    return [row for _, row in sorted(((generator.random(), row) for row in rows), key=lambda item: item[0])]


def draw_pair(language: Language, split: Split, *, same: bool, generator: random.Random) -> tuple[str, str] | None:
    """Two requests for the same in different words, or for different things; None if no second one was found."""
    values = language.draw_values(split, generator)
    first = draw_request(language, pick(intents(language), generator), values, generator)
    if same:
        second = _reworded(language, first, values, generator)
    elif generator.random() < 0.5:
        other = pick([intent for intent in intents(language) if intent != first.intent], generator)
        second = draw_request(language, other, values, generator)
    else:
        changed = {**values, **_another_point(language, split, first, generator)}
        second = _reworded(language, first, changed, generator)
    return (first.text, second.text) if second else None


def _reworded(
    language: Language, first: Request, values: Mapping[str, str], generator: random.Random
) -> Request | None:
    """A request with the same intent and the same slots as `first` in other words."""
    for _ in range(MOST_DRAWS):
        second = draw_request(language, first.intent, values, generator)
        if slots_of(second.template) == slots_of(first.template) and second.template != first.template:
            return second
    return None


def _another_point(language: Language, split: Split, first: Request, generator: random.Random) -> dict[str, str]:
    """`first` with another value of one slot, or with start and destination exchanged."""
    slots = sorted(slots_of(first.template))
    if {"from", "to"} <= set(slots) and generator.random() < 0.5:
        return {"from": first.values["to"], "to": first.values["from"]}
    slot = pick(slots, generator)
    while (value := language.draw_values(split, generator)[slot]) == first.values[slot]:
        pass
    return {slot: value}
