"""B2: intent and slots of ATIS as two tasks at their real lengths, batches of 32, including data loading.

    python -m benchmarks.speed.joint_lengths --data JointBERT/data/atis --model pretrain/minilm-l6-en --peers .peers

PALM trains examples/atis/config.yaml; the peers the same two heads, tasks sampled equally often. A turn is an epoch of
both tasks (278 steps), so that long and short batches have the same weight for all participants.
"""

import json
import subprocess
import sys
from pathlib import Path

import yaml

from benchmarks.speed.comparison import best, memory_goal, numbers_of, speed_goal, speed_table
from benchmarks.speed.flops import Shares, encoder_operations
from benchmarks.speed.lineup import (
    EAGER,
    FUSED,
    MEDIUM,
    PALM_BF16,
    PLAIN,
    TORCH_BF16,
    TUNED,
    Lineup,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Result, publish
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, race
from benchmarks.speed.workloads import Config, peer_settings, token_lengths, training_config

EXAMPLE = ROOT / "examples/atis"
TRAINER = "benchmarks.speed.peers.trainer"
BUDGET, BUDGET_BF16 = f"{FUSED}, token budget", f"{PALM_BF16}, token budget"
SHUFFLED, SHUFFLED_BF16 = f"{FUSED}, lengths mixed", f"{PALM_BF16}, lengths mixed"
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
    """PALM, with batches of similar lengths, of any lengths and with a token budget, and all peers."""
    config, job = palm_config(lineup.model, work), peer_job(lineup.model, work)
    ours = [FUSED, PLAIN, *([PALM_BF16] if lineup.bf16 else [])]
    budgets = [BUDGET, *([BUDGET_BF16] if lineup.bf16 else [])]
    shuffled = [SHUFFLED, *([SHUFFLED_BF16] if lineup.bf16 else [])]
    loops = [EAGER, TUNED, *([MEDIUM, TORCH_BF16] if lineup.bf16 else [])]
    trainers = [
        lineup.torch(name + words, {**job, "group_by_length": name == GROUPED}, TRAINER)
        for name in (DYNAMIC, GROUPED)
        for words in ("", ", tuned", *([", medium", ", bf16"] if lineup.bf16 else []))
    ]
    return lineup.kept(
        [
            *(lineup.palm(name, config) for name in ours),
            *(lineup.palm(name, {**config, "max_tokens": max_tokens}) for name in budgets),
            *(lineup.palm(name, {**config, "group_by_length": False}) for name in shuffled),
            *(lineup.torch(name, job) for name in loops),
            *trainers,
        ]
    )


def texts_of(work: Path) -> list[str]:
    """The training sentences of both tasks."""
    found = []
    for name, column in (("intent", 1), ("slots", 0)):
        lines = (work / f"{name}.train.tsv").read_text(encoding="utf-8").splitlines()[1:]
        found += [line.split("\t")[column] for line in lines]
    return found


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=3, steps=278, warm_up=8, settle=2))
    parser.add_argument("--data", type=Path, required=True, help="folder data/atis of github.com/monologg/JointBERT")
    parser.add_argument("--max_tokens", type=int, default=1024, help="the token budget")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        with work_folder() as work:
            prepare = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(args.data), "--out", str(work)]
            subprocess.run(prepare, check=True, stdout=sys.stderr)
            timings = race(participants(lineup, work, args.max_tokens), plan)
            lengths = token_lengths(texts_of(work), lineup.model / "vocab.txt", longest=LENGTH)
        backbone_config = json.loads((lineup.model / "config.json").read_text(encoding="utf-8"))
        shares = Shares(lineup.peak, encoder_operations(backbone_config, lengths, training=True))
        ours = best(timings, [PALM_BF16, BUDGET_BF16])
        goals = [
            speed_goal(timings, best(timings, [FUSED, BUDGET]), f"{GROUPED}, tuned", 1.8),
            speed_goal(timings, ours, best(timings, [f"{GROUPED}, bf16", f"{GROUPED}, medium"]), 2.0),
            speed_goal(timings, ours, best(timings, [TORCH_BF16, MEDIUM]), 3.0),
            memory_goal(timings, PALM_BF16, TORCH_BF16, 0.7),
        ]
        tables = [speed_table(timings, [f"{GROUPED}, tuned", f"{GROUPED}, bf16", TORCH_BF16], shares)]
        title = "B2: ATIS intent and slots jointly, real lengths, batch 32"
        publish(Result("joint_lengths", title, lineup.facts(plan), tables, goals, numbers_of(timings)), args.results)


if __name__ == "__main__":
    main()
