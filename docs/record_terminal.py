"""Records a command on a terminal as an SVG that plays by itself: docs/images/palm-train.svg of the README.

    python docs/record_terminal.py docs/images/palm-train.svg -- palm train examples/quickstart/config.yaml

It runs the command on a pseudo-terminal of 80 × 24, looks at the screen whenever it has changed, and writes a few of
these moments as frames of one SVG. Who asks for less motion sees the last one. Needs the extra `test` (pyte).
"""

import argparse
import fcntl
import io
import os
import pty
import re
import select
import shlex
import struct
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

_SHORTEST = 0.4  # seconds between two looks at the screen
_LAST = 6.0  # seconds for which the last frame is shown
_MOST_FRAMES = 11
_WHOLE = 14.0  # seconds of the recording before the last frame
_SGR = re.compile(rb"\x1b\[([\d;]*)m")

_FRAME = """\
<g class="frame f{number}"><style>{styles}</style>
<g transform="translate({x}, {y})">{backgrounds}<g class="matrix">{matrix}</g></g></g>
"""
_FORMAT = """\
{width}|{height}|{terminal_x}|{terminal_y}|{char_height}|{line_height}
{styles}<!--part-->{chrome}<!--part-->{backgrounds}<!--part-->{matrix}"""
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}">
<style>
.matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; white-space: pre; }}
.title {{ font: bold 18px arial, sans-serif; }}
.frame {{ visibility: hidden; }}
.frame.last {{ visibility: visible; }}
@media (prefers-reduced-motion: no-preference) {{
.frame, .frame.last {{ visibility: hidden; animation: {whole:.1f}s infinite step-end; }}
{animations}
}}
</style>
{chrome}
{frames}</svg>
"""


@dataclass(frozen=True)
class Frame:
    """What stood on the screen.

    Attributes:
        seconds: When.
        rows: The rows, with their colours.
    """

    seconds: float
    rows: tuple[Text, ...]


def record(command: Sequence[str], columns: int, rows: int) -> list[Frame]:
    """Run a command on a terminal of its own; its screens, the last one at its end."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ {shlex.join(command)}\r\n".encode())
    process, master = pty.fork()
    if not process:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], list(command))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    frames, began, looked = [Frame(0.0, _rows(screen))], time.monotonic(), time.monotonic()
    while True:
        try:
            data = os.read(master, 1 << 16) if select.select([master], [], [], _SHORTEST)[0] else b""
        except OSError:  # the command has ended
            break
        stream.feed(_SGR.sub(_without_dim, data))
        if time.monotonic() - looked > _SHORTEST:
            looked = time.monotonic()
            frames.append(Frame(looked - began, _rows(screen)))
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status:
        raise SystemExit(f"The command ended with {status}:\n" + "\n".join(screen.display))
    return [*frames, Frame(time.monotonic() - began, _rows(screen))]


def _without_dim(match: re.Match[bytes]) -> bytes:
    """Bright black for what is dim, which the emulator does not know."""
    codes = match[1].split(b";")
    return (
        match[0] if b"38" in codes else b"\x1b[" + b";".join(b"90" if code == b"2" else code for code in codes) + b"m"
    )


def _rows(screen: pyte.Screen) -> tuple[Text, ...]:
    return tuple(_row(screen, number) for number in range(screen.lines))


def _row(screen: pyte.Screen, number: int) -> Text:
    line = Text(no_wrap=True)
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    for style, alike in groupby(cells, _style):
        line.append("".join(cell.data for cell in alike), style)
    line.rstrip()
    return line


def _style(cell: pyte.screens.Char) -> str:
    names = {"default": "", "brown": "yellow", "brightbrown": "bright_yellow"}
    colour = names.get(cell.fg, cell.fg.replace("bright", "bright_") if cell.fg.isalpha() else "")
    return f"{'bold ' if cell.bold else ''}{colour}".strip()


def chosen(frames: Sequence[Frame]) -> list[Frame]:
    """At most as many different frames as the recording has, evenly in time, with the first and the last one."""
    different = [frame for before, frame in zip([None, *frames], frames, strict=False) if not _same(before, frame)]
    if len(different) <= _MOST_FRAMES:
        return different
    end = different[-1].seconds
    moments = [end * number / (_MOST_FRAMES - 1) for number in range(_MOST_FRAMES)]
    nearest = [min(different, key=lambda frame: abs(frame.seconds - moment)) for moment in moments]
    return [frame for number, frame in enumerate(nearest) if frame not in nearest[:number]]


def _same(before: Frame | None, frame: Frame) -> bool:
    return before is not None and [row.markup for row in before.rows] == [row.markup for row in frame.rows]


def as_svg(frames: Sequence[Frame], columns: int, title: str) -> str:
    """The frames as one SVG."""
    whole, times = _WHOLE + _LAST, _times(frames)
    parts = [_exported(frame, columns, f"f{number}", title) for number, frame in enumerate(frames)]
    sizes = dict(zip(("width", "height", "x", "y", "char_height", "line_height"), parts[0][0].split("|"), strict=True))
    shown = [
        _FRAME.format(number=number, styles=styles, backgrounds=backgrounds, matrix=matrix, **_place(sizes))
        for number, (_, styles, _, backgrounds, matrix) in enumerate(parts)
    ]
    shown[-1] = shown[-1].replace('class="frame ', 'class="frame last ')
    return _SVG.format(
        label=f"Recording of {title}",
        chrome=parts[0][2].replace("f0-title", "title"),
        frames="".join(shown),
        animations="\n".join(_animations(times, whole)),
        whole=whole,
        **sizes,
    )


def _place(sizes: dict[str, str]) -> dict[str, str]:
    return {name: sizes[name] for name in ("x", "y")}


def _exported(frame: Frame, columns: int, name: str, title: str) -> tuple[str, str, str, str, str]:
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for row in frame.rows:
        console.print(row, soft_wrap=True)
    text = console.export_svg(title=title, unique_id=name, code_format=_FORMAT)
    facts, rest = text.split("\n", 1)
    styles, chrome, backgrounds, matrix = rest.split("<!--part-->")
    matrix = re.sub(r' clip-path="[^"]*"', "", matrix).replace("&#160;", "\N{NO-BREAK SPACE}")
    matrix = re.sub(r"<text[^>]*>\s*</text>", "", matrix)
    return facts, styles, chrome, backgrounds, matrix


def _times(frames: Sequence[Frame]) -> list[float]:
    """When each frame begins, with the recording in as many seconds as it is to take."""
    end = frames[-1].seconds or 1.0
    return [_WHOLE * frame.seconds / end for frame in frames]


def _animations(times: Sequence[float], whole: float) -> Iterator[str]:
    """One animation for each frame, which makes it visible from its time to the next one's."""
    for number, (start, end) in enumerate(zip(times, [*times[1:], whole], strict=True)):
        first, last = 100 * start / whole, 100 * end / whole
        before = "" if number == 0 else "0% { visibility: hidden } "
        after = "" if end == whole else f"{last:.2f}% {{ visibility: hidden }} "
        rule = f"{before}{first:.2f}% {{ visibility: visible }} {after}"
        yield f"@keyframes k{number} {{ {rule}}}"
        yield f".f{number}, .f{number}.last {{ animation-name: k{number} !important; }}"


def main() -> None:
    """Record what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the SVG to write")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("command", nargs="+", help="after --")
    args = parser.parse_args()
    frames = chosen(record(args.command, args.columns, args.rows))
    args.output.write_text(as_svg(frames, args.columns, shlex.join(args.command[:2])), encoding="utf-8")


if __name__ == "__main__":
    main()
