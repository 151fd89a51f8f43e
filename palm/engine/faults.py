"""Says which batch made a loss or a gradient that is not finite."""

from collections.abc import Sequence

from palm.data.dataset import Record
from palm.task_instance import TaskInstance

MOST_ROWS = 64
ADVICE = (
    "The model was not updated with it. Look at these rows, lower learning_rate, or set on_nan: skip or rollback; "
    "`--resume` goes on from the newest checkpoint."
)


def fault_message(task: TaskInstance, task_step: int, global_step: int, fault: str) -> str:
    """`global step 7, task intent, step 3/30 (epoch 0), train.tsv lines 2, 9: a loss … are finite. Found: …`."""
    epoch, position = task.epoch_at(task_step)
    step = f"step {position + 1}/{task.steps_per_epoch} (epoch {epoch})"
    rows = rows_of(task.records_at(task_step))
    where = f"global step {global_step}, task {task.name}, {step}, {task.training_data.file} {rows}"
    return f"{where}: the loss and all gradients are finite numbers. Found: {fault}."


def rows_of(records: Sequence[Record]) -> str:
    """`lines 2, 9, 17`; `questions …` for reading comprehension, whose records count questions."""
    kind = "questions" if records and "question" in records[0] else "lines"
    numbers = [str(record["line"]) for record in records]
    more = f" and {len(numbers) - MOST_ROWS} more" if len(numbers) > MOST_ROWS else ""
    return f"{kind} {', '.join(numbers[:MOST_ROWS])}{more}"
