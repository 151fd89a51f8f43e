"""How outputs are compared: absolutely up to 1, relatively above, without padding, and with ties of token ids."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palm.data.dataset import Dataset, Ragged
from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance
from palm.inference.export.verify import MOST_ROWS, OutputDifference, compare, distance, some_records, table
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.reader.loading import load_rows
from palm.schema.settings import TaskSettings


class Given:
    """A runtime that gives the same arrays whatever it is asked."""

    name = "given"

    def __init__(self, **outputs: Any) -> None:
        self.given = {name: np.array(array) for name, array in outputs.items()}

    def outputs(self, tasks: Any, batch: Any, phase: Any) -> list[dict[str, np.ndarray]]:
        rows = len(batch["token_ids"])
        masks = len(batch.get("mask_pos", ())) or rows
        return [{name: np.repeat(array[None], masks, axis=0) for name, array in self.given.items()} for _ in tasks]

    def precision(self, task: str) -> str:
        return f"{task} in float32"


def task_of(reader: str, paradigm: str, repository: Path, **keys: Any) -> TaskInstance:
    tokenizer = Tokenizer.from_file(repository / "data" / "vocab" / "vocab_en.txt", do_lower_case=True)
    made = READERS[reader](READERS[reader].Config(), tokenizer)
    head = PARADIGMS[paradigm](PARADIGMS[paradigm].Config(**keys), None, vocab=tokenizer.readable_tokens)
    return TaskInstance("t", TaskSettings(reader=reader, paradigm=paradigm), made, head, "t", 0)


def largest(task: TaskInstance, one: Given, other: Given, text: str) -> dict[str, float]:
    data = load_rows(task.reader, [{"text_a": text}], "predict")
    return {each.output: each.largest for each in compare(one, other, [task], {"t": data})}


def test_differences_are_relative_above_1() -> None:
    assert distance(np.array([0.5, 1.0]), np.array([0.5, 1.00002])) == pytest.approx(2e-5)
    assert distance(np.array([100.0]), np.array([100.002])) == pytest.approx(2e-5)
    assert distance(np.array([-1e9]), np.array([-1e9])) == 0
    assert distance(np.zeros(0), np.zeros(0)) == 0


def test_what_is_not_a_number_fails() -> None:
    assert np.isnan(distance(np.array([1.0]), np.array([np.nan])))
    assert not OutputDifference("t", "logits", 1, "rows", float("nan")).passes
    assert not OutputDifference("t", "logits", 1, "rows", float("inf")).passes
    assert OutputDifference("t", "logits", 1, "rows", 1e-5).passes


def test_logits_are_compared(repository: Path) -> None:
    task = task_of("cls", "cls", repository, n_classes=2)
    one, other = Given(logits=[0.5, 0.25]), Given(logits=[0.5, 0.26])
    assert largest(task, one, one, "the fish") == {"logits": 0}
    assert largest(task, one, other, "the fish")["logits"] == pytest.approx(0.01)


def test_another_shape_fails(repository: Path) -> None:
    task = task_of("cls", "cls", repository, n_classes=2)
    found = largest(task, Given(logits=[0.5, 0.25]), Given(logits=[0.5, 0.25, 0.0]), "the fish")
    assert found == {"logits": float("inf")}


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        ([7, 8, 9, 4, 5], 0),
        ([8, 7, 9, 4, 5], 0),  # the first two are equally probable
        ([7, 8, 4, 9, 5], 2),  # these are not
        ([7, 8, 9, 4, 6], 0),  # the last one is next to those that are cut off
    ],
)
def test_token_ids_differ_only_where_they_are_equally_probable(ids: list[int], wrong: int, repository: Path) -> None:
    task = task_of("mlm", "mlm", repository)
    probabilities = np.array([0.3, 0.3, 0.2, 0.1, 0.05], "float32")
    one, other = (Given(top_ids=each, top_probs=probabilities) for each in ([7, 8, 9, 4, 5], ids))
    assert largest(task, one, other, "the [MASK] fish")["top_ids"] == wrong


def test_many_rows_are_thinned_out_evenly() -> None:
    count = 1000
    rows = Ragged.from_rows([[1, 2]] * count)
    data = Dataset({"token_ids": rows, "record": np.arange(count)}, [{"line": n} for n in range(count)], "x.tsv")
    kept = some_records(data)
    assert len(kept.records) == MOST_ROWS
    assert kept.records[0] == {"line": 0}
    assert kept.records[MOST_ROWS - 1] == {"line": count - 1}


def test_the_table_names_what_is_too_large() -> None:
    lines = table([OutputDifference("水", "logits", 4, "开发.tsv", 3e-7), OutputDifference("b", "x", 1, "r", 0.1)])
    assert lines == ["水.logits  3.0e-07  ok  (4 rows: 开发.tsv)", "b.x       1.0e-01  TOO LARGE  (1 rows: r)"]
