"""What the trainers of one run share: the model, the optimizer, and where training stands."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import paddle

from palm.api.optimizer import Adam, Backward
from palm.api.saver import Saver, find_checkpoint
from palm.api.task import Task
from palm.backbone.base import Backbone
from palm.config.methods import training_from_keywords
from palm.config.resolve import CHECKS, WIRING, problems_of
from palm.config.tokenizer_checks import smaller_vocabulary
from palm.config.typed import TypedConfig, head_keys
from palm.data.dataset import Batch
from palm.distributed.ranks import current_ranks
from palm.engine.batches import StepBatch
from palm.engine.checkpoint import processes_of, restore_checkpoint, set_weights
from palm.engine.methods import Methods
from palm.engine.model import MultiTaskModel
from palm.engine.optim.weight_average import WeightAverage
from palm.engine.pretrain import backbone_config_for, load_pretrained_weights
from palm.engine.rank_part import RankPart
from palm.engine.run import Progress, StepResult, TrainingRun
from palm.engine.task_instance import TaskInstance
from palm.engine.train import train_step, upcoming
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Paradigm
from palm.pretrained.load import load_pretrained
from palm.registry import wrong_object
from palm.runtime.device import choose_device
from palm.schema.settings import TrainSettings
from palm.schema.values import Resolved, Setting
from palm.storage.atomic_directory import verify
from palm.storage.layout import WEIGHTS_FILE
from palm.storage.tensors import load_tensors
from palm.training.log import say
from palm.training.run import build_run
from palm.training.tasks import check_reported_metrics, check_shared_heads

_DEFAULT_SEED = 1
_HANDED_OUT = 64  # batches that a loop of a user may have taken before it trains on the first of them

_SET_ELSEWHERE = {
    "num_epochs": "load_data or fit_readers_with_mixratio",
    "learning_rate": "palm.optimizer.Adam",
    "lr_scheduler": "palm.optimizer.Adam",
    "warmup_proportion": "palm.optimizer.Adam",
    "weight_decay": "build_backward",
    "use_ema": "build_backward",
    "ema_decay": "build_backward",
    "random_seed": "the reader",
    "print_every_n_steps": "train",
    "resume": "train",
    "save_every_n_steps": "set_saver",
    "keep_checkpoints": "set_saver",
}
"""Training key → the call of this API that sets it."""


@dataclass(frozen=True)
class _HeadPart:
    """A head to build: see `palm.engine.model.HasHead`."""

    head: str
    paradigm: Paradigm


class Session:
    """Model, optimizer and progress of one run. Everything is built when it is first needed.

    Args:
        tasks: The tasks of the run.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = list(tasks)
        self.backward: Backward | None = None
        self.reference = self.tasks[0]
        self.num_epochs: float | None = None
        self.saver: Saver | None = None
        self.ranks = current_ranks()
        self.processes = self.ranks.count
        self._handed_out: deque[StepBatch] = deque(maxlen=_HANDED_OUT)
        self._keys: dict[str, object] = {}
        self._backbone: Backbone | None = None
        self._model: MultiTaskModel | None = None
        self._run: TrainingRun | None = None
        self._step_batches: Iterator[StepBatch] | None = None
        self._retired_tasks: frozenset[str] = frozenset()
        self._one_thread = threading.RLock()
        self._training_thread: int | None = None

    @contextmanager
    def one_thread(self, call: str, *, trains: bool = False) -> Iterator[None]:
        """Work on the model alone; other threads that want to wait for the end of the `with` block.

        A model is in training or in evaluation mode, and holds its weights or their average, for all threads.

        Args:
            call: What is being called, for the message.
            trains: Whether this trains to the end of the run: others are refused meanwhile, as that may take days.

        Raises:
            ConfigError: Another thread trains.
        """
        this = threading.get_ident()
        if self._training_thread not in (None, this):
            rule = "one thread at a time works on a trainer's model. Found that another one trains it."
            advice = "Wait for its end; or save a model, and predict with palm.Predictor beside the training."
            raise ConfigError(Problem(call, f"{rule} {advice}"))
        with self._one_thread:
            self._training_thread = this if trains else self._training_thread
            try:
                yield
            finally:
                self._training_thread = None if trains else self._training_thread

    @property
    def seed(self) -> int:
        """The seed of the first reader."""
        readers = [task.reader or task.predict_reader for task in self.tasks]
        return next((reader.seed for reader in readers if reader), _DEFAULT_SEED)

    @property
    def backbone(self) -> Backbone:
        """The backbone that all tasks share.

        Raises:
            ConfigError: They were given different ones, or none.
        """
        forwards = [forward for task in self.tasks for forward in (task.forward, task.predict_forward) if forward]
        given = [forward.backbone for forward in forwards or [self.tasks[0].any_forward]]
        if any((type(other), other.config) != (type(given[0]), given[0].config) for other in given):
            rule = "all tasks, in training and prediction, share one backbone."
            raise ConfigError(Problem("build_forward", f"{rule} Found different ones. Give the same everywhere."))
        return self._backbone or given[0]

    @property
    def heads(self) -> dict[str, str]:
        """Key of each task's head."""
        return head_keys({task.name: task.settings("train") for task in self.tasks})

    @property
    def model(self) -> MultiTaskModel:
        """The model, made when it is first asked for."""
        with self.one_thread("build_forward"):
            if self._model is None:
                self._model = self._new_model()
            return self._model

    def _new_model(self) -> MultiTaskModel:
        choose_device(use_gpu=paddle.is_compiled_with_cuda())
        for task in self.tasks:
            task.any_forward.head.check_fits(self.backbone.config.hidden_size)
        heads = self.heads
        parts = [_HeadPart(heads[task.name], task.paradigm("train")) for task in self.tasks]
        return MultiTaskModel(self.backbone, parts, seed=self.seed)

    def use_backbone(self, backbone: Backbone | None) -> None:
        """Make the model anew when it is next asked for, on `backbone` rather than the one that was given."""
        self._model, self._backbone = None, backbone
        self.begin_anew()

    @property
    def run(self) -> TrainingRun:
        """The training run, made when it is first asked for.

        Raises:
            ConfigError: Something is missing or does not fit.
        """
        with self.one_thread("train"):
            if self._run is None:
                self._run = self._new_run()
            return self._run

    @property
    def can_train(self) -> bool:
        """Whether everything for a training run is there."""
        return self.backward is not None and all(task.forward and task.reader for task in self.tasks)

    @property
    def average(self) -> WeightAverage | None:
        """The average of the weights, where there is one to predict with."""
        return self._run.average if self._run else None

    @property
    def progress(self) -> Progress:
        """Where training stands."""
        return self._run.progress if self._run else Progress()

    def set_backward(self, backward: Backward) -> None:
        """Take an optimizer and how to use it.

        Raises:
            ConfigError: It is none of PALM's.
        """
        if not isinstance(backward.optimizer, Adam):
            raise wrong_object("build_backward", "a palm.optimizer.Adam", "optimizer", backward.optimizer)
        self.backward = backward
        backward.optimizer.follow(self._learning_rate)
        self.begin_anew()

    def _learning_rate(self) -> float:
        """That of the last step; of the first, where there was none."""
        return self.run.learning_rate_at(max(1, self.progress.global_step))

    def begin_anew(self) -> None:
        """Forget optimizer and progress; the model's weights stay."""
        self._run = None
        self.reset_batches()

    def reset_batches(self) -> None:
        """Sample anew from where the run stands, which another call has moved on."""
        self._step_batches = None

    def configure(self, keys: Mapping[str, object]) -> None:
        """Take training keys of a configuration, under their own names.

        Raises:
            ConfigError: A key that something else of this API sets.
        """
        problems = [
            Problem("configure", f"`{key}` is what {call} sets. Found it with `{keys[key]}`. Set it there.")
            for key, call in _SET_ELSEWHERE.items()
            if key in keys
        ]
        if problems:
            raise ConfigError(problems)
        self._keys |= keys
        self.begin_anew()

    def next_step_batch(self) -> StepBatch:
        """The next batch of the run, for callers that step by themselves."""
        if self.run.settings.mode == "joint":
            rule = "a loop of your own trains one task per step."
            raise ConfigError(Problem("get_one_batch", f"{rule} Found mode: joint. Call train()."))
        retired_tasks = self.run.retired_tasks
        if self._step_batches is None or retired_tasks != self._retired_tasks:
            self._step_batches, self._retired_tasks = upcoming(self.run), retired_tasks
        step_batch = next(self._step_batches)
        self._handed_out.append(step_batch)
        return step_batch

    def remaining_batches(self) -> Iterator[StepBatch]:
        """What is left to train on, batch by batch, until the run is finished by whoever trains on them.

        One task alone also ends where nothing is trained: after as many batches as the run has steps.
        """
        batches = self.run.total_steps - self.progress.global_step if len(self.tasks) == 1 else None
        while not self.run.finished and batches != 0:
            yield self.next_step_batch()
            batches = None if batches is None else batches - 1

    def take_step(self, name: str, batch: Batch) -> StepResult:
        """Train the task `name` on `batch`: one step of the engine.

        Raises:
            ConfigError: No such task, something is missing, or a batch of several processes that is none of the run's.
        """
        with self.one_thread("train_one_step"):
            run = self.run
            task = next((task for task in run.tasks if task.name == name), None)
            if task is None:
                names = ", ".join(task.name for task in run.tasks)
                raise ConfigError(Problem("train_one_step", f"one of the tasks ({names}) is expected. Found `{name}`."))
            done, part = run.progress.task_steps.get(name, 0), self._part_of(batch)
            return train_step(run, StepBatch(run.progress.global_step + 1, task, done, batch, rank_part=part))

    def _part_of(self, batch: Batch) -> RankPart | None:
        """What this process has of a batch that several share; None of a batch that one process has alone."""
        if self.ranks.count == 1:
            return None
        for step_batch in self._handed_out:
            if step_batch.batch is batch:
                return step_batch.rank_part
        rule = "several processes train on the batches of fit_reader or get_one_batch, each on its part, as they are."
        raise ConfigError(Problem("train_one_step", f"{rule} Found another one. Call train(), or start one process."))

    def plan_for(self, processes: int) -> None:
        """Plan batches for another number of processes: that of a run that goes on with this session."""
        if processes != self.processes:
            self.processes = processes
            self.begin_anew()

    def load_pretrain(self, path: str | Path) -> None:
        """Start from pre-trained weights, and say what was loaded.

        Raises:
            ConfigError: Training has begun.
            CheckpointError: Nothing in it matched, or a shape differs.
        """
        if self._run is not None and self._run.progress.global_step:
            raise ConfigError(Problem("load_pretrain", "pre-trained weights come before training. Found it begun."))
        weights = load_pretrained(path, type(self.backbone))
        with self.one_thread("load_pretrain"):
            self.use_backbone(type(self.backbone)(backbone_config_for(weights, self.backbone.config)))
            instances = [_HeadPart(key, task.paradigm("train")) for task, key in self._with_heads()]
            for line in load_pretrained_weights(self.model, instances, weights):
                say(line)

    def load_checkpoint(self, path: str | Path) -> Path:
        """Put a checkpoint's weights into the model, and where everything for training is there, its whole state.

        Raises:
            CheckpointError: It is missing, damaged, or of another model.
        """
        folder = find_checkpoint(Path(path))
        verify(folder)
        with self.one_thread("load_ckpt"):
            self.reset_batches()
            if self.can_train:
                self.plan_for(processes_of(folder))
                for line in restore_checkpoint(self.run, folder):
                    say(line)
                return folder
            parameters = self.model.state_dict()
            saved = load_tensors(folder / WEIGHTS_FILE)
            set_weights(parameters, {name: saved[name] for name in saved if name in parameters}, where=str(folder))
        return folder

    def _with_heads(self) -> list[tuple[Task, str]]:
        heads = self.heads
        return [(task, heads[task.name]) for task in self.tasks]

    def _new_run(self) -> TrainingRun:
        self._check()
        if self.backward is None:
            raise ConfigError(Problem("train", "an optimizer is needed first. Call build_backward(optimizer)."))
        base = self.reference.mix_ratio
        ordered = sorted(self._with_heads(), key=lambda pair: pair[0] is not self.reference)
        tasks = [
            task.instance("train", head, task.mix_ratio / base, with_dev=True, processes=self.processes)
            for task, head in ordered
        ]
        check_shared_heads(tasks, self.backbone.config)
        settings, methods = self._settings(self.backward)
        self._check_methods(settings, methods, tasks)
        return build_run(self.model, tasks, settings, methods, schedule=self.backward.optimizer.lr_schedualer)

    def _check_methods(self, settings: TrainSettings, methods: Methods, tasks: Sequence[TaskInstance]) -> None:
        """Raise ConfigError with what keeps selection, early stopping, sampling or weighting from working."""
        of_instances = {task.name: task.settings for task in tasks}
        typed = self._typed()
        configs = tuple(replace(config, settings=of_instances[config.name]) for config in typed.tasks)
        problems = problems_of(replace(typed, tasks=configs, train=settings, methods=methods), CHECKS)
        if problems:
            raise ConfigError(problems)
        check_reported_metrics(tasks, settings)

    def _typed(self) -> TypedConfig:
        """The keys of the tasks, and where those of training were given, as checks look at them."""
        configs = tuple(task.config("train", head) for task, head in self._with_heads())
        given = {key: Resolved(Setting(key, value, "configure")) for key, value in self._keys.items()}
        written = {task.name: task.written for task in self.tasks}
        names = tuple(config.name for config in configs)
        return TypedConfig("train", names, configs, run_values=given, task_values=written)

    def _check(self) -> None:
        """Raise ConfigError with everything that is missing or does not fit."""
        if not self.reference.target:
            raise self.reference.problem("the sampling reference is a target. Found an auxiliary task. Name another.")
        typed = self._typed()
        problems = problems_of(typed, CHECKS)
        if not problems:
            tokenizer = self.reference.reader_for("train").component.tokenizer
            typed = replace(typed, backbone=self.backbone, tokenizer=tokenizer)
            problems = problems_of(typed, WIRING)
            problems += self._vocabulary_problems(tokenizer.fingerprint)
        if problems:
            raise ConfigError(problems)
        for warning in smaller_vocabulary(typed):
            say(f"Warning: {warning}")

    def _vocabulary_problems(self, fingerprint: str) -> Iterator[Problem]:
        for task in self.tasks:
            if task.reader_for("train").component.tokenizer.fingerprint != fingerprint:
                rule = "all readers share one vocabulary, and lower-case alike: they share one encoder."
                yield Problem(task.owner, f"{rule} Found a reader with other ones.")

    def _settings(self, backward: Backward) -> tuple[TrainSettings, Methods]:
        reader = self.reference.reader_for("train")
        keys = {
            "num_epochs": self.num_epochs or reader.num_epochs or 1,
            "learning_rate": backward.optimizer.lr,
            "lr_scheduler": "constant",
            "weight_decay": backward.weight_decay,
            "use_ema": backward.use_ema,
            "ema_decay": backward.ema_decay,
            "random_seed": self.seed,
            "use_gpu": paddle.is_compiled_with_cuda(),
            **self._keys,
        }
        return training_from_keywords(keys, owner="palm.Trainer", written={"learning_rate": "lr"})
