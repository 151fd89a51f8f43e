"""Trains each public shape of data for two steps and predicts it: `python -m benchmarks.formats.data`.

Each shape of `benchmarks/formats/shapes.py` is written into a folder of its own, checked, trained for two steps on a
small random encoder and predicted by `palm.Controller`. A row of the table says which keys it took beside `reader`,
`paradigm` and `train_file`, how many rows were read, and what happened. Shapes that PALM does not read must be refused
with words that say why.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import palm
from benchmarks.formats.shapes import SHAPES, Shape
from palm.errors import PalmError

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True)
class Outcome:
    """What happened to a shape.

    Attributes:
        shape: The shape.
        rows: Rows that were read; 0 where the file was refused.
        message: The first line of the error, if there was one.
        as_expected: Whether all rows were read and predicted; or it was refused as it should be.
    """

    shape: Shape
    rows: int
    message: str
    as_expected: bool


def try_shape(shape: Shape, folder: Path) -> Outcome:
    """Write, check, train and predict one shape in `folder`."""
    folder.mkdir(parents=True)
    shape.write(folder / shape.file)
    try:
        rows = _run(shape, folder)
    except PalmError as error:
        message = str(error).replace(f"{folder}/", "").splitlines()[0]
        return Outcome(shape, 0, message, as_expected=not shape.rows and shape.says in str(error))
    return Outcome(shape, rows, "", as_expected=rows == shape.rows)


def _run(shape: Shape, folder: Path) -> int:
    """The number of records that were read."""
    vocab = list(dict.fromkeys([*SPECIAL, *_characters()]))
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    task: dict[str, Any] = {"reader": shape.reader, "paradigm": shape.paradigm or shape.reader, **shape.keys}
    task |= {"train_file": shape.file, "pred_file": shape.file}
    config = {
        "tasks": {"t": task}, "backbone": "bert", **SIZES, "vocab_size": len(vocab), "vocab_path": "vocab.txt",
        "max_position_embeddings": 64, "do_lower_case": True, "max_seq_len": 48, "batch_size": 4, "max_steps": 2,
        "use_gpu": False, "save_path": "out",
    }  # fmt: skip
    with chdir(folder), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        controller = palm.Controller(config, overrides=[])
        controller.train()
        predictions = controller.pred("t") if shape.reader != "mlm" else []  # to predict, mlm needs [MASK]
        records = controller._tasks[0].training_data.records
    if shape.reader not in ("mlm", "mrc") and len(predictions) < len(records):
        return -1
    return len(records)


def _characters() -> Iterator[str]:
    """All characters of the shapes, so that nothing is unknown."""
    text = Path(__file__).with_name("shapes.py").read_text(encoding="utf-8").lower()
    for character in sorted(set(re.sub(r"\s", "", text)) | set("0123456789abcdefghijklmnopqrstuvwxyzé£ü")):
        yield from (character, f"##{character}")


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table of what ran."""
    lines = ["| shape | file | reader | further keys | rows | result |", "|---|---|---|---|---:|---|"]
    for found in outcomes:
        shape = found.shape
        keys = ", ".join(f"`{key}: {json.dumps(value, ensure_ascii=False)}`" for key, value in shape.keys.items())
        reader = shape.reader if not shape.paradigm else f"{shape.reader}, {shape.paradigm}"
        result = ("trained, predicted" if found.rows else "refused by name") if found.as_expected else "**failed**"
        note = f": {found.message}" if found.message and not found.as_expected else ""
        lines.append(f"| {shape.name} | `{shape.file}` | {reader} | {keys} | {found.rows} | {result}{note} |")
    trained = sum(found.as_expected and found.rows > 0 for found in outcomes)
    refused = sum(found.as_expected and not found.rows for found in outcomes)
    without_keys = sum(found.as_expected and found.rows > 0 and not found.shape.keys for found in outcomes)
    total = f"{len(outcomes)} shapes: {trained} trained and predicted ({without_keys} of them without a further key)"
    return "\n".join([*lines, "", f"{total}, {refused} refused by name, {len(outcomes) - trained - refused} failed."])


def try_all(names: Sequence[str] = ()) -> list[Outcome]:
    """Try all shapes, or those whose names contain one of `names`."""
    home = Path(tempfile.mkdtemp(prefix="palm-shapes-"))
    try:
        shapes = [shape for shape in SHAPES if not names or any(part in shape.name for part in names)]
        return [try_shape(shape, home / str(number)) for number, shape in enumerate(shapes)]
    finally:
        shutil.rmtree(home)


def main(words: Sequence[str] | None = None) -> int:
    """Run all shapes, or those whose names contain the given words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of shapes (default: all)")
    chosen = parser.parse_args(words).names
    outcomes = try_all(chosen)
    sys.stdout.write(markdown(outcomes) + "\n")
    return int(not all(found.as_expected for found in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
