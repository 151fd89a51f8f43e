"""What `palm pred` writes and prints: a file of predictions, JSON lines, or on a terminal what they say."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palm.locale.streams import data_stream

if TYPE_CHECKING:
    from palm.inference.predictor import Predictor

Predictions = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Output:
    """Where predictions go.

    Attributes:
        place: Folder or file to write them to; None for none.
        most: How many to print; None for all.
        as_json: Print JSON lines also on a terminal.
        named: Whether they are of several tasks, and say of which.
        fewclue: Whether the file holds a label per row, as FewCLUE expects submissions.
    """

    place: Path | None = None
    most: int | None = None
    as_json: bool = False
    named: bool = False
    fewclue: bool = False

    def show(self, predictor: "Predictor", predictions: Predictions) -> None:
        """Write predictions if there is a place for them, and print them."""
        if self.place is not None:
            self._write(predictor, predictions, self.place)
        if self.as_json or not sys.stdout.isatty():
            self._print_json(predictor, predictions[: self.most])
        else:
            self._print(predictor, predictions[: self.most])

    def _write(self, predictor: "Predictor", predictions: Predictions, place: Path) -> None:
        """Write predictions; of several tasks, each to a place of its name."""
        from palm.inference.prediction_files import (  # noqa: PLC0415 (imports Paddle)
            is_file_name,
            write_predictions,
            write_submission,
        )

        if self.named:
            task = predictor.task
            place = place.with_name(f"{place.stem}.{task}{place.suffix}") if is_file_name(place) else place / task
        write = write_submission if self.fewclue else write_predictions
        file = write(predictor.paradigm, [dict(prediction) for prediction in predictions], place)
        sys.stderr.write(f"{predictor.task}: predictions saved at {file.as_posix()}\n")

    def _print_json(self, predictor: "Predictor", predictions: Predictions) -> None:
        from palm.inference.prediction_files import json_line  # noqa: PLC0415 (imports Paddle)

        task = {"task": predictor.task} if self.named else {}
        for prediction in predictions:
            _out(json_line({**task, **prediction}))

    def _print(self, predictor: "Predictor", predictions: Predictions) -> None:
        """What predictions say, below their texts if there are several."""
        if self.named:
            _out(f"[{predictor.task}]\n")
        for prediction in predictions:
            texts = [str(prediction[name]) for name in predictor.text_columns if name in prediction]
            if len(predictions) > 1 and texts:
                _out(" | ".join(texts) + "\n")
            for line in predictor.paradigm.describe(dict(prediction)):
                _out(f"  {line}\n")


def _out(text: str) -> None:
    """Write to stdout, which holds texts of the user; what its encoding lacks, as escapes."""
    stdout = data_stream(sys.stdout)
    encoding = stdout.encoding or "utf-8"
    stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stdout.flush()
