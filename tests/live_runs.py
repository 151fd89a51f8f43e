"""Runs for tests of their display, as far as they have been trained, on a clock of their own; and a small terminal."""

import fcntl
import math
import os
import pty
import select
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyte

from palm.engine.run import StepResult
from palm.training.display.facts import RunHeader
from palm.training.display.live_run import LiveRun, LiveTask

ENGLISH = ("answer", "intent", "slots")
CHINESE = ("意图识别", "槽位填充", "阅读理解", "文本分类", "语义匹配", "情感分析这一个任务的名字特别长", "命名实体")
CHINESE += ("新闻标题", "ocnli", "afqmc", "问答", "改写")


class Clock:
    """Seconds that pass where a test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def step_result(global_step: int, task: str, loss: float, *, last: bool = False) -> StepResult:
    return StepResult(
        global_step=global_step, task=task, step=1, steps_per_epoch=10, epoch=0, loss=loss, learning_rate=1e-4,
        seconds=0.1, data_wait=0.0, fault=None, finished=(), last=last,
    )  # fmt: skip


def new_run(names: Sequence[str], total: int = 900, **given: object) -> LiveRun:
    """A run before its first step."""
    header = RunHeader(
        title="output_model", tasks=len(names), rows=2400, steps=total, encoder="minilm-l6-en (bert)",
        parameters=22_713_216, device="CPU", threads=2, precision="float32", processes=1, log="output_model/log.txt",
    )  # fmt: skip
    tasks = [LiveTask(name, expected=total // len(names), folder=f"output_model/{name}/infer_model") for name in names]
    return LiveRun(header, tasks, clock=Clock(), **given)  # type: ignore[arg-type]


def trained_run(names: Sequence[str], steps: int = 400, total: int = 900) -> LiveRun:
    """A run of 8 steps a second whose tasks take turns, evaluated every 150 steps."""
    run = new_run(names, total)
    for step in range(1, steps + 1):
        name = names[step % len(names)]
        run._clock.seconds += 0.125
        run.note_step(step_result(step, name, 3 * math.exp(-run.tasks[name].steps / 40) + 0.1))
        if step % 150 == 0:
            for each in names:
                run.note_record({"split": "dev", "global_step": step, "task": each, "accuracy": 0.5 + step / 1000})
    return run


class Terminal:
    """A pseudo-terminal that is this process's stdout and stderr, and what is on its screen.

    A thread reads it, since a terminal that is not read makes its writer wait.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._master, self._slave = pty.openpty()
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.written = b""
        self.resize(columns, rows)
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read_all(self) -> None:
        while not self._ended.is_set():
            if select.select([self._master], [], [], 0.02)[0]:
                self.feed(os.read(self._master, 1 << 16))

    def read(self) -> None:
        """Wait until what was written is on the screen."""
        mark = f"\x1b]{id(self)};\x07".encode()  # a title, which shows nothing
        os.write(self._slave, mark)
        deadline = time.monotonic() + 10
        while mark not in self.written and time.monotonic() < deadline:
            time.sleep(0.002)
        with self._lock:
            self.written = self.written.replace(mark, b"")

    def feed(self, data: bytes) -> None:
        with self._lock:
            self.written += data
            self._stream.feed(data)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen."""
        self.read()
        with self._lock:
            return [row.rstrip() for row in self._screen.display]

    @property
    def cursor(self) -> tuple[int, int, bool]:
        """Row, column, and whether it is visible."""
        self.read()
        return self._screen.cursor.y, self._screen.cursor.x, not self._screen.cursor.hidden

    def close(self) -> None:
        self._ended.set()
        self._reader.join()
        os.close(self._slave)
        os.close(self._master)


@contextmanager
def terminal(columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    """stdout and stderr are a terminal of this size while the context is open."""
    opened = Terminal(columns, rows)
    before = sys.stdout, sys.stderr
    streams = [os.fdopen(os.dup(opened._slave), "w", buffering=1, encoding="utf-8") for _ in range(2)]
    sys.stdout, sys.stderr = streams
    try:
        yield opened
    finally:
        sys.stdout, sys.stderr = before
        opened.read()
        for stream in streams:
            stream.close()
        opened.close()
