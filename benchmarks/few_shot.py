"""Few labels: fine-tuning, prompts and contrastive training side by side.

    python -m benchmarks.few_shot zh --data DIR --encoder FOLDER

Each run is `palm train` for a number of steps that is set beforehand, with no selection on dev rows, and `palm eval` on
rows that no run has seen. `zh`: FewCLUE's TNEWS (15 classes, 240 rows), its five splits, test_public. `en`: SST-2 (2
classes) and the intents of SNIPS (7) with 8, 16 and 64 rows per class, sampled with as many seeds as --splits.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import machine_facts

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
_PACKAGES = ("paddlepaddle", "numpy", "tokenizers")
_BATCH = 16

ZH_WORDS = {
    "news_agriculture": "农业", "news_car": "汽车", "news_culture": "文化", "news_edu": "教育",
    "news_entertainment": "娱乐", "news_finance": "财经", "news_game": "游戏", "news_house": "房产",
    "news_military": "军事", "news_sports": "体育", "news_stock": "股票", "news_story": "故事",
    "news_tech": "科技", "news_travel": "旅游", "news_world": "国际",
}  # fmt: skip
SST2_WORDS = {"0": "terrible", "1": "great"}
SNIPS_WORDS = {
    "AddToPlaylist": "playlist", "BookRestaurant": "restaurant", "GetWeather": "weather", "PlayMusic": "music",
    "RateBook": "book", "SearchCreativeWork": "work", "SearchScreeningEvent": "movie",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A text and its label."""

    text: str
    label: str


@dataclass(frozen=True)
class Problem:
    """A data set with few labels.

    Attributes:
        name: Its name in the table.
        train: The labelled rows of each split.
        test: The rows that are evaluated on.
        texts: Texts without labels, for the `mlm` stage.
        words: The word of each label.
        hard: A template.
        soft: What stands before the text in a soft one.
        masks: Number of [MASK].
    """

    name: str
    train: Sequence[Sequence[Row]]
    test: Sequence[Row]
    texts: Sequence[str]
    words: Mapping[str, str]
    hard: str
    soft: str
    masks: int = 1


@dataclass(frozen=True)
class Method:
    """How a task trains.

    Attributes:
        name: Its name in the table.
        keys: Keys of the task beside its files.
        after_mlm: Whether it starts from the encoder of the `mlm` stage.
    """

    name: str
    keys: Mapping[str, Any]
    after_mlm: bool = False


def methods_for(problem: Problem) -> list[Method]:
    """All methods, in the order of the table."""
    plain = {"reader": "cls", "paradigm": "cls"}
    mask = f"{{'mask': None, 'length': {problem.masks}}}"
    prompt = {"reader": "prompt", "paradigm": "prompt", "label_words": dict(problem.words)}
    hard = {**prompt, "prompt": problem.hard.replace("<mask>", mask)}
    soft = {
        **prompt,
        "prompt": f"{{'soft': {problem.soft!r}}}{{'text': 'text_a'}}{mask}",
        "verbalizer": "soft",
        "ppt_learning_rate": 3e-4,
    }
    return [
        Method("fine-tuning", plain),
        Method("contrastive (embed)", {"reader": "embed", "paradigm": "embed"}),
        Method("mlm + fine-tuning", plain, after_mlm=True),
        Method("mlm + hard prompt", hard, after_mlm=True),
        Method("mlm + soft prompt", soft, after_mlm=True),
    ]


def tnews(data: Path, splits: int) -> Iterator[Problem]:
    """FewCLUE's TNEWS."""
    home = data / "fewclue_tnews"
    rows = {name: _json_lines(home / f"{name}.json") for name in ("test_public", "unlabeled")}
    train = [_rows_of(_json_lines(home / f"train_{number}.json")) for number in range(splits)]
    texts = [row["sentence"] for row in rows["unlabeled"]]
    yield Problem(
        "TNEWS, 240 rows", train, _rows_of(rows["test_public"]), texts, ZH_WORDS,
        hard="这是一条<mask>新闻：{'text': 'text_a'}", soft="这条新闻标题的主题是", masks=2,
    )  # fmt: skip


