import json

import pytest

from palm.errors import ConfigError
from palm.report.configuration import ConfiguredValue, RunConfiguration
from palm.report.curves import RunCurves
from palm.report.run_folder import distinct_names, find_runs, metrics_size, read_run, read_runs, state_of
from palm.storage.run_lock import exclusive_run_lock

LOG = "Global step: {0}. Task: 意图, step {0}/4 (epoch 0), loss: 6.235, speed: 0.75 steps/s\n"


def step(number, task="意图"):
    return {
        "split": "train",
        "global_step": number,
        "task": task,
        "step": number % 4 + 1,
        "epoch": number // 4,
        "loss": 1,
    }


def write_run(folder, *records, resolved="", log=""):
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    (folder / "log.txt").write_text(log, encoding="utf-8")
    if resolved:
        (folder / "config.resolved.yaml").write_text(resolved, encoding="utf-8")
    return folder


def test_a_run_of_a_trainer(tmp_path):
    run = read_run(write_run(tmp_path / "跑", step(1), step(6), log=LOG.format(1)))
    assert (run.name, run.state, run.task_names, run.total_steps) == ("跑", "unknown", ["意图"], None)
    mix = run.mix()["意图"]
    assert (mix.asked, mix.steps, mix.achieved) == (None, 7, 1.0)
    assert run.notes == ()


def test_a_run_that_died_and_was_damaged(tmp_path):
    folder = write_run(
        tmp_path / "out", step(3), {"split": "?"}, step(2), resolved="tasks: {意图: {target: true}, b: {}}"
    )
    (folder / "run.json").write_text("{}", encoding="utf-8")
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as out:
        out.write('broken\n{"split": "tr')
    for number in (20, 100, 9):
        (folder / f"ckpt/step_{number}").mkdir(parents=True)
    (folder / "ckpt/step_9.damaged").mkdir()
    (folder / "ranks").mkdir()
    (folder / "ranks/rank1.log").write_text("", encoding="utf-8")
    (folder / "earlier/1").mkdir(parents=True)
    run = read_run(folder)
    assert run.state == "stopped"
    assert run.checkpoints == (9, 20, 100)
    assert (run.rank_logs, run.earlier_runs) == (("rank1.log",), 1)
    assert len(run.notes) == 5
    assert "run.json" in run.notes[0]
    assert "`palm_version`" in run.notes[0]
    assert [note.split(": ")[1].split(" ")[0] for note in run.notes[1:]] == ["1", "the", "1", "after"]


def test_a_configuration_that_cannot_be_read_is_a_note(tmp_path):
    run = read_run(write_run(tmp_path / "out", step(1), resolved="a: ["))
    assert len(run.notes) == 1
    assert run.state == "unknown"


def test_the_state_of_a_run(tmp_path):
    configured = RunConfiguration({"tasks.a.target": ConfiguredValue("tasks.a.target", "true")})
    curves = RunCurves()
    assert state_of(tmp_path, curves, configured) == "stopped"
    with exclusive_run_lock(tmp_path):
        assert state_of(tmp_path, curves, configured) == "training"
        assert state_of(tmp_path / "stage", curves, configured) == "training"
    curves.add({"split": "export", "global_step": 1, "task": "a"})
    assert state_of(tmp_path, curves, configured) == "ended"
    assert state_of(tmp_path, curves, RunConfiguration()) == "unknown"


def test_stages_come_in_the_order_in_which_they_were_trained(tmp_path):
    for name, started in (("a", "2026-02-01"), ("b", "2026-01-01")):
        folder = write_run(tmp_path / name, step(1))
        (folder / "run.json").write_text(json.dumps({"palm_version": "1", "started": started}), encoding="utf-8")
    write_run(tmp_path / "0", step(1))
    assert [folder.name for folder in find_runs(tmp_path)] == ["b", "a", "0"]
    assert [run.name for run in read_runs([tmp_path, tmp_path / "a"])] == ["b", "a", "0"]


def test_reading_tells_how_far_it_is(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name, step(1))
    parts = []
    read_runs([tmp_path], parts.append)
    assert len(parts) == 2
    assert sum(parts) == metrics_size([tmp_path, tmp_path / "a"]) == 2 * (tmp_path / "a/metrics.jsonl").stat().st_size


def test_what_is_no_run_is_refused(tmp_path):
    for path, found in ((tmp_path, "a folder without them"), (tmp_path / "x", "nothing there"), (__file__, "a file")):
        with pytest.raises(ConfigError, match=f"a run is known by its metrics.jsonl or log.txt. Found {found}"):
            find_runs(tmp_path / path)


def test_runs_have_names_of_their_own(tmp_path):
    paths = [tmp_path / "a/out", tmp_path / "b/out", tmp_path / "c"]
    assert distinct_names(paths[:1]) == ["out"]
    assert distinct_names(paths) == ["a/out", "b/out", f"{tmp_path.name}/c"]
    assert distinct_names([]) == []
