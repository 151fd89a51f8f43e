"""The arguments of train.py, which are those of PaddleNLP's few-shot examples, and the configuration they make."""

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

TASK = "few_shot"
"""Name of the only task of the run."""

HERE_IN_LOG = "the terminal and log.txt have all lines"
WITHOUT_EFFECT = {
    "dataloader_num_workers": "a thread prepares batches",
    "disable_tqdm": "the progress bar is shown in terminals alone",
    "fp16_opt_level": "there is one level",
    "greater_is_better": "a loss is better if lower, any other metric if higher",
    "ignore_data_skip": "a run continues with the next batch",
    "label_names": "the labels are those of label.txt",
    "local_rank": "processes are those of the launch module",
    "log_level": HERE_IN_LOG,
    "log_level_replica": HERE_IN_LOG,
    "log_on_each_node": HERE_IN_LOG,
    "logging_dir": "metrics are in output_dir/metrics.jsonl",
    "logging_strategy": "lines are written every logging_steps steps",
    "minimum_eval_times": "evaluations are every eval_steps steps",
    "optim": "the optimizer is AdamW",
    "past_index": "encoders have no past",
    "prediction_loss_only": "metrics cost nothing here",
    "remove_unused_columns": "lines have no further columns",
    "report_to": "metrics are in output_dir/metrics.jsonl",
    "run_name": "metrics are in output_dir/metrics.jsonl",
    "save_on_each_node": "the first process writes output_dir",
    "scale_loss": "the scale is found while training",
}
"""Arguments that are accepted and do nothing, with the reason."""


OF_TRAINING = (
    *("model_name_or_path", "prompt", "prompt_kind", "soft_encoder", "encoder_hidden_size", "task_type"),
    *("truncate_mode", "first_max_length", "other_max_length"),
)
"""Arguments that a trained model has its own values of."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, checked; `given` has the names of those that are written."""
    parser = _parser()
    args = parser.parse_args(argv)
    args.given = {word[2:].partition("=")[0] for word in argv if word.startswith("--")}
    problem = next(_problems(args), None)
    if problem:
        parser.error(problem)
    if args.no_cuda:
        args.device = "cpu"
    if args.evaluation_strategy is None:
        args.evaluation_strategy = "steps" if args.do_eval else "no"
    args.do_eval = args.do_eval or (args.do_train and args.evaluation_strategy != "no")
    args.eval_steps = args.eval_steps or args.logging_steps
    if args.load_best_model_at_end and args.metric_for_best_model is None:
        args.metric_for_best_model = "loss"
    return args


def _problems(args: argparse.Namespace) -> Iterator[str]:
    """What is wrong with the arguments."""
    if args.task_type == "hierachical":
        yield "--task_type hierachical: there is no head for hierarchies of labels. Write them as multi-label."
    if not (args.do_train or args.do_eval or args.do_predict or args.do_export):
        yield "nothing to do: add --do_train, --do_eval, --do_predict or --do_export."
    evaluates = args.evaluation_strategy != "no" if args.evaluation_strategy else args.do_eval
    if args.load_best_model_at_end and not evaluates:
        yield "--load_best_model_at_end compares evaluations, of which there are none. Add --do_eval."
    for name in _AT_LEAST_ONE:
        value = getattr(args, name)
        if value is not None and value < 1:
            yield f"--{name}: a whole number of at least 1 is expected. Found {value}."
    yield from _missing_files(args)


_AT_LEAST_ONE = (
    *("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"),
    *("logging_steps", "save_steps", "save_total_limit", "eval_steps", "max_seq_length"),
)


