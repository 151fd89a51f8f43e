"""`palm init --data`: a configuration from data files, each of its values with the reason."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

import yaml

from palm.cli.data_files import DataFile
from palm.data.sentencepiece_model import SENTENCEPIECE_FILE
from palm.data.tokenizer import Tokenizer
from palm.data.tokenizer_json import TOKENIZER_FILE
from palm.data.vocab import VOCAB_FILE
from palm.downloader.encoder import folder_on_disk
from palm.errors import ConfigError, Problem, counted
from palm.reader import READERS
from palm.schema.saved_model import read_json_object
from palm.schema.settings import TaskSettings

_DEV, _TEST, _TRAIN = ("dev", "valid", "validation", "val", "eval"), ("test",), ("train", "training")
_PART = re.compile(rf"[._-]?({'|'.join((*_DEV, *_TEST, *_TRAIN))})(?=$|[._-])", re.IGNORECASE)
_SHARD = re.compile(r"[._-]?\d{3,}(-of-\d+)?(?=$|[._-])")  # train-00000-of-00001.parquet
_LENGTHS = (32, 64, 128, 256, 512)
ENCODER = {False: "minilm-l6-en", True: "chinese-roberta-wwm-ext"}


@dataclass(frozen=True)
class TaskData:
    """A task and its files.

    Attributes:
        name: Its name.
        train: The training data.
        dev: The dev file.
        test: The file to predict.
    """

    name: str
    train: DataFile
    dev: Path | None
    test: Path | None


def as_tasks(files: Sequence[DataFile]) -> list[TaskData]:
    """The tasks of `files`: `x.train.csv`, `x.dev.csv` and `x.test.csv` are one.

    Raises:
        ConfigError: A dev or test file without its training file.
    """
    groups: dict[str, dict[str, DataFile]] = {}
    for each in files:
        stem = each.file.name.removesuffix(".gz").rpartition(".")[0] or each.file.name
        part = next((word.lower() for word in _PART.findall(stem)), "train")
        kind = "dev" if part in _DEV else "test" if part in _TEST else "train"
        name = re.sub(r"[^\w-]+", "_", _SHARD.sub("", _PART.sub("", stem))).strip("_-")
        name = name if re.search(r"[^\W\d_]", name) else each.guess.paradigm  # YAML reads digits as a number
        group = groups.setdefault(name[:60], {})
        if kind in group:
            rule = f"a task has one {kind} file. Found also {group[kind].file}. Join them, or rename one."
            raise ConfigError(Problem(str(each.file), rule))
        group[kind] = each
    for name, group in groups.items():
        if "train" not in group:
            file = next(iter(group.values())).file
            rule = f"a dev or test file goes with a training file. Found none for `{name}`. Give it with --data."
            raise ConfigError(Problem(str(file), rule))
    return [
        TaskData(name, group["train"], *(group[kind].file if kind in group else None for kind in ("dev", "test")))
        for name, group in groups.items()
    ]


def tokenizer_on_disk(encoder: str, folder: Path, *, for_cn: bool) -> Tokenizer | None:
    """The tokenizer of `encoder`; None if it is not on this machine yet.

    Raises:
        ConfigError: It is there, and cannot be read.
    """
    place = folder_on_disk(encoder, folder)
    files = [place / name for name in (TOKENIZER_FILE, VOCAB_FILE, SENTENCEPIECE_FILE)] if place else []
    file = next((each for each in files if each.is_file()), None)
    return None if file is None else Tokenizer.from_file(file, for_cn=for_cn)


def configuration(tasks: Sequence[TaskData], folder: Path, *, for_cn: bool, chinese: bool, encoder: str) -> str:
    """The text of config.yaml in `folder`.

    Args:
        tasks: The tasks.
        folder: The folder of the configuration.
        for_cn: Whether the texts are Chinese.
        chinese: Whether comments are Chinese.
        encoder: The encoder: a name, an id on a hub, or a folder.
    """
    say = 1 if chinese else 0
    lines = [_HEAD[say].format(task=tasks[0].name), "tasks:"]
    for task in tasks:
        lines += _task_lines(task, folder, say)
    lines += ["", *_run_lines(tasks, folder, say, for_cn=for_cn, encoder=encoder)]
    return "\n".join(lines) + "\n"


_HEAD = (
    "# Written by palm init from the data; each line may be changed.\n#\n"
    "#   palm train config.yaml               trains; palm check config.yaml --data looks at the data first\n"
    "#   palm pred  output_model/{task} TEXT    predicts\n",
    "# 由 palm init 根据数据生成，每一行都可修改。\n#\n"
    "#   palm train config.yaml               训练；palm check config.yaml --data 先检查数据\n"
    "#   palm pred  output_model/{task} 文本    预测\n",
)


def _task_lines(task: TaskData, folder: Path, say: int) -> Iterator[str]:
    data = task.train
    labels = _labels(data, say)
    found = (
        f"{counted(data.rows, 'row')}: {data.guess.why[0]}{labels}",
        f"{data.rows} 行：{data.guess.why[1]}{labels}",
    )[say]
    yield f"  {task.name}:  # {found}"
    yield f"    reader: {data.guess.reader}"
    yield f"    paradigm: {data.guess.paradigm}"
    for key, value in data.guess.keys.items():
        yield f"    {key}: {_plain(value)}"
    about, by = (
        (("", ""), ("", "")) if data.is_counted else (("about ", "约 "), (", estimated by words", "（按词估计）"))
    )
    yield f"    max_seq_len: {_length(data)}" + _comment(
        f"95 % of the texts have up to {about[0]}{counted(data.longest, 'token')}{by[0]}",
        f"95% 的文本不超过{about[1]}{data.longest} 个词元{by[1]}",
        say,
    )
    yield f"    train_file: {_path(data.file, folder)}"
    if task.dev is not None:
        yield f"    dev_file: {_path(task.dev, folder)}"
    else:
        # A fraction is split off where this PALM can do that, and enough rows are there.
        splits = hasattr(TaskSettings, "dev_fraction") and data.rows >= 20
        yield ("    dev_file: 10%" if splits else "    # dev_file: FILE") + _comment(
            "rows to evaluate on; the best evaluation is exported", "用于评估的行；导出最佳评估的模型", say
        )
    if task.test is not None:
        yield f"    pred_file: {_path(task.test, folder)}"


def _length(data: DataFile) -> int:
    """Tokens for most texts; where long ones are split, enough for a window."""
    fits = next((size for size in _LENGTHS if size >= data.longest), _LENGTHS[-1])
    return min(max(fits, 128), 384) if READERS[data.guess.reader].splits_long_texts else fits


def _labels(data: DataFile, say: int) -> str:
    if not data.labels or data.guess.keys.get("label_kind") == "number":
        return ""
    names = ", ".join(f"{name} {count}" for name, count in list(data.labels.items())[:6])
    more = ", …" if len(data.labels) > 6 else ""
    return (f"; {counted(len(data.labels), 'label')} ({names}{more})", f"；{len(data.labels)} 个标签（{names}{more}）")[
        say
    ]


def _plain(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _path(file: Path, folder: Path) -> str:
    return _plain(Path(relpath(file.resolve(), folder.resolve())).as_posix())


def _run_lines(tasks: Sequence[TaskData], folder: Path, say: int, *, for_cn: bool, encoder: str) -> Iterator[str]:
    length = max(_length(task.train) for task in tasks)
    batch = 32 if length <= 128 else 16 if length <= 256 else 8
    rows = tasks[0].train.rows
    epochs = 3 if rows >= 5000 else 5 if rows >= 1000 else 10
    small = min(task.train.rows for task in tasks)
    batch = max(1, min(batch, small // 4))
    yield "save_path: output_model"
    yield from _encoder_lines(encoder, folder, say)
    if for_cn:
        yield "for_cn: true" + _comment("most characters are Chinese", "文本以汉字为主", say)
    yield f"batch_size: {batch}" + _comment(
        f"for {length} tokens and {counted(small, 'row')}", f"适合 {length} 个词元与 {small} 行数据", say
    )
    yield f"num_epochs: {epochs}" + _comment(
        f"{counted(rows, 'row')}: the fewer, the more passes", f"{rows} 行：数据越少，轮数越多", say
    )
    rate, why = ("3e-5", ("usual for 12 layers", "12 层编码器的常用值")) if for_cn else (
        "1e-4", ("usual for MiniLM; 3e-5 for 12 layers", "MiniLM 的常用值；12 层编码器用 3e-5"))  # fmt: skip
    yield f"learning_rate: {rate}" + _comment(*why, say)
    yield "warmup_proportion: 0.06" + _comment("a steady start", "平稳起步", say)


def _encoder_lines(encoder: str, folder: Path, say: int) -> Iterator[str]:
    place = Path(encoder).expanduser()
    if not place.is_dir():
        yield f"encoder: {_plain(encoder)}" + _comment(
            "palm train downloads it where it is missing", "缺少时由 palm train 下载", say
        )
    elif _names_architecture(place / "config.json"):
        path = _path(place, folder)
        yield f"encoder: {path}" if "/" in path else f"encoder: {_plain(f'./{path}')}"
    else:  # the first BERT and ERNIE do not say what they are
        yield "backbone: bert" + _comment("config.json does not say which", "config.json 未说明结构", say)
        yield f"pretrain_model_path: {_path(place, folder)}"


def _names_architecture(config: Path) -> bool:
    from palm.backbone.model_type import type_key  # noqa: PLC0415 (the package imports paddle)

    return config.is_file() and type_key(read_json_object(config)) is not None


def _comment(english: str, chinese: str, say: int) -> str:
    return f"  # {(english, chinese)[say]}"
