"""Common code of the examples with a YAML file: prepare the data, train, evaluate."""

import argparse
import json
import sys
from pathlib import Path

from public_data import prepare

import palm


def run(home: Path, about: str, *, english: str, chinese: str) -> None:
    """Prepare the public data set, train the configuration, and print the metrics of each target.

    Args:
        home: Folder of the example, with config.yaml (English) and config_zh.yaml (Chinese).
        about: Description of the example, for --help.
        english: The English data set.
        chinese: The Chinese one.
    """
    parser = argparse.ArgumentParser(description=about)
    where = f"folder of {english}, or with --language zh of {chinese}"
    parser.add_argument("--data", type=Path, required=True, help=where)
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    args, overrides = parser.parse_known_args()
    name, config = (english, "config.yaml") if args.language == "en" else (chinese, "config_zh.yaml")
    prepare(name, args.data, home / "data" / args.language)
    controller = palm.Controller(home / config, overrides=overrides)
    controller.train()
    for task in controller.config.tasks:
        gold = next((file for file in (home / "data" / args.language).glob("test.*")), task.settings.dev_file)
        if task.settings.target and gold is not None:
            metrics = controller.evaluate(task.name, file=gold)
            sys.stdout.write(json.dumps({"task": task.name, "file": Path(gold).name, **metrics}) + "\n")
