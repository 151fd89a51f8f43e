"""Which figure of a task counts: one rule for selection, early stopping, weighting, sampling and comparison."""

import pytest

import palm.paradigm  # noqa: F401 (registers)
from palm.balancing.history import TaskHistory
from palm.engine.balance import note_metrics
from palm.engine.selection import Score, Selection
from palm.metric import METRICS, main_metric
from palm.paradigm.base import PARADIGMS

# One of two spans is found: precision 1, recall 1/2, F1 2/3.
GOLD, FOUND = [{"labels": ["B-城", "O", "B-day"]}], [{"labels": ["B-城", "O", "O"]}]


@pytest.mark.parametrize(
    ("paradigm", "keys", "wanted"),
    [
        ("cls", {}, "accuracy"),
        ("match", {}, "accuracy"),
        ("choice", {}, "accuracy"),
        ("seq_label", {}, "span_f1"),
        ("mrc", {}, "f1"),
        ("mrc", {"for_cn": True}, "f1"),
        ("multi_label", {}, "micro_f1"),
        ("regression", {}, "pearson"),
        ("mlm", {}, "mlm_accuracy"),
    ],
)
def test_each_paradigm_has_the_main_figure_of_its_kind(paradigm: str, keys: dict[str, bool], wanted: str) -> None:
    kind = PARADIGMS[paradigm]
    metrics = kind(kind.Config(**keys)).default_metrics
    figures = [figure for name in metrics for figure in METRICS[name]([], [])]
    assert main_metric(["loss", *figures]) == wanted
    assert main_metric(figures) == wanted


def test_the_first_metric_that_the_task_names_counts_and_the_loss_where_it_has_none() -> None:
    assert main_metric(["loss", "macro_f1", "accuracy"]) == "macro_f1"
    assert main_metric(["loss", "of_my_own", "accuracy"]) == "of_my_own"
    assert main_metric(["loss"]) == main_metric([]) == "loss"


def test_whatever_follows_figures_follows_the_same_one() -> None:
    figures = {"loss": 0.1, **METRICS["span_f1"](FOUND, GOLD)}
    assert Selection().of_task("槽", figures) == Score("span_f1", pytest.approx(2 / 3))
    chosen = Selection(weights={"槽": 1.0}).of_run({"槽": figures}, [])
    assert chosen is not None
    assert chosen.value == pytest.approx(2 / 3)
    history = {"槽": TaskHistory(), "words": TaskHistory(dev_score=0.5)}
    note_metrics(history, {"槽": figures, "words": {"loss": 2.0}})
    assert history["槽"].dev_score == pytest.approx(2 / 3)
    assert history["words"].dev_score is None
