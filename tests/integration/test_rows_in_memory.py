"""Rows in memory train, resume, evaluate and predict as the same rows in a file do, to the same bits."""

import json
from pathlib import Path

import pytest

import palm
from palm.errors import CheckpointError, ConfigError, DataError
from tests.integration import tiny

pandas = pytest.importorskip("pandas", reason="the extra `data`")
datasets = pytest.importorskip("datasets", reason="the extra `data`")

COUNT = 24


def rows(seed: int = 1) -> list[dict[str, str]]:
    return [
        {"gold": label, "text": text}
        for chinese in (False, True)
        for label, text in tiny.classification_rows(COUNT // 2, seed=seed, chinese=chinese)
    ]


def as_file(folder: Path, given: list[dict[str, str]]) -> str:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in given), encoding="utf-8")
    return str(file)


def controller(folder: Path, train, **keys) -> palm.Controller:
    columns = {"label": "gold", "text_a": "text"}
    task = {"reader": "cls", "paradigm": "cls", "train_file": train, "dev_file": train, "columns": columns}
    return palm.Controller(tiny.config(folder, {"题": task}, save_path=str(folder / "out"), **keys), overrides=[])


def trained(folder: Path, train) -> tuple[str, dict[str, float], list]:
    """The losses, the evaluation, and predictions of a run over `train`."""
    folder.mkdir()
    run = controller(folder, train, num_epochs=2)
    run.train()
    losses = (folder / "out" / "metrics.jsonl").read_text(encoding="utf-8")
    steps = [{key: row.get(key) for key in ("step", "loss")} for row in map(json.loads, losses.splitlines())]
    predictor = palm.Predictor(folder / "out" / "题" / "infer_model")
    return json.dumps(steps), run.evaluate("题"), predictor.predict(train)


def test_rows_train_as_the_same_rows_in_a_file(tmp_path):
    expected = trained(tmp_path / "file", as_file(tmp_path, rows()))
    assert trained(tmp_path / "list", rows()) == expected
    assert trained(tmp_path / "frame", pandas.DataFrame(rows())) == expected
    assert trained(tmp_path / "dataset", datasets.Dataset.from_list(rows())) == expected


def test_a_run_resumes_over_the_same_rows_alone(tmp_path):
    controller(tmp_path, rows(), num_epochs=2, save_every_n_steps=1).train()
    controller(tmp_path, pandas.DataFrame(rows()), num_epochs=3, save_every_n_steps=1, resume="auto").train()
    with pytest.raises(CheckpointError, match="was trained on other rows"):
        controller(tmp_path, rows(seed=5), num_epochs=4, resume="auto").train()


def test_the_resolved_configuration_names_rows_that_another_process_does_not_know(tmp_path):
    controller(tmp_path, rows(), num_epochs=1).train()
    text = (tmp_path / "out" / "config.resolved.yaml").read_text(encoding="utf-8")
    assert "train_file: rows://" in text
    changed = text.replace("train_file: rows://", "train_file: rows://0")
    (tmp_path / "again.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(DataError, match=r"rows://0\w+: rows of a program are known to the process that was given them"):
        palm.Controller(str(tmp_path / "again.yaml"), overrides=[])


def test_what_is_wrong_is_named_by_its_row(tmp_path):
    wrong = [*rows(), {"gold": "water"}, {"gold": "air", "text": " "}]
    with pytest.raises(DataError) as caught:
        controller(tmp_path, wrong)
    assert [problem.where for problem in caught.value.problems][:2] == [f"rows[{COUNT}]", f"rows[{COUNT + 1}]"]
    with pytest.raises(ConfigError, match="rows must be a list, one example each, found an object"):
        controller(tmp_path, {"gold": ["a"]})


def test_readers_of_the_python_api_take_rows(tmp_path):
    vocab = tiny.write_vocab(tmp_path)
    given = [{"label": row["gold"], "text_a": row["text"]} for row in rows()]
    reader = palm.reader.ClassifyReader(vocab, 32)
    reader.load_data(pandas.DataFrame(given), batch_size=8, num_epochs=2)
    trainer = palm.Trainer("t")
    loss = trainer.build_forward(palm.backbone.BERT.from_config(tiny.BACKBONE), palm.head.Classify(2, 32))
    trainer.build_backward(palm.optimizer.Adam(loss, 1e-3))
    trainer.fit_reader(reader)
    trainer.set_dev_file(given)
    trainer.train()
    assert trainer.evaluate(given) == trainer.evaluate(datasets.Dataset.from_list(given))


def test_readers_of_the_python_api_go_by_the_ending_of_csv(tmp_path):
    (tmp_path / "x.csv").write_text('label,text_a\n1,"a fish, red"\n0,a bird\n', encoding="utf-8")
    reader = palm.reader.ClassifyReader(tiny.write_vocab(tmp_path), 32)
    reader.load_data(str(tmp_path / "x.csv"), batch_size=1)
    assert reader.dataset.records[0]["text_a"] == "a fish, red"
