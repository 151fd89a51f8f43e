"""Inference models: one task's backbone, head, vocabulary, labels and settings in a folder that needs nothing else."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import palm
from palm.backbone.base import BACKBONES
from palm.config.schema import TaskSettings
from palm.dataset import LabelMap
from palm.default_settings import FORMAT_VERSION, WEIGHTS_FILE
from palm.engine.checkpoint import set_weights
from palm.engine.model import MultiTaskModel
from palm.engine.tensors import load_tensors, save_tensors
from palm.errors import CheckpointError
from palm.folders import sealed_folder, verify
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.task_instance import TaskInstance
from palm.text.tokenizer import Tokenizer
from palm.text.vocab import load_vocab

_CONFIG_FILE = "config.json"
_VOCAB_FILE = "vocab.txt"
_HEAD = "head"


@dataclass(frozen=True)
class Bundle:
    """An inference model in memory.

    Attributes:
        task: Reader, paradigm and labels, without data.
        model: Backbone and the one head.
    """

    task: TaskInstance
    model: MultiTaskModel


def save_bundle(model: MultiTaskModel, task: TaskInstance, backbone_name: str, folder: Path) -> None:
    """Write the inference model of `task`: nothing of other tasks, of the optimizer or of dropout is in it."""
    own_head = f"heads.{task.head}."
    weights = {
        name.replace(own_head, f"{_HEAD}.", 1): tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(("backbone.", own_head))
    }
    with sealed_folder(folder) as aside:
        save_tensors(weights, aside / WEIGHTS_FILE)
        (aside / _VOCAB_FILE).write_text("\n".join(task.reader.tokenizer.tokens) + "\n", encoding="utf-8")
        (aside / _CONFIG_FILE).write_text(
            json.dumps(
                _describe(task, {"name": backbone_name, "config": model.sizes.model_dump()}),
                indent=1,
                ensure_ascii=False,
            )
            + "\n",
            encoding="utf-8",
        )


def load_bundle(folder: Path, settings: TaskSettings | None = None) -> Bundle:
    """Read an inference model.

    Args:
        folder: What `save_bundle` wrote.
        settings: Batch sizes and file names for this prediction; by default those of the training run.

    Raises:
        CheckpointError: The folder is missing, damaged, or of another format.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no inference model here. Train first, or give the folder that training wrote."
        )
    verify(folder)
    try:
        return _assemble(folder, json.loads((folder / _CONFIG_FILE).read_text(encoding="utf-8")), settings)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / _CONFIG_FILE}: does not describe an inference model ({error}). Export it again."
        ) from error


def _describe(task: TaskInstance, backbone: dict[str, Any]) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "palm_version": palm.__version__,
        "task": task.name,
        "settings": task.settings.model_dump(
            exclude={"train_file", "dev_file", "pred_file", "pred_output_path", "vocab_path"}
        ),
        "reader": _component(task.reader, READERS),
        "backbone": backbone,
        "paradigm": _component(task.paradigm, PARADIGMS),
        "labels": list(task.reader.labels.names) if task.reader.labels else None,
    }


def _component(component: Any, registry: Any) -> dict[str, Any]:  # noqa: ANN401 (a reader or a paradigm, and its registry)
    name = next(name for name in registry if registry[name] is type(component))
    return {"name": name, "config": component.config.model_dump()}


def _assemble(folder: Path, config: dict[str, Any], settings: TaskSettings | None) -> Bundle:
    reader_class = READERS[config["reader"]["name"]]
    paradigm_class = PARADIGMS[config["paradigm"]["name"]]
    backbone_class = BACKBONES[config["backbone"]["name"]]
    reader_config = reader_class.Config.model_validate(config["reader"]["config"])
    labels = LabelMap(tuple(config["labels"])) if config["labels"] is not None else None
    tokenizer = Tokenizer(
        load_vocab(folder / _VOCAB_FILE), do_lower_case=reader_config.do_lower_case, for_cn=reader_config.for_cn
    )
    paradigm_config = paradigm_class.Config.model_validate(config["paradigm"]["config"])
    task = TaskInstance(
        name=config["task"],
        settings=settings or TaskSettings.model_validate(config["settings"]),
        reader=reader_class(reader_config, tokenizer, labels),
        paradigm=paradigm_class(paradigm_config, labels, vocab=tokenizer.tokens),
        head=_HEAD,
        seed=0,
    )
    backbone = backbone_class(backbone_class.Config.model_validate(config["backbone"]["config"]))
    model = MultiTaskModel(backbone, [task], seed=0)
    weights = load_tensors(folder / WEIGHTS_FILE)
    named = {
        name.replace(f"{_HEAD}.", f"heads.{_HEAD}.", 1) if name.startswith(f"{_HEAD}.") else name: t
        for name, t in weights.items()
    }
    set_weights(model.state_dict(), named, where=str(folder))
    return Bundle(task, model)
