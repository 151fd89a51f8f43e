"""Train the tasks of a session: what follows each step of a trainer, in the words of PALM 2."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from palm.api.saver import Saver
from palm.api.session import Session
from palm.config.wiring import backbone_name
from palm.engine.optim.weight_average import averaged
from palm.engine.run import StepResult, TrainingRun
from palm.engine.train import train_steps
from palm.errors import ConfigError, Problem
from palm.inference.bundle import RunFacts, save_bundle, save_run
from palm.inference.run_card import ModelOrigin
from palm.storage.layout import INFERENCE_FOLDER
from palm.tracking import Callback
from palm.training.after_step import KEEP_ALL, NEVER, Checkpoints, Follower, StepLog
from palm.training.display.choice import LogStyle, display_for
from palm.training.earlier_runs import planned_processes, resume_or_archive
from palm.training.equal_ranks import check_equal
from palm.training.evaluation import Evaluation, Exports, exported_folder
from palm.training.label_notices import label_lines
from palm.training.log import Reporter, trainer_line
from palm.training.non_finite import NonFiniteSteps
from palm.training.notices import precision_lines
from palm.training.observers import keys_of, observers, reporting, run_name
from palm.training.run import Failure, run_training
from palm.training.run_model import data_of, dev_metrics_at, trained_tasks
from palm.training.shown_run import live_run


def train(
    session: Session, print_steps: int, *, resume: bool, callbacks: Sequence[Callback], log: LogStyle = "panel"
) -> None:
    """Train until every target is done; print a line, evaluate and save where that is due.

    Args:
        session: The run.
        print_steps: Steps between log lines; none below 1.
        resume: Continue from the newest checkpoint of the saver, if it has any.
        callbacks: Told of steps, evaluations, exports and the end.
        log: `panel` shows a panel on a terminal and a table in a notebook, and lines elsewhere; `lines` only lines.

    Raises:
        ConfigError: Something is missing or does not fit.
        CheckpointError: Something cannot be written, or the checkpoint does not fit.
        TrainingError: It cannot continue, or a callback failed.
    """
    saver, told = session.saver, observers(callbacks, owner="train")
    if resume and saver is not None:
        session.plan_for(planned_processes(saver.folder))
    run = session.run
    session.reset_batches()
    check_equal(run)
    beginning = _resume(run, saver) if resume else []
    beginning += precision_lines(run)
    beginning += [] if run.progress.global_step else label_lines(run.tasks)  # once per run
    folder = saver.folder if saver else None
    about = {"title": run_name(run.settings, folder), "encoder": backbone_name(session.backbone)}
    display = display_for(partial(live_run, run, folder, **about), log)
    with reporting(run, folder, told, beginning, keys_of(run), display=display) as (reporter, failure):
        _follow(session, run, reporter, print_steps, failure)


def save_model(session: Session, name: str, folder: Path) -> None:
    """Write the inference model of the task `name`; of several processes, the first one does."""
    session.ranks.on_first(partial(_write_model, session, name, folder))


def _write_model(session: Session, name: str, folder: Path) -> None:
    with session.one_thread("save_predict_model"):
        run = session.run
        task = next(task for task in run.tasks if task.name == name)
        with averaged(run.average):
            save_bundle(run.model, task, backbone_name(session.backbone), folder)


def _resume(run: TrainingRun, saver: Saver | None) -> list[str]:
    if saver is None:
        rule = "resume=True continues from a checkpoint of the saver. Found no saver."
        raise ConfigError(Problem("train", f"{rule} Call set_saver with the folder of the earlier run."))
    return resume_or_archive(run, saver.folder, resume=True, resolved={})


def _follow(session: Session, run: TrainingRun, reporter: Reporter, print_steps: int, failure: Failure) -> None:
    """Train, with what a trainer wants to follow each step."""
    saver = session.saver
    with_dev = any(task.dev is not None for task in run.tasks)
    exports = Exports(
        run,
        reporter,
        backbone_name=backbone_name(session.backbone),
        folder_of=partial(exported_folder, saver.folder) if saver and saver.saves_models and with_dev else None,
    )
    log = StepLog(run, reporter, trainer_line, every=print_steps if print_steps > 0 else NEVER, first_step=False)
    evaluation = Evaluation(run, reporter, exports, checkpoints=saver.checkpoints if saver else None)
    followers: list[Follower] = [NonFiniteSteps(run, reporter, saver.checkpoints if saver else None), log, evaluation]
    saving: list[Checkpoints | PredictModels] = []
    if saver is not None and saver.saves_checkpoints:
        saving.append(
            Checkpoints(
                run,
                reporter,
                saver.checkpoints,
                every=saver.every,
                keep=KEEP_ALL,
                requested=lambda: run.finished or evaluation.improved,
            )
        )
    if saver is not None and saver.saves_models:
        saving.append(PredictModels(session, saver, reporter))

    def before_stop(signal: str, global_step: int) -> None:
        for each in saving:
            each.save()
        reporter.say(f"Stopped by {signal} after global step {global_step}.")

    saves = saver is not None and saver.saves_checkpoints
    followers += saving
    run_training(run, train_steps(run), followers, before_stop=before_stop, saves=saves, failure=failure)
    log.end()


def save_after_step(session: Session, result: StepResult) -> None:
    """Save what the saver has due after a step of a loop of the caller's own."""
    saver, run = session.saver, session.run
    if saver is None or not saver.is_due(result.global_step, last=run.finished):
        return
    with Reporter(saver.folder, total_steps=run.total_steps, done_steps=result.global_step) as reporter:
        if saver.saves_checkpoints:
            Checkpoints(run, reporter, saver.checkpoints, every=saver.every, keep=KEEP_ALL).save()
        if saver.saves_models:
            PredictModels(session, saver, reporter).save()


class PredictModels:
    """Writes the inference models of all targets as the saver says: every few steps, and at the end.

    Args:
        session: The run.
        saver: When, and where to.
        reporter: Where lines go.
    """

    def __init__(self, session: Session, saver: Saver, reporter: Reporter) -> None:
        self._session = session
        self._saver = saver
        self._reporter = reporter

    def after(self, result: StepResult) -> None:
        """Write them where that is due."""
        if self._saver.is_due(result.global_step, last=self._session.run.finished):
            self.save()

    def save(self) -> None:
        """Write those of where the run stands; of several processes, the first one does."""
        folder = self._saver.models(self._session.run.progress.global_step)
        self._session.ranks.on_first(partial(self._write, folder))
        self._reporter.say(f"inference models saved at {folder.as_posix()}")

    def _write(self, folder: Path) -> None:
        run = self._session.run
        for task in (task for task in run.tasks if task.settings.target):
            _write_model(self._session, task.name, folder / task.name)
        if len(run.tasks) > 1:
            self._write_together(folder)

    def _write_together(self, folder: Path) -> None:
        """Write one model of all tasks beside those of the targets."""
        run, session = self._session.run, self._session
        step, tasks = run.progress.global_step, trained_tasks(run)
        facts = RunFacts(step, dev_metrics_at(self._saver.folder, step), data_of(run, tasks), ModelOrigin(folder.name))
        with session.one_thread("save_predict_model"), averaged(run.average):
            name = backbone_name(session.backbone)
            save_run(run.model, tasks, backbone_name=name, folder=folder / INFERENCE_FOLDER, facts=facts)
