"""palm/config/run_config.py"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from palm.config.describe import ExplainRow
from palm.engine.methods import Methods
from palm.errors import ConfigError, Problem
from palm.schema.fields import BackboneFields, ParadigmFields, ReaderFields
from palm.schema.settings import RunSettings, TaskSettings, TrainSettings


@dataclass(frozen=True)
class TaskConfig:
    """One task, ready to be built.

    Attributes:
        name: The task's name.
        settings: Keys that neither reader nor paradigm takes.
        reader_name: The reader's registered name.
        reader: Its keys.
        paradigm_name: The paradigm's registered name.
        paradigm: Its keys.
        head: Name of the first task that shares this task's head (the task itself when it shares with none before it).

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
    """Everything that a run needs to know, checked.

    Attributes:
        run: Which tasks, which backbone, where.
        train: Keys of the training engine.
        methods: Keys of the components that these name: sampler, weighting or gradient method, optimizer, schedule.
        backbone_name: The backbone's registered name.
        backbone_config: The backbone's keys; None where a run that only predicts has no file of them.
        tasks: The tasks in order.
        resolved: Plain data that, written as YAML, gives this configuration again.
        explain: Each value, where it came from, and what it hid.
        stage: Name of the stage; empty where the run has none.
        warnings: Which keys have no effect, in this or any later stage; the first one has them.

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
            ConfigError: A run that only predicts was given no sizes; its inference model has them.

        """
        if self.backbone_config is None:
            rule = "the backbone's sizes are needed here."
            raise ConfigError(Problem("backbone_config_path", f"{rule} Found none. Name the backbone's JSON file."))
        return self.backbone_config
