"""Section about the data of a run: rows, lengths and labels of each task."""

from collections.abc import Iterator, Sequence

from palm.locale.current import translated_word
from palm.report.charts import bar_chart, histogram
from palm.report.run_folder import ReadRun
from palm.report.section import Block, Cell, Paragraph, Section, Table
from palm.report.words import words
from palm.schema.run_description import DataStatistics, TaskDescription

_MOST_LABELS = 20


def data_sections(runs: Sequence[ReadRun]) -> Iterator[Section]:
    """The data of the runs, once for all that have the same."""
    blocks: list[Block] = []
    groups = _groups(runs)
    for names, tasks in groups:
        blocks += _blocks(tasks, f" ({', '.join(names)})" if len(groups) > 1 else "")
    yield Section("data", "Data", blocks)


_Tasks = dict[str, TaskDescription]


def _groups(runs: Sequence[ReadRun]) -> list[tuple[list[str], _Tasks]]:
    """Names of runs with the same data, and the tasks of the first of them."""
    groups: list[tuple[list[str], _Tasks]] = []
    for run in runs:
        if run.description is None or not run.description.tasks:
            continue
        tasks = dict(run.description.tasks)
        same = next((group for group in groups if _data(group[1]) == _data(tasks)), None)
        if same is None:
            groups.append(([run.name], tasks))
        else:
            same[0].append(run.name)
    return groups


def _data(tasks: _Tasks) -> dict[str, tuple[DataStatistics | None, DataStatistics | None]]:
    return {name: (task.train, task.dev) for name, task in tasks.items()}


def _parts(task: TaskDescription) -> list[tuple[str, DataStatistics]]:
    """The data sets of a task by their names."""
    parts = (("training", task.train), ("dev", task.dev))
    return [(translated_word(name), part) for name, part in parts if part is not None]


def _blocks(tasks: _Tasks, of: str) -> Iterator[Block]:
    header = ("task", "rows of", "rows", "examples", "tokens: shortest", "median", "95 % up to", "longest", "labels")
    rows = [(name, role, *_numbers(part)) for name, task in tasks.items() for role, part in _parts(task)]
    yield Table(f"Rows of the tasks, and lengths of their examples in subword tokens{of}", words(*header), rows)
    for name, task in tasks.items():
        lengths = [(role, part.lengths.bounds, part.lengths.counts) for role, part in _parts(task) if part.lengths]
        if any(len(counts) > 1 for _, _, counts in lengths):
            description = f"How many examples of the task {name} have how many subword tokens."
            yield histogram(
                f"{name}: {translated_word('lengths')}{of}", description, lengths, translated_word("subword tokens")
            )
    for name, task in tasks.items():
        yield from _labels(name, task, of)


def _numbers(part: DataStatistics) -> tuple[Cell, ...]:
    found, labels = part.lengths, len(part.labels) or None
    if found is None:
        return (part.rows, part.examples, None, None, None, None, labels)
    spread = (found.shortest, f"{found.median:g}", f"{found.most:.0f}", found.longest)
    return (part.rows, part.examples, *spread, labels)


def _labels(name: str, task: TaskDescription, of: str) -> Iterator[Block]:
    parts = [(role, part) for role, part in _parts(task) if part.labels]
    known = dict.fromkeys(label for _, part in parts for label in part.labels)
    if len(known) < 2:
        return
    shown = list(known)[:_MOST_LABELS]
    bars = [
        (label, role, part.labels.get(label, 0) / sum(part.labels.values())) for label in shown for role, part in parts
    ]
    more = f", the {len(shown)} most frequent of {len(known)}" if len(known) > len(shown) else ""
    description = f"How frequent each label of the task {name} is{more}."
    yield bar_chart(f"{name}: {translated_word('labels')}{more}{of}", description, bars)
    sampled = [
        f"{part.counted_rows:,} of {part.rows:,} {role} rows" for role, part in parts if part.counted_rows < part.rows
    ]
    if sampled:
        yield Paragraph(f"{name}: labels are counted in {', '.join(sampled)}, evenly spread.", is_note=True)
