"""The keys of a run for tasks, backbone and paths, and the lists of values for each task."""

from typing import Annotated

from pydantic import Field

from palm.schema.facts import Key, KeyFacts
from palm.schema.fields import (
    Flags,
    Names,
    Numbers,
    Schema,
    TrainFolder,
    TrainPath,
)


class RunSettings(Schema):
    """Global keys for tasks, backbone, and paths."""

    key_facts = KeyFacts(scope="run")

    task_instance: Annotated[Names, Key(scope="stage")] = Field(
        default_factory=list, description="Names of the task instances, in order; the first target is the main task."
    )
    encoder: str | None = Field(
        None,
        description="The pre-trained encoder, with its config and tokenizer: `owner/model` or `owner/model@revision` "
        "of the Hugging Face hub, `modelscope:owner/model`, a folder, or a name that `palm download` lists. What is "
        "missing is downloaded.",
    )
    freeze_encoder_of: Annotated[str | None, Key(resume="nothing")] = Field(
        None,
        description="Add heads to a model: a run (its save_path or infer_model) or a task's export (RUN/task). Its "
        "encoder, tokenizer and lower-casing are used as they are; save_path/infer_model then has the model's heads, "
        "unchanged, and the new ones.",
    )
    backbone: str = Field(
        "bert",
        description="Name of the backbone: `bert`, `ernie`, `roberta`, `electra`, `distilbert`, `mpnet`, `albert`, "
        "`modernbert`, `deberta` or one of your own; by default that of the config.json beside the weights, or `bert` "
        "if that names none.",
    )
    backbone_config_path: TrainPath = Field(None, description="JSON file with the backbone's config.")
    pretrain_model_path: Annotated[TrainFolder, Key(resume="nothing")] = Field(
        None, description="Pre-trained weights: Hugging Face folder, .pdparams, or Paddle 1.x params folder."
    )
    vocab_path: Annotated[TrainPath, Key(export="no")] = Field(
        None,
        description="Tokenizer: a tokenizer.json, a vocab.txt with one token per line, or an spm.model; by default the "
        "one next to the pre-trained weights.",
    )
    save_path: Annotated[str, Key(changes="nothing")] = Field(
        "output_model", description="Folder for checkpoints, inference models, metrics and logs."
    )
    imports: Names = Field(
        default_factory=list,
        description="Your own modules or .py files, imported first for the components that they register.",
    )


class TaskLists(Schema):
    """Global lists of PaddlePALM 0.2.1, one element per task; they become `TaskSettings` of each task.

    `mix_ratio` is the only key with two types: a list here, and the number of a single task in `TaskSettings`.
    """

    key_facts = KeyFacts(scope="stage")

    mix_ratio: Numbers | None = Field(None, description="Sampling weight of each task; 1.0 by default.")
    target_tag: Flags | None = Field(
        None, description="1 for a target task, 0 for an auxiliary one; by default all are targets."
    )
    task_reuse_tag: Names | None = Field(None, description="Tasks with equal tags share a head; no sharing by default.")
