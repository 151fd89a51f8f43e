from pathlib import Path

import pytest

import palm
from palm.errors import CheckpointError, ConfigError
from palm.schema.settings import TrainSettings
from palm.tracking import TRACKERS, Started, Tracker
from palm.training import observers
from palm.training.observers import CallbackError, run_name, trackers_of
from tests.integration import tiny


class Recorder(palm.Callback):
    def __init__(self, fails_in="", at=0):
        self.told, self._fails, self._at = [], fails_in, at

    def _note(self, method, event):
        self.told.append((method, event))
        if method == self._fails and event.global_step >= self._at:
            raise ValueError("钱没了")

    def on_begin(self, event):
        self._note("on_begin", event)

    def on_step(self, event):
        self._note("on_step", event)

    def on_evaluate(self, event):
        self._note("on_evaluate", event)

    def on_export(self, event):
        self._note("on_export", event)

    def on_end(self, event):
        self._note("on_end", event)

    @property
    def methods(self):
        return [method for method, _ in self.told]


def controller(folder, **keys):
    config = tiny.config(folder, {"鱼": tiny.classification_task(folder, "鱼")}, report_to="none", **keys)
    return palm.Controller(config, overrides=[])


@pytest.mark.parametrize("every", [1, 5, 100])
def test_each_step_is_told_and_the_logged_ones_have_their_line(tmp_path, every):
    seen = Recorder()
    controller(tmp_path, print_every_n_steps=every, max_steps=11).train(callbacks=[seen])
    steps = [event for method, event in seen.told if method == "on_step"]
    assert [(event.global_step, event.task, event.step) for event in steps] == [
        (step, "鱼", (step - 1) % 6 + 1) for step in range(1, 12)
    ]
    lines = {line["global_step"]: line for line in tiny.metrics(tmp_path) if line["split"] == "train"}
    assert {event.global_step: event.record for event in steps if event.logged} == lines
    assert sorted(lines) == [step for step in range(1, 12) if step == 1 or step % every == 0]
    assert {event.record for event in steps if event.global_step not in lines} <= {None}
    assert {event.steps_per_second is None for event in steps if not event.logged} <= {True}


def test_the_steps_between_log_lines_have_the_numbers_that_a_line_would_have(tmp_path):
    found = []
    for every in (1, 4):
        (tmp_path / str(every)).mkdir()
        seen = Recorder()
        controller(tmp_path / str(every), print_every_n_steps=every, weighting="dwa").train(callbacks=[seen])
        found.append([event for method, event in seen.told if method == "on_step"])
    numbers = [
        [(each.global_step, each.task, each.step, each.epoch, each.loss, each.learning_rate) for each in steps]
        for steps in found
    ]
    assert numbers[0] == numbers[1]
    assert all(type(event.loss) is float for event in found[1])


def test_a_joint_step_is_told_once_for_each_task(tmp_path):
    seen = Recorder()
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("鱼", "鸟")}
    config = tiny.config(tmp_path, tasks, report_to="none", mode="joint", max_steps=3, print_every_n_steps=2)
    palm.Controller(config, overrides=[]).train(callbacks=[seen])
    steps = [(event.global_step, event.task, event.logged) for method, event in seen.told if method == "on_step"]
    assert steps == [(step, task, step < 3) for step in (1, 2, 3) for task in ("鱼", "鸟")]


def test_a_loss_that_is_not_finite_is_none_between_log_lines_as_well(tmp_path):
    seen = Recorder()
    run = controller(tmp_path, print_every_n_steps=100, on_nan="skip", max_steps=4)
    trained = run._training_run

    def broken_run():
        made = trained()
        weights = next(iter(made.model.heads["鱼"].parameters()))
        weights.set_value(weights * float("nan"))
        return made

    run._training_run = broken_run
    with pytest.raises(CheckpointError, match="only finite numbers are saved"):
        run.train(callbacks=[seen])
    assert [event.loss for method, event in seen.told if method == "on_step"] == [None] * 4


def test_trackers_get_the_logged_steps_alone(tmp_path, monkeypatch):
    sent = []

    class Sending(Broken):
        def log(self, scalars, global_step):
            sent.append((global_step, sorted(scalars)[:1]))

        def finish(self, outcome):
            pass

    monkeypatch.setattr(observers, "TRACKERS", {"broken": Sending})
    tasks = {"鱼": tiny.classification_task(tmp_path, "鱼")}
    config = tiny.config(tmp_path, tasks, print_every_n_steps=5, max_steps=11)
    palm.Controller(config, overrides=[]).train(callbacks=[Recorder()])
    assert [step for step, (name,) in sent if name.startswith("train")] == [1, 5, 10]


def test_callbacks_see_what_the_metrics_file_has(tmp_path):
    seen = Recorder()
    controller(tmp_path).train(callbacks=[seen])
    (_, first), *rest, (_, last) = seen.told
    assert (first.name, first.folder, first.global_step, first.total_steps) == ("out", tmp_path / "out", 0, 12)
    assert first.config["tasks"]["鱼"]["batch_size"] == 8
    assert (last.global_step, last.outcome) == (12, "finished")
    written = [{**event.record} for _, event in rest]
    for record in written:
        record.pop("seconds", None)
        record.pop("folder", None)
    assert [{**record, "tasks": list(record["tasks"])} if "tasks" in record else record for record in written] == (
        tiny.metrics(tmp_path)
    )
    exported = [event.folder for method, event in rest if method == "on_export"]
    assert exported == [tmp_path / "out" / "鱼" / "infer_model", tmp_path / "out" / "infer_model"]
    assert all((folder / "manifest.json").is_file() for folder in exported)


