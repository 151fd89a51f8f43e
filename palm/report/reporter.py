"""Where a run's words and figures go: the terminal with its bar, log.txt, and metrics.jsonl."""

import json
import sys
from pathlib import Path
from types import TracebackType

from tqdm.auto import tqdm

from palm.storage.atomic_directory import writing
from palm.storage.layout import LOG_FILE, METRICS_FILE


def say(line: str) -> None:
    """One line for people where no run is under way."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _is_widget() -> bool:
    """Whether the bar is one of a notebook, which needs no terminal."""
    return any(kind.__name__ == "tqdm_notebook" for kind in tqdm.__mro__)


class Reporter:
    """Says lines on the terminal (above the progress bar) and in `log.txt`, and appends figures to `metrics.jsonl`.

    Args:
        folder: The run's save_path; it is made if it is not there.
        total_steps: Length of the progress bar, in global steps.
        done_steps: Steps that a resumed run has behind it.

    Raises:
        CheckpointError: The folder cannot be written.
    """

    def __init__(self, folder: Path, *, total_steps: int, done_steps: int = 0) -> None:
        with writing(folder, "save_path"):
            folder.mkdir(parents=True, exist_ok=True)
            self._log = (folder / LOG_FILE).open("a", encoding="utf-8", buffering=1)
            self._metrics = (folder / METRICS_FILE).open("a", encoding="utf-8", buffering=1)
        self._bar = tqdm(
            total=total_steps,
            initial=done_steps,
            unit="step",
            file=sys.stderr,
            disable=not (sys.stderr.isatty() or _is_widget()),
            leave=False,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._log.close()
        self._metrics.close()

    def say(self, line: str) -> None:
        """One line for people."""
        self._bar.write(line, file=sys.stdout)
        sys.stdout.flush()
        self._log.write(line + "\n")

    def record(self, figures: dict[str, object]) -> None:
        """One JSON line for programs."""
        self._metrics.write(json.dumps(figures, ensure_ascii=False) + "\n")

    def advance(self) -> None:
        """One step more on the bar."""
        self._bar.update(1)
