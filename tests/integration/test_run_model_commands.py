"""`palm pred` and `palm eval` with the model of a run; `MultiHeadTrainer`'s model of all."""

import json
from pathlib import Path

import pytest
import yaml

import palm
from tests.integration import tiny
from tests.integration.test_predict_rows import choice_task
from tests.palm_command import palm_here

TEXT = {"en": "the big red fish in the house", "zh": "大红鱼在河"}


@pytest.fixture(scope="module", params=["en", "zh"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The save_path of a run that was trained by the command line, and the language."""
    folder = tmp_path_factory.mktemp("运行")
    chinese = request.param == "zh"
    tasks = {
        "c": tiny.classification_task(folder, "c", chinese=chinese),
        "d": {**tiny.classification_task(folder, "d", chinese=chinese), "sharing": "lora"},
        "m": tiny.match_task(folder, "m"),
        "o": choice_task(folder, chinese),
        "q": tiny.mrc_task(folder, "q", chinese=chinese),
    }
    file = folder / "config.yaml"
    keys = {"for_cn": chinese, "max_steps": 8}
    file.write_text(yaml.safe_dump(tiny.config(folder, tasks, **keys), allow_unicode=True), encoding="utf-8")
    status, _, said = palm_command("train", file)
    assert status == 0, said
    return folder / "out", request.param


def palm_command(*words: object) -> tuple[int, str, str]:
    done = palm_here(*words)
    return done.returncode, done.stdout, done.stderr


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_pred_answers_with_all_tasks_that_read_the_text(run: tuple[Path, str]) -> None:
    out, language = run
    status, found, said = palm_command("pred", out, TEXT[language])
    assert status == 0
    assert f"answers of the model of all tasks of global step 8: {(out / 'infer_model').as_posix()}" in said
    assert [line["task"] for line in lines(found)] == ["c", "d"]
    for name in "moq":
        assert f"{name} left out: " in said
    by_model = palm.load(out, tasks=["d"]).predict([TEXT[language]])
    assert {"task": "d", **by_model["d"][0]} == lines(found)[1]
    status, own, said = palm_command("pred", out / "d", TEXT[language])
    assert status == 0
    assert "answers of the model" not in said
    assert lines(own) == palm.Predictor(out / "d/infer_model")([TEXT[language]])


def test_pred_of_a_pair_and_of_a_file(run: tuple[Path, str], tmp_path: Path) -> None:
    out, language = run
    status, found, _ = palm_command("pred", out, "谁在河?", TEXT[language])
    assert (status, [line["task"] for line in lines(found)]) == (0, ["m", "q"])
    rows = {"text_a": [TEXT[language], "big fish"], "text_b": ["x", "y"], "choices": ["鱼|鸟", "a|b"]}
    file = tiny.write_tsv(tmp_path / "行.tsv", list(rows), [list(row) for row in zip(*rows.values(), strict=True)])
    model = palm.load(out, tasks=["c", "m", "o"])
    found_by = model.predict_datasets({name: model[name].read_file(file) for name in model})
    for name in model:
        assert found_by[name] == model[name].predict(file)


def test_eval_of_the_run_and_of_a_task(run: tuple[Path, str]) -> None:
    out, _ = run
    status, found, said = palm_command("eval", out)
    assert status == 0, said
    assert f"metrics of the model {(out / 'infer_model').as_posix()}" in said
    saved = json.loads((out / "infer_model/config.json").read_text(encoding="utf-8"))["tasks"]
    by_task = {str(line.pop("task")): line for line in lines(found)}
    assert set(by_task) == {"c", "d", "q"}
    for name, metrics in by_task.items():
        assert metrics == pytest.approx(saved[name]["metrics"], abs=1e-6)
    status, found, said = palm_command("eval", out / "c")
    assert status == 0, said
    assert [line["task"] for line in lines(found)] == ["c"]
    assert f"metrics of the model {(out / 'c/infer_model').as_posix()}" in said
    status, _, said = palm_command("eval", out.parent)
    assert status == 2
    assert "a run is known by its config.resolved.yaml" in said


def test_a_model_of_several_tasks_in_the_wrong_place(run: tuple[Path, str]) -> None:
    out, language = run
    status, _, said = palm_command("pred", out.parent, TEXT[language])
    assert status == 2
    assert "Traceback" not in said
    assert out.name in said
    status, converted, said = palm_command("convert", out / "infer_model", out.parent / "hf")
    assert "Traceback" not in said
    assert status == 0, said
    assert "skipped, since they do not belong to an encoder: heads.c." in converted
