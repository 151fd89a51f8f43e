"""`palm report`: the analyses of predictions on dev rows, made before the page is, where they are not kept already."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from palm.errors import PalmError
from palm.locale.current import translated_phrase, translated_word
from palm.storage.layout import RESOLVED_CONFIG

if TYPE_CHECKING:
    from palm.analysis.of_run import TaskProgress


def analyse_runs(folders: Sequence[Path], most_rows: int) -> None:
    """Analyse the predictions of runs on their dev rows; what fails is named on stderr, and the page lacks it.

    Args:
        folders: The runs.
        most_rows: Rows of a task, at most.
    """
    with_models = [folder for folder in folders if (folder / RESOLVED_CONFIG).is_file() and _has_model(folder)]
    if not with_models:
        return
    import palm  # noqa: PLC0415 (not needed for --help)

    palm.Controller  # noqa: B018 (sets Paddle up before it is imported)
    from palm.analysis.of_run import analyse_run  # noqa: PLC0415 (imports Paddle)

    for folder in with_models:
        try:
            with _bar() as progress:
                found = analyse_run(folder, most_rows=most_rows, progress=progress)
        except PalmError as error:
            sys.stderr.write(f"{folder.as_posix()}: predictions are not analysed: {str(error).splitlines()[0]}\n")
            continue
        for task, reason in found.left_out.items():
            sys.stderr.write(f"{folder.as_posix()}: predictions of {task} are not analysed: {reason.splitlines()[0]}\n")


def _has_model(folder: Path) -> bool:
    from palm.schema.saved_model import model_in  # noqa: PLC0415 (not needed for --help)

    return model_in(folder) is not None or any(
        model_in(place) is not None for place in folder.iterdir() if place.is_dir()
    )


@contextmanager
def _bar() -> "Iterator[TaskProgress]":
    """A bar on a terminal, for each task that is predicted."""
    from tqdm import tqdm  # noqa: PLC0415 (not needed for --help)

    bars: dict[str, tqdm[NoReturn]] = {}

    def show(task: str, done: int, whole: int) -> None:
        if task not in bars:
            for bar in bars.values():
                bar.close()
            what, unit = translated_phrase(f"predicting {task}"), translated_word("row")
            bars[task] = tqdm(total=whole, desc=what, unit=unit, leave=False, disable=None)
        bars[task].update(done - bars[task].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
