"""`MultiHeadTrainer`: several tasks over one encoder, trained in alternating mini-batches, predicted in one pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from palm.api.loading import load_models
from palm.api.optimizer import Adam, Loss
from palm.api.predicting import BatchesInOrder, predict, predict_batch
from palm.api.readers import ApiPhase, DataReader
from palm.api.saver import new_saver
from palm.api.session import Backward, Session
from palm.api.trainer import Trainer
from palm.api.training import train
from palm.data.dataset import Batch
from palm.engine.run import StepResult
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Outputs, Prediction

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

    def build_backward(
        self, optimizer: Adam, weight_decay: float | None = None, use_ema: bool = False, ema_decay: float | None = None
    ) -> None:
        """Say how to update: see `Trainer.build_backward`."""
        self.session.backward = Backward(optimizer, weight_decay or 0.0, use_ema, ema_decay or 0.0)
        self.session.begin_anew()

    def fit_readers_with_mixratio(
        self,
        readers: Sequence[DataReader],
        sampling_reference: str,
        num_epochs: float = 1,
        phase: ApiPhase = "train",
    ) -> None:
        """Take the readers with their data.

        Args:
            readers: One a trainer, in the order of the trainers.
            sampling_reference: Name of the task whose epochs `num_epochs` counts: it trains that many, every other
                task as many steps as its mix ratio, divided by that of the reference, makes it.
            num_epochs: Passes over the reference's file.
            phase: What the data are for.

        Raises:
            ConfigError: Another number of readers than of trainers, or an unknown reference.
        """
        if len(readers) != len(self.trainers):
            found = f"Found {len(readers)} readers for {len(self.trainers)} trainers."
            raise ConfigError(Problem("fit_readers_with_mixratio", f"each trainer has a reader. {found}"))
        self.session.reference = self._trainer(sampling_reference).task
        self.session.num_epochs = num_epochs
        for trainer, reader in zip(self.trainers, readers, strict=True):
            trainer.fit_reader(reader, phase)

    def fit_reader(self, reader: DataReader, phase: ApiPhase = "predict") -> None:
        """Take one reader of data that all heads predict, in one pass of the encoder."""
        for trainer in self.trainers:
            trainer.fit_reader(reader, phase)
        self._batches.restart()

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
        load_models(self.session, Path(model_path))

    def set_saver(self, save_path: str | Path, save_steps: int, save_type: str = "ckpt") -> None:
        """Save every `save_steps` global steps and at the end: see `Trainer.set_saver`."""
        self.session.saver = new_saver(save_path, save_steps, save_type)

    def configure(self, **keys: Any) -> None:  # noqa: ANN401 (checked by the schema of training)
        """Set training keys of a configuration by their names, such as `sampling`: see `Trainer.configure`."""
        self.session.configure(keys)

    def train(self, print_steps: int = 5, *, resume: bool = False) -> None:
        """Train until every target has done its steps: see `Trainer.train`."""
        train(self.session, print_steps, resume=resume)

    def get_one_batch(self, phase: ApiPhase = "train") -> TaskBatch | Batch | None:
        """The next batch and whose it is; of data to predict, the batch alone, and None after the last."""
        if phase == "predict":
            return self._batches.following(self._shared_reader())
        step_batch = self.session.next_step_batch()
        return step_batch.task.name, step_batch.batch

    def train_one_step(self, batch: TaskBatch) -> StepResult:
        """Train one task on its batch: one step of the engine."""
        return self.session.take_step(*batch)

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

    def predict_one_batch(self, batch: Batch) -> dict[str, Outputs]:
        """What each head gives for `batch`, from one pass of the encoder."""
        return {**predict_batch(self.session, self.session.tasks, batch)}

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
