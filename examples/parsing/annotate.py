"""Write lemmas, parts of speech, features and trees into the columns of a CoNLL-U file.

    python annotate.py RUN SOURCE.conllu TARGET.conllu

All tasks of the run predict from one pass of the encoder. Only FORM is read, and columns without a task stay as they
are.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import palm
from palm.inference.run_predictor import RunPredictor

# What the columns hold, counted from 0: a task, and the name of its predictions.
COLUMNS = {
    2: ("lemmas", "lemmas"),
    3: ("upos", "labels"),
    5: ("feats", "labels"),
    6: ("trees", "heads"),
    7: ("trees", "relations"),
}


def sentences_of(file: Path) -> list[list[str]]:
    """The lines of each sentence, with its comments."""
    blocks = re.split(r"\n[ \t]*\n", file.read_text(encoding="utf-8-sig"))  # "\r\n" is "\n" by now
    return [[line for line in block.split("\n") if line] for block in blocks if block.strip()]


def is_word(line: str) -> bool:
    """Whether a line is that of a word: no comment, multiword range or empty node."""
    return line.partition("\t")[0].isdecimal()


def annotated(sentence: Sequence[str], columns: Mapping[int, Sequence[object]]) -> Iterator[str]:
    """The lines of a sentence with other values, a word each, in some columns."""
    word = 0
    for line in sentence:
        cells = line.split("\t")
        if is_word(line):
            for number, values in columns.items():
                cells[number] = str(values[word])
            word += 1
        yield "\t".join(cells)


def annotate(run: RunPredictor, source: Path, target: Path) -> None:
    """Write `source` with the predictions of all tasks of `run` to `target`."""
    sentences = sentences_of(source)
    rows = [{"words": [line.split("\t")[1] for line in lines if is_word(line)]} for lines in sentences]
    found = run.predict(rows)
    text = ""
    for number, sentence in enumerate(sentences):
        columns = {column: found[task][number][name] for column, (task, name) in COLUMNS.items() if task in found}
        text += "".join(f"{line}\n" for line in annotated(sentence, columns)) + "\n"
    target.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="save_path of a training")
    parser.add_argument("source", type=Path, help="CoNLL-U file")
    parser.add_argument("target", type=Path, help="the file to write")
    options = parser.parse_args()
    annotate(palm.load(options.run), options.source, options.target)


if __name__ == "__main__":
    main()
