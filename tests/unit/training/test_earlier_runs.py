"""What a resumed run says of other keys than it was started with, and what it keeps of the figures."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from palm.storage.layout import METRICS_FILE, RESOLVED_CONFIG
from palm.training.earlier_runs import changed_keys, truncate_metrics

OTHER = {"eval_every_n_steps": 3, "tasks": {"水": {"dev_file": "other.tsv", "metrics": ["macro_f1"]}}}
NAMED = "eval_every_n_steps -1 → 3, tasks.水.dev_file dev.tsv → other.tsv, tasks.水.metrics None → ['macro_f1']"


def said(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    keys = {"eval_every_n_steps": -1, "selection": None, "tasks": {"水": {"dev_file": "dev.tsv", "metrics": None}}}
    text = yaml.safe_dump({**keys, **before}, allow_unicode=True)
    (folder / RESOLVED_CONFIG).write_text(text, encoding="utf-8")
    return changed_keys(folder, {**keys, **now})


@pytest.mark.parametrize(
    "keys",
    [
        {"selection": {"水": 1.0}},
        {"metric_for_best_model": "accuracy"},
        {"sampling": "adaptive", "sampling_by": "metric"},
        {"weighting": "dtp", "weighting_by": "metric"},
    ],
)
def test_what_dev_figures_decide_makes_their_keys_count(tmp_path: Path, keys: dict[str, Any]) -> None:
    (line,) = said(tmp_path, keys, {**keys, **OTHER})
    assert line == f"Changed since the run was started: {NAMED}. Its result will differ."


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"sampling": "mix_ratio", "sampling_by": "metric"},
        {"sampling": "adaptive", "sampling_by": "loss"},
        {"weighting": "uncertainty", "weighting_by": "metric"},
    ],
)
def test_figures_that_nothing_follows_are_harmless(tmp_path: Path, keys: dict[str, Any]) -> None:
    assert said(tmp_path, keys, {**keys, **OTHER}) == []


def test_a_patient_target_makes_them_count(tmp_path: Path) -> None:
    patient = {"tasks": {"水": {**OTHER["tasks"]["水"], "early_stopping_patience": 2}}}
    (line,) = said(tmp_path, patient, {**patient, "eval_every_n_steps": 3})
    assert "eval_every_n_steps -1 → 3" in line


def test_another_selection_is_named_also_where_it_is_dropped(tmp_path: Path) -> None:
    (line,) = said(tmp_path, {"selection": {"水": 1.0}}, {})
    assert "→ None" in line
    assert "selection" in line


def test_figures_after_the_checkpoint_and_damaged_lines_are_dropped(tmp_path: Path) -> None:
    first, second = '{"global_step": 1, "task": "水"}', '{"global_step": 2, "task": "水"}'
    damaged = ["\0\0\0", "[1]", '{"task": "水"}', '{"global_step": null}', second.replace("2", "3"), "", second[:9]]
    file = tmp_path / METRICS_FILE
    file.write_bytes("\n".join([first, *damaged[:5], second, *damaged[5:]]).encode() + b"\xff\xfe")
    truncate_metrics(tmp_path, 2)
    assert file.read_text(encoding="utf-8") == f"{first}\n{second}\n"
    assert [path.name for path in tmp_path.iterdir()] == [METRICS_FILE]


def test_keys_of_components_that_an_earlier_version_spelled_out_are_no_change(tmp_path: Path) -> None:
    """Format version 3 and earlier had the keys of all samplers and weightings, and none of Adam's."""
    assert said(tmp_path, {"sampling_temperature": 2.0, "dtp_gamma": 1.0}, {"adam_epsilon": 1e-8}) == []


def test_another_value_of_a_component_is_named(tmp_path: Path) -> None:
    (line,) = said(tmp_path, {}, {"adam_beta2": 0.98})
    assert "adam_beta2 0.999 → 0.98" in line
