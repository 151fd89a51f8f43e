"""B7: growth of cost: step time against length, batch size and number of tasks; starting time against rows.

    python -m benchmarks.speed.growth --model pretrain/minilm-l6-en --peers .peers

Charts are written to figures/ next to the results. `--curves length tasks` selects some of them.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.feeding import configuration, write_table
from benchmarks.speed.charts import Axis, Points, line_chart
from benchmarks.speed.comparison import failures
from benchmarks.speed.lineup import (
    EAGER,
    FUSED,
    PALM_BF16,
    TORCH_BF16,
    Lineup,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Goal, Result, publish, table
from benchmarks.speed.side_by_side import Plan, race
from benchmarks.speed.starting import start
from benchmarks.speed.workloads import fixed_shape_job

BATCH, LENGTH = 16, 128
LENGTHS = (64, 128, 256, 384, 512)
BATCHES = (8, 16, 32, 64)
TASKS = (1, 2, 4, 8, 16)
ROWS = (10_000, 100_000, 1_000_000)
# A million rows: the first step within 15 s, warm. More tasks: no slower step, up to the differences between rounds.
STARTING_GOAL, TASKS_GOAL = 15.0, 1.05


@dataclass(frozen=True)
class Curve:
    """One chart.

    Attributes:
        title: Its heading.
        x: The horizontal axis.
        y: The vertical axis.
        series: Points by name.
        goals: The goals of the points.
    """

    title: str
    x: Axis
    y: Axis
    series: Mapping[str, Points]
    goals: Sequence[Goal] = ()

    def table(self) -> str:
        """The points as a markdown table."""
        header = [f"{self.y.label} by {self.x.label}", *(f"{value:,}" for value, _ in next(iter(self.series.values())))]
        return table(
            header, [[name, *(_three_digits(one) for _, one in points)] for name, points in self.series.items()]
        )


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


Measure = Callable[[Lineup, Plan, argparse.Namespace], Curve]


def length_curve(lineup: Lineup, plan: Plan, args: argparse.Namespace) -> Curve:
    """Step time against tokens per example."""
    series = step_series(lineup, plan, [(seq, BATCH, seq) for seq in args.lengths])
    return Curve(f"Training step, batch {BATCH}", Axis("tokens per example"), Axis("ms per step"), series)


def batch_curve(lineup: Lineup, plan: Plan, args: argparse.Namespace) -> Curve:
    """Step time against examples per batch."""
    series = step_series(lineup, plan, [(batch, batch, LENGTH) for batch in args.batches])
    return Curve(f"Training step, {LENGTH} tokens", Axis("examples per batch"), Axis("ms per step"), series)


def step_series(lineup: Lineup, plan: Plan, shapes: Sequence[tuple[int, int, int]]) -> Mapping[str, Points]:
    """Milliseconds per step of PALM and PyTorch; a shape consists of its position on the axis, batch and length."""
    series: dict[str, list[tuple[float, float]]] = {}
    for place, batch, seq in shapes:
        with work_folder() as work:
            config, settings = fixed_shape_job(lineup.model, work, batch=batch, seq=seq)
            ours = [FUSED, *([PALM_BF16] if lineup.bf16 else [])]
            theirs = [EAGER, *([TORCH_BF16] if lineup.bf16 else [])]
            everyone = [lineup.palm(name, config) for name in ours]
            everyone += [lineup.torch(name, settings) for name in theirs]
            found = race(lineup.kept(everyone), plan)
            for line in failures(found):
                sys.stderr.write(f"{seq} tokens, batch {batch}: {line}\n")
            for name, timings in found.items():
                series.setdefault(name, []).append((place, 1000 * timings.seconds()))
    return series


def tasks_curve(lineup: Lineup, plan: Plan, args: argparse.Namespace) -> Curve:
    """Step time against the number of tasks, each with its own head; all numbers alternate."""
    with work_folder() as work:
        config, _ = fixed_shape_job(lineup.model, work, batch=BATCH, seq=LENGTH)
        tasks = config["tasks"]
        names = [FUSED, *([PALM_BF16] if lineup.bf16 else [])]
        participants = [
            lineup.palm(f"{name}, {count} tasks", {**config, "tasks": copies(tasks["fixed"], count)})
            for name in names
            for count in args.tasks
        ]
        timings = race(participants, plan)
    series, goals = {}, []
    for name in names:
        points = [(count, 1000 * timings[f"{name}, {count} tasks"].seconds()) for count in args.tasks]
        series[name] = points
        what = f"step time, {name}: {args.tasks[-1]} tasks / {args.tasks[0]}"
        goals.append(Goal(what, points[-1][1] / points[0][1], TASKS_GOAL, at_most=True))
    title = f"Training step, {BATCH} × {LENGTH}"
    return Curve(title, Axis("tasks", logarithmic=True), Axis("ms per step"), series, goals)


def copies(task: object, count: int) -> dict[str, object]:
    """The same task under `count` names."""
    return {f"task{number}": task for number in range(count)}


def rows_curve(lineup: Lineup, plan: Plan, args: argparse.Namespace) -> Curve:
    """Seconds to the first step against rows of the training file, without and with tokenised data in PALM's cache."""
    series: dict[str, list[tuple[float, float]]] = {"cold cache": [], "warm cache": [], "peak memory, GB": []}
    for rows in args.rows:
        with work_folder() as work:
            file, config = work / "rows.tsv", work / "config.yaml"
            write_table(file, lineup.model / "vocab.txt", rows)
            config.write_text(yaml.safe_dump(configuration(file, lineup.model, work)), encoding="utf-8")
            environment = {**lineup.environment({}), "PALM_CACHE": str(work / "cache")}
            environment.pop("PALM_CACHE_LIMIT")
            cold, warm = start([str(config)], environment), start([str(config)], environment)
        series["cold cache"].append((rows, cold.seconds))
        series["warm cache"].append((rows, warm.seconds))
        series["peak memory, GB"].append((rows, max(cold.peak_bytes, warm.peak_bytes) / 2**30))
    seconds = series["warm cache"][-1][1]
    goal = Goal(f"seconds to the first step, {args.rows[-1]:,} rows, warm", seconds, STARTING_GOAL, at_most=True)
    return Curve("First step", Axis("rows", logarithmic=True), Axis("seconds (GB)"), series, [goal])


CURVES: dict[str, Measure] = {"length": length_curve, "batch": batch_curve, "tasks": tasks_curve, "rows": rows_curve}


def save_chart(name: str, curve: Curve, results: Path) -> str:
    """Write the chart next to the results; returns its markdown."""
    file = results.parent / "figures" / f"growth_{name}.svg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line_chart(curve.title, curve.x, curve.y, curve.series), encoding="utf-8")
    return f"![{curve.y.label} by {curve.x.label}](figures/{file.name})"


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=4, warm_up=2, settle=2))
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES), help="which ones")
    for option, values in (("lengths", LENGTHS), ("batches", BATCHES), ("tasks", TASKS), ("rows", ROWS)):
        parser.add_argument(f"--{option}", type=int, nargs="+", default=list(values), help="points of the curve")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        tables: list[str] = []
        goals: list[Goal] = []
        numbers: dict[str, object] = {}
        for name in args.curves:
            sys.stderr.write(f"{name}:\n")
            curve = CURVES[name](lineup, plan, args)
            tables += [f"{curve.title}:\n\n{curve.table()}", save_chart(name, curve, args.results)]
            goals += curve.goals
            numbers[name] = curve.series
        publish(Result("growth", "B7: how cost grows", lineup.facts(plan), tables, goals, numbers), args.results)


if __name__ == "__main__":
    main()
