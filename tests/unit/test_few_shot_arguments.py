"""The arguments of examples/few_shot: names and defaults of PaddleNLP, and the keys of PALM that they become."""

import importlib.util
import sys
from pathlib import Path

import pytest

from palm.config.resolve import load_run_configs

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "few_shot"
# The defaults of PaddleNLP 2.4, from the document's log and the classes of arguments of its few-shot examples.
DEFAULTS = {
    **{"prompt": None, "soft_encoder": "lstm", "encoder_hidden_size": 200, "model_name_or_path": "ernie-3.0-base-zh"},
    **{"export_type": "paddle", "task_type": "multi-class", "max_seq_length": 512, "truncate_mode": "tail"},
    **{"first_max_length": None, "other_max_length": None, "freeze_plm": False, "freeze_dropout": False},
    **{"use_rdrop": False, "alpha_rdrop": 5.0, "use_rgl": False, "alpha_rgl": 0.5, "ppt_learning_rate": 1e-4},
    **{"ppt_weight_decay": 0.0, "ppt_adam_beta1": 0.9, "ppt_adam_beta2": 0.999, "ppt_adam_epsilon": 1e-8},
    **{"max_steps": -1, "num_train_epochs": 3.0, "per_device_train_batch_size": 8, "per_device_eval_batch_size": 8},
    **{"learning_rate": 5e-5, "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8},
    **{"max_grad_norm": 1.0, "lr_scheduler_type": "linear", "warmup_steps": 0, "warmup_ratio": 0.0},
    **{"save_steps": 500, "save_strategy": "steps", "save_total_limit": None, "load_best_model_at_end": False},
    **{"metric_for_best_model": None, "seed": 42, "gradient_accumulation_steps": 1, "device": "gpu", "fp16": False},
    **{"resume_from_checkpoint": None, "overwrite_output_dir": False, "dataloader_drop_last": False},
}
# Every argument of the document's log but those that a program computes.
LOGGED = """adam_beta1 adam_beta2 adam_epsilon alpha_rdrop alpha_rgl dataloader_drop_last dataloader_num_workers device
disable_tqdm do_eval do_export do_predict do_train eval_steps evaluation_strategy first_max_length fp16 fp16_opt_level
freeze_dropout freeze_plm gradient_accumulation_steps greater_is_better ignore_data_skip label_names learning_rate
load_best_model_at_end local_rank log_level log_level_replica log_on_each_node logging_dir logging_first_step
logging_steps logging_strategy lr_scheduler_type max_grad_norm max_seq_length max_steps metric_for_best_model
minimum_eval_times no_cuda num_train_epochs optim other_max_length output_dir overwrite_output_dir past_index
per_device_eval_batch_size per_device_train_batch_size ppt_adam_beta1 ppt_adam_beta2 ppt_adam_epsilon
ppt_learning_rate ppt_weight_decay prediction_loss_only remove_unused_columns report_to resume_from_checkpoint run_name
save_on_each_node save_steps save_strategy save_total_limit scale_loss seed task_type truncate_mode use_rdrop use_rgl
warmup_ratio warmup_steps weight_decay"""


@pytest.fixture(scope="module")
def arguments():
    spec = importlib.util.spec_from_file_location("few_shot_arguments", EXAMPLE / "arguments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("few_shot_arguments", None)


@pytest.fixture
def data(tmp_path):
    for name, text in (("train", "好看\tgood\n" * 10), ("dev", "难看\tbad\n"), ("label", "good==好\nbad==差\n")):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return ["--data_dir", str(tmp_path), "--output_dir", str(tmp_path / "out")]


def config_of(arguments, words):
    args = arguments.parse(words)
    return arguments.training_configuration(args, arguments.TrainingSize(args, 240))


def test_defaults(arguments, data):
    args = arguments.parse([*data, "--do_train"])
    assert {name: getattr(args, name) for name in DEFAULTS} == DEFAULTS


def test_every_argument_of_the_log_is_accepted(arguments, data):
    known = vars(arguments.parse([*data, "--do_train"]))
    assert set(LOGGED.split()) - known.keys() == set()


def test_the_keys_of_the_document(arguments, data):
    words = "--max_seq_length 128 --learning_rate 3e-5 --ppt_learning_rate 3e-4 --do_train --do_eval --max_steps 1000"
    sizes = "--eval_steps 100 --logging_steps 10 --per_device_eval_batch_size 32 --per_device_train_batch_size 32"
    found = config_of(arguments, [*data, "--prompt", "这条新闻标题的主题是", *words.split(), *sizes.split()])
    task = found["tasks"]["few_shot"]
    assert (task["prompt"], task["prompt_kind"], task["verbalizer"]) == ("这条新闻标题的主题是", "soft", "soft")
    assert (task["soft_encoder"], task["ppt_learning_rate"], task["label_kind"]) == ("lstm", 3e-4, "class")
    assert (task["max_seq_len"], task["batch_size"], task["pred_batch_size"]) == (128, 32, 32)
    assert (found["max_steps"], found["eval_every_n_steps"], found["print_every_n_steps"]) == (1000, 100, 10)
    assert (found["save_every_n_steps"], task["save_infermodel_every_n_steps"]) == (500, 500)
    assert (found["learning_rate"], found["optimizer"], found["random_seed"]) == (3e-5, "adamw", 42)
    assert (found["eval_at_epoch_ends"], found["export"], found["amp"]) == (False, "last", "off")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--max_steps", "5000"], (240, 8, 5000, 625, 32)),  # as the document logs
        ([], (240, 8, 24, 3, 32)),
        (["--num_train_epochs", "0.5"], (240, 8, 4, 1, 32)),
        (["--dataloader_drop_last"], (240, 7, 21, 3, 32)),
        (["--gradient_accumulation_steps", "2"], (240, 8, 12, 3, 64)),
    ],
)
def test_how_long_a_training_is(arguments, data, words, expected):
    args = arguments.parse([*data, "--do_train", "--per_device_train_batch_size", "32", *words])
    size = arguments.TrainingSize(args, 240)
    assert (size.examples, size.batches, size.updates, size.epochs, size.batch_size) == expected


