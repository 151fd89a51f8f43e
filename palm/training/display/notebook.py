"""A run in a notebook: an HTML table that is replaced while the run goes on, without widgets."""

import sys
import time
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from IPython import display

from palm.locale.current import translated_phrase, translated_word
from palm.training.display.columns import cell, summary_rows, took
from palm.training.display.facts import duration, header_facts
from palm.training.display.live_run import LiveRun, LiveTask

_SECONDS = 1.0
_HEADERS = {"task": "task", "steps": "steps", "loss": "loss", "curve": "", "metric": "dev metric", "last": "last"}
_HEADERS |= {"best": "best", "at step": "at step"}
_TEXT = ("task", "curve", "metric")
_CURVE = 24
_MOST_EVENTS = 3


class NotebookDisplay:
    """Shows a run in the output of a cell.

    Args:
        run: The run.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._shown_at = 0.0
        self._handle: Any = display.display(display.HTML(""), display_id=True)  # type: ignore[no-untyped-call]

    def open(self) -> None:
        """Show the table."""
        self._show(live_html(self._run))

    def say(self, line: str) -> None:
        """Print a line below it."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def refresh(self) -> None:
        """Replace the table, once a second."""
        if time.monotonic() - self._shown_at >= _SECONDS:
            self._show(live_html(self._run))

    def close(self, *, finished: bool) -> None:
        """Replace it by the table at the end; of a run that is not finished, by the last state."""
        self._run.activity = None
        self._show(final_html(self._run) if finished else live_html(self._run))

    def _show(self, html: str) -> None:
        self._shown_at = time.monotonic()
        if self._handle is not None:
            self._handle.update(display.HTML(html))  # type: ignore[no-untyped-call]


def live_html(run: LiveRun) -> str:
    """Header, bar and table of tasks."""
    left, total = run.seconds_left, max(run.header.steps, 1)
    told = f"{run.done:,}/{run.header.steps:,}" + (
        "" if left is None else f", {translated_phrase(f'{duration(left)} left')}"
    )
    bar = f'<progress value="{min(run.done, total)}" max="{total}" style="width: 20em"></progress> {told}'
    events = "".join(f"<div>✓ {escape(translated_phrase(event))}</div>" for event in run.events[-_MOST_EVENTS:])
    return f"<div>{_title(run)}<div>{bar}</div>{_table(_HEADERS.values(), _live_rows(run))}{events}</div>"


def final_html(run: LiveRun) -> str:
    """The table at the end, and what to do next."""
    rows = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in summary_rows(run))
    commands = "".join(f"<div><code>{escape(command)}</code></div>" for command in run.next_commands)
    table = _table(("task", "dev metric", "best", "step", "model"), rows)
    return f"<div>{_title(run)}<div>{escape(took(run))}</div>{table}{commands}</div>"


def _title(run: LiveRun) -> str:
    facts = " · ".join(header_facts(run.header, None))
    return f"<div><b>PALM {escape(run.header.title)}</b></div><div>{escape(facts)}</div>"


def _table(headers: Iterable[str], rows: Iterator[str]) -> str:
    head = "".join(f"<th>{escape(translated_word(header))}</th>" for header in headers)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _live_rows(run: LiveRun) -> Iterator[str]:
    for task in run.tasks.values():
        yield "".join(_cell(name, task) for name in _HEADERS)


def _cell(name: str, task: LiveTask) -> str:
    text = escape(cell(name, task, _CURVE))
    return f'<td style="text-align: {"left" if name in _TEXT else "right"}">{text}</td>'
