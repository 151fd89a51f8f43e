"""Checks over the stages of a run, and what joins them: each starts from the encoder that the one before it left."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from palm.config.stages import in_stage
from palm.errors import ConfigError, Problem
from palm.storage.layout import ENCODER_FOLDER

if TYPE_CHECKING:
    from palm.build.run_config import RunConfig

# What may differ from stage to stage: nothing that a weight depends on.
_MAY_DIFFER = {
    "hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "kernels", "recompute",
}  # fmt: skip


def named_by_stage(found: Mapping[str, Sequence[Problem]], stages: int) -> list[Problem]:
    """All problems, with the name of their stage unless all stages have them.

    Args:
        found: Problems of each stage that has any.
        stages: How many stages there are.
    """
    everywhere = {
        problem
        for problem in next(iter(found.values()))
        if len(found) == stages and all(problem in others for others in found.values())
    }
    named = [
        problem if problem in everywhere else in_stage(problem, stage)
        for stage, problems in found.items()
        for problem in problems
    ]
    return list(dict.fromkeys(named))


def encoder_folder(config: "RunConfig") -> Path:
    """Where a stage leaves its encoder."""
    return Path(config.run.save_path) / ENCODER_FOLDER


def follow_on(configs: Sequence["RunConfig"]) -> "list[RunConfig]":
    """The stages, each from the encoder of the one before it; they share sizes and vocabulary.

    Raises:
        ConfigError: They do not.
    """
    first, problems = configs[0], []
    for config in configs[1:]:
        if _sizes(config) != _sizes(first):
            rule = "all stages have one encoder, so its sizes are the same."
            problems.append(Problem(f"stages.{config.stage}", f"{rule} Found others. Set them at the top."))
        if config.run.vocab_path != first.run.vocab_path:
            found = f"Found `{config.run.vocab_path}`, and `{first.run.vocab_path}` in stage `{first.stage}`."
            rule = "all stages have one encoder, and so one vocabulary."
            problems.append(Problem(f"stages.{config.stage}", f"{rule} {found} Set vocab_path at the top."))
    if problems:
        raise ConfigError(problems)
    joined = [first]
    for config in configs[1:]:
        weights = {"pretrain_model_path": encoder_folder(joined[-1]).as_posix()}
        run = config.run.model_copy(update=weights)
        explain = [
            replace(row, value=weights[row.key], where="the stage before", hid="") if row.key in weights else row
            for row in config.explain
        ]
        joined.append(replace(config, run=run, resolved={**config.resolved, **weights}, explain=tuple(explain)))
    return joined


def _sizes(config: "RunConfig") -> dict[str, object] | None:
    return config.sizes.model_dump(exclude=_MAY_DIFFER) if config.sizes else None
