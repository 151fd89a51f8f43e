"""Writes the data of `palm demo`: more values and more rows to train on; dev and test are those of data/travel.

python data/generate_demo.py            overwrites palm/cli/demo_files
python data/generate_demo.py --out DIR  writes to another folder
"""

import argparse
import json
import random
import shutil
from pathlib import Path

from generate import QUESTIONS_A_PASSAGE, squad_question, write_lines, write_squad, write_table
from grammar.demo import DEMO_LANGUAGES
from grammar.language import Language
from grammar.passages import draw_passage
from grammar.requests import draw_requests
from grammar.templates import pick_several, tagged_words

HERE = Path(__file__).parent
REQUESTS = 1440
SHOWN = 5
PASSAGES = {1: 240, 2: 240}
"""Facts that a passage tells of each traveller → passages: the short ones teach whom a sentence is about."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE.parent / "palm" / "cli" / "demo_files")
    folder = parser.parse_args().out
    for language in DEMO_LANGUAGES:
        own = folder / language.code / "demo_data"
        write_training(language, own)
        write_lines(
            own / "shown_rows.json",
            shown_rows(HERE / "travel" / language.code, glue="" if language.by_character else " "),
        )
        for name in ("intent/{}.tsv", "slots/{}.tsv", "mrc/{}.json"):
            for split in ("dev", "test"):
                (own / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(HERE / "travel" / language.code / name.format(split), own / name.format(split))


def write_training(language: Language, folder: Path) -> None:
    """The training files of one language."""
    generator = random.Random(f"demo requests {language.code}")
    requests = draw_requests(language, "train", REQUESTS, generator, evaluated_texts(language))
    write_table(folder / "intent" / "train.tsv", ("label", "text_a"), ((one.intent, one.text) for one in requests))
    tagged = [tagged_words(one.pieces, language.types, by_character=language.by_character) for one in requests]
    rows = ((" ".join(words), " ".join(tags)) for words, tags in tagged)
    write_table(folder / "slots" / "train.tsv", ("text_a", "label"), rows)
    write_squad(folder / "mrc" / "train.json", draw_paragraphs(language), version="1.1")


def shown_rows(data: Path, glue: str) -> list[str]:
    """The first rows of each test file, with what is right, as JSON."""
    rows: list[dict[str, object]] = []
    for label, text in first_rows(data / "intent" / "test.tsv"):
        rows.append({"task": "intent", "row": text, "shown": text, "gold": label, "field": "label"})
    for text, tags in first_rows(data / "slots" / "test.tsv"):
        gold = ", ".join(f"{kind} = {found}" for kind, found in spans(text.split(), tags.split(), glue))
        rows.append({"task": "slots", "row": text, "shown": glue.join(text.split()), "gold": gold, "field": "spans"})
    paragraphs = json.loads((data / "mrc" / "test.json").read_text(encoding="utf-8"))["data"][0]["paragraphs"]
    asked = [(paragraph["context"], qa) for paragraph in paragraphs for qa in paragraph["qas"]]
    for context, qa in asked[:SHOWN]:
        row = {"question": qa["question"], "context": context}
        gold = qa["answers"][0]["text"]
        rows.append(
            {"task": "answer", "row": row, "shown": f"{qa['question']} {context}", "gold": gold, "field": "text"}
        )
    return ["[", ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "]"]


def first_rows(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1 : SHOWN + 1]]


def spans(words: list[str], tags: list[str], glue: str) -> list[tuple[str, str]]:
    """Type and text of each span of BIO tags."""
    found: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        letter, _, kind = tag.partition("-")
        if letter == "B":
            found.append((kind, [word]))
        elif letter == "I":
            found[-1][1].append(word)
    return [(kind, glue.join(own)) for kind, own in found]


def evaluated_texts(language: Language) -> set[str]:
    """Requests of dev and test: some name no held-out value, so the same could be drawn."""
    files = [HERE / "travel" / language.code / "intent" / f"{split}.tsv" for split in ("dev", "test")]
    return {line.split("\t")[1] for file in files for line in file.read_text(encoding="utf-8").splitlines()[1:]}


def draw_paragraphs(language: Language) -> list[dict[str, object]]:
    """Passages with questions, long and short ones in random order."""
    generator = random.Random(f"demo passages {language.code}")
    lengths = pick_several(
        [told for told, count in PASSAGES.items() for _ in range(count)], sum(PASSAGES.values()), generator
    )
    paragraphs: list[dict[str, object]] = []
    for number, told in enumerate(lengths):
        passage = draw_passage(language, "train", generator, told)
        asked = pick_several([one for one in passage.questions if one.answer], QUESTIONS_A_PASSAGE, generator)
        name = f"{language.code}-demo-{number:03d}"
        qas = [squad_question(one, f"{name}-{place}", unanswerable=False) for place, one in enumerate(asked)]
        paragraphs.append({"context": passage.context, "qas": qas})
    return paragraphs


if __name__ == "__main__":
    main()
