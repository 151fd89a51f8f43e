"""Every code block of docs: Python is run, YAML has PALM's keys, commands exist; or a comment gives the reason why not.

`<!-- not run: reason -->` in the line above a block excuses it. What `palm` commands may say is in test_docs.py.
"""

import ast
import json
import os
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import palm
from tests.integration.documents import DOCUMENTS, ROOT, blocks, read
from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import palm_here

PAGES = [name for name in DOCUMENTS if name.startswith("docs/")]
# Pages whose Python is run elsewhere, with the test that does it; the reference is signatures, which are generated.
RUN_BY = {
    "docs/extending.md": "test_extending.py",
    "docs/python-api.md": "test_python_api_docs.py",
    "docs/python-api_zh.md": "test_python_api_docs.py",
    "docs/guides/csv.md": "test_docs.py",
    "docs/guides/csv_zh.md": "test_docs.py",
    "docs/guides/trackers.md": "test_docs_blocks.py",
    "docs/guides/errors.md": "test_docs_blocks.py",
    "docs/api-reference.md": "test_python_api_docs.py",
}
TOOLS = {
    "palm",
    "pip",
    "make",
    "python",
    "bash",
    "cat",
    "docker",
    "curl",
    "cd",
    "git",
    "echo",
    "tar",
    "unzip",
    "set",
    "export",
}
FIRST_COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ +)*(\S+)")
RUN = "tasks:\n  intent:"


def marked(name: str, language: str) -> list[tuple[str, str]]:
    """Each block of a language with the reason for not running it, "" for none."""
    found = re.findall(r"(?:^<!-- not run: (.*) -->\n)?^```(\w*)\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL)
    return [(reason, content) for reason, kind, content in found if kind == language]


def with_blocks(language: str) -> list[str]:
    return [name for name in PAGES if blocks(read(name), language)]


@pytest.fixture(scope="module")
def keys() -> dict[str, set[str]]:
    """The names that a configuration and a task may have, aliases among them, from the schema for editors."""
    schema = json.loads(palm_here("schema").stdout)
    task = schema["$defs"]["task"]
    return {"run": set(schema["properties"]), "task": set(task["properties"])}


@pytest.mark.parametrize("name", with_blocks("yaml"))
def test_yaml_has_keys_that_palm_knows(name: str, keys: dict[str, set[str]]) -> None:
    unknown = [key for reason, block in marked(name, "yaml") if not reason for key in unknown_keys(block, keys)]
    assert unknown == []


def unknown_keys(block: str, keys: dict[str, set[str]]) -> set[str]:
    """Keys that neither a run nor a task has; a block may be a part of a file, indented as it stands there."""
    found = yaml.safe_load(block)
    if block.startswith(" "):
        found = {"tasks": found}
    unknown = set()
    for run in [found, *(found.get("stages") or {}).values()]:
        unknown |= set(run) - keys["run"] - keys["task"]
        for task in (run.get("tasks") or {}).values():
            unknown |= set(task or {}) - keys["task"]
    return unknown


def test_an_unknown_key_is_found(keys: dict[str, set[str]]) -> None:
    assert unknown_keys("learning_rat: 1\nstages: {a: {tasks: {b: {raeder: cls}}}}\n", keys) == {
        "learning_rat",
        "raeder",
    }
    assert unknown_keys("  slots:\n    reeder: cls\n", keys) == {"reeder"}


@pytest.mark.parametrize("name", with_blocks("bash"))
def test_commands_are_there(name: str) -> None:
    missing = [line for reason, block in marked(name, "bash") if not reason for line in missing_commands(name, block)]
    assert missing == []


def missing_commands(name: str, block: str) -> list[str]:
    """Commands whose program, module, file or target does not exist."""
    lines = block.replace("\\\n", " ").splitlines()
    commands = [part.strip() for line in lines for part in re.split(r"&&|\|\|?", re.sub(r"(^|\s)# .*$", "", line))]
    return [command for command in commands if command and not is_there(name, command)]


def is_there(name: str, command: str) -> bool:
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    if words[0] not in TOOLS:
        return False
    if words[0] == "make":
        return all(
            re.search(rf"^{target}:", read("Makefile"), re.MULTILINE) for target in words[1:] if target[0] != "-"
        )
    if words[:2] == ["python", "-m"]:
        return words[2].split(".")[0] not in ("palm", "benchmarks", "tests") or find_spec(words[2]) is not None
    if words[0] in ("python", "bash") and words[1:] and words[1].endswith((".py", ".sh")):
        places = (ROOT, (ROOT / name).parent, ROOT / "examples" / "few_shot")
        return any((place / words[1]).is_file() for place in places) or "/" not in words[1]
    return True


def test_a_command_that_is_missing_is_found() -> None:
    block = (
        "plam train x.yaml && make quickstart\nmake nothing\npython -m benchmarks.nothing  # comment\nbash docs/no.sh\n"
    )
    found = missing_commands("docs/README.md", block)
    assert found == ["plam train x.yaml", "make nothing", "python -m benchmarks.nothing", "bash docs/no.sh"]


@pytest.mark.parametrize("name", with_blocks("python"))
def test_python_is_python(name: str) -> None:
    if name != "docs/api-reference.md":
        for _, block in marked(name, "python"):
            ast.parse(block)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages assume it: the README's configuration, its data, an encoder and a run."""
    home = tmp_path_factory.mktemp("pages")
    (home / "data").symlink_to(ROOT / "data")
    (home / "tasks").mkdir()
    encoder = home / "pretrain" / "minilm-l6-en"
    write_small_encoder(encoder, ROOT / "data" / "vocab" / "vocab_en.txt")
    short = blocks(read("README.md"), "yaml")[0].replace("num_epochs: 6", "num_epochs: 1\nmax_steps: 4\nuse_gpu: false")
    (home / "config.yaml").write_text(short, encoding="utf-8")
    for name in ("new.tsv", "train.tsv"):
        (home / name).write_text("label\ttext_a\nbook_hotel\ta quiet room\ncancel_train\tcancel it\n", encoding="utf-8")
    done = palm_here("train", "config.yaml", cwd=home)
    assert done.returncode == 0, done.stderr
    return home


def run_here() -> list[str]:
    return [name for name in with_blocks("python") if name not in RUN_BY or RUN_BY[name] == Path(__file__).name]


@pytest.mark.parametrize("name", run_here())
def test_python_runs(name: str, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page, one after the other, as a reader would type them."""
    monkeypatch.chdir(trained)
    names: dict[str, object] = {"palm": palm}
    for reason, block in marked(name, "python"):
        if not reason:
            exec(compile(block, name, "exec"), names)


def test_every_page_is_run_by_a_test_that_is_there() -> None:
    assert set(RUN_BY) <= set(with_blocks("python"))
    tests = os.listdir(ROOT / "tests" / "integration")
    assert set(RUN_BY.values()) <= set(tests)
