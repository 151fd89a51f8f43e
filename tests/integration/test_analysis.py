"""The analysis of trained models on every kind of answer, in one pass that gives the metrics of an evaluation."""

import csv
from collections import Counter
from collections.abc import Mapping

import pytest

import palm
from palm.analysis import evaluated
from palm.analysis.compared import compare_task
from palm.analysis.evaluated import RowsEvaluation
from palm.analysis.task import analyse_task
from palm.analysis.task_analysis import TaskAnalysis
from palm.analysis.wrong_rows import wrong_rows
from palm.cli.eval_errors import ErrorsTable
from palm.data.dataset import Dataset
from palm.errors import ConfigError
from palm.inference.predictor import Predictor
from palm.reader.loading import load_dataset
from tests.integration import all_heads
from tests.integration.all_heads import tasks as tasks_of

pytest.importorskip("sklearn.metrics")
KINDS = {
    "water": "classes", "水": "classes", "pairs": "classes", "few": "classes", "sets": "label_sets", "wet": "numbers",
    "score": "numbers", "slots": "spans", "tags": "spans", "answer": "answers", "which": "ranks", "words": "ranks",
    "near": "ranks", "same": "ranks", "order": "ranks",
}  # fmt: skip
UNITS = {"sets": "label", "tags": "word", "answer": "question"}
UNCALIBRATED = {"wet", "score", "slots", "words", "near", "same"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Predictor]:
    folder = tmp_path_factory.mktemp("analysis")
    palm.Controller(all_heads.config(folder, max_steps=30), overrides=[]).train()
    return palm.load(folder / "out")


@pytest.fixture(scope="module")
def rows(models, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Dataset]:
    files = tasks_of(tmp_path_factory.mktemp("rows"))
    return {name: load_dataset(models[name].reader, files[name]["train_file"], "eval") for name in KINDS}


@pytest.fixture(scope="module")
def analyses(models, rows) -> Mapping[str, TaskAnalysis]:
    return {name: analyse_task(models[name], rows[name]) for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_answer_is_analysed(name, models, rows, analyses):
    found = analyses[name]
    there = [kind for kind in {*KINDS.values()} if getattr(found, kind) is not None]
    assert there == [KINDS[name]]
    assert found.metrics == models[name].evaluate_dataset(rows[name])
    assert found.rows == len(rows[name].records)
    assert (found.calibration is None) == (name in UNCALIBRATED) == (found.uncalibrated is not None)
    if found.calibration:
        assert found.calibration.unit == UNITS.get(name, "row")
        assert sum(each.count for each in found.calibration.bins) == found.calibration.count
    assert TaskAnalysis.model_validate_json(found.model_dump_json()) == found


def test_accuracies_are_those_of_the_metrics(analyses):
    for name in ("water", "水", "pairs", "few"):
        found = analyses[name]
        assert found.classes.accuracy == pytest.approx(found.metrics["accuracy"])
        assert found.classes.macro.f1 == pytest.approx(found.metrics["macro_f1"])
        assert found.calibration.accuracy == pytest.approx(found.metrics["accuracy"])
        assert found.calibration.nll == pytest.approx(found.metrics["loss"], rel=1e-5) or name == "few"
        assert found.wrong == round((1 - found.metrics["accuracy"]) * found.rows)
    assert analyses["sets"].label_sets.micro.f1 == pytest.approx(analyses["sets"].metrics["micro_f1"])
    for name in ("slots", "tags"):
        assert analyses[name].spans.micro.f1 == pytest.approx(analyses[name].metrics["span_f1"])
    assert analyses["answer"].answers.overall.f1 == pytest.approx(analyses["answer"].metrics["f1"])
    assert analyses["words"].ranks.accuracy == pytest.approx(analyses["words"].metrics["mlm_accuracy"])
    assert analyses["which"].ranks.mean_reciprocal_rank == pytest.approx(analyses["which"].metrics["mrr"])
    assert analyses["same"].ranks.accuracy == pytest.approx(analyses["same"].metrics["accuracy"])


def test_the_losses_of_words_are_those_of_the_evaluation(analyses, models, rows):
    calibration = analyses["tags"].calibration
    assert calibration.nll == pytest.approx(analyses["tags"].metrics["loss"], rel=1e-4)
    assert calibration.accuracy == pytest.approx(analyses["tags"].metrics["token_accuracy"])


def test_errors_are_sorted_and_keep_their_texts(analyses):
    for found in analyses.values():
        losses = [row.loss for row in found.errors if row.loss is not None]
        assert losses == sorted(losses, reverse=True)
        assert all(row.columns and row.line == row.row + 2 for row in found.errors if row.columns.get("id") is None)
    first = analyses["水"].errors[0]
    assert set(first.columns) == {"text_a"}
    assert first.gold != first.predicted
    assert first.probability > 0.5 > first.gold_probability
    assert "鱼 | 鸟" in {row.columns["choices"] for row in analyses["which"].errors}
    assert all(" " in row.columns["words"] for row in analyses["tags"].errors)


def test_parts_change_nothing_but_the_last_bits(models, rows, analyses, monkeypatch):
    monkeypatch.setattr(evaluated, "ROWS_AT_ONCE", 7)
    # The masks of `words` are sampled by the number of the batch, and the pairs of the loss of `few` within it.
    for name in set(KINDS) - {"words", "few"}:
        calls: list[tuple[int, int]] = []
        again = analyse_task(models[name], rows[name], lambda done, of, calls=calls: calls.append((done, of)))
        whole = analyses[name]
        assert again.metrics == pytest.approx(whole.metrics, abs=0.005)  # ranks of equal rows
        assert {row.row for row in again.errors} == {row.row for row in whole.errors}
        assert again.wrong == whole.wrong
        assert calls[-1] == (rows[name].num_examples,) * 2
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_errors_of_every_kind_are_one_table(models, rows, tmp_path, capsys):
    file = tmp_path / "错误.csv"
    errors = ErrorsTable(file, None, None)
    metrics = {name: errors.evaluate(models[name], rows[name]) for name in KINDS}
    errors.write()
    with file.open(encoding="utf-8-sig", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["task"] for row in found] == sorted((row["task"] for row in found), key=list(KINDS).index)
    counts = Counter(row["task"] for row in found)
    wrong = round((1 - metrics["pairs"]["accuracy"]) * 24)
    assert (counts["wet"], counts["pairs"], counts["near"]) == (24, wrong, 0)
    assert capsys.readouterr().err.endswith(f"errors: {file.as_posix()} ({len(found)} rows, worst first)\n")
    by_task = {row["task"]: row for row in reversed(found)}
    assert by_task["which"]["choices"] == "鱼|鸟"  # as the file has it
    assert by_task["answer"]["question"] == "谁在河?"
    assert by_task["slots"]["label"].startswith("O")
    assert by_task["wet"]["gold"] in ("2.5", "-0.5")
    assert by_task["水"]["text_a"].endswith("在河")


def test_only_so_many_errors_are_kept(models, rows):
    compared = compare_task(models["order"], rows["order"])
    assert len(wrong_rows(compared, 3)) == 3
    assert len(wrong_rows(compared)) == len(compared.wrong)
    assert wrong_rows(compared)[:3] == wrong_rows(compared, 3)


def test_answers_that_cannot_be_compared_are_refused(models, rows, monkeypatch):
    monkeypatch.setattr(type(models["water"].paradigm), "compare", lambda *_: None)
    with pytest.raises(ConfigError, match=r"water: predictions are compared with gold labels, .*method `compare`"):
        list(RowsEvaluation(models["water"], rows["water"]).parts())
