"""From files and overrides to a RunConfig: the manual's forms, every problem at once, and back from the saved file."""

import dataclasses
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from palm.config import task_checks, unknown_keys, wiring
from palm.config.resolve import CHECKS, WIRING, load_run_config
from palm.config.run_config import RunConfig
from palm.config.typed import TypedConfig
from palm.errors import ConfigError

SIZES = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
CLS = "train_file: data/train.tsv\nreader: cls\nparadigm: cls\nn_classes: 4\n"
MRC = (
    "train_file: data/train.json\nreader: mrc\nparadigm: mrc\nmax_seq_len: 512\nmax_query_len: 64\ndoc_stride: 128\n"
    "do_lower_case: True\npred_file: data/train.json\npred_output_path: 'mrqa_output'\nmax_answer_len: 30\n"
    "n_best_size: 20\n"
)
MAIN = "backbone: bert\nbackbone_config_path: bert.json\nvocab_path: vocab.txt\n"
Project = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Writes files of a project in the current directory, beside data, vocabulary and backbone file."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> None:
        always = {"data/train.tsv": "", "data/train.json": "", "vocab.txt": "[PAD]\n", "bert.json": json.dumps(SIZES)}
        tasks = {f"tasks/{name}.yaml": text for name, text in files.items() if name != "config"}
        for name, text in {**always, **tasks, "config.yaml": files["config"]}.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")

    return write


def load(*words: str, for_train: bool = True) -> RunConfig:
    return load_run_config("config.yaml", task_dir="tasks", for_train=for_train, overrides=words)


def problems(*words: str, for_train: bool = True) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(*words, for_train=for_train)
    return [str(problem) for problem in raised.value.problems]


DEMO2 = (
    MAIN.replace("bert\n", "ernie\n", 1)
    + """task_instance: "mrqa, mlm4mrqa, match4mrqa"
target_tag: 1,0,0
mix_ratio: 1.0, 0.5, 0.5
save_path: "output_model/secondrun"
do_lower_case: True
max_seq_len: 256 # 写入全局配置文件的参数会被自动广播到各个任务实例
batch_size: 4
num_epochs: 2
optimizer: "adam"
learning_rate: 3e-5
warmup_proportion: 0.1
weight_decay: 0.1
"""
)


def test_demo_2_of_the_manual(project: Project) -> None:
    mlm = "train_file: data/train.tsv\nreader: mlm\nparadigm: mlm\n"
    project(config=DEMO2, mrqa=MRC, mlm4mrqa=mlm, match4mrqa=mlm.replace("mlm", "match"))
    config = load()
    assert config.backbone_name == "ernie"
    assert (config.backbone.hidden_size, config.backbone.num_hidden_layers) == (12, 2)
    assert (config.train.learning_rate, config.train.num_epochs, config.methods.optimizer.weight_decay) == (
        3e-5,
        2,
        0.1,
    )
    assert [task.name for task in config.tasks] == ["mrqa", "mlm4mrqa", "match4mrqa"]
    assert [task.settings.target for task in config.tasks] == [True, False, False]
    assert [task.settings.mix_ratio for task in config.tasks] == [1.0, 0.5, 0.5]
    assert [task.reader.max_seq_len for task in config.tasks] == [256, 256, 256]
    assert [task.reader.do_lower_case for task in config.tasks] == [True, True, True]
    assert [task.settings.batch_size for task in config.tasks] == [4, 4, 4]
    assert config.tasks[0].reader.model_dump()["doc_stride"] == 128
    assert config.tasks[0].paradigm.model_dump()["n_best_size"] == 20
    assert config.tasks[0].settings.pred_output_path == "mrqa_output"
    assert [task.head for task in config.tasks] == ["mrqa", "mlm4mrqa", "match4mrqa"]


def test_demo_3_of_the_manual_shares_heads(project: Project) -> None:
    names = [f"cls{number}" for number in range(1, 7)]
    main = f'{MAIN}task_instance: "{", ".join(names)}"\ntask_reuse_tag: 0, 0, 1, 1, 0, 2\n'
    project(config=main, **dict.fromkeys(names, CLS))
    config = load()
    assert [task.head for task in config.tasks] == ["cls1", "cls1", "cls3", "cls3", "cls1", "cls6"]
    assert all(task.settings.target for task in config.tasks)


