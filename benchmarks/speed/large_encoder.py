"""B3: a training step of BERT-base's shape on random weights, 8 × 128 and 8 × 384, and its peak memory.

    python -m benchmarks.speed.large_encoder --model pretrain/minilm-l6-en --peers .peers

`--model` provides the vocabulary. The participants do not fit into memory together: each is restarted for every turn.
"""

from benchmarks.speed.comparison import best, memory_goal, numbers_of, speed_goal, speed_table
from benchmarks.speed.flops import Shares, encoder_operations
from benchmarks.speed.lineup import (
    BF16_PEERS,
    EAGER,
    FUSED,
    PALM_BF16,
    TORCH_BF16,
    TUNED,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Goal, Result, publish
from benchmarks.speed.side_by_side import Plan, race
from benchmarks.speed.workloads import BERT_BASE, fixed_shape_job, with_random_weights

BATCH = 8
LENGTHS = (128, 384)


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=3, warm_up=2, settle=1))
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens per example")
    args = parser.parse_args()
    plan = plan_of(args, together=False)
    with lineup_of(args) as lineup:
        tables: list[str] = []
        goals: list[Goal] = []
        numbers: dict[str, object] = {}
        for seq in args.lengths:
            with work_folder() as work:
                job = fixed_shape_job(lineup.model, work, batch=BATCH, seq=seq)
                timings = race(lineup.kept(lineup.usual(*with_random_weights(*job, BERT_BASE, work))), plan)
            shape = f"{BATCH} × {seq}"
            shares = Shares(lineup.peak, encoder_operations(BERT_BASE, [seq], training=True))
            tables.append(f"{shape}:\n\n{speed_table(timings, [EAGER, TUNED, TORCH_BF16], shares)}")
            numbers[shape] = numbers_of(timings)
            for one, other, target in (
                (FUSED, TUNED, 1.25),
                (FUSED, EAGER, 2.0),
                (PALM_BF16, best(timings, BF16_PEERS), 3.0),
            ):
                goals.append(speed_goal(timings, one, other, target, what=f"{shape}: {one} / {other}"))
            for one, other in ((FUSED, EAGER), (PALM_BF16, TORCH_BF16)):
                what = f"{shape}: peak memory, {one} / {other}"
                goals.append(memory_goal(timings, one, other, 0.7, what=what))
        title = "B3: a training step of BERT-base's shape"
        publish(Result("large_encoder", title, lineup.facts(plan), tables, goals, numbers), args.results)


if __name__ == "__main__":
    main()