def _missing_files(args: argparse.Namespace) -> Iterator[str]:
    needed = {"train": args.do_train, "label": args.do_train, "test": args.do_predict, "dev": args.do_eval}
    for file in (Path(args.data_dir) / f"{name}.txt" for name, is_read in needed.items() if is_read):
        if not file.is_file():
            yield f"--data_dir: {file} is expected, with a text or a label in each line. Found none."


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"True or False is expected. Found `{text}`")
    return text.lower() in ("true", "1")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for title, add in (("model", _model), ("data", _data), ("prompt", _prompt), ("training", _training)):
        add(parser.add_argument_group(title))
    none = parser.add_argument_group("without effect", "accepted for commands of PaddleNLP")
    for name, why in WITHOUT_EFFECT.items():
        none.add_argument(f"--{name}", nargs="?", help=why)
    return parser


def _switch(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    group.add_argument(f"--{name}", type=_flag, nargs="?", const=True, default=False, help=text)


def _model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model_name_or_path", default="ernie-3.0-base-zh", help="a folder, or a name (docs/models.md)")
    group.add_argument("--export_type", choices=("paddle", "onnx"), default="paddle", help="format of --do_export")


def _data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data_dir", default="./data/", help="folder of train.txt, dev.txt, test.txt and label.txt")
    group.add_argument("--prompt", help="text and parts such as {'mask'} (docs/data-formats.md)")
    group.add_argument("--prompt_kind", choices=("soft", "hard"), default="soft", help="whether its words are learned")
    group.add_argument("--soft_encoder", choices=("lstm", "mlp", "none"), default="lstm", help="encoder of soft words")
    group.add_argument("--encoder_hidden_size", type=int, default=200, help="width of this encoder")


def _prompt(group: argparse._ArgumentGroup) -> None:
    kinds = ("multi-class", "multi-label", "hierachical")
    group.add_argument("--task_type", choices=kinds, default="multi-class", help="one label or several for each text")
    group.add_argument("--max_seq_length", type=int, default=512, help="tokens, with the prompt, which is never cut")
    group.add_argument(
        "--truncate_mode", choices=("tail", "head", "manual"), default="tail", help="where texts are cut"
    )
    group.add_argument("--first_max_length", type=int, help="--truncate_mode manual: tokens of the first text")
    group.add_argument("--other_max_length", type=int, help="--truncate_mode manual: tokens of each other text")
    _switch(group, "freeze_plm", "train the prompt and the labels' layer alone")
    _switch(group, "freeze_dropout", "as --freeze_plm, without dropout in the encoder")
    _switch(group, "use_rdrop", "R-Drop, summed over the batch")
    group.add_argument("--alpha_rdrop", type=float, default=5.0, help="its weight")
    _switch(group, "use_rgl", "RGL: compare all pairs of a batch")
    group.add_argument("--alpha_rgl", type=float, default=0.5, help="its weight")
    for name, value in (("learning_rate", 1e-4), ("weight_decay", 0.0), ("adam_beta1", 0.9), ("adam_beta2", 0.999)):
        group.add_argument(f"--ppt_{name}", type=float, default=value, help=f"{name} of the prompt's parameters")
    group.add_argument("--ppt_adam_epsilon", type=float, default=1e-8, help="adam_epsilon of the prompt's parameters")


def _training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output_dir", required=True, help="folder for checkpoints, models and metrics")
    for name in ("do_train", "do_eval", "do_predict", "do_export"):
        _switch(group, name, f"{name[3:]}; several may be given")
    group.add_argument("--resume_from_checkpoint", help="an output_dir, or a checkpoint-N in it")
    _switch(
        group, "overwrite_output_dir", "remove the checkpoints of an earlier run instead of moving them to earlier/"
    )
    group.add_argument("--max_steps", type=int, default=-1, help="updates; instead of --num_train_epochs")
    group.add_argument("--num_train_epochs", type=float, default=3.0)
    group.add_argument("--per_device_train_batch_size", type=int, default=8)
    group.add_argument("--per_device_eval_batch_size", type=int, default=8)
    group.add_argument("--gradient_accumulation_steps", type=int, default=1)
    _switch(group, "dataloader_drop_last", "leave out the last batch of an epoch if it is smaller")
    for name, value in (("learning_rate", 5e-5), ("weight_decay", 0.0), ("adam_beta1", 0.9), ("adam_beta2", 0.999)):
        group.add_argument(f"--{name}", type=float, default=value)
    group.add_argument("--adam_epsilon", type=float, default=1e-8)
    group.add_argument("--max_grad_norm", type=float, default=1.0, help="clipping by the global norm; 0: off")
    kinds = ("linear", "constant", "constant_with_warmup")
    group.add_argument("--lr_scheduler_type", choices=kinds, default="linear")
    group.add_argument("--warmup_steps", type=int, default=0)
    group.add_argument("--warmup_ratio", type=float, default=0.0)
    group.add_argument("--logging_steps", type=int, default=500)
    _switch(group, "logging_first_step", "log the first step, too")
    group.add_argument("--eval_steps", type=int, help="by default --logging_steps")
    strategies = ("no", "steps", "epoch")
    group.add_argument("--evaluation_strategy", choices=strategies, help="by default steps with --do_eval")
    group.add_argument("--save_steps", type=int, default=500)
    group.add_argument("--save_strategy", choices=strategies[:2], default="steps")
    group.add_argument("--save_total_limit", type=int, help="newest checkpoint-N to keep; by default all")
    _switch(group, "load_best_model_at_end", "end with the best evaluation, and stop after 4 without a better one")
    group.add_argument("--metric_for_best_model", help="loss (default), accuracy, macro_f1 or micro_f1")
    group.add_argument("--seed", type=int, default=42)
    group.add_argument("--device", default="gpu", help="gpu (if there is one) or cpu")
    _switch(group, "no_cuda", "as --device cpu")
    _switch(group, "fp16", "mixed precision on a GPU")


def world_size() -> int:
    """Processes of the run, as Paddle's launch module says."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def count_lines(file: Path) -> int:
    """Lines of a data file that hold something."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        return sum(1 for line in lines if line.strip())


class TrainingSize:
    """How long a training is.

    Attributes:
        examples: Texts of train.txt.
        batches: Batches of an epoch.
        updates: Updates of the run.
        epochs: Epochs that these begin.
    """

    def __init__(self, args: argparse.Namespace, examples: int) -> None:
        whole = args.per_device_train_batch_size * world_size()
        self.examples = examples
        self.batches = max(examples // whole if args.dataloader_drop_last else math.ceil(examples / whole), 1)
        per_epoch = max(self.batches // args.gradient_accumulation_steps, 1)
        self.updates = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * per_epoch)
        self.epochs = math.ceil(self.updates / per_epoch)
        self.batch_size = whole * args.gradient_accumulation_steps


def task_keys(args: argparse.Namespace) -> dict[str, object]:
    """The keys of the task."""
    data, several = Path(args.data_dir), args.task_type == "multi-label"
    keys: dict[str, object] = {
        "reader": "prompt",
        "paradigm": "prompt",
        "train_file": str(data / "train.txt"),
        "label_file": str(data / "label.txt"),
        "label_kind": "several" if several else "class",
        "prompt_kind": args.prompt_kind,
        "verbalizer": "soft",
        "soft_encoder": args.soft_encoder,
        "encoder_hidden_size": args.encoder_hidden_size,
        "max_seq_len": args.max_seq_length,
        "truncate_mode": args.truncate_mode,
        "batch_size": args.per_device_train_batch_size,
        "pred_batch_size": args.per_device_eval_batch_size,
        "drop_last": args.dataloader_drop_last,
        "group_by_length": False,
        "metrics": metrics(args),
        **{name: getattr(args, name) for name in _OF_PROMPT},
    }
    optional = {name: getattr(args, name) for name in ("prompt", "first_max_length", "other_max_length")}
    keys |= {name: value for name, value in optional.items() if value is not None}
    for name in ("rdrop", "rgl"):
        if getattr(args, f"use_{name}"):
            keys |= {f"use_{name}": True, f"alpha_{name}": getattr(args, f"alpha_{name}")}
    if args.evaluation_strategy != "no":
        keys["dev_file"] = str(data / "dev.txt")
    if args.save_strategy == "steps":
        keys["save_infermodel_every_n_steps"] = args.save_steps * args.gradient_accumulation_steps
    return keys


_OF_PROMPT = (
    *("ppt_learning_rate", "ppt_weight_decay", "ppt_adam_beta1", "ppt_adam_beta2", "ppt_adam_epsilon"),
    *("freeze_plm", "freeze_dropout"),
)


def metrics(args: argparse.Namespace) -> list[str]:
    """Metrics of evaluations besides the loss."""
    if args.task_type == "multi-label":
        return ["label_set_f1"]
    return ["accuracy", "macro_f1"] if "macro_f1" in str(args.metric_for_best_model) else ["accuracy"]


def training_configuration(args: argparse.Namespace, size: TrainingSize) -> dict[str, object]:
    """The configuration of the run, for palm.Controller. PALM counts batches where the arguments count updates."""
    each = args.gradient_accumulation_steps
    warmup = (args.warmup_steps + 0.5) / size.updates if args.warmup_steps else args.warmup_ratio
    config: dict[str, object] = {
        "tasks": {TASK: task_keys(args)},
        "encoder": args.model_name_or_path,
        "save_path": args.output_dir,
        "optimizer": "adamw",
        **{name: getattr(args, name) for name in _OF_OPTIMIZER},
        "max_steps": size.updates * each,
        "num_epochs": math.ceil(size.updates * each / size.batches),
        "gradient_accumulation_steps": each,
        "lr_scheduler": "linear" if args.lr_scheduler_type == "linear" else "constant",
        "warmup_proportion": 0.0 if args.lr_scheduler_type == "constant" else min(warmup, 0.999999),
        "random_seed": args.seed,
        "use_gpu": args.device.startswith("gpu"),
        "amp": "fp16" if args.fp16 else "off",
        "print_every_n_steps": args.logging_steps * each,
        "export": "last",
        "resume": "auto" if args.resume_from_checkpoint else "never",
    }
    return config | _evaluations(args, each) | _checkpoints(args, each)


_OF_OPTIMIZER = ("learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm")


def _evaluations(args: argparse.Namespace, each: int) -> dict[str, object]:
    keys: dict[str, object] = {}
    if args.evaluation_strategy == "steps":
        keys |= {"eval_every_n_steps": args.eval_steps * each, "eval_at_epoch_ends": False}
    if args.load_best_model_at_end:
        metric = args.metric_for_best_model.removeprefix("eval_")
        keys |= {"export": "best", "metric_for_best_model": metric, "selection_patience": PATIENCE}
    return keys


PATIENCE = 4
"""Evaluations without a better one after which --load_best_model_at_end ends a run."""


def _checkpoints(args: argparse.Namespace, each: int) -> dict[str, object]:
    if args.save_strategy == "no":
        return {}
    keys: dict[str, object] = {"save_every_n_steps": args.save_steps * each}
    return keys if args.save_total_limit is None else {**keys, "keep_checkpoints": max(args.save_total_limit, 1)}


def prediction_configuration(args: argparse.Namespace, model: Path, file: Path, output: Path) -> dict[str, object]:
    """The configuration that predicts or evaluates `file` with a model; the prompt and labels are the model's."""
    keys: dict[str, object] = {
        "reader": "prompt",
        "paradigm": "prompt",
        "inference_model_dir": str(model),
        "pred_file": str(file),
        "pred_output_path": str(output),
        "pred_batch_size": args.per_device_eval_batch_size,
    }
    if "max_seq_length" in args.given:
        keys["max_seq_len"] = args.max_seq_length
    return {"tasks": {TASK: keys}, "save_path": args.output_dir, "use_gpu": args.device.startswith("gpu")}