def test_inline_tasks_need_no_files(project: Project) -> None:
    task = "{reader: cls, paradigm: cls, train_file: data/train.tsv"
    project(config=f"{MAIN}tasks:\n  a: {task}, loss_weight: 2, target: no}}\n  b: {task}, share_head_with: a}}\n")
    config = load()
    assert [(task.name, task.head, task.settings.target) for task in config.tasks] == [
        ("a", "a", False),
        ("b", "a", True),
    ]
    assert config.tasks[0].settings.loss_weight == 2.0


def test_the_mapping_of_the_global_file_wins_over_the_task_file_beside_it(project: Project) -> None:
    project(config=f"{MAIN}batch_size: 8\ntasks: {{a: {{batch_size: 16}}, b: }}\n", a=CLS + "batch_size: 4\n", b=CLS)
    assert [task.settings.batch_size for task in load().tasks] == [16, 8]
    assert [task.settings.batch_size for task in load("--batch_size", "2").tasks] == [2, 2]
    assert [task.settings.batch_size for task in load("--batch_size", "2", "--tasks.b.batch_size=3").tasks] == [2, 3]


def test_a_global_value_reaches_backbone_and_heads(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a\ninitializer_range: 0.05\n", a=CLS + "initializer_range: 0.01\n")
    config = load()
    assert config.backbone.initializer_range == 0.05
    assert config.tasks[0].paradigm.initializer_range == 0.05


def test_the_backbone_file_stays_with_the_backbone(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a\n", a=CLS)
    Path("bert.json").write_text(
        json.dumps({**SIZES, "initializer_range": 0.5, "do_lower_case": True}), encoding="utf-8"
    )
    config = load()
    assert config.backbone.initializer_range == 0.5
    assert config.tasks[0].paradigm.initializer_range == 0.02
    assert config.tasks[0].reader.do_lower_case is False


def test_aliases(project: Project) -> None:
    main = f"{MAIN}task_instance: a\nepoch: 3\nsave_ckpt_every_n_steps: 7\nwarmup_ratio: 0.2\nlogging_steps: 9\n"
    project(config=main, a=CLS + "seed: 5\nper_device_train_batch_size: 6\nmax_seqlen: 32\n")
    config = load("--seed=4")
    assert (config.train.num_epochs, config.train.save_every_n_steps, config.methods.schedule.warmup_proportion) == (
        3,
        7,
        0.2,
    )
    assert (config.train.print_every_n_steps, config.train.random_seed) == (9, 4)
    task = config.tasks[0]
    assert (task.settings.random_seed, task.settings.batch_size, task.reader.max_seq_len) == (4, 6, 32)


def test_a_tasks_own_seed(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a, b\n", a=CLS + "seed: 5\n", b=CLS)
    config = load()
    assert [task.settings.random_seed for task in config.tasks] == [5, 1]
    assert config.train.random_seed == 1


@pytest.mark.parametrize("folder", ["pretrain/x", "pretrain/x/params"])
@pytest.mark.parametrize("name", ["config.json", "bert_config.json", "ernie_config.json"])
def test_sizes_and_vocabulary_lie_beside_the_weights(project: Project, folder: str, name: str) -> None:
    project(config=f"task_instance: a\npretrain_model_path: {folder}\n", a=CLS)
    Path("pretrain/x/params").mkdir(parents=True)
    Path("pretrain/x", name).write_text(json.dumps({**SIZES, "hidden_size": 24}), encoding="utf-8")
    Path("pretrain/x/vocab.txt").write_text("[PAD]\n", encoding="utf-8")
    Path(folder, "word_embedding").touch()
    config = load()
    assert config.backbone.hidden_size == 24
    assert config.run.backbone_config_path == f"pretrain/x/{name}"
    assert config.run.vocab_path == config.tasks[0].settings.vocab_path == "pretrain/x/vocab.txt"
    assert load("--vocab_path", "vocab.txt").run.vocab_path == "vocab.txt"


def test_a_vocabulary_named_by_one_task_serves_all(project: Project) -> None:
    main = "backbone_config_path: bert.json\ntask_instance: a, b\n"
    project(config=main, a=CLS + "vocab_path: ../vocab.txt\n", b=CLS)
    config = load()
    assert config.run.vocab_path == "tasks/../vocab.txt"
    assert [task.settings.vocab_path for task in config.tasks] == ["tasks/../vocab.txt"] * 2


def test_a_mapping_instead_of_a_file(project: Project) -> None:
    project(config=MAIN)
    task = {"reader": "cls", "paradigm": "cls", "train_file": Path("data/train.tsv")}
    config = load_run_config({**yaml.safe_load(MAIN), "tasks": {"任务": task}, "target_tag": [True]})
    assert config.tasks[0].name == "任务"
    with pytest.raises(ConfigError, match=r"config\.tasks\.a\.batch_size: batch_size is a whole number, at least 1"):
        load_run_config({**yaml.safe_load(MAIN), "tasks": {"a": {**task, "batch_size": 0}}})


@pytest.mark.parametrize(
    "words", [(), ("--use_ema", "--mix_ratio", "1, 0.25", "--tasks.b.shuffle", "no", "--max_steps", "9")]
)
def test_the_resolved_configuration_gives_the_same_run(project: Project, words: tuple[str, ...]) -> None:
    main = f"{MAIN}task_instance: a, b\ntask_reuse_tag: x, x\ntarget_tag: 1, 0\nlearning_rate: 3e-5\nsave_path: 输出\n"
    project(config=main + "initializer_range: 0.05\n", a=CLS + "seed: 5\nmetrics: accuracy, macro_f1\n", b=CLS)
    config = load(*words)
    text = yaml.safe_dump(dict(config.resolved), allow_unicode=True, sort_keys=False)
    Path("config.resolved.yaml").write_text(text, encoding="utf-8")
    again = load_run_config("config.resolved.yaml", task_dir="elsewhere")
    assert again == config
    assert again.run == config.run
    assert again.resolved == config.resolved
    assert dataclasses.replace(config, backbone_name="other") != config


def test_explain_tells_places_and_what_was_hidden(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a\nbatch_size: 8\n", a=CLS + "batch_size: 4\n")
    rows = {row.key: row for row in load("--batch_size", "2").explain}
    row = rows["tasks.a.batch_size"]
    assert (row.value, row.where, row.overridden) == (2, "--batch_size", "`8` (config.yaml:5), `4` (tasks/a.yaml:5)")
    assert (rows["tasks.a.n_classes"].where, rows["tasks.a.n_classes"].overridden) == ("tasks/a.yaml:4", "")
    assert (rows["learning_rate"].value, rows["learning_rate"].where) == (5e-5, "default")
    assert rows["hidden_size"].where == "bert.json:1"


# What is wrong


@pytest.mark.parametrize(
    ("main", "task", "expected"),
    [
        ("lerning_rate: 1e-3\n", "",
         "config.yaml:5: nothing in this run reads `lerning_rate`. "
         "Found it with `0.001`. Did you mean `learning_rate`?"),
        ("epoc: 3\n", "", "Did you mean `epoch`?"),
        ("", "bach_size: 3\n",
         "tasks/a.yaml:5: nothing in this run reads `bach_size`. "
         "Found it with `3`. Did you mean `batch_size`?"),
        ("", "learning_rate: 1\n",
         "tasks/a.yaml:5: `learning_rate` belongs to the whole run, in the global file. "
         "Found it among the keys of task `a`. Move it"),
        ("", "epoch: 1\n", "tasks/a.yaml:5: `epoch` belongs to the whole run, in the global file."),
        ("", "hidden_size: 1\n", "`hidden_size` belongs to the whole run"),
        ("", "target_tag: 1\n", "Write `target: true` or `target: false` here."),
        ("", "task_reuse_tag: 1\n", "Write `share_head_with: <task>` here."),
        ("doc_stride: 64\n", "",
         "config.yaml:5: nothing in this run reads `doc_stride`. "
         "Found it with `64`. It is a key of reader mrc"),
        ("batch_size: many\n", "", "config.yaml:5: batch_size is a whole number, at least 1. Found `many`."),
        ("", "batch_size: 0\n", "tasks/a.yaml:5: batch_size is a whole number, at least 1. Found `0`."),
        ("learning_rate: -1\n", "", "config.yaml:5: learning_rate is a number, above 0. Found `-1`."),
        ("optimizer: sgd\n", "", "config.yaml:5: unknown optimizer `sgd`. Registered: adam, adamw."),
        ("use_gpu: perhaps\n", "", "use_gpu is true or false. Found `perhaps`."),
        ("hidden_size: wide\n", "", "config.yaml:5: hidden_size is a whole number, at least 1. Found `wide`."),
        ("", "reader: csl\n", "tasks/a.yaml:2: unknown reader `csl`. Did you mean `cls`?"),
        ("", "paradigm: macth\n", "unknown paradigm `macth`. Did you mean `match`?"),
        ("backbone: birt\n", "", "config.yaml:1: unknown backbone `birt`. Did you mean `bert`?"),
        ("", "train_file: no.tsv\n",
         "tasks/a.yaml:1: train_file names an existing file. "
         "Found `no.tsv`, looked for at"),
        ("", "dev_file: no.tsv\n", "tasks/a.yaml:5: dev_file names an existing file."),
        ("vocab_path: no.txt\n", "", "config.yaml:3: vocab_path names an existing file."),
        ("backbone_config_path: no.json\n", "", "config.yaml:2: backbone_config_path names an existing file."),
        ("pretrain_model_path: nowhere\n", "", "config.yaml:5: pretrain_model_path names an existing file."),
        ("target_tag: 0\n", "",
         "c"
         "onfig.yaml:5: training ends when every target is finished, so a run needs at least one."),
        ("mix_ratio: 0\n", "", "config.yaml:5: a target needs a mix_ratio above 0, or it is never reached."),
        ("", "share_head_with: b\n", "tasks/a.yaml:5: share_head_with must name another task of this run. Found `b`."),
        ("", "metrics: accuracy, acuracy\n", "tasks/a.yaml:5: unknown metric `acuracy`. Did you mean `accuracy`?"),
        ("mix_ratio: 1, 2\n", "",
         "config.yaml:5: mix_ratio has one value per task. "
         "Found 2 for 1 in task_instance (a)."),
        ("task_instance: a, a\n", "", "config.yaml:4: a task must be listed once. Found `a` 2 times."),
        ("task_instance: tasks/a\n", "", "config.yaml:4: a task name consists of letters"),
        ("task_instance: a, b\n", "", "config.yaml: task `b` is described in a file of its name or under `tasks:`."),
    ],
)  # fmt: skip
def test_one_problem(project: Project, main: str, task: str, expected: str) -> None:
    def merge(lines: str, more: str) -> str:
        """`lines`, a line of theirs replaced where `more` gives its key again."""
        key = more.partition(":")[0]
        kept = [more if line.startswith(f"{key}:") else f"{line}\n" for line in lines.splitlines()]
        return "".join(kept) + ("" if more in kept else more)

    project(config=merge(MAIN + "task_instance: a\n", main), a=merge(CLS, task))
    found = problems()
    assert len(found) == 1, found
    assert expected in found[0]


def test_all_problems_come_at_once(project: Project) -> None:
    main = f"{MAIN}task_instance: a, b\nlerning_rate: 1\nbatch_size: 0\nmix_ratio: 1\noptimizer: sgd\n"
    project(config=main, a=CLS + "epoch: 3\n", b="reader: csl\nparadigm: cls\ntrain_file: no.tsv\n")
    text = "\n".join(problems("--foo", "1"))
    for part in (
        "lerning_rate",
        "batch_size is",
        "mix_ratio has",
        "unknown optimizer `sgd`",
        "`epoch` belongs",
        "`csl`",
        "Found `no.tsv`",
        "--foo",
    ):
        assert text.count(part) == 1, part


def test_missing_keys(project: Project) -> None:
    project(config="task_instance: a\n", a="do_lower_case: yes\n")
    text = "\n".join(problems())
    assert "tasks/a.yaml: task a needs `reader`. Found nothing." in text
    assert "tasks/a.yaml: task a needs `paradigm`. Found nothing." in text
    assert "config.yaml: backbone bert needs its config. Found no vocab_size, hidden_size" in text
    assert "config.yaml: a run needs `vocab_path`. Found none" in text


def test_a_task_without_training_file(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a\n", a="reader: cls\nparadigm: cls\n")
    assert problems() == [
        "tasks.a: task `a` needs `train_file` to be trained. Found nothing. "
        "Add it, or pass for_train=False to only predict."
    ]
    assert load(for_train=False).tasks[0].settings.train_file is None


def test_predicting_needs_no_file_of_training(project: Project) -> None:
    main = "task_instance: a\nbackbone_config_path: no.json\nvocab_path: no.txt\npretrain_model_path: no\n"
    project(config=main, a=CLS.replace("data/train.tsv", "no.tsv") + "dev_file: no.tsv\npred_file: data/train.tsv\n")
    config = load(for_train=False)
    assert config.tasks[0].settings.pred_file == "data/train.tsv"
    with pytest.raises(ConfigError, match="backbone_config_path: the backbone's config is needed"):
        _ = config.backbone
    assert "pred_file names an existing file" in problems("--pred_file", "no.tsv", for_train=False)[0]


@pytest.mark.parametrize(("key", "right"), [("hidden_sise", "hidden_size"), ("num_hidden_layer", "num_hidden_layers")])
def test_a_near_miss_in_the_backbone_file(project: Project, key: str, right: str) -> None:
    project(config=f"{MAIN}task_instance: a\n", a=CLS)
    backbone_config = {key if name == right else name: value for name, value in SIZES.items()}
    Path("bert.json").write_text(json.dumps(backbone_config, indent=1), encoding="utf-8")
    text = "\n".join(problems())
    assert f"the backbone has no key `{key}`." in text
    assert f"Did you mean `{right}`?" in text


def test_foreign_keys_of_hugging_face_are_welcome(project: Project) -> None:
    foreign = {
        "architectures": ["BertForMaskedLM"], "classifier_dropout": None, "dtype": "float32", "is_decoder": False,
        "model_type": "bert", "pad_token_id": 0, "position_embedding_type": "absolute",
        "transformers_version": "5.5.4", "gradient_checkpointing": False,
        "use_cache": True, "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_fc_layers": 3,
        "pooler_type": "first_token_transform", "id2label": {"0": "LABEL_0"}, "do_lower_case": False,
    }  # fmt: skip
    project(config=f"{MAIN}task_instance: a\n", a=CLS)
    Path("bert.json").write_text(json.dumps({**foreign, **SIZES}), encoding="utf-8")
    assert load().backbone.hidden_size == 12


def test_tasks_with_different_vocabularies(project: Project) -> None:
    main = "backbone_config_path: bert.json\ntask_instance: a, b\n"
    project(config=main, a=CLS + "vocab_path: vocab.txt\n", b=CLS + "vocab_path: other.txt\n")
    Path("other.txt").write_text("[PAD]\n", encoding="utf-8")
    assert load().run.vocab_path == "vocab.txt"
    Path("other.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    assert problems() == [
        "tasks/b.yaml:5: all tasks share one encoder and so the same vocabulary. "
        "Found `other.txt` for `b` and `vocab.txt` for `a`. Set vocab_path in the global file."
    ]


def test_heads_are_shared_through_others(project: Project) -> None:
    main = f"{MAIN}task_instance: a, b, c, d\ntask_reuse_tag: 0, 1, 1, 2\n"
    main += "tasks: {d: {share_head_with: c}, b: {share_head_with: a}}\n"
    project(config=main, **dict.fromkeys("abcd", CLS))
    assert [task.head for task in load().tasks] == ["a", "a", "a", "a"]


def test_broken_files_of_several_tasks_are_told_together(project: Project) -> None:
    project(config=f"{MAIN}task_instance: a, b, c\n", a="reader: [", b="reader: cls\nreader: mrc\n", c=CLS)
    text = "\n".join(problems())
    assert "tasks/a.yaml:" in text
    assert "tasks/b.yaml:2: a key is given once." in text
    assert "task a needs" not in text


def test_a_number_for_a_reader_or_paradigm_is_an_unknown_name() -> None:
    made = {**yaml.safe_load(MAIN), "tasks": {"a": {"reader": "cls", "paradigm": 0}, "b": {"reader": 1.5}}}
    with pytest.raises(ConfigError) as caught:
        load_run_config({key: value for key, value in made.items() if key != "task_instance"}, for_train=False)
    assert "config.tasks.a.paradigm: unknown paradigm `0`." in str(caught.value)
    assert "config.tasks.b.reader: unknown reader `1.5`." in str(caught.value)


@pytest.mark.parametrize(("module", "run"), [(task_checks, CHECKS), (unknown_keys, CHECKS), (wiring, WIRING)])
def test_every_check_is_run(module: ModuleType, run: tuple[object, ...]) -> None:
    found = {
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and list(inspect.get_annotations(function).values())[:-1] == [TypedConfig]
    }
    assert found
    assert found <= set(run)
