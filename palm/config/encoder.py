"""Settles the key `encoder`: where its config, tokenizer and weights lie, and which other keys override them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from palm.backbone.config_json import load_backbone_file
from palm.backbone.find import backbone_of
from palm.config.yaml_file import read_yaml
from palm.errors import ConfigError, DownloadError, Problem
from palm.schema.run_settings import RunSettings
from palm.schema.values import Resolved, Setting
from palm.spec import Phase
from palm.storage.layout import RESOLVED_CONFIG

KEY = "encoder"
LOWER_CASE = "do_lower_case"
OVERRIDING = ("pretrain_model_path", "backbone_config_path", "vocab_path")
"""Keys that an encoder gives, and that override what it gives where they are written; a `backbone` must agree."""


@dataclass(frozen=True)
class SettledEncoder:
    """What follows from the key `encoder`.

    Attributes:
        weights: The setting for the key pretrain_model_path; None if there is none.
        notes: Lines for the user.
        problems: Why the encoder cannot be used.
        of_hub: Whether its weights are fetched when they are loaded.
        pending: Whether it is only downloaded for training, so that its config and vocabulary are not known yet.
    """

    weights: Setting | None = None
    notes: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    pending: bool = False
    of_hub: bool = False

    @property
    def unknown(self) -> bool:
        """Whether its config and vocabulary are not known, which is reported once."""
        return self.pending or bool(self.problems)


def settle_encoder(run: dict[str, Resolved], phase: Phase, *, stage: str, download: bool) -> "SettledEncoder":
    """Find the encoder of a run, and put the name that stands for exactly these files into `run`.

    Args:
        run: Keys of the run.
        phase: Prediction has the encoder of its exported models.
        stage: The stage; empty without stages.
        download: Whether a model that comes as a whole may be downloaded.
    """
    written = run.get(KEY)
    if written is None or written.setting.value is None or phase != "train":
        return SettledEncoder()
    from palm.downloader.encoder import find_encoder  # noqa: PLC0415 (most configurations name no encoder)

    setting = written.setting
    if not isinstance(setting.value, str) or not setting.value.strip():
        return SettledEncoder()  # reported with the types of all keys
    where = setting.where
    earlier = _earlier(run, stage)
    try:
        found = find_encoder(
            setting.value.strip(), setting.folder, accept=_known_architecture, download=download, pinned=earlier
        )
    except DownloadError as error:
        return SettledEncoder(problems=tuple(Problem(where, f"{KEY}: {line}") for line in str(error).splitlines()))
    except ConfigError as error:
        return SettledEncoder(problems=error.problems)
    run[KEY] = replace(written, setting=replace(setting, value=found.name))
    notes = [Problem(where, note) for note in found.notes]
    notes += [Problem(run[key].setting.where, _overrides(run[key].setting, setting)) for key in _overriding(run)]
    weights = Setting(OVERRIDING[0], str(found.folder), f"{KEY} ({where})") if found.folder else None
    return SettledEncoder(weights, tuple(notes), pending=found.folder is None, of_hub=found.name != str(found.folder))


def comes_from_encoder(setting: Setting) -> bool:
    """Whether `setting` was not written, but follows from the key `encoder`."""
    return f"{KEY} (" in setting.where or setting.where.startswith("freeze_encoder_of (")


def fetch_encoder_weights(run: RunSettings) -> None:
    """Download the weights of the run's encoder, unless they are there, or others are used.

    Raises:
        DownloadError: They cannot be fetched.
    """
    if run.encoder is None or run.pretrain_model_path is None:
        return
    from palm.downloader.encoder import fetch_weights  # noqa: PLC0415 (as above)

    fetch_weights(run.encoder, Path(run.pretrain_model_path))


def _known_architecture(file: Path) -> None:
    """Raise ConfigError if no backbone reads the encoder with this config.json."""
    layer, problems = load_backbone_file(Setting(KEY, str(file), str(file)))
    if problems:
        raise ConfigError(problems)
    backbone_of({key: setting.value for key, setting in layer.items()}, where=str(file))


def _overriding(run: dict[str, Resolved]) -> Iterator[str]:
    """The keys written beside `encoder` that say what it says as well."""
    yield from (key for key in OVERRIDING if key in run and run[key].setting.value is not None)


def _overrides(setting: Setting, encoder: Setting) -> str:
    return f"`{setting.name}: {setting.value}` overrides what encoder `{encoder.value}` says."


def _earlier(run: dict[str, Resolved], stage: str) -> Sequence[str]:
    """The encoders of the run that is resumed, or of its other stages."""
    resume, save = run.get("resume"), run.get("save_path")
    if resume is None or resume.setting.value != "auto":
        return []
    default = RunSettings.model_fields["save_path"].default
    folder = Path(str(save.setting.value if save else default))
    found: list[str] = []
    others = sorted(folder.parent.glob(f"*/{RESOLVED_CONFIG}")) if stage else []
    for file in [folder / RESOLVED_CONFIG, *others]:
        with suppress(ConfigError):
            data = read_yaml(file).data if file.is_file() else None
            if isinstance(data, dict) and data.get(KEY) is not None:
                found.append(str(data[KEY]))
    return found
