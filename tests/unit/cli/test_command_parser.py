"""Words of a command are distinguished from overrides."""

import pytest

from palm.cli.command_parser import CommandParser
from palm.locale.width import width_of


@pytest.fixture
def parser() -> CommandParser:
    parser = CommandParser(prog="palm train")
    parser.add_argument("config")
    parser.add_argument("--task_dir", default=".")
    parser.add_argument("--resume", nargs="?", const="auto", choices=("auto", "never"))
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("-d", "--download", action="append")
    return parser


@pytest.mark.parametrize(
    ("line", "own", "overrides"),
    [
        ("c.yaml", "c.yaml", ""),
        ("c.yaml --learning_rate 1e-4", "c.yaml", "--learning_rate 1e-4"),
        ("--learning_rate 1e-4 c.yaml", "c.yaml", "--learning_rate 1e-4"),
        ("c.yaml --threshold -0.5", "c.yaml", "--threshold -0.5"),
        ("c.yaml --threshold=-0.5", "c.yaml", "--threshold=-0.5"),
        ("c.yaml --use_ema", "c.yaml", "--use_ema"),
        ("--use_ema c.yaml", "c.yaml", "--use_ema"),
        ("--use-ema c.yaml", "c.yaml", "--use-ema"),
        ("--tasks.a.use_ema c.yaml", "c.yaml", "--tasks.a.use_ema"),
        ("--use_ema false c.yaml", "c.yaml", "--use_ema false"),
        ("c.yaml --use_ema --seed 3", "c.yaml", "--use_ema --seed 3"),
        ("c.yaml --tasks.mrqa.batch_size 8 tasks.a.b=9", "c.yaml", "--tasks.mrqa.batch_size 8 tasks.a.b=9"),
        ("c.yaml batch_size=8 --explain", "c.yaml --explain", "batch_size=8"),
        ("./dir=1/c.yaml seed=2", "./dir=1/c.yaml", "seed=2"),
        ("c.yaml --task_dir a=b --seed 1", "c.yaml --task_dir a=b", "--seed 1"),
        ("c.yaml --task_dir=t", "c.yaml --task_dir=t", ""),
        ("--resume c.yaml", "--resume=auto c.yaml", ""),
        ("--resume never c.yaml", "--resume never c.yaml", ""),
        ("c.yaml --resume --seed 1", "c.yaml --resume=auto", "--seed 1"),
        ("c.yaml --resume", "c.yaml --resume", ""),
        ("c.yaml -d x", "c.yaml -d x", ""),
        ("--seed 1 -- --odd.yaml", "-- --odd.yaml", "--seed 1"),
        ("c.yaml --mix_ratio", "c.yaml", "--mix_ratio"),
    ],
)
def test_splits(parser: CommandParser, line: str, own: str, overrides: str) -> None:
    assert parser.split_overrides(line.split(), lambda: {"use_ema"}) == (own.split(), overrides.split())


def test_words_with_blanks_and_chinese_stay_whole(parser: CommandParser) -> None:
    words = ["--save_path", "输出 目录", "配置.yaml", "task_instance=意图, 槽位"]
    own, overrides = parser.split_overrides(words, set)
    assert own == ["配置.yaml"]
    assert overrides == ["--save_path", "输出 目录", "task_instance=意图, 槽位"]


def test_keys_without_value_are_asked_for_only_where_it_matters(parser: CommandParser) -> None:
    def refuse() -> set[str]:
        raise AssertionError("the schemas were read")

    words = ["c.yaml", "--seed=1", "a=b", "--use_ema", "--x", "true"]
    assert parser.split_overrides(words, refuse) == (["c.yaml"], words[1:])


def test_dashes_stand_for_underscores_in_declared_options(parser: CommandParser) -> None:
    words = ["--task-dir", "my-dir", "--task-dir=x-y", "--learning-rate", "--", "--task-dir"]
    spelt = ["--task_dir", "my-dir", "--task_dir=x-y", "--learning-rate", "--", "--task-dir"]
    assert parser.with_declared_spelling(words) == spelt


def test_a_misspelt_option_gets_a_hint(parser: CommandParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser.refuse("--task_dri")
    assert stopped.value.code == 2
    assert "unknown option `--task_dri`. Did you mean `--task_dir`?" in capsys.readouterr().err


def test_options_are_never_abbreviated(parser: CommandParser) -> None:
    _, unknown = parser.parse_known_args(["c.yaml", "--exp"])
    assert unknown == ["--exp"]


def small_parser() -> CommandParser:
    made = CommandParser(prog="palm", description="all tasks")
    made.add_argument("file", help="rows to predict")
    made.add_argument("--resume", help="most rows of a label: the N most certain ones " * 3)
    return made


def test_help_in_chinese(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "60")
    lines = small_parser().format_help().splitlines()
    assert lines[0].startswith("用法：palm [-h]")
    assert "所有任务" in lines
    assert "位置参数:" in lines
    assert "要预测的数据" in "".join(lines)
    assert max(map(width_of, lines)) <= 60


def test_help_in_english(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "en")
    assert "positional arguments:\n  file             rows to predict\n" in small_parser().format_help()


@pytest.mark.parametrize(("language", "said"), [("en", "the following arguments are required: file"), ("zh", "file")])
def test_errors_in_both_languages(monkeypatch, capsys, language, said):
    monkeypatch.setenv("PALM_LANG", language)
    with pytest.raises(SystemExit):
        small_parser().parse_args([])
    assert said in capsys.readouterr().err
