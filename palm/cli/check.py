"""`palm check`: report every problem of a configuration and the source of its values, without Paddle."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from palm.errors import counted
from palm.locale.current import translated_phrase, translated_word
from palm.locale.width import padded, width_of

if TYPE_CHECKING:
    from palm.config.run_config import RunConfig

EPILOG = """example:
  palm check config.yaml
  palm check config.yaml --task_dir tasks --explain --tasks.mrqa.batch_size 8
  palm check config.yaml --data
"""
HEADER = ("key", "value", "source", "overridden")
LONGEST_CELL = 60


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration",
        description="Check a configuration without training: keys, types, files, tasks, wiring of components.",
        epilog=EPILOG,
    )
    parser.add_argument("config", help="global YAML file")
    parser.add_argument("--explain", action="store_true", help="print each value, its source and what it overrides")
    parser.add_argument(
        "--data",
        action="store_true",
        help="read the data too: lengths, labels, duplicates, train/dev overlap, unknown words, bad answers",
    )
    parser.add_argument("--predict", action="store_true", help="check for prediction: no training files are needed")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command.

    Raises:
        ConfigError: Every problem of the configuration.
        DataError: Every problem of the data, with `--data`.

    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # pydantic would read all installed packages' metadata
    from palm.config.resolve import load_run_configs  # noqa: PLC0415 (the components are not needed for --help)

    configs = load_run_configs(
        args.config,
        task_dir=args.task_dir,
        for_train=not args.predict,
        overrides=overrides,
        wiring=True,
        download=False,
        searching=True,
    )
    for config in configs:
        if config.stage:
            between = "" if config is configs[0] else "\n"
            sys.stdout.write(f"{between}Stage {config.stage}, in {config.run.save_path}\n")
        sys.stdout.write(summary(config))
        if args.explain:
            rows = [
                [*map(translated_word, HEADER)],
                *((row.key, str(row.value), row.where, row.overridden) for row in config.explain),
            ]
            sys.stdout.write("\n" + aligned(rows) + ("" if args.predict else precision_line(config)))
    sys.stdout.write("" if args.predict else search_line(args.config, args.task_dir, overrides))
    for warning in configs[0].warnings:
        sys.stdout.write(f"Warning: {warning}\n")
    if args.data:
        _print_data_report(configs, for_train=not args.predict)
    return 0


def search_line(config: str, task_dir: str, overrides: Sequence[str]) -> str:
    """What `palm tune` would search, once every value of it was checked; empty without `search:`."""
    from palm.config.files import load_global  # noqa: PLC0415 (as above)

    if load_global(config).search is None:
        return ""
    from palm.tune.plan import make_plan  # noqa: PLC0415 (rarely needed)

    plan = make_plan(config, task_dir=task_dir, overrides=overrides, seeds=1)
    keys = ", ".join(each.key for each in plan.space)
    return f"\n`palm tune` searches {keys}, for the best {plan.objective.name}.\n"


def precision_line(config: "RunConfig") -> str:
    """What `amp: auto` chooses on this machine, which only Paddle and the kernels tell; empty without it."""
    if config.backbone_config is None or config.train.amp != "auto":
        return ""
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (only now: it takes seconds)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415 (as above)

    prepare_runtime()
    import_paddle()
    from palm.kernels.precision import NAMES, choose_precision  # noqa: PLC0415 (Paddle has to be set up first)
    from palm.runtime.device import choose_device, count_gpus  # noqa: PLC0415 (as above)

    choose_device(use_gpu=config.train.use_gpu and count_gpus() > 0)
    backbone = config.backbone_config
    chosen = choose_precision("auto", kernels=backbone.kernels, activation=backbone.hidden_act)
    return f"\namp: auto chooses {NAMES[chosen.computed]} on this machine: {chosen.reason}.\n"


def summary(config: "RunConfig") -> str:
    """The run in a few lines: its backbone, and each task."""
    backbone_config = config.backbone_config
    shape = (
        f", {translated_phrase(counted(backbone_config.num_hidden_layers, 'layer'))} × {backbone_config.hidden_size}"
        if backbone_config
        else ""
    )
    rows = [("task", "kind", "reader", "paradigm", "mix_ratio", "batch_size", "head", "train_file")]
    main = next((task.name for task in config.tasks if task.settings.target), None)
    for task in config.tasks:
        kind = "main" if task.name == main else "target" if task.settings.target else "auxiliary"
        settings = task.settings
        sampled = (f"{settings.mix_ratio:g}", str(settings.batch_size), task.head, settings.train_file or "")
        rows.append((task.name, translated_word(kind), task.reader_name, task.paradigm_name, *sampled))
    shown = aligned([[*map(translated_word, rows[0])], *rows[1:]])
    return f"The configuration is valid: {len(config.tasks)} task(s) on {config.backbone_name}{shape}.\n{shown}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table of text with aligned columns; Chinese characters count as two."""
    shortened = [[_shorten(cell) for cell in row] for row in rows]
    widths = [max(width_of(cell) for cell in column) for column in zip(*shortened, strict=True)]
    lines = ([padded(cell, wide) for cell, wide in zip(row, widths, strict=True)] for row in shortened)
    return "".join("  ".join(line).rstrip() + "\n" for line in lines)


def _print_data_report(configs: Sequence["RunConfig"], *, for_train: bool) -> None:
    from palm.cli.check_data import data_report  # noqa: PLC0415 (as above)
    from palm.errors import DataError  # noqa: PLC0415
    from palm.training.label_notices import label_lines  # noqa: PLC0415
    from palm.training.tasks import build_tasks_of  # noqa: PLC0415

    problems = []
    for config in configs:
        lines, more = data_report(config)
        problems += more
        stage = [f"Stage {config.stage}"] if config.stage else []
        sys.stdout.write("".join(["\n", *(f"{line}\n" for line in [*stage, *lines])]))
    tasks = [] if problems or not for_train else build_tasks_of(configs)  # with the errors of `palm train`
    sys.stdout.write("".join(f"{line}\n" for line in dict.fromkeys(label_lines([*chain.from_iterable(tasks)]))))
    if problems:
        raise DataError(list(dict.fromkeys(problems)))


def _shorten(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CELL else "…" + cell[1 - LONGEST_CELL :]
