"""The panel of a run as text for a terminal, never larger than it, and the table that replaces it at the end."""

from collections.abc import Iterator, Sequence

from rich.box import ROUNDED
from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from palm.locale.current import translated, translated_phrase, translated_word
from palm.training.display.columns import GAP, Column, cell, columns_for, summary_rows, took
from palm.training.display.facts import duration, header_facts
from palm.training.display.live_run import LiveRun, LiveTask

_WIDEST = 110
_BORDER, _FIXED_ROWS = 4, 4
"""Cells of the border with its margins; rows of borders, bar and table header."""
_NARROWEST_BORDERED, _LOWEST_BORDERED = 40, 10
_NARROWEST_WITH_SPEED = 50
_MOST_EVENTS, _MOST_BLANKS = 3, 3
_SECONDS_OF_A_PAGE = 5.0
_ACCENT, _GOOD, _DIM, _WARN = "cyan", "green", "dim", "yellow"


def live_panel(run: LiveRun, width: int, height: int) -> RenderableType:
    """The panel while the run is trained, in at most `width` cells and `height` rows."""
    if width < _NARROWEST_BORDERED or height < _LOWEST_BORDERED:
        return _line(_bar(run, max(width, 1)), width)
    inner = min(width, _WIDEST) - _BORDER
    header = list(_header(run, inner))
    room = height - _FIXED_ROWS - len(header)
    tail = [*_events(run, inner), *_activity(run, inner)]
    tail = tail[len(tail) - min(len(tail), max(room - len(run.tasks), 1)) :]
    page = _page(run, room - len(tail))
    tasks = list(run.tasks.values())[page]
    blank = [Text("")] if room - len(tail) - len(tasks) >= _MOST_BLANKS else []
    table = _table(run, tasks, inner)
    lines = [*header, *blank, _bar(run, inner), *blank, *table, *(blank if tail else []), *tail]
    part = translated_phrase(f"tasks {page.start + 1}–{page.stop} of {len(run.tasks)}")
    subtitle = f"{part} · {run.header.log}" if len(tasks) < len(run.tasks) else run.header.log
    return _bordered(run, lines, inner, subtitle=subtitle)


def summary(run: LiveRun) -> RenderableType:
    """The table and the next commands; paths are folded where they are too long, so that they can be copied."""
    table = Table(
        box=ROUNDED,
        border_style="dim",
        header_style="dim",
        title=Text.assemble(("  PALM ", "bold cyan"), (run.header.title, "bold"), (f"  {took(run)}", "dim")),
        title_style="none",
        title_justify="left",
    )
    table.add_column(translated_word("task"), overflow="fold", min_width=4)
    table.add_column(translated_word("dev metric"), overflow="fold")
    table.add_column(translated_word("best"), justify="right", no_wrap=True)
    table.add_column(translated_word("step"), justify="right", no_wrap=True)
    table.add_column(translated_word("model"), overflow="fold")
    for row in summary_rows(run):
        table.add_row(*(Text(cell, style) for cell, style in zip(row, ("bold", "", "bold green", "", ""), strict=True)))
    return Group(table, *(Text(f"  {command}", "cyan", overflow="fold") for command in run.next_commands))


