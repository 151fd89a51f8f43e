"""Writes both tables, of data and of encoders: `python -m benchmarks.formats [FOLDER]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.formats import architectures, data

_RESULTS = Path(__file__).parents[1] / "results"
_COMMAND = "Written by `python -m benchmarks.formats`."
_DATA = f"""# Public shapes of data

Small files in the shapes of public data sets and exports, each trained for two steps and predicted on a random encoder.
"Further keys" are those beside `reader`, `paradigm` and `train_file`; `max_query_len` only fits the small encoder.
{_COMMAND}
"""
_ENCODERS = f"""# Public checkpoints

Small random models with the keys, names and files of public checkpoints. Each goes through `palm check`, `palm train`
(two tasks, {architectures.STEPS} steps), `palm pred` and `palm convert` to PALM and back. "Difference" is the largest
one of hidden states from those of transformers, on texts and pairs, which also have the same tokens. "Old" is the
format of PyTorch before version 1.6. {_COMMAND}
"""


def main(words: Sequence[str] | None = None) -> int:
    """Write the tables; 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=_RESULTS, help="where to write them")
    folder = parser.parse_args(words).folder
    shapes, tried = data.try_all(), architectures.try_all()
    for name, head, table in (
        ("data_shapes.md", _DATA, data.markdown(shapes)),
        ("architectures.md", _ENCODERS, architectures.markdown(tried)),
    ):
        (folder / name).write_text(f"{head}\n{table}\n", encoding="utf-8")
        sys.stdout.write(f"{folder / name}: {table.splitlines()[-1]}\n")
    return int(not all(found.as_expected for found in (*shapes, *tried)))


if __name__ == "__main__":
    raise SystemExit(main())
