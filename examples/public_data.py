"""Turn public data sets into PALM's files: python public_data.py NAME --data DIR --out data

NAME is a data set in the list of `palm download --data`, DIR its download (or the same files from their source). It
writes train, dev (and test, if its gold is public) in the format of the task's reader; see docs/data-formats.md.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

Rows = Iterable[tuple[str, ...]]
Files = dict[str, str]
"""Required content of `--data` → written files."""


def sst2(data: Path, out: Path) -> None:
    """Sentiment of a sentence, English."""
    for split in ("train", "dev", "test"):
        write(out / f"{split}.tsv", ("label", "text_a"), label_last(data / f"sentiment-{split}"))


def tnews(data: Path, out: Path) -> None:
    """Topic of a headline, Chinese."""
    for split in ("train", "dev"):
        write(out / f"{split}.tsv", ("label", "text_a"), label_last(data / f"{split}.tsv"))


def mrpc(data: Path, out: Path) -> None:
    """Whether two sentences are paraphrases, English; every tenth training row is dev."""
    rows = [(row[0], row[3], row[4]) for row in table(data / "msr_paraphrase_train.txt")]
    header = ("label", "text_a", "text_b")
    write(out / "train.tsv", header, (row for number, row in enumerate(rows) if number % 10))
    write(out / "dev.tsv", header, rows[::10])
    test = ((row[0], row[3], row[4]) for row in table(data / "msr_paraphrase_test.txt"))
    write(out / "test.tsv", header, test)


def ocnli(data: Path, out: Path) -> None:
    """Whether one sentence follows from another, Chinese; rows without agreement are skipped."""
    for split, name in (("train", "train.10k.json"), ("dev", "dev.json")):
        rows = [row for row in json_lines(data / name) if row["label"] != "-"]
        pairs = ((row["label"], row["sentence1"], row["sentence2"]) for row in rows)
        write(out / f"{split}.tsv", ("label", "text_a", "text_b"), pairs)


def wnut17(data: Path, out: Path) -> None:
    """Named entities in tweets, English: CoNLL, copied."""
    names = {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"}
    for split, name in names.items():
        (out / f"{split}.conll").write_bytes((data / name).read_bytes())


def cluener2020(data: Path, out: Path) -> None:
    """Named entities in news, Chinese: a tag for each character; every tenth training row is dev."""
    rows = [tagged(row) for row in json_lines(data / "train.json")]
    write(out / "train.tsv", ("text_a", "label"), (row for number, row in enumerate(rows) if number % 10))
    write(out / "dev.tsv", ("text_a", "label"), rows[::10])
    write(out / "test.tsv", ("text_a", "label"), (tagged(row) for row in json_lines(data / "test.json")))


def policyqa(data: Path, out: Path) -> None:
    """Questions on privacy policies, English: training on the public dev file, evaluation on the test file."""
    (out / "train.json").write_bytes((data / "dev.json").read_bytes())
    (out / "dev.json").write_bytes((data / "test.json").read_bytes())


def cmrc2018(data: Path, out: Path) -> None:
    """Questions on Wikipedia, Chinese: training on the public dev file, evaluation on the trial file."""
    (out / "train.json").write_bytes((data / "cmrc2018_dev.json").read_bytes())
    (out / "dev.json").write_bytes((data / "cmrc2018_trial.json").read_bytes())


def atis(data: Path, out: Path) -> None:
    """Intent and slots of a question to an airline, English; the folders of snips have the same form."""
    for split in ("train", "dev", "test"):
        words, tags, intents = (lines(data / split / name) for name in ("seq.in", "seq.out", "label"))
        texts = [sentence.strip() for sentence in words]
        write(out / f"intent.{split}.tsv", ("label", "text_a"), zip(intents, texts, strict=True))
        rows = ((text, sentence.strip()) for text, sentence in zip(texts, tags, strict=True))
        write(out / f"slots.{split}.tsv", ("text_a", "label"), rows)


_ALL = (sst2, tnews, mrpc, ocnli, wnut17, cluener2020, policyqa, cmrc2018, atis)
SETS = {function.__name__: function for function in _ALL} | {"snips": atis}


def tagged(row: dict) -> tuple[str, str]:
    """Characters and their BIO tags, from `{type: {text: [[first, last]]}}`; blanks have none."""
    text = row["text"]
    tags = ["O"] * len(text)
    for kind, mentions in row["label"].items():
        for first, last in (place for places in mentions.values() for place in places):
            tags[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    kept = [(character, tag) for character, tag in zip(text, tags, strict=True) if not character.isspace()]
    return " ".join(character for character, _ in kept), " ".join(tag for _, tag in kept)


def label_last(file: Path) -> Iterator[tuple[str, str]]:
    for line in lines(file):
        text, _, label = line.rpartition("\t")
        yield label.strip(), text.strip()


def table(file: Path) -> Iterator[list[str]]:
    """Rows of a tsv with a header; quotes are ordinary characters."""
    return csv.reader(lines(file)[1:], delimiter="\t", quoting=csv.QUOTE_NONE)


def json_lines(file: Path) -> Iterator[dict]:
    return (json.loads(line) for line in lines(file))


def lines(file: Path) -> list[str]:
    return [line.rstrip("\r") for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]


def write(file: Path, header: tuple[str, ...], rows: Rows) -> None:
    body = "".join("\t".join(cell.replace("\t", " ") for cell in row) + "\n" for row in (header, *rows))
    file.write_text(body, encoding="utf-8")


def prepare(name: str, data: Path, out: Path) -> None:
    """Write the files of the data set `name`."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        SETS[name](data, out)
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = f"{data}: does not contain the public files of {name} ({error})."
        raise SystemExit(f"{reason} See palm download --data.") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    args = parser.parse_args()
    prepare(args.name, args.data, args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
