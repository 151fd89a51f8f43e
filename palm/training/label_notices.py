"""What a run says of its data: how files and labels are understood, and what looks like a mistake in them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.data.dataset import Dataset, LabelMap
from palm.engine.task_instance import TaskInstance
from palm.errors import appearance, invisible_difference
from palm.reader.fields import TableFields
from palm.reader.formats.notes import collected_notes
from palm.reader.formats.tables import describe_format
from palm.reader.labels import WHOLE_NUMBER, listed
from palm.training.further_rows import further_rows_lines
from palm.training.unknown_tokens import unknown_lines

_PLACEHOLDERS = ("-", "?", "nan", "NaN", "none", "None", "null", "NULL", "N/A", "n/a")
"""What other tools write for a missing label."""


def label_lines(tasks: Sequence[TaskInstance]) -> Iterator[str]:
    """How files and labels are understood, the number of added rows, and warnings.

    A warning stands for each task with a single label, for data whose labels contradict each other, for labels that
    look alike or stand for none, and for shared heads whose classes have different names.
    """
    first: dict[str, TaskInstance] = {}
    for task in tasks:
        yield from _format_lines(task)
        yield from further_rows_lines(task)
        yield from (f"{task.name}: {note}" for note in task.paradigm.notes)
        for data in (task.train, task.dev):
            if data is not None:
                yield from (f"Warning: {task.name}: {data.file}: {note}" for note in task.reader.notes_on(data))
        yield from unknown_lines(task.name, (task.train, task.dev), task.reader)
        labels = task.reader.labels
        if labels is not None and task.train is not None:
            yield from _about_classes(task, labels, task.train)
            yield from _about_names(task, labels)
        yield from _about_shared_head(first.setdefault(task.head, task), task)


def _format_lines(task: TaskInstance) -> Iterator[str]:
    """How each data file is read, where that does not follow from its ending alone."""
    for data in (task.train, task.dev):
        if data is not None and isinstance(data.file, Path) and isinstance(task.reader.config, TableFields):
            with collected_notes():  # they were reported when the file was loaded
                found = describe_format(data.file, task.reader.config)
            if found is not None:
                yield f"{task.name}: {data.file}: read as {found}."


def _about_classes(task: TaskInstance, labels: LabelMap, data: Dataset) -> Iterator[str]:
    """Which number is which class where that is not obvious, and classes that no row has."""
    counts = task.reader.label_counts(data)
    found = [name for name, count in zip(labels.names, counts, strict=True) if count]
    if len(found) == 1 and sum(counts) >= data.num_examples:
        only = f"Found only `{found[0]}` in {data.file}: all examples are alike."
        yield f"Warning: task `{task.name}`: a classifier learns from two labels or more. {only} Check the file."
        return
    numbers = [name for name in labels.names if WHOLE_NUMBER.fullmatch(name)]
    given = getattr(task.reader.config, "n_classes", None) is not None
    if given and numbers and numbers != [str(number) for number in range(len(numbers))]:
        yield f"{task.name}: the labels are {listed(labels.names)}, in this order."
    absent = [name for name, count in zip(labels.names, counts, strict=True) if not count]
    if absent and found:
        yield f"{task.name}: no row of {data.file} has the label {listed(absent)}: it is not learned."


def _about_names(task: TaskInstance, labels: LabelMap) -> Iterator[str]:
    first: dict[str, str] = {}
    for name in labels.names:
        other = first.setdefault(appearance(name), name)
        if other != name:
            found = f"Found `{other}` and `{name}` as two classes. {invisible_difference(other, name)}"
            yield f"Warning: task `{task.name}`: labels that look alike are hardly different. {found} Check the file."
        if name in _PLACEHOLDERS and labels.tag_scheme is None:
            found = f"Found the label `{name}`, which is a class like any other."
            advice = f'If it stands for no label, set leave_out_labels: ["{name}"].'
            yield f"Warning: task `{task.name}`: {found} {advice}"


def _about_shared_head(one: TaskInstance, other: TaskInstance) -> Iterator[str]:
    """A warning if the classes of two tasks with one head have different names."""
    labels, names = one.reader.labels, other.reader.labels
    if labels is None or names is None or labels.names == names.names:
        return
    pairs = zip(labels.names, names.names, strict=False)
    first, second = next(((a, b) for a, b in pairs if a != b), (len(labels), len(names)))
    found = f"Found `{first}` for `{one.name}` and `{second}` for `{other.name}` as one class."
    yield f"Warning: tasks that share a head share its classes. {found} Check that they mean the same."
