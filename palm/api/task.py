"""One trainer's task, as its calls have described it so far, and the task instance that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from palm.api.data_reader import ApiPhase, DataReader
from palm.api.heads import Head
from palm.backbone.base import Backbone
from palm.config.broadcast import is_task_name
from palm.config.run_config import TaskConfig
from palm.data.dataset import LabelMap
from palm.engine.task_instance import TaskInstance, make_paradigm
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.loading import load_dataset
from palm.registry import did_you_mean, wrong_object
from palm.schema.settings import TaskSettings
from palm.schema.validate import from_keywords
from palm.schema.values import Resolved, Setting
from palm.storage.layout import INFERENCE_FOLDER
from palm.training.unknown_tokens import refuse_unknown

TASK_KEYS = (
    "alpha_rdrop",
    "drop_last",
    "early_stopping_min_delta",
    "early_stopping_patience",
    "group_by_length",
    "layer",
    "loss_weight",
    "lr_scale",
    "max_tokens",
    "max_unk_fraction",
    "metrics",
    "pred_batch_size",
    "rdrop_alpha",
    "smart_epsilon",
    "smart_weight",
    "soft_sharing_weight",
    "use_rdrop",
)
"""The keys of a task that a trainer takes as keywords; the others have an argument or a call of their own."""


@dataclass(frozen=True)
class Forward:
    """What `build_forward` was given.

    Raises:
        ConfigError: Something that is no backbone, or no head.
    """

    backbone: Backbone
    head: Head

    def __post_init__(self) -> None:
        given: tuple[tuple[object, type, str], ...] = (
            (self.backbone, Backbone, "backbone"),
            (self.head, Head, "head"),
        )
        for found, expected, kind in given:
            if not isinstance(found, expected):
                raise wrong_object("build_forward", f"a {kind} of palm.{kind}", kind, found)


@dataclass
class Task:
    """What a trainer knows of its task.

    Attributes:
        name: The task's name.
        mix_ratio: Its sampling weight.
        reuse_head_with: Name of the task whose head it shares.
        target: Whether training goes on until it is done.
        forward: Backbone and head to train.
        predict_forward: Backbone and head to predict with; those to train when None.
        reader: Training data.
        predict_reader: Data to predict.
        loaded_labels: Label names of a loaded inference model.
        fingerprint: That of its tokenizer.
        temperature: That of a loaded inference model.
        dev_file: Data to evaluate on during training.
        keys: Further keys of the task, as a configuration has them.
    """

    name: str
    mix_ratio: float
    reuse_head_with: str | None
    target: bool = True
    forward: Forward | None = None
    predict_forward: Forward | None = None
    reader: DataReader | None = None
    predict_reader: DataReader | None = None
    loaded_labels: LabelMap | None = None
    fingerprint: str | None = None
    temperature: float = 1.0
    dev_file: str | None = None
    keys: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.keys:
            if key not in TASK_KEYS:
                hint = did_you_mean(key, list(TASK_KEYS))
                raise self.problem(f"there is no keyword `{key}`.{hint} Known: {', '.join(TASK_KEYS)}.")
        plain = is_task_name(self.name.replace(" ", "_")) and self.name == self.name.strip()
        if not plain or self.name == INFERENCE_FOLDER:
            rule = "a name is made of letters, digits, `_`, `-` and blanks inside: files are called after it."
            raise self.problem(f"{rule} Change it.")

    @property
    def owner(self) -> str:
        """The trainer, for messages."""
        return f'palm.Trainer("{self.name}")'

    def problem(self, message: str) -> ConfigError:
        """An error of this trainer."""
        return ConfigError(Problem(self.owner, message))

    def fit(self, reader: DataReader, phase: ApiPhase) -> None:
        """Take a reader with its data."""
        if not isinstance(reader, DataReader):
            raise wrong_object(self.owner, "a reader of palm.reader", "reader", reader)
        if reader.phase != phase:
            found = f"Found one made with phase='{reader.phase}'"
            raise self.problem(f"data to {phase} come from a reader made with phase='{phase}'. {found}.")
        if phase == "predict":
            self._check_vocabulary(reader)
            self.predict_reader = reader
            return
        classes = getattr(self.forward_for("train").head.config, "n_classes", None)
        if classes is not None:
            reader.fix_label_ids(classes)
        self.reader = reader

    def _check_vocabulary(self, reader: DataReader) -> None:
        trained = self.reader.component.tokenizer.fingerprint if self.reader else self.fingerprint
        if trained not in (None, reader.component.tokenizer.fingerprint):
            rule = "data are read with the vocabulary, do_lower_case and lang of training."
            raise self.problem(f"{rule} Found others. Make the reader as it was made for training.")

    def forward_for(self, phase: ApiPhase) -> Forward:
        """Backbone and head.

        Raises:
            ConfigError: Neither was given.
        """
        found = self.forward if phase == "train" else self.predict_forward or self.forward
        if found is None:
            call = "build_forward" if phase == "train" else "build_predict_forward"
            raise self.problem(f"backbone and head are needed first. Call {call}(backbone, head).")
        return found

    @property
    def any_forward(self) -> Forward:
        """Backbone and head for any phase: their sizes are the same."""
        return self.forward or self.predict_forward or self.forward_for("train")

    def reader_for(self, phase: ApiPhase) -> DataReader:
        """The reader with its data.

        Raises:
            ConfigError: None was given.
        """
        found = self.reader if phase == "train" else self.predict_reader
        if found is None:
            raise self.problem(f"data are needed first. Call fit_reader(reader, phase='{phase}').")
        return found

    @property
    def labels(self) -> LabelMap | None:
        """Label names: those trained with, those of the loaded model, or those that the data to predict came with."""
        readers = [reader for reader in (self.reader, self.predict_reader) if reader]
        known = [reader.labels for reader in readers if reader.phase == "train"]
        known += [self.loaded_labels, *(reader.labels for reader in readers)]
        return next((labels for labels in known if labels is not None), None)

    def paradigm(self, phase: ApiPhase) -> Paradigm:
        """The head's paradigm with the task's labels."""
        head = (self.forward_for("predict") if phase == "predict" else self.any_forward).head
        reader = self.predict_reader or self.reader
        kind = PARADIGMS[head.name]
        if reader is None:
            paradigm = kind(head.config, self.labels)
        else:
            paradigm = make_paradigm(kind, head.config, self.labels, reader.component.tokenizer)
        if phase == "predict":
            paradigm.temperature = self.temperature
        return paradigm

    def settings(self, phase: ApiPhase, mix_ratio: float | None = None) -> TaskSettings:
        """The task's keys, as a configuration would have them."""
        reader = self.reader if phase == "train" else self.predict_reader
        keys: dict[str, object] = {"reader": "", "paradigm": self.any_forward.head.name}
        if reader is not None:
            keys |= {"reader": reader.name, "batch_size": reader.batch_size, "shuffle": reader.shuffle}
            keys |= {"random_seed": reader.seed, "train_file": reader.data_name}
        if self.dev_file is not None:
            keys["dev_file"] = self.dev_file
        ratio = self.mix_ratio if mix_ratio is None else mix_ratio
        keys |= {"mix_ratio": ratio, "target": self.target, "share_head_with": self.reuse_head_with}
        keys |= self.keys
        return from_keywords(TaskSettings, keys, owner=self.owner)

    def instance(
        self,
        phase: ApiPhase,
        head: str,
        mix_ratio: float | None = None,
        *,
        with_dev: bool = False,
        processes: int = 1,
    ) -> TaskInstance:
        """The task instance for the engine.

        Args:
            phase: Train or predict.
            head: Key of its head's parameters.
            mix_ratio: Its sampling weight, where it is another one than the trainer's.
            with_dev: Whether its dev_file, if it has one, is read as well.
            processes: Number of processes that a batch is for.
        """
        reader = self.reader_for(phase)
        dev = load_dataset(reader.component, self.dev_file, "eval") if with_dev and self.dev_file is not None else None
        settings = self.settings(phase, mix_ratio)
        if phase == "train":
            refuse_unknown(self.name, (reader.dataset, dev), reader.component, settings.max_unk_fraction)
        return TaskInstance(
            name=self.name,
            settings=settings,
            reader=reader.component,
            paradigm=self.paradigm(phase),
            head=head,
            seed=reader.seed,
            train=reader.dataset if phase == "train" else None,
            dev=dev,
            processes=processes,
        )

    @property
    def written(self) -> dict[str, Resolved]:
        """The further keys and who set them, for messages."""
        return {key: Resolved(Setting(key, value, self.owner)) for key, value in self.keys.items()}

    def config(self, phase: ApiPhase, head: str) -> TaskConfig:
        """The same for the checks of a configuration."""
        made, reader = self.forward_for(phase).head, self.reader_for(phase)
        settings = self.settings(phase)
        return TaskConfig(self.name, settings, reader.name, reader.component.config, made.name, made.config, head)
