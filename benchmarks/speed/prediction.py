r"""B5: prediction from the file to labels and answers: ATIS test (intents, slots) and PolicyQA's test questions.

    python -m benchmarks.speed.prediction --atis JointBERT/data/atis --policyqa DATA/policyqa \
        --model pretrain/minilm-l6-en --peers .peers

A lap reads, tokenises, computes and decodes the whole file. paddle.inference runs PALM's exported graph on PALM's own
batches, sorted by length, so that only the engine differs; PyTorch pads each batch of the file's order to its longest.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.speed.comparison import numbers_of, speed_goal, speed_table
from benchmarks.speed.joint_lengths import EXAMPLE, palm_config
from benchmarks.speed.lineup import EAGER, TORCH_BF16, TUNED, Lineup, lineup_of, parser_of, plan_of, work_folder
from benchmarks.speed.results import Goal, Result, publish
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, race
from benchmarks.speed.workloads import Config, peer_settings

PALM, PADDLE_INFERENCE = "PALM", "paddle.inference"
BATCH = 32
# As in benchmarks/quality/policyqa.yaml.
POLICY = {"max_seq_len": 320, "max_query_len": 48, "doc_stride": 128, "max_answer_len": 60}
KINDS = {"intent": "cls", "slots": "seq_label", "policy": "mrc"}


def cut_squad(source: Path, target: Path, questions: int) -> None:
    """The first questions of a SQuAD file, with their paragraphs."""
    articles = json.loads(source.read_text(encoding="utf-8"))["data"]
    paragraphs, count = [], 0
    for paragraph in (paragraph for article in articles for paragraph in article["paragraphs"]):
        if count < questions:
            kept = paragraph["qas"][: questions - count]
            paragraphs.append({**paragraph, "qas": kept})
            count += len(kept)
    data = {"version": "1.1", "data": [{"title": "", "paragraphs": paragraphs}]}
    target.write_text(json.dumps(data), encoding="utf-8")


def prepare_data(atis: Path, policyqa: Path, work: Path, questions: int) -> dict[str, Path]:
    """Write the files of all three tasks; returns those to predict, by task."""
    prepare = [sys.executable, str(EXAMPLE / "prepare.py"), "--data", str(atis), "--out", str(work)]
    subprocess.run(prepare, check=True, stdout=sys.stderr)
    cut_squad(policyqa / "dev.json", work / "policy.train.json", 100)
    cut_squad(policyqa / "test.json", work / "policy.test.json", questions)
    return {name: work / f"{name}.test.{'json' if name == 'policy' else 'tsv'}" for name in KINDS}


def export_models(model: Path, work: Path) -> dict[str, Path]:
    """Train a few steps of all three tasks with `palm train`; returns the inference models, by task."""
    config = palm_config(model, work)
    policy = {"reader": "mrc", "paradigm": "mrc", "train_file": str(work / "policy.train.json")}
    long = {"tasks": {"policy": policy}, **POLICY, "batch_size": BATCH}
    for name, keys in (("atis", config), ("policyqa", {**config, **long})):
        file = work / f"{name}.yaml"
        output = work / name
        file.write_text(yaml.safe_dump({**keys, "max_steps": 2, "save_path": str(output)}), encoding="utf-8")
        words = [sys.executable, "-m", "palm", "train", str(file)]
        subprocess.run(words, check=True, stdout=sys.stderr, cwd=ROOT)
    homes = {"intent": "atis", "slots": "atis", "policy": "policyqa"}
    return {name: work / home / name / "infer_model" for name, home in homes.items()}


def peer_job(model: Path, name: str, exported: Path, file: Path) -> Config:
    """The settings of a peer: the same encoder, a head of the same size."""
    labels = json.loads((exported / "config.json").read_text(encoding="utf-8"))["labels"]
    length, stride = (POLICY["max_seq_len"], POLICY["doc_stride"]) if name == "policy" else (64, 0)
    keys = {"kind": KINDS[name], "file": str(file), "batch_size": BATCH, "max_length": length, "stride": stride}
    shape = {"labels": labels or [], "max_answer_len": POLICY["max_answer_len"]}
    return {**peer_settings(model, {}), "task": {**keys, **shape}}


def participants(lineup: Lineup, name: str, exported: Path, file: Path) -> list[Participant]:
    """All participants that predict one file."""
    ours = {"folder": str(exported), "file": str(file), "threads": lineup.threads}
    job = peer_job(lineup.model, name, exported, file)
    python, environment = Path(sys.executable), lineup.environment({})
    modules = {PALM: "palm_prediction", PADDLE_INFERENCE: "paddle_inference"}
    peers = [EAGER, TUNED, *([TORCH_BF16] if lineup.bf16 else [])]
    return lineup.kept(
        [
            *(Participant(who, python, f"benchmarks.speed.{what}", ours, environment) for who, what in modules.items()),
            *(lineup.torch(who, job, "benchmarks.speed.peers.prediction") for who in peers),
        ]
    )


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=1, warm_up=1))
    parser.add_argument("--atis", type=Path, required=True, help="folder data/atis of github.com/monologg/JointBERT")
    parser.add_argument("--policyqa", type=Path, required=True, help="folder with PolicyQA's dev.json and test.json")
    parser.add_argument("--questions", type=int, default=1000, help="number of PolicyQA's test questions")
    args = parser.parse_args()
    lineup, plan = lineup_of(args), plan_of(args)
    tables: list[str] = []
    goals: list[Goal] = []
    numbers: dict[str, Mapping[str, object]] = {}
    with work_folder() as work:
        files = prepare_data(args.atis, args.policyqa, work, args.questions)
        for name, exported in export_models(lineup.model, work).items():
            timings = race(participants(lineup, name, exported, files[name]), plan)
            tables.append(f"{name} (a lap is the whole file):\n\n{speed_table(timings, [EAGER, PADDLE_INFERENCE])}")
            goals.append(speed_goal(timings, PALM, EAGER, 2.0, what=f"{name}: {PALM} / {EAGER}"))
            what = f"{name}: {PALM} / {PADDLE_INFERENCE}"
            goals.append(speed_goal(timings, PALM, PADDLE_INFERENCE, 1.2, what=what))
            numbers[name] = numbers_of(timings)
    publish(Result("prediction", "B5: prediction", lineup.facts(plan), tables, goals, numbers), args.results)


if __name__ == "__main__":
    main()
