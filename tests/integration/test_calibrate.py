"""`palm calibrate`: temperatures stored with a model, kept by what is made of it, and no answer changed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import palm
from palm.analysis.temperature import calibrate
from palm.cli.main import main
from palm.errors import CheckpointError, ConfigError
from palm.inference.calibrated import write_calibrations
from palm.inference.saved_tasks import load_tasks
from palm.reader.loading import load_dataset
from palm.schema.saved_model import SavedCalibration, read_saved_run
from palm.storage.atomic_directory import verify
from tests.integration import all_heads, tiny

pytest.importorskip("sklearn.metrics")
TEMPERED = SavedCalibration(temperature=2.5, unit="row", count=24, data="dev.tsv", nll_before=1.0, nll_after=0.5)
UNCALIBRATED = {"slots", "wet", "near", "same", "score", "words"}
CHANGED = ("water", "pairs", "tags", "answer", "sets", "few", "which", "order")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate")
    palm.Controller(all_heads.config(folder, max_steps=20), overrides=[]).train()
    return folder / "out"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "运行"))


def predicted(model: Path | str, **keys: object) -> dict[str, list[dict]]:
    loaded = palm.load(model, tasks=list(CHANGED), **keys)
    return {name: loaded[name](all_heads.rows_for(loaded.text_columns(name))) for name in CHANGED}


def without_probabilities(prediction: dict) -> dict:
    found = {
        name: value for name, value in prediction.items() if name not in ("probs", "probability", "nbest", "spans")
    }
    found["nbest"] = [without_probabilities(each) for each in prediction.get("nbest", [])]
    found["spans"] = [{k: v for k, v in each.items() if k != "score"} for each in prediction.get("spans", [])]
    return found


def softened(values: list[float]) -> np.ndarray:
    """Probabilities at temperature 2.5 from those at 1: p^(1/2.5), so that they sum to 1 again."""
    powers = np.array(values) ** (1 / 2.5)
    return powers / powers.sum()


def test_answers_stay_and_probabilities_change(run):
    before = predicted(run)
    write_calibrations(run / "infer_model", dict.fromkeys(CHANGED, TEMPERED))
    after = predicted(run)
    for name in CHANGED:
        assert [*map(without_probabilities, after[name])] == [*map(without_probabilities, before[name])]
        assert after[name] != before[name]
    for name in ("water", "pairs", "few"):
        for one, other in zip(before[name], after[name], strict=True):
            assert list(other["probs"].values()) == pytest.approx(softened(list(one["probs"].values())))
    for one, other in zip(before["which"], after["which"], strict=True):
        assert other["probs"] == pytest.approx(softened(one["probs"]))
    for one, other in zip(before["answer"], after["answer"], strict=True):
        shares = [[each["probability"] for each in row["nbest"]] for row in (one, other)]
        assert shares[1] == pytest.approx(softened(shares[0]))
    for one, other in zip(before["sets"], after["sets"], strict=True):
        odds = [np.array([p / (1 - p) for p in row["probs"].values()]) for row in (one, other)]
        assert np.log(odds[1]) == pytest.approx(np.log(odds[0]) / 2.5)


def test_removing_it_gives_the_model_back(run, capsys):
    folder = run / "infer_model"
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    write_calibrations(folder, {"水": TEMPERED})
    verify(folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Calibration" in card
    assert "- `水`: temperature 2\\.5" in card or "temperature 2.5, fitted to 24 rows of dev.tsv" in card.replace(
        "\\", ""
    )
    write_calibrations(folder, {"water": TEMPERED})
    assert (folder / "README.md").read_text(encoding="utf-8").count("## Calibration") == 1
    assert main(["calibrate", str(run), "--remove"]) == 0
    assert "removed the temperatures of water, 水" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
    assert main(["calibrate", str(run), "--remove"]) == 0
    assert "no temperature was stored" in capsys.readouterr().err


def right_in_three_of_four(run: Path, task: str, file: Path) -> None:
    """Rows that the model gets right in three of four cases."""
    texts = [text for _, text in tiny.classification_rows(120, seed=9, chinese=task == "水")]
    labels = [str(prediction["label"]) for prediction in palm.load(run)[task](texts)]
    other = {"air": "water", "water": "air"}
    rows = [other[label] if number % 4 == 0 else label for number, label in enumerate(labels)]
    tiny.write_tsv(file, ["label", "text_a"], [list(row) for row in zip(rows, texts, strict=True)])


@pytest.mark.parametrize("task", ["water", "水"])
def test_the_command_stores_the_temperature_that_fits(run, task, capsys):
    weights = (run / "infer_model" / "model.safetensors").read_bytes()
    file = run.parent / "dev.tsv"
    right_in_three_of_four(run, task, file)
    capsys.readouterr()
    assert main(["calibrate", str(run), task, "--file", str(file)]) == 0
    shown = capsys.readouterr()
    line = json.loads(shown.out)
    assert line["nll_after"] < line["nll_before"]
    assert (line["task"], line["count"], line["data"], line["unit"]) == (task, 120, "dev.tsv", "row")
    assert "Answers stay the same" in shown.err
    assert "only roughly" not in shown.err
    saved = read_saved_run(run / "infer_model")
    assert saved.tasks[task].calibration.temperature == line["temperature"]
    assert saved.tasks["adapted"].calibration is None
    assert (run / "infer_model" / "model.safetensors").read_bytes() == weights
    loaded = palm.load(run)[task]
    assert loaded.paradigm.temperature == line["temperature"]
    again = calibrate(loaded, load_dataset(loaded.reader, file, "eval"))
    assert again.temperature == pytest.approx(line["temperature"], rel=1e-3), "it is always that of the scores"


def test_heads_that_cannot_be_are_named_and_the_others_stored(run, capsys):
    file = run.parent / "dev.tsv"
    right_in_three_of_four(run, "water", file)
    capsys.readouterr()
    assert main(["calibrate", str(run), "--file", str(file)]) == 0
    shown = capsys.readouterr()
    stored = [json.loads(line)["task"] for line in shown.out.splitlines()]
    assert "water" in stored
    assert "slots left out: slots: a temperature is fitted to probabilities" in shown.err
    tasks = read_saved_run(run / "infer_model").tasks.values()
    assert [task.name for task in tasks if task.calibration] == stored


def test_a_task_of_its_own_on_the_dev_rows_of_the_run(run, capsys):
    capsys.readouterr()
    status = main(["calibrate", str(run / "shallow")])
    shown = capsys.readouterr()
    if status == 0:
        assert json.loads(shown.out)["data"] == "shallow.dev.tsv"
        assert "Warning: shallow: 16 rows determine a temperature only roughly" in shown.err
        assert palm.load(run / "shallow").paradigm.temperature != 1.0
    else:
        assert "a temperature is" in shown.err


@pytest.mark.parametrize("name", sorted(UNCALIBRATED))
def test_heads_without_probabilities_are_refused(run, name, capsys):
    file = Path(run.parent / "none.tsv")
    assert main(["calibrate", str(run), name, "--file", str(file)]) == 2
    assert f"`{name}` is not calibrated, as " in capsys.readouterr().err
    write_calibrations(run / "infer_model", {name: TEMPERED})
    with pytest.raises(CheckpointError, match=f"`{name}` has a temperature, which cannot be, as "):
        load_tasks(run / "infer_model", read_saved_run(run / "infer_model"), [name])


def test_merged_models_and_graphs_keep_it(run, tmp_path, capsys):
    onnx = pytest.importorskip("onnxruntime")
    del onnx
    write_calibrations(run / "infer_model", dict.fromkeys(CHANGED, TEMPERED))
    after = predicted(run)
    assert main(["merge", str(run), "--output", str(tmp_path / "merged")]) == 0
    assert predicted(tmp_path / "merged") == after
    assert "temperature 2" in (tmp_path / "merged" / "README.md").read_text(encoding="utf-8")
    exported = tmp_path / "exported"
    words = ["export", str(run), "--to", "onnx", "--output", str(exported), "--no-verify", "--tasks", ",".join(CHANGED)]
    assert main(words) == 0
    for name, predictions in predicted(exported).items():
        all_heads.assert_close(predictions, after[name], name)
    description = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    assert description["tasks"]["water"]["temperature"] == 2.5
    capsys.readouterr()
    assert main(["calibrate", str(exported)]) == 2
    assert "Calibrate the trained model, and export it again." in capsys.readouterr().err
    for name, predictions in predicted(run, runtime="onnx").items():
        all_heads.assert_close(predictions, after[name], name)


def test_what_int8_costs_is_kept(run):
    file = run / "infer_model" / "int8.water.json"
    file.write_text("{}", encoding="utf-8")
    write_calibrations(run / "infer_model", {"water": TEMPERED})
    verify(run / "infer_model")
    file.write_text("{ }", encoding="utf-8")
    verify(run / "infer_model")


def test_models_that_are_not_there(run, capsys):
    assert main(["calibrate", str(run / "nothing")]) == 2
    assert "no inference model here" in capsys.readouterr().err
    assert main(["calibrate", str(run), "intent", "--remove"]) == 2
    assert "has no task `intent`. Its tasks: water" in capsys.readouterr().err
    assert main(["calibrate", str(run), "intent", "--file", "x.tsv"]) == 2
    assert "has no task" in capsys.readouterr().err
    alone = Path(shutil.copytree(run / "water" / "infer_model", run.parent / "alone"))
    assert main(["calibrate", str(alone)]) == 2
    assert "--file: the dev rows of a model are named by" in capsys.readouterr().err


def test_rows_whose_gold_the_model_does_not_know(trained, tmp_path):
    predictor = palm.load(trained)["water"]
    file = tmp_path / "dev.tsv"
    file.write_text("label\ttext_a\nair\ta bird\n", encoding="utf-8")
    dataset = load_dataset(predictor.reader, file, "eval")
    dataset.records[0]["label"] = "fire"
    with pytest.raises(ConfigError, match="Found none for `water`"):
        calibrate(predictor, dataset)
