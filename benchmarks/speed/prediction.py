r"""B5: prediction from the file to labels and answers: ATIS test (intents, slots) and PolicyQA's test questions.

    python -m benchmarks.speed.prediction --atis JointBERT/data/atis --policyqa DATA/policyqa \
        --model pretrain/minilm-l6-en --peers .peers

A lap reads, tokenises, computes and decodes the whole file. paddle.inference runs PALM's exported graph on PALM's own
batches, sorted by length, so that only the engine differs. PyTorch pads each batch of the file's order to its longest,
as scripts do; where a name says `sorted`, and in ONNX Runtime and OpenVINO, batches have similar lengths. One row is
also predicted by itself, from a text in memory (PALM) or a file of one row (peers).
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import yaml

from benchmarks.speed.comparison import best, failures, memory_goal, numbers_of, speed_goal, speed_table
from benchmarks.speed.joint_lengths import EXAMPLE, palm_config
from benchmarks.speed.lineup import (
    EAGER,
    FUSED,
    MEDIUM,
    PALM_BF16,
    TORCH_BF16,
    TUNED,
    Lineup,
    lineup_of,
    parser_of,
    plan_of,
    work_folder,
)
from benchmarks.speed.results import Goal, Result, publish, table
from benchmarks.speed.side_by_side import ROOT, Participant, Plan, Race, Timings, race
from benchmarks.speed.workloads import Config, peer_settings, token_lengths

SPEED = "benchmarks.speed"
PADDLE_INFERENCE, PALM_AUTO, PALM_INT8 = "paddle.inference", "PALM auto", "PALM int8"
# Precision by name; `auto` is what PALM chooses by itself.
PALMS = {FUSED: "float32", PALM_BF16: "bf16", PALM_INT8: "int8", PALM_AUTO: "auto"}
# Engine by name. PyTorch reads the file in its order, as scripts do, unless sorted; other engines sort by length.
PEERS = {
    EAGER: "torch",
    TUNED: "torch",
    MEDIUM: "torch",
    TORCH_BF16: "torch",
    f"{TORCH_BF16}, sorted": "torch",
    "ONNX Runtime float32": "onnx_float32",
    "ONNX Runtime int8": "onnx_int8",
    "OpenVINO float32": "openvino_float32",
    "OpenVINO bf16": "openvino_bf16",
}
ROW_TOKENS = 32
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
        file.write_text(
            yaml.safe_dump({**keys, "amp": "auto", "max_steps": 2, "save_path": str(output)}), encoding="utf-8"
        )
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


def participants(lineup: Lineup, name: str, exported: Path, file: Path, *, one_row: bool = False) -> list[Participant]:
    """All participants that predict one file, or its first row."""
    ours = {"folder": str(exported), "file": str(file), "threads": lineup.threads, "one_row": one_row}
    python, environment = Path(sys.executable), lineup.environment({})
    palms = {who: precision for who, precision in PALMS.items() if lineup.bf16 or precision == "float32"}
    found = [
        Participant(who, python, f"{SPEED}.palm_prediction", {**ours, "precision": precision}, environment)
        for who, precision in palms.items()
    ]
    if not one_row:
        found.append(Participant(PADDLE_INFERENCE, python, f"{SPEED}.paddle_inference", ours, environment))
    job = peer_job(lineup.model, name, exported, file)
    for who, engine in PEERS.items():
        task = {**job["task"], "sorted": "sorted" in who or engine != "torch"}
        settings = {**job, "engine": engine, "threads": lineup.threads, "task": task}
        if lineup.bf16 or "bf16" not in who:
            found.append(lineup.torch(who, settings, f"{SPEED}.peers.prediction"))
    return lineup.kept(found)


def file_of_one_row(table: Path, model: Path, target: Path) -> Path:
    """A table of the row whose number of tokens is closest to ROW_TOKENS."""
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    texts = [row.split("\t")[header.split("\t").index("text_a")] for row in rows]
    lengths = token_lengths(texts, model / "vocab.txt", longest=512)
    chosen = min(range(len(rows)), key=lambda row: abs(lengths[row] - ROW_TOKENS))
    target.write_text(f"{header}\n{rows[chosen]}\n", encoding="utf-8")
    return target


def median_ms(timings: Timings) -> float:
    """Milliseconds of a lap, the median of all laps."""
    return 1000 * median(lap.seconds for laps in timings.rounds for lap in laps)


def one_row_table(race: Race) -> str:
    """Median and 95th percentile of the calls' milliseconds."""
    rows = []
    for name, timings in race.items():
        laps = sorted(1000 * lap.seconds for laps in timings.rounds for lap in laps)
        rows.append([name, f"{median_ms(timings):.2f}", f"{laps[int(0.95 * (len(laps) - 1))]:.2f}"])
    rows += [[name, "–", "–"] for name in race.failed]
    return "\n\n".join([table(("one row, ms", "p50", "p95"), rows), *failures(race)])


