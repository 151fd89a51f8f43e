"""Runs that report to real trackers, each in a process of its own, without a network.

Their packages would change what the tests of everything else see, so they are not in the environment of the tests but
in `$PALM_TRACKERS/<tracker>`, where `pip install --target` puts them (.ci/run).
"""

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration import tiny

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cr3t-of-the-test"
FILES = [("wandb", "wandb/offline-*/*.wandb"), ("swanlab", "swanlab/*/*.swanlab")]
# Trains; with an argument until a callback fails at that step, as after a crash, or below 0 kills the process.
SCRIPT = """
import json, os, signal, sys
import palm

class Crash(palm.Callback):
    def on_step(self, event):
        if event.global_step == -int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        if event.global_step == int(sys.argv[2]):
            raise RuntimeError("crashed")

palm.Controller(json.load(open(sys.argv[1])), overrides=[]).train(callbacks=[Crash()] if sys.argv[2] != "0" else [])
print("torch" in sys.modules)
"""
# Prints `[name, step]` of each number in the files of wandb and SwanLab: a header, and records of LevelDB's log format.
READ_RECORDS = """
import json, pathlib, struct, sys

def messages(data):
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 0 < -at % 32768 < 7:  # no record begins so late in a block
            at += -at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # all of it, or its last part
            yield whole
            whole = b""

def numbers(file):
    for message in messages(file.read_bytes()):
        if file.suffix == ".wandb":
            from wandb.proto.wandb_internal_pb2 import Record
            items = Record.FromString(message).history.item
            items = {(each.key or each.nested_key[0]): each.value_json for each in items}
            step = json.loads(items.pop("global_step", "0"))
            yield from ([name, step] for name in items if not name.startswith("_"))
        else:
            from swanlab.proto.swanlab.record.v1.record_pb2 import Record
            record = Record.FromString(message)
            if record.HasField("scalar"):
                yield [record.scalar.key, record.scalar.step]

print(json.dumps([each for file in sys.argv[1:] for each in numbers(pathlib.Path(file))]))
"""


def home_of(tracker):
    folder = Path(os.environ.get("PALM_TRACKERS", "/nonexistent")) / tracker
    if not folder.is_dir():
        pytest.skip(f"needs the package of {tracker} in $PALM_TRACKERS/{tracker}")
    return folder


