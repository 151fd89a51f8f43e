"""Writes the sample data: the same bytes on every machine, with only the standard library.

python data/generate.py            overwrites the files next to this script
python data/generate.py --out DIR  writes to another folder
"""

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from grammar.chinese import CHINESE
from grammar.english import ENGLISH
from grammar.language import Language, Split
from grammar.passages import Passage, Question, draw_passage
from grammar.requests import Request, draw_pair, draw_requests
from grammar.reviews import Clause, draw_places, draw_reviews, draw_trees
from grammar.templates import pick, pick_several, tagged_words
from grammar.translation import draw_translations
from grammar.vocabulary import added_words, bilingual_vocabulary, chinese_vocabulary, english_vocabulary

SEED = 1
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
REQUESTS = {"train": 480, "dev": 120, "test": 120}
PAIRS = {"train": 480, "dev": 120, "test": 120}
PASSAGES = {"train": 120, "dev": 30, "test": 30}
QUESTIONS_A_PASSAGE = 3
KINDS = {"train": 240, "dev": 80, "test": 80}
ANSWER_PAIRS = {"train": 480, "dev": 120, "test": 120}
TRANSLATIONS = {"train": 2400, "dev": 120, "test": 120}
REVIEWS_ON_EACH = {"train": 7, "dev": 3, "test": 3}
TREES = {"train": 28, "dev": 10, "test": 10}
PLACES = {"train": 36, "dev": 12, "test": 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder to write to (default: this one)"
    )
    folder = parser.parse_args().out
    for language in (ENGLISH, CHINESE):
        write_corpus(language, folder / "travel" / language.code)
    for name, make in (("en", english_vocabulary), ("zh", chinese_vocabulary)):
        texts = [file.read_text(encoding="utf-8") for file in sorted((folder / "travel" / name).rglob("*.tsv"))]
        write_lines(folder / "vocab" / f"vocab_{name}.txt", make(texts))
    write_reviews(folder / "travel" / "en_reviews")
    write_translations(folder)


def write_reviews(folder: Path) -> None:
    """Reviews with stars and topics; sentences of reviews with their trees, and with spans and relations."""
    seen: set[str] = set()
    seen_trees: set[str] = set()
    for split in SPLITS:
        generator = random.Random(f"{SEED} reviews {split}")
        rows = draw_reviews(split, REVIEWS_ON_EACH[split], generator, seen)
        write_table(folder / "stars" / f"{split}.tsv", ("stars", "topics", "review"), rows)
        trees = draw_trees(split, TREES[split], generator, seen_trees)
        write_lines(folder / "trees" / f"{split}.conllu", [line for tree in trees for line in conllu_lines(tree)])
        places = draw_places(split, PLACES[split], generator)
        write_lines(folder / "spans" / f"{split}.jsonl", [span_line(one) for one in places])


def conllu_lines(tree: Clause) -> list[str]:
    """The words of a sentence, and an empty line."""
    rows = []
    for place, word in enumerate(tree.words):
        head = 0 if word.head == place else word.head + 1
        rows.append(f"{place + 1}\t{word.form}\t_\t{word.part}\t_\t_\t{head}\t{word.relation}\t_\t_")
    return [*rows, ""]


def span_line(one: Clause) -> str:
    """A clause with its spans, and what its opinion is about and to which hotel that belongs."""
    spans = [[*one.characters(name), name] for name in ("topic", "hotel", "city", "opinion")]
    row = {"text": one.text, "label": spans, "relations": [[3, 0, "about"], [0, 1, "of"]]}
    return json.dumps(row, separators=(",", ":"))


