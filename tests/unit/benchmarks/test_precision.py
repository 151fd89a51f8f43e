"""benchmarks/precision.py: what it reads again, and its table."""

import json

import pytest

from benchmarks import precision


def finished_run(work, overrides=()):
    record = precision.place_of("sst2", 1, "bf16", work)
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"scores": {"accuracy": 88.5}, "overrides": list(overrides)}), encoding="utf-8")


def test_a_finished_run_is_not_repeated(tmp_path):
    finished_run(tmp_path)
    assert precision.run("sst2", 1, "bf16", model=tmp_path, work=tmp_path, overrides=[]) == {"accuracy": 88.5}


def test_a_finished_run_with_other_settings_is_refused(tmp_path):
    finished_run(tmp_path, ["--max_steps", "4"])
    with pytest.raises(SystemExit, match=r"sst2-1-bf16.json: .* other overrides \(--max_steps 4\)"):
        precision.run("sst2", 1, "bf16", model=tmp_path, work=tmp_path, overrides=[])


def test_the_table_compares_seeds_that_ran_in_both_precisions():
    scores = {("float32", 1): 60.0, ("float32", 2): 62.0, ("float32", 3): 10.0, ("bf16", 1): 61.0, ("bf16", 2): 62.0}
    found = {("atis", seed, kind): {"slot_f1": value} for (kind, seed), value in scores.items()}
    row = ("atis, slot f1", "2", "61.00 ± 1.41", "61.50 ± 0.71", "+0.50", "2.24", "yes")
    assert precision.rows_of(found) == [row]


def test_a_difference_beyond_the_noise_is_marked():
    assert precision.verdict([90.0, 90.1, 90.2], [89.0, 89.1, 89.2]) == ("-1.00", "0.16", "**no**")
    assert precision.verdict([90.0], [89.0]) == ("-1.00", "–", "one seed")
