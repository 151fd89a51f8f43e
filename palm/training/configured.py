"""Drives a run as a configuration says: what follows each step, and the models at the end."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

from palm.config.run_config import RunConfig
from palm.engine.run import StepResult, TrainingRun
from palm.inference.run_card import ModelOrigin, command_here
from palm.schema.licence import read_encoder_terms
from palm.storage.layout import CHECKPOINT_FOLDER, INFERENCE_FOLDER
from palm.training.after_step import Checkpoints, Follower, StepLog
from palm.training.evaluation import Evaluation, Exports, PeriodicExports, exported_folder
from palm.training.log import Reporter, step_line, stopped_line
from palm.training.non_finite import NonFiniteSteps
from palm.training.run import Failure, no_failure, run_training
from palm.training.run_model import RunModel


def run_model_folder(config: RunConfig) -> Path:
    """Where the model of all tasks goes: `save_path/infer_model`, also of a run whose stages are folders in it."""
    folder = Path(config.run.save_path)
    return (folder.parent if config.stage else folder) / INFERENCE_FOLDER


def train_as_configured(
    run: TrainingRun,
    steps: Generator[StepResult, None, None],
    config: RunConfig,
    reporter: Reporter,
    failure: Failure = no_failure,
    *,
    with_run_model: bool,
) -> None:
    """Train to the end, with what a configuration wants to follow each step.

    Args:
        run: The run.
        steps: Its steps, `train_steps(run)`.
        config: Its configuration.
        reporter: Receives lines and metrics.
        failure: What a callback raised, with which the run ends.
        with_run_model: Whether it ends with a model of all tasks: not a stage that another one follows.

    Raises:
        TrainingError: It cannot continue, or a callback failed.
        CheckpointError: Something cannot be written.
    """
    save_path, name = Path(config.run.save_path), config.backbone_name
    home = save_path / CHECKPOINT_FOLDER
    log = StepLog(run, reporter, step_line, every=config.train.print_every_n_steps)
    folder_of = partial(exported_folder, save_path)
    exports = Exports(run, reporter, backbone_name=name, folder_of=folder_of)
    periodic = PeriodicExports(run, reporter, backbone_name=name, folder_of=folder_of)
    run_model = None
    if with_run_model:
        run_model = RunModel(
            run,
            reporter,
            backbone_name=name,
            folder=run_model_folder(config),
            save_path=save_path,
            origin=_origin(config),
            extended=Path(config.run.freeze_encoder_of) if config.run.freeze_encoder_of else None,
        )
    evaluation = Evaluation(run, reporter, exports, checkpoints=home, run_model=run_model)
    checkpoints = Checkpoints(
        run,
        reporter,
        home,
        every=config.train.save_every_n_steps,
        keep=config.train.keep_checkpoints,
        requested=lambda: evaluation.improved,
    )

    run.ranks.watch.emergency = checkpoints.save_without_others

    def before_stop(signal: str, global_step: int) -> None:
        checkpoints.save()
        reporter.say(stopped_line(signal, global_step))

    followers: list[Follower] = [NonFiniteSteps(run, reporter, home), log, evaluation, periodic, checkpoints]
    if run.finished and run_model is not None:
        run_model.write_if_missing()
    run_training(run, steps, followers, before_stop=before_stop, saves=True, failure=failure)
    log.end()
    if run_model is not None:
        run_model.raise_failure()


def _origin(config: RunConfig) -> ModelOrigin:
    """Where the run's model comes from."""
    folder = run_model_folder(config).parent
    pretrained = config.run.freeze_encoder_of or config.run.pretrain_model_path
    home = Path(pretrained) if pretrained else None
    terms = read_encoder_terms(home if home is None or home.is_dir() else home.parent)
    return ModelOrigin(folder.resolve().name, terms, command_here())