def goals_of(name: str, timings: Race) -> list[Goal]:
    """The goals of one file."""
    ours, theirs = best(timings, [PALM_BF16, PALM_INT8, PALM_AUTO]), best(timings, [TORCH_BF16, MEDIUM])
    float32, bf16 = {"slots": (1.7, 2.5), "intent": (1.7, 2.5), "policy": (1.3, 2.0)}[name]
    others = best(timings, [who for who, engine in PEERS.items() if engine != "torch"])
    wanted = ((FUSED, EAGER, float32), (ours, theirs, bf16), (ours, others, 1.0))
    found = [speed_goal(timings, one, other, least, what=f"{name}: {one} / {other}") for one, other, least in wanted]
    return [*found, memory_goal(timings, PALM_BF16, TORCH_BF16, 0.7, what=f"{name}: peak memory of bf16")]


def main() -> None:
    parser = parser_of(__doc__, Plan(rounds=5, steps=1, warm_up=1))
    parser.add_argument("--atis", type=Path, required=True, help="folder data/atis of github.com/monologg/JointBERT")
    parser.add_argument("--policyqa", type=Path, required=True, help="folder with PolicyQA's dev.json and test.json")
    parser.add_argument("--questions", type=int, default=1000, help="number of PolicyQA's test questions")
    parser.add_argument("--files", nargs="+", choices=KINDS, default=list(KINDS), help="which of the files")
    parser.add_argument("--calls", type=int, default=100, help="calls of a turn with one row; 0 leaves them out")
    args = parser.parse_args()
    plan = plan_of(args)
    with lineup_of(args) as lineup:
        tables: list[str] = []
        goals: list[Goal] = []
        numbers: dict[str, Mapping[str, object]] = {}
        against = [EAGER, TORCH_BF16, f"{TORCH_BF16}, sorted", "ONNX Runtime int8", "OpenVINO bf16"]
        with work_folder() as work:
            files = prepare_data(args.atis, args.policyqa, work, args.questions)
            exported = export_models(lineup.model, work)
            for name in args.files:
                timings = race(participants(lineup, name, exported[name], files[name]), plan)
                tables.append(f"{name} (a lap is the whole file):\n\n{speed_table(timings, against)}")
                goals += goals_of(name, timings)
                numbers[name] = numbers_of(timings)
            if args.calls:
                row = file_of_one_row(files["intent"], lineup.model, work / "one_row.tsv")
                calls = Plan(rounds=plan.rounds, steps=args.calls, warm_up=20)
                timings = race(participants(lineup, "intent", exported["intent"], row, one_row=True), calls)
                tables.append(f"One row of about {ROW_TOKENS} tokens, a call each:\n\n{one_row_table(timings)}")
                ours = best(timings, [PALM_AUTO, *PALMS])
                p50 = median_ms(timings[ours]) if ours in timings else None
                goals.append(Goal(f"one row, ms, {ours}", p50, 4.0, at_most=True))
                numbers["one row"] = {name: median_ms(own) for name, own in timings.items()}
        publish(Result("prediction", "B5: prediction", lineup.facts(plan), tables, goals, numbers), args.results)


if __name__ == "__main__":
    main()