def write_translations(folder: Path) -> None:
    """English requests with their Chinese, and a vocabulary of both, then of all other English texts."""
    pairs: dict[Split, list[tuple[str, str]]] = {}
    for split in SPLITS:
        generator = random.Random(f"{SEED} translations {split}")
        pairs[split] = [(one.english, one.chinese) for one in draw_translations(split, TRANSLATIONS[split], generator)]
        write_table(folder / "travel" / "en_zh" / "translation" / f"{split}.tsv", ("en", "zh"), pairs[split])
    english, chinese = zip(*(pair for split in SPLITS for pair in pairs[split]), strict=True)
    requests = (folder / "travel" / "en" / "intent" / "train.tsv").read_text(encoding="utf-8")
    known = bilingual_vocabulary([*english, requests], chinese)
    files = [file for name in ("en", "en_reviews") for file in sorted((folder / "travel" / name).rglob("*.*"))]
    others = (file.read_text(encoding="utf-8") for file in files if file.suffix in (".tsv", ".conllu"))
    write_lines(folder / "vocab" / "vocab_en_zh.txt", [*known, *added_words(others, known)])


def write_corpus(language: Language, folder: Path) -> None:
    """Every data set of one language."""
    write_requests(language, folder)
    write_pairs(language, folder / "question_match")
    passages = draw_passages(language)
    write_reading(passages, folder / "mrc", language, unanswerable=False)
    write_reading(passages, folder / "mrc_unanswerable", language, unanswerable=True)
    write_kinds(passages, folder / "answer_kind", language)
    write_answer_pairs(passages, folder / "answer_match", language)
    write_plain_text(passages, folder)


def write_requests(language: Language, folder: Path) -> None:
    """The requests with their intents, and, in the same order, with their slots (table and CoNLL)."""
    seen: set[str] = set()
    for split in SPLITS:
        generator = random.Random(f"{SEED} requests {language.code} {split}")
        requests = draw_requests(language, split, REQUESTS[split], generator, seen)
        write_table(
            folder / "intent" / f"{split}.tsv", ("label", "text_a"), ((one.intent, one.text) for one in requests)
        )
        write_slots(requests, folder / "slots", split, language)


def write_slots(requests: Sequence[Request], folder: Path, split: Split, language: Language) -> None:
    """One sentence per row, words and tags separated by blanks; and one word per line, with empty lines between."""
    tagged = [tagged_words(one.pieces, language.types, by_character=language.by_character) for one in requests]
    write_table(
        folder / f"{split}.tsv", ("text_a", "label"), ((" ".join(words), " ".join(tags)) for words, tags in tagged)
    )
    lines = [
        line
        for words, tags in tagged
        for line in (*(f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True)), "")
    ]
    write_lines(folder / f"{split}.conll", lines)


def write_pairs(language: Language, folder: Path) -> None:
    """Pairs of requests: 1 if both ask for the same, else 0, in equal numbers."""
    seen: set[tuple[str, str]] = set()
    for split in SPLITS:
        generator = random.Random(f"{SEED} pairs {language.code} {split}")
        rows: list[tuple[str, str, str]] = []
        while len(rows) < PAIRS[split]:
            same = generator.random() < 0.5
            pair = draw_pair(language, split, same=same, generator=generator)
            if pair is not None and pair not in seen:
                seen.add(pair)
                rows.append((str(int(same)), *pair))
        write_table(folder / f"{split}.tsv", ("label", "text_a", "text_b"), rows)


