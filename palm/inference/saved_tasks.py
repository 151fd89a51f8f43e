"""The tasks of a saved model, assembled without Paddle: readers, paradigms, labels and tokenizers, but no weights."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.shapes import check_shapes
from palm.config.run_config import TaskConfig
from palm.config.wiring import wiring_problems
from palm.data.dataset import LabelMap
from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance, paradigm_for
from palm.errors import CheckpointError, ConfigError, Problem
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import READERS
from palm.registry import did_you_mean
from palm.schema.facts import keys_where
from palm.schema.fields import Kernels, ReaderFields, Schema
from palm.schema.places import exists
from palm.schema.saved_model import SINGLE_HEAD, SavedComponent, SavedRun, SavedTask, validate_keys
from palm.schema.settings import TaskSettings
from palm.schema.validate import shown
from palm.storage.arrays import load_arrays
from palm.storage.atomic_directory import sha256_of
from palm.storage.layout import CONFIG_FILE, WEIGHTS_FILE

Fields = TypeVar("Fields", bound=Schema)
Arrays = Mapping[str, np.ndarray]


def load_tasks(
    folder: Path, saved: SavedRun, names: Sequence[str] | None = None, task_config: TaskConfig | None = None
) -> list[TaskInstance]:
    """Assemble tasks of a model, each as strictly as a task of a configuration.

    Args:
        folder: The model's folder, which holds the tokenizer.
        saved: Its description.
        names: The tasks; all of them by default.
        task_config: A task in the current configuration, for a single one: its batch sizes apply, and those keys of its
            reader and paradigm that it sets. Without it, the settings of the training run apply.

    Raises:
        ConfigError: There is no such task.
        CheckpointError: A part of the description is not valid, or does not fit another.
    """
    chosen = chosen_tasks(folder, saved, names)
    with description_errors(folder):
        backbone = backbone_of(folder, saved)
        tokenizers: _Tokenizers = {}
        tasks = [_assemble(folder, saved, task, task_config, tokenizers) for task in chosen]
        _check_fit(folder, saved, tasks, backbone)
    return tasks


def chosen_tasks(folder: Path, saved: SavedRun, names: Sequence[str] | None) -> list[SavedTask]:
    """The tasks called `names`, in this order; all of them by default.

    Raises:
        ConfigError: There is no such task, or none is asked for.
    """
    if names is None:
        return list(saved.tasks.values())
    if isinstance(names, str) or not names:
        rule = "tasks is a list of task names, at least one."
        raise ConfigError(Problem("tasks", f"{rule} Found {shown(names)}. Leave it out for all tasks of the model."))
    for name in names:
        if name not in saved.tasks:
            rule = f"{folder} has no task {shown(name)}.{did_you_mean(str(name), list(saved.tasks))}"
            raise ConfigError(Problem("tasks", f"{rule} Its tasks: {', '.join(saved.tasks)}."))
    return [saved.tasks[name] for name in dict.fromkeys(names)]


def head_weights(folder: Path, saved: SavedRun) -> dict[str, np.ndarray]:
    """The weights of a model by the names of a run's, `backbone.*` and `heads.<head>.*`.

    Raises:
        CheckpointError: The file is missing or not a safetensors file.
    """
    arrays = load_arrays(folder / WEIGHTS_FILE)
    if saved.of_run:
        return arrays
    single = f"{SINGLE_HEAD}."
    return {f"heads.{name}" if name.startswith(single) else name: array for name, array in arrays.items()}


def weights_for(weights: Arrays, saved: SavedRun, tasks: Sequence[TaskInstance]) -> dict[str, np.ndarray]:
    """The weights without the heads of other tasks than `tasks`; a name that is of no task stays, to be refused."""
    others = {task.head for task in saved.tasks.values()} - {task.head for task in tasks}
    prefixes = tuple(f"heads.{head}." for head in others)
    return {name: array for name, array in weights.items() if not name.startswith(prefixes)}


def backbone_of(folder: Path, saved: SavedRun, kernels: Kernels = "auto") -> Backbone:
    """The backbone of a model, without parameters."""
    kind = BACKBONES[saved.backbone.name]
    keys = {**saved.backbone.config, "kernels": kernels}
    return kind(validate_keys(kind.Config, keys, file=folder / CONFIG_FILE, part="backbone"))


@contextmanager
def description_errors(folder: Path) -> Iterator[None]:
    """Turn what a wrong description of a model raises into an error that names its folder.

    Raises:
        CheckpointError: A component's own rule, the vocabulary's, or whatever else went wrong.
    """
    file = folder / CONFIG_FILE
    try:
        yield
    except ConfigError as error:
        raise CheckpointError("\n".join(f"{folder}: {problem}" for problem in error.problems)) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        advice = "Export it again."
        raise CheckpointError(f"{file}: is not a valid description of a model ({error}). {advice}") from error


def check_weights(folder: Path, weights: Arrays, backbone: Backbone, tasks: Sequence[TaskInstance]) -> None:
    """Refuse weights of another shape than the configuration says, before memory is taken for the latter.

    Raises:
        CheckpointError: Naming the first that differs, or a head that is larger than its weights.
    """
    prefix = "backbone."
    found = {
        name.removeprefix(prefix): tuple(array.shape) for name, array in weights.items() if name.startswith(prefix)
    }
    check_shapes(found, backbone.shapes(), where=str(folder / WEIGHTS_FILE))
    longest = max((length for array in weights.values() for length in array.shape), default=0)
    for task in tasks:
        lengths = [*task.paradigm.head_shape(backbone.config), task.paradigm.config.sharing_size]
        too_large = [size for size in lengths if isinstance(size, int) and size > longest]
        if too_large:
            rule = f"the head is no larger than its weights, which have at most {longest} rows or columns."
            raise CheckpointError(f"{folder / CONFIG_FILE}: {rule} Found {too_large[0]}. Export the model again.")


def _assemble(
    folder: Path, saved: SavedRun, task: SavedTask, task_config: TaskConfig | None, tokenizers: "_Tokenizers"
) -> TaskInstance:
    _refuse_other_components(folder, task, task_config)
    reader_class, paradigm_class = READERS[task.reader.name], PARADIGMS[task.paradigm.name]
    reader_config = _merged(
        task.reader, reader_class.Config, task_config.reader if task_config else None, folder, part="reader"
    )
    paradigm_config = _merged(
        task.paradigm, paradigm_class.Config, task_config.paradigm if task_config else None, folder, part="paradigm"
    )
    labels = None
    if task.labels is not None:
        words = LabelMap.words_of(task.label_words)
        known = task.tag_scheme, task.splits_text, words, tuple(task.relations)
        labels = LabelMap(tuple(task.labels), *known)
    tokenizer = _tokenizer(folder, saved, task, reader_config, tokenizers)
    reader = reader_class(reader_config, tokenizer, labels)
    paradigm = paradigm_for(paradigm_class, paradigm_config, reader)
    _calibrate(paradigm, task, folder)
    return TaskInstance(
        name=task.name,
        settings=_settings(task, task_config, folder),
        reader=reader,
        paradigm=paradigm,
        head=task.head,
        seed=0,
    )


def _calibrate(paradigm: Paradigm, task: SavedTask, folder: Path) -> None:
    """Give the paradigm the temperature that is stored with the model."""
    if task.calibration is None:
        return
    if paradigm.uncalibrated is not None:
        rule = f"`{task.name}` has a temperature, which cannot be, as {paradigm.uncalibrated}"
        raise CheckpointError(f"{folder / CONFIG_FILE}: {rule}. Export the model again.")
    paradigm.temperature = task.calibration.temperature


def _refuse_other_components(folder: Path, task: SavedTask, task_config: TaskConfig | None) -> None:
    trained_as = (task.reader.name, task.paradigm.name)
    asked_for = (task_config.reader_name, task_config.paradigm_name) if task_config else trained_as
    if asked_for != trained_as:
        trained = f"Trained with reader `{trained_as[0]}` and paradigm `{trained_as[1]}`"
        found = f"found `{asked_for[0]}` and `{asked_for[1]}` in the configuration"
        raise CheckpointError(
            f"{folder}: a model predicts with what it was trained with. {trained}, {found}. Use the matching model."
        )


def _check_fit(folder: Path, saved: SavedRun, tasks: Sequence[TaskInstance], backbone: Backbone) -> None:
    """Apply the rules that the configuration of a training run follows."""
    problems: list[Problem] = []
    for task in tasks:
        of_task = saved.tasks[task.name]
        reader, paradigm = task.reader.config, task.paradigm.config
        names = of_task.reader.name, of_task.paradigm.name
        config = TaskConfig(task.name, task.settings, names[0], reader, names[1], paradigm, task.head)
        problems += wiring_problems([config], backbone, task.reader.tokenizer, "train")
    if problems:
        raise CheckpointError("\n".join(f"{folder}: {problem.message}" for problem in dict.fromkeys(problems)))


_Tokenizers = dict[tuple[Path, bool, bool], Tokenizer]


def _tokenizer(folder: Path, saved: SavedRun, task: SavedTask, config: ReaderFields, loaded: _Tokenizers) -> Tokenizer:
    """The tokenizer in the folder, if it is the one that the task was trained with; one object for equal ones."""
    described = saved.tokenizer_of(task.name)
    home = folder
    if described is not None:
        home = folder / tokenizer_home(described.name)
        file = home / Path(described.name).name
        if not exists(file) or file.is_dir() or sha256_of(file) != described.sha256:
            rule = f"a model predicts with its own tokenizer, {shown(file.name)}. Found none, or another one."
            raise CheckpointError(f"{folder}: {rule} Export the model again, or use another copy.")
    key = home, config.do_lower_case, config.for_cn
    if key not in loaded:
        loaded[key] = Tokenizer.from_folder(home, do_lower_case=config.do_lower_case, for_cn=config.for_cn)
    return loaded[key]


def tokenizer_home(name: str) -> str:
    """The folder inside the model of the tokenizer file `name`: `tokenizer.2` of `tokenizer.2/vocab.txt`, else none.

    It is one name, so that no description leads out of the model's folder.
    """
    home = name.rpartition("/")[0].rpartition("/")[2]
    return "" if home in (".", "..") else home


def _settings(task: SavedTask, task_config: TaskConfig | None, folder: Path) -> TaskSettings:
    """The task's settings in the current configuration, but the encoder layer that the head was trained on."""
    trained = validate_keys(TaskSettings, task.settings, file=folder / CONFIG_FILE, part="settings")
    if task_config is None:
        return trained
    current = task_config.settings
    fixed = _fixed_keys(TaskSettings, trained, current.model_dump(include=current.model_fields_set), folder)
    return current.model_copy(update=fixed)


def _merged(saved: SavedComponent, schema: type[Fields], wanted: Schema | None, folder: Path, *, part: str) -> Fields:
    """The saved keys, and over them those that the configuration sets now."""
    file = folder / CONFIG_FILE
    trained = validate_keys(schema, saved.config, file=file, part=part)
    if wanted is None:
        return trained
    kept = keys_where(schema.model_fields, export="kept")
    explicit = wanted.model_dump(include=wanted.model_fields_set, exclude=set(kept))
    _fixed_keys(schema, trained, explicit, folder)
    return validate_keys(schema, {**saved.config, **explicit}, file=file, part=part)


def _fixed_keys(schema: type[Schema], trained: Schema, explicit: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys that an exported model keeps, with their values; refused if the configuration sets another value."""
    fixed = {key: getattr(trained, key) for key in keys_where(schema.model_fields, export="fixed")}
    changed = [key for key, value in fixed.items() if explicit.get(key, value) != value]
    if changed:
        key = changed[0]
        found = f"Trained with {fixed[key]}, found {explicit[key]} in the configuration"
        raise CheckpointError(
            f"{folder}: `{key}` must have its value from training. {found}. Set it back, or train again."
        )
    return fixed
