"""Progress of long work that is not training: a bar on a terminal, or a line in the panel of the run around it."""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from palm.locale.current import translated_phrase, translated_word

Advance = Callable[[int], None]
"""Called with what was done since the last call."""

ShowActivity = Callable[[str, int, int | None], None]
"""Shows `(what, done, total)`; done is -1 once it is finished."""

FINISHED = -1
_SECONDS_WITHOUT_BAR = 1.0
_shown_by: list[ShowActivity] = []
Item = TypeVar("Item")


@contextmanager
def progress_shown_by(show: ShowActivity) -> Iterator[None]:
    """Show all progress by `show` instead of bars while this context is open."""
    _shown_by.append(show)
    try:
        yield
    finally:
        _shown_by.remove(show)


@contextmanager
def progress_bar(
    what: str, total: int | None, *, done: int = 0, unit: str = "row", scale: bool = False
) -> Iterator[Advance]:
    """Show how far work is while this context is open, once it takes longer than a second.

    Args:
        what: The work, `tokenising train.tsv`.
        total: Its size, if known.
        done: What of it is done already.
        unit: What it is counted in.
        scale: Whether large numbers are written as `1.2M`.
    """
    if _shown_by and threading.current_thread() is threading.main_thread():
        yield from _in_display(_shown_by[-1], what, total, done)
    elif not _has_bars():
        yield _ignored
    else:
        from tqdm import tqdm  # noqa: PLC0415 (most work has no terminal, or is short)

        with tqdm(
            desc=translated_phrase(what),
            total=total,
            initial=done,
            unit=translated_word(unit),
            unit_scale=scale,
            file=sys.stderr,
            delay=_SECONDS_WITHOUT_BAR,
            dynamic_ncols=True,
            leave=False,
        ) as bar:

            def advance(count: int) -> None:
                bar.update(count)

            yield advance


def say_beside_bars(line: str) -> None:
    """Print a line on stdout above the bars that are shown."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm  # noqa: PLC0415 (as above)

        tqdm.write(line, file=sys.stdout)
    else:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def with_progress(items: Iterable[Item], what: str, *, total: int | None = None, unit: str = "row") -> Iterator[Item]:
    """The items, with a bar for those that were taken."""
    size = len(items) if total is None and isinstance(items, Sized) else total
    with progress_bar(what, size, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)


def _in_display(show: ShowActivity, what: str, total: int | None, done: int) -> Iterator[Advance]:
    counted = done

    def advance(count: int) -> None:
        nonlocal counted
        counted += count
        show(what, counted, total)

    show(what, counted, total)
    try:
        yield advance
    finally:
        show(what, FINISHED, total)


def _ignored(count: int) -> None:
    """Where no bar is shown."""


def _has_bars() -> bool:
    """Whether stderr is a terminal, this process the first of its run, and the work not that of a server's thread."""
    if threading.current_thread() is not threading.main_thread():
        return False
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and os.environ.get("TERM") != "dumb" and os.environ.get("PADDLE_TRAINER_ID", "0") == "0"
