"""Runs for the tests of sections: as `read_run` gives them, without files."""

from pathlib import Path

from palm.report.configuration import ConfiguredValue, RunConfiguration
from palm.report.curves import RunCurves
from palm.report.events import facts_of_log
from palm.report.run_folder import ReadRun
from palm.schema.run_description import DataStatistics, LengthStatistics, RunDescription, TaskDescription, ValueOrigin


def data(rows=100, counted=100, labels=None):
    lengths = LengthStatistics(
        shortest=3, mean=9.5, median=9.0, most=14.0, longest=16, bounds=(3.0, 10.0, 17.0), counts=(60, 40)
    )
    found = {"fly": 60, "水": 40} if labels is None else labels
    return DataStatistics(rows=rows, examples=rows, lengths=lengths, labels=found, counted_rows=counted)


def description(**tasks):
    asked = 1 / max(len(tasks), 1)
    described = {
        name: TaskDescription(
            reader="cls",
            paradigm="cls",
            asked=asked,
            expected_steps=20,
            steps_per_epoch=5,
            train=train,
            target=name != "aux",
        )
        for name, train in tasks.items()
    }
    return RunDescription(
        palm_version="1.0", started="2026-01-02T03:04:05+00:00", backbone="bert", parameters=22_700_000, device="cpu",
        precision="float32", threads=2, total_steps=40, tasks=described,
        origins=(ValueOrigin(key="learning_rate", where="config.yaml:3", overridden="`1` (x.yaml:1)"),),
    )  # fmt: skip


def step(number, task, loss=1.0, **more):
    place = {"step": (number - 1) % 5 + 1, "epoch": (number - 1) // 5}
    return {
        "split": "train", "global_step": number, "task": task, **place, "loss": loss, "learning_rate": 1e-4,
        "steps_per_second": 3.0, "data_wait_fraction": 0.0, **more,
    }  # fmt: skip


def dev(number, task, **metrics):
    return {"split": "dev", "global_step": number, "task": task, **metrics}


def a_run(name="run", records=(), *, values=None, described=None, log=(), **more):
    curves = RunCurves()
    for record in records:
        curves.add(record)
    configuration = RunConfiguration({key: ConfiguredValue(key, *given) for key, given in (values or {}).items()})
    facts = facts_of_log(log)
    return ReadRun(name, Path(name), curves, facts, configuration, described, **more)


def titles(section):
    return [getattr(block, "title", None) or block.text for block in section.blocks]
