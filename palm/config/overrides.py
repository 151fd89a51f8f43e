"""Command-line overrides: `--learning_rate 1e-4`, `tasks.mrqa.batch_size=8`, `--use_ema`."""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from palm.config.yaml_file import parse_yaml
from palm.errors import ConfigError, Problem
from palm.runtime.script import runs_a_script
from palm.schema.values import ALIAS_VALUES, ALIASES, Setting, settle_aliases

_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_TRUTH = {"true", "false", "yes", "no", "on", "off", "0", "1"}


@dataclass(frozen=True)
class Overrides:
    """Overrides of the command line: of the whole run, of single tasks and stages, and their problems."""

    flat: dict[str, Setting]
    tasks: dict[str, dict[str, Setting]]
    problems: tuple[Problem, ...] = ()
    stages: dict[str, "Overrides"] = field(default_factory=dict)


def overrides_from_argv(argv: Sequence[str] | None = None) -> list[str]:
    """Overrides on the command line of a user's script: `python demo3.py --learning_rate 1e-4`.

    Arguments before the first flag belong to the script. In a notebook, under pytest and in an interactive
    interpreter the command line is not that of a script, and nothing is read.

    Args:
        argv: Script name and arguments; `sys.argv` by default.

    """
    argv = sys.argv if argv is None else argv
    if not runs_a_script(argv):
        return []
    words = list(argv[1:])
    while words and not words[0].startswith("--") and not _is_assignment(words[0]):
        words.pop(0)
    return words


def asks_for_help(argv: Sequence[str] | None = None) -> bool:
    """Whether a user's own script was started with `--help` or `-h`."""
    argv = sys.argv if argv is None else argv
    return runs_a_script(argv) and any(word in ("-h", "--help") for word in argv[1:])


def parse_overrides(words: Sequence[str], flags: Collection[str] = ()) -> Overrides:
    """Read overrides; the last value of a repeated key counts, as usual on a command line.

    Args:
        words: The command line's words.
        flags: Names of boolean keys, which need no value.

    """
    problems: list[Problem] = []
    pairs: dict[str, list[tuple[str, str, str]]] = {"": []}
    for dotted, written, value in _pairs(words, flags, problems):
        stage, own = _split_stage(dotted)
        pairs.setdefault(stage, []).append((own, written, value))
    stages = {stage: _settled(own, []) for stage, own in pairs.items() if stage}
    return replace(_settled(pairs[""], problems), stages=stages)


def _settled(pairs: Sequence[tuple[str, str, str]], problems: list[Problem]) -> Overrides:
    """The overrides of the whole run, or of one stage."""
    settings: dict[tuple[str, str], Setting] = {}
    for dotted, written, value in pairs:
        task, key = _split_task(dotted, written, problems)
        settings[task, key] = Setting(key, _plain_value(value, written, problems), written, written=key)
    flat, more = settle_aliases(setting for (task, _), setting in settings.items() if not task)
    problems += more
    tasks: dict[str, dict[str, Setting]] = {}
    for name in dict.fromkeys(task for task, _ in settings if task):
        tasks[name], more = settle_aliases(setting for (task, _), setting in settings.items() if task == name)
        problems += more
    return Overrides({key: setting for key, setting in flat.items() if key}, tasks, tuple(problems))


def _is_assignment(word: str) -> bool:
    return "=" in word and bool(_KEY.fullmatch(word.split("=", 1)[0].removeprefix("--")))


def _pairs(words: Sequence[str], flags: Collection[str], problems: list[Problem]) -> Iterator[tuple[str, str, str]]:
    """Key, the flag as written, and value of each override."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if _is_assignment(word):
            written, value = word.split("=", 1)
            yield written.removeprefix("--"), written, value
        elif word.startswith("--") and _KEY.fullmatch(word[2:]):
            if _takes_no_value(word[2:], rest, flags):
                yield word[2:], word, "true"
            elif rest and not rest[0].startswith("--"):
                yield word[2:], word, rest.pop(0)
            else:
                problems.append(Problem(word, f"a flag takes a value. Found none. Write `{word} VALUE`."))
        else:
            rule = "settings are written `--key value` or `key=value`."
            problems.append(Problem("command line", f"{rule} Found `{word}`. Remove it or name its key."))


def _takes_no_value(dotted: str, rest: Sequence[str], flags: Collection[str]) -> bool:
    key = dotted.rsplit(".", 1)[-1].replace("-", "_")
    if key in ALIAS_VALUES:
        return not rest or rest[0].startswith("--") or _is_assignment(rest[0])
    return ALIASES.get(key, key) in flags and not (rest and rest[0].lower() in _TRUTH)


def _split_stage(dotted: str) -> tuple[str, str]:
    """`stages.pretrain.tasks.a.batch_size` → `pretrain` and the rest; no stage if there is none."""
    parts = dotted.split(".", 2)
    return (parts[1], parts[2]) if parts[0] == "stages" and len(parts) == 3 else ("", dotted)


def _split_task(dotted: str, written: str, problems: list[Problem]) -> tuple[str, str]:
    parts = dotted.split(".")
    if parts[0] == "tasks" and len(parts) == 3:
        return parts[1], parts[2].replace("-", "_")
    if len(parts) == 1 and dotted not in ("tasks", "stages"):
        return "", dotted.replace("-", "_")
    kind = "stage" if parts[0] == "stages" else "task"
    rule = f"a key of one {kind} is written `--{kind}s.<{kind}>.<key> value`."
    problems.append(Problem(written, f"{rule} Found `{dotted}`."))
    return "", ""


def _plain_value(value: str, written: str, problems: list[Problem]) -> object:
    if value in ("null", "~"):
        return None
    if not value.startswith("["):
        return value
    try:
        return parse_yaml(f"value: {value}", written).data["value"]
    except ConfigError as error:
        problems += error.problems
        return value
