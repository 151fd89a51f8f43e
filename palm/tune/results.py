"""The results of a search: tune.json, best.yaml, and the table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from palm.storage.atomic_directory import os_errors_as
from palm.storage.layout import SEARCH_FILE
from palm.tune.plan import TunePlan
from palm.tune.space import Value, plain_space, shown_value
from palm.tune.trial import TrialResult, seed_folder, trial_folder

BEST_FILE = "best.yaml"
_VERSION = 1


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended.

    Attributes:
        number: Its number, from 0.
        values: Its values.
        result: What it gave.
    """

    number: int
    values: dict[str, Value]
    result: TrialResult

    @property
    def state(self) -> str:
        """`complete`, `pruned` or `failed`."""
        return "complete" if self.result.score is not None else "pruned" if self.result.pruned else "failed"


def write_results(plan: TunePlan, records: Sequence[TrialRecord], best: TrialRecord | None) -> list[Path]:
    """Write tune.json and, if a trial was complete, best.yaml; returns their paths.

    Raises:
        CheckpointError: They cannot be written.
    """
    with os_errors_as(plan.folder, "save_path"):
        written = [plan.folder / SEARCH_FILE]
        text = json.dumps(describe(plan, records, best), ensure_ascii=False, indent=1)
        written[0].write_text(f"{text}\n", encoding="utf-8")
        if best is not None:
            written.append(plan.folder / BEST_FILE)
            written[1].write_text(best_yaml(plan, best), encoding="utf-8")
    return written


def describe(plan: TunePlan, records: Sequence[TrialRecord], best: TrialRecord | None) -> dict[str, object]:
    """The content of tune.json (docs/files.md)."""
    return {
        "version": _VERSION,
        "metric": plan.objective.name,
        "direction": "minimize" if plan.objective.falls else "maximize",
        "search": plain_space(plan.space),
        "seeds": list(plan.seeds),
        "best": best.number if best else None,
        "best_config": BEST_FILE if best else None,
        "trials": [
            {
                "number": each.number,
                "state": each.state,
                "values": each.values,
                "folder": trial_folder(plan, each.number).name,
                **{key: value for key, value in vars(each.result).items() if key != "pruned"},
            }
            for each in records
        ],
    }


def best_yaml(plan: TunePlan, best: TrialRecord) -> str:
    """The whole configuration of the best trial, as `palm train` takes it; it trains into `save_path/best`."""
    config = plan.config(best.values, plan.seeds[0], plan.folder / "best")
    where = seed_folder(plan, best.number, plan.seeds[0])
    score = f"{plan.objective.name} {best.result.score:.4f}"
    about = f"# Trial {best.number} of `palm tune`: {score}. Its run is in {where.as_posix()}.\n"
    return about + yaml.safe_dump(config, allow_unicode=True, sort_keys=False)


def table(plan: TunePlan, records: Sequence[TrialRecord], shown: int) -> list[list[str]]:
    """The trials as rows of text, best first, then pruned and failed ones; at most `shown` of them."""
    sign = 1 if plan.objective.falls else -1
    complete = [each for each in records if each.result.score is not None]
    ranked = sorted(complete, key=lambda each: (sign * (each.result.score or 0.0), each.number))
    ranked += [each for each in records if each.result.score is None]
    keys = [each.key for each in plan.space]
    rows = [["trial", plan.objective.name, "step", *keys, "seconds"]]
    for each in ranked[:shown]:
        score = each.state if each.result.score is None else f"{each.result.score:.4f}"
        step = "" if each.result.best_step is None else str(each.result.best_step)
        values = [shown_value(each.values.get(key)) for key in keys]
        rows.append([str(each.number), score, step, *values, f"{each.result.seconds:.0f}"])
    return rows