def english(data: Path, splits: int) -> Iterator[Problem]:
    """SST-2 and the intents of SNIPS, by the number of rows per class."""
    sst2 = [_tabbed(line) for line in _lines(data / "sst2_full" / "sentiment-train")]
    sst2 = [row for row in sst2 if len(row.text.split()) > 3]  # phrases of a word or two say little
    sst2_test = [_tabbed(line) for line in _lines(data / "sst2_full" / "sentiment-test")]
    snips, snips_test = (
        [Row(text, label) for text, label in zip(_lines(home / "seq.in"), _lines(home / "label"), strict=True)]
        for home in (data / "snips" / "train", data / "snips" / "test")
    )
    for name, rows, test, words, hard, soft in (
        ("SST-2", sst2, sst2_test, SST2_WORDS, "{'text': 'text_a'} It was <mask>.", "It was"),
        ("SNIPS", snips, snips_test, SNIPS_WORDS, "A question about <mask>: {'text': 'text_a'}", "A question about"),
    ):
        texts = random.Random(0).sample([row.text for row in rows], min(len(rows), 20_000))
        for count in (8, 16, 64):
            train = [_per_class(rows, count, seed) for seed in range(splits)]
            yield Problem(f"{name}, {count} per class", train, test, texts, words, hard, soft)


def _per_class(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    shuffled = random.Random(seed).sample(list(rows), len(rows))
    labels = sorted({row.label for row in rows})
    return [row for label in labels for row in [row for row in shuffled if row.label == label][:count]]


def _rows_of(found: Sequence[Mapping[str, Any]]) -> list[Row]:
    return [Row(row["sentence"], row["label_desc"]) for row in found]


def _json_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _tabbed(line: str) -> Row:
    text, _, label = line.rpartition("\t")
    return Row(text.strip(), label.strip())


def write_rows(rows: Sequence[Row], file: Path) -> Path:
    """A tsv with a header."""
    body = "".join(f"{row.label}\t{' '.join(row.text.split())}\n" for row in rows)
    file.write_text("label\ttext_a\n" + body, encoding="utf-8")
    return file


def palm(*words: str) -> str:
    """Run a palm command; returns its standard output."""
    process = subprocess.run([sys.executable, "-m", "palm", *words], capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"palm {' '.join(words)}: {process.stdout[-2000:]} {process.stderr[-2000:]}")
    return process.stdout


def configuration(folder: Path, encoder: str, task: Mapping[str, Any], **keys: object) -> str:
    """A configuration of one task, written to `folder`."""
    source = "pretrain_model_path" if Path(encoder).is_dir() else "encoder"
    whole = {"save_path": str(folder / "out"), source: encoder, "max_seq_len": 64, "print_every_n_steps": 1000, **keys}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({**whole, "tasks": {"news": dict(task)}}, allow_unicode=True), encoding="utf-8")
    return str(file)


