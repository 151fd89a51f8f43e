"""Stage 3 of configuration: one value per key, broadcast, paths looked up, defaults next to the weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any, get_args

from palm.backbone.base import BACKBONES
from palm.backbone.config_json import BACKBONE_FILES, load_backbone_file, next_to_weights
from palm.backbone.find import backbone_of, config_problems
from palm.backbone.model_type import type_key
from palm.config.broadcast import broadcast
from palm.config.components import TaskSchemas
from palm.config.encoder import LOWER_CASE, SettledEncoder, settle_encoder
from palm.config.frozen_encoder import FrozenEncoder, contradictions, follow_frozen_encoder, settle_frozen_encoder
from palm.config.methods import chosen_methods, plain_values
from palm.config.stages import StageSources
from palm.data.sentencepiece_model import SENTENCEPIECE_FILE
from palm.data.tokenizer_json import TOKENIZER_FILE, lower_case_setting
from palm.data.vocab import VOCAB_FILE, load_vocab
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.reader.formats.columnar import is_saved_dataset
from palm.reader.formats.row_table import is_remote
from palm.schema.facts import facts_of
from palm.schema.fields import InputFile, Schema, percentage
from palm.schema.places import find_input, not_found
from palm.schema.run_settings import RunSettings
from palm.schema.settings import TaskSettings, TrainSettings
from palm.schema.values import Layer, Resolved, Setting, stack
from palm.spec import Phase

Values = dict[str, Resolved]

DEFAULT_WITH_TASKS = "default with `tasks:`"
"""Where a default comes from that differs from that of PaddlePALM's manual."""

_SPECIAL = ("the device, pipe or socket", "Write its content to a file, which is read more than once.")


@dataclass(frozen=True)
class Merged:
    """One value per key.

    Attributes:
        sources: The merged sources.
        phase: Purpose of the run.
        run: Keys of the whole run.
        backbone_name: The backbone's name, registered or not.
        backbone: Keys of the backbone, including those of its JSON file.
        backbone_file: The keys of its JSON file.
        tasks: Keys of each task.
        schemas: The classes of each task's keys.
        problems: Their problems.
        encoder: What follows from the key `encoder`.
        frozen: What follows from the key `freeze_encoder_of`.
        defaults: Keys of the run that nothing sets, with defaults of their own in this form of configuration.

    """

    sources: StageSources
    phase: Phase
    run: Values
    backbone_name: str
    backbone: Values
    backbone_file: Layer
    tasks: Mapping[str, Values]
    schemas: Mapping[str, TaskSchemas]
    problems: tuple[Problem, ...]
    encoder: SettledEncoder
    frozen: FrozenEncoder
    defaults: Values


def merge(sources: StageSources, phase: Phase, *, download: bool = True) -> Merged:
    """Merge `sources`; in phase `predict` files that only training reads may be absent.

    Args:
        sources: The sources of a run or a stage.
        phase: Purpose of the run.
        download: Whether an encoder whose parts only come together may be downloaded.

    """
    flat = [sources.flags.flat, sources.main.flat]
    run = stack(flat)
    methods = chosen_methods(plain_values(run))
    defaults = (
        _defaults_with_tasks([TrainSettings, *(method.schema for method in methods)], run) if sources.has_tasks else {}
    )
    located, problems = locate(run, [RunSettings, *(method.schema for method in methods)], phase)
    run |= located
    written = dict(run)
    frozen, encoder = _settle_encoder(run, phase, stage=sources.stage, download=download)
    problems += encoder.problems
    backbone_file, more = _backbone_file(run)
    if phase == "train":  # prediction has the backbone of its inference models
        more += _settle_backbone(run, backbone_file)
    if _backbone_name(run) in BACKBONES:
        backbone_file = BACKBONES[_backbone_name(run)].own_layer(backbone_file)
    backbone_file = {**frozen.backbone, **backbone_file}
    tasks, task_problems = broadcast(sources.names, sources.main, sources.flags, sources.files)
    problems += more + task_problems
    schemas = {}
    for name in sources.names:
        schemas[name] = task_schemas(tasks[name])
        wanted: list[type[Schema] | None] = [TaskSettings, schemas[name].reader, schemas[name].paradigm]
        located, more = locate(tasks[name], [schema for schema in wanted if schema], phase)
        tasks[name] |= located
        problems += more
    problems += contradictions(frozen, written, sources.names, tasks)
    _share_vocabulary(run, tasks)
    follow_frozen_encoder(frozen, tasks)
    if phase == "train" and not frozen.chosen:  # an exported model has its own tokenizer
        problems += _follow_tokenizer(run, tasks)
        encoder = _follow_vocabulary(encoder, run, tasks)
    return Merged(
        sources,
        phase,
        run,
        _backbone_name(run),
        stack([*flat, backbone_file]),
        backbone_file,
        tasks,
        schemas,
        tuple(problems),
        encoder,
        frozen,
        defaults,
    )


