"""Describes a run for its display: what it is, its tasks, and the commands that come after it."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from textwrap import shorten

import paddle

from palm.config.run_config import RunConfig, TaskConfig
from palm.engine.run import TrainingRun
from palm.engine.selection import Selection
from palm.engine.task_instance import TaskInstance
from palm.inference.prediction_rows import html_table
from palm.kernels.precision import NAMES
from palm.locale.current import translated_word
from palm.runtime.environment import named_threads, this_machine
from palm.storage.layout import LOG_FILE
from palm.training.configured import run_model_folder
from palm.training.display.facts import RunHeader
from palm.training.display.live_run import LiveRun, LiveTask
from palm.training.earlier_runs import read_records
from palm.training.evaluation import exported_folder

_LONGEST_TEXT, _FIRST_ROWS = 36, 100


def live_run_of(run: TrainingRun, config: RunConfig, *, with_run_model: bool) -> LiveRun:
    """What the display of a run shows before its next step; of a run that continues, with what it has recorded.

    Args:
        run: The run.
        config: Its configuration.
        with_run_model: Whether it ends with a model of all tasks.
    """
    folder = Path(config.run.save_path)
    live = live_run(run, folder, title=config.stage or folder.resolve().name, encoder=_encoder(config))
    live.run_model_folder = _readable(run_model_folder(config))
    live.next_commands = list(_next_commands(run, folder)) if with_run_model else []
    return live


def live_run(run: TrainingRun, folder: Path | None, *, title: str, encoder: str) -> LiveRun:
    """What the display of a run shows of its model, tasks and progress.

    Args:
        run: The run.
        folder: Its save_path; None if it has none.
        title: Its name.
        encoder: Name of its encoder.
    """
    live = LiveRun(
        _header(run, folder, title, encoder),
        map(partial(_task, run, folder), run.tasks),
        done=run.progress.global_step,
        selection=Selection.of(run.settings),
        retires=run.settings.leave_mix_when_finished,
    )
    if run.progress.global_step and folder is not None:
        live.replay(read_records(folder))
    return live


def _header(run: TrainingRun, folder: Path | None, title: str, encoder: str) -> RunHeader:
    device = str(paddle.device.get_device())
    return RunHeader(
        title=title,
        tasks=len(run.tasks),
        rows=sum(task.training_data.num_examples for task in run.tasks),
        steps=run.total_steps,
        encoder=encoder,
        parameters=sum(parameter.size for parameter in run.model.parameters()),
        device="CPU" if device == "cpu" else device.upper().replace(":", " "),
        threads=(named_threads() or this_machine().cores) if device == "cpu" else 0,
        precision=NAMES[run.progress.amp],
        processes=run.ranks.count,
        log=_readable(folder / LOG_FILE) if folder else "",
    )


def _encoder(config: RunConfig) -> str:
    """The encoder's name: what the configuration calls it, or the folder of its weights."""
    weights = config.run.freeze_encoder_of or config.run.pretrain_model_path
    if config.run.encoder:
        return config.run.encoder
    return f"{Path(weights).name} ({config.backbone_name})" if weights else config.backbone_name


def _task(run: TrainingRun, save_path: Path | None, task: TaskInstance) -> LiveTask:
    return LiveTask(
        task.name,
        target=task.settings.target,
        expected=run.targets.get(task.name),
        folder=_readable(exported_folder(save_path, task.name)) if save_path else "",
        steps=run.progress.task_steps.get(task.name, 0),
    )


def _readable(path: Path) -> str:
    """A path as short as it can be written from here."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _next_commands(run: TrainingRun, folder: Path) -> Iterator[str]:
    """A prediction with the task that takes the fewest texts, and a server of all tasks."""
    targets = [task for task in run.tasks if task.settings.target]
    if targets:
        easiest = min(targets, key=lambda task: len(task.reader.text_columns))
        name = shlex.quote(f"{_readable(folder)}/{easiest.name}")
        yield f"palm pred {name} {shlex.join(_example(easiest))}"
    yield f"palm serve {shlex.quote(_readable(folder))}"


def _example(task: TaskInstance) -> Sequence[str]:
    """The texts of the shortest of the first rows, or their beginnings; the names of the texts where there are none."""
    columns = task.reader.text_columns
    records = (task.dev or task.training_data).records[:_FIRST_ROWS]
    rows = [texts for record in records if len(texts := task.reader.texts_of(record)) == len(columns)]
    shortest = min(rows, key=lambda texts: sum(map(len, texts)), default=[column.upper() for column in columns])
    return [shorten(text, _LONGEST_TEXT, placeholder="") or text[:_LONGEST_TEXT] for text in shortest]


def configured_text(config: RunConfig) -> str:
    """`answer (mrc), intent (cls) on minilm-l6-en (bert), save_path output_model, trained`."""
    tasks = ", ".join(f"{task.name} ({task.paradigm_name})" for task in config.tasks)
    encoder = f"{translated_word('on')} {_encoder(config)}"
    return f"{tasks} {encoder}, save_path {config.run.save_path}, {_state(config)}"


def configured_html(config: RunConfig) -> str:
    """The tasks of a configuration as a table for a notebook, with the models that training has left."""
    headers = (translated_word("task"), "reader", "paradigm", "train_file", "dev_file", translated_word("model"))
    title = f"{_encoder(config)}, save_path {config.run.save_path}, {_state(config)}"
    return f"<div>{escape(title)}</div>" + html_table(headers, [_configured_row(config, task) for task in config.tasks])


def _configured_row(config: RunConfig, task: TaskConfig) -> Sequence[str]:
    folder = exported_folder(Path(config.run.save_path), task.name)
    files = [str(file or "") for file in (task.settings.train_file, task.settings.dev_file)]
    return task.name, task.reader_name, task.paradigm_name, *files, _readable(folder) if folder.is_dir() else ""


def _state(config: RunConfig) -> str:
    folders = [exported_folder(Path(config.run.save_path), task.name) for task in config.tasks if task.settings.target]
    is_trained = bool(folders) and all(folder.is_dir() for folder in folders)
    return translated_word("trained") if is_trained else translated_word("not trained yet")
