r"""One text of 32 tokens: from the text to its label and probabilities, call by call.

    python -m benchmarks.speed.one_row --folder RUN/intent/infer_model --model pretrain/minilm-l6-en --peers .peers

`RUN/intent` is a classifier on that encoder, trained with `amp: bf16`, so that `auto` decides by the batch's size.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.speed.comparison import numbers_of
from benchmarks.speed.lineup import EAGER, TORCH_BF16, Lineup, lineup_of, parser_of, plan_of
from benchmarks.speed.results import Goal, Result, publish, table
from benchmarks.speed.side_by_side import Participant, Plan, Timings, race
from benchmarks.speed.workloads import peer_settings

TEXT = (
    "please show me the flights from boston to denver on monday morning before noon with a stop in dallas and the "
    "cheapest fare of a ticket at all today"
)
PALM = {f"PALM {precision}": precision for precision in ("float32", "bf16", "auto", "int8")}
ONNX = "ONNX Runtime"
GOAL_MS = 4.0


def participants(lineup: Lineup, folder: Path) -> list[Participant]:
    """PALM in each precision and its peers."""
    made = []
    for name, precision in PALM.items():
        settings = {"folder": str(folder), "text": TEXT, "precision": precision}
        python, environment = Path(sys.executable), lineup.environment({})
        made.append(Participant(name, python, "benchmarks.speed.palm_one_row", settings, environment))
    peers = [EAGER, *([TORCH_BF16] if lineup.bf16 else []), *([ONNX] if _has_onnx(lineup.peers) else [])]
    for name in peers:
        keys = {"text": TEXT, "engine": "onnx" if name == ONNX else "torch", "threads": lineup.threads}
        settings = {**peer_settings(lineup.model, {}), **keys}
        made.append(lineup.torch(name, settings, "benchmarks.speed.peers.one_row"))
    return lineup.kept(made)


def percentiles(timings: Timings) -> tuple[float, float]:
    """The median and the 95th percentile of a call, in ms."""
    seconds = [lap.seconds for laps in timings.rounds for lap in laps]
    middle, high = np.percentile(seconds, [50, 95])
    return 1000 * float(middle), 1000 * float(high)


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=10, steps=50, warm_up=20))
    parser.add_argument("--folder", type=Path, required=True, help="an inference model with the paradigm cls")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        timings = race(participants(lineup, args.folder.resolve()), plan)
    found = {name: percentiles(each) for name, each in timings.items()}
    rows = [[name, f"{middle:.2f}", f"{high:.2f}"] for name, (middle, high) in found.items()]
    best = min((found[name][0] for name in PALM if name in found), default=None)
    goals = [Goal("p50 of PALM's fastest, ms", best, GOAL_MS, at_most=True)]
    tables = [table(["", "p50 ms", "p95 ms"], rows)]
    result = Result("one_row", "One row of 32 tokens", lineup.facts(plan), tables, goals, numbers_of(timings))
    publish(result, args.results)


def _has_onnx(peers: Path) -> bool:
    return (
        subprocess.run([peers / "bin/python", "-c", "import onnxruntime"], capture_output=True, check=False).returncode
        == 0
    )


if __name__ == "__main__":
    main()
