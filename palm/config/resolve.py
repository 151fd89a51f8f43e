"""From configuration files and overrides to a `RunConfig`, in five stages: read, stages, merge, type, check.

This module contains the last one: all checks, in order, and the resulting `RunConfig`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from palm.backbone.base import BACKBONES
from palm.config.describe import DEFAULT, ExplainRow, explain_rows, plain_keys, resolved_mapping
from palm.config.encoder import OVERRIDING, comes_from_encoder
from palm.config.merge import Values, merge
from palm.config.methods import method_configs, unused_values
from palm.config.prompt_checks import (
    encoder_changed_by_others,
    encoder_kept_by_prompts,
    settings_of_prompt_parameters,
    switches_without_weight,
)
from palm.config.run_config import RunConfig
from palm.config.sources import read
from palm.config.stages import follow_on, named_by_stage, split_into_stages
from palm.config.task_checks import (
    files_that_add_keys,
    followed_metrics,
    frozen_encoder_fits,
    gradients_to_balance,
    known_head_owners,
    known_metrics,
    known_trackers,
    one_vocabulary,
    precision_of_frozen_encoder,
    readable_weights,
    reported_metrics,
    rows_shared_by_name,
    targets_to_reach,
    training_files,
)
from palm.config.tokenizer_checks import contradicted_settings, smaller_vocabulary
from palm.config.typed import TypedConfig, type_keys
from palm.config.unknown_keys import known_keys, unread_keys
from palm.config.unused_keys import keys_without_effect, unused_keys
from palm.config.wiring import (
    alike_shared_heads,
    connected_components,
    layer_to_measure,
    layers_to_train,
    rows_of_one_text,
    sequences_of_usual_length,
)
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, Problem
from palm.schema.fields import Schema

Check = Callable[[TypedConfig], Iterable[Problem]]
"""Checks of a run or a stage. A check that does not apply finds nothing."""

CHECKS: tuple[Check, ...] = (
    unread_keys,
    known_head_owners,
    one_vocabulary,
    known_metrics,
    targets_to_reach,
    training_files,
    readable_weights,
    reported_metrics,
    followed_metrics,
    rows_shared_by_name,
    gradients_to_balance,
    frozen_encoder_fits,
    settings_of_prompt_parameters,
    encoder_kept_by_prompts,
    known_trackers,
)
WIRING: tuple[Check, ...] = (  # if all of the above pass
    connected_components,
    alike_shared_heads,
    rows_of_one_text,
    layers_to_train,
    layer_to_measure,
)
WARNINGS: tuple[Callable[[Sequence[TypedConfig]], Iterable[Problem]], ...] = (
    lambda typed: (note for each in typed if each.merged for note in each.merged.encoder.notes),
    unused_keys,
    keys_without_effect,
    contradicted_settings,
    files_that_add_keys,
    sequences_of_usual_length,
    precision_of_frozen_encoder,
    encoder_changed_by_others,
    switches_without_weight,
)
"""Warnings about all stages of a run."""


def load_run_config(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Like `load_run_configs`, but returns the last stage."""
    return load_run_configs(config, task_dir=task_dir, for_train=for_train, overrides=overrides)[-1]


def load_run_configs(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
    wiring: bool = False,
    download: bool = True,
    searching: bool = False,
) -> list[RunConfig]:
    """Read, merge and check a configuration; returns one config per stage, or a single one.

    Args:
        config: The global file, or its content.
        task_dir: Folder of the task files.
        for_train: Whether to train, which needs training data, or only to predict or evaluate.
        overrides: Arguments of the command line, such as `["--learning_rate", "1e-4"]`.
        wiring: Whether to read the vocabulary, too, and check that components fit together, if the backbone's config
            is known. Prediction uses the exported models, whatever the configuration contains.
        download: Whether an encoder whose parts only come together may be downloaded.
        searching: Whether training may have `search:`, which is read by `palm tune` alone.

    Raises:
        ConfigError: All problems of all stages.

    """
    sources = read(config, task_dir, overrides, searching=searching or not for_train)
    stages = split_into_stages(sources)
    merged = [merge(stage, "train" if for_train else "predict", download=download) for stage in stages]
    typed = [type_keys(each) for each in merged]
    return check(typed, wiring=wiring)


