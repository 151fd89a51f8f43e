"""A worker that trains with transformers' Trainer: dynamic padding, batches of the tasks by their ratios.

Settings: see `workloads.peer_settings` and `Lineup.torch`; `group_by_length` takes transformers' sampler.
"""

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks.speed.peers.features import Task, endless_batches, loader_of, read_task
from benchmarks.speed.peers.multi_head import build, tokenizer_of
from benchmarks.speed.worker import Pace

# Runs do not end by themselves: the parent ends them.
_ENDLESS = 1_000_000


class TaskBatches:
    """The Trainer's dataloader: each batch contains its task's name.

    Args:
        tasks: The tasks.
        seed: Seed of the sampling.
        group_by_length: Whether a batch has examples of similar length.
    """

    def __init__(self, tasks: list[Task], *, seed: int, group_by_length: bool) -> None:
        self._tasks, self._seed = tasks, seed
        self._loaders = {task.name: self._loader(task, group_by_length) for task in tasks}
        self.latest = ("", 0)

    def __len__(self) -> int:
        return _ENDLESS

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for task, batch in endless_batches(self._tasks, self._loaders, seed=self._seed):
            self.latest = task.name, len(batch["input_ids"])
            yield {**batch, "task": task.name}

    @staticmethod
    def _loader(task: Task, group_by_length: bool) -> DataLoader[Any]:
        lengths = [len(feature["input_ids"]) for feature in task.features]
        return loader_of(task, LengthGroupedSampler(task.batch_size, lengths=lengths) if group_by_length else None)


class MultiTaskTrainer(Trainer):
    """The Trainer on batches of several tasks."""

    def __init__(self, *, batches: TaskBatches, **keys: Any) -> None:  # noqa: ANN401 (the Trainer's own)
        super().__init__(**keys)
        self._batches = batches

    def get_train_dataloader(self) -> TaskBatches:  # type: ignore[override]
        """The batches."""
        return self._batches

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any], **_: object) -> torch.Tensor:  # type: ignore[override]
        """The loss of the batch's task."""
        loss: torch.Tensor = model(inputs.pop("task"), **inputs)
        return loss


class StepByStep(TrainerCallback):
    """Ends a lap after every step."""

    def __init__(self, pace: Pace, batches: TaskBatches) -> None:
        self._pace, self._batches = pace, batches

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Everything is built."""
        self._pace.ready()

    def on_step_end(self, *_: object, **__: object) -> None:
        """A step has ended."""
        task, examples = self._batches.latest
        self._pace.lap(examples, task)


def arguments(settings: Mapping[str, Any], folder: str) -> TrainingArguments:
    """The Trainer's defaults except the settings common to all participants."""
    return TrainingArguments(
        output_dir=folder,
        use_cpu=True,
        max_steps=_ENDLESS,
        learning_rate=settings["learning_rate"],
        lr_scheduler_type="constant",
        weight_decay=settings["weight_decay"],
        max_grad_norm=settings["max_grad_norm"],
        bf16=settings["bf16"],
        seed=settings["seed"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def main() -> None:
    pace = Pace.of_process()
    settings = pace.settings
    tokenizer = tokenizer_of(settings)
    tasks = [read_task(name, keys, tokenizer) for name, keys in settings["tasks"].items()]
    torch.set_float32_matmul_precision(settings["matmul"])
    batches = TaskBatches(tasks, seed=settings["seed"], group_by_length=settings["group_by_length"])
    with tempfile.TemporaryDirectory() as folder:
        trainer = MultiTaskTrainer(
            batches=batches,
            model=build(settings, tasks),
            args=arguments(settings, folder),
            train_dataset=[],
            callbacks=[StepByStep(pace, batches)],
        )
        trainer.train()


if __name__ == "__main__":
    main()
