"""A worker that predicts a file with an exported model, as `palm pred --model` does. A lap is the whole file.

Settings: `folder` of the inference model, `file`, `precision` (`auto`, `float32`, `bf16` or `int8`), and `one_row`:
a lap is then one call with the file's first row, given in memory.
"""

import csv
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed.worker import Pace

if TYPE_CHECKING:
    import palm


def build(folder: str, precision: str) -> "palm.Predictor":
    """A Predictor of that precision.

    Raises:
        SystemExit: This version of PALM has no such key, and computes in float32 always.
    """
    import palm  # noqa: PLC0415 (stdout belongs to the pace by now)

    if "precision" in inspect.signature(palm.Predictor.__init__).parameters:
        unmeasured = {"allow_unmeasured": True} if precision == "int8" else {}  # speed alone is of interest here
        return palm.Predictor(folder, precision=precision, **unmeasured)  # type: ignore[arg-type]
    if precision != "float32":
        raise SystemExit("this version of PALM's Predictor has no `precision`")
    return palm.Predictor(folder)


def main() -> None:
    pace = Pace.of_process()
    predictor = build(pace.settings["folder"], pace.settings["precision"])
    file = Path(pace.settings["file"])
    pace.ready()
    if pace.settings["one_row"]:
        with file.open(encoding="utf-8", newline="") as opened:
            row = next(csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE))
        while True:
            pace.lap(len(predictor.predict_rows([row])))
    while True:
        pace.lap(len(predictor.predict(file)))


if __name__ == "__main__":
    main()
