"""`freeze_encoder_of` adds heads to a model: its encoder and heads keep their bytes, and their answers."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import SafetensorError
from safetensors.numpy import save_file

import palm
from palm.errors import CheckpointError, ConfigError
from palm.inference.saved_tasks import head_weights
from palm.schema.saved_model import read_saved_run
from tests.integration import tiny
from tests.integration.documents import blocks, read, without_comments
from tests.palm_command import palm_here

TEXTS = ["the big red fish in the river", "a small blue bird flies", "大红鱼在河", "小绿鸟飞"]
OF_TASK = ("sharing", "sharing_size", "sharing_layers", "layers", "rdrop_alpha", "smart_weight", "dropout_prob")
OF_MODEL = (*tiny.BACKBONE, "backbone", "vocab_path", "do_lower_case")


def base_config(folder: Path, **keys: object) -> dict:
    """Heads with layers of their own, with adapters in the encoder, and on a mix of its layers."""
    folder.mkdir(exist_ok=True)
    tasks = {
        "气味": tiny.classification_task(folder, "气味", count=24, chinese=True) | {"sharing": "soft"},
        "water": tiny.classification_task(folder, "water", count=24) | {"sharing": "adapter", "sharing_size": 4},
        "slots": tiny.slot_task(folder, "slots") | {"layers": "mix"},
    }
    return tiny.config(folder, tasks, **{"max_steps": 9, **keys})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The save_path of a trained run."""
    folder = tmp_path_factory.mktemp("base")
    palm.Controller(base_config(folder), overrides=[]).train()
    return folder / "out"


def new_config(folder: Path, base: Path, **keys: object) -> dict:
    """One new task, without keys of the backbone, vocabulary and lower-casing."""
    folder.mkdir(exist_ok=True)
    task = {**tiny.classification_task(folder, "新任务"), **{key: keys.pop(key) for key in OF_TASK if key in keys}}
    given = tiny.config(folder, {"新任务": task}, **{"max_steps": 6, "freeze_encoder_of": str(base), **keys})
    return {key: value for key, value in given.items() if key not in OF_MODEL}


def train(folder: Path, base: Path, **keys: object) -> Path:
    palm.Controller(new_config(folder, base, **keys), overrides=[]).train()
    return folder / "out"


def weights(folder: Path) -> dict[str, np.ndarray]:
    return head_weights(folder, read_saved_run(folder))


def answers(folder: Path, task: str) -> str:
    return json.dumps(palm.load(folder, tasks=[task]).predict(TEXTS)[task], ensure_ascii=False)


def changed(old: Path, new: Path) -> list[str]:
    """The tensors of `old` that are not in `new` byte by byte."""
    before, after = weights(old), weights(new)
    return [name for name in before if name not in after or before[name].tobytes() != after[name].tobytes()]


def assert_kept(old: Path, new: Path) -> None:
    """Encoder and heads of `old` are in `new`, and their tasks give the same answers, alone and together."""
    assert changed(old, new) == []
    tasks = list(read_saved_run(old).tasks)
    assert list(read_saved_run(new).tasks)[: len(tasks)] == tasks
    assert [answers(new, task) for task in tasks] == [answers(old, task) for task in tasks]
    together = palm.load(new).predict(TEXTS)
    assert {task: json.dumps(together[task], ensure_ascii=False) for task in tasks} == {
        task: answers(old, task) for task in tasks
    }


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"sharing": "adapter"},
        {"sharing": "lora", "sharing_size": 2},
        {"sharing": "private"},
        {"sharing": "private_layers", "sharing_layers": 1},
        {"sharing": "soft"},
        {"layers": "mix"},
        {"weight_decay": 0.5, "optimizer": "adamw"},
        {"use_ema": True, "ema_decay": 0.9, "sharing": "adapter"},
        {"weight_average": "swa", "swa_start": 0.1},
        {"hidden_dropout_prob": 0.4, "attention_probs_dropout_prob": 0.4},
        {"amp": "bf16"},
        {"kernels": "plain", "sharing": "lora"},
        {"rdrop_alpha": 1.0, "dropout_prob": 0.3},
        {"smart_weight": 1.0},
        {"gradient_accumulation_steps": 2, "max_grad_norm": 0.1},
        {"recompute": True, "sharing": "adapter"},
    ],
    ids=str,
)
def test_encoder_and_other_heads_keep_their_bytes_and_answers(tmp_path: Path, base: Path, keys: dict) -> None:
    out = train(tmp_path, base, **keys)
    new = out / "infer_model"
    assert_kept(base / "infer_model", new)
    added = {name.split(".")[1] for name in set(weights(new)) - set(weights(base / "infer_model"))}
    assert added == {"新任务"}
    # The export of the task by itself is the same head on the same encoder.
    if keys.get("sharing") != "soft":  # whose own layers replace the encoder's there
        assert [name for name in changed(out / "新任务" / "infer_model", new) if name.startswith("backbone.")] == []
    if keys.get("amp") != "bf16":  # in which the task's export predicts, and the model does not
        assert answers(new, "新任务") == answers(out / "新任务" / "infer_model", "新任务")


