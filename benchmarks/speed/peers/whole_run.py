"""A whole run with transformers' Trainer: reads, tokenises, trains, evaluates, saves, and ends.

Settings, a line of JSON on stdin: those of `trainer`, and `max_steps`, `eval_every`, `dev` (a file for each task) and
`folder`. Accuracy over the labels stands for all metrics, with the dev file's own numbering of labels, since only the
time of the evaluation matters here; PALM also counts spans.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from benchmarks.speed.peers.features import Task, read_task
from benchmarks.speed.peers.multi_head import MultiHeadBert, build, tokenizer_of, tune
from benchmarks.speed.peers.trainer import MultiTaskTrainer, TaskBatches, arguments


class Evaluate(TrainerCallback):
    """Accuracy of each task on its dev file, after every `every` steps.

    Args:
        dev: The dev rows of each task.
        settings: Those of the process.
    """

    def __init__(self, dev: list[Task], settings: Mapping[str, Any]) -> None:
        self._dev, self._every = dev, settings["eval_every"]
        self._precision = tune(settings)

    def on_step_end(self, args: object, state: Any, control: object, model: MultiHeadBert, **_: object) -> None:  # noqa: ANN401
        """Evaluate where it is due."""
        del args, control
        if state.global_step % self._every:
            return
        model.eval()
        with torch.inference_mode(), self._precision:
            for task in self._dev:
                sys.stderr.write(f"{task.name}: accuracy {accuracy(model, task):.4f}\n")
        model.train()


def accuracy(model: MultiHeadBert, task: Task) -> float:
    """The share of right labels."""
    batches: DataLoader[Any] = DataLoader(task.features, task.batch_size, collate_fn=task.collate)  # type: ignore[arg-type]
    right = counted = 0
    for batch in batches:
        gold = batch.pop("labels")
        found = model.logits(task.name, **batch).argmax(-1)
        known = gold >= 0
        right += int((found == gold)[known].sum())
        counted += int(known.sum())
    return right / max(counted, 1)


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    tokenizer = tokenizer_of(settings)
    tasks = [read_task(name, keys, tokenizer) for name, keys in settings["tasks"].items()]
    torch.set_float32_matmul_precision(settings["matmul"])
    batches = TaskBatches(tasks, seed=settings["seed"], group_by_length=True)
    dev = [
        read_task(name, {**keys, "file": settings["dev"][name]}, tokenizer) for name, keys in settings["tasks"].items()
    ]
    args = arguments(settings, settings["folder"])
    args.max_steps = settings["max_steps"]
    trainer = MultiTaskTrainer(
        batches=batches,
        model=build(settings, tasks),
        args=args,
        train_dataset=[],
        callbacks=[Evaluate(dev, settings)],
    )
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
