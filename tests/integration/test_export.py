"""`palm export`: ONNX and Paddle's static format, every paradigm, compared with PALM."""

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import palm
from palm.cli.main import main
from palm.errors import CheckpointError, ConfigError
from palm.inference.export import export_model, verify
from palm.inference.export.quantize import Cost
from palm.runtime.paddle_versions import paddle_major
from palm.storage.atomic_directory import verify as verify_manifest
from palm.training.describe_run import write_beginning
from tests.integration import all_heads
from tests.integration.all_heads import assert_close
from tests.palm_command import palm_here

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every paradigm, in English and Chinese, some of whose tasks have dev rows."""
    folder = tmp_path_factory.mktemp("导出")
    controller = palm.Controller(all_heads.config(folder), overrides=[])
    training = controller._training_run()
    all_heads.train(training)
    all_heads.save_both(training, folder / "out")
    write_beginning(training, controller.config, folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """All tasks of it as one ONNX graph."""
    target = run.parent / "onnx"
    done = palm_export(run, "--to", "onnx", "--output", target)
    assert done.returncode == 0, done.stderr
    return target


def palm_export(*words: object) -> "subprocess.CompletedProcess[str]":
    return palm_here("export", *words)


def rows_of(run: Any, task: str) -> list[dict[str, object]]:
    return all_heads.rows_for(run.text_columns(task), masked=run[task].paradigm.predicts_tokens)


def test_the_graph_of_all_tasks_predicts_what_palm_predicts(run: Path, exported: Path) -> None:
    verify_manifest(exported)
    ours, theirs = palm.load(run), palm.load(exported)
    for task in ours:
        rows = rows_of(ours, task)
        assert_close(ours[task].predict_rows(rows), theirs[task].predict_rows(rows), task)


@pytest.mark.parametrize("named", ["", "2,1"])
def test_threads_that_are_no_number_are_as_many_as_cores(
    run: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", named)  # OpenMP allows a list, one number per level of nesting
    assert palm.load(run / "水", runtime="onnx")(["the big red fish"])


def test_a_trained_model_predicts_with_onnx_runtime(run: Path) -> None:
    ours, theirs = palm.load(run / "水"), palm.load(run / "水", runtime="onnx", threads=1)
    rows = [{"text_a": text} for text in all_heads.CHINESE]
    assert_close(ours(rows), theirs(rows))
    assert theirs.precision == "predicts in float32 with ONNX Runtime"


def test_two_threads_predict_at_once(exported: Path) -> None:
    run = palm.load(exported, tasks=["water", "slots"])
    rows = [{"text_a": text} for text in all_heads.ENGLISH]
    alone, found = run.predict(rows), list[Any]()

    def work() -> None:
        found.extend(run.predict(rows) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(each == alone for each in found)


def test_the_table_names_rows_that_were_made(run: Path) -> None:
    done = palm_export(run, "--to", "onnx", "--output", run.parent / "some", "--tasks", "water,which")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any("water.logits" in line and "ok" in line and "water.dev.tsv" in line for line in lines)
    assert any("which.logits" in line and "made of the vocabulary" in line for line in lines)
    assert "which: no dev rows and no --rows" in done.stderr
    assert "Warning" not in done.stderr
    described = json.loads((run.parent / "some/export.json").read_text(encoding="utf-8"))
    assert list(described["tasks"]) == ["water", "which"]
    assert described["tasks"]["water"]["labels"] == ["water", "air"] or described["tasks"]["water"]["labels"]
    assert described["verification"]["water.logits"]["largest_difference"] <= 1e-5


def test_rows_of_the_user_are_compared(run: Path) -> None:
    file = run.parent / "行.tsv"
    file.write_text("text_a\n大红鱼在河\nthe red fish\n", encoding="utf-8")
    done = palm_export(run / "water", "--to", "onnx", "--output", run.parent / "one", "--rows", file)
    assert done.returncode == 0, done.stderr
    assert "(2 rows: " in done.stdout


@pytest.mark.parametrize("option", ["--rows", "--dev"])
def test_a_file_that_no_task_would_use_is_refused(
    run: Path, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = tmp_path / "行.tsv", tmp_path / "more.tsv"
    for each in (file, other):
        each.write_text("label\ttext_a\nwater\t大红鱼在河\n", encoding="utf-8")
    words = ["export", str(run / "water"), "--to", "onnx", "--output", str(tmp_path / "out")]
    assert main([*words, option, str(file), option, str(other)]) == 2
    told = capsys.readouterr().err
    assert f"each exported task (water) has a file already. Found another one, `{other}`." in told
    assert main([*words, option, f"water={file}", option, f"water={other}"]) == 2
    assert f"one file for each task is expected. Found another one for water, `{other}`." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_palm_pred_and_palm_eval_take_an_exported_folder(
    run: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = run.parent / "one task"
    assert main(["export", str(run / "water"), "--to", "onnx", "--output", str(one)]) == 0
    capsys.readouterr()
    printed = []
    for words in ([str(run / "water")], [str(one)]):
        assert main(["pred", *words, "大红鱼在河"]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert_close(*printed)
    assert main(["pred", "--model", str(one), "--text", "大红鱼在河"]) == 0
    assert json.loads(capsys.readouterr().out) == printed[1]
    assert main(["pred", str(exported), "大红鱼在河"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"water", "sets", "tags"} <= {line["task"] for line in shown}
    dev = run.parent / "water.dev.tsv"
    assert main(["eval", str(exported), "water", "--file", str(dev)]) == 0
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = palm.Predictor(run / "water" / "infer_model").evaluate(dev)
    assert line == {"task": "water", **{name: value for name, value in expected.items() if name != "loss"}}
    assert main(["eval", str(exported), "--file", str(dev)]) == 0
    told = capsys.readouterr()
    assert "water" in {json.loads(line)["task"] for line in told.out.splitlines()}
    assert "answer left out: " in told.err
    assert main(["eval", str(exported)]) == 2
    assert f"palm eval {exported} --file FILE" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="palm export"):
        palm.Predictor(one)


def test_keys_of_the_other_runtime_are_refused(run: Path, exported: Path) -> None:
    for path, runtime in ((run, "onnx"), (exported, None), (run / "water", "onnx")):
        for keys in ({"kernels": "plain"}, {"max_drop": 1.0}, {"allow_unmeasured": True}):
            [name] = keys
            with pytest.raises(ConfigError, match=f"{name} is for PALM's own kernels"):
                palm.load(path, runtime=runtime, **keys)
    with pytest.raises(ConfigError, match="threads is for ONNX Runtime"):
        palm.load(run, threads=2)


def test_paddle_inference_computes_the_same(run: Path) -> None:
    from paddle import inference

    target = run.parent / "paddle"
    done = palm_export(run, "--to", "paddle", "--output", target)
    if paddle_major() < 3:
        assert (done.returncode, target.exists()) == (2, False)
        assert "--to paddle: Paddle's static format is written with Paddle 3. Found: Paddle 2.6 cannot" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    described = json.loads((target / "export.json").read_text(encoding="utf-8"))
    program, parameters = (str(target / name) for name in described["files"])
    assert b"custom" not in Path(program).read_bytes()
    assert b"py_layer" not in Path(program).read_bytes()
    config = inference.Config(program, parameters)
    config.disable_glog_info()
    predictor = inference.create_predictor(config)
    ours = palm.load(run)
    for task in ours:
        dataset = ours[task].read_rows(rows_of(ours, task))
        instance = ours[task].instance
        batch = instance.reader.collate(dataset, np.arange(dataset.num_examples), np.random.default_rng(0))
        for name in predictor.get_input_names():
            spec = described["inputs"][name]
            array = batch.get(name, np.zeros([1] * len(spec["axes"])))
            predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(array, spec["dtype"]))
        predictor.run()
        names = predictor.get_output_names()
        [outputs] = ours[task].runtime.outputs([instance], batch, "predict")
        for name, array in outputs.items():
            number = int(described["tasks"][task]["outputs"][name]["name"])
            found = predictor.get_output_handle(names[number]).copy_to_cpu()
            real = batch["input_mask"] > 0 if described["tasks"][task]["outputs"][name]["axes"][1:2] == ["seq"] else ...
            assert verify.distance(array[real], found[real]) <= 1e-5, (task, name)


def test_a_difference_leaves_nothing_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "TOLERANCE", -1.0)
    assert main(["export", str(run / "water"), "--to", "onnx", "--output", str(tmp_path / "none")]) == 2
    said = capsys.readouterr()
    assert "TOO LARGE" in said.out
    assert "an exported graph computes what PALM computes" in said.err
    assert list(tmp_path.iterdir()) == []


def test_int8_is_measured(run: Path) -> None:
    target = run.parent / "int8"
    words = ("--to", "onnx", "--precision", "int8", "--tasks", "water,slots", "--output", target, "--max_drop", 20)
    done = palm_export(run, *words)
    assert done.returncode == 0, done.stderr
    assert "water: accuracy " in done.stdout
    assert "slots: span_f1 " in done.stdout
    assert "int8: " in done.stdout
    assert "Not quantised: " in done.stdout
    described = json.loads((target / "export.json").read_text(encoding="utf-8"))
    assert described["precision"] == "int8"
    assert set(described["int8"]) == {"water", "slots"}
    predictor = palm.load(target)
    assert predictor["water"].precision == "predicts in int8 with ONNX Runtime"
    assert predictor["water"].predict_rows(["the red fish"])[0]["label"] in ("air", "water")
    with pytest.raises(ConfigError, match="predicts in int8 with ONNX Runtime"):
        palm.load(target, precision="float32")
    with pytest.raises(ConfigError, match="holds a graph instead of weights"):
        palm.load(target, runtime="palm")


def test_int8_that_costs_too_much_leaves_nothing_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from palm.inference.export import quantize

    monkeypatch.setattr(quantize, "costs", lambda *_: [Cost("water", "accuracy", 0.9, 0.89, 16, "dev.tsv")])
    words = ["--to", "onnx", "--precision", "int8", "--output", str(tmp_path / "none")]
    assert main(["export", str(run / "water"), *words]) == 2
    assert "int8 may cost 0.3 points" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precision", "int8"], "measured on rows with gold labels of each task. Found none for which"),
        (["--to", "paddle", "--precision", "int8"], "8-bit integers are for ONNX graphs"),
        (["--tasks", "waters"], "has no task `waters`. Did you mean `water`?"),
        (["--rows", "nothing=x.tsv"], "FILE, or task=FILE with one of the exported tasks"),
        (["--max_drop", "nan"], "a number of points, at least 0"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["export", str(run), "--output", str(tmp_path / "none"), *([] if "--to" in words else ["--to", "onnx"])]
    tasks = [] if "--tasks" in words else ["--tasks", "which"]
    assert main([*given, *tasks, *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "nothing"), "--to", "onnx", "--output", str(tmp_path / "none")]) == 2
    assert "a trained model is expected" in capsys.readouterr().err


def test_a_foreign_folder_is_not_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("hello", encoding="utf-8")
    words = ["--to", "onnx", "--output", str(tmp_path / "mine"), "--no-verify"]
    assert main(["export", str(run / "water"), *words]) == 2
    assert "PALM only replaces folders that it wrote" in capsys.readouterr().err


def test_a_trained_model_is_not_replaced(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = run / "water" / "infer_model"
    assert main(["export", str(model), "--to", "onnx", "--output", str(model), "--no-verify"]) == 2
    assert f"{model}: an exported model replaces an exported one" in capsys.readouterr().err
    assert (model / "model.safetensors").is_file()


def test_a_damaged_graph_is_refused(run: Path, exported: Path, tmp_path: Path) -> None:
    file = exported / "model.onnx"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-5])
        with pytest.raises(CheckpointError, match="differs from what was written"):
            palm.load(exported)
    finally:
        file.write_bytes(whole)
    assert file.name == export_model.GRAPH_FILE
