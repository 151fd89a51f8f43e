"""`Trainer`: one task, trained and used by itself or as a part of a `MultiHeadTrainer`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

from palm.api.data_reader import ApiPhase, DataReader
from palm.api.heads import Head
from palm.api.loading import load_models
from palm.api.optimizer import Adam, Backward, Loss
from palm.api.predicting import BatchesInOrder, batches_in_order, predict, predict_batch
from palm.api.saver import new_saver
from palm.api.session import Session
from palm.api.task import Forward, Task
from palm.api.training import save_after_step, save_model, train
from palm.backbone.base import Backbone
from palm.data.dataset import Batch
from palm.engine.optim.weight_average import averaged
from palm.engine.predict import metrics_over
from palm.engine.run import StepResult
from palm.paradigm.base import Outputs, Prediction
from palm.reader.formats.row_table import GivenData
from palm.reader.formats.sources import data_name
from palm.reader.loading import load_dataset
from palm.spec import LegacySpec
from palm.tracking import Callback
from palm.training.display.choice import LogStyle


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

    @property
    def num_examples(self) -> int:
        """Training examples of the reader; 0 before it was fitted."""
        return self.task.reader.num_examples if self.task.reader else 0

    @property
    def mix_ratio(self) -> float:
        """The task's sampling weight, where several tasks are trained together."""
        return self.task.mix_ratio

    @mix_ratio.setter
    def mix_ratio(self, value: float) -> None:
        self.task.mix_ratio = value
        self.session.begin_anew()

    @property
    def steps_pur_epoch(self) -> int | None:
        """Steps in one pass over the training file, under PALM 2's name; None before a reader was fitted."""
        if self.task.reader is None:
            return None
        return self.task.instance("train", self.name, processes=self.session.processes).steps_per_epoch

    @property
    def cur_train_step(self) -> int:
        """Steps that the task has been trained."""
        return self.session.progress.task_steps.get(self.name, 0)

    @property
    def cur_train_epoch(self) -> int:
        """Epoch of the last of these steps, counted from 0."""
        return max(self.cur_train_step - 1, 0) // (self.steps_pur_epoch or 1)

    def build_forward(self, backbone: Backbone, task_head: Head) -> Loss:
        """Put `task_head` on `backbone`, to be trained; what it gives is for `palm.optimizer.Adam`."""
        self.task.forward = Forward(backbone, task_head)
        self.session.use_backbone(None)
        return Loss((self.name,))

    def build_predict_forward(self, pred_backbone: Backbone, pred_head: Head) -> dict[str, LegacySpec]:
        """Put `pred_head` on `pred_backbone`, to predict. Left out, those of training predict.

        Returns:
            What the head gives for a batch: name → `[[-1, …], dtype]`.
        """
        self.task.predict_forward = Forward(pred_backbone, pred_head)
        return pred_head.outputs_attr

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
        self.session.set_backward(Backward(optimizer, weight_decay or 0.0, use_ema, ema_decay or 0.0))

    def fit_reader(self, reader: DataReader, phase: ApiPhase = "train") -> Iterator[Batch]:
        """Take a reader with its data.

        Returns:
            The batches, for a loop of your own: those to train on until training is done, or those to predict, once, in
            the order of the file. Nothing is made before the first is asked for.

        Raises:
            ConfigError: It was made for another phase.
        """
        self.task.fit(reader, phase)
        self._batches.restart()
        if phase == "predict":
            return batches_in_order(reader)
        self.session.begin_anew()
        return self._training_batches()

    def _training_batches(self) -> Iterator[Batch]:
        if len(self.session.tasks) > 1:
            raise self.task.problem("several tasks take turns. Take the batches of the MultiHeadTrainer.")
        for step_batch in self.session.remaining_batches():
            yield step_batch.batch

    def set_dev_file(self, file: str | Path | GivenData) -> None:
        """Evaluate on `file` during training: after each epoch of the first target, or as `configure` says.

        With a saver of type `predict`, each target's model is then exported to `save_path/<task>/infer_model` at its
        last step, or as it was at its best where `selection` or early stopping say so.
        """
        self.task.dev_file = data_name(file)
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
            model_path: The inference model's folder, one that holds it under the task's name, or PALM 2's
                `pred.step<N>`. Weights of an encoder alone are loaded as well, with a warning: the head is untrained.
            convert: Accepted for scripts of PALM 2.

        Raises:
            CheckpointError: It is missing, damaged, or of another kind.
        """
        del convert
        with self.session.one_thread("load_predict_model"):
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

    def train(
        self,
        print_steps: int = 5,
        *,
        resume: bool = False,
        callbacks: Sequence[Callback] = (),
        log: LogStyle = "panel",
    ) -> None:
        """Train to the end; from where it is, after `load_ckpt` or `train_one_step`.

        Args:
            print_steps: Steps between log lines; none below 1.
            resume: Continue from the newest checkpoint of the saver, to the same bits; from the start if it has none.
            callbacks: Told of steps, evaluations, exports and the end: see `palm.Callback`.
            log: `panel` shows a panel on a terminal and a table in a notebook, and lines elsewhere; `lines` only lines.

        Raises:
            ConfigError: Something is missing or does not fit.
            CheckpointError: Something cannot be written.
            TrainingError: The loss or a gradient is not finite, or a callback failed.
        """
        with self.session.one_thread("train", trains=True):
            train(self.session, print_steps, resume=resume, callbacks=callbacks, log=log)

    def get_one_batch(self, phase: ApiPhase = "train") -> Batch | None:
        """The next batch; of data to predict, in the order of the file, None after the last."""
        if phase == "predict":
            return self._batches.following(self.task.reader_for("predict"))
        if len(self.session.tasks) > 1:
            raise self.task.problem("several tasks take turns. Call get_one_batch of the MultiHeadTrainer.")
        return self.session.next_step_batch().batch

    def train_one_step(self, batch: Batch) -> StepResult:
        """Train on `batch`: one step of the engine; then save where `set_saver` has it due."""
        result = self.session.take_step(self.name, batch)
        save_after_step(self.session, result)
        return result

    def predict(self, output_dir: str | Path | None = None, print_steps: int = 1000) -> list[Prediction]:
        """Predict the loaded file: one prediction per row, in its order, also as predictions.json in `output_dir`.

        Without `output_dir` that of the head (`palm.head.MRC(…, pred_output_path=…)`) is taken, if it has any.

        Raises:
            ConfigError: Something is missing or does not fit.
        """
        folder = output_dir or self.task.forward_for("predict").head.pred_output_path
        return predict(self.session, [self.task], folder, print_steps)[self.name]

    def reset_buffer(self) -> None:
        """Accepted for scripts of PALM 2: no prediction stays behind in a trainer."""

    def predict_one_batch(self, batch: Batch) -> Outputs:
        """What the head gives for `batch`, such as `logits`."""
        return predict_batch(self.session, [self.task], batch)[self.name]

    def evaluate(self, file: str | Path | GivenData) -> dict[str, float]:
        """Loss and metrics over a file with gold labels, read as the training file was, as fractions of 1.

        Raises:
            ConfigError: No training data were given.
            DataError: With file and line of everything that is wrong.
        """
        reader = self.task.reader_for("train").component
        task = self.task.instance("train", self.session.heads[self.name])
        data = load_dataset(reader, data_name(file), "eval")
        with self.session.one_thread("evaluate"), averaged(self.session.average):
            return metrics_over(self.session.model, task, data, ranks=self.session.ranks)
