"""Generate texts with spans within each other and relations between them, as doccano exports them.

    python make_data.py --out data

It writes train.jsonl, dev.jsonl and test.jsonl, half of their rows English and half Chinese, no text in two of them,
and vocab.txt with the characters and words of all. The data are made up, and the same every time.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

ROWS = {"train": 320, "dev": 40, "test": 40}
PEOPLE = {
    "en": ("Anna", "Bo", "Clara", "David", "Emma", "Farid", "Grace", "Hugo"),
    "zh": ("安娜", "李雷", "韩梅梅", "王芳", "张伟", "刘洋", "陈静", "赵敏"),
}
CITIES = {
    "en": ("Rome", "Paris", "Vienna", "Oslo", "Lima", "Kyoto"),
    "zh": ("北京", "上海", "杭州", "成都", "广州", "西安"),
}
PLACES = {
    "en": ("the University of {city}", "{city} Airport", "the City Hospital of {city}"),
    "zh": ("{city}大学", "{city}机场", "{city}市第一医院"),
}
# What a sentence says: a relation of the person to the organization, and where the person is from, if it says so.
SENTENCES = {
    "en": (
        ("{person} works at {organization}.", "works_at"),
        ("{person} from {home} studies at {organization}.", "studies_at"),
        ("Last year {organization} hired {person}.", "works_at"),
    ),
    "zh": (
        ("{person}在{organization}工作。", "works_at"),
        ("来自{home}的{person}在{organization}学习。", "studies_at"),
        ("去年{organization}聘请了{person}。", "works_at"),
    ),
}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def rows(language: str) -> Iterator[dict[str, object]]:
    """Every text of a language."""
    cities = CITIES[language]
    for person, city, place in product(PEOPLE[language], cities, PLACES[language]):
        for number, (sentence, relation) in enumerate(SENTENCES[language]):
            home = cities[(cities.index(city) + 1 + number) % len(cities)]
            yield row(sentence, relation, {"person": person, "city": city, "place": place, "home": home})


def row(sentence: str, relation: str, names: Mapping[str, str]) -> dict[str, object]:
    """A text with its entities, of which the city lies within the organization, and their relations."""
    organization = names["place"].format(city=names["city"])
    text = sentence.format(person=names["person"], organization=organization, home=names["home"])
    inner = text.index(organization) + organization.index(names["city"])
    found = {
        "PERSON": (text.index(names["person"]), names["person"]),
        "ORGANIZATION": (text.index(organization), organization),
        "CITY": (inner, names["city"]),
    }
    relations = [("PERSON", "ORGANIZATION", relation), ("ORGANIZATION", "CITY", "located_in")]
    entities = [(label, start, start + len(part)) for label, (start, part) in found.items()]
    if "{home}" in sentence:
        start = text.index(names["home"])
        entities.append(("CITY", start, start + len(names["home"])))
    numbered = [
        {"id": number, "label": label, "start_offset": start, "end_offset": end}
        for number, (label, start, end) in enumerate(entities, 1)
    ]
    ids = {label: number for number, label in enumerate(found, 1)}
    related = [{"from_id": ids[one], "to_id": ids[other], "type": kind} for one, other, kind in relations]
    if len(numbered) > len(found):
        related.append({"from_id": ids["PERSON"], "to_id": len(numbered), "type": "comes_from"})
    return {"text": text, "entities": numbered, "relations": related}


def words(text: str) -> set[str]:
    """Words of letters, and single characters."""
    spaced = "".join(sign if sign.isascii() and sign.isalpha() else f" {sign} " for sign in text)
    return set(spaced.lower().split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    every = {language: random.Random(1).sample([*rows(language)], sum(ROWS.values()) // 2) for language in SENTENCES}
    first = 0
    for split, count in ROWS.items():
        own = [row for found in every.values() for row in found[first : first + count // 2]]
        first += count // 2
        lines = [json.dumps(row, ensure_ascii=False) for row in random.Random(1).sample(own, len(own))]
        (out / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{split}: {count} texts")
    known = {word for found in every.values() for row in found for word in words(str(row["text"]))}
    (out / "vocab.txt").write_text("\n".join([*SPECIAL, *sorted(known)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
