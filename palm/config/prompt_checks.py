"""Checks of the keys of prompt parameters: what trains beside them, and which optimizer has settings for them."""

from collections.abc import Iterator, Sequence

from palm.config.frozen_encoder import keys_of_a_trained_encoder
from palm.config.run_config import TaskConfig
from palm.config.typed import TypedConfig
from palm.engine.optim import OPTIMIZERS
from palm.errors import Problem
from palm.paradigm.base import PARADIGMS
from palm.schema.prompt_training import PromptTrainingFields, keeps_encoder

_PREFIX = "ppt_"
_PARTS = "task_adapters."
_SWITCHES = (("use_rdrop", "alpha_rdrop"), ("use_rgl", "alpha_rgl"))


def settings_of_prompt_parameters(config: TypedConfig) -> Iterator[Problem]:
    """The optimizer takes the settings of prompt parameters that are written."""
    rule = OPTIMIZERS[config.train.optimizer] if config.train and config.train.optimizer in OPTIMIZERS else None
    if rule is None or config.train is None:
        return
    taken = {f"{_PREFIX}{setting}" for setting in rule.own_settings} | {"ppt_learning_rate"}
    for task in _with_prompt(config.tasks):
        written = [key for key in config.task_values[task.name] if key in PromptTrainingFields.model_fields]
        for key in (key for key in written if key.startswith(_PREFIX) and key not in taken):
            found = f"Found `{key}` with optimizer: {config.train.optimizer}, which takes {', '.join(sorted(taken))}."
            message = f"the optimizer takes each setting of prompt parameters. {found} Remove the key."
            yield Problem(config.where(key, task.name), message)


def encoder_kept_by_prompts(config: TypedConfig) -> Iterator[Problem]:
    """With `freeze_plm`, no key needs gradients of the encoder, and the head has no parts that would not train."""
    for task in _keeping(config):
        key = _freezing_key(task)
        where = config.where(key, task.name)
        for other, needs in keys_of_a_trained_encoder(config.train) if config.train else ():
            rule = f"{key}: the loss of `{task.name}` has no gradient of the encoder, and {other} {needs}."
            yield Problem(where, f"{rule} Remove one of the two keys.")
        prefixes = PARADIGMS[task.paradigm_name].prompt_parameters
        parts = [f"sharing: {task.paradigm.sharing}"] if task.paradigm.sharing != "hard" else []
        untrained = [] if _PARTS in prefixes else parts
        untrained += ["layers: " + ", ".join(task.paradigm.layers)] if task.paradigm.layers != ["last"] else []
        for found in untrained:
            rule = f"{key}: of the head of `{task.name}` only prompt parameters train."
            advice = "Remove one of the two keys; `freeze_encoder_of` trains all of a head on an encoder that stays."
            yield Problem(where, f"{rule} Found `{found}`, whose parameters would not. {advice}")


def encoder_changed_by_others(stages: Sequence[TypedConfig]) -> Iterator[Problem]:
    """A warning if other tasks change the encoder that a task keeps."""
    for config in stages:
        kept = [task.name for task in _keeping(config)] if config.for_train else []
        others = [each.name for each in config.tasks if each.settings.mix_ratio > 0 and each.name not in kept]
        for task in _keeping(config) if others else ():
            key = _freezing_key(task)
            rule = f"{key}: the loss of `{task.name}` does not change the encoder, but those of other tasks do."
            advice = "For an encoder that stays as it is, set the key for all tasks, or `freeze_encoder_of`."
            named = ", ".join(f"`{name}`" for name in others)
            yield Problem(config.where(key, task.name), f"{rule} Found {named}. {advice}")


def switches_without_weight(stages: Sequence[TypedConfig]) -> Iterator[Problem]:
    """A warning for each `use_…` that a weight of 0 switches off."""
    for config in stages:
        for task in config.tasks if config.for_train else ():
            for switch, weight in _SWITCHES:
                keys = next(
                    (part for part in (task.settings, task.paradigm) if switch in type(part).model_fields), None
                )
                if keys is not None and getattr(keys, switch) and not getattr(keys, weight):
                    rule = f"{switch} adds a loss times {weight}. Found {weight}: 0, so it is off."
                    advice = f"Set {weight}, or remove {switch}."
                    yield Problem(config.where(weight, task.name), f"{rule} {advice}")


def _with_prompt(tasks: Sequence[TaskConfig]) -> Iterator[TaskConfig]:
    yield from (task for task in tasks if isinstance(task.paradigm, PromptTrainingFields))


def _keeping(config: TypedConfig) -> Iterator[TaskConfig]:
    """The tasks whose loss does not change the encoder."""
    yield from (task for task in config.tasks if keeps_encoder(task.paradigm))


def _freezing_key(task: TaskConfig) -> str:
    freezes = isinstance(task.paradigm, PromptTrainingFields) and task.paradigm.freeze_plm
    return "freeze_plm" if freezes else "freeze_dropout"
