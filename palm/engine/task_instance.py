"""A task instance: its reader, paradigm and data, and the batches of its steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict, cast

import numpy as np

from palm.data.batching import plan_batches, plan_by_length, plan_by_tokens
from palm.data.dataset import Batch, Dataset, IntArray, LabelMap, Record
from palm.data.prompt_form import PromptForm
from palm.data.shared_rows import SharedRows
from palm.data.target_text import target_form
from palm.data.tokenizer import Tokenizer
from palm.paradigm.base import Paradigm
from palm.randomness import philox
from palm.reader.base import Reader
from palm.schema.fields import ParadigmFields
from palm.schema.settings import TaskSettings


class _Purpose(TypedDict):
    seed: int
    task: str
    epoch: int


def paradigm_for(kind: type[Paradigm], config: ParadigmFields, reader: Reader) -> Paradigm:
    """The paradigm of a task, once its reader knows the labels."""
    return make_paradigm(kind, config, reader.labels, reader.tokenizer, reader.prompt_form)


def make_paradigm(
    kind: type[Paradigm],
    config: ParadigmFields,
    labels: LabelMap | None,
    tokenizer: Tokenizer,
    prompt: PromptForm | None = None,
) -> Paradigm:
    """A paradigm with what it needs to know of its task's reader.

    Args:
        kind: The paradigm.
        config: Its keys.
        labels: The label names.
        tokenizer: The tokenizer.
        prompt: What is known of the template.
    """
    make, vocab = cast("Callable[..., Paradigm]", kind), tokenizer.readable_tokens
    if kind.answers_prompts:
        return make(config, labels, vocab=vocab, prompt=prompt)
    if kind.writes_text:
        return make(config, labels, vocab=vocab, target=target_form(tokenizer))
    return kind(config, labels, vocab=vocab)


@dataclass(frozen=True)
class TaskInstance:
    """A task for the engine. Its batches are a pure function of the seed and the task's step count.

    Attributes:
        name: The task's name.
        settings: Its keys: batch size, loss weight, and so on.
        reader: Turns files into batches.
        paradigm: Loss, and predictions from outputs.
        head: Key of the head's parameters; tasks that share a head have the same key.
        seed: The run's seed.
        train: Training examples; None for prediction.
        dev: Examples to evaluate on, if any.
        rows: The training examples by text, if tasks share an encoder pass.
        leader: The task whose epochs and batches this one then uses; None for the leader itself.
        processes: Number of processes that a batch is for: each gets its part of `batch_size`, or `max_tokens`, times
            as many.
    """

    name: str
    settings: TaskSettings
    reader: Reader
    paradigm: Paradigm
    head: str
    seed: int
    train: Dataset | None = None
    dev: Dataset | None = None
    rows: SharedRows | None = None
    leader: "TaskInstance | None" = None
    processes: int = 1

    @property
    def lr_scale(self) -> float:
        """Factor of the learning rate for its head."""
        return self.paradigm.head_lr_scale(self.settings.lr_scale)

    @property
    def row_owner(self) -> "TaskInstance":
        """The task whose rows this one uses: itself, unless it shares another's."""
        return self.leader or self

    @property
    def training_data(self) -> Dataset:
        """The training examples.

        Raises:
            ValueError: The task was built for prediction only.
        """
        if self.train is None:
            raise ValueError(f"Task `{self.name}` was built without training data (for_train=False).")
        return self.train

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training examples, at least 1."""
        return len(self.row_owner._plan(0))

    def epoch_at(self, step: int) -> tuple[int, int]:
        """Epoch and step within it (both counted from 0) of the task's step `step` (counted from 0)."""
        return divmod(step, self.steps_per_epoch)

    def batch_at(self, step: int) -> Batch:
        """The batch of the task's step `step` (counted from 0); empty if no row has its label."""
        examples, _ = self.examples_at(step)
        if not len(examples):
            return {}
        return self.reader.collate(self.training_data, examples, philox(self.seed, "collate", self.name, step))

    def examples_at(self, step: int) -> tuple[IntArray, IntArray]:
        """The examples of the task's step `step`, and their indices among the step's rows."""
        epoch, position = self.epoch_at(step)
        rows = self.row_owner._plan(epoch)[position]
        if self.rows is None:
            return rows, np.arange(len(rows))
        return self.rows.examples_of(self.name, rows)

    def rows_at(self, step: int) -> int:
        """Number of rows of the task's step `step`: of all tasks, if they share rows."""
        epoch, position = self.epoch_at(step)
        return len(self.row_owner._plan(epoch)[position])

    def records_at(self, step: int) -> list[Record]:
        """The records of the batch of the task's step `step`, in the order of the file."""
        data = self.training_data
        numbers = sorted({int(data.array("record")[row]) for row in self.examples_at(step)[0]})
        return [data.records[number] for number in numbers]

    def _plan(self, epoch: int) -> Sequence[IntArray]:
        cached: tuple[int, Sequence[IntArray]] | None = self.__dict__.get("_latest_plan")
        if cached is not None and cached[0] == epoch:
            return cached[1]
        lengths = self.training_data.lengths if self.rows is None else self.rows.lengths
        keys, drop_last = self.settings, self.settings.drop_last
        size = keys.global_batch_size or keys.batch_size * self.processes
        purpose: _Purpose = {"seed": self.seed, "task": self.name, "epoch": epoch}
        if keys.max_tokens is not None:
            plan = plan_by_tokens(lengths, max_tokens=keys.max_tokens * self.processes, shuffle=keys.shuffle, **purpose)
        elif keys.shuffle and keys.group_by_length:
            plan = plan_by_length(lengths, batch_size=size, drop_last=drop_last, **purpose)
        else:
            plan = plan_batches(len(lengths), batch_size=size, shuffle=keys.shuffle, drop_last=drop_last, **purpose)
        self.__dict__["_latest_plan"] = epoch, plan
        return plan