def test_the_new_head_learns(tmp_path: Path, base: Path) -> None:
    """Tags of words, which show in the embeddings of an encoder that has learned next to nothing."""
    task = {"colours": tiny.slot_task(tmp_path, "colours") | {"layer": 0, "dropout_prob": 0.0}}
    given = tiny.config(tmp_path, task, freeze_encoder_of=str(base), num_epochs=40, learning_rate=0.05)
    palm.Controller({key: value for key, value in given.items() if key not in OF_MODEL}, overrides=[]).train()
    (last,) = [record for record in tiny.metrics(tmp_path) if record["split"] == "run_model"]
    saved = read_saved_run(tmp_path / "out" / "infer_model")
    assert saved.tasks["colours"].metrics["span_f1"] > 0.9
    assert last["tasks"] == ["colours"]
    lines = tiny.log_lines(tmp_path)
    assert f"The encoder and the heads of {base / 'infer_model'} are in it unchanged." in lines


def test_several_new_heads_of_other_paradigms_train_at_once(tmp_path: Path, base: Path) -> None:
    tasks = {
        "reading": tiny.mrc_task(tmp_path, "reading"),
        "words": tiny.mlm_task(tmp_path, "words") | {"sharing": "adapter"},
        "pairs": tiny.match_task(tmp_path, "pairs") | {"share_head_with": "pairs2"},
        "pairs2": tiny.match_task(tmp_path, "pairs2"),
    }
    given = tiny.config(tmp_path, tasks, freeze_encoder_of=str(base), max_steps=12)
    given = {key: value for key, value in given.items() if key not in OF_MODEL}
    palm.Controller(given, overrides=[]).train()
    new = tmp_path / "out" / "infer_model"
    assert changed(base / "infer_model", new) == []
    saved = read_saved_run(new)
    assert list(saved.tasks) == ["气味", "water", "slots", "reading", "words", "pairs", "pairs2"]
    assert saved.tasks["pairs"].head == saved.tasks["pairs2"].head
    model = palm.load(new)
    assert set(model.predict([{"question": "who in the river", "context": TEXTS[0]}], tasks=["reading"])) == {"reading"}


def test_heads_are_added_one_run_after_the_other_and_to_the_export_of_one_task(tmp_path: Path, base: Path) -> None:
    first = train(tmp_path / "first", base / "water" / "infer_model")
    assert list(read_saved_run(first / "infer_model").tasks) == ["water", "新任务"]
    assert answers(first / "infer_model", "water") == answers(base / "water" / "infer_model", "water")
    second = tmp_path / "second"
    second.mkdir()
    task = {"head": tiny.classification_task(second, "head")}  # the name of the head in a single task's export
    given = tiny.config(second, task, freeze_encoder_of=str(first / "infer_model"), max_steps=3)
    palm.Controller({key: value for key, value in given.items() if key not in OF_MODEL}, overrides=[]).train()
    assert_kept(first / "infer_model", second / "out" / "infer_model")
    assert list(read_saved_run(second / "out" / "infer_model").tasks) == ["water", "新任务", "head"]


def write_yaml(folder: Path, base: Path, **keys: object) -> Path:
    file = folder / "config.yaml"
    content = new_config(folder, base, **keys)
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return file