def _settle_encoder(run: Values, phase: Phase, *, stage: str, download: bool) -> tuple[FrozenEncoder, SettledEncoder]:
    """The model whose encoder the run uses as it is, or the encoder that it starts from.

    The keys that follow from it, or from what is next to the weights, are added to `run` where they are not set.
    """
    frozen = settle_frozen_encoder(run, phase, stage=stage)
    if frozen.chosen:
        encoder, following = SettledEncoder(problems=frozen.problems), [*frozen.settings.items()]
    else:
        encoder = settle_encoder(run, phase, stage=stage, download=download)
        following = [*_of_encoder(encoder, run).items(), *_next_to_weights(run).items()]
    for key, setting in following:
        if not _is_set(run, key):
            run[key] = Resolved(setting)
    return frozen, encoder


def _defaults_with_tasks(schemas: Sequence[type[Schema]], run: Values) -> Values:
    fields = {key: field for schema in schemas for key, field in schema.model_fields.items() if key not in run}
    usual = {key: facts_of(field).with_tasks for key, field in fields.items()}
    return {key: Resolved(Setting(key, value, DEFAULT_WITH_TASKS)) for key, value in usual.items() if value is not None}


def task_schemas(values: Values) -> TaskSchemas:
    """The classes of a task's `reader` and `paradigm`."""
    reader, paradigm = (str(values[key].setting.value) if key in values else "" for key in ("reader", "paradigm"))
    return TaskSchemas(
        READERS[reader].Config if reader in READERS else None,
        PARADIGMS[paradigm].Config if paradigm in PARADIGMS else None,
    )


def _backbone_name(run: Values) -> str:
    default = RunSettings.model_fields["backbone"].default
    return str(run["backbone"].setting.value if "backbone" in run else default)


def _settle_backbone(run: Values, file: Layer) -> list[Problem]:
    """Choose the backbone by its file where the key was not written; else the reasons why it cannot read that file.

    A backbone file of another place describes the weights no better than the file next to them, which is read, too.
    """
    files = [file, *_file_of_weights(run)]
    if "backbone" not in run:
        try:
            run |= _backbone_of_files(files)
        except ConfigError as error:
            return list(error.problems)
    name = _backbone_name(run)
    return (
        [problem for each in files for problem in config_problems(BACKBONES[name], each)] if name in BACKBONES else []
    )


def _backbone_of_files(files: Sequence[Layer]) -> Values:
    for file in files:
        config = {key: setting.value for key, setting in file.items()}
        key = type_key(config)
        if key is not None:
            where = file[key].where
            return {"backbone": Resolved(Setting("backbone", backbone_of(config, where=where), where))}
    return {}


def _file_of_weights(run: Values) -> Iterator[Layer]:
    """The keys in the file next to the pre-trained weights, if another is the backbone's."""
    weights, path = run.get("pretrain_model_path"), run.get("backbone_config_path")
    if weights is None or path is None or not isinstance(weights.setting.value, str):
        return
    beside = next_to_weights(Path(weights.setting.value), BACKBONE_FILES)
    if beside is not None and str(path.setting.value) != str(beside):
        yield load_backbone_file(Setting("backbone_config_path", str(beside), weights.setting.where))[0]


def _of_encoder(encoder: SettledEncoder, run: Values) -> dict[str, Setting]:
    """The settings that follow from the key `encoder`; they stand for those next to other weights, too."""
    if encoder.weights is None:
        return {}
    found = {encoder.weights.key: encoder.weights}
    if not _is_set(run, encoder.weights.key):
        run[encoder.weights.key] = Resolved(encoder.weights)
    return found | _next_to_weights({encoder.weights.key: Resolved(encoder.weights)})


def _next_to_weights(run: Values) -> dict[str, Setting]:
    """Backbone file and vocabulary next to the pre-trained weights."""
    weights = run.get("pretrain_model_path")
    if weights is None or weights.setting.value is None:
        return {}
    wanted = {"backbone_config_path": BACKBONE_FILES, "vocab_path": (TOKENIZER_FILE, VOCAB_FILE, SENTENCEPIECE_FILE)}
    found = {key: next_to_weights(Path(str(weights.setting.value)), names) for key, names in wanted.items()}
    where = f"next to pretrain_model_path ({weights.setting.where})"
    return {key: Setting(key, str(place), where) for key, place in found.items() if place}