@pytest.mark.parametrize("method", ["on_step", "on_evaluate"])
def test_an_error_ends_the_run_after_its_step_with_a_checkpoint(tmp_path, method):
    broken, other = Recorder(method, at=6), Recorder()
    with pytest.raises(CallbackError) as caught:
        controller(tmp_path).train(callbacks=[broken, other])
    assert str(caught.value).startswith("Global step 6: the callback `Recorder` failed at ")
    assert "with ValueError: 钱没了. Correct it, or leave it out of `callbacks`." in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)
    assert (tmp_path / "out" / "ckpt" / "step_6").is_dir()
    assert broken.methods.count(method) == (6 if method == "on_step" else 1)
    for each in (broken, other):
        assert (each.told[-1][1].outcome, each.methods.count("on_end")) == ("failed", 1)
    assert tiny.log_lines(tmp_path)[-1].startswith("Stopped by a callback after global step 6. `palm train … --resume`")
    assert tiny.metrics(tmp_path)[-1]["split"] == "dev", "the step is complete"


def test_the_run_resumes_from_there(tmp_path):
    with pytest.raises(CallbackError):
        controller(tmp_path).train(callbacks=[Recorder("on_step", at=4)])
    again = Recorder()
    controller(tmp_path, resume="auto").train(callbacks=[again])
    assert again.told[0][1].global_step == 4
    steps = [event.global_step for method, event in again.told if method == "on_step"]
    assert steps == list(range(5, 13))


def test_an_error_at_the_beginning_trains_nothing(tmp_path):
    broken = Recorder("on_begin")
    with pytest.raises(CallbackError, match="Global step 0: the callback `Recorder` failed"):
        controller(tmp_path).train(callbacks=[broken])
    assert broken.methods == ["on_begin", "on_end"]
    assert tiny.metrics(tmp_path) == []


@pytest.mark.parametrize("method", ["on_export", "on_end"])
def test_an_error_at_the_end_loses_no_model(tmp_path, method):
    with pytest.raises(CallbackError, match="Global step 12"):
        controller(tmp_path).train(callbacks=[Recorder(method)])
    assert (tmp_path / "out" / "infer_model" / "manifest.json").is_file()
    assert (tmp_path / "out" / "鱼" / "infer_model" / "manifest.json").is_file()


def test_each_stage_is_a_run(tmp_path):
    config = tiny.config(tmp_path, {"鱼": tiny.classification_task(tmp_path, "鱼")}, report_to="none", num_epochs=1)
    seen = Recorder()
    palm.Controller({**config, "stages": {"one": {}, "two": {}}}, overrides=[]).train(callbacks=[seen])
    assert [event.name for method, event in seen.told if method == "on_begin"] == ["out/one", "out/two"]
    assert seen.methods.count("on_end") == 2


@pytest.mark.parametrize(("wrong", "hint"), [(print, ""), (Recorder, " Make an object of it.")])
def test_what_is_no_callback_is_refused(tmp_path, wrong, hint):
    with pytest.raises(ConfigError) as caught:
        controller(tmp_path).train(callbacks=[wrong])
    message = str(caught.value)
    rule = "callbacks is a list of objects that extend `palm.Callback`."
    assert message.startswith(f"Controller.train(callbacks): {rule}")
    assert message.endswith(f"`.{hint}")


class Broken(Tracker):
    package, extra, by_default = "json", "json", True

    def start(self, run):
        return Started("Broken: open")

    def log(self, scalars, global_step):
        raise TimeoutError("the server does not answer")

    def finish(self, outcome):
        raise AssertionError("not called any more")


def test_a_tracker_that_fails_never_ends_training(tmp_path, monkeypatch):
    monkeypatch.setattr(observers, "TRACKERS", {"broken": Broken})
    config = tiny.config(tmp_path, {"鱼": tiny.classification_task(tmp_path, "鱼")})
    palm.Controller(config, overrides=[]).train()
    said = [line for line in tiny.log_lines(tmp_path) if "roken" in line]
    reason = "TimeoutError: the server does not answer"
    assert said == ["Broken: open", f"Warning: broken failed, and is not used any more in this run: {reason}"]
    assert (tmp_path / "out" / "infer_model" / "manifest.json").is_file()


def test_which_trackers_a_run_has(tmp_path, monkeypatch):
    monkeypatch.setattr(observers, "TRACKERS", {"broken": Broken, **{name: TRACKERS[name] for name in ("wandb",)}})

    def names(given, folder=tmp_path):
        return len(trackers_of(TrainSettings(report_to=given), folder, print))

    assert [names(None), names("none"), names([]), names("wandb, broken"), names(None, None)] == [1, 0, 0, 2, 0]


def test_the_name_of_a_run():
    settings = TrainSettings()
    assert run_name(settings, Path("out/跑")) == "跑"
    assert run_name(settings, Path("out/跑/one"), "one") == "跑/one"
    assert run_name(settings, None) == "run"
    assert run_name(TrainSettings(run_name="第一"), Path("out")) == "第一"
