"""`Trainer`: one task, trained and used by itself or as a part of a `MultiHeadTrainer`."""

from pathlib import Path
from typing import Any, final

from palm.api.heads import Head
from palm.api.loading import load_models
from palm.api.optimizer import Adam, Loss
from palm.api.predicting import BatchesInOrder, predict, predict_batch
from palm.api.readers import ApiPhase, DataReader
from palm.api.saver import new_saver
from palm.api.session import Backward, Session
from palm.api.task import Forward, Task
from palm.api.training import save_model, train
from palm.backbone.base import Backbone
from palm.data.dataset import Batch
from palm.engine.optim.weight_average import averaged
from palm.engine.predict import metrics_over
from palm.engine.run import StepResult
from palm.paradigm.base import Outputs, Prediction
from palm.reader.loading import load_dataset


@final
class Trainer:
    """Trains one task, and predicts with it.

    Args:
        name: The task's name.
        mix_ratio: Its sampling weight, where several tasks are trained together.
        reuse_head_with: Name of the trainer whose head this one shares, where several tasks are trained together.
        keys: Further keys of the task as a configuration has them: `loss_weight`, `lr_scale`, `metrics`,
            `early_stopping_patience` and the like.

    Raises:
        ConfigError: A name that no file can have, or an unknown key.
    """

    def __init__(
        self,
        name: str,
        mix_ratio: float = 1.0,
        reuse_head_with: str | None = None,
        **keys: Any,  # noqa: ANN401 (checked by the schema of tasks)
    ) -> None:
        self.task = Task(name, mix_ratio, reuse_head_with, keys=keys)
        self.session = Session([self.task])
        self._batches = BatchesInOrder()

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def num_epochs(self) -> float | None:
        """Passes over the training file that the reader was loaded for."""
        return self.task.reader_for("train").num_epochs

    def build_forward(self, backbone: Backbone, task_head: Head) -> Loss:
        """Put `task_head` on `backbone`, to be trained; what it gives is for `palm.optimizer.Adam`."""
        self.task.forward = Forward(backbone, task_head)
        self.session.use_backbone(None)
        return Loss((self.name,))

    def build_predict_forward(self, pred_backbone: Backbone, pred_head: Head) -> None:
        """Put `pred_head` on `pred_backbone`, to predict. Left out, those of training predict."""
        self.task.predict_forward = Forward(pred_backbone, pred_head)

    def build_backward(
        self, optimizer: Adam, weight_decay: float | None = None, use_ema: bool = False, ema_decay: float | None = None
    ) -> None:
        """Say how to update.

        Args:
            optimizer: The optimizer.
            weight_decay: Decoupled weight decay; LayerNorm and biases are left out.
            use_ema: Predict with, evaluate and export an exponential moving average of the weights.
            ema_decay: Its decay an update.
        """
        self.session.backward = Backward(optimizer, weight_decay or 0.0, use_ema, ema_decay or 0.0)
        self.session.begin_anew()

    def fit_reader(self, reader: DataReader, phase: ApiPhase = "train") -> None:
        """Take a reader with its data.

        Raises:
            ConfigError: It was made for another phase.
        """
        self.task.fit(reader, phase)
        if phase == "train":
            self.session.begin_anew()
        self._batches.restart()

    def set_dev_file(self, file: str | Path) -> None:
        """Evaluate on `file` during training: after each epoch of the first target, or as `configure` says.

        With a saver of type `predict`, each target's model is then exported to `save_path/<task>/infer_model` at its
        last step, or as it was at its best where `selection` or early stopping say so.
        """
        self.task.dev_file = Path(file)
        self.session.begin_anew()

    def configure(self, **keys: Any) -> None:  # noqa: ANN401 (checked by the schema of training)
        """Set training keys of a configuration by their names, such as `selection` or `eval_every_n_steps`.

        Raises:
            ConfigError: A key that another call sets. Unknown keys and wrong values are found when training begins.
        """
        self.session.configure(keys)

    def set_as_aux(self) -> None:
        """Make the task an auxiliary one: it ends nothing, and no inference model of it is saved."""
        self.task.target = False

    def load_pretrain(self, model_path: str | Path, convert: bool = False) -> None:
        """Start from pre-trained weights: a Hugging Face folder, a .pdparams file, or a Paddle 1.x folder.

        Args:
            model_path: The weights.
            convert: Accepted for scripts of PALM 2; formats are detected.

        Raises:
            CheckpointError: Nothing in it matched, or a shape differs.
        """
        del convert
        self.session.load_pretrain(model_path)

    def load_ckpt(self, model_path: str | Path) -> None:
        """Load a checkpoint: the state of the run where one is set up, and training goes on from there; else weights.

        Args:
            model_path: A `step_N` folder, or what `set_saver` was given for the newest.

        Raises:
            CheckpointError: It is missing, damaged, or of another model.
        """
        self.session.load_checkpoint(model_path)

    def load_predict_model(self, model_path: str | Path, convert: bool = False) -> None:
        """Load an inference model, of this API, the Controller, or the command line; it brings its labels with it.

        Args:
            model_path: The inference model's folder, or one that holds it under the task's name.
            convert: Accepted for scripts of PALM 2.

        Raises:
            CheckpointError: It is missing, damaged, or of another kind.
        """
        del convert
        load_models(self.session, Path(model_path))

    def set_saver(self, save_path: str | Path, save_steps: int, save_type: str = "ckpt") -> None:
        """Save every `save_steps` steps and at the end.

        Args:
            save_path: Checkpoints go to `ckpt/step_N` below it, inference models to `predict/step_N/<task>`.
            save_steps: Global steps between two savings; -1 for at the end only.
            save_type: `ckpt`, `predict`, or `ckpt,predict`.
        """
        self.session.saver = new_saver(save_path, save_steps, save_type)

    def save_predict_model(self, model_path: str | Path) -> None:
        """Write an inference model of the task as it is now, for callers that step by themselves.

        Raises:
            ConfigError: Something is missing or does not fit.
            CheckpointError: The folder cannot be written.
        """
        save_model(self.session, self.name, Path(model_path))

    def train(self, print_steps: int = 5, *, resume: bool = False) -> None:
        """Train to the end; from where it is, after `load_ckpt` or `train_one_step`.

        Args:
            print_steps: Steps between log lines.
            resume: Continue from the newest checkpoint of the saver, to the same bits; from the start if it has none.

        Raises:
            ConfigError: Something is missing or does not fit.
            CheckpointError: Something cannot be written.
            TrainingError: The loss or a gradient is not finite.
        """
        train(self.session, print_steps, resume=resume)

    def get_one_batch(self, phase: ApiPhase = "train") -> Batch | None:
        """The next batch; of data to predict, in the order of the file, None after the last."""
        if phase == "predict":
            return self._batches.following(self.task.reader_for("predict"))
        if len(self.session.tasks) > 1:
            raise self.task.problem("several tasks take turns. Call get_one_batch of the MultiHeadTrainer.")
        return self.session.next_step_batch().batch

    def train_one_step(self, batch: Batch) -> StepResult:
        """Train on `batch`: one step of the engine, with everything that belongs to one."""
        return self.session.take_step(self.name, batch)

    def predict(self, output_dir: str | Path | None = None, print_steps: int = 1000) -> list[Prediction]:
        """Predict the loaded file: one prediction per row, in its order, also as predictions.json in `output_dir`.

        Raises:
            ConfigError: Something is missing or does not fit.
        """
        return predict(self.session, [self.task], output_dir, print_steps)[self.name]

    def predict_one_batch(self, batch: Batch) -> Outputs:
        """What the head gives for `batch`, such as `logits`."""
        return predict_batch(self.session, [self.task], batch)[self.name]

    def evaluate(self, file: str | Path) -> dict[str, float]:
        """Loss and metrics over a file with gold labels, read as the training file was, as fractions of 1.

        Raises:
            ConfigError: No training data were given.
            DataError: With file and line of everything that is wrong.
        """
        reader = self.task.reader_for("train").component
        task = self.task.instance("train", self.session.heads[self.name])
        data = load_dataset(reader, Path(file), "eval")
        with averaged(self.session.average):
            return metrics_over(self.session.model, task, data)