def draw_passages(language: Language) -> dict[Split, list[Passage]]:
    """Passages of every split, all different."""
    seen: set[str] = set()
    passages: dict[Split, list[Passage]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        generator = random.Random(f"{SEED} passages {language.code} {split}")
        while len(passages[split]) < PASSAGES[split]:
            passage = draw_passage(language, split, generator)
            if passage.context not in seen:
                seen.add(passage.context)
                passages[split].append(passage)
    return passages


def write_reading(
    passages: dict[Split, list[Passage]], folder: Path, language: Language, *, unanswerable: bool
) -> None:
    """SQuAD json; with `unanswerable`, in version 2's form, in which about a third of the questions have no answer."""
    for split in SPLITS:
        generator = random.Random(f"{SEED} {folder.name} {language.code} {split}")
        paragraphs = []
        for number, passage in enumerate(passages[split]):
            asked = choose_questions(passage, generator, unanswerable=unanswerable)
            name = f"{language.code}-{split}-{number:03d}"
            qas = [squad_question(one, f"{name}-{place}", unanswerable) for place, one in enumerate(asked)]
            paragraphs.append({"context": passage.context, "qas": qas})
        write_squad(folder / f"{split}.json", paragraphs, version="2.0" if unanswerable else "1.1")


def choose_questions(passage: Passage, generator: random.Random, *, unanswerable: bool) -> list[Question]:
    """The questions about a passage in a file."""
    answered = [one for one in passage.questions if one.answer]
    chosen = pick_several(answered, QUESTIONS_A_PASSAGE, generator)
    if unanswerable:
        chosen[0] = pick([one for one in passage.questions if not one.answer], generator)
        chosen = pick_several(chosen, len(chosen), generator)
    return chosen


def squad_question(question: Question, identity: str, unanswerable: bool) -> dict[str, object]:
    answers = [{"text": question.answer, "answer_start": question.start}] if question.answer else []
    row: dict[str, object] = {"question": question.text, "id": identity, "answers": answers}
    return {**row, "is_impossible": not answers} if unanswerable else row


def write_kinds(passages: dict[Split, list[Passage]], folder: Path, language: Language) -> None:
    """A question and the sentence that answers it, labelled by the kind of the answer: four classes by number."""
    for split in SPLITS:
        generator = random.Random(f"{SEED} kinds {language.code} {split}")
        by_kind: list[list[Question]] = [[], [], [], []]
        for question in (one for passage in passages[split] for one in passage.questions if one.answer):
            by_kind[language.answer_types[question.slot]].append(question)
        rows: dict[str, str] = {}
        while len(rows) < KINDS[split]:
            kind = len(rows) % len(by_kind)
            one = pick(by_kind[kind], generator)
            rows.setdefault(f"{one.text}{language.sentence_glue}{one.sentence}", str(kind))
        write_table(folder / f"{split}.tsv", ("label", "text_a"), ((label, text) for text, label in rows.items()))


def write_answer_pairs(passages: dict[Split, list[Passage]], folder: Path, language: Language) -> None:
    """A question and a sentence of its passage: 1 if the sentence answers the question, else 0, in equal numbers."""
    for split in SPLITS:
        generator = random.Random(f"{SEED} answer pairs {language.code} {split}")
        rows: dict[tuple[str, str], str] = {}
        while len(rows) < ANSWER_PAIRS[split]:
            passage = pick(passages[split], generator)
            question = pick([one for one in passage.questions if one.answer], generator)
            others = sorted({one.sentence for one in passage.questions if one.answer} - {question.sentence})
            label = len(rows) % 2
            rows.setdefault((question.text, question.sentence if label else pick(others, generator)), str(label))
        table = ((label, *pair) for pair, label in rows.items())
        write_table(folder / f"{split}.tsv", ("label", "text_a", "text_b"), table)


def write_plain_text(passages: dict[Split, list[Passage]], folder: Path) -> None:
    """The passages and the requests as plain text, for masked language modelling."""
    for split in ("train", "dev"):
        requests = (folder / "intent" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        texts = [passage.context for passage in passages[split]] + [row.split("\t")[1] for row in requests]
        write_table(folder / "mlm" / f"{split}.tsv", ("text_a",), ((text,) for text in texts))


def write_squad(file: Path, paragraphs: Sequence[dict[str, object]], *, version: str) -> None:
    """SQuAD json, one paragraph per line."""
    rows = ",\n".join(json.dumps(paragraph, ensure_ascii=False) for paragraph in paragraphs)
    write_lines(file, [f'{{"version": "{version}", "data": [{{"title": "travel", "paragraphs": [', rows, "]}]}"])


def write_table(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    write_lines(file, ["\t".join(row) for row in (header, *rows)])


def write_lines(file: Path, lines: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(("\n".join(lines) + "\n").encode("utf-8"))


if __name__ == "__main__":
    main()
