"""`palm demo`: a first run in an empty folder, from a configuration and data in the wheel to predictions."""

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import palm
from palm.cli.demo_folder import CONFIG, DATA, write_demo
from palm.cli.demo_rows import DemoRow, demo_rows, table
from palm.errors import ConfigError, Problem

if TYPE_CHECKING:
    from palm.inference.run_predictor import RunPredictor

EPILOG = """example:
  palm demo                              in English: about three minutes on two cores
  palm demo --zh                         in Chinese, on a larger encoder
  palm demo --encoder DIR                without a network: an encoder on this machine
"""

_WORDS = {
    "en": (
        "{right} of {count} right, after {minutes:.1f} minutes. Neither these rows nor the cities,\n"
        "companies, hotels and names in them were among the training rows.",
        "Next:",
        "a single room in Lima for two nights",
    ),
    "zh": (
        "{count} 个预测中 {right} 个正确，用时 {minutes:.1f} 分钟。\n"
        "这些句子以及其中的城市、公司、酒店和人名都没有在训练数据中出现过。",
        "下一步：",
        "请帮我订一间桂林的房间",
    ),
}


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "demo",
        help="train three tasks on data of PALM's own, and show predictions",
        description="Write a configuration and data into a new folder, download a small encoder, train three tasks on "
        "it, and predict 15 rows that are not among the training rows.",
        epilog=EPILOG,
    )
    parser.add_argument("--zh", action="store_true", help="Chinese data, on a multilingual encoder")
    parser.add_argument("--folder", type=Path, default=Path("palm-demo"), help="folder to write (default: palm-demo)")
    parser.add_argument("--encoder", help="an encoder's folder, id on a hub or name, instead of the demo's")
    parser.add_argument("--use_gpu", action="store_true", help="train on a GPU")
    parser.add_argument("--random_seed", type=int, help="another seed than the configuration's (1)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the demo has options of its own
    language = "zh" if args.zh else "en"
    begin = time.monotonic()
    written = write_demo(args.folder, language)
    say(f"Wrote {args.folder}." if written else f"Using the configuration and data in {args.folder}.")
    saved = args.folder / "output_model"
    train(args, saved)
    rows = predictions(args.folder, saved)
    say("", *table(rows), "", *ending(rows, args.folder, language, time.monotonic() - begin))
    return 0


def train(args: argparse.Namespace, saved: Path) -> None:
    """Train as the configuration in the demo's folder says.

    Raises:
        ConfigError: The configuration was changed and is wrong, or the encoder cannot be fetched; then with the way
            without a network.
    """
    words = [f"--save_path={saved}", f"--use_gpu={args.use_gpu}".lower()]
    words += [f"--encoder={args.encoder}"] if args.encoder is not None else []
    words += [f"--random_seed={args.random_seed}"] if args.random_seed is not None else []
    try:
        palm.Controller(str(args.folder / CONFIG), task_dir=str(args.folder), overrides=words).train()
    except ConfigError as error:
        if args.encoder is not None or not all(one.message.startswith("encoder: ") for one in error.problems):
            raise
        advice = "folder with config.json, model.safetensors, and vocab.txt or tokenizer.json"
        raise ConfigError(
            [*error.problems, Problem("", f"Without a network: palm demo --encoder DIR, a {advice}.")]
        ) from error


def predictions(folder: Path, saved: Path) -> list[DemoRow]:
    """The demo's rows, each with what the run's model predicts: it is loaded once for all tasks."""
    rows_of = demo_rows(folder / DATA)
    predictors = cast("RunPredictor", palm.load(saved, tasks=list(rows_of)))
    found = []
    for task, rows in rows_of.items():
        predicted = predictors[task].predict_rows([row.row for row in rows])
        found += [row.predicted(one) for row, one in zip(rows, predicted, strict=True)]
    return found


def ending(rows: list[DemoRow], folder: Path, language: str, seconds: float) -> list[str]:
    """How many are right, and what to run next."""
    summary, heading, text = _WORDS[language]
    model = shlex.quote((folder / "output_model").as_posix())
    right = sum(row.is_right for row in rows)
    return [
        summary.format(right=right, count=len(rows), minutes=seconds / 60),
        heading,
        f'  palm pred {model}/intent "{text}"',
        f"  palm pred {model}/slots -i",
        f"  cd {shlex.quote(folder.as_posix())} && palm train {CONFIG} --random_seed 2",
        "  palm init my_project --data my_rows.csv",
    ]


def say(*lines: str) -> None:
    """Print lines, also where the terminal knows no marks or Chinese."""
    for line in lines:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(f"{line}\n".encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