def train(folder, tracker, *, crash_at=0, variables=None, command=None, **keys):
    """The output of a run that reports to `tracker`."""
    tasks = {"意图": tiny.classification_task(folder, "意图"), "槽": tiny.slot_task(folder, "槽")}
    config = tiny.config(folder, tasks, report_to=tracker, num_epochs=1, **keys)
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    left = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "SWANLAB_", "MLFLOW_"))}
    paths = os.pathsep.join([str(ROOT), str(home_of(tracker))])
    environment = {**left, "PYTHONPATH": paths, "HOME": str(folder), "OMP_NUM_THREADS": "1", **(variables or {})}
    own = ["-c", SCRIPT, str(file), str(crash_at), f"--password={SECRET}"]
    command = [sys.executable, *(command or own)]
    done = subprocess.run(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert bool(done.returncode) == bool(crash_at), done.stdout + done.stderr
    return done.stdout


def trackers_folder(folder):
    return folder / "out" / "trackers"


def holds_no_secret(folder):
    files = [file for file in trackers_folder(folder).rglob("*") if file.is_file()]
    return files and not any(SECRET.encode() in file.read_bytes() for file in files)


def crash_and_resume(folder, tracker, **keys):
    """Train to a crash at step 4, with a checkpoint there, and continue to the end; the identities after each."""
    file = trackers_folder(folder) / "runs.json"
    identities = []
    for crash_at, resume in ((4, "never"), (0, "auto")):
        train(folder, tracker, crash_at=crash_at, resume=resume, **keys)
        identities.append(json.loads(file.read_text()).get(tracker) if file.is_file() else None)
    return identities


def numbers_in(files, tracker):
    """`[name, step]` of each number in the files of a tracker, read with the messages of its package."""
    paths = os.pathsep.join([str(home_of(tracker))])
    command = [sys.executable, "-c", READ_RECORDS, *map(str, files)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(name, step) for name, step in json.loads(done.stdout)]


def numbers_of(folder):
    """`(name, step)` of the losses and metrics that a tracker has of a run, by its metrics.jsonl."""
    found = []
    for line in tiny.metrics(folder):
        if line["split"] == "train":
            found.append((f"train/{line['task']}/loss", line["global_step"]))
        elif line["split"] == "dev":
            metrics = line.keys() - {"split", "global_step", "task"}
            found += [(f"eval/{line['task']}/{metric}", line["global_step"]) for metric in metrics]
    return sorted(found)


def losses_and_metrics(numbers):
    return sorted((name, step) for name, step in numbers if name.startswith("eval/") or name.endswith("/loss"))


def resumed_from_an_earlier_step(folder, tracker, **keys):
    """Train to a crash at step 4, and continue from the checkpoint of step 2: two steps are trained twice."""
    train(folder, tracker, crash_at=4, save_every_n_steps=2, eval_every_n_steps=1, **keys)
    shutil.rmtree(folder / "out" / "ckpt" / "step_4")
    train(folder, tracker, resume="auto", save_every_n_steps=2, eval_every_n_steps=1, **keys)
    assert any("step_2" in line for line in tiny.log_lines(folder)), "resumed from there"


def event_files(folder):
    """Every event of the event files in their order, parsed by the messages of tensorboardX."""
    sys.path.insert(0, str(home_of("tensorboard")))
    sys.modules.setdefault("torch", None)
    try:
        from tensorboardX.proto.event_pb2 import Event
    finally:
        sys.path.pop(0)
        if sys.modules.get("torch") is None:
            sys.modules.pop("torch", None)
    for file in sorted((trackers_folder(folder) / "tensorboard").iterdir()):
        data = file.read_bytes()
        while data:  # a record: its length and a check sum, the message and another one
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def scalars(events):
    """`{tag: {step: value}}`; what a later SessionLog purges is left out, as TensorBoard does."""
    found = {}
    for event in events:
        if event.HasField("session_log") and event.session_log.status == event.session_log.START:
            found = {tag: {s: v for s, v in points.items() if s < event.step} for tag, points in found.items()}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


@pytest.fixture(scope="module")
def tensorboard_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    return folder, train(folder, None if home_of("tensorboard") is None else "tensorboard")


def test_event_files_have_what_the_metrics_have(tensorboard_run):
    folder, output = tensorboard_run
    found = scalars(event_files(folder))
    lines = tiny.metrics(folder)
    for line in lines:
        if line["split"] == "train":
            assert found[f"train/{line['task']}/loss"][line["global_step"]] == pytest.approx(line["loss"])
            assert found["train/learning_rate"][line["global_step"]] == pytest.approx(line["learning_rate"])
            assert line["global_step"] in found["train/steps_per_second"]
        if line["split"] == "dev":
            for metric in line.keys() - {"split", "global_step", "task"}:
                tag = f"eval/{line['task']}/{metric}"
                assert found[tag][line["global_step"]] == pytest.approx(line[metric])
    assert {"eval/意图/accuracy", "eval/槽/loss", "train/槽/loss"} <= found.keys()
    assert (
        tiny.log_lines(folder).count(
            f"TensorBoard: `tensorboard --logdir {folder / 'out'}` shows the run (`report_to: none` turns it off)."
        )
        == 1
    )
    assert output.splitlines()[-1] == "False", "tensorboardX would import torch, which takes seconds"
    assert holds_no_secret(folder)


def test_event_files_hold_the_configuration(tensorboard_run):
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData  # found by event_files

    folder, _ = tensorboard_run
    contents = [
        HParamsPluginData.FromString(value.metadata.plugin_data.content)
        for event in event_files(folder)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    begun = next(content.session_start_info for content in contents if content.HasField("session_start_info"))
    assert begun.hparams["tasks.意图.batch_size"].number_value == 8
    assert begun.hparams["optimizer"].string_value == "adam"


def test_event_files_are_written_by_default_where_tensorboardx_is_installed(tmp_path):
    home_of("tensorboard")
    config = tiny.config(tmp_path, {"a": tiny.classification_task(tmp_path, "a")}, max_steps=1)
    (tmp_path / "config.json").write_text(json.dumps(config))
    paths = os.pathsep.join([str(ROOT), str(home_of("tensorboard"))])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "config.json"), "0"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=True, capture_output=True, timeout=300)
    assert list((tmp_path / "out" / "trackers" / "tensorboard").iterdir())


