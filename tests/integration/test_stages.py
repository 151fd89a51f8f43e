"""Stages: each run starts from the encoder of the one before it, resumes exactly, and is checked beforehand."""

import json
import shutil

import pytest
from safetensors.numpy import load_file

import palm
from palm.cli.main import main
from palm.config.resolve import load_run_configs
from palm.engine.checkpoint import checkpoints
from palm.errors import ConfigError, DataError
from tests.integration import tiny
from tests.integration.test_resume import fingerprint, timeless


def config(folder, **keys):
    """Masked words of the tasks' own texts, Chinese among them, and then the tasks."""
    folder.mkdir(exist_ok=True)
    chinese = [[text] for _, text in tiny.classification_rows(24, seed=7, chinese=True)]
    words = {"reader": "mlm", "paradigm": "mlm", "train_file": tiny.write_tsv(folder / "字.tsv", ["text_a"], chinese)}
    tasks = {
        "字": words,
        "意图": tiny.classification_task(folder, "意图", count=24, chinese=True),
        "slots": tiny.slot_task(folder, "slots"),
    }
    stages = {
        "further": {"task_instance": "字", "learning_rate": 0.02, "num_epochs": 2},
        "微调": {"task_instance": "意图, slots", "tasks": {"slots": {"batch_size": 16}}},
    }
    return tiny.config(folder, tasks, **{"num_epochs": 1, "stages": stages, **keys})


def controller(folder, *words, **keys):
    return palm.Controller(config(folder, **keys), overrides=list(words))


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_a_stage_starts_from_the_encoder_of_the_one_before_it(tmp_path):
    run = controller(tmp_path, save_every_n_steps=1, keep_checkpoints=100)
    run.train()
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("[!.]*")) == ["further", "infer_model", "微调"]
    left = weights(out / "further" / "encoder")
    last = checkpoints(out / "further" / "ckpt")[-1]
    saved = {name.replace("heads.字.", "mlm."): array for name, array in weights(last).items()}
    ended = {name.removeprefix("backbone."): array for name, array in saved.items() if not name.startswith("heads.")}
    assert {"mlm.transform.weight", "mlm.bias"} < ended.keys()
    assert left.keys() == ended.keys()
    assert all((left[name] == ended[name]).all() for name in left)

    plain = tiny.config(tmp_path, {name: config(tmp_path)["tasks"][name] for name in ("意图", "slots")})
    plain["tasks"]["slots"]["batch_size"] = 16
    keys = {"num_epochs": 1, "pretrain_model_path": str(out / "further" / "encoder"), "save_every_n_steps": 1}
    by_hand = palm.Controller({**plain, **keys, "save_path": str(tmp_path / "by_hand")}, overrides=[])
    by_hand.train()
    found = [checkpoints(folder / "ckpt")[-1] for folder in (out / "微调", tmp_path / "by_hand")]
    assert fingerprint(found[0]) == fingerprint(found[1])
    assert len(run.pred("意图")) == 16
    assert json.loads((out / "微调" / "意图" / "predictions.json").read_text(encoding="utf-8").splitlines()[0])


def test_resume_in_any_stage_ends_bit_identical(tmp_path):
    keys = {"save_every_n_steps": 1, "keep_checkpoints": 100}
    controller(tmp_path / "whole", **keys).train()
    whole = tmp_path / "whole" / "out"
    wanted = checkpoints(whole / "微调" / "ckpt")[-1]
    stops = [("further", path) for path in checkpoints(whole / "further" / "ckpt")[1::3]]
    stops += [("further", whole / "further" / "encoder"), ("微调", checkpoints(whole / "微调" / "ckpt")[2])]
    for stage, path in stops:
        home = tmp_path / f"{stage}_{path.name}"
        if stage == "微调":
            shutil.copytree(whole / "further", home / "out" / "further")
            shutil.copytree(path, home / "out" / stage / "ckpt" / path.name)
        else:
            shutil.copytree(path, home / "out" / stage / ("ckpt" if path.name != "encoder" else "") / path.name)
        controller(home, "--resume", "auto", **keys).train()
        found = checkpoints(home / "out" / "微调" / "ckpt")[-1]
        assert (found.name, fingerprint(found)) == (wanted.name, fingerprint(wanted)), (stage, path.name)