def test_several_processes_share_an_epoch(arguments, data, monkeypatch):
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "4")
    size = arguments.TrainingSize(arguments.parse([*data, "--do_train", "--max_steps", "30"]), 240)
    assert (size.batches, size.epochs, size.batch_size) == (8, 4, 32)


def test_updates_are_steps_times_accumulation(arguments, data):
    words = "--do_train --do_eval --max_steps 10 --eval_steps 3 --save_steps 4 --logging_steps 5 --warmup_steps 3"
    found = config_of(arguments, [*data, *words.split(), "--gradient_accumulation_steps", "2"])
    assert (found["max_steps"], found["eval_every_n_steps"], found["save_every_n_steps"]) == (20, 6, 8)
    assert (found["print_every_n_steps"], found["gradient_accumulation_steps"]) == (10, 2)
    assert int(found["warmup_proportion"] * 10) == 3
    assert found["num_epochs"] == 1
    assert found["tasks"]["few_shot"]["save_infermodel_every_n_steps"] == 8


def test_more_accumulated_batches_than_an_epoch_has(arguments, data):
    words = "--do_train --max_steps 10 --per_device_train_batch_size 80 --gradient_accumulation_steps 8"
    found = config_of(arguments, [*data, *words.split()])
    assert (found["max_steps"], found["num_epochs"]) == (80, 27), "3 batches per epoch"


def test_the_best_model_at_the_end(arguments, data):
    words = [*data, "--do_train", "--do_eval", "--load_best_model_at_end"]
    found = config_of(arguments, words)
    assert (found["export"], found["metric_for_best_model"], found["selection_patience"]) == ("best", "loss", 4)
    found = config_of(arguments, [*words, "--metric_for_best_model", "eval_macro_f1"])
    assert (found["metric_for_best_model"], found["tasks"]["few_shot"]["metrics"]) == (
        "macro_f1",
        ["accuracy", "macro_f1"],
    )


def test_methods_and_several_labels(arguments, data):
    words = (
        "--use_rdrop --use_rgl True --alpha_rgl 0.25 --freeze_plm --task_type multi-label --lr_scheduler_type constant"
    )
    found = config_of(
        arguments, [*data, "--do_train", *words.split(), "--warmup_steps", "9", "--evaluation_strategy", "epoch"]
    )
    task = found["tasks"]["few_shot"]
    assert (task["use_rdrop"], task["alpha_rdrop"], task["use_rgl"], task["alpha_rgl"]) == (True, 5.0, True, 0.25)
    assert (task["freeze_plm"], task["label_kind"], task["metrics"]) == (True, "several", ["label_set_f1"])
    assert (found["lr_scheduler"], found["warmup_proportion"]) == ("constant", 0.0), "without warm-up, as in PaddleNLP"
    assert task["dev_file"].endswith("dev.txt")
    assert "eval_every_n_steps" not in found, "evaluates at epoch ends"


def test_palm_has_every_key(arguments, data, tmp_path):
    words = "--do_train --do_eval --use_rdrop --use_rgl --truncate_mode manual --first_max_length 9 --max_steps 9"
    found = config_of(arguments, [*data, *words.split(), "--load_best_model_at_end", "--save_total_limit", "2"])
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n好\n差\n", encoding="utf-8")
    found["vocab_path"] = str(tmp_path / "vocab.txt")
    del found["encoder"]
    backbone = {"vocab_size": 7, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    [config] = load_run_configs({**found, **backbone}, task_dir=".", for_train=True, overrides=[], wiring=False)
    assert config.tasks[0].settings.use_rdrop
    assert not config.warnings


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--do_train", "--task_type", "hierachical"], "there is no head for hierarchies of labels"),
        ([], "nothing to do: add --do_train"),
        (["--do_train", "--load_best_model_at_end"], "compares evaluations, of which there are none. Add --do_eval."),
        (["--do_train", "--save_steps", "0"], "--save_steps: a whole number of at least 1 is expected. Found 0."),
        (["--do_predict"], "test.txt is expected, with a text or a label in each line. Found none."),
        (["--do_train", "--use_rgl", "maybe"], "True or False is expected. Found `maybe`"),
    ],
)
def test_what_is_refused(arguments, data, words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.parse([*data, *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
