"""Written values with their places, and layers of values that override each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palm.errors import Problem

ALIASES = {
    # PaddlePALM's manual and article
    "epoch": "num_epochs",
    "seed": "random_seed",
    "save_ckpt_every_n_steps": "save_every_n_steps",
    "infer_model": "inference_model_dir",
    "infermodel": "inference_model_dir",
    "inference_model": "inference_model_dir",
    "max_seqlen": "max_seq_len",
    "import": "imports",
    "gradient_clip": "max_grad_norm",
    # the code of 0.2.1 and 0.3
    "is_target": "target",
    "pretrain_path": "pretrain_model_path",
    # Hugging Face's TrainingArguments
    "num_train_epochs": "num_epochs",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "pred_batch_size",
    "warmup_ratio": "warmup_proportion",
    "logging_steps": "print_every_n_steps",
    "save_steps": "save_every_n_steps",
    "eval_steps": "eval_every_n_steps",
    "save_total_limit": "keep_checkpoints",
    "lr_scheduler_type": "lr_scheduler",
    "max_seq_length": "max_seq_len",
    "output_dir": "save_path",
    "model_name_or_path": "encoder",
    "resume_from_checkpoint": "resume",
    "load_best_model_at_end": "export",
}
"""Alias → the key's own name, in YAML and on the command line."""

ALIAS_VALUES: Mapping[str, Mapping[bool, str]] = {
    "resume_from_checkpoint": {True: "auto", False: "never"},
    "load_best_model_at_end": {True: "best", False: "last"},
}
"""Alias that is true or false → the values of its key."""

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

BACKBONE_ALIASES = {
    "sent_type_vocab_size": "type_vocab_size",
    "layer_norm_epsilon": "layer_norm_eps",
    # ModernBERT
    "norm_eps": "layer_norm_eps",
    "hidden_activation": "hidden_act",
    "attention_dropout": "attention_probs_dropout_prob",
}
"""Alias → own name, in a backbone's JSON file only."""


@dataclass(frozen=True)
class Setting:
    """A written value.

    Attributes:
        key: The key's own name.
        value: Plain data from YAML or the command line.
        where: `file:line`, or the flag.
        folder: Folder of its file, the second search path of relative paths; None for the command line.
        written: The key as written, possibly an alias.

    """

    key: str
    value: object
    where: str
    folder: Path | None = None
    written: str = ""

    @property
    def name(self) -> str:
        """The key as written by the user."""
        return self.written or self.key


Layer = Mapping[str, Setting]


@dataclass(frozen=True)
class Resolved:
    """The effective value of a key, and those that it overrides."""

    setting: Setting
    overridden: tuple[Setting, ...] = ()


def settle_aliases(
    written: Iterable[Setting], aliases: Mapping[str, str] = ALIASES
) -> tuple[dict[str, Setting], list[Problem]]:
    """One layer under the keys' own names, and the problems of keys given twice through an alias."""
    layer: dict[str, Setting] = {}
    problems = []
    for given in written:
        key = aliases.get(given.key, given.key)
        setting, wrong = _with_own_value(given, key)
        problems += wrong
        other = layer.get(key)
        if other is not None and other.value != setting.value:
            problems.append(Problem(setting.where, _contradiction(setting, other)))
        layer[key] = replace(setting, key=key, written=setting.key)
    return layer, problems


def _with_own_value(setting: Setting, key: str) -> tuple[Setting, list[Problem]]:
    """The setting of an alias that is true or false with the value that its key has; other settings as they are."""
    meanings = ALIAS_VALUES.get(setting.key)
    if meanings is None:
        return setting, []
    said = str(setting.value).lower()
    if setting.value is None or said in _FALSE:
        return replace(setting, value=meanings[False]), []
    if said in _TRUE:
        return replace(setting, value=meanings[True]), []
    known = f"true (`{key}: {meanings[True]}`) or false (`{key}: {meanings[False]}`)"
    advice = "A run continues from the newest valid checkpoint in its own save_path. " if key == "resume" else ""
    message = f"`{setting.name}` is {known}. Found `{setting.value}`. {advice}Write one of the two."
    return replace(setting, value=meanings[False]), [Problem(setting.where, message)]


def _contradiction(second: Setting, first: Setting) -> str:
    return (
        f"`{second.name}` and `{first.name}` are two names of one key and must agree. "
        f"Found `{second.value}` here and `{first.value}` at {first.where}. Keep one of them."
    )


def stack(layers: Sequence[Layer]) -> dict[str, Resolved]:
    """Merge `layers`, the one with the highest precedence first, and keep overridden values."""
    merged: dict[str, Resolved] = {}
    for layer in layers:
        for key, setting in layer.items():
            known = merged.get(key)
            merged[key] = Resolved(known.setting, (*known.overridden, setting)) if known else Resolved(setting)
    return merged