def test_a_resumed_run_purges_what_was_written_after_its_checkpoint(tmp_path):
    home_of("tensorboard")
    crash_and_resume(tmp_path, "tensorboard")
    events = list(event_files(tmp_path))
    starts = [event.step for event in events if event.HasField("session_log")]
    assert starts == [5]
    assert sorted(scalars(events)["train/learning_rate"]) == [
        line["global_step"] for line in tiny.metrics(tmp_path) if line["split"] == "train"
    ]


def test_a_new_run_archives_the_trackers_of_the_one_before(tmp_path):
    for _ in range(2):
        train(tmp_path, "tensorboard", max_steps=1)
    assert len(list((trackers_folder(tmp_path) / "tensorboard").iterdir())) == 1
    assert (tmp_path / "out" / "earlier" / "1" / "trackers" / "tensorboard").is_dir()


def test_wandb_records_offline_and_resumes_the_same_run(tmp_path):
    home_of("wandb")
    first, second = crash_and_resume(tmp_path, "wandb", run_name="第一")
    assert first
    assert first == second
    files = sorted((trackers_folder(tmp_path) / "wandb").glob("offline-run-*/run-*.wandb"))
    assert [file.name for file in files] == [f"run-{first}.wandb"] * 2
    content = b"".join(file.read_bytes() for file in files)
    for name in ("train/意图/loss", "eval/意图/accuracy", "global_step", "第一", "batch_size"):
        assert name.encode() in content
    said = [line for line in tiny.log_lines(tmp_path) if line.startswith("Weights & Biases: offline (no API key")]
    assert len(said) == 2
    assert holds_no_secret(tmp_path)


def test_swanlab_records_offline_and_resumes_the_same_run(tmp_path):
    home_of("swanlab")
    first, second = crash_and_resume(tmp_path, "swanlab", run_name="第一")
    assert first
    assert first == second
    files = sorted((trackers_folder(tmp_path) / "swanlab").glob("run-*/run-*.swanlab"))
    assert [file.name for file in files] == [f"run-{first}.swanlab"] * 2
    content = b"".join(file.read_bytes() for file in files)
    for name in ("train/意图/loss", "eval/意图/accuracy"):
        assert name.encode() in content
    assert [line for line in tiny.log_lines(tmp_path) if line.startswith("SwanLab: offline (no API key")]
    assert holds_no_secret(tmp_path)


@pytest.mark.parametrize(("tracker", "files"), FILES)
def test_steps_that_are_trained_twice_are_sent_once(tmp_path, tracker, files):
    home_of(tracker)
    resumed_from_an_earlier_step(tmp_path, tracker)
    found = numbers_in(sorted(trackers_folder(tmp_path).glob(files)), tracker)
    assert losses_and_metrics(found) == numbers_of(tmp_path)
    assert not [line for line in tiny.log_lines(tmp_path) if "twice" in line]