def check(typed: Sequence[TypedConfig], *, wiring: bool) -> list[RunConfig]:
    """The run, or its stages, if there are no problems.

    Args:
        typed: The keys of each stage.
        wiring: Whether to check that components fit together, if config and vocabulary are known.

    Raises:
        ConfigError: All problems of all stages.

    """
    known = frozenset[str]().union(*(known_keys(each.merged).broadcast() for each in typed if each.merged))
    _raise_all(typed, [problems_of(replace(each, elsewhere=known), CHECKS) for each in typed])
    configs = follow_on([_run_config(each) for each in typed])
    warnings = [warning for warn in WARNINGS for warning in warn(typed)]
    if wiring:
        wired = [_with_components(each) for each in typed]
        found = [problems_of(each, WIRING) if each.backbone else [] for each in wired]
        placed = [[_placed(each, config) for each in own] for own, config in zip(found, configs, strict=True)]
        _raise_all(typed, placed)
        smaller = dict.fromkeys(warning for each in wired for warning in smaller_vocabulary(each))
        warnings = [*smaller, *warnings]
    return [replace(configs[0], warnings=tuple(dict.fromkeys(warnings))), *configs[1:]]


def problems_of(config: TypedConfig, checks: Iterable[Check]) -> list[Problem]:
    """The problems of single keys, and those that `checks` find, without repetition."""
    found = (problem for each in checks for problem in each(config))
    return list(dict.fromkeys([*config.problems, *found]))


def _raise_all(typed: Sequence[TypedConfig], found: Sequence[Sequence[Problem]]) -> None:
    stages = [each.merged.sources.stage if each.merged else "" for each in typed]
    wrong = {stage: problems for stage, problems in zip(stages, found, strict=True) if problems}
    if wrong:
        raise ConfigError(named_by_stage(wrong, len(typed)))


def _run_config(typed: TypedConfig) -> RunConfig:
    merged, run, train, methods = typed.merged, typed.run, typed.train, typed.methods
    if merged is None or run is None or train is None or methods is None or not typed.all_tasks_typed:
        raise ValueError("A run without problems, which has all of its keys.")
    backbone: list[Schema] = [typed.backbone_config] if typed.backbone_config else []
    of_tasks = {task.name: [task.settings, task.reader, task.paradigm] for task in typed.tasks}
    shared = [run, train, *method_configs(methods)]
    unused = unused_values(merged.run)
    rows: list[ExplainRow] = [*explain_rows({**plain_keys(shared), **unused}, {**merged.defaults, **merged.run})]
    rows += explain_rows(plain_keys(backbone), merged.backbone)
    for name, schemas in of_tasks.items():
        rows += explain_rows(plain_keys(schemas), merged.tasks[name], f"tasks.{name}.")
    resolved = {**unused, **resolved_mapping([*shared, *backbone], of_tasks)}
    _forget_encoder_paths(resolved, merged.run)
    for name, keys in resolved["tasks"].items():
        _forget_encoder_paths(keys, merged.tasks[name])
    stage, name = merged.sources.stage, merged.backbone_name
    return RunConfig(run, train, methods, name, typed.backbone_config, typed.tasks, resolved, tuple(rows), stage)


def _forget_encoder_paths(keys: dict[str, object], values: Values) -> None:
    """Remove the paths that follow from `encoder`, which are others on another machine."""
    for key in OVERRIDING:
        if key in keys and key in values and comes_from_encoder(values[key].setting):
            keys[key] = None


def _with_components(typed: TypedConfig) -> TypedConfig:
    """The run with backbone and tokenizer, if their config and vocabulary are known.

    Raises:
        ConfigError: The vocabulary is not valid.

    """
    first, config = typed.tasks[0], typed.backbone_config
    path = first.settings.vocab_path or (typed.run.vocab_path if typed.run else None)
    if config is None or typed.merged is None or path is None or not Path(path).is_file():
        return typed
    keys = first.reader
    tokenizer = Tokenizer.from_file(Path(path), do_lower_case=keys.do_lower_case, for_cn=keys.for_cn)
    return replace(typed, backbone=BACKBONES[typed.merged.backbone_name](config), tokenizer=tokenizer)


def _placed(problem: Problem, config: RunConfig) -> Problem:
    """`problem` with file and line of its key, if it was written."""
    places = {row.key: row.where for row in config.explain if not row.where.startswith(DEFAULT)}
    place = places.get(problem.where, problem.where)
    named = place if place.endswith(problem.where) else f"{place} ({problem.where})"
    return replace(problem, where=named)
