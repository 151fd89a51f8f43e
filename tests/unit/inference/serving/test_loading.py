"""The rows that runtimes are timed with; the choice between runtimes is in tests/integration/test_serve.py."""

from types import SimpleNamespace

import pytest

pytest.importorskip("prometheus_client", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.loading import measure_seconds
from palm.reader.base import READERS


@pytest.mark.parametrize(("name", "column", "kind"), [("cls", "text_a", str), ("choice", "choices", list)])
def test_a_runtime_is_timed_with_rows_that_the_task_reads(name, column, kind):
    reader = READERS[name].__new__(READERS[name])  # rows need neither tokenizer nor labels
    task = SimpleNamespace(name=name, columns=reader.text_columns, predictor=SimpleNamespace(reader=reader))
    given = []

    assert measure_seconds(SimpleNamespace(tasks={name: task}, predict=given.extend)) >= 0

    assert given
    assert all(isinstance(unit.row[column], kind) for unit in given)
