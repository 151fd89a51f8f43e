"""export.json: what a program without PALM reads beside an exported graph to go from text to predictions.

docs/export.md explains each field; examples/infer_onnx is such a program.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.fields import exported_keys
from palm.schema.saved_model import read_json_object
from palm.spec import Specs, as_spec
from palm.storage.layout import DESCRIPTION_FILE, PALM_VERSION

DESCRIPTION_VERSION = 1
TEXT_TOKENIZER = "text_tokenizer"
TOKENS_FILE = "tokens.json"
GraphFormat = Literal["onnx", "paddle"]
ExportPrecision = Literal["float32", "int8"]


@dataclass(frozen=True)
class ExportedGraph:
    """A graph with the heads of some tasks.

    Attributes:
        format: ONNX, or Paddle's static format.
        precision: That of its weights.
        files: Its files, the one to load first.
        inputs: Its inputs by name.
        outputs: For each task the graph's name of each of its outputs, in the graph's order.
    """

    format: GraphFormat
    precision: ExportPrecision
    files: tuple[str, ...]
    inputs: Specs
    outputs: Mapping[str, Mapping[str, str]]


def write_description(folder: Path, graph: ExportedGraph, tasks: Sequence[TaskInstance], **more: object) -> None:
    """Write export.json and the tokenizers that it names.

    Args:
        folder: The folder of the graph.
        graph: The graph.
        tasks: The tasks in it.
        more: Further fields of the file.
    """
    tokenizers = _write_tokenizers(folder, tasks)
    content = {
        "format_version": DESCRIPTION_VERSION,
        "palm_version": PALM_VERSION,
        "format": graph.format,
        "precision": graph.precision,
        "files": list(graph.files),
        "inputs": {name: _described(graph.inputs, name) for name in graph.inputs},
        "tokenizers": {name: tokenizer for name, (_, tokenizer) in tokenizers.items()},
        "tasks": {task.name: _describe_task(task, graph, _name_of(task, tokenizers)) for task in tasks},
        **more,
    }
    if any(task.paradigm.predicts_tokens for task in tasks):
        write_json(folder / TOKENS_FILE, list(tasks[0].reader.tokenizer.readable_tokens))
    write_json(folder / DESCRIPTION_FILE, content)


def read_description(folder: Path) -> dict[str, Any]:
    """The content of export.json in an exported folder.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    return read_json_object(folder / DESCRIPTION_FILE)


def write_json(file: Path, content: object) -> None:
    """Write `content` as JSON."""
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")


_Tokenizers = dict[str, tuple[str, dict[str, object]]]
"""File → fingerprint and description of a tokenizer."""


def _write_tokenizers(folder: Path, tasks: Sequence[TaskInstance]) -> _Tokenizers:
    """One file for each tokenizer: tasks of a run may differ in `do_lower_case` or `for_cn`."""
    found: _Tokenizers = {}
    for task in tasks:
        tokenizer = task.reader.tokenizer
        if all(tokenizer.fingerprint != fingerprint for fingerprint, _ in found.values()):
            name = f"{TEXT_TOKENIZER}{len(found) + 1 if found else ''}"
            described = {**tokenizer.described(), "inside_file": _write_tokenizer(folder, name, tokenizer)}
            found[f"{name}.json"] = tokenizer.fingerprint, described
    return found


def _write_tokenizer(folder: Path, name: str, tokenizer: Tokenizer) -> str | None:
    """Write a tokenizer; return the file of the one for text that continues another, if that is another one."""
    whole, inside = (tokenizer.text_encoder(inside=inside) for inside in (False, True))
    (folder / f"{name}.json").write_text(whole, encoding="utf-8")
    if inside == whole:
        return None
    (folder / f"{name}_inside.json").write_text(inside, encoding="utf-8")
    return f"{name}_inside.json"


def _name_of(task: TaskInstance, tokenizers: _Tokenizers) -> str:
    fingerprint = task.reader.tokenizer.fingerprint
    return next(name for name, (known, _) in tokenizers.items() if known == fingerprint)


def _describe_task(task: TaskInstance, graph: ExportedGraph, tokenizer: str) -> dict[str, object]:
    reader, paradigm = task.reader, task.paradigm
    specs, outputs = paradigm.outputs_attr("predict"), graph.outputs[task.name]
    return {
        "reader": READERS.name_of(reader),
        "paradigm": PARADIGMS.name_of(paradigm),
        "columns": list(reader.text_columns),
        "tokenizer": tokenizer,
        "labels": list(reader.labels.names) if reader.labels else None,
        "relations": list(reader.labels.relations) if reader.labels else [],
        "splits_text": reader.labels is not None and reader.labels.splits_text,
        "reader_settings": exported_keys(reader.config),
        "paradigm_settings": exported_keys(paradigm.config),
        "encoding_rules": reader.encoding_rules,
        "rules": paradigm.decoding_rules,
        "temperature": paradigm.temperature,
        "outputs": {name: {"name": outputs[name], **_described(specs, name)} for name in specs},
    }


def _described(specs: Specs, name: str) -> dict[str, object]:
    spec = as_spec(specs[name])
    return {"axes": spec.axes.split(), "dtype": spec.dtype}
