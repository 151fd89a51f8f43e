"""B3: a training step of BERT-base's shape on random weights, 8 × 128 and 8 × 384, and its peak memory.

    python -m benchmarks.speed.large_encoder --model pretrain/minilm-l6-en --peers .peers

`--model` provides the vocabulary. The participants do not fit into memory together: each is restarted for every turn.
"""

from benchmarks.speed.comparison import memory_goal, numbers_of, speed_goal, speed_table
from benchmarks.speed.lineup import EAGER, FUSED, TUNED, lineup_of, parser_of, plan_of, work_folder
from benchmarks.speed.results import Goal, Result, publish
from benchmarks.speed.side_by_side import Plan, race
from benchmarks.speed.workloads import BERT_BASE, fixed_shape_job, with_random_weights

BATCH = 8
# × PyTorch eager and × tuned, by length.
GOALS = {128: (2.4, 1.2), 384: (3.0, 1.4)}


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=3, warm_up=2))
    parser.add_argument("--lengths", type=int, nargs="+", default=list(GOALS), help="tokens per example")
    args = parser.parse_args()
    lineup, plan = lineup_of(args), plan_of(args, together=False)
    tables: list[str] = []
    goals: list[Goal] = []
    numbers: dict[str, object] = {}
    for seq in args.lengths:
        with work_folder() as work:
            job = fixed_shape_job(lineup.model, work, batch=BATCH, seq=seq)
            timings = race(lineup.kept(lineup.usual(*with_random_weights(*job, BERT_BASE, work))), plan)
        shape = f"{BATCH} × {seq}"
        tables.append(f"{shape}:\n\n{speed_table(timings, [EAGER, TUNED])}")
        numbers[shape] = numbers_of(timings)
        for other, target in zip((EAGER, TUNED), GOALS.get(seq, ()), strict=False):
            goals.append(speed_goal(timings, FUSED, other, target, what=f"{shape}: {FUSED} / {other}"))
        goals.append(memory_goal(timings, FUSED, EAGER, what=f"{shape}: peak memory, {FUSED} / {EAGER}"))
    title = "B3: a training step of BERT-base's shape"
    publish(Result("large_encoder", title, lineup.facts(plan), tables, goals, numbers), args.results)


if __name__ == "__main__":
    main()
