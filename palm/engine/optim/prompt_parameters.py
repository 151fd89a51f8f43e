"""Prompt parameters of heads: the settings of their updates, and what trains beside them.

Source: the trainer of PaddleNLP's prompt learning, which has one optimizer with two groups of parameters.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Protocol

from paddle import nn

from palm.engine.optim.base import OwnSettings, UpdateRule
from palm.errors import ConfigError, Problem
from palm.paradigm.base import Paradigm
from palm.schema.prompt_training import PromptTrainingFields, keeps_encoder
from palm.schema.settings import TaskSettings

_log = logging.getLogger("palm")


class HasPrompt(Protocol):
    """The attributes of a task that its prompt parameters follow from."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def head(self) -> str:
        """Key of its head."""

    @property
    def paradigm(self) -> Paradigm:
        """Its paradigm."""

    @property
    def settings(self) -> TaskSettings:
        """Its keys."""


def prompt_keys(paradigm: Paradigm) -> PromptTrainingFields | None:
    """The keys of the paradigm's prompt parameters; None if it has no such parameters."""
    config = paradigm.config
    return config if isinstance(config, PromptTrainingFields) else None


def all_keep_encoder(tasks: Iterable[HasPrompt]) -> bool:
    """Whether no task that is trained changes the encoder."""
    return all(keeps_encoder(task.paradigm.config) for task in tasks if task.settings.mix_ratio > 0)


def heads_with_prompt_alone(tasks: Iterable[HasPrompt]) -> dict[str, tuple[str, ...]]:
    """The heads of which only prompt parameters train, with the prefixes of these."""
    return {task.head: task.paradigm.prompt_parameters for task in tasks if keeps_encoder(task.paradigm.config)}


def prompt_lr_scales(tasks: Iterable[HasPrompt], learning_rate: float) -> dict[str, float]:
    """Factor of the learning rate by prefix of the prompt parameters' names.

    Args:
        tasks: The tasks; the first one of a shared head counts.
        learning_rate: The highest rate of all other parameters.
    """
    return {
        prefix: keys.ppt_learning_rate / learning_rate
        for prefix, keys in _prefixes(tasks)
        if keys.ppt_learning_rate is not None
    }


def prompt_settings(tasks: Iterable[HasPrompt], rule: type[UpdateRule]) -> dict[str, OwnSettings]:
    """The settings of the prompt parameters' updates by prefix of their names; none for a rule that takes none."""
    if not rule.own_settings:
        return {}
    return {prefix: _own(keys) for prefix, keys in _prefixes(tasks) if keys.ppt_learning_rate is not None}


def _own(keys: PromptTrainingFields) -> OwnSettings:
    return OwnSettings(**{each.name: getattr(keys, f"ppt_{each.name}") for each in fields(OwnSettings)})


def _prefixes(tasks: Iterable[HasPrompt]) -> Iterator[tuple[str, PromptTrainingFields]]:
    known: set[str] = set()
    for task in tasks:
        keys = prompt_keys(task.paradigm)
        if keys is not None and task.head not in known:
            known.add(task.head)
            for prefix in task.paradigm.prompt_parameters:
                yield f"heads.{task.head}.{prefix}", keys


def check_prompt_parameters(model: nn.Layer, tasks: Sequence[HasPrompt]) -> None:
    """Refuse heads in which nothing would train, and warn of keys for parameters that a head does not have.

    Which parameters a head has depends on its template and its verbalizer.

    Raises:
        ConfigError: `freeze_plm` with a head without prompt parameters.
    """
    names = [name for name, _ in model.named_parameters()]
    problems = []
    for task in tasks:
        keys, prefixes = prompt_keys(task.paradigm), tuple(prefix for prefix, _ in _prefixes([task]))
        if keys is None or any(name.startswith(prefixes) for name in names):
            continue
        found = f"Found a head of `{task.name}` without any"
        if keeps_encoder(keys):
            key = "freeze_plm" if keys.freeze_plm else "freeze_dropout"
            rule = f"{key}: only prompt parameters train, such as soft vectors or a layer of labels."
            advice = "Use a soft template or verbalizer, or remove the key."
            problems.append(Problem(f"tasks.{task.name}", f"{rule} {found}, so nothing would train. {advice}"))
        elif keys.ppt_learning_rate is not None:
            rule = "ppt_learning_rate is the rate of prompt parameters."
            _log.warning("tasks.%s: %s %s, so the key has no effect. Remove it.", task.name, rule, found)
    if problems:
        raise ConfigError(problems)