def test_a_run_that_starts_anew_leaves_nothing_for_a_later_resume(tmp_path, monkeypatch):
    keys = {"save_every_n_steps": 1}
    controller(tmp_path, **keys).train()
    again = controller(tmp_path, **keys)
    monkeypatch.setattr(type(again), "_train", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        again.train()
    for stage in ("further", "微调"):
        left = sorted(path.name for path in (tmp_path / "out" / stage).iterdir())
        assert "encoder" not in left
        assert "ckpt" not in left
        assert "earlier" in left


def test_a_damaged_encoder_is_named(tmp_path):
    controller(tmp_path).train()
    (tmp_path / "out" / "further" / "encoder" / "model.safetensors").write_bytes(b"")
    with pytest.raises(palm.errors.CheckpointError, match=r"model\.safetensors: differs .* to train the stage again"):
        controller(tmp_path, "--resume", "auto").train()


def test_averaged_weights_go_on(tmp_path):
    controller(tmp_path, use_ema=True, ema_decay=0.5, save_every_n_steps=1).train()
    left = weights(tmp_path / "out" / "further" / "encoder")
    exported = weights(tmp_path / "out" / "further" / "字" / "infer_model")
    names = {name: name.replace("mlm.", "head.") if name.startswith("mlm.") else f"backbone.{name}" for name in left}
    assert all((exported[names[name]] == array).all() for name, array in left.items())


def values(folder, *words, **keys):
    return load_run_configs(config(folder, **keys), overrides=list(words))


def test_the_command_line_wins_in_all_stages_or_in_one(tmp_path):
    words = ["--learning_rate", "0.25", "--stages.微调.learning_rate=0.5", "--stages.微调.tasks.slots.batch_size", "4"]
    first, second = values(tmp_path, *words, "--batch_size", "2")
    assert [each.train.learning_rate for each in (first, second)] == [0.25, 0.5]
    assert [task.settings.batch_size for task in (*first.tasks, *second.tasks)] == [2, 2, 4]
    assert [each.stage for each in (first, second)] == ["further", "微调"]
    folders = [each.run.save_path for each in values(tmp_path, "--save_path", "here")]
    assert folders == ["here/further", "here/微调"]
    assert second.run.pretrain_model_path == f"{tmp_path}/out/further/encoder"


def test_a_stage_has_the_tasks_that_it_lists_or_describes_or_all(tmp_path):
    stages = {"a": {}, "b": {"task_instance": ["slots"]}, "c": {"tasks": {"意图": {"batch_size": 3}}}}
    found = values(tmp_path, stages=stages)
    assert [[task.name for task in each.tasks] for each in found] == [["字", "意图", "slots"], ["slots"], ["意图"]]
    assert found[2].tasks[0].settings.batch_size == 3


def test_a_key_of_all_stages_needs_to_mean_something_in_one_of_them(tmp_path):
    values(tmp_path, n_classes=2)  # nothing that the masked language model reads
    with pytest.raises(ConfigError) as caught:
        values(tmp_path, n_clases=2)
    assert [problem.where for problem in caught.value.problems] == ["config.n_clases"]


YAML = """\
backbone: bert
vocab_path: vocab.txt
backbone_config_path: bert.json
tasks:
  a: {reader: cls, paradigm: cls, train_file: a.tsv, max_seq_len: 24}
  b: {reader: cls, paradigm: cls, train_file: a.tsv, max_seq_len: 24}
stages:
  一:
    task_instance: a
    num_epochs: 0
  two:
    task_instance: b
    lerning_rate: 1
    save_path: elsewhere
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.write_vocab(tmp_path)
    (tmp_path / "bert.json").write_text(json.dumps(tiny.BACKBONE))
    tiny.write_tsv(tmp_path / "a.tsv", ["label", "text_a"], tiny.classification_rows(8, seed=1, chinese=True))

    def write(text):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        return "config.yaml"

    return write


def test_check_finds_what_is_wrong_in_all_stages_and_names_them(project, capsys):
    file = project(YAML.replace("    save_path: elsewhere\n", ""))
    assert main(["check", file]) == 2
    said = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith("config.yaml:10 (stage 一): num_epochs is a number, above 0. Found `0`.") for line in said
    )
    assert any(
        line.startswith("config.yaml:13 (stage two): nothing in this run reads `lerning_rate`.") for line in said
    )
    assert len(said) == 2


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (YAML, [], "config.yaml:14: `save_path` belongs to all stages"),
        (YAML.split("stages:")[0] + "stages: a, b\n", [], "config.yaml:7: `stages` is a mapping from stage names"),
        (YAML.split("stages:")[0] + "stages:\n", [], "config.yaml:7: `stages` needs at least one stage."),
        (YAML.split("stages:")[0] + "stages: {ckpt: {}}\n", [], "Found `ckpt`. Choose another."),
        (YAML.split("stages:")[0].replace("  b:", "  encoder:") + "stages: {one: {}}\n", [],
         "config.yaml:6 (stage one): in a run with stages, no task may be named `encoder`"),
        (YAML.split("stages:")[0] + "stages: {x: {task_instance: a}}\n", [], "config.yaml:6: task `b` is in no stage."),
        (YAML.split("stages:")[0], ["--stages.x.num_epochs", "1"], "--stages.x.num_epochs: there is no stage `x`."),
        (YAML.split("stages:")[0] + "stages: {one: {}}\n", ["--stages.on.num_epochs=1"], "Did you mean `one`?"),
        (YAML.split("stages:")[0] + "stages: {one: {}}\n", ["--stages.one", "1"],
         "a key of one stage is written `--stages.<stage>.<key> value`."),
        (YAML.split("stages:")[0] + "stages: {one: {}, two: {hidden_size: 64}}\n", [],
         "all stages have the same encoder, so its config must be the same."),
    ],
)  # fmt: skip
def test_one_problem(project, capsys, text, words, expected):
    file = project(text)
    assert main(["check", file, *words]) == 2
    assert expected in capsys.readouterr().err


def test_check_shows_each_stage(project, capsys):
    file = project(YAML.replace("num_epochs: 0", "num_epochs: 1").split("    lerning_rate")[0])
    assert main(["check", file, "--explain", "--data"]) == 0
    said = capsys.readouterr().out
    assert said.index("Stage 一") < said.index("Stage two")
    assert "output_model/一/encoder" in said


def test_bad_data_of_a_later_stage_is_found_before_the_first_one_trains(tmp_path):
    made = config(tmp_path)
    (tmp_path / "slots.tsv").write_text("text_a\tlabel\nthe red fish\tO O\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"slots\.tsv:2"):
        palm.Controller(made, overrides=[])
    assert not (tmp_path / "out").exists()


def test_figures_of_the_stages_stand_apart(tmp_path):
    controller(tmp_path).train()
    for stage, names in (("further", {"字"}), ("微调", {"意图", "slots", None})):  # None: the model of all tasks
        lines = (tmp_path / "out" / stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert {row["task"] for row in timeless(map(json.loads, lines))} == names


def test_a_stage_that_selects_leaves_its_best_encoder(tmp_path, capsys):
    best = {"selection": {"意图.loss": -1.0}, "eval_every_n_steps": 1, "learning_rate": 0.05, "task_instance": "意图"}
    stages = {"first": best, "then": {"num_epochs": 1}}
    controller(tmp_path, stages=stages, num_epochs=2).train()
    out = tmp_path / "out"
    lines = [json.loads(line) for line in (out / "first" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = {line["global_step"]: line["loss"] for line in lines if line["split"] == "dev"}
    lowest = min(losses, key=losses.__getitem__)
    assert lowest < max(losses), "the case is to have its best before its end"
    left, saved = weights(out / "first" / "encoder"), weights(out / "first" / "ckpt" / f"step_{lowest}")
    assert all((left[name] == saved[f"backbone.{name}"]).all() for name in left)
    assert f"from global step {lowest}" in capsys.readouterr().out


def test_a_stage_hands_on_the_head_that_has_most_of_a_masked_language_model(tmp_path, capsys):
    """A label layer has no decoder, and options have none of it: the head of `字` behind them is handed on."""
    of_stage = {"reader": "prompt", "paradigm": "prompt", "label_words": {"water": "鱼", "air": "鸟"}}
    tasks = {
        "选项": {
            **tiny.classification_task(tmp_path, "选项"),
            **of_stage,
            "prompt": "{'options'}",
            "verbalizer": "none",
        },
        "软": {**tiny.classification_task(tmp_path, "软"), **of_stage, "prompt": "红{'mask'}", "verbalizer": "soft"},
        "字": tiny.mlm_task(tmp_path, "字"),
        "意图": {**tiny.classification_task(tmp_path, "意图"), **of_stage, "prompt": "绿{'mask'}"},
    }
    stages = {"first": {"task_instance": ["选项", "软", "字"]}, "second": {"task_instance": ["意图"]}}
    made = tiny.config(tmp_path, tasks, stages=stages, max_steps=3, learning_rate=1e-2)
    palm.Controller(made, overrides=[]).train()
    left, head = weights(tmp_path / "out/first/encoder"), weights(tmp_path / "out/first/字/infer_model")
    for name in ("transform.weight", "layer_norm.bias", "bias"):
        assert (left[f"mlm.{name}"] == head[f"head.{name}"]).all()
    assert "  head 意图: 5 parameters loaded." in capsys.readouterr().out.splitlines()
