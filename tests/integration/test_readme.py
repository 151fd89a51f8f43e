"""README, README_zh and docs say what is so: commands, files, keys, layers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from palm.cli.main import COMMANDS, build_parser
from palm.config.resolve import load_run_config
from palm.downloader.catalogue import MODELS
from tests.integration.small_encoder import write_small_encoder

ROOT = Path(__file__).resolve().parent.parent.parent
READMES = ("README.md", "README_zh.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "data/*.md")
    for path in ROOT.glob(pattern)
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Fenced code blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for name, content in found if name == language]


def without_comments(block: str) -> list[str]:
    return [re.sub(r"\s+# .*$", "", line).rstrip() for line in block.splitlines()]


def section(text: str, number: int) -> str:
    """The text under the `number`th second-level heading."""
    return re.split(r"^## .*$", text, flags=re.MULTILINE)[number]


@pytest.mark.parametrize("name", READMES)
def test_two_commands_install_run_and_test(name: str) -> None:
    assert blocks(section(read(name), 1), "bash") == ["make quickstart\n", "make test\n"]


def test_ci_calls_the_readmes_test_command() -> None:
    lines = [line.strip() for line in read(".ci/run").splitlines()]
    assert blocks(section(read("README.md"), 1), "bash")[1].strip() in lines
    assert "make check" in lines
    assert "make install" in lines


def test_makefile_has_every_target_that_is_named() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    text = "".join(read(name) for name in (*READMES, "CONTRIBUTING.md", ".ci/run"))
    named = set(re.findall(r"\bmake ([a-z]+)", text)) - {"alone"}
    assert {"install", "check", "test", "bench", "docs"} <= targets
    assert named <= targets


def test_makefile_runs_in_a_folder_with_a_blank(tmp_path: Path) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    (folder / "Makefile").write_text(read("Makefile"), encoding="utf-8")
    command = ["make", "--dry-run", "install", "test", "check", f"VENV={tmp_path}/an environment"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert f'"{tmp_path}/an environment/bin/python" -m pytest' in done.stdout


@pytest.mark.parametrize("name", READMES)
def test_configuration_of_the_readme_is_sound(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    whole, task = blocks(read(name), "yaml")
    assert len(whole.splitlines()) in range(18, 23)
    assert len(task.splitlines()) == 5
    write_small_encoder(tmp_path / "encoder", ROOT / "data" / "vocab" / "vocab_en.txt")
    config = tmp_path / "config.yaml"
    config.write_text(whole.replace("backbone:", f"{task}backbone:", 1), encoding="utf-8")
    overrides = [f"--pretrain_model_path={tmp_path / 'encoder'}"]
    found = load_run_config(config, task_dir=str(tmp_path), for_train=True, overrides=overrides)
    assert [(one.name, one.settings.target) for one in found.tasks] == [
        ("intent", True),
        ("slots", True),
        ("masked_words", False),
    ]


def test_mistake_shown_in_the_readme_is_what_palm_says(tmp_path: Path) -> None:
    whole = blocks(read("README.md"), "yaml")[0].replace("learning_rate:", "learning_rat:")
    (tmp_path / "config.yaml").write_text(whole, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "palm", "check", "config.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = next(line for line in read("README.md").splitlines() if "nothing in this run reads" in line)
    said = next(line for line in done.stderr.splitlines() if "nothing in this run reads" in line)
    assert done.returncode == 2
    assert re.sub(r":\d+:", ":", said) == re.sub(r":\d+:", ":", shown)
    assert shown in read("README_zh.md")


@pytest.mark.parametrize("name", READMES)
def test_commands_exist_with_their_options(name: str) -> None:
    lines = [
        line for block in blocks(read(name), "bash") for line in without_comments(block) if line.startswith("palm ")
    ]
    assert {line.split()[1] for line in lines} == set(COMMANDS)
    for line in lines:
        words = line.split()[1:]
        parser, chosen = build_parser(words[0])
        own, _ = chosen.split_overrides(words[1:], lambda: {"explain"})
        parser.parse_args([words[0], *own])


@pytest.mark.parametrize("name", READMES)
def test_log_lines_are_those_of_palm(name: str) -> None:
    line = r"Global step: \d+\. Task: \w+, step \d+/\d+ \(epoch \d+\), loss: \d+\.\d{3}, speed: \d+\.\d\d steps/s"
    shown = next(block for block in blocks(read(name), "") if block.startswith("Global step"))
    assert all(
        re.fullmatch(
            rf"{line}|\w+: (evaluation at global step \d+: .*|train finished!|inference model saved at \S+)|\.\.\.", row
        )
        for row in shown.splitlines()
    )


def test_both_readmes_hold_the_same_code() -> None:
    english, chinese = (read(name) for name in READMES)
    for language in ("bash", "yaml", "python"):
        assert [without_comments(block) for block in blocks(english, language)] == [
            without_comments(block) for block in blocks(chinese, language)
        ]
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", chinese, re.MULTILINE))
    assert len(re.findall(r"^\|", english, re.MULTILINE)) == len(re.findall(r"^\|", chinese, re.MULTILINE))


@pytest.mark.parametrize("name", READMES)
def test_number_of_models(name: str) -> None:
    assert str(len(MODELS)) in next(line for line in read(name).splitlines() if line.startswith("palm download"))


@pytest.mark.parametrize("name", READMES)
def test_tree_shows_what_is_there(name: str) -> None:
    tree = next(block for block in blocks(read(name), "") if block.startswith("palm/"))
    inside = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    outside = re.findall(r"^(\S+)/ ", tree, re.MULTILINE)
    assert [entry for entry in inside if not (ROOT / "palm" / entry).exists()] == []
    assert [entry for entry in outside if not (ROOT / entry).is_dir()] == []
    packages = {f"{file.parent.name}/" for file in ROOT.glob("palm/*/__init__.py")}
    assert packages - set(inside) == set()
    for kind in ("reader", "backbone", "paradigm"):
        names = next(line for line in tree.splitlines() if line.startswith(f"  {kind}/"))
        registered = registry_of(kind)
        assert [component for component in registered if component not in names] == []


def registry_of(kind: str) -> list[str]:
    from palm.backbone import BACKBONES
    from palm.paradigm import PARADIGMS
    from palm.reader import READERS

    return list({"reader": READERS, "backbone": BACKBONES, "paradigm": PARADIGMS}[kind])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", read(name), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if not link.startswith("http")]
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []


def test_contributing_names_files_that_exist() -> None:
    named = [name for name in re.findall(r"`((?:palm|tests|docs)/[\w/.]+)`", read("CONTRIBUTING.md")) if "." in name]
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_table_of_keys_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "write_configuration.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`"


def test_layers_of_the_architecture_page_are_those_that_are_checked() -> None:
    checked = read("pyproject.toml").split("layers = [")[1].split("]")[0]
    wanted = [re.sub(r"\s*\|?\s*\(\w+\)", "", layer) for layer in re.findall(r'"(.+)"', checked)]
    page = read("docs/architecture.md").split("## Imports go down only")[1]
    shown = re.findall(r"^    (\S.*)$", page.split("`make check`")[0], re.MULTILINE)
    assert shown == [layer for layer in wanted if layer]


def test_no_path_of_a_developers_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a git clone")
    own = re.compile(r"(?<![\w.~}])/(?:work|home/\w+|root|Users/\w+)/")
    found = []
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.is_file() and own.search(file.read_text(encoding="utf-8", errors="ignore")):
            found.append(name)
    assert [name for name in found if name != "tests/integration/test_readme.py"] == []