def _backbone_file(run: Values) -> tuple[Layer, list[Problem]]:
    path = run.get("backbone_config_path")
    if path is None or not isinstance(path.setting.value, str) or not Path(path.setting.value).is_file():
        return {}, []  # a missing path was reported at its lookup
    return load_backbone_file(path.setting)


def _share_vocabulary(run: Values, tasks: Mapping[str, Values]) -> None:
    """A run has one vocabulary: tasks without one get that of the others, or the run's."""
    named = [values["vocab_path"] for values in (*tasks.values(), run) if _is_set(values, "vocab_path")]
    for values in (*tasks.values(), run) if named else ():
        if not _is_set(values, "vocab_path"):
            values["vocab_path"] = named[0]


def _follow_tokenizer(run: Values, tasks: Mapping[str, Values]) -> list[Problem]:
    """Add what the encoder's folder says of lower-casing below what the configuration says."""
    places = (run[key].setting.value for key in ("vocab_path", "pretrain_model_path") if _is_set(run, key))
    try:
        said = lower_case_setting(map(Path, map(str, places)))
    except ConfigError as error:
        return list(error.problems)
    if said is not None:
        setting = Setting(LOWER_CASE, said.value, str(said.file))
        for values in tasks.values():
            given = values.get(LOWER_CASE)
            below = replace(given, overridden=(*given.overridden, setting)) if given else Resolved(setting)
            values[LOWER_CASE] = below
    return []


def _follow_vocabulary(encoder: SettledEncoder, run: Values, tasks: Mapping[str, Values]) -> SettledEncoder:
    """Lower-case text for the key `encoder` where no file says whether to, and its vocab.txt has no capital letter.

    As transformers does, which lower-cases for BERT by default: each capital would be an unknown token.
    """
    path = Path(str(run["vocab_path"].setting.value)) if _is_set(run, "vocab_path") else Path()
    silent = [values for values in tasks.values() if LOWER_CASE not in values]
    if encoder.weights is None or not silent or path.name != VOCAB_FILE or not path.is_file():
        return encoder
    try:
        capital = any(letter in token for token in load_vocab(path) if token[0:1] != "[" for letter in ascii_uppercase)
    except ConfigError:
        return encoder  # reported where it is read
    if capital:
        return encoder
    for values in silent:
        values[LOWER_CASE] = Resolved(Setting(LOWER_CASE, True, f"{path}, which has no capital letter"))
    rule = f"{path.name} has no capital letter, and no file says `{LOWER_CASE}`: text is lower-cased."
    note = Problem(run["encoder"].setting.where, f"encoder: {rule} Otherwise, write `{LOWER_CASE}: false`.")
    return replace(encoder, notes=(*encoder.notes, note))


def _is_set(values: Values, key: str) -> bool:
    return key in values and values[key].setting.value is not None


def input_files(schema: type[Schema]) -> dict[str, InputFile]:
    """The keys of `schema` with paths of input files."""
    marks = {}
    for key, field in schema.model_fields.items():
        for mark in (*field.metadata, *_nested(field.annotation)):
            if isinstance(mark, InputFile):
                marks[key] = mark
    return marks


def locate(
    values: Mapping[str, Resolved], schemas: Sequence[type[Schema]], phase: Phase
) -> tuple[dict[str, Resolved], list[Problem]]:
    """The input paths among `values`, resolved; a missing one that `phase` needs is a problem."""
    found, problems = {}, []
    for key, mark in {key: mark for schema in schemas for key, mark in input_files(schema).items()}.items():
        if key not in values or not isinstance(values[key].setting.value, str):
            continue
        setting = values[key].setting
        value = str(setting.value)
        if (mark.data and is_remote(value)) or (mark.percentage and percentage(value) is not None):
            continue
        place = find_input(value, setting.folder)
        if place is not None and (place.is_file() or (is_saved_dataset(place) if mark.data else mark.folder)):
            found[key] = replace(values[key], setting=replace(setting, value=str(place)))
        elif place is not None:
            found_there, advice = ("the folder", "Name a file in it.") if place.is_dir() else _SPECIAL
            rule = f"{setting.name} names a file. Found {found_there} `{place}`. {advice}"
            problems.append(Problem(setting.where, rule))
        elif mark.needed_for == phase:
            problems.append(Problem(setting.where, not_found(setting.name, value, setting.folder)))
    return found, problems


def _nested(annotation: Any) -> Iterator[object]:  # noqa: ANN401 (any type annotation)
    for inner in get_args(annotation):
        yield from getattr(inner, "__metadata__", ())
