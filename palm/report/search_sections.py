"""The section of a search of `palm tune`: its trials, what matters, and the best configuration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from palm.errors import counted
from palm.locale.current import translated, translated_word
from palm.report.charts import bar_chart
from palm.report.configuration import value_as_text
from palm.report.result_sections import shown_number
from palm.report.search_charts import key_charts, trials_chart
from palm.report.search_importance import importances
from palm.report.section import Block, Cell, Paragraph, Section, Table
from palm.report.words import words
from palm.schema.search_results import SearchResults, SearchTrial, read_search_results


@dataclass(frozen=True)
class ReadSearch:
    """A search.

    Attributes:
        name: What it is called.
        results: Its results.
    """

    name: str
    results: SearchResults


def read_searches(paths: Sequence[Path]) -> list[ReadSearch]:
    """The searches among folders.

    Raises:
        CheckpointError: The results of one are damaged.
    """
    found = ((path, read_search_results(path)) for path in dict.fromkeys(paths))
    return [ReadSearch(path.resolve().name, results) for path, results in found if results is not None]


def search_sections(searches: Sequence[ReadSearch]) -> Iterator[Section]:
    """A section for each search."""
    for number, search in enumerate(searches, 1):
        title = f"Search of {search.name}" if len(searches) > 1 else "Search"
        yield Section(f"search-{number}", title, list(_blocks(search.results)))


def _blocks(results: SearchResults) -> Iterator[Block]:
    yield Paragraph(_summary(results))
    if results.best_trial is not None:
        yield _best(results.best_trial)
    else:
        yield Paragraph("No trial was complete, so there is no best configuration.", is_note=True)
    if any(each.last_value is not None for each in results.trials):
        yield trials_chart(results)
        yield from key_charts(results)
    found = importances(results)
    if found:
        bar = translated_word("value")
        text = "How much of the differences between trials each key explains, by fANOVA."
        yield bar_chart("Importance of the keys", text, [(key, bar, value) for key, value in found.items()])
        yield Paragraph("Importances are estimated from the complete trials alone: of few trials they are a guess.")
    yield _trials(results)
    if results.best_trial is not None:
        warning = "The best of many trials looks better on dev data than it is."
        yield Paragraph(f"{warning} Measure it on rows that no trial has seen.", is_note=True)


def _summary(results: SearchResults) -> str:
    counts = Counter(each.state for each in results.trials)
    of = f"{counts['complete']:d} complete, {counts['pruned']:d} pruned, {counts['failed']:d} failed"
    better = "lower is better" if results.falls else "higher is better"
    return f"{counted(len(results.trials), 'trial')}: {of}. They are compared by {results.metric}; {better}."


def _best(trial: SearchTrial) -> Table:
    rows = [(key, value_as_text(value)) for key, value in trial.values.items()]
    title = f"The best configuration: trial {trial.number} with {shown_number(trial.score)}; best.yaml has all of it"
    return Table(title, words("key", "value"), rows, texts=frozenset({1}))


def _trials(results: SearchResults) -> Table:
    ranked = sorted(results.trials, key=lambda each: _rank(results, each))
    keys = list(results.search)
    header = (*words("trial", "state", "score", "at step"), *keys, *words("seconds", "reason"))
    rows = [_row(each, keys) for each in ranked]
    with_reason = any(each.reason for each in ranked)
    marked = frozenset((0, column) for column in range(3)) if results.best is not None else frozenset()
    shown = len(header) if with_reason else len(header) - 1
    texts = frozenset({len(header) - 1}) if with_reason else frozenset()
    title = "The trials, the best first"
    return Table(title, header[:shown], [row[:shown] for row in rows], best=marked, texts=texts)


def _row(trial: SearchTrial, keys: Sequence[str]) -> tuple[Cell, ...]:
    score = None if trial.score is None else shown_number(trial.score)
    values = (value_as_text(trial.values[key]) if key in trial.values else None for key in keys)
    state = translated_word(trial.state)
    return (trial.number, state, score, trial.best_step, *values, round(trial.seconds), translated(trial.reason))


def _rank(results: SearchResults, trial: SearchTrial) -> tuple[bool, float, int]:
    """Complete ones by their score, the best one before its equals; then the others."""
    score = trial.score or 0.0
    return (trial.score is None, score if results.falls else -score, trial.number)
