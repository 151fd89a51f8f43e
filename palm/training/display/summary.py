"""The table at the end of a run: the best metric of each task, its step and its model, and what to do next."""

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from palm.training.display.live_run import LiveRun
from palm.training.display.summary_rows import summary_rows, took


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
    table.add_column("task", overflow="fold", min_width=4)
    table.add_column("dev metric", overflow="fold")
    table.add_column("best", justify="right", no_wrap=True)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold")
    for row in summary_rows(run):
        table.add_row(*(Text(cell, style) for cell, style in zip(row, ("bold", "", "bold green", "", ""), strict=True)))
    return Group(table, *(Text(f"  {command}", "cyan", no_wrap=True, overflow="fold") for command in run.next_commands))
