"""Runs on a terminal: the panel, the table at the end, Ctrl-C, and lines where they are asked for."""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte
import pytest
import yaml
from rich.cells import cell_len

import palm
from tests.english_words import english_words
from tests.integration import tiny
from tests.live_runs import terminal

NAMES = ("意图识别", "槽位填充", "kind")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())


def write_config(folder: Path, **keys):
    folder.mkdir(exist_ok=True)
    tasks = {name: tiny.classification_task(folder, name, chinese=name != "kind") for name in NAMES}
    (folder / "config.yaml").write_text(yaml.safe_dump(tiny.config(folder, tasks, **keys)), encoding="utf-8")
    return folder / "config.yaml"


def trained_on(columns: int, rows: int, folder: Path, **given) -> tuple[list[str], bytes]:
    """The screen after a run, and all that was written to it."""
    with terminal(columns, rows) as screen:
        palm.Controller(str(write_config(folder)), overrides=[]).train(**given)
        return screen.lines, screen.written


def test_a_run_ends_with_a_table_and_the_next_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines, written = trained_on(80, 50, tmp_path)
    text = "\n".join(lines)
    assert "out/kind/infer_model" in text
    assert "all tasks" in text
    commands = [line.strip() for line in lines if line.strip().startswith("palm ")]
    assert commands[0].startswith("palm pred out/")
    assert commands[1] == "palm serve out"
    assert "steps/s" not in text, "the panel is gone"
    assert "Global step" not in written.decode()
    assert "train finished" not in written.decode()
    assert "still trained for the others" in written.decode()


def test_the_log_has_the_lines_of_before_and_the_manual(tmp_path):
    trained_on(80, 24, tmp_path)
    log = (tmp_path / "out" / "log.txt").read_text(encoding="utf-8")
    assert "kind: train finished!" in log
    assert "Global step: 1. Task: " in log
    with terminal() as screen:
        palm.Controller(str(write_config(tmp_path / "lines")), overrides=[]).train(log="lines")
        screen.read()
    again = (tmp_path / "lines" / "out" / "log.txt").read_text(encoding="utf-8")
    assert [line.split("speed")[0] for line in again.splitlines()] == [
        line.split("speed")[0].replace(str(tmp_path), str(tmp_path / "lines")) for line in log.splitlines()
    ]
    assert "Global step: 1. Task: " in screen.written.decode()
    assert "╭" not in screen.written.decode()


def test_a_resumed_run_shows_what_it_had_before(tmp_path):
    config = write_config(tmp_path, save_every_n_steps=2, max_steps=6)
    palm.Controller(str(config), overrides=[]).train()
    with terminal(80, 50) as screen:
        palm.Controller(str(config), overrides=["--resume", "auto", "--max_steps", "8"]).train()
        text = "\n".join(screen.lines)
        assert " 8 steps in " in text
        assert "accuracy" in text


def in_a_shell(
    words: Sequence[str], see: Callable[[pyte.Screen], bytes], **environment: str
) -> tuple[pyte.Screen, int]:
    """Run `palm` in a process with a terminal of its own, as a shell starts it; returns its last screen and exit code.

    Args:
        words: What follows `palm`.
        see: Called with the screen whenever it has changed; returns what is typed.
        environment: Further variables.
    """
    process, master = pty.fork()
    if not process:
        path = str(Path(palm.__file__).parents[1])
        os.environ |= {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TERM": "xterm", "PYTHONWARNINGS": "ignore"}
        os.environ |= environment
        os.execv(sys.executable, [sys.executable, "-m", "palm", *words])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            stream.feed(os.read(master, 1 << 16))
        except OSError:  # the process has closed its end
            break
        os.write(master, see(screen))
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(master)
    return screen, code


def test_ctrl_c_saves_and_leaves_a_usable_terminal(tmp_path):
    config = write_config(tmp_path, num_epochs=400, save_every_n_steps=1000)
    keys = [b"\x03"]

    def interrupt_once(screen: pyte.Screen) -> bytes:
        return keys.pop() if keys and any("steps/s" in line for line in screen.display) else b""

    screen, code = in_a_shell(["train", str(config)], interrupt_once)
    shown = [line.rstrip() for line in screen.display if line.strip()]
    assert code == 130, shown
    assert not screen.cursor.hidden
    assert shown[-1] == "Interrupted."
    text = "".join(shown)
    assert "Stopped by SIGINT after global step" in text
    assert "Traceback" not in text
    assert len(list((tmp_path / "out" / "ckpt").iterdir())) == 1


def test_a_panel_in_chinese_is_never_wrapped(tmp_path):
    """Interrupted, so that all of it is shown: its facts, its bar, its table and what the signal does."""
    config = write_config(tmp_path, num_epochs=400, save_every_n_steps=1000)
    keys, widths, seen = [b"\x03"], set(), set()

    def read(screen: pyte.Screen) -> bytes:
        lines = [line.rstrip() for line in screen.display]
        widths.update(cell_len(line) for line in lines if line[:1] in ("╭", "│", "╰"))
        tops = [number for number, line in enumerate(lines) if line.startswith("╭")]
        seen.update(lines[tops[0] :] if tops else ())
        return keys.pop() if keys and any("步/秒" in line for line in lines) else b""

    screen, code = in_a_shell(["train", str(config)], read, PALM_LANG="zh")
    shown = [line.rstrip() for line in screen.display if line.strip()]
    assert code == 130, shown
    assert widths == {80}
    text = "\n".join(seen)
    for words in ("3 个任务 × ", "个线程", " 任务 ", " 损失 ", " 步/秒", "剩余 "):
        assert words in text
    assert any("在这一步之后停止，并保存检查点。再次发送则立即退出" in line for line in seen | set(shown))
    assert shown[-1] == "已中断。"
    panel = "\n".join(line for line in shown if line.startswith("│"))
    assert english_words(panel, but=NAMES) <= {"SIGINT", "CPU", "bert", "float", "accuracy"}


def test_a_run_in_chinese_ends_with_a_table_in_chinese(tmp_path):
    config = write_config(tmp_path)
    screen, code = in_a_shell(["train", str(config)], lambda screen: b"", PALM_LANG="zh")
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert code == 0, lines
    assert {cell_len(line) for line in lines if line[:1] in ("╭", "│", "╰")} == {80}
    text = "\n".join(lines)
    assert "步，用时 0:" in text
    assert [word in text for word in ("任务", "开发集指标", "最佳", "模型", "所有任务")] == [True] * 5


def test_a_controller_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    controller = palm.Controller(str(write_config(tmp_path)), overrides=[])
    shown = "kind (cls), 意图识别 (cls), 槽位填充 (cls) on bert, save_path"
    assert repr(controller).startswith(f"Controller({shown}")
    assert repr(controller).endswith("not trained yet)")
    assert "<td>意图识别</td><td>cls</td><td>cls</td>" in controller._repr_html_()
    monkeypatch.setenv("PALM_LANG", "zh")
    assert "槽位填充 (cls) 基于 bert, save_path" in repr(controller)
    assert repr(controller).endswith("尚未训练)")
    assert "<th>任务</th><th>reader</th>" in controller._repr_html_()
    (tmp_path / "out" / "kind" / "infer_model").mkdir(parents=True)
    assert "<td>out/kind/infer_model</td>" in controller._repr_html_()
