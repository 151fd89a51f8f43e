"""The Controller: YAML in, trained models and predictions out. The façade that users know; it owns the side effects."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from palm.backbone.base import BACKBONES
from palm.config.describe import keys_as_help
from palm.config.encoder import fetch_encoder_weights
from palm.config.files import overrides_from_argv
from palm.config.overrides import asks_for_help
from palm.config.resolve import load_run_configs
from palm.config.run_config import RunConfig, TaskConfig
from palm.config.stages import encoder_folder
from palm.data.dataset import Dataset
from palm.distributed.ranks import current_ranks
from palm.engine.model import MultiTaskModel
from palm.engine.pretrain import backbone_config_for, load_pretrained_weights
from palm.engine.run import TrainingRun
from palm.engine.task_instance import TaskInstance
from palm.engine.train import train_steps
from palm.errors import ConfigError, Problem
from palm.inference.extended_run import freeze_encoder_of, read_source
from palm.inference.int8 import Int8Measurement
from palm.inference.prediction_files import write_predictions
from palm.inference.predictor import Predictor
from palm.paradigm.base import Prediction
from palm.pretrained.load import PretrainedWeights, load_pretrained
from palm.reader.formats.row_table import GivenData
from palm.reader.formats.sources import data_name
from palm.reader.loading import load_dataset
from palm.runtime.device import choose_device
from palm.schema.fields import BackboneFields, Precision
from palm.storage.atomic_directory import os_errors_as, refuse_foreign
from palm.storage.layout import INFERENCE_FOLDER
from palm.tracking import Callback
from palm.training.configured import run_model_folder, train_as_configured
from palm.training.describe_run import write_beginning
from palm.training.dev_split import read_dev_rows
from palm.training.display.choice import LogStyle, display_for
from palm.training.earlier_runs import has_ended, refuse_links_out
from palm.training.equal_ranks import agreed_signal, check_equal, run_folder_locked
from palm.training.evaluation import exported_folder
from palm.training.log import CONTINUE, OnRecord, frozen_line, say
from palm.training.notices import beginning_lines
from palm.training.observers import Observers, observers, reporting
from palm.training.run import build_run
from palm.training.run_model import missing_run_model_line
from palm.training.shown_run import configured_html, configured_text, live_run_of
from palm.training.signals import StopSignals
from palm.training.stages import load_encoder, reset_stages, restore_best, save_encoder, stage_is_done
from palm.training.tasks import build_tasks_of


class Controller:
    """Creates the task instances of a configuration, trains them over one shared backbone, and predicts.

    Args:
        config: Path of the global YAML file, or its content as a mapping.
        task_dir: Folder of the task instances' YAML files.
        for_train: False to predict or evaluate only; training files are then not needed.
        overrides: Hyper-parameters that win over the files, such as `["--learning_rate", "1e-4"]`. By default those on
            the command line of the running script; none in a notebook. A script that is started with `--help` lists
            them and ends.

    Raises:
        ConfigError: Everything that is wrong with the configuration, at once.
        DataError: Everything that is wrong with the data files, at once.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        task_dir: str = ".",
        for_train: bool = True,
        *,
        overrides: Sequence[str] | None = None,
    ) -> None:
        current_ranks()  # of which the first one warns
        if overrides is None and asks_for_help():
            say(keys_as_help(Path(sys.argv[0]).name))
            raise SystemExit(0)
        words = overrides_from_argv() if overrides is None else list(overrides)
        configs = load_run_configs(config, task_dir=task_dir, for_train=for_train, overrides=words, wiring=for_train)
        choose_device(use_gpu=configs[-1].train.use_gpu)
        tasks = build_tasks_of(configs) if for_train else [[] for _ in configs]
        self._begin(configs[-1], tasks[-1])
        self._stages = [Controller._of(*stage) for stage in zip(configs[:-1], tasks[:-1], strict=True)] + [self]
        self._has_run_model = True

    @classmethod
    def _of(cls, config: RunConfig, tasks: list[TaskInstance]) -> "Controller":
        """The controller of an earlier stage."""
        controller = cls.__new__(cls)
        controller._begin(config, tasks)
        return controller

    def _begin(self, config: RunConfig, tasks: list[TaskInstance]) -> None:
        self.config: RunConfig = config
        self._save_path = Path(config.run.save_path)
        self._tasks = tasks
        self._model: MultiTaskModel | None = None
        self._pretrained = False
        self._stages = [self]
        self._observers = Observers()
        self._log_style: LogStyle = "panel"
        self._has_run_model = False  # as the last stage has

    def __repr__(self) -> str:
        return f"Controller({configured_text(self.config)})"

    def _repr_html_(self) -> str:
        return configured_html(self.config)

    def load_pretrain(self, path: str | Path | None = None) -> None:
        """Start from pre-trained weights: a Hugging Face folder, a .pdparams file, or a Paddle 1.x params folder.

        Args:
            path: The weights; `pretrain_model_path` of the configuration when left out.

        Raises:
            ConfigError: Neither is given, or the encoder is that of a model (freeze_encoder_of).
            CheckpointError: Nothing in it matched, or a shape differs.
        """
        if self.config.run.freeze_encoder_of is not None:
            rule = "the encoder is that of the model, so no other weights can be loaded."
            raise ConfigError(Problem("freeze_encoder_of", f"{rule} Leave load_pretrain() out, or remove the key."))
        first = self._stages[0]
        if first is not self:
            first.load_pretrain(path)
            return
        source = path or self.config.run.pretrain_model_path
        if path is None:
            fetch_encoder_weights(self.config.run)
        if source is None:
            rule = "load_pretrain() needs a path. Give one, or set this key."
            raise ConfigError(Problem("pretrain_model_path", rule))
        self._start_from(load_pretrained(source, BACKBONES[self.config.backbone_name]))

    def _start_from(self, weights: PretrainedWeights) -> None:
        self._model = self._build_model(backbone_config_for(weights, self.config.backbone))
        self._pretrained = True
        say(*load_pretrained_weights(self._model, self._tasks, weights))

    def _start_from_model(self, path: str) -> None:
        """Start from the encoder of the model in `path`, and leave it as it is."""
        source = read_source(Path(path))
        self._model = self._build_model(self.config.backbone)
        lines = freeze_encoder_of(source, self._model, self._tasks)
        self._pretrained = True
        for line in (frozen_line(source.folder, list(source.saved.tasks)), *lines):
            say(line)

    def train(
        self, *, callbacks: Sequence[Callback] = (), on_record: OnRecord | None = None, log: LogStyle = "panel"
    ) -> None:
        """Train until every target has done its expected steps, stage by stage; export each at exactly its last one.

        Args:
            callbacks: Told of steps, evaluations, exports and the end, by the first of several ranks.
            on_record: Called with each line of metrics.jsonl as it is written, by the first of several ranks; lines of
                evaluations also have their `seconds` (docs/files.md).
            log: `panel` shows a panel on a terminal and a table in a notebook, and lines elsewhere; `lines` only lines.

        Raises:
            CheckpointError: Something cannot be written, or a checkpoint to resume from does not fit.
            TrainingError: It cannot continue, or a callback failed.
        """
        told = observers(callbacks, on_record, owner="Controller.train")
        for stage in self._stages:
            stage._observers, stage._log_style = told, log
        if not self.config.stage:
            self._train()
            return
        home = self._save_path.parent
        with os_errors_as(home, "save_path"):
            home.mkdir(parents=True, exist_ok=True)
        with run_folder_locked(home), StopSignals() as signals:
            self._train_stages(signals, resume=self.config.train.resume == "auto")

    def _train_stages(self, signals: StopSignals, *, resume: bool) -> None:
        ranks = current_ranks()
        if not resume:
            say(*ranks.on_first(lambda: reset_stages([stage.config for stage in self._stages])))
        for before, stage in zip([None, *self._stages], self._stages, strict=False):
            if resume and ranks.on_first(partial(stage_is_done, stage.config)):
                say(f"Stage {stage.config.stage}: done, its encoder is at {encoder_folder(stage.config).as_posix()}")
                continue
            stage._train_stage(before)
            received = None if stage is self else agreed_signal(ranks, signals.received)
            if received is not None:
                say(f"Stopped by {received.name} after stage {stage.config.stage}. {CONTINUE}")
                signals.stop(received)

    def _train_stage(self, before: "Controller | None") -> None:
        """Train this stage, on the encoder of the one `before` it, and save its encoder."""
        say(f"Stage {self.config.stage}:")
        if before is not None:
            self._start_from(load_encoder(encoder_folder(before.config)))
            before._model = None  # the memory is for this one
        run = self._train()
        say(*restore_best(run, self.config))
        run.ranks.on_first(lambda: save_encoder(run, self.config))

    def _train(self) -> TrainingRun:
        """Train this stage, or the run that has none; what was trained, at its end."""
        if not self._pretrained and self.config.run.freeze_encoder_of:
            self._start_from_model(self.config.run.freeze_encoder_of)
        elif not self._pretrained and self.config.run.pretrain_model_path:
            self.load_pretrain()
        with os_errors_as(self._save_path, "save_path"):
            self._save_path.mkdir(parents=True, exist_ok=True)
            refuse_links_out(self._save_path, [task.name for task in self._tasks])
        with run_folder_locked(self._save_path):
            return self._train_alone()

    def _train_alone(self) -> TrainingRun:
        config, folder = self.config, self._save_path
        resume = config.train.resume == "auto"
        with os_errors_as(folder, "save_path"):
            run = self._training_run()
            ended = partial(has_ended, folder, run, config.resolved)
            if resume and not config.stage and run.ranks.on_first(ended):
                say(f"The run in {folder.as_posix()} had ended: nothing is left to train.")
                say(*missing_run_model_line(run_model_folder(config)))
                return run
            run.ranks.on_first(partial(refuse_foreign, run_model_folder(config), "save_path"))
            check_equal(run)
            beginning = beginning_lines(run, config, resume=resume)
            run.ranks.on_first(partial(write_beginning, run, config, folder))
        display = display_for(partial(live_run_of, run, config, with_run_model=self._has_run_model), self._log_style)
        about = run, folder, self._observers, beginning, config.resolved
        with reporting(*about, stage=config.stage, display=display) as told:
            train_as_configured(run, train_steps(run), config, *told, with_run_model=self._has_run_model)
        return run

    def pred(
        self,
        task: str,
        inference_model_dir: str | Path | None = None,
        *,
        predictor: Predictor | None = None,
        precision: Precision | None = None,
    ) -> list[Prediction]:
        """Predict the task's pred_file; write predictions to its pred_output_path and return them.

        A pred_output_path that ends in .csv, .tsv, .json or .jsonl is a file; any other is a folder for
        predictions.json.

        Args:
            task: Name of the task instance.
            inference_model_dir: What training exported; the task's `inference_model_dir`, or
                `save_path/<task>/infer_model`, when left out.
            predictor: From the method `predictor`, to predict with a model that is loaded already.
            precision: `auto`, `float32` or `bf16`; the task's key `precision` when left out.

        Raises:
            ConfigError: Unknown task, no pred_file, or no kernel for the precision.
            CheckpointError: No inference model there, or a damaged one.
            DataError: What is wrong with pred_file.
        """
        stage = self._last_stage_with(task)
        if stage is not self:
            return stage.pred(task, inference_model_dir, predictor=predictor, precision=precision)
        config = self._task_config(task)
        if config.settings.pred_file is None:
            raise ConfigError(Problem(f"tasks.{task}.pred_file", "prediction needs a file. Set pred_file."))
        predictor = predictor or self.predictor(task, inference_model_dir, precision=precision)
        predictions = predictor.predict(config.settings.pred_file, ranks=current_ranks())
        folder = Path(config.settings.pred_output_path or self._save_path / task)
        refuse_links_out(self._save_path, [task])
        with os_errors_as(folder, "pred_output_path"):
            write = partial(write_predictions, predictor.paradigm, predictions, folder)
            say(f"{task}: predictions saved at {current_ranks().on_first(lambda: write().as_posix())}")
        return predictions

    def evaluate(
        self,
        task: str,
        inference_model_dir: str | Path | None = None,
        file: str | Path | GivenData | None = None,
        *,
        precision: Precision | None = None,
    ) -> dict[str, float]:
        """Loss and metrics of an exported task over a file with gold labels, as fractions of 1.

        Args:
            task: Name of the task instance.
            inference_model_dir: What training exported; the task's `inference_model_dir`, or
                `save_path/<task>/infer_model`, when left out.
            file: The data; the task's dev_file when left out.
            precision: As in `pred`.

        Raises:
            ConfigError: Unknown task, no file, or no kernel for the precision.
            CheckpointError: No inference model there, or a damaged one.
            DataError: What is wrong with the file.
        """
        predictor, rows = self.to_evaluate(task, inference_model_dir, file, precision=precision)
        return predictor.evaluate_dataset(rows, ranks=current_ranks())

    def measure_int8(
        self, task: str, inference_model_dir: str | Path | None = None, file: str | Path | GivenData | None = None
    ) -> Int8Measurement:
        """Evaluate an exported task in float32 and in int8, and keep the result in the model's folder.

        `precision: int8` and `auto` of later predictions go by it. Arguments and errors are those of `evaluate`.
        """
        predictor, rows = self.to_evaluate(task, inference_model_dir, file, precision="float32")
        measured = current_ranks().on_first(lambda: predictor.measure_int8_on(rows).model_dump(mode="json"))
        return Int8Measurement(**measured)

    def to_evaluate(
        self,
        task: str,
        inference_model_dir: str | Path | None = None,
        file: str | Path | GivenData | None = None,
        *,
        precision: Precision | None = None,
    ) -> tuple[Predictor, Dataset]:
        """A task's predictor, and rows with gold labels: of `file`, or the task's dev rows; see `evaluate`."""
        stage = self._last_stage_with(task)
        if stage is not self:
            return stage.to_evaluate(task, inference_model_dir, file, precision=precision)
        config = self._task_config(task)
        data = config.settings.dev_file if file is None else file
        if data is None:
            raise ConfigError(Problem(f"tasks.{task}.dev_file", "evaluation needs a file. Set dev_file or give one."))
        predictor = self.predictor(task, inference_model_dir, precision=precision)
        if file is None and config.settings.dev_fraction is not None:
            return predictor, read_dev_rows(predictor.reader, config, self._save_path)
        return predictor, load_dataset(predictor.reader, data_name(data), "eval")

    def predictor(
        self, task: str, inference_model_dir: str | Path | None = None, *, precision: Precision | None = None
    ) -> Predictor:
        """Load the inference model of a task, to predict files and rows with the present keys.

        Args:
            task: Name of the task instance.
            inference_model_dir: As in `pred`.
            precision: As in `pred`.

        Raises:
            ConfigError: Unknown task, or no kernel for the precision.
            CheckpointError: No inference model there, or a damaged one.
        """
        stage = self._last_stage_with(task)
        if stage is not self:
            return stage.predictor(task, inference_model_dir, precision=precision)
        backbone_config = self.config.backbone_config
        kernels = backbone_config.kernels if backbone_config else "auto"
        folder = self._inference_folder(task, inference_model_dir)
        return Predictor(folder, self._task_config(task), kernels=kernels, precision=precision)

    @property
    def num_parameters(self) -> int:
        """How many numbers the model holds that is trained: encoder and all heads."""
        return sum(parameter.size for parameter in self._built_model().parameters())

    def _last_stage_with(self, task: str) -> "Controller":
        """The last stage that trains `task`; this one where none does."""
        having = (stage for stage in reversed(self._stages) if any(own.name == task for own in stage.config.tasks))
        return next(having, self)

    def _build_model(self, backbone_config: BackboneFields) -> MultiTaskModel:
        if not self._tasks:
            rule = "a controller made with for_train=False only predicts and evaluates."
            raise ConfigError(Problem("Controller", f"{rule} Leave for_train out to train."))
        backbone = BACKBONES[self.config.backbone_name](backbone_config)
        model = MultiTaskModel(backbone, self._tasks, seed=self.config.train.random_seed)
        model.encoder = self.config.run.encoder
        return model

    def _built_model(self) -> MultiTaskModel:
        if self._model is None:
            self._model = self._build_model(self.config.backbone)
        return self._model

    def _training_run(self) -> TrainingRun:
        return build_run(self._built_model(), self._tasks, self.config.train, self.config.methods)

    def _task_config(self, name: str) -> TaskConfig:
        for task in self.config.tasks:
            if task.name == name:
                return task
        names = ", ".join(task.name for task in self.config.tasks)
        rule = f"one of the configured task instances is expected ({names}). Found `{name}`."
        raise ConfigError(Problem("task", rule))

    def _inference_folder(self, task: str, folder: str | Path | None) -> Path:
        folder = folder or self._task_config(task).settings.inference_model_dir
        if folder is None:
            return exported_folder(self._save_path, task)
        # The manual of PaddlePALM writes infermodel where its program wrote infer_model.
        given = Path(folder)
        renamed = given.with_name(INFERENCE_FOLDER)
        return renamed if given.name == "infermodel" and not given.exists() and renamed.exists() else given
