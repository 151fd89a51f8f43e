"""Short passages about two travellers, and questions whose answers occur in them at a known position."""

import random
from dataclasses import dataclass

from grammar.language import Language, Split
from grammar.templates import fill, pick, pick_several, text_of

TOLD = 2  # of a traveller's four facts; questions about the others have no answer


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        text: The question.
        slot: The slot that it asks for.
        answer: The answer; empty if not in the passage.
        start: Start of the answer in the passage, in characters; -1 if not in the passage.
        sentence: The sentence with the answer; empty if there is none.
    """

    text: str
    slot: str
    answer: str = ""
    start: int = -1
    sentence: str = ""


@dataclass(frozen=True)
class Passage:
    """One passage and all questions about it, with and without an answer."""

    context: str
    questions: list[Question]


def draw_passage(language: Language, split: Split, generator: random.Random, count: int = TOLD) -> Passage:
    """A passage about two travellers, with `count` of the four facts about each, in mixed order."""
    travellers = _draw_travellers(language, split, generator)
    told = [(who, fact) for who in travellers for fact in pick_several(list(language.facts), count, generator)]
    context = ""
    questions: list[Question] = []
    for who, fact in pick_several(told, len(told), generator):
        sentence, found = _tell(language, fact, who, generator)
        start = len(context) + (len(language.sentence_glue) if context else 0)
        context = context + (language.sentence_glue if context else "") + sentence
        questions += [Question(one.text, one.slot, one.answer, start + one.start, sentence) for one in found]
    hidden = [(who, fact) for who in travellers for fact in language.facts if (who, fact) not in told]
    for who, fact in hidden:
        questions += [
            Question(ask(language, fact, slot, who, generator), slot) for slot in language.facts[fact].questions
        ]
    return Passage(context, questions)


def ask(language: Language, fact: str, slot: str, who: dict[str, str], generator: random.Random) -> str:
    """A question for `slot` of a fact about the traveller `who`."""
    return text_of(fill(pick(language.facts[fact].questions[slot], generator), who))


def _tell(language: Language, fact: str, who: dict[str, str], generator: random.Random) -> tuple[str, list[Question]]:
    """A sentence that states a fact, and the questions that it answers; positions are relative to its start."""
    pieces = fill(pick(language.facts[fact].sentences, generator), who)
    sentence, questions = "", []
    for piece in pieces:
        if piece.slot in language.facts[fact].questions:
            text = ask(language, fact, piece.slot, who, generator)
            questions.append(Question(text, piece.slot, piece.text, len(sentence)))
        sentence += piece.text
    return sentence, questions


def _draw_travellers(language: Language, split: Split, generator: random.Random) -> list[dict[str, str]]:
    """The values of two travellers, without common persons and cities."""
    while True:
        first, second = (language.draw_values(split, generator) for _ in range(2))
        if len({one[slot] for one in (first, second) for slot in ("name", "guide")}) == 4 and not {
            first["from"],
            first["to"],
        } & {second["from"], second["to"]}:
            return [first, second]
