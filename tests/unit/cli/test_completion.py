"""`palm completion`: the script completes commands, options and keys; bash runs it here."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from palm.cli.completion import SHELLS, complete_parser
from palm.cli.main import COMMANDS, main


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        code = "from palm.cli.main import main; import sys; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", code, "completion", shell], capture_output=True, check=True)
        assert done.stderr == b""
        (folder / shell).write_bytes(done.stdout)
    return {shell: folder / shell for shell in SHELLS}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_a_key_are_in_the_script(scripts: dict[str, Path], shell: str) -> None:
    script = scripts[shell].read_text(encoding="utf-8")
    assert all(command in script for command in COMMANDS)
    assert "learning_rate" in script
    assert "max_restarts" in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["palm", "dem"], ["demo"]),
        (["palm", "train", "--learning_r"], ["--learning_rate"]),
        (["palm", "train", "config.yaml", "--max_res"], ["--max_restarts"]),
        (["palm", "completion", "b"], ["bash"]),
        (["palm", "train", "conf"], ["config.yaml"]),
    ],
)
def test_bash_completes(scripts: dict[str, Path], tmp_path: Path, words: list[str], expected: list[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    (tmp_path / "config.yaml").touch()
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {scripts['bash']}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        f"name=$(complete -p palm | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \"$name\" palm '{words[-1]}' '{words[-2]}'; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [word.strip() for word in done.stdout.split()] == expected, done.stderr


def test_files_are_completed_where_files_are_named() -> None:
    parser = complete_parser("files")
    [commands] = [action for action in parser._actions if action.choices]
    train = {action.dest: action for action in commands.choices["train"]._actions}
    assert train["config"].complete == train["train_file"].complete == "files"
    assert not hasattr(train["learning_rate"], "complete")


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "zsh"]) == 2
    assert "pip install shtab" in capsys.readouterr().err
