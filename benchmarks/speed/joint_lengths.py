"""B2: intent and slots of ATIS as two tasks at their real lengths, batches of 32, including data loading.

    python -m benchmarks.speed.joint_lengths --data JointBERT/data/atis --model pretrain/minilm-l6-en --peers .peers

PALM trains examples/atis/config.yaml; the peers the same two heads, tasks sampled equally often. A turn is an epoch of
both tasks (278 steps), so that long and short batches have the same weight for all participants.
"""

import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.speed.comparison import numbers_of, speed_goal, speed_table
from benchmarks.speed.lineup import (
    EAGER,
    FUSED,
    PALM_BF16,
    PLAIN,
    TUNED,
    Lineup,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Result, publish
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, race
from benchmarks.speed.workloads import Config, peer_settings, training_config

EXAMPLE = ROOT / "examples/atis"
TRAINER = "benchmarks.speed.peers.trainer"
BUDGET = f"{FUSED}, token budget"
DYNAMIC, GROUPED = "Trainer, dynamic padding", "Trainer, length grouping"
BATCH, LENGTH = 32, 64


def palm_config(model: Path, work: Path) -> Config:
    """The example's configuration, with its tables in `work` and an endless run."""
    example = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))
    tasks = {
        name: {"reader": keys["reader"], "paradigm": keys["paradigm"], "train_file": str(work / f"{name}.train.tsv")}
        for name, keys in example["tasks"].items()
    }
    return training_config(model, work, tasks) | {key: example[key] for key in ("max_seq_len", "batch_size")}


def peer_job(model: Path, work: Path) -> Config:
    """The two tasks of a peer."""
    kinds = {"intent": "cls", "slots": "seq_label"}
    common = {"ratio": 1.0, "batch_size": BATCH, "max_length": LENGTH}
    tasks = {name: {"kind": kind, "file": str(work / f"{name}.train.tsv"), **common} for name, kind in kinds.items()}
    return peer_settings(model, tasks)


def participants(lineup: Lineup, work: Path, max_tokens: int) -> list[Participant]:
    """PALM, with length buckets and with a token budget, and all peers."""
    config, job = palm_config(lineup.model, work), peer_job(lineup.model, work)
    ours = [FUSED, PLAIN, *([PALM_BF16] if lineup.bf16 else [])]
    trainers = [
        lineup.torch(name + tuned, {**job, "group_by_length": name == GROUPED}, TRAINER)
        for name in (DYNAMIC, GROUPED)
        for tuned in ("", ", tuned", *([", tuned, bf16"] if lineup.bf16 else []))
    ]
    return lineup.kept(
        [
            *(lineup.palm(name, config) for name in ours),
            lineup.palm(BUDGET, {**config, "max_tokens": max_tokens}),
            *(lineup.torch(name, job) for name in (EAGER, TUNED)),
            *trainers,
        ]
    )


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=3, steps=278, warm_up=8))
    parser.add_argument("--data", type=Path, required=True, help="folder data/atis of github.com/monologg/JointBERT")
    parser.add_argument("--max_tokens", type=int, default=1024, help="the token budget")
    args = parser.parse_args()
    lineup, plan = lineup_of(args), plan_of(args)
    with work_folder() as work:
        prepare = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(args.data), "--out", str(work)]
        subprocess.run(prepare, check=True, stdout=sys.stderr)
        timings = race(participants(lineup, work, args.max_tokens), plan)
    goals = [speed_goal(timings, FUSED, DYNAMIC, 4.0), speed_goal(timings, FUSED, GROUPED, 2.5)]
    tables = [speed_table(timings, [DYNAMIC, GROUPED])]
    title = "B2: ATIS intent and slots jointly, real lengths, batch 32"
    publish(Result("joint_lengths", title, lineup.facts(plan), tables, goals, numbers_of(timings)), args.results)


if __name__ == "__main__":
    main()
