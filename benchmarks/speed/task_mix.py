"""B4: the tasks of the manual's demo 2, reading comprehension, masked words and matching, at 384 tokens.

    python -m benchmarks.speed.task_mix --data DATA/palm_samples --model pretrain/minilm-l6-en --peers .peers

DATA/palm_samples is the folder test/test2/data of github.com/PaddlePaddle/PALM. Tasks are sampled 1.0 : 0.5 : 0.5; a
turn must be long enough for each to be sampled.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.speed.comparison import failures, numbers_of
from benchmarks.speed.lineup import EAGER, TUNED, lineup_of, parser_of, plan_of, work_folder
from benchmarks.speed.results import Result, publish, table
from benchmarks.speed.side_by_side import Plan, Timings, race
from benchmarks.speed.workloads import Config, peer_settings, training_config

LENGTH, STRIDE = 384, 128
RATIOS = {"mrc": 1.0, "mlm": 0.5, "match": 0.5}


def jobs(data: Path, model: Path, work: Path, batch: int) -> tuple[Config, Config]:
    """PALM's configuration and the peers' settings."""
    files = {
        "mrc": data / "mrqa/train.json",
        "mlm": data / "mlm4mrqa/train.tsv",
        "match": data / "match4mrqa/train.tsv",
    }
    ours = {
        kind: {"reader": kind, "paradigm": kind, "train_file": str(file), "mix_ratio": RATIOS[kind]}
        for kind, file in files.items()
    }
    ours["mrc"] |= {"doc_stride": STRIDE}
    theirs = {
        kind: {
            "kind": kind,
            "file": str(file),
            "ratio": RATIOS[kind],
            "batch_size": batch,
            "max_length": LENGTH,
            "stride": STRIDE,
        }
        for kind, file in files.items()
    }
    config = training_config(model, work, ours) | {"max_seq_len": LENGTH, "batch_size": batch}
    return config, peer_settings(model, theirs)


def mix_seconds(timings: Timings) -> float:
    """Seconds per step of the mix: every task at its ratio, independent of the samples of a turn."""
    return sum(share * timings.seconds(kind) for kind, share in RATIOS.items()) / sum(RATIOS.values())


def task_table(timings: Mapping[str, Timings]) -> str:
    """Seconds per step, by task and over the mix, and the mix's speed-up over the peers."""
    others = [name for name in (EAGER, TUNED) if name in timings]
    header = ["s per step", *RATIOS, "mix", *(f"mix × {name}" for name in others)]
    rows = []
    for name, own in timings.items():
        mix = mix_seconds(own)
        ratios = [f"{mix_seconds(timings[other]) / mix:.2f}" for other in others]
        rows.append([name, *(f"{own.seconds(kind):.3f}" for kind in RATIOS), f"{mix:.3f}", *ratios])
    return table(header, rows)


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=24, warm_up=6, settle=2))
    parser.add_argument("--data", type=Path, required=True, help="folder with mrqa, mlm4mrqa and match4mrqa")
    parser.add_argument("--batch", type=int, default=4, help="examples per step")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        with work_folder() as work:
            timings = race(lineup.kept(lineup.usual(*jobs(args.data.resolve(), lineup.model, work, args.batch))), plan)
        by_task = {name: {kind: own.seconds(kind) for kind in own.kinds} for name, own in timings.items()}
        numbers = numbers_of(timings) | {"seconds_by_task": by_task}
        title = f"B4: the mix of demo 2, {args.batch} × {LENGTH}"
        publish(
            Result("task_mix", title, lineup.facts(plan), [task_table(timings), *failures(timings)], [], numbers),
            args.results,
        )


if __name__ == "__main__":
    main()
