import json

import numpy as np
import pytest
import yaml

import palm
from palm.data.dataset import Dataset, Ragged
from palm.schema.run_description import LengthStatistics, read_description
from palm.training import describe_run
from palm.training.describe_run import describe_dataset, describe_lengths, write_beginning
from tests.integration import tiny


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("描述")
    tasks = {"意图": tiny.classification_task(folder, "a", chinese=True), "who": tiny.mrc_task(folder, "who")}
    tasks["words"] = {**tiny.mlm_task(folder, "words"), "target": False}
    config = tiny.config(folder, tasks, mix_ratio="1.0, 0.5, 0.5")
    controller = palm.Controller(config, overrides=["--tasks.意图.batch_size", "4"])
    (folder / "out").mkdir()
    write_beginning(controller._training_run(), controller.config, folder / "out")
    return folder / "out"


def test_the_facts_of_a_run(written):
    found = read_description(written)
    assert found is not None
    assert (found.palm_version, found.backbone, found.device) == (palm.__version__, "bert", "cpu")
    assert (found.precision, found.processes, found.stage) == ("float32", 1, "")
    assert found.parameters > 10_000
    assert found.total_steps >= found.tasks["意图"].expected_steps == 24
    assert {name: task.asked for name, task in found.tasks.items()} == {"意图": 0.5, "who": 0.25, "words": 0.25}
    assert [task.target for task in found.tasks.values()] == [True, True, False]
    assert (found.tasks["who"].reader, found.tasks["who"].paradigm) == ("mrc", "mrc")


def test_the_sources_of_its_values(written):
    origins = {origin.key: origin for origin in read_description(written).origins}
    assert origins["learning_rate"].where == "config.learning_rate"
    assert origins["tasks.意图.batch_size"].where == "--tasks.意图.batch_size"
    assert "`8`" in origins["tasks.意图.batch_size"].overridden
    assert origins["weight_decay"].where == "default"
    resolved = yaml.safe_load((written / "config.resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["tasks"]["意图"]["batch_size"] == 4


def test_what_its_data_hold(written):
    train = read_description(written).tasks["意图"].train
    assert (train.rows, train.examples, train.counted_rows) == (48, 48, 48)
    assert sum(train.labels.values()) == 48
    assert list(train.labels.values()) == sorted(train.labels.values(), reverse=True)
    assert read_description(written).tasks["words"].dev is None


def test_lengths():
    lengths = np.array([3, 4, 4, 9])
    found = describe_lengths(lengths)
    expected = LengthStatistics.model_construct(
        shortest=3, mean=5.0, median=4.0, most=pytest.approx(8.25), longest=9, bounds=tuple(map(float, range(3, 11))),
        counts=(1, 2, 0, 0, 0, 0, 1),
    )  # fmt: skip
    assert found == expected
    assert describe_lengths(np.array([], np.int64)) is None
    many = describe_lengths(np.arange(1000))
    assert len(many.counts) == 24
    assert sum(many.counts) == 1000


def test_labels_of_many_rows_are_counted_in_a_part_of_them(monkeypatch):
    class Reader:
        def labels_of(self, record):
            return [record["label"]]

    monkeypatch.setattr(describe_run, "MOST_COUNTED_ROWS", 10)
    records = [{"label": "水" if number % 2 else "b"} for number in range(101)]
    columns = {"record": np.arange(101), "token_ids": Ragged(np.zeros(101, np.int32), np.arange(102))}
    found = describe_dataset(Reader(), Dataset(columns, records, "f.tsv"))
    assert (found.rows, found.counted_rows, sum(found.labels.values())) == (101, 10, 10)
    empty = {"record": np.arange(0), "token_ids": Ragged(np.zeros(0, np.int32), np.arange(1))}
    assert describe_dataset(Reader(), Dataset(empty, [], "f.tsv")).labels == {}
    assert json.loads(found.model_dump_json())["rows"] == 101
