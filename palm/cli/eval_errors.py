"""`palm eval --errors`: the rows that tasks got wrong, collected in the pass that also gives their metrics."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError, Problem, counted
from palm.storage.atomic_directory import os_errors_as

if TYPE_CHECKING:
    from palm.analysis.task_analysis import WrongRow
    from palm.data.dataset import Dataset
    from palm.inference.predictor import Predictor

OPTION = "--errors"


class ErrorsTable:
    """The rows of one file of errors.

    Args:
        file: The file to write.
        data: The file that is evaluated, if one is named.
        precision: What --precision says.

    Raises:
        ConfigError: The file cannot be one of errors.
    """

    def __init__(self, file: Path, data: str | None, precision: str | None) -> None:
        self._file = file.expanduser()
        _check(self._file, data, precision)
        self._rows: dict[str, list[WrongRow]] = {}
        self._cells: dict[str, Mapping[int, object]] = {}
        self._said: list[str] = []

    def evaluate(self, predictor: "Predictor", dataset: "Dataset") -> dict[str, float]:
        """Metrics of a task, whose wrong rows are added to the table.

        Raises:
            ConfigError: The answers of the task cannot be compared with gold.
        """
        from palm.analysis.compared import compare_task  # noqa: PLC0415 (not needed for --help)
        from palm.analysis.errors_file import cells_of  # noqa: PLC0415 (as above)
        from palm.analysis.wrong_rows import wrong_rows  # noqa: PLC0415 (as above)
        from palm.paradigm.comparison import ComparedNumbers  # noqa: PLC0415 (as above)

        compared = compare_task(predictor, dataset)
        rows = self._rows[predictor.task] = wrong_rows(compared)
        self._cells[predictor.task] = cells_of(predictor.reader, dataset.file, rows)
        of = f"{len(rows)} of {counted(len(dataset.records), 'row')}"
        is_number = isinstance(compared.comparison, ComparedNumbers)
        what = f"{of} differ from gold, the farthest first" if is_number else f"{of} are wrong"
        self._said.append(f"{predictor.task}: {what}")
        return dict(compared.metrics)

    def write(self) -> None:
        """Write the table, and say how many rows it has.

        Raises:
            CheckpointError: The file cannot be written.
        """
        from palm.analysis.errors_file import write_errors  # noqa: PLC0415 (not needed for --help)

        with os_errors_as(self._file, OPTION):
            write_errors(self._rows, self._cells, self._file)
        total = counted(sum(map(len, self._rows.values())), "row")
        sys.stderr.write("".join(f"{line}\n" for line in self._said))
        sys.stderr.write(f"errors: {self._file.as_posix()} ({total}, worst first)\n")


def _check(file: Path, data: str | None, precision: str | None) -> None:
    problems = []
    if file.suffix.lower() != ".csv" or file.is_dir():
        problems.append(f"errors are written as a csv file. Found `{file}`. Name one that ends in .csv.")
    if (
        data is not None
        and file.exists()
        and Path(data).expanduser().exists()
        and file.samefile(Path(data).expanduser())
    ):
        problems.append(f"errors are written to another file than the data. Found `{file}`. Give another name.")
    if precision == "int8":
        problems.append("with --precision int8 two precisions are compared, and errors are of one. Leave one out.")
    if current_ranks().count > 1:
        problems.append("errors are collected by one process. Found several. Run it without a launcher.")
    if problems:
        raise ConfigError([Problem(OPTION, problem) for problem in problems])