def test_mlflow_is_sent_no_step_twice(tmp_path):
    home_of("mlflow")
    store = {"MLFLOW_TRACKING_URI": (tmp_path / "store").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    resumed_from_an_earlier_step(tmp_path, "mlflow", variables=store)
    (metrics,) = (tmp_path / "store").glob("*/*/metrics")
    found = [
        (file.relative_to(metrics).as_posix(), int(line.split()[2]))
        for file in metrics.rglob("*")
        if file.is_file()
        for line in file.read_text().splitlines()
    ]
    assert losses_and_metrics(found) == numbers_of(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("tracker", "files"), FILES)
def test_a_killed_run_leaves_no_hole(tmp_path, tracker, files):
    home_of(tracker)
    train(tmp_path, tracker, crash_at=-5, save_every_n_steps=2)
    train(tmp_path, tracker, resume="auto", save_every_n_steps=2)
    found = numbers_in(sorted(trackers_folder(tmp_path).glob(files)), tracker)
    assert sorted(set(losses_and_metrics(found))) == numbers_of(tmp_path)


@pytest.mark.parametrize(("tracker", "files"), FILES)
def test_of_two_processes_the_first_one_reports(tmp_path, tracker, files):
    home_of(tracker)
    train(tmp_path, tracker, command=["-m", "palm", "train", "config.json", "--nproc", "2"])
    (file,) = trackers_folder(tmp_path).glob(files)
    assert losses_and_metrics(numbers_in([file], tracker)) == numbers_of(tmp_path)
    title = {"wandb": "Weights & Biases: ", "swanlab": "SwanLab: "}[tracker]
    assert [line.startswith(title) for line in tiny.log_lines(tmp_path)].count(True) == 1
    assert title not in (tmp_path / "out" / "ranks" / "rank1.log").read_text(encoding="utf-8")


def test_visualdl_goes_on_in_the_same_file(tmp_path):
    home_of("visualdl")
    first, second = crash_and_resume(tmp_path, "visualdl")
    assert first == second
    (file,) = (trackers_folder(tmp_path) / "visualdl").iterdir()
    assert file.name == first
    for name in ("train/意图/loss", "eval/意图/accuracy", "tasks.意图.batch_size"):
        assert name.encode() in file.read_bytes()
    assert holds_no_secret(tmp_path)


def test_mlflow_in_a_file_store(tmp_path):
    home_of("mlflow")
    store = {"MLFLOW_TRACKING_URI": (tmp_path / "store").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    first, second = crash_and_resume(tmp_path, "mlflow", variables=store, run_name="第一")
    assert first
    assert first == second
    (run,) = (tmp_path / "store").glob(f"*/{first}")
    steps = [int(line.split()[2]) for line in (run / "metrics" / "train" / "learning_rate").read_text().splitlines()]
    assert steps == [line["global_step"] for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    assert (run / "metrics" / "eval" / "意图" / "accuracy").is_file()
    assert (run / "params" / "tasks.意图.batch_size").read_text() == "8"
    assert yaml.safe_load((run / "meta.yaml").read_text(encoding="utf-8"))["run_name"] == "第一"


@pytest.mark.slow
def test_mlflow_without_a_server_is_a_database_in_the_run(tmp_path):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("alembic")
    train(tmp_path, "mlflow")
    with sqlite3.connect(trackers_folder(tmp_path) / "mlflow.db") as database:
        status = database.execute("select status from runs").fetchall()
        names = {name for (name,) in database.execute("select distinct key from metrics")}
    database.close()
    assert status == [("FINISHED",)]
    assert {"train/意图/loss", "eval/意图/accuracy"} <= names


def test_a_server_that_does_not_answer_never_ends_training(tmp_path):
    home_of("mlflow")
    train(tmp_path, "mlflow", variables={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    said = [line for line in tiny.log_lines(tmp_path) if "mlflow" in line.lower()]
    assert len(said) == 1
    assert said[0].startswith("Warning: mlflow failed, and is not used any more in this run: MlflowException: ")
    assert (tmp_path / "out" / "infer_model" / "manifest.json").is_file()
