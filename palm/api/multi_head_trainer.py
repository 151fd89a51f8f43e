"""`MultiHeadTrainer`: several tasks over one encoder, trained in alternating mini-batches, predicted in one pass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final, overload

from palm.api.data_reader import ApiPhase, DataReader
from palm.api.loading import load_models
from palm.api.optimizer import Adam, Backward, Loss
from palm.api.predicting import BatchesInOrder, batches_in_order, predict, predict_batch
from palm.api.saver import new_saver
from palm.api.session import Session
from palm.api.trainer import Trainer
from palm.api.training import save_after_step, train
from palm.data.dataset import Batch
from palm.engine.run import StepResult
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Outputs, Prediction
from palm.tracking import Callback
from palm.training.display.choice import LogStyle

TaskBatch = tuple[str, Batch]
"""Name of the task that a batch belongs to, and the batch."""


@final
class MultiHeadTrainer:
    """Trains several tasks over one encoder.

    Args:
        trainers: One per task; from now on they share one model with this one.

    Raises:
        ConfigError: None, or two of one name.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        names = [trainer.name for trainer in trainers]
        if not names or len(set(names)) < len(names):
            rule = "trainers of different names are expected."
            raise ConfigError(Problem("palm.MultiHeadTrainer", f"{rule} Found {', '.join(names) or 'none'}."))
        self.trainers = tuple(trainers)
        self.session = Session([trainer.task for trainer in trainers])
        for trainer in trainers:
            trainer.session = self.session
        self._batches = BatchesInOrder()

    def build_forward(self) -> Loss:
        """The loss of all tasks, each of which has its own `build_forward` behind it.

        Raises:
            ConfigError: One has not, or they have different backbones.
        """
        for task in self.session.tasks:
            task.forward_for("train")
        _ = self.session.backbone
        return Loss(tuple(task.name for task in self.session.tasks))

    def build_predict_forward(self) -> None:
        """Predict with all tasks, each of which has its own `build_predict_forward` behind it.

        Raises:
            ConfigError: One has not, or they have different backbones.
        """
        for task in self.session.tasks:
            task.forward_for("predict")
        _ = self.session.backbone

    @property
    def cur_train_step(self) -> int:
        """Global steps that have been trained."""
        return self.session.progress.global_step

    @property
    def overall_train_steps(self) -> int:
        """Global steps of the run until every target is done; PALM 2 gave the sum of the tasks' expected steps.

        Raises:
            ConfigError: Something is missing or does not fit.
        """
        return self.session.run.total_steps

    def build_backward(
        self, optimizer: Adam, weight_decay: float | None = None, use_ema: bool = False, ema_decay: float | None = None
    ) -> None:
        """Say how to update: see `Trainer.build_backward`."""
        self.session.set_backward(Backward(optimizer, weight_decay or 0.0, use_ema, ema_decay or 0.0))

    def fit_readers_with_mixratio(
        self,
        readers: Sequence[DataReader] | Mapping[str, DataReader],
        sampling_reference: str,
        num_epochs: float = 1,
        phase: ApiPhase = "train",
    ) -> Iterator[TaskBatch]:
        """Take the readers with their data.

        Args:
            readers: One per trainer, in the order of the trainers or by their names.
            sampling_reference: Name of the task whose epochs `num_epochs` counts: it trains that many, every other
                task as many steps as its mix ratio, divided by that of the reference, makes it.
            num_epochs: Passes over the reference's file.
            phase: What the data are for.

        Returns:
            The batches to train on and whose they are, for a loop of your own, until training is done.

        Raises:
            ConfigError: Another number of readers than of trainers, or an unknown reference.
        """
        by_name = self._by_name(readers, "fit_readers_with_mixratio")
        self.session.reference = self._trainer(sampling_reference).task
        self.session.num_epochs = num_epochs
        for trainer in self.trainers:
            trainer.fit_reader(by_name[trainer.name], phase)
        return self._training_batches()

    def _training_batches(self) -> Iterator[TaskBatch]:
        for step_batch in self.session.remaining_batches():
            yield step_batch.task.name, step_batch.batch

    def merge_inference_readers(
        self, readers: Sequence[DataReader] | Mapping[str, DataReader]
    ) -> Callable[[str], Iterator[Batch]]:
        """Take a reader of data to predict for each task.

        Args:
            readers: One per trainer, in the order of the trainers or by their names.

        Returns:
            `batches(task)`: the batches of a task's file, in its order, for `predict_one_batch(task, batch)`.

        Raises:
            ConfigError: Another number of readers than of trainers, or one made for another phase.
        """
        for name, reader in self._by_name(readers, "merge_inference_readers").items():
            self._trainer(name).fit_reader(reader, "predict")

        def batches(task_name: str) -> Iterator[Batch]:
            return batches_in_order(self._trainer(task_name).task.reader_for("predict"))

        return batches

    def _by_name(self, readers: Sequence[DataReader] | Mapping[str, DataReader], owner: str) -> dict[str, DataReader]:
        names = [trainer.name for trainer in self.trainers]
        if isinstance(readers, Mapping):
            fits, given = sorted(readers) == sorted(names), dict(readers)
        else:
            fits, given = len(readers) == len(names), dict(zip(names, readers, strict=False))
        if not fits:
            found = f"Found {len(readers)} readers for {len(names)} trainers ({', '.join(names)})."
            raise ConfigError(Problem(owner, f"each trainer has a reader. {found}"))
        return given

    def fit_reader(self, reader: DataReader, phase: ApiPhase = "predict") -> Iterator[Batch]:
        """Take one reader of data that all heads predict, in one pass of the encoder; its batches, in their order."""
        for trainer in self.trainers:
            trainer.fit_reader(reader, phase)
        self._batches.restart()
        return batches_in_order(reader)

    def load_pretrain(self, model_path: str | Path, convert: bool = False) -> None:
        """Start from pre-trained weights: see `Trainer.load_pretrain`."""
        del convert
        self.session.load_pretrain(model_path)

    def load_ckpt(self, model_path: str | Path) -> None:
        """Load a checkpoint: see `Trainer.load_ckpt`."""
        self.session.load_checkpoint(model_path)

    def load_predict_model(self, model_path: str | Path, convert: bool = False) -> None:
        """Load the inference model of each task, saved at the same step.

        Args:
            model_path: A folder with one of each task under its name.
            convert: Accepted for scripts of PALM 2.

        Raises:
            CheckpointError: One is missing or damaged, or their encoders differ.
        """
        del convert
        with self.session.one_thread("load_predict_model"):
            load_models(self.session, Path(model_path))

    def set_saver(self, save_path: str | Path, save_steps: int, save_type: str = "ckpt") -> None:
        """Save every `save_steps` global steps and at the end: see `Trainer.set_saver`."""
        self.session.saver = new_saver(save_path, save_steps, save_type)

    def configure(self, **keys: Any) -> None:  # noqa: ANN401 (checked by the schema of training)
        """Set training keys of a configuration by their names, such as `sampling`: see `Trainer.configure`."""
        self.session.configure(keys)

    def train(
        self,
        print_steps: int = 5,
        *,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
        log: LogStyle = "panel",
    ) -> None:
        """Train until every target has done its steps: see `Trainer.train`."""
        with self.session.one_thread("train", trains=True):
            train(self.session, print_steps, resume=resume, callbacks=callbacks, log=log)

    def get_one_batch(self, phase: ApiPhase = "train") -> TaskBatch | Batch | None:
        """The next batch and whose it is; of data to predict, the batch alone, and None after the last."""
        if phase == "predict":
            return self._batches.following(self._shared_reader())
        step_batch = self.session.next_step_batch()
        return step_batch.task.name, step_batch.batch

    def train_one_step(self, batch: TaskBatch) -> StepResult:
        """Train one task on its batch: one step of the engine; then save where `set_saver` has it due."""
        result = self.session.take_step(*batch)
        save_after_step(self.session, result)
        return result

    def predict(self, output_dir: str | Path | None = None, print_steps: int = 1000) -> dict[str, list[Prediction]]:
        """Predictions by task: of all heads from one pass of the encoder, where they share one reader.

        Raises:
            ConfigError: Something is missing or does not fit.
        """
        found: dict[str, list[Prediction]] = {}
        tasks = self.session.tasks
        for reader in dict.fromkeys(task.reader_for("predict") for task in tasks):
            together = [task for task in tasks if task.predict_reader is reader]
            place = Path(output_dir) / together[0].name if output_dir and len(together) == 1 else output_dir
            found |= predict(self.session, together, place, print_steps)
        return {task.name: found[task.name] for task in tasks}

    @overload
    def predict_one_batch(self, task_name: Batch) -> dict[str, Outputs]: ...

    @overload
    def predict_one_batch(self, task_name: str, batch: Batch) -> Outputs: ...

    def predict_one_batch(self, task_name: str | Batch, batch: Batch | None = None) -> Outputs | dict[str, Outputs]:
        """What the head of one task gives for a batch; with a batch alone, what each head gives, by its task.

        Args:
            task_name: The task; or the batch, to run all heads over one pass of the encoder.
            batch: The batch, where a task is named.

        Raises:
            ConfigError: An unknown task, or a task without a batch.
        """
        if not isinstance(task_name, str):
            every_head: dict[str, Outputs] = {**predict_batch(self.session, self.session.tasks, task_name)}
            return every_head
        if batch is None:
            raise ConfigError(Problem("predict_one_batch", f"a batch is needed. Found the task `{task_name}` alone."))
        task = self._trainer(task_name).task
        return predict_batch(self.session, [task], batch)[task_name]

    def _trainer(self, name: str) -> Trainer:
        found = next((trainer for trainer in self.trainers if trainer.name == name), None)
        if found is None:
            names = ", ".join(trainer.name for trainer in self.trainers)
            rule = f"one of the trainers ({names}) is expected."
            raise ConfigError(Problem("palm.MultiHeadTrainer", f"{rule} Found `{name}`."))
        return found

    def _shared_reader(self) -> DataReader:
        readers = {task.reader_for("predict") for task in self.session.tasks}
        if len(readers) > 1:
            rule = "batches for all heads come from one reader."
            raise ConfigError(Problem("get_one_batch", f"{rule} Found {len(readers)}. Call fit_reader(reader)."))
        return readers.pop()
