"""What a checkpoint knows about the data of its run, so that a resume over other data is never silent."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from palm.data.dataset import Dataset, Ragged
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError
from palm.schema.saved_model import read_json_object

DATA_FILE = "data.json"
ALLOW = "allow_changed_data"
_SHOWN = 5

Described = dict[str, dict[str, object]]
"""By task: `labels` (names by id, or None), `examples`, and a sha256 each of `tokenizer`, `rows` and `reader`.

`dev_examples` and `dev_rows` are those of dev rows that are split off the training file.
"""


def describe_data(tasks: Sequence[TaskInstance]) -> Described:
    """What the weights of a run depend on beside its configuration."""
    return {
        task.name: {
            "labels": None if task.reader.labels is None else list(task.reader.labels.names),
            "tokenizer": task.reader.tokenizer.fingerprint,
            "reader": _sha256(json.dumps(task.reader.config.model_dump(mode="json"), sort_keys=True)),
            "examples": task.training_data.num_examples,
            "rows": rows_fingerprint(task.training_data),
            **_split_rows(task),
        }
        for task in tasks
        if task.train is not None
    }


def without_labels(described: Mapping[str, object]) -> dict[str, object]:
    """What `describe_data` says of a task, without the names of labels."""
    return {name: value for name, value in described.items() if name != "labels"}


def describe_evaluated(task: TaskInstance) -> dict[str, object]:
    """The number of dev rows of a task, and their sha256."""
    return {} if task.dev is None else {"dev_examples": task.dev.num_examples, "dev_rows": rows_fingerprint(task.dev)}


def _split_rows(task: TaskInstance) -> dict[str, object]:
    """What a checkpoint knows of dev rows that are split off the training file."""
    return {} if task.settings.dev_fraction is None else describe_evaluated(task)


def rows_fingerprint(dataset: Dataset) -> str:
    """A sha256 of all examples in their order, as the model sees them: tokens and labels."""
    digest = hashlib.sha256()
    for name in sorted(dataset.columns):
        column = dataset.columns[name]
        arrays = (column.values, column.offsets) if isinstance(column, Ragged) else (column,)
        for array in arrays:
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_data(saved: Path, tasks: Sequence[TaskInstance], *, allow_changed: bool) -> list[str]:
    """Compare the data of a run with those that a checkpoint was trained on.

    What changes the meaning of weights is refused: other label names, another order of them, another vocabulary. Other
    rows leave the weights their meaning; they are refused unless they are allowed.

    Args:
        saved: The checkpoint's folder.
        tasks: The tasks of the run that is resumed.
        allow_changed: The key `allow_changed_data`.

    Returns:
        Lines for the user.

    Raises:
        CheckpointError: With everything that differs.
    """
    file = saved / DATA_FILE
    if not file.is_file():
        return [f"{saved.as_posix()} was written before checkpoints knew their data: it is not compared with today's."]
    before, now = read_json_object(file), describe_data(tasks)
    if not all(isinstance(described, dict) for described in before.values()):
        raise CheckpointError(
            f"{file}: must describe the data of each task. Found something else. Use another checkpoint."
        )
    fatal = [line for name in now for line in _other_meaning(name, before.get(name, {}), now[name])]
    if fatal:
        advice = "Restore the data as they were, or train into another save_path."
        raise CheckpointError(f"{saved}: its weights would get another meaning. {' '.join(fatal)} {advice}")
    changed = [line for name in now for line in _other_rows(name, before.get(name, {}), now[name])]
    if changed and not allow_changed:
        advice = f"Restore the rows, or set {ALLOW}: true (`--{ALLOW}`) to go on with the new ones."
        raise CheckpointError(f"{saved}: was trained on other rows. {' '.join(changed)} {advice}")
    return [f"Training goes on with other rows. {' '.join(changed)}"] if changed else []


def _other_meaning(task: str, before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    if before.get("labels") != now["labels"]:
        yield f"Labels of `{task}`: {_difference(before.get('labels'), now['labels'])}."
    if before.get("tokenizer") != now["tokenizer"]:
        yield f"Task `{task}` has another vocabulary, or other settings of its tokenizer."


def _difference(before: object, now: object) -> str:
    if not isinstance(before, list) or not isinstance(now, list):
        return f"{_listed(before)} then, {_listed(now)} now"
    gone, new = ([label for label in one if label not in other] for one, other in ((before, now), (now, before)))
    if not gone and not new:
        return f"another order, {_listed(before)} then, {_listed(now)} now"
    parts = [f"{_listed(gone)} then and not now"] if gone else []
    return ", ".join(parts + ([f"{_listed(new)} now and not then"] if new else []))


def _listed(labels: object) -> str:
    if not isinstance(labels, list):
        return "none"
    return ", ".join(f"`{label}`" for label in labels[:_SHOWN]) + (", …" if len(labels) > _SHOWN else "")


def _other_rows(task: str, before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    # Other settings of the reader make other rows; the changed keys are named as such.
    if before.get("reader") == now["reader"] and before.get("rows") != now["rows"]:
        counts = before.get("examples"), now["examples"]
        found = f"{counts[0]} examples then, {counts[1]} now"
        if counts[0] == counts[1]:
            found = f"as many ({counts[1]}), with other content or in another order"
        yield f"Task `{task}`: {found}."


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
