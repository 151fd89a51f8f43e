"""Merges models over the same encoder into one: their heads side by side, each with the answers that it had."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.exported import model_folder
from palm.inference.model_card import MODEL_CARD_FILE
from palm.inference.run_card import ModelOrigin, card_of
from palm.inference.saved_tasks import backbone_of, check_weights, description_errors, head_weights, load_tasks
from palm.inference.tokenizer_files import save_own_tokenizers, save_tokenizer
from palm.schema.fields import exported_keys
from palm.schema.licence import read_encoder_terms
from palm.schema.saved_model import SINGLE_HEAD, SavedRun, is_inference_model, read_saved_run
from palm.schema.validate import shown
from palm.storage.arrays import save_arrays
from palm.storage.atomic_directory import atomic_directory, verify
from palm.storage.layout import CONFIG_FILE, FORMAT_VERSION, PALM_VERSION, WEIGHTS_FILE

_ENCODER = "backbone."


@dataclass(frozen=True)
class ModelSource:
    """A model to merge.

    Attributes:
        folder: The model of a run or of a task, or the folder of either.
        name: The new name of its task; of several tasks, what their names begin with. None to keep them.
    """

    folder: Path
    name: str | None = None


@dataclass(frozen=True)
class Model:
    """A model to merge, read and checked.

    Attributes:
        folder: Its folder.
        saved: Its description.
        tasks: Its tasks, assembled.
        weights: All of its weights, `backbone.*` and `heads.<head>.*`.
        names: New name of each task.
    """

    folder: Path
    saved: SavedRun
    tasks: Sequence[TaskInstance]
    weights: Mapping[str, np.ndarray]
    names: Mapping[str, str]


def merge_models(sources: Sequence[ModelSource], output: Path) -> SavedRun:
    """Write one model with the tasks of all `sources`, whose encoders must be equal bit for bit; its description.

    Raises:
        CheckpointError: A model is missing or damaged, an encoder or a vocabulary is another one, or `output` cannot be
            written or holds something else than a model.
        ConfigError: Two tasks have one name, or a name is none.
    """
    models = [read_model(source) for source in sources]
    _check_names(models)
    for other in models[1:]:
        _check_same_encoder(models[0], other)
    if output.is_dir() and any(output.iterdir()) and not is_inference_model(output):
        rule = "a merged model replaces an inference model, or goes into a new folder."
        raise CheckpointError(f"{output}: {rule} Found something else. Choose another --output.")
    steps = {model.saved.global_step for model in models}
    notes = [f"Merged from {_origin(model)}." for model in models]
    origin = ModelOrigin(output.resolve().name, read_encoder_terms(models[0].folder), notes=notes)
    with atomic_directory(output, "--output") as temporary:
        return write_merged(models, temporary, origin, global_step=steps.pop() if len(steps) == 1 else None)


def write_merged(models: Sequence[Model], folder: Path, origin: ModelOrigin, *, global_step: int | None) -> SavedRun:
    """Write the tasks of `models` over the encoder of the first one into `folder`; the description of the result."""
    heads = _new_heads(models)
    save_arrays(_merged_weights(models, heads), folder / WEIGHTS_FILE)
    _describe(models, heads, folder, global_step)
    saved = read_saved_run(folder)
    (folder / MODEL_CARD_FILE).write_text(card_of(saved, origin), encoding="utf-8")
    return saved


def read_model(source: ModelSource) -> Model:
    """Read a model to merge.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    folder = model_folder(source.folder)
    if folder is None:
        rule = "a model to merge is that of a run (RUN), of a task (RUN/task), or the folder of one."
        raise CheckpointError(f"{source.folder}: {rule} Found none. Correct the path, or train first.")
    verify(folder)
    saved = read_saved_run(folder)
    tasks = load_tasks(folder, saved)
    weights = head_weights(folder, saved)
    with description_errors(folder):
        check_weights(folder, weights, backbone_of(folder, saved), tasks)
    prefixes = (_ENCODER, *(f"heads.{task.head}." for task in tasks))
    stray = next((name for name in weights if not name.startswith(prefixes)), None)
    if stray is not None:
        rule = "every weight is one of the encoder or of a task's head."
        raise CheckpointError(f"{folder / WEIGHTS_FILE}: {rule} Found `{stray}`. Export the model again.")
    several, name = len(tasks) > 1, source.name
    names = {task.name: task.name if name is None else f"{name}_{task.name}" if several else name for task in tasks}
    return Model(folder, saved, tasks, weights, names)


def _check_names(models: Sequence[Model]) -> None:
    problems = []
    homes: dict[str, Path] = {}
    for model in models:
        for name in model.names.values():
            if name in homes:
                found = f"Found `{name}` in {homes[name]} and in {model.folder}."
                problems.append(
                    Problem("palm merge", f"task names are distinct. {found} Rename one: NEW={model.folder}")
                )
            homes[name] = model.folder
    if problems:
        raise ConfigError(problems)


