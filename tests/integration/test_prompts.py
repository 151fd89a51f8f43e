"""Prompts in a mix with tagging, reading and classification: trained, resumed, saved, exported, merged, compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

import palm
from palm.cli.main import main
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.model import MultiTaskModel
from palm.engine.run import TrainingRun
from palm.engine.train import train_steps
from palm.inference.run_predictor import RunPredictor
from palm.runtime.paddle_versions import paddle_major
from palm.training.describe_run import write_beginning
from tests.integration import all_heads, prompt_mix, tiny
from tests.integration.all_heads import assert_close

STOPPED = 13


def weights(run: TrainingRun) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: its models, a checkpoint of its middle, its last weights, and its configuration."""
    folder = tmp_path_factory.mktemp("提示")
    config = prompt_mix.config(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    controller = palm.Controller(config, overrides=[])
    run = controller._training_run()
    trained = set()
    for step in train_steps(run):
        assert np.isfinite(step.loss)
        trained.add(step.task)
        if step.global_step == STOPPED:
            save_checkpoint(run, folder / "out/ckpt", keep=1)
    assert trained >= {"words", "水", "soft", "masked", "prefix", "options", "placed", "slots", "answer"}
    all_heads.save_both(run, folder / "out")
    write_beginning(run, controller.config, folder / "out")
    np.savez(folder / "last.npz", **weights(run))
    return folder


@pytest.fixture(scope="module")
def model(home: Path) -> RunPredictor:
    return palm.load(home / "out")


def answers(model: RunPredictor) -> dict[str, object]:
    return {name: model[name].predict_rows(prompt_mix.rows_of(model, name)) for name in model}


def test_a_resumed_run_ends_in_the_same_bits(home: Path, tmp_path: Path) -> None:
    run = palm.Controller(prompt_mix.config(tmp_path), overrides=[])._training_run()
    restore_checkpoint(run, home / f"out/ckpt/step_{STOPPED}")
    list(train_steps(run))
    found = weights(run)
    with np.load(home / "last.npz", allow_pickle=False) as last:
        assert set(last.files) == set(found)
        assert [name for name in last.files if not np.array_equal(last[name], found[name])] == []


def test_a_prompt_has_the_head_of_the_masked_language_model(home: Path) -> None:
    with np.load(home / "last.npz", allow_pickle=False) as last:
        heads = {name.split(".")[1] for name in last.files if name.startswith("heads.")}
    assert heads == set(prompt_mix.tasks(home)) - {"水"}
    saved = json.loads((home / "out/infer_model/config.json").read_text(encoding="utf-8"))["tasks"]
    assert (saved["words"]["head"], saved["水"]["head"]) == ("words", "words")


def test_models_of_one_task_answer_alike_without_the_data_of_training(
    home: Path, model: RunPredictor, tmp_path: Path
) -> None:
    expected = answers(model)
    kept = home.rename(tmp_path / "elsewhere")
    try:
        for name in prompt_mix.PROMPTS:
            alone = palm.load(kept / "out" / name)
            assert alone.predict_rows(prompt_mix.rows_of(model, name)) == expected[name], name
    finally:
        kept.rename(home)


def test_the_graph_of_all_heads_answers_alike(home: Path, model: RunPredictor) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    expected, found = answers(model), answers(palm.load(home / "out", runtime="onnx"))
    for name in model:
        assert_close(expected[name], found[name], name)


@pytest.mark.skipif(paddle_major() < 3, reason="Paddle's static format is written with Paddle 3")
def test_the_program_of_paddle_answers_alike(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", str(home / "out"), "--to", "paddle", "--output", str(home / "paddle")]
    assert main([*words, "--tasks", "soft,masked,prefix,options"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if ".logits" in line]
    assert [line.split()[0] for line in lines] == [f"{name}.logits" for name in ("soft", "masked", "prefix", "options")]
    assert all("  ok  " in line for line in lines)


def test_tasks_without_a_prompt_share_a_pass(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one row; each prompt makes another sequence of it."""
    passes: list[object] = []
    encode = MultiTaskModel.encode

    def counted(self: MultiTaskModel, *batch: object, **keys: object) -> object:
        passes.append(keys.get("head"))
        return encode(self, *batch, **keys)  # type: ignore[arg-type]

    run = palm.load(home / "out", tasks=["plain", "slots", "水", "prefix", "soft"])
    monkeypatch.setattr(MultiTaskModel, "encode", counted)
    run.predict([{"text_a": "大红鱼在河"}])
    assert passes == ["plain", "words", "prefix", "soft"]


def test_merged_models_answer_as_before(home: Path, model: RunPredictor, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["soft", "prefix", "options", "words"]
    words = [str(home / "out" / name) for name in names]
    assert main(["merge", *words, f"另一={home / 'out/水'}", "--output", str(home / "merged")]) == 0
    capsys.readouterr()
    found, expected = answers(palm.load(home / "merged")), answers(model)
    assert found == {**{name: expected[name] for name in names}, "另一": expected["水"]}


def test_prompts_are_added_to_a_model_with_its_masked_language_model_head(
    home: Path, model: RunPredictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("masked", "prefix", "soft", "options")
    new = {f"新{name}": {**prompt_mix.tasks(tmp_path)[name], "dev_file": None} for name in names}
    config = tiny.config(tmp_path, new, max_seq_len=40, max_steps=1, learning_rate=1e-9)
    added = {key: config[key] for key in config if key not in ("backbone", "vocab_path", *tiny.BACKBONE)}
    palm.Controller({**added, "freeze_encoder_of": str(home / "out")}, overrides=[]).train()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  head 新")] == [
        "  head 新masked: 5 parameters loaded.",
        "  head 新prefix: 5 parameters loaded.",
        "  head 新soft: 4 parameters loaded.",
    ]
    found, expected = answers(palm.load(tmp_path / "out")), answers(model)
    assert {name: found[name] for name in expected} == expected
    with np.load(home / "last.npz", allow_pickle=False) as last:
        head = load_file(tmp_path / "out/新masked/infer_model/model.safetensors")
        np.testing.assert_allclose(head["head.transform.weight"], last["heads.words.transform.weight"], atol=1e-6)


def test_evaluation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(home / "config.yaml")]) == 0
    found = {line["task"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(prompt_mix.PROMPTS) <= set(found)
    assert "micro_f1" in found["several"]
    assert 0 <= found["soft"]["accuracy"] <= 1


def test_data_are_reported_with_the_prompt(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(home / "config.yaml"), "--data"]) == 0
    shown = capsys.readouterr().out
    report = shown[shown.index("soft: train_file") : shown.index("soft: dev_file")]
    # [CLS], 谁在 and a vector, 5 characters, another vector, [MASK], [SEP]
    assert "12 to 12 subword tokens" in report
    assert "5 tokens, with room for 33, 4 soft vectors, 1 [MASK]" in report


def test_what_transformers_has_no_head_for_is_left_out(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("水", "masked", "soft", "prefix", "options"):
        assert main(["convert", str(home / f"out/{name}/infer_model"), str(tmp_path / name)]) == 0
        said = capsys.readouterr().out
        made = json.loads((tmp_path / name / "config.json").read_text(encoding="utf-8"))["architectures"]
        left_out = "skipped, since they do not belong to an encoder: head." in said
        assert (made, left_out) == ((["BertForMaskedLM"], False) if name in ("水", "masked") else (["BertModel"], True))


def test_a_comparison_with_each_task_alone(tmp_path: Path) -> None:
    chosen = {name: prompt_mix.tasks(tmp_path)[name] for name in ("words", "水", "soft", "plain")}
    for name in ("words", "plain"):
        chosen[name] |= {"mix_ratio": 0.5, "target": False}
    keys = {"max_seq_len": 40, "num_epochs": 1, "batch_size": 12}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(tmp_path, chosen, **keys), allow_unicode=True), encoding="utf-8")
    assert main(["compare", str(file), "--name=mix"]) == 0
    report = json.loads((tmp_path / "out/compare.json").read_text(encoding="utf-8"))
    assert report["metrics"] == {"水": "accuracy", "soft": "accuracy"}
    assert {(run["run"], run["task"]) for run in report["runs"]} == {
        ("mix", None), ("single", "水"), ("single", "soft")
    }  # fmt: skip
    shutil.rmtree(tmp_path / "out")
