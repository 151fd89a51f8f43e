"""Generate lists of reviews with how well each answers a question about a hotel.

    python make_data.py --out data

It writes train.jsonl, dev.jsonl and test.jsonl, half of their lists English and half Chinese, no list in two of them,
and vocab.txt with the characters and words of all. The data are made up, and the same every time.
"""

import argparse
import json
import random
from pathlib import Path

ROWS = {"train": 1200, "dev": 60, "test": 60}
CANDIDATES = 5
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# What a guest asks about, and how a review names it.
ASPECTS = {
    "en": {
        "breakfast": ("the breakfast", "the coffee in the morning"),
        "rooms": ("the room", "our room with two beds"),
        "location": ("the location", "the way to the station"),
        "staff": ("the staff", "the woman at the desk"),
        "wifi": ("the wifi", "the internet"),
    },
    "zh": {
        "早餐": ("早餐", "早上的咖啡"),
        "房间": ("房间", "我们的双床房"),
        "位置": ("位置", "到车站的路"),
        "服务": ("服务", "前台的女士"),
        "网络": ("无线网", "上网速度"),
    },
}
# How a review praises it: 3 is the highest relevance, 0 is kept for reviews of something else.
WORDS = {
    "en": {3: ("excellent", "the best we ever had"), 2: ("good", "quite nice"), 1: ("poor", "a disappointment")},
    "zh": {3: ("非常好", "是最好的"), 2: ("不错", "还可以"), 1: ("很差", "令人失望")},
}
QUESTIONS = {"en": "I want good {aspect}.", "zh": "我想要好的{aspect}。"}
REVIEWS = {
    "en": ("{subject} was {word}.", "We stayed two nights: {subject} was {word}."),
    "zh": ("{subject}{word}。", "住了两晚，{subject}{word}。"),
}


def review(language: str, aspect: str, grade: int, sampled: random.Random) -> str:
    """A sentence about one aspect of a hotel."""
    subject, word = sampled.choice(ASPECTS[language][aspect]), sampled.choice(WORDS[language][grade])
    text = sampled.choice(REVIEWS[language]).format(subject=subject, word=word)
    return text[0].upper() + text[1:]


def row(language: str, sampled: random.Random) -> dict[str, object]:
    """A question, candidates in any order, and the relevance of each: its praise if it is what is asked about, or 0."""
    aspects = list(ASPECTS[language])
    wanted = sampled.choice(aspects)
    others = [aspect for aspect in aspects if aspect != wanted]
    graded = [
        (wanted, 3),
        (wanted, 2),
        (wanted, 1),
        *((other, sampled.randint(1, 3)) for other in sampled.sample(others, 2)),
    ]
    sampled.shuffle(graded)
    return {
        "text_a": QUESTIONS[language].format(aspect=wanted),
        "choices": [review(language, aspect, grade, sampled) for aspect, grade in graded[:CANDIDATES]],
        "relevance": [grade if aspect == wanted else 0 for aspect, grade in graded[:CANDIDATES]],
    }


def words(text: str) -> set[str]:
    """Words of letters, and single characters."""
    spaced = "".join(sign if sign.isascii() and sign.isalpha() else f" {sign} " for sign in text)
    return set(spaced.lower().split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    sampled, seen, known = random.Random(1), set[str](), set[str]()
    for split, count in ROWS.items():
        lines: list[str] = []
        while len(lines) < count:
            found = row(("en", "zh")[len(lines) % 2], sampled)
            line = json.dumps(found, ensure_ascii=False)
            if line not in seen:
                seen.add(line)
                lines.append(line)
                known |= words(line)
        (out / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{split}: {count} lists")
    (out / "vocab.txt").write_text("\n".join([*SPECIAL, *sorted(known)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