def _check_same_encoder(one: Model, other: Model) -> None:
    """Compare two encoders: architecture and keys, tokens, precision, and every weight.

    Raises:
        CheckpointError: Naming the first difference.
    """
    found = next(_differences(one, other), None)
    if found is not None:
        rule = "models are merged over one encoder, equal to the last bit"
        advice = (
            "The models of a run's targets differ, each being of its own last step: use the run's model, or train "
            "further heads on its encoder (palm train --freeze_encoder_of)."
        )
        raise CheckpointError(f"{other.folder}: {rule}, and that of {one.folder} is another one: {found}. {advice}")


def _differences(one: Model, other: Model) -> Iterator[str]:
    names = one.saved.backbone.name, other.saved.backbone.name
    if names[0] != names[1]:
        yield f"architecture `{names[0]}` there, `{names[1]}` here"
        return
    keys = [exported_keys(backbone_of(model.folder, model.saved).config) for model in (one, other)]
    for key in keys[0]:
        if keys[0][key] != keys[1].get(key):
            yield f"`{key}` is {shown(keys[0][key])} there, {shown(keys[1].get(key))} here"
    tokens = [model.tasks[0].reader.tokenizer.tokens for model in (one, other)]
    if tokens[0] != tokens[1]:
        pairs = zip(*(list(each) + [None] * (max(map(len, tokens)) - len(each)) for each in tokens), strict=True)
        number, pair = next((number, pair) for number, pair in enumerate(pairs) if pair[0] != pair[1])
        yield f"token {number} of the vocabulary is {shown(pair[0])} there, {shown(pair[1])} here"
    if one.saved.amp != other.saved.amp:
        yield f"it computes in amp: {one.saved.amp} there, in amp: {other.saved.amp} here"
    yield from (f"`{name}` differs" for name in differing_weights(one, other))


def differing_weights(one: Model, other: Model) -> Iterator[str]:
    """The weights of the encoder that are not equal bit for bit."""
    for name in sorted(name for name in {*one.weights, *other.weights} if name.startswith(_ENCODER)):
        if not _equal(one.weights.get(name), other.weights.get(name)):
            yield name


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return False
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _new_heads(models: Sequence[Model]) -> list[dict[str, str]]:
    """The key of each head of each model in the merged one: its own, that of its renamed task, or with a number."""
    taken: set[str] = set()
    found: list[dict[str, str]] = []
    for model in models:
        keys: dict[str, str] = {}
        for task in model.tasks:
            if task.head in keys:
                continue
            renamed = task.head == SINGLE_HEAD or model.names[task.name] != task.name
            wanted = (model.names[task.name] if renamed else task.head).replace(".", "_")
            free = (wanted if number == 1 else f"{wanted}_{number}" for number in range(1, len(taken) + 2))
            keys[task.head] = next(key for key in free if key not in taken)
            taken.add(keys[task.head])
        found.append(keys)
    return found


def _merged_weights(models: Sequence[Model], heads: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    weights = {name: array for name, array in models[0].weights.items() if name.startswith(_ENCODER)}
    for model, keys in zip(models, heads, strict=True):
        for head, key in keys.items():
            own = f"heads.{head}."
            weights |= {
                name.replace(own, f"heads.{key}.", 1): array
                for name, array in model.weights.items()
                if name.startswith(own)
            }
    return weights


def _describe(
    models: Sequence[Model], heads: Sequence[Mapping[str, str]], folder: Path, global_step: int | None
) -> None:
    """Write tokenizers and config.json."""
    first = models[0]
    every = [(model, task, keys) for model, keys in zip(models, heads, strict=True) for task in model.tasks]
    tokenizer = save_tokenizer(first.tasks[0].reader.tokenizer, folder)
    own = save_own_tokenizers([task for _, task, _ in every], folder)
    tasks: dict[str, Any] = {}
    for (model, task, keys), tokenizer_of_task in zip(every, own, strict=True):
        described = model.saved.tasks[task.name].model_dump(exclude={"name", "tokenizer"}, exclude_none=True)
        labels = {"labels": model.saved.tasks[task.name].labels}
        tasks[model.names[task.name]] = {**described, **labels, "head": keys[task.head], **tokenizer_of_task}
    encoder = next((model.saved.encoder for model in models if model.saved.encoder), None)
    content = {
        "format_version": FORMAT_VERSION,
        "palm_version": PALM_VERSION,
        "backbone": first.saved.backbone.model_dump(),
        "global_step": global_step,
        "tokenizer": tokenizer,
        "tasks": tasks,
        **({"encoder": encoder} if encoder else {}),
        **({"amp": first.saved.amp} if first.saved.amp != "off" else {}),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def _origin(model: Model) -> str:
    names = [name if old == name else f"{name} (there {old})" for old, name in model.names.items()]
    step = "" if model.saved.global_step is None else f" of global step {model.saved.global_step}"
    home = model.folder.resolve().parent.name
    return f"{home}{step}: {', '.join(names)}"
