"""How each program trains on a treebank and annotates its dev and test files."""

import json
import os
import re
import resource
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import yaml

from benchmarks.parsing.treebank import COLUMNS, Treebank

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """What is equal for both programs.

    Attributes:
        encoder: Folder of the encoder.
        epochs: Passes over the training file, each followed by an evaluation on the dev file.
        learning_rate: The highest one.
        batch_size: Sentences of a step.
        max_seq_len: Subword tokens of a sentence.
        seed: Seed of the run.
    """

    encoder: Path
    epochs: int
    learning_rate: float
    batch_size: int = 32
    max_seq_len: int = 128
    seed: int = 1


def processor_minutes(
    command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str] | None = None
) -> float:
    """Run a program in `folder`; the minutes of processor time that it took, and those of its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"OMP_NUM_THREADS": "1", **(environment or {}), **os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {log.read_text(encoding='utf-8')[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 60


class System(ABC):
    """A program.

    Attributes:
        name: Its name in the table.
    """

    name: str

    @abstractmethod
    def train(self, treebank: Treebank, tasks: Sequence[str], settings: Settings, folder: Path) -> float:
        """Train in `folder`; the minutes of processor time."""

    @abstractmethod
    def annotate(self, folder: Path, file: Path, output: Path) -> float:
        """Write `file` as the model of `folder` annotates it; the minutes of processor time."""


@final
class Palm(System):
    """PALM: its defaults but for what the settings name; all tasks from one pass of the encoder.

    Args:
        keys: Further keys of the configuration.
    """

    name = "PALM"

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._keys = list(keys)

    def train(self, treebank: Treebank, tasks: Sequence[str], settings: Settings, folder: Path) -> float:
        """`palm train`."""
        file = folder / "config.yaml"
        content = palm_configuration(treebank, tasks, settings, folder)
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "palm", "train", str(file), *self._keys]
        return processor_minutes(command, folder, folder / "log")

    def annotate(self, folder: Path, file: Path, output: Path) -> float:
        """The script of the example `parsing`."""
        script = ROOT / "examples" / "parsing" / "annotate.py"
        command = [sys.executable, str(script), str(folder / "out"), str(file), str(output)]
        return processor_minutes(command, folder, folder / "log")


def palm_configuration(treebank: Treebank, tasks: Sequence[str], settings: Settings, folder: Path) -> dict[str, object]:
    """PALM's configuration: trees, and tags whose rows they share."""
    files = {"train_file": str(treebank.files["train"]), "dev_file": str(treebank.files["dev"])}
    files["on_unknown_label"] = "count_as_wrong"  # the dev file has features that the training file has not
    entries: dict[str, dict[str, object]] = {"trees": {"reader": "parse", "paradigm": "parse", **files}}
    labels = {"lemmas": "LEMMA_RULE", "upos": "UPOS", "feats": "FEATS"}
    for task in (task for task in tasks if task in labels):
        columns = {"text_a": "FORM", "label": labels[task]}
        tagged = {"reader": "seq_label", "paradigm": "seq_label", "share_rows_with": "trees", "columns": columns}
        entries[task] = {**tagged, **files}
    return {
        "save_path": str(folder / "out"),
        "pretrain_model_path": str(settings.encoder),
        "mode": "joint" if len(entries) > 1 else "alternating",
        "num_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "batch_size": settings.batch_size,
        "max_seq_len": settings.max_seq_len,
        "random_seed": settings.seed,
        "tasks": entries,
    }


# MaChAmp's parser allocates gigabytes in each step. glibc returns them at once by default, and 40 % of its processor
# time are page faults; PALM sets such limits by itself.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_TOP_PAD_": str(2**28)}


@final
class Machamp(System):
    """MaChAmp: its parameters as published but for the encoder, the epochs and what the settings name.

    Args:
        checkout: Its repository.
        python: The interpreter of its environment.
    """

    name = "MaChAmp"
    _KINDS: Mapping[str, str] = {"lemmas": "string2string", "upos": "seq", "feats": "seq", "trees": "dependency"}

    def __init__(self, checkout: Path, python: Path) -> None:
        self._checkout, self._python = checkout, python

    def train(self, treebank: Treebank, tasks: Sequence[str], settings: Settings, folder: Path) -> float:
        """Its `train.py`."""
        kinds = {task: {"task_type": self._KINDS[task], "column_idx": COLUMNS[task]} for task in tasks}
        files = {f"{part}_data_path": str(treebank.files[part]) for part in ("train", "dev")}
        data = {"TREEBANK": {**files, "word_idx": 1, "tasks": kinds}}
        (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
        published = (self._checkout / "configs" / "params.json").read_text(encoding="utf-8")
        (folder / "params.json").write_text(machamp_parameters(published, settings), encoding="utf-8")
        options = ["--dataset_configs", "data.json", "--parameters_config", "params.json", "--name", "run"]
        command = [*self._command("train.py"), *options, "--device", "-1", "--seed", str(settings.seed)]
        return processor_minutes(command, folder, folder / "log", _KEEP_MEMORY)

    def annotate(self, folder: Path, file: Path, output: Path) -> float:
        """Its `predict.py`."""
        model = next((folder / "logs" / "run").glob("*/model.pt"))
        command = [*self._command("predict.py"), str(model), str(file), str(output), "--device", "-1"]
        return processor_minutes(command, folder, folder / "log", _KEEP_MEMORY)

    def _command(self, script: str) -> list[str]:
        return [str(self._python), str(self._checkout / script)]


def machamp_parameters(published: str, settings: Settings) -> str:
    """MaChAmp's file of parameters, which has comments, with other values.

    Raises:
        RuntimeError: It lacks one of the keys.
    """
    values = {
        "transformer_model": str(settings.encoder.resolve()),
        "num_epochs": settings.epochs,
        "lr": settings.learning_rate,
        "batch_size": settings.batch_size,
        "max_input_length": settings.max_seq_len,
    }
    for key, value in values.items():
        written = f'"{key}": {json.dumps(value)}'
        published, count = re.subn(rf'"{key}":\s*("[^"]*"|[0-9.e-]+)', lambda _, new=written: new, published)
        if count != 1:
            raise RuntimeError(f"params.json: one `{key}` is expected, found {count}. Use MaChAmp 0.4.")
    return published