def _bordered(run: LiveRun, lines: Sequence[Text], inner: int, *, subtitle: str) -> Panel:
    return Panel(
        Group(*(_line(line, inner) for line in lines)),
        box=ROUNDED,
        width=inner + _BORDER,
        border_style=_DIM,
        title=Text.assemble(("PALM ", f"not dim bold {_ACCENT}"), (_cut(run.header.title, inner // 2), "not dim bold")),
        title_align="left",
        subtitle=Text(_cut_front(subtitle, inner - GAP)) if subtitle else None,
        subtitle_align="right",
    )


def _line(text: Text, width: int) -> Text:
    """A line that is neither wrapped nor longer than `width`."""
    text.no_wrap, text.overflow = True, "ellipsis"
    text.truncate(width, overflow="ellipsis")
    return text


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def _cut_front(text: str, width: int) -> str:
    """The end of a path, which says more than its beginning."""
    while cell_len(text) > max(width, 1):
        text = f"…{text.removeprefix('…')[1:]}"
    return text


def _header(run: LiveRun, width: int) -> Iterator[Text]:
    """Facts about the run, as many on a line as fit."""
    line = ""
    for fact in header_facts(run.header, run.expected_seconds):
        joined = f"{line} · {fact}" if line else fact
        if line and cell_len(joined) > width:
            yield Text(line)
            joined = fact
        line = joined
    yield Text(line)


def _bar(run: LiveRun, width: int) -> Text:
    """`━━━━━━─────  235/405  7.4 steps/s  0:23 left`."""
    total, speed, left = run.header.steps, run.steps_per_second, run.seconds_left
    fraction = min(run.done / total, 1.0) if total else 1.0
    facts = [f"{run.done:,}/{total:,}"]
    facts += [] if speed is None else [_speed(speed)]
    facts += [translated_phrase(f"{duration(left)} left")] if left and run.done < total else []
    facts = facts if width >= _NARROWEST_WITH_SPEED else [facts[0], *facts[2:]]
    told = "  ".join(facts)
    room = max(width - cell_len(told) - GAP, 0)
    full = round(room * fraction)
    return Text.assemble(("━" * full, _ACCENT), ("─" * (room - full), _DIM), " " * min(GAP, room), told)


def _speed(steps_per_second: float) -> str:
    if steps_per_second < 1:
        return translated_phrase(f"{1 / steps_per_second:.1f} s/step")
    return translated_phrase(f"{steps_per_second:.1f} steps/s")


def _page(run: LiveRun, room: int) -> slice:
    """The tasks that fit into `room` rows; of more tasks than that, another part every few seconds."""
    room = max(room, 1)
    pages = -(-len(run.tasks) // room)
    start = int(run.seconds // _SECONDS_OF_A_PAGE) % max(pages, 1) * room
    return slice(start, min(start + room, len(run.tasks)))


def _table(run: LiveRun, tasks: Sequence[LiveTask], width: int) -> Iterator[Text]:
    columns = columns_for(run, width, cell_len)
    yield Text((" " * GAP).join(_aligned(column.header, column) for column in columns), _DIM)
    for task in tasks:
        yield _row(task, columns, trained=task.name == run.current)


def _row(task: LiveTask, columns: Sequence[Column], *, trained: bool) -> Text:
    line = Text()
    for number, column in enumerate(columns):
        text = _aligned(_cut(cell(column.name, task, column.width), column.width), column)
        line.append(" " * GAP if number else "").append(text, _style(column.name, task, trained=trained))
    return line


def _style(column: str, task: LiveTask, *, trained: bool) -> str:
    if column == "task":
        return "bold" if trained else ""
    is_best = task.last is not None and task.last == task.best
    return {"curve": _ACCENT, "metric": _DIM, "at step": _DIM, "best": f"bold {_GOOD}"}.get(
        column, _GOOD if column == "last" and is_best else ""
    )


def _aligned(text: str, column: Column) -> str:
    padding = " " * max(column.width - cell_len(text), 0)
    return text + padding if column.align == "left" else padding + text


def _events(run: LiveRun, width: int) -> Iterator[Text]:
    for event in run.events[-_MOST_EVENTS:]:
        yield Text.assemble(("✓ ", _GOOD), _cut(translated_phrase(event), width - 2))


def _activity(run: LiveRun, width: int) -> Iterator[Text]:
    activity = run.activity
    if activity is not None:
        count = f" {activity.done:,}" + (f"/{activity.total:,}" if activity.total else "")
        yield Text(_cut(f"… {translated_phrase(activity.what)}{count}", width), _DIM)
    if run.notice:
        yield Text(_cut(translated(run.notice), width), f"bold {_WARN}")