def mlm_stage(problem: Problem, encoder: str, folder: Path, epochs: float) -> tuple[str, float]:
    """An encoder that has continued as a masked language model on the texts, and the seconds that it took."""
    folder.mkdir()
    file = write_rows([Row(text, "") for text in problem.texts], folder / "texts.tsv")
    task = {"reader": "mlm", "paradigm": "mlm", "train_file": str(file), "batch_size": 32}
    whole = yaml.safe_load(Path(configuration(folder, encoder, task)).read_text(encoding="utf-8"))
    tasks = whole.pop("tasks")
    whole["stages"] = {"words": {"tasks": tasks, "num_epochs": epochs, "learning_rate": 5e-5, "warmup_ratio": 0.1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    began = time.monotonic()
    palm("train", str(folder / "config.yaml"))
    return str(folder / "out" / "words" / "encoder"), time.monotonic() - began


def accuracy_of(
    problem: Problem, split: int, method: Method, encoder: str, folder: Path, steps: int
) -> tuple[float, float]:
    """Accuracy on the test rows, and seconds of training."""
    folder.mkdir()
    train = write_rows(problem.train[split], folder / "train.tsv")
    test = write_rows(problem.test, folder / "test.tsv")
    epochs = steps * _BATCH / len(problem.train[split])
    task = {**method.keys, "train_file": str(train), "batch_size": _BATCH, "drop_last": False}
    config = configuration(
        folder, encoder, task, num_epochs=epochs, learning_rate=5e-5, warmup_ratio=0.1, random_seed=split + 1
    )
    began = time.monotonic()
    palm("train", config)
    seconds = time.monotonic() - began
    said = palm("eval", str(folder / "out" / "news"), "--file", str(test))
    return float(json.loads(said.splitlines()[-1])["accuracy"]), seconds


def measured(
    problem: Problem,
    methods: Sequence[Method],
    encoder: str,
    continued: str,
    seconds_of_mlm: float,
    steps: int,
    work: Path,
) -> Iterator[dict[str, Any]]:
    """Each method over all splits.

    Args:
        problem: The data.
        methods: The methods.
        encoder: The encoder.
        continued: The encoder after the `mlm` stage.
        seconds_of_mlm: What that took.
        steps: Training steps of each run.
        work: A folder for the runs.
    """
    home = work / problem.name.replace(" ", "_")
    home.mkdir()
    for method in methods:
        runs = []
        for split in range(len(problem.train)):
            started = continued if method.after_mlm else encoder
            runs.append(accuracy_of(problem, split, method, started, home / f"{method.name}_{split}", steps))
        accuracies = [accuracy for accuracy, _ in runs]
        row = {
            "problem": problem.name,
            "method": method.name,
            "accuracies": accuracies,
            "mean": statistics.mean(accuracies),
            "deviation": statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
            "minutes": statistics.mean(seconds for _, seconds in runs) / 60,
            "mlm_minutes": seconds_of_mlm / 60 if method.after_mlm else 0.0,
        }
        print(line_of(row), flush=True)
        yield row


def line_of(row: Mapping[str, Any]) -> str:
    """A row of the table."""
    minutes = f"{row['minutes']:.1f}" + (f" + {row['mlm_minutes']:.1f}" if row["mlm_minutes"] else "")
    score = f"{100 * row['mean']:.1f} ± {100 * row['deviation']:.1f}"
    return f"| {row['problem']} | {row['method']} | {score} | {minutes} |"


def main() -> int:
    """Print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=("zh", "en"))
    parser.add_argument("--data", type=Path, required=True, help="folder with fewclue_tnews, sst2_full and snips")
    parser.add_argument("--encoder", required=True, help="name or folder of the encoder")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300, help="training steps of 16 rows in each run")
    parser.add_argument("--mlm_epochs", type=float, default=3.0)
    parser.add_argument("--only", nargs="*", default=[""], help="only problems whose names contain one of these")
    parser.add_argument("--methods", nargs="*", help="only these methods; rows of others stay in the results")
    options = parser.parse_args()
    problems = tnews if options.language == "zh" else english
    print("| data | method | accuracy, mean ± deviation | minutes per run |\n|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        stages: dict[str, tuple[str, float]] = {}  # one for all sizes of a data set
        for problem in problems(options.data, options.splits):
            if not any(part in problem.name for part in options.only):
                continue
            data = problem.name.partition(",")[0]
            methods = [each for each in methods_for(problem) if options.methods is None or each.name in options.methods]
            if data not in stages and any(method.after_mlm for method in methods):
                stages[data] = mlm_stage(problem, options.encoder, work / f"{data}_mlm", options.mlm_epochs)
            stage = stages.get(data, (options.encoder, 0.0))
            for row in measured(problem, methods, options.encoder, *stage, options.steps, work):
                rows.append(row)
                write_results(rows, options)  # hours may still be to come
    print(json.dumps(machine_facts(_PACKAGES)))
    return 0


def write_results(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> None:
    """The rows so far, each with its machine, beside those of earlier runs with the same settings."""
    settings = {key: getattr(options, key) for key in ("language", "splits", "steps", "mlm_epochs")}
    settings["encoder"] = Path(options.encoder).name
    file = RESULTS / f"few_shot_{options.language}.json"
    earlier = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known = earlier.get("rows", []) if earlier.get("settings") == settings else []
    found = {(row["problem"], row["method"]): row for row in known}
    found |= {(row["problem"], row["method"]): {**row, "machine": machine_facts(_PACKAGES)} for row in rows}
    content = {"settings": settings, "rows": [*found.values()]}
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
