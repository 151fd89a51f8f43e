"""What `palm report` reads of real runs: stages, trainers, killed runs, skipped batches, early stops."""

import signal

import pytest

import palm
from palm.report.run_folder import read_run, read_runs
from tests.integration import tiny
from tests.integration.test_not_finite import controller as poisoned_controller
from tests.integration.test_not_finite import poison  # noqa: F401 (a fixture)
from tests.integration.test_signals import start, wait_for, write_config
from tests.integration.test_stages import config as staged


def test_the_stages_of_a_run(tmp_path):
    palm.Controller(staged(tmp_path), overrides=[]).train()
    further, tuned = read_runs([tmp_path / "out"])
    assert (further.name, tuned.name) == ("further", "微调")
    assert (further.state, tuned.state) == ("ended", "ended")
    assert (further.task_names, tuned.task_names) == (["字"], ["意图", "slots"])
    assert further.description.stage == "further"
    assert tuned.curves.has_run_model


def test_a_run_of_a_trainer(tmp_path):
    task = tiny.classification_task(tmp_path, "water")
    trainer = palm.Trainer("water")
    reader = palm.reader.ClassifyReader(tiny.write_vocab(tmp_path), 24, seed=1)
    reader.load_data(task["train_file"], batch_size=8)
    reader.num_epochs = 2
    loss = trainer.build_forward(palm.backbone.BERT.from_config(tiny.BACKBONE), palm.head.Classify(2, 32, 0.1))
    trainer.build_backward(palm.optimizer.Adam(loss, 5e-3))
    trainer.fit_reader(reader)
    trainer.set_saver(save_path=str(tmp_path / "out"), save_steps=4)
    trainer.train(print_steps=2)
    run = read_run(tmp_path / "out")
    assert (run.state, run.task_names, run.curves.last_step) == ("unknown", ["water"], 12)
    assert run.mix()["water"].steps == 12  # of 6 per epoch, as log.txt says
    assert [event.global_step for event in run.log.of("checkpoint")] == [4, 8, 12]
    assert run.notes == ()


def test_a_run_that_trains_and_is_then_killed(tmp_path):
    write_config(tmp_path, num_epochs=200, save_every_n_steps=4)
    process = start(tmp_path)
    wait_for(process, "Global step: 5.")
    run = read_run(tmp_path / "out")
    assert run.state == "training"
    assert 1 <= run.curves.last_step < run.total_steps
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    killed = read_run(tmp_path / "out")
    assert killed.state == "stopped"
    assert killed.curves.last_step >= 5
    assert killed.checkpoints, "at least that of step 4, or later ones that have replaced it"
    assert all(step % 4 == 0 for step in killed.checkpoints)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_skipped_batches_and_a_rollback(tmp_path, poison):  # noqa: F811
    poison({5}, float("nan"))
    poisoned_controller(tmp_path, on_nan="rollback", save_every_n_steps=2).train()
    run = read_run(tmp_path / "out")
    skipped, restored = run.log.of("skipped", "restored")
    assert (skipped.global_step, skipped.task, restored.global_step) == (5, "water", 5)
    assert run.curves.tasks["water"].not_finite == [5]


def test_an_early_stop_and_an_export_of_the_best(tmp_path):
    task = {**tiny.classification_task(tmp_path, "water"), "early_stopping_patience": 1}
    keys = {"num_epochs": 20, "eval_every_n_steps": 2, "export": "best"}
    palm.Controller(tiny.config(tmp_path, {"water": task}, **keys), overrides=[]).train()
    run = read_run(tmp_path / "out")
    (stop,) = run.log.of("early stop")
    assert stop.task == "water"
    assert run.state == "ended"
    best = run.curves.tasks["water"].best()
    assert run.curves.exports["water"].of_step == best.global_step
