"""The result of a comparison: one table, remarks about it, and the same as Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean

import palm
from palm.compare.outcome import Outcome
from palm.compare.plan import Plan
from palm.compare.runs import Finished
from palm.compare.scores import Difference, difference, spread
from palm.compare.variants import SINGLE
from palm.metric.base import main_metric
from palm.storage.atomic_directory import os_errors_as
from palm.storage.layout import PAIR

MARKDOWN_FILE = "compare.md"
JSON_FILE = "compare.json"
MEAN = "mean"


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        plan: What was run.
        runs: Its runs and their outcomes.
        command: The command line.
    """

    plan: Plan
    runs: Sequence[Finished]
    command: str

    @property
    def names(self) -> tuple[str, ...]:
        """Rows of the table."""
        return (SINGLE, *self.plan.variants)

    @cached_property
    def metrics(self) -> Mapping[str, str]:
        """The main metric of each target."""
        return {task: main_metric(self._of(SINGLE, task)[0].metrics[task]) for task in self.plan.targets}

    def values(self, name: str, task: str) -> list[float]:
        """The main metric of `task` (or the mean over all tasks), seed by seed."""
        if task == MEAN:
            return [fmean(each) for each in zip(*(self.values(name, one) for one in self.plan.targets), strict=True)]
        return [outcome.metrics[task][self.metrics[task]] for outcome in self._of(name, task)]

    def gain(self, name: str, task: str) -> Difference:
        """How much better `name` is at `task` than the task trained alone."""
        metric = MEAN if task == MEAN else self.metrics[task]
        return difference(self.values(name, task), self.values(SINGLE, task), metric)

    @property
    def columns(self) -> tuple[str, ...]:
        """What is compared: each target, and their mean where there are several."""
        several = len(self.plan.targets) > 1 and "loss" not in self.metrics.values()
        return (*self.plan.targets, *([MEAN] if several else ()))

    def rows(self) -> list[list[str]]:
        """The table, header first."""
        heads = [f"{task} {self.metrics[task]}" if task in self.metrics else task for task in self.columns]
        table = [["run", *heads, "steps", "seconds", "parameters", "models"]]
        for name in self.names:
            table.append([name, *(self._cell(name, column) for column in self.columns), *self._cost(name)])
        return table

    def cosine_rows(self) -> list[list[str]]:
        """The matrix of gradient cosines in the first variant, header first; empty where none was measured."""
        measured = [each.cosines for each in self._of(self.plan.variants[0])]
        pairs = {pair: fmean(each[pair] for each in measured if pair in each) for each in measured for pair in each}
        names = list(dict.fromkeys(name for pair in pairs for name in pair.split(PAIR)))
        both = pairs | {PAIR.join(reversed(pair.split(PAIR))): value for pair, value in pairs.items()}
        rows = [[one, *("1" if one == other else _cell_of(both, one, other) for other in names)] for one in names]
        return [["gradient cosine", *names], *rows] if names else []

    def remarks(self) -> list[str]:
        """Remarks about the table: the budget, the noise, where sharing hurts or helps."""
        found = [self._verdict(name, task) for name in self.plan.variants for task in self.plan.targets]
        return [*self._budget(), self._noise(), *(line for line in found if line)]

    def markdown(self) -> str:
        """The report."""
        header, *body = self.rows()
        table = [header, ["---"] * len(header), *body]
        lines = ["# Did sharing help?", "", f"`{self.command}`", ""]
        lines += [f"| {' | '.join(row)} |" for row in table]
        cosines = self.cosine_rows()
        matrix = [cosines[0], ["---"] * len(cosines[0]), *cosines[1:]] if cosines else []
        lines += ["", *(f"| {' | '.join(row)} |" for row in matrix)]
        lines += ["", *(f"* {line}" for line in self.remarks()), ""]
        return "\n".join(lines)

    def as_json(self) -> str:
        """Everything, in a form for programs."""
        content = {
            "command": self.command,
            "palm": palm.__version__,
            "seeds": list(self.plan.seeds),
            "metrics": dict(self.metrics),
            "gains": {
                name: {
                    task: {**asdict(gain), "hurts": gain.hurts, "helps": gain.helps}
                    for task in self.columns
                    for gain in [self.gain(name, task)]
                }
                for name in self.plan.variants
            },
            "runs": [
                {"run": run.job.name, "task": run.job.task, "seed": run.job.seed, **asdict(run.outcome)}
                for run in self.runs
            ],
        }
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def write(self) -> None:
        """Write both reports into save_path.

        Raises:
            CheckpointError: It cannot be written.
        """
        with os_errors_as(self.plan.folder, "save_path"):
            (self.plan.folder / MARKDOWN_FILE).write_text(self.markdown(), encoding="utf-8")
            (self.plan.folder / JSON_FILE).write_text(self.as_json(), encoding="utf-8")

    def _of(self, name: str, task: str | None = None) -> list[Outcome]:
        """The outcomes of a row, seed by seed; those of one task where it trained alone."""
        return [
            run.outcome for run in self.runs if run.job.name == name and (task is None or run.job.task in (None, task))
        ]

    def _cell(self, name: str, column: str) -> str:
        found = spread(self.values(name, column))
        return found if name == SINGLE else f"{found} ({_signed(self.gain(name, column))})"

    def _cost(self, name: str) -> list[str]:
        """Steps, seconds, parameters and size of the models, summed over tasks and averaged over seeds."""
        outcomes, seeds = self._of(name), len(self.plan.seeds)
        steps = sum(each.global_steps for each in outcomes) / seeds
        seconds = sum(each.seconds for each in outcomes) / seeds
        parameters = sum(each.parameters for each in outcomes) / seeds
        size = sum(each.model_bytes for each in outcomes) / seeds
        return [f"{steps:.0f}", f"{seconds:.1f}", f"{parameters / 1e6:.2f} M", f"{size / 1e6:.1f} MB"]

    def _budget(self) -> list[str]:
        first = self.plan.variants[0]
        counts = {task: sorted({each.steps[task] for each in self._of(first)}) for task in self.plan.targets}
        listed = ", ".join(f"{task} {_range(found)}" for task, found in counts.items())
        others = [name for name in self.plan.variants[1:] if self._steps(name) != self._steps(first)]
        return [
            f"Budget: `{SINGLE}` trains each task alone on the same batches that it had in `{first}` with the same "
            f"seed until its export, with warm-up and decay over them. Steps per task: {listed}. Steps, seconds (of "
            f"training steps alone), parameters and models of `{SINGLE}` are sums over its tasks.",
            *([f"Another budget: {', '.join(others)} trained another number of steps."] if others else []),
        ]

    def _noise(self) -> str:
        seeds = ", ".join(map(str, self.plan.seeds))
        if len(self.plan.seeds) == 1:
            return f"Seed {seeds} only, so the noise is unknown. Take --seeds 3 or more before you trust a Δ."
        return (
            f"Seeds {seeds}: mean ± standard deviation, and Δ to `{SINGLE}` in brackets. Noise is two standard errors "
            "of the mean of the seeds' differences."
        )

    def _verdict(self, name: str, task: str) -> str | None:
        gain = self.gain(name, task)
        what = f"{task}: Δ {self.metrics[task]} {_signed(gain)} is beyond the noise."
        if gain.hurts:
            return f"WARNING: {name} hurts {what}"
        return f"{name} helps {what}" if gain.helps else None

    def _steps(self, name: str) -> list[Mapping[str, int]]:
        return [each.steps for each in self._of(name)]


def _cell_of(cosines: Mapping[str, float], one: str, other: str) -> str:
    found = cosines.get(f"{one}{PAIR}{other}")
    return "–" if found is None else f"{found:+.3f}"


def _signed(gain: Difference) -> str:
    return f"{gain.mean:+.4f}"


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]}–{values[-1]}"
