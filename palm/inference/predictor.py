"""Prediction with an inference model: one record per row, in the order of the input."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palm.config.run_config import TaskConfig
from palm.data.dataset import Dataset, GivenRow
from palm.distributed.ranks import ONE, Ranks
from palm.engine.model import MultiTaskModel
from palm.engine.predict import run_with, score
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, Problem
from palm.inference.bundle import load_bundle
from palm.inference.encode import encode_texts
from palm.inference.int8 import Int8Measurement, int8_use, measurement_file, write_measurement
from palm.inference.measure_int8 import measure_int8
from palm.inference.precision import PredictionPrecision, check_precision
from palm.inference.prediction_rows import with_rows
from palm.inference.runtime import PalmRuntime, Runtime, compute_with
from palm.locale.current import translated
from palm.paradigm.base import Paradigm, Prediction
from palm.reader.base import Reader
from palm.reader.fields import TableFields
from palm.reader.formats.columns import possible_names
from palm.reader.formats.row_table import GivenData, RowTable
from palm.reader.formats.sources import as_table, data_name
from palm.reader.loading import load_dataset, load_rows
from palm.schema.fields import Kernels, Precision


@dataclass(frozen=True)
class PrecisionKeys:
    """The precision that predictions are asked for; None for what the task says.

    Attributes:
        precision: `auto`, `float32`, `bf16` or `int8`.
        max_drop: Points of the main metric that int8 may cost.
        allow_unmeasured: Whether int8 may be used without a measurement.
    """

    precision: Precision | None = None
    max_drop: float | None = None
    allow_unmeasured: bool | None = None

    def of_task(self, task: TaskInstance, model: MultiTaskModel, int8_file: Path) -> PredictionPrecision:
        """The precision of `task`.

        Raises:
            ConfigError: There is no kernel for it, or int8 is not measured or costs too much.
        """
        settings = task.settings
        wanted = self.precision or settings.precision
        most = settings.max_drop if self.max_drop is None else self.max_drop
        unmeasured = settings.allow_unmeasured if self.allow_unmeasured is None else self.allow_unmeasured
        int8 = int8_use(wanted, int8_file, max_drop=most, allow_unmeasured=unmeasured)
        return PredictionPrecision(wanted, model, int8)


class Predictor:
    """An inference model that predicts files and rows; it needs none of the training files.

    Args:
        folder: The inference model of a task; or that of a run, with `task`, or with a single head.
        task: The task in the current configuration; its keys override those of the training run.
        kernels: The encoder's kernels on the CPU: `auto`, `fused` or `plain`.
        keep_columns: Further columns of a file that predictions keep; those of `task` by default.
        precision: `auto` (as the model was trained, but batches so small that float32 is faster here in float32; in
            int8 where `measure_int8` found that it pays), `float32`, `bf16` or `int8`; by default that of `task`, or
            `auto`.
        max_drop: Points (hundredths) of the main metric that int8 may cost; by default that of `task`, or 0.3.
        allow_unmeasured: Whether `int8` may be used without a measurement; by default that of `task`, or not.

    Raises:
        ConfigError: `folder` is no path, the model's reader keeps no columns, there is no kernel for `precision`, or
            int8 is not measured or costs too much.
        CheckpointError: The folder is missing, damaged, of another format, or does not fit `task`.
    """

    def __init__(
        self,
        folder: Path | str,
        task: TaskConfig | None = None,
        *,
        kernels: Kernels = "auto",
        keep_columns: Sequence[str] | None = None,
        precision: Precision | None = None,
        max_drop: float | None = None,
        allow_unmeasured: bool | None = None,
    ) -> None:
        check_precision(precision or "auto")
        place = _path(folder, "Predictor")
        bundle = load_bundle(place, task, kernels)
        file = measurement_file(place, bundle.task.name)
        use = PrecisionKeys(precision, max_drop, allow_unmeasured).of_task(bundle.task, bundle.model, file)
        self._use(bundle.task, PalmRuntime(bundle.model, {bundle.task.name: use}), file)
        if keep_columns is not None:
            self._keep(keep_columns)

    def _use(self, task: TaskInstance, runtime: Runtime, int8_file: Path) -> None:
        self._task, self._runtime, self._int8_file = task, runtime, int8_file

    @classmethod
    def of_task(
        cls, task: TaskInstance, runtime: Runtime, int8_file: Path, keep_columns: Sequence[str] | None = None
    ) -> "Predictor":
        """The predictor of a task that is loaded.

        Args:
            task: The task.
            runtime: Computes its head; it may be that of other tasks, too.
            int8_file: Where the cost of int8 is kept, from `measurement_file`.
            keep_columns: Further columns of a file that predictions keep.

        Raises:
            ConfigError: The reader keeps no columns.
        """
        predictor = cls.__new__(cls)
        predictor._use(task, runtime, int8_file)
        if keep_columns is not None:
            predictor._keep(keep_columns)
        return predictor

    @property
    def instance(self) -> TaskInstance:
        """The task without data."""
        return self._task

    @property
    def runtime(self) -> Runtime:
        """What computes its head."""
        return self._runtime

    @property
    def paradigm(self) -> Paradigm:
        """The paradigm of the model."""
        return self._task.paradigm

    @property
    def reader(self) -> Reader:
        """The reader of the model, which knows its labels."""
        return self._task.reader

    @property
    def task(self) -> str:
        """The name of the task that the model was trained for."""
        return self._task.name

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of a row to predict."""
        return self._task.reader.text_columns

    @property
    def known_names(self) -> list[str]:
        """Names that the columns of a row may have: PALM's, those of the key `columns`, and names that people use."""
        config = self._task.reader.config
        return possible_names(config) if isinstance(config, TableFields) else []

    @property
    def precision(self) -> str:
        """The precision of predictions in words: `predicts in float32`."""
        return self._runtime.precision(self.task)

    def __call__(self, rows: Sequence[GivenRow]) -> list[Prediction]:
        """The same as `predict_rows`."""
        return self.predict_rows(rows)

    def __repr__(self) -> str:
        return f"Predictor({self.task}: {translated(self.precision)})"

    def predict(self, file: Path | str | GivenData, *, ranks: Ranks = ONE) -> list[Prediction]:
        """Predict each row of `file`; no gold column is needed.

        Each prediction also has the row's `id` if it has one, its texts, its gold label as `gold`, the columns of
        `keep_columns`, and `truncated` if a text was cut.

        Args:
            file: The data.
            ranks: The processes that predict it together: all of them call this, each computes some of the batches, and
                all return all predictions.

        Raises:
            ConfigError: `file` is no path, or a column to keep has the name of a field of predictions.
            DataError: Every problem, with file and line.
        """
        return self._predictions(self.read_file(file), ranks)

    def read_file(self, file: Path | str | GivenData) -> Dataset:
        """Tokenise a file, as `predict` does, for `RunPredictor.predict_datasets`.

        Raises:
            ConfigError: `file` is no path.
            DataError: Every problem, with file and line.
        """
        return load_dataset(self.reader, data_name(file), "predict")

    def predict_rows(self, rows: Sequence[GivenRow] | GivenData) -> list[Prediction]:
        """Predict each of `rows`, in their order, as if they were in a file; `id` and texts are kept as in `predict`.

        Args:
            rows: Mappings of PALM's columns, `{"text_a": …, "text_b": …}`, of those of the key `columns`, or of names
                that people use, such as `premise` and `hypothesis`, which is reported once; for a reader with a single
                text, the text itself. For mrc `{"question": …, "context": …}` (`id` is by default the row's number,
                from 0), or paragraphs as in SQuAD, with one prediction per question.

        Raises:
            DataError: Every problem, with its row (`rows[2]`).
            ConfigError: A user's reader that only reads files.
        """
        return self._predictions(self.read_rows(rows)) if len(as_table(rows)) else []

    def read_rows(self, rows: Sequence[GivenRow] | GivenData) -> Dataset:
        """Tokenise at least one row, as `predict_rows` does, for `RunPredictor.predict_datasets`.

        Raises:
            DataError: Every problem, with its row (`rows[2]`).
            ConfigError: A user's reader that only reads files.
        """
        table = as_table(rows)
        given = table if isinstance(rows, RowTable) or table.columns else rows
        return load_rows(self.reader, given, "predict")

    def encode(self, texts: Sequence[str], *, normalize_embeddings: bool = False, batch_size: int = 32) -> np.ndarray:
        """A vector for each text, in order: float32[text hidden], as in sentence-transformers.

        Of a task with the paradigm `embed` or `embed_pairs` it is the one that the head was trained for. Of any other
        task it is the mean over the tokens, [CLS] and [SEP] included, of what its head sees of the encoder.

        Args:
            texts: The texts; each is cut to the task's max_seq_len.
            normalize_embeddings: Whether each vector has length 1, so that a dot product is a cosine.
            batch_size: Texts of one pass.

        Raises:
            ConfigError: An exported graph of a task that embeds no texts.
            DataError: A text that is no string.
        """
        return encode_texts(texts, self._task, self._runtime, normalize=normalize_embeddings, batch_size=batch_size)

    def evaluate(self, file: Path | str | GivenData) -> dict[str, float]:
        """Evaluate a file with gold labels: the mean loss and each metric's values, as fractions of 1.

        Raises:
            DataError: Every problem, with file and line.
            RegistryError: An unknown metric.
        """
        return self.evaluate_dataset(load_dataset(self.reader, data_name(file), "eval"))

    def evaluate_dataset(self, dataset: Dataset, *, ranks: Ranks = ONE) -> dict[str, float]:
        """Evaluate data that `reader` has read, like a file in `evaluate`; with several `ranks` as `predict` does.

        Raises:
            RegistryError: An unknown metric.
        """
        found = run_with(compute_with(self._runtime), self._task, dataset, "eval", ranks=ranks)
        return score(self._task, found, dataset)

    def measure_int8(self, file: Path | str | GivenData) -> Int8Measurement:
        """Evaluate a file with gold labels in float32 and in int8, and keep the result in the model's folder.

        Predictors that are loaded afterwards with `precision="int8"` or `"auto"` go by it.

        Raises:
            ConfigError: This machine or this model does not compute in int8.
            CheckpointError: The folder cannot be written.
            DataError: Every problem, with file and line.
        """
        return self.measure_int8_on(load_dataset(self.reader, data_name(file), "eval"))

    def measure_int8_on(self, dataset: Dataset) -> Int8Measurement:
        """The same on data that `reader` has read."""
        if not isinstance(self._runtime, PalmRuntime):
            rule = "the cost of int8 is measured in PALM's own kernels."
            raise ConfigError(Problem("runtime", f"{rule} Found runtime `{self._runtime.name}`. Leave it out."))
        found = measure_int8(self._runtime.model, self._task, dataset, self._int8_file.parent)
        write_measurement(found, self._int8_file)
        return found

    def _predictions(self, dataset: Dataset, ranks: Ranks = ONE) -> list[Prediction]:
        found = run_with(compute_with(self._runtime), self._task, dataset, "predict", ranks=ranks)
        return with_rows(found.predictions, dataset, self.reader)

    def _keep(self, columns: Sequence[str]) -> None:
        reader = self._task.reader
        if "keep_columns" not in type(reader.config).model_fields:
            rule = f"the reader `{type(reader).__name__}` keeps no columns: it has no key keep_columns."
            raise ConfigError(Problem("keep_columns", f"{rule} Leave it out."))
        reader.config = reader.config.model_copy(update={"keep_columns": list(columns)})


def _path(value: object, where: str) -> Path:
    if not isinstance(value, str | Path):
        rule = f"a path is expected. Found {type(value).__name__} `{value}`."
        raise ConfigError(Problem(where, f"{rule} Pass a string or a Path; texts go to predict_rows."))
    return Path(value)
