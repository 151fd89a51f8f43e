"""B1: a training step of a fixed shape, 32 × 128, no padding, dropout 0.1, classification on MiniLM-L6.

    python -m benchmarks.speed.fixed_shape --model pretrain/minilm-l6-en --peers .peers

The step consists of forward, backward, clipping to norm 1 and AdamW. The floor is the matrix products
of the same step in float32, measured in the same rounds.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.speed.comparison import best, memory_goal, numbers_of, share_goal, speed_goal, speed_table
from benchmarks.speed.flops import Shares, encoder_operations
from benchmarks.speed.lineup import (
    BF16_PEERS,
    EAGER,
    FUSED,
    PALM_BF16,
    PLAIN,
    TORCH_BF16,
    TUNED,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Result, publish
from benchmarks.speed.side_by_side import Participant, Plan, race
from benchmarks.speed.workloads import fixed_shape_job

FLOOR = "matrix products alone"


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=7, steps=5, warm_up=3, settle=2))
    parser.add_argument("--batch", type=int, default=32, help="examples per step")
    parser.add_argument("--seq", type=int, default=128, help="tokens per example")
    parser.add_argument("--compiled", action=argparse.BooleanOptionalAction, default=True, help="torch.compile, too")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        backbone_config = json.loads((lineup.model / "config.json").read_text(encoding="utf-8"))
        floor = {"sizes": backbone_config, "batch": args.batch, "seq": args.seq}
        with work_folder() as work:
            config, settings = fixed_shape_job(lineup.model, work, batch=args.batch, seq=args.seq)
            environment = lineup.environment({})
            floor_worker = Participant(FLOOR, Path(sys.executable), "benchmarks.speed.matmul_floor", floor, environment)
            timings = race(lineup.kept([*lineup.usual(config, settings, compiled=args.compiled), floor_worker]), plan)
        operations = encoder_operations(backbone_config, [args.seq], training=True)
        shares = Shares(lineup.peak, operations)
        peer = best(timings, BF16_PEERS)
        goals = [
            speed_goal(timings, FUSED, FLOOR, 0.92, what=f"{FUSED}: fraction of the matrix products alone"),
            speed_goal(timings, PLAIN, EAGER, 1.0),
            speed_goal(timings, PALM_BF16, peer, 5.0),
            share_goal(timings, PALM_BF16, shares, 20.0),
            memory_goal(timings, FUSED, EAGER, 0.7),
            memory_goal(timings, PALM_BF16, TORCH_BF16, 0.7),
            memory_goal(timings, PALM_BF16, FUSED),
        ]
        title = f"B1: a training step of one shape, {args.batch} × {args.seq}"
        tables = [speed_table(timings, [EAGER, TUNED, TORCH_BF16, FLOOR], shares)]
        publish(Result("fixed_shape", title, lineup.facts(plan), tables, goals, numbers_of(timings)), args.results)


if __name__ == "__main__":
    main()
