"""The model card of a model in the format of `save_run`: its facts, taken from config.json and from the run."""

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palm.errors import counted
from palm.inference.model_card import CardData, CardFacts, CardTask, model_card
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.runtime.paddle_packages import installed_builds
from palm.schema.licence import EncoderTerms
from palm.schema.saved_model import SavedCalibration, SavedRun, SavedTask
from palm.storage.layout import PALM_VERSION


@dataclass(frozen=True)
class ModelOrigin:
    """Where a model comes from, besides what its config.json says.

    Attributes:
        title: Name of the model.
        terms: Licence and languages of the encoder.
        command: The command that trained it; empty if a program did.
        notes: Further lines, such as the models that it was merged from.
    """

    title: str = "model"
    terms: EncoderTerms = field(default_factory=EncoderTerms)
    command: Sequence[str] = ()
    notes: Sequence[str] = ()


def card_of(saved: SavedRun, origin: ModelOrigin) -> str:
    """README.md of the model that `saved` describes."""
    return model_card(
        CardFacts(
            title=origin.title,
            tasks=[_task(task) for task in saved.tasks.values()],
            backbone=saved.backbone.name,
            encoder=saved.encoder,
            terms=origin.terms,
            global_step=saved.global_step,
            precision="bf16" if saved.amp == "bf16" else "float32",
            command=origin.command,
            versions=_versions(),
            notes=origin.notes,
        )
    )


def command_here() -> list[str]:
    """The command line of this process, if it is one of PALM's."""
    program = Path(sys.argv[0])
    is_palm = program.stem == "palm" or program.parts[-2:] == ("palm", "__main__.py")
    return ["palm", *sys.argv[1:]] if is_palm else []


def _task(task: SavedTask) -> CardTask:
    return CardTask(
        name=task.name,
        paradigm=task.paradigm.name,
        pipeline=PARADIGMS[task.paradigm.name].pipeline_tag,
        columns=READERS[task.reader.name].columns_of(task.reader.config),
        labels=task.labels,
        data=list(_data(task)),
        metrics=task.metrics or {},
        calibration=None if task.calibration is None else calibration_in_words(task.calibration),
    )


def calibration_in_words(calibration: SavedCalibration) -> str:
    """`temperature 1.31, fitted to 480 rows of dev.tsv: ECE 0.081 → 0.024, …`."""
    found = calibration
    of = f" of {found.data}" if found.data else ""
    text = f"temperature {found.temperature:.4g}, fitted to {counted(found.count, found.unit)}{of}"
    pairs = {"ECE": (found.ece_before, found.ece_after), "NLL": (found.nll_before, found.nll_after)}
    changes = [
        f"{name} {old:.4f} → {new:.4f}" for name, (old, new) in pairs.items() if old is not None and new is not None
    ]
    return f"{text}: {', '.join(changes)}" if changes else text


def _data(task: SavedTask) -> Iterator[CardData]:
    data = task.data or {}
    for part, prefix in (("train", ""), ("dev", "dev_")):
        examples, rows = data.get(f"{prefix}examples"), data.get(f"{prefix}rows")
        if isinstance(examples, int):
            yield CardData(part, examples, rows if isinstance(rows, str) else None)


def _versions() -> dict[str, str]:
    found = {"PALM": PALM_VERSION, "Python": platform.python_version()}
    builds = installed_builds().values()
    return found | ({"PaddlePaddle": ", ".join(builds)} if builds else {})
