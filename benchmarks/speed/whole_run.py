"""B9: a whole run of ATIS, from the first to the last second: start-up, training, evaluation, checkpoints, export.

    python -m benchmarks.speed.whole_run --data JointBERT/data/atis --model pretrain/minilm-l6-en --peers .peers

`palm train examples/atis/config.yaml` against a script with transformers' Trainer (length grouping) of the same number
of steps, both heads, evaluated on the same dev rows after as many steps and saved at the end. Each is a process of its
own; they alternate. `--epochs 12` is the example's own run.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.speed.joint_lengths import EXAMPLE, peer_job
from benchmarks.speed.lineup import FUSED, PALM_BF16, Lineup, lineup_of, parser_of, work_folder
from benchmarks.speed.results import Goal, Result, publish, table
from benchmarks.speed.side_by_side import ROOT, Participant, Plan
from benchmarks.speed.worker import peak_memory

GROUPED = "Trainer, length grouping"
_LOOK = 0.05


@dataclass(frozen=True)
class Whole:
    """One run.

    Attributes:
        seconds: From the command to the end of the process.
        peak_bytes: Largest resident memory.
    """

    seconds: float
    peak_bytes: int


def palm_words(config: Path, model: Path, out: Path, amp: str, epochs: int) -> list[str]:
    """The command of a run of PALM."""
    keys = {"pretrain_model_path": model, "save_path": out, "amp": amp, "num_epochs": epochs}
    return [sys.executable, "-m", "palm", "train", str(config), *(f"--{key}={value}" for key, value in keys.items())]


def steps_of(out: Path) -> int:
    """Steps of a finished run of PALM."""
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return max(json.loads(line)["global_step"] for line in lines)


def whole_run(words: Sequence[str], environment: Mapping[str, str], said: str = "") -> Whole:
    """Run a command to its end; `said` goes to its stdin.

    Raises:
        RuntimeError: It failed; its output is above.
    """
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(
        words, cwd=ROOT, env=dict(environment), stdin=subprocess.PIPE, stdout=sys.stderr, text=True
    ) as process:
        if process.stdin:
            process.stdin.write(said)
            process.stdin.close()
        while process.poll() is None:
            try:
                peak = max(peak, peak_memory(process.pid))
            except (OSError, StopIteration):  # it is ending
                break
            time.sleep(_LOOK)
        code = process.wait()
    if code:
        raise RuntimeError(f"{' '.join(words)}: ended with exit code {code}.")
    return Whole(time.perf_counter() - began, peak)


def trainers(lineup: Lineup) -> list[str]:
    """The peers by name."""
    return [f"{GROUPED}, tuned", *([f"{GROUPED}, bf16"] if lineup.bf16 else [])]


def trainer_of(lineup: Lineup, name: str, work: Path, steps: int, epochs: int) -> Participant:
    """A run of the Trainer."""
    job = peer_job(lineup.model, work)
    dev = {task: str(work / f"{task}.dev.tsv") for task in job["tasks"]}
    every = max(1, round(steps / epochs))
    keys = {"group_by_length": True, "max_steps": steps, "dev": dev, "eval_every": every}
    keys["folder"] = str(work / "trainer")
    return lineup.torch(name, {**job, **keys}, "benchmarks.speed.peers.whole_run")


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=1, steps=1, warm_up=0))
    parser.add_argument("--data", type=Path, required=True, help="folder data/atis of github.com/monologg/JointBERT")
    parser.add_argument("--epochs", type=int, default=12, help="epochs of the run")
    args = parser.parse_args()
    found: dict[str, list[Whole]] = {}
    failed: dict[str, str] = {}
    with lineup_of(args) as lineup, work_folder() as work:
        prepare = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(args.data), "--out", str(work / "data")]
        subprocess.run(prepare, check=True, stdout=sys.stderr)
        (work / "config.yaml").write_text((EXAMPLE / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        for file in (work / "data").iterdir():
            os.link(file, work / file.name)
        ours = {FUSED: "off", **({PALM_BF16: "bf16"} if lineup.bf16 else {})}
        # PALM's own cache of tokenised data is empty before each run, as in the other benchmarks.
        environment = lineup.environment({})
        steps = 0
        for _ in range(args.rounds):
            for name, amp in ours.items():
                if not lineup.only or name in lineup.only:
                    out = work / name
                    words = palm_words(work / "config.yaml", lineup.model, out, amp, args.epochs)
                    _measure(found, failed, name, words, environment)
                    steps = steps or steps_of(out)
            for name in trainers(lineup):
                if not lineup.only or name in lineup.only:
                    peer = trainer_of(lineup, name, work, steps, args.epochs)
                    words = [str(peer.python), "-m", peer.module]
                    _measure(found, failed, name, words, peer.environment, json.dumps(peer.settings) + "\n")
        facts = {**lineup.facts(Plan(args.rounds, steps, 0)), "steps": str(steps), "epochs": str(args.epochs)}
    publish(result_of(found, failed, facts), args.results)


def _measure(
    found: dict[str, list[Whole]], failed: dict[str, str], name: str, words: Sequence[str],
    environment: Mapping[str, str], said: str = "",
) -> None:  # fmt: skip
    sys.stderr.write(f"{name}: a whole run\n")
    try:
        found.setdefault(name, []).append(whole_run(words, environment, said))
    except (RuntimeError, OSError) as error:
        failed[name] = str(error)
    else:
        sys.stderr.write(f"{name}: {found[name][-1].seconds:.1f} s\n")


def result_of(found: Mapping[str, Sequence[Whole]], failed: Mapping[str, str], facts: Mapping[str, str]) -> Result:
    """The table and the goals."""
    seconds = {name: median(run.seconds for run in runs) for name, runs in found.items() if runs}
    peer = min((name for name in seconds if name.startswith(GROUPED)), key=lambda name: seconds[name], default="")
    rows = [
        [name, f"{own:.1f}", f"{seconds[peer] / own:.2f}" if peer else "–",
         f"{max(run.peak_bytes for run in found[name]) / 2**30:.2f}"]
        for name, own in seconds.items()
    ]  # fmt: skip
    lines = [f"{name}: failed: {why}" for name, why in failed.items()]
    ours = min((name for name in seconds if name.startswith("PALM")), key=lambda name: seconds[name], default="")
    ratio = seconds[peer] / seconds[ours] if peer and ours else None
    goals = [Goal(f"whole run: {ours or 'PALM'} / {peer or GROUPED}", ratio, 2.0)]
    header = ("a whole run of ATIS", "seconds", f"× {peer or GROUPED}", "peak GB")
    numbers = {name: [run.seconds for run in runs] for name, runs in found.items()}
    title = "B9: a whole run of ATIS, from start to export"
    return Result("whole_run", title, facts, [table(header, rows), *lines], goals, numbers)


if __name__ == "__main__":
    main()
