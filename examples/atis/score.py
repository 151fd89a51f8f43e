"""Intent accuracy, slot F1 (seqeval's semantics) and sentence accuracy of two prediction files.

python score.py                                    after run.py: the test files
python score.py --data data --output output_model --split test

A sentence is correct if its intent and the tags of all its words are.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from palm.data.spans import spans_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the gold tables (default: data)")
    parser.add_argument("--output", type=Path, default=Path("output_model"), help="save_path of the run")
    parser.add_argument("--split", default="test", help="split of the gold tables (default: test)")
    args = parser.parse_args()
    intents = [row["label"] for row in read_predictions(args.output / "intent" / "predictions.json")]
    tags = [row["labels"] for row in read_predictions(args.output / "slots" / "predictions.json")]
    gold_intents = [row[0] for row in read_table(args.data / f"intent.{args.split}.tsv")]
    gold_tags = [row[1].split() for row in read_table(args.data / f"slots.{args.split}.tsv")]
    print(json.dumps(score(intents, tags, gold_intents, gold_tags)))


def score(
    intents: Sequence[str],
    tags: Sequence[Sequence[str]],
    gold_intents: Sequence[str],
    gold_tags: Sequence[Sequence[str]],
) -> dict[str, float]:
    """The three metrics, in percent."""
    right_intents = [found == gold for found, gold in zip(intents, gold_intents, strict=True)]
    right_tags = [list(found) == list(gold) for found, gold in zip(tags, gold_tags, strict=True)]
    both = [intent and slots for intent, slots in zip(right_intents, right_tags, strict=True)]
    found = {(row, span) for row, sequence in enumerate(tags) for span in spans_of(sequence)}
    gold = {(row, span) for row, sequence in enumerate(gold_tags) for span in spans_of(sequence)}
    return {
        "intent_accuracy": round(100 * sum(right_intents) / len(right_intents), 2),
        "slot_f1": round(200 * len(found & gold) / max(len(found) + len(gold), 1), 2),
        "sentence_accuracy": round(100 * sum(both) / len(both), 2),
        "sentences": len(both),
    }


def read_predictions(file: Path) -> list[dict]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_table(file: Path) -> list[list[str]]:
    """Rows of a tsv without its header."""
    with file.open(encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines][1:]


if __name__ == "__main__":
    main()
