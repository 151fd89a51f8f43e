"""Turn the public ATIS files into PALM's tables.

python prepare.py --data DIR --out data

DIR is the folder data/atis of github.com/monologg/JointBERT: train/, dev/ and test/, each with seq.in (words), seq.out
(BIO tags) and label (intents), one utterance per line. It writes intent.{train,dev,test}.tsv and
slots.{train,dev,test}.tsv with the same utterances in the same order.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

SPLITS = ("train", "dev", "test")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/, dev/ and test/")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder to write to (default: data)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        for split in SPLITS:
            count = prepare(args.data / split, args.out, split)
            print(f"{split}: {count} utterances")
    except (OSError, ValueError) as error:
        print(f"prepare.py: {error}", file=sys.stderr)
        return 2
    return 0


def prepare(folder: Path, out: Path, split: str) -> int:
    """Write the two tables of one split; returns the number of its utterances."""
    sentences, tags, intents = (read_lines(folder / name) for name in ("seq.in", "seq.out", "label"))
    if not len(sentences) == len(tags) == len(intents):
        found = f"{len(sentences)}, {len(tags)} and {len(intents)}"
        raise ValueError(f"{folder}: seq.in, seq.out and label have a line for each utterance. Found {found} lines.")
    for number, (sentence, tagged) in enumerate(zip(sentences, tags, strict=True), 1):
        if len(sentence.split()) != len(tagged.split()):
            found = f"{len(sentence.split())} words and {len(tagged.split())} tags"
            raise ValueError(f"{folder / 'seq.out'}:{number}: a tag for each word. Found {found}.")
    write_table(out / f"intent.{split}.tsv", ("label", "text_a"), zip(intents, sentences, strict=True))
    write_table(out / f"slots.{split}.tsv", ("text_a", "label"), zip(sentences, tags, strict=True))
    return len(sentences)


def read_lines(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]


def write_table(file: Path, header: Sequence[str], rows: "zip[tuple[str, str]]") -> None:
    lines = ["\t".join(row) for row in (header, *rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
