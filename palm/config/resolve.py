"""From configuration files and overrides to a `RunConfig`, in five stages: read, stages, merge, type, check."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from palm.config.check import check
from palm.config.merge import merge
from palm.config.run_config import RunConfig
from palm.config.sources import read
from palm.config.stages import split_into_stages
from palm.config.typed import type_keys


def load_run_config(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """As `load_run_configs`; the last stage where there are several."""
    return load_run_configs(config, task_dir=task_dir, for_train=for_train, overrides=overrides)[-1]


def load_run_configs(
    config: str | Path | Mapping[str, object],
    *,
    task_dir: str = ".",
    for_train: bool = True,
    overrides: Sequence[str] = (),
    wiring: bool = False,
) -> list[RunConfig]:
    """Read, merge and check a configuration: a run, or one a stage.

    Args:
        config: The global file, or its content.
        task_dir: Folder of the task files.
        for_train: Whether training data is needed; otherwise the run only predicts or evaluates.
        overrides: Words of the command line, such as `["--learning_rate", "1e-4"]`.
        wiring: Whether to read the vocabulary, too, and check that components fit together, as far as the sizes are
            known. A run that predicts goes by its exported models, whatever sizes the configuration has.

    Raises:
        ConfigError: With everything that is wrong, in all stages.

    """
    sources = read(config, task_dir, overrides)
    stages = split_into_stages(sources)
    merged = [merge(stage, "train" if for_train else "predict") for stage in stages]
    typed = [type_keys(each) for each in merged]
    return check(typed, wiring=wiring)
