"""Configurations that attack or confuse; used by tests and by `benchmarks/faults`."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import yaml

from palm.config.resolve import load_run_config
from palm.errors import ConfigError
from tests.attacks import Watched, mutated
from tests.integration import tiny


def good_config(folder: Path) -> bytes:
    """A global file that is right."""
    tasks = {"water": tiny.classification_task(folder, "water"), "slots": tiny.slot_task(folder, "slots")}
    return yaml.safe_dump(tiny.config(folder, tasks, mix_ratio="1.0, 0.5"), allow_unicode=True).encode()


def evil_configs(trace: Path) -> Iterator[tuple[str, str]]:
    """YAML that asks to be executed, to grow without end, or to lead outside, by what it tries."""
    for tag in ("python/object/apply:os.system", "python/object/new:os.system", "python/object:os.system",
                "python/name:os.system", "python/module:os", "python/object/apply:builtins.eval",
                "python/object/apply:subprocess.Popen", "python/tuple", "binary", "set", "omap"):  # fmt: skip
        yield f"tag {tag}", f"save_path: !!{tag} ['touch {trace}']\n"
        yield f"key with tag {tag}", f"? !!{tag} ['touch {trace}']\n: 1\n"
    yield "a tag of its own", "save_path: !include /etc/passwd\n"
    yield "a directive", f"%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system ['touch {trace}']\n"
    bomb = ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    yield "alias bomb", "\n".join(bomb) + "\n"
    merge = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], y{n}: *a{n - 1}}}" for n in range(1, 40)]
    yield "merge bomb", "\n".join(merge) + "\n"
    yield "an alias of itself", "a: &a [*a]\n"
    yield "a merge of itself", "a: &a {<<: *a}\n"
    yield "deep lists", "a: " + "[" * 3000 + "]" * 3000 + "\n"
    yield "deep mappings", "a: " + "{a: " * 3000 + "1" + "}" * 3000 + "\n"
    yield "deep blocks", "".join(" " * n + "a:\n" for n in range(500))
    yield "a huge number", f"batch_size: {'9' * 100_000}\n"
    yield "a number with an exponent", "batch_size: 1e99999999\nlearning_rate: 1e-99999999\n"
    yield "numbers of base 60", "batch_size: 1:30:00\n"
    yield "not a number", "learning_rate: .nan\nnum_epochs: .inf\n"
    yield "many keys", "".join(f"key{n}: 1\n" for n in range(20_000))
    yield "many documents", "a: 1\n---\nb: 2\n"
    yield "a NUL", "a: 1\0\n"
    yield "control characters", 'a: "\\0\\x07\\e"\nsave_path: "a\\0b"\ntrain_file: "\\ud800"\n'
    for name in ("../up", "a/b", "/etc/x", "..", ".", "", " ", "a\\b", "C:x", "a\\0b", "~", "~root", "$HOME", "con",
                 "a" * 300, "ckpt", "log.txt", "metrics.jsonl", "earlier", "config.resolved.yaml"):  # fmt: skip
        yield f"task name {name[:20]!r}", f'tasks:\n  "{name}": {{reader: cls, paradigm: cls}}\n'
        yield f"task instance {name[:20]!r}", f'task_instance: ["{name}"]\n'


def attempt(text: bytes, folder: Path) -> str:
    """Load a configuration: `read` or `refused`, or what it made the process do."""
    file = folder / "config.yaml"
    file.write_bytes(text)
    with Watched() as events:
        try:
            load_run_config(str(file), task_dir=str(folder))
            end = "read"
        except ConfigError:
            end = "refused"
    ran = [
        event for event in events if not event.startswith(("import", "compile", "exec", "marshal"))
    ]  # pydantic builds validators
    return f"ran {ran[0]}" if ran else end


def mutations(good: bytes, count: int, chance: Random) -> Iterator[bytes]:
    """`count` mutations of a configuration that is right, with lines moved, doubled and replaced as well."""
    values = (
        "null", "true", "-1", "1e400", "''", "[]", "{}", "[[]]", "../x", "&a", "*a", "!!python/name:os.system", "0x10",
        "1_000", "~", "|", ">-", "'", '"', "@x", "`x", "%x", "- 1", "? x", "中文", "1, 2, 3", ".nan", "2020-01-01",
    )  # fmt: skip
    for _ in range(count):
        lines = good.decode().splitlines(keepends=True)
        for _ in range(chance.randint(0, 2)):
            place = chance.randrange(len(lines))
            kind = chance.randrange(4)
            if kind == 0:
                lines.insert(chance.randrange(len(lines)), lines[place])
            elif kind == 1:
                del lines[place]
            elif kind == 2:
                lines[place] = " " * chance.randrange(4) + lines[place]
            else:
                lines[place] = f"{lines[place].split(':')[0]}: {chance.choice(values)}\n"
        text = "".join(lines).encode()
        yield mutated(text, chance) if chance.random() < 0.6 else text
