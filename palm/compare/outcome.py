"""The outcome of one run: read from the files that every run writes, and stored with what it depends on."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import palm
from palm.compare.plan import Job
from palm.config.components import keys_everywhere
from palm.storage.atomic_directory import sha256_of
from palm.storage.layout import INFERENCE_FOLDER, METRICS_FILE, OUTCOME_FILE


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        metrics: Loss and metrics of each target's exported model on its dev_file.
        steps: Steps of each target until its export.
        global_steps: Steps of the whole run.
        seconds: Time of its training steps, without evaluation and start-up.
        parameters: Number of parameters of the trained model.
        model_bytes: Size of the inference models.
        cosines: Mean cosine between two tasks' gradients on the encoder over the run, where measured.
    """

    metrics: dict[str, dict[str, float]]
    steps: dict[str, int]
    global_steps: int
    seconds: float
    parameters: int
    model_bytes: int
    cosines: dict[str, float]


def read_outcome(job: Job, parameters: int) -> Outcome:
    """Read the outcome of a run that has just ended from its metrics.jsonl and its inference models."""
    records = [json.loads(line) for line in (job.folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
    exports = {record["task"]: record for record in records if record["split"] == "export"}
    metrics: dict[str, dict[str, float]] = {}
    for record in records:
        export = exports.get(record.get("task"))
        if record["split"] == "dev" and export and record["global_step"] == export["of_step"]:
            names = record.keys() - {"split", "global_step", "task"}
            metrics[record["task"]] = {name: record[name] for name in record if name in names}
    return Outcome(
        metrics=metrics,
        steps={name: export["task_steps"] for name, export in exports.items()},
        global_steps=max(export["global_step"] for export in exports.values()),
        seconds=max(export["train_seconds"] for export in exports.values()),
        parameters=parameters,
        model_bytes=sum(file.stat().st_size for name in job.targets for file in _model(job, name).iterdir()),
        cosines=_mean_cosines(records),
    )


def _mean_cosines(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    measured = [record["cosines"] for record in records if record["split"] == "cosine"]
    found = {pair: [each[pair] for each in measured if pair in each] for each in measured for pair in each}
    return {pair: fmean(values) for pair, values in found.items()}


def keep(job: Job, outcome: Outcome) -> None:
    """Write the outcome beside the run."""
    text = json.dumps({"identity": identity(job), **asdict(outcome)}, ensure_ascii=False, indent=1)
    (job.folder / OUTCOME_FILE).write_text(text + "\n", encoding="utf-8")


def kept(job: Job) -> Outcome | None:
    """The outcome of an earlier run with the same settings, data, weights and version of PALM."""
    try:
        found = json.loads((job.folder / OUTCOME_FILE).read_text(encoding="utf-8"))
        same = found.pop("identity") == identity(job)
        return Outcome(**_with_current_names(found)) if same else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _with_current_names(content: dict[str, Any]) -> dict[str, Any]:
    """Rename what earlier versions of PALM wrote."""
    return {"metrics" if name == "figures" else name: value for name, value in content.items()}


def identity(job: Job) -> str:
    """A sha256 over everything that a run's outcome depends on."""
    files = sorted({value for value in _texts(job.config) if Path(value).exists()} - {str(job.folder)})
    parts = {
        "version": palm.__version__,
        "config": _relevant_keys(job.config),
        "files": {name: _digest(name) for name in files},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _model(job: Job, task: str) -> Path:
    return job.folder / task / INFERENCE_FOLDER


def _relevant_keys(keys: Mapping[str, object]) -> dict[str, object]:
    """The keys that change a metric; those that say where a run writes, and how often, do not."""
    harmless = keys_everywhere(changes="nothing")
    return {
        key: _relevant_keys(value) if isinstance(value, Mapping) else value
        for key, value in keys.items()
        if key not in harmless
    }


def _texts(keys: Mapping[str, object]) -> Iterator[str]:
    """Values of the keys that may name files, by the names of the keys: a user's components have some, too."""
    harmless = keys_everywhere(changes="nothing")
    for key, value in keys.items():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif isinstance(value, str) and key.endswith(("_file", "_path")) and key not in harmless:
            yield value
        elif isinstance(value, list) and key == "imports":
            yield from map(str, value)


def _digest(name: str) -> dict[str, str]:
    """The sha256 of a file, or of each file in a folder."""
    place = Path(name)
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    return {file.name: _sha256(file, file.stat().st_mtime_ns) for file in files if file.is_file()}


@lru_cache
def _sha256(file: Path, changed: int) -> str:
    del changed  # part of the key
    return sha256_of(file)