def start(file: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "palm", "train", str(file), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


KILLED = {"max_steps": 12, "save_every_n_steps": 1, "sharing": "adapter", "use_ema": True, "ema_decay": 0.9}


def test_a_killed_run_is_resumed_to_the_same_bits(tmp_path: Path, base: Path) -> None:
    whole = train(tmp_path / "whole", base, **KILLED)
    file = write_yaml(tmp_path / "killed", base, **KILLED)
    process = start(file)
    next(line for line in process.stdout if "Global step: 4." in line)
    process.kill()
    process.communicate(timeout=60)
    out = tmp_path / "killed" / "out"
    assert not (out / "infer_model").exists()
    done = palm_here("train", file, "--resume")
    assert done.returncode == 0, done.stderr
    assert "Resumed from" in done.stdout
    assert_kept(base / "infer_model", out / "infer_model")
    assert changed(whole / "infer_model", out / "infer_model") == []
    again = palm_here("train", file, "--resume")
    assert "had ended: nothing is left to train." in again.stdout


def test_a_run_is_not_resumed_on_another_model_or_without_it(tmp_path: Path, base: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    keys = {"max_steps": 4, "save_every_n_steps": 2, "resume": "auto"}
    out = train(tmp_path / "new", copy, **keys)
    shutil.rmtree(out / "infer_model")  # as if the run had died before it
    shutil.rmtree(out / "新任务")
    palm.Controller(base_config(tmp_path / "other", random_seed=7, max_steps=3), overrides=[]).train()
    shutil.rmtree(copy)
    shutil.copytree(tmp_path / "other" / "out", copy)
    with pytest.raises(CheckpointError, match="of another model than freeze_encoder_of names now, or that model has"):
        train(tmp_path / "new", copy, **keys)
    given = new_config(tmp_path / "new", copy, **keys)
    del given["freeze_encoder_of"]
    given |= {key: value for key, value in base_config(tmp_path / "keys").items() if key in OF_MODEL}
    with pytest.raises(CheckpointError, match=r"When saved its encoder was frozen, now it is not\."):
        palm.Controller(given, overrides=[]).train()


def test_a_model_that_changes_during_training_is_not_extended(tmp_path: Path, base: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    controller = palm.Controller(new_config(tmp_path / "new", copy), overrides=[])
    controller._start_from_model(controller.config.run.freeze_encoder_of)
    palm.Controller(base_config(tmp_path / "other", random_seed=7, max_steps=3), overrides=[]).train()
    shutil.rmtree(copy)
    shutil.copytree(tmp_path / "other" / "out", copy)
    with pytest.raises(CheckpointError, match="has changed while heads were trained on its encoder"):
        controller.train()
    assert not (tmp_path / "new" / "out" / "infer_model").exists()
    assert (tmp_path / "new" / "out" / "新任务" / "infer_model").is_dir()  # nothing that was trained is lost


def test_a_full_disk_keeps_the_export_of_the_new_task(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(weights(base / "infer_model"))

    def write(tensors: dict[str, np.ndarray], file: str) -> None:
        if Path(file).parent.name.startswith(".infer_model.writing-") and len(tensors) > before:
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save_file(tensors, file)

    monkeypatch.setattr("palm.storage.arrays.save_file", write)
    with pytest.raises(CheckpointError, match="No space left on device"):
        train(tmp_path, base, max_steps=2)
    assert not (tmp_path / "out" / "infer_model").exists()
    assert (tmp_path / "out" / "新任务" / "infer_model").is_dir()


def test_a_damaged_model_is_refused_before_training(tmp_path: Path, base: Path) -> None:
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    file = copy / "infer_model" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="differs from what was written"):
        train(tmp_path / "new", copy)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hidden_size", "64"], "Found `hidden_size: 64`, and 32 in the model."),
        (["--do_lower_case", "false"], "Found `do_lower_case: false`, and true in the model."),
        (["--freeze_encoder_of", "nowhere"], "Found no model in nowhere."),
        (["--unfreeze_every_n_steps", "3"], "trains layers of the encoder after some steps"),
    ],
)
def test_check_and_train_refuse_the_same(tmp_path: Path, base: Path, words: list[str], message: str) -> None:
    file = write_yaml(tmp_path, base)
    found = [palm_here(command, file, *words) for command in ("check", "train")]
    assert [each.returncode for each in found] == [2, 2]
    assert all(message in each.stderr for each in found), [each.stderr for each in found]
    assert not any("Traceback" in each.stderr for each in found)
    assert not (tmp_path / "out").exists()


def test_check_accepts_what_train_trains(tmp_path: Path, base: Path) -> None:
    file = write_yaml(tmp_path, base)
    found = palm_here("check", file, "--freeze_encoder_of", str(base / "infer_model"))
    assert found.returncode == 0, found.stderr


def test_other_weights_cannot_be_loaded(tmp_path: Path, base: Path) -> None:
    controller = palm.Controller(new_config(tmp_path, base), overrides=[])
    with pytest.raises(ConfigError, match="no other weights can be loaded"):
        controller.load_pretrain(base / "infer_model")


def test_the_page_that_describes_it_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and commands of docs/guides/add-a-task.md, with a small model and a few rows."""
    page = read("docs/guides/add-a-task.md")
    (shown,) = [block for block in blocks(page, "yaml") if "freeze_encoder_of" in block]
    (commands,) = [block for block in blocks(page, "bash") if "palm train new.yaml" in block]
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "base"
    palm.Controller(base_config(folder, save_path="output_model"), overrides=[]).train()
    for part in ("train", "dev"):
        file = tmp_path / "data" / "urgency" / f"{part}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        tiny.write_tsv(file, ["label", "text_a"], tiny.classification_rows(16, seed=9))
    (tmp_path / "new.yaml").write_text(shown, encoding="utf-8")
    for line in without_comments(commands):
        words = shlex.split(line)
        small = ["--max_seq_len", "24", "--max_steps", "3", "--use_gpu", "false"] if words[1] != "pred" else []
        done = palm_here(*words[1:], *small)
        assert done.returncode == 0, done.stderr
    assert_kept(tmp_path / "output_model" / "infer_model", tmp_path / "output_model_urgency" / "infer_model")


def test_the_model_card_tells_of_all_tasks(tmp_path: Path, base: Path) -> None:
    card = (train(tmp_path, base, max_steps=2) / "infer_model" / "README.md").read_text(encoding="utf-8")
    assert all(f"### `{task}`" in card for task in ("气味", "water", "slots", "新任务"))
    assert "4 heads over one shared encoder" in card
