"""Stores temperatures with an inference model, or removes them: in config.json and in the model card."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from palm.errors import CheckpointError
from palm.inference.exported import is_exported
from palm.inference.model_card import MODEL_CARD_FILE, with_calibration
from palm.inference.run_card import calibration_in_words
from palm.schema.saved_model import SavedCalibration, describes_run, read_json_object, read_saved_run
from palm.storage.atomic_directory import atomic_directory, verify
from palm.storage.layout import CONFIG_FILE, INT8_FILE, MANIFEST_FILE

_WRITTEN_AGAIN = (MANIFEST_FILE, CONFIG_FILE, MODEL_CARD_FILE)


def write_calibrations(folder: Path, calibrations: Mapping[str, SavedCalibration | None]) -> None:
    """Write the temperatures of tasks into the model in `folder`, which is complete or as it was.

    Weights stay as they are, bit for bit. `palm merge` and `palm export` keep temperatures.

    Args:
        folder: The model of a task or of a run.
        calibrations: The temperature of each task to change; None removes it.

    Raises:
        CheckpointError: The model is missing or damaged, is a graph, or cannot be written.
    """
    if is_exported(folder):
        rule = "a temperature is stored with the trained model. Found a graph that `palm export` has written"
        raise CheckpointError(f"{folder}: {rule}. Calibrate the trained model, and export it again.")
    verify(folder)
    measured = {file.name: file.read_bytes() for file in folder.glob(f"{Path(INT8_FILE).stem}*.json")}
    with atomic_directory(folder, key="model") as temporary:
        for place in sorted(folder.iterdir()):
            if place.name not in {*_WRITTEN_AGAIN, *measured}:
                _keep(place, temporary / place.name)
        content = read_json_object(folder / CONFIG_FILE)
        parts = content["tasks"] if describes_run(content) else {content["task"]: content}
        for task, calibration in calibrations.items():
            parts[task].pop("calibration", None)
            if calibration is not None:
                parts[task]["calibration"] = calibration.model_dump()
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        (temporary / CONFIG_FILE).write_text(text, encoding="utf-8")
        _write_card(folder, temporary)
    for name, each in measured.items():  # of the same weights, and outside the manifest
        (folder / name).write_bytes(each)


def _keep(place: Path, target: Path) -> None:
    """Give a file or folder another name; a copy where the disk has no hard links."""
    if place.is_dir():
        shutil.copytree(place, target)
        return
    try:
        os.link(place, target)
    except OSError:
        shutil.copyfile(place, target)


def _write_card(folder: Path, temporary: Path) -> None:
    """The model card, if there is one, with what config.json says of temperatures now."""
    card = folder / MODEL_CARD_FILE
    if not card.is_file():
        return
    tasks = read_saved_run(temporary).tasks.values()
    lines = {task.name: calibration_in_words(task.calibration) for task in tasks if task.calibration}
    (temporary / MODEL_CARD_FILE).write_text(
        with_calibration(card.read_text(encoding="utf-8"), lines), encoding="utf-8"
    )
