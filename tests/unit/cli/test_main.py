"""The shell of the command line: commands, exit codes, and that nothing heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import palm
from palm.cli import main as command_line
from palm.cli.main import COMMANDS, main
from palm.config.user_code import import_user_code
from palm.errors import ConfigError

ROOT = Path(palm.__file__).parents[1]


def palm_process(
    *words: str, cwd: Path | None = None, code: str = "from palm.cli.main import main; import sys; sys.exit(main())"
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from palm.cli.main import main; status = main(['--help']);"
        "heavy = {'paddle', 'pydantic', 'numpy', 'requests', 'yaml', 'tokenizers'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = palm_process(code=code)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("train", "pred", "eval", "compare", "check", "download", "cache", "schema", "init", "doctor"):
        assert f"\n    {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_and_without_paddle(name: str) -> None:
    code = (
        f"import sys; from palm.cli.main import main; status = main([{name!r}, '--help']);"
        "sys.exit('imported Paddle' if 'paddle' in sys.modules else status)"
    )
    done = palm_process(code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: palm {name}" in done.stdout
    assert f"example:\n  palm {name}" in done.stdout
    assert ("--import" in done.stdout) == (name in ("train", "pred", "eval", "compare", "tune", "check"))


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"palm {palm.__version__}\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian", "unknown command `trian`. Did you mean `train`?"),
        ("download --too x", "palm download: unknown option `--too`. Did you mean `--to`?"),
        ("init a b", "palm init: unexpected argument `b`"),
        ("init", "palm init: the following arguments are required: folder"),
        ("--verzion", "unknown option `--verzion`. Did you mean `--version`?"),
        ("download no-such-model", "unknown pre-trained model `no-such-model`."),
        ("check config.yaml --import", "palm check: argument --import: expected one argument"),
        ("check config.yaml --import no_such_module_of_mine", "--import no_such_module_of_mine: no module"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_exit_code_2(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "impatient.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    done = palm_process("check", "config.yaml", "--import", "impatient", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "\nInterrupted.\n")


def test_an_error_of_the_system_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error", "data.tsv")

    monkeypatch.setattr(command_line, "_run", fail)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said == "data.tsv: Input/output error. Check the path, its permissions and its disk.\n"


def test_a_lack_of_memory_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise MemoryError("(ResourceExhausted) Fail to alloc memory of 4096000000000 size.")

    monkeypatch.setattr(command_line, "_run", fail)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("There is not enough memory. Lower batch_size,")
    assert said.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = (
        "import os, sys; reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 1);"
        "from palm.cli.main import main; sys.exit(main(['download']))"
    )
    done = palm_process(code=code)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_users_module_is_imported_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("print('mine was imported')\n", encoding="utf-8")
    (tmp_path / "eigene").mkdir()
    (tmp_path / "eigene" / "datei.py").write_text("print('datei was imported')\n", encoding="utf-8")
    words = ["check", "missing.yaml", "--import", "mine", "--seed", "1", "--import=eigene/datei.py"]
    done = palm_process(*words, cwd=tmp_path)
    assert done.stdout.splitlines() == ["mine was imported", "datei was imported"]
    assert done.returncode == 2
    assert "missing.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_users_module_that_fails_is_named_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "broken_reader.py"
    file.write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken_reader\.py:2 with ZeroDivisionError: division by zero"):
        import_user_code(str(file))


def test_a_users_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the module to import must be an existing file"):
        import_user_code(str(tmp_path / "absent.py"))
