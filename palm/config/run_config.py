"""palm/config/run_config.py"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from palm.config.describe import ExplainRow
from palm.engine.methods import Methods
from palm.errors import ConfigError, Problem
from palm.schema.fields import BackboneFields, ParadigmFields, ReaderFields
from palm.schema.run_settings import RunSettings
from palm.schema.settings import TaskSettings, TrainSettings


@dataclass(frozen=True)
class TaskConfig:
    """One task, ready to be built.

    Attributes:
        name: The task's name.
        settings: Keys that belong to neither reader nor paradigm.
        reader_name: The reader's registered name.
        reader: Its keys.
        paradigm_name: The paradigm's registered name.
        paradigm: Its keys.
        head: Name of the first task that shares this task's head (the task itself if it is the first).

    """

    name: str
    settings: TaskSettings
    reader_name: str
    reader: ReaderFields
    paradigm_name: str
    paradigm: ParadigmFields
    head: str


@dataclass(frozen=True)
class RunConfig:
    """The checked configuration of a run.

    Attributes:
        run: Tasks, backbone and paths.
        train: Keys of the training engine.
        methods: Keys of the components that `train` names: sampler, weighting or gradient method, optimizer, schedule.
        backbone_name: The backbone's registered name.
        backbone_config: The backbone's keys; None for prediction without a file of them.
        tasks: The tasks in order.
        resolved: Plain data that reproduces this configuration when written as YAML.
        explain: Each value, its source, and overridden values.
        stage: Name of the stage; empty if there are no stages.
        warnings: Warnings about keys without effect, in any stage; only in the first stage.

    """

    run: RunSettings
    train: TrainSettings
    methods: Methods
    backbone_name: str
    backbone_config: BackboneFields | None
    tasks: tuple[TaskConfig, ...]
    resolved: Mapping[str, object] = field(repr=False)
    explain: tuple[ExplainRow, ...] = field(repr=False, compare=False)
    stage: str = ""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    @property
    def backbone(self) -> BackboneFields:
        """The backbone's keys.

        Raises:
            ConfigError: A configuration for prediction without them; the inference model has them.

        """
        if self.backbone_config is None:
            rule = "the backbone's config is needed."
            raise ConfigError(Problem("backbone_config_path", f"{rule} Found none. Name the backbone's JSON file."))
        return self.backbone_config
