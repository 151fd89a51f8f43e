"""The key `freeze_encoder_of`: what a run takes from the model whose encoder it leaves as it is.

Backbone, tokenizer and lower-casing are those of the model. A configuration that says something else is refused, since
heads of two encoders have no encoder in common.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from palm.backbone.base import BACKBONES
from palm.backbone.config_json import next_to_weights
from palm.balancing.gradients import GRADIENT_METHODS
from palm.balancing.weighting import WEIGHTINGS
from palm.config.encoder import LOWER_CASE
from palm.data.sentencepiece_model import SENTENCEPIECE_FILE
from palm.data.tokenizer import Tokenizer
from palm.data.tokenizer_json import TOKENIZER_FILE
from palm.data.vocab import VOCAB_FILE
from palm.errors import CheckpointError, ConfigError, Problem
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.schema.facts import keys_where
from palm.schema.fields import BackboneFields
from palm.schema.places import find_input
from palm.schema.run_settings import RunSettings
from palm.schema.saved_model import SavedRun, model_in, read_saved_run, validate_keys
from palm.schema.settings import TrainSettings
from palm.schema.values import Layer, Resolved, Setting
from palm.spec import Phase
from palm.storage.layout import CONFIG_FILE, INFERENCE_FOLDER

KEY = "freeze_encoder_of"
_TOKENIZERS = (TOKENIZER_FILE, VOCAB_FILE, SENTENCEPIECE_FILE)


@dataclass(frozen=True)
class FrozenEncoder:
    """The model of the key, as far as a configuration needs it.

    Attributes:
        folder: Its folder; None without the key, or if there is no model.
        saved: What its config.json says.
        settings: The keys of the run that follow from it, where they are not written.
        backbone: The keys of its backbone, below those that are written.
        problems: Why it cannot be used.
    """

    folder: Path | None = None
    saved: SavedRun | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    backbone: Layer = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def chosen(self) -> bool:
        """Whether the key is set, be the model readable or not."""
        return self.saved is not None or bool(self.problems)


def settle_frozen_encoder(run: dict[str, Resolved], phase: Phase, *, stage: str) -> FrozenEncoder:
    """Find the model of the key, and what follows from it; nothing without the key, or in prediction.

    Args:
        run: Keys of the run; this one gets the model's folder as its value.
        phase: Prediction has the encoder of its exported models.
        stage: The stage; empty without stages.
    """
    written = run.get(KEY)
    if written is None or phase != "train" or not isinstance(written.setting.value, str):
        return FrozenEncoder()
    setting = written.setting
    if stage:
        rule = "stages train one encoder after the other, and a frozen one does not train."
        return FrozenEncoder(problems=(Problem(setting.where, f"{KEY}: {rule} Remove `stages:`, or this key."),))
    try:
        folder = _model_folder(str(setting.value), setting.folder)
        run[KEY] = replace(written, setting=replace(setting, value=str(folder)))
        return _settled(folder, read_saved_run(folder), setting)
    except (CheckpointError, ConfigError) as error:
        lines = str(error).splitlines()
        return FrozenEncoder(problems=tuple(Problem(setting.where, f"{KEY}: {line}") for line in lines))


def _model_folder(value: str, home: Path | None) -> Path:
    """The model in `value`: of a run or of a task, or its own folder; looked up as input files are."""
    path = find_input(value, home)
    place = None if path is None else model_in(path)
    if place is not None:
        return place
    models = sorted(str(place.parent) for place in path.glob(f"*/{INFERENCE_FOLDER}")) if path is not None else []
    advice = f"There are those of tasks: {', '.join(models)}." if models else "Train one, or correct the path."
    raise CheckpointError(f"names a run, its infer_model, or a task's (RUN/task). Found no model in {value}. {advice}")


def _settled(folder: Path, saved: SavedRun, setting: Setting) -> FrozenEncoder:
    unknown = next(_unregistered(saved), None)
    if unknown is not None:
        advice = "Import the module that registers it (`imports`)."
        raise CheckpointError(f"{folder}: its {unknown} is not registered. {advice}")
    where = f"{KEY} ({setting.where})"
    tokenizer = next_to_weights(folder / CONFIG_FILE, _TOKENIZERS)
    if tokenizer is None or tokenizer.parent != folder:
        raise CheckpointError(f"{folder}: a model holds its tokenizer. Found none. Export it again.")
    settings = {
        "backbone": Setting("backbone", saved.backbone.name, where),
        "vocab_path": Setting("vocab_path", str(tokenizer), where),
    }
    backbone = {key: Setting(key, value, where) for key, value in saved.backbone.config.items()}
    return FrozenEncoder(folder, saved, settings, backbone)


def _unregistered(saved: SavedRun) -> Iterator[str]:
    """Components of the model that no module registers: those of its tasks are looked up when heads are added."""
    if saved.backbone.name not in BACKBONES:
        yield f"backbone `{saved.backbone.name}`"
    for task in saved.tasks.values():
        if task.reader.name not in READERS:
            yield f"reader `{task.reader.name}`"
        if task.paradigm.name not in PARADIGMS:
            yield f"paradigm `{task.paradigm.name}`"


def follow_frozen_encoder(frozen: FrozenEncoder, tasks: Mapping[str, dict[str, Resolved]]) -> None:
    """Lower-case the text of each task as the model does, where its keys do not say."""
    if frozen.saved is None:
        return
    setting = Setting(LOWER_CASE, lower_cases(frozen.saved)[0], str(frozen.folder))
    for values in tasks.values():
        if _written(values, LOWER_CASE) is None:
            values[LOWER_CASE] = Resolved(setting)


def lower_cases(saved: SavedRun) -> list[bool]:
    """Whether the model lower-cases: the values of its tasks, that of the first one first."""
    return list(dict.fromkeys(bool(task.reader.config.get(LOWER_CASE, False)) for task in saved.tasks.values()))


def contradictions(
    frozen: FrozenEncoder,
    run: Mapping[str, Resolved],
    names: Sequence[str],
    tasks: Mapping[str, Mapping[str, Resolved]],
) -> Iterator[Problem]:
    """Written keys that say something else than the model, and tasks that it has already."""
    saved, folder = frozen.saved, frozen.folder
    if saved is None or folder is None:
        return
    yield from _other_weights(saved, run)
    yield from _other_tokenizer(frozen, [run, *tasks.values()])
    yield from _taken_names(saved, run[KEY].setting.where, names)
    yield from _same_place(folder, run)


def _other_weights(saved: SavedRun, run: Mapping[str, Resolved]) -> Iterator[Problem]:
    weights, encoder, backbone = (_written(run, key) for key in ("pretrain_model_path", "encoder", "backbone"))
    rule = f"with {KEY}, the encoder is that of the model."
    if weights is not None:
        yield Problem(weights.where, f"{rule} Found `{weights.name}: {weights.value}`. Remove one of the two keys.")
    if encoder is not None and not _is_encoder(str(encoder.value).strip(), saved.encoder):
        found = f"it started from {f'`{saved.encoder}`' if saved.encoder else 'an encoder that it does not name'}"
        yield Problem(encoder.where, f"{rule} Found `encoder: {encoder.value}`; {found}. Remove `encoder`.")
    if backbone is not None and backbone.value != saved.backbone.name:
        found = f"Found `{backbone.value}`, and `{saved.backbone.name}` in the model"
        yield Problem(backbone.where, f"{rule} {found}. Remove `backbone`.")


def _is_encoder(written: str, saved: str | None) -> bool:
    if saved is None:
        return False
    from palm.downloader.encoder import ALIASES  # noqa: PLC0415 (most configurations name no encoder)

    model = saved.partition("@")[0]
    return written in (saved, model) or ALIASES.get(written.lower()) == model


def _other_tokenizer(frozen: FrozenEncoder, layers: Sequence[Mapping[str, Resolved]]) -> Iterator[Problem]:
    own = Path(str(frozen.settings["vocab_path"].value))
    others = {str(each.value): each for layer in layers if (each := _written(layer, "vocab_path")) is not None}
    for path, setting in others.items():
        if Path(path).is_file() and not _same_tokenizer(own, Path(path)):
            rule = f"with {KEY}, the tokenizer is that of the model."
            yield Problem(setting.where, f"{rule} Found another one in `{path}`. Remove `{setting.name}`.")


def _same_tokenizer(own: Path, other: Path) -> bool:
    try:
        prints = {Tokenizer.from_file(each, do_lower_case=False).fingerprint for each in (own, other)}
    except ConfigError:
        return True  # reported where it is read
    return len(prints) == 1


def _taken_names(saved: SavedRun, where: str, names: Sequence[str]) -> Iterator[Problem]:
    for name in names:
        if name in saved.tasks:
            rule = f"{KEY} adds tasks to those of the model, and leaves these as they are."
            yield Problem(where, f"{rule} Found `{name}` in both. Give the new task another name.")


def _same_place(folder: Path, run: Mapping[str, Resolved]) -> Iterator[Problem]:
    """What the run writes must not replace the model that it starts from."""
    save = _written(run, "save_path")
    home = Path(str(save.value if save else RunSettings.model_fields["save_path"].default))
    target, source = home.resolve(), folder.resolve()
    if source.parent == target or source.parent.parent == target:
        rule = f"a run with {KEY} writes into another folder than that of the model, which stays as it is."
        where = save.where if save else run[KEY].setting.where
        yield Problem(where, f"{rule} Found save_path `{home}`, which holds `{folder}`. Set another save_path.")


def _written(values: Mapping[str, Resolved], key: str) -> Setting | None:
    """The setting of a key that is set, and not to None."""
    known = values.get(key)
    return None if known is None or known.setting.value is None else known.setting


def other_backbone_keys(
    frozen: FrozenEncoder, backbone: BackboneFields, values: Mapping[str, Resolved]
) -> Iterator[Problem]:
    """Keys of the backbone that determine weights or their meaning, with another value than in the model."""
    saved, folder = frozen.saved, frozen.folder
    if saved is None or folder is None:
        return
    kind = type(backbone)
    try:
        model = validate_keys(kind, saved.backbone.config, file=folder / CONFIG_FILE, part="backbone")
    except CheckpointError as error:
        yield from (Problem(KEY, line) for line in str(error).splitlines())
        return
    for key in keys_where(kind.model_fields, scope="run"):
        ours, theirs = getattr(backbone, key), getattr(model, key)
        if ours != theirs and not _means_the_same(key, ours, theirs, backbone):
            where = values[key].setting.where if key in values else key
            found = f"Found `{key}: {ours}`, and {theirs} in the model"
            yield Problem(where, f"with {KEY}, the backbone is that of the model. {found}. Remove the key.")


def _means_the_same(key: str, ours: object, theirs: object, backbone: BackboneFields) -> bool:
    """Whether two values of a key are one, as a width that is left out and the same one written."""
    return key == "intermediate_size" and {ours, theirs} == {None, backbone.inner_size}


def keys_of_a_trained_encoder(train: TrainSettings) -> Iterator[tuple[str, str]]:
    """Keys of training that need an encoder that trains, each with its rule."""
    if train.adversarial_epsilon:
        yield "adversarial_epsilon", "perturbs the word embeddings along their gradient"
    if train.unfreeze_every_n_steps > 0:
        yield "unfreeze_every_n_steps", "trains layers of the encoder after some steps"
    if train.log_gradient_cosines_every_n_steps > 0:
        yield "log_gradient_cosines_every_n_steps", "compares the tasks' gradients of the encoder"
    if train.weighting in GRADIENT_METHODS:
        yield "weighting", f"`{train.weighting}` combines the tasks' gradients of the encoder"
    elif train.weighting in WEIGHTINGS and WEIGHTINGS[train.weighting].needs_norms:
        yield "weighting", f"`{train.weighting}` measures the tasks' gradients of the encoder"
