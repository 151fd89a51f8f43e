"""Methods that a run is too short for are reported at its beginning."""

import palm
from palm.training.notices import short_run_lines
from tests.integration import tiny


def said(folder, **keys):
    tasks = {"意图": tiny.classification_task(folder, "意图", chinese=True), "slots": tiny.slot_task(folder, "slots")}
    controller = palm.Controller(tiny.config(folder, tasks, **keys), overrides=[])
    return list(short_run_lines(controller._training_run()))


def test_dwa_needs_a_third_epoch(tmp_path):
    # 48 and 32 rows in batches of 8: 6 and 4 steps per epoch; one epoch of the first is 1.5 of the second.
    (line,) = said(tmp_path, num_epochs=1, weighting="dwa")
    assert line == (
        "Warning: weighting: dwa begins after 2 epochs of a task. Found 1.5 expected at most, so it makes no "
        "difference. Raise num_epochs."
    )
    assert not said(tmp_path, num_epochs=2, weighting="dwa")
    assert len(said(tmp_path, num_epochs=9, max_steps=7, weighting="dwa")) == 1
    assert not said(tmp_path, num_epochs=1)


def test_unfreezing_begins_before_the_end(tmp_path):
    (line,) = said(tmp_path, max_steps=5, unfreeze_every_n_steps=5)
    assert "stays frozen for 5 steps. Found a run of 5, so the heads train alone." in line
    assert not said(tmp_path, max_steps=6, unfreeze_every_n_steps=5)


def test_the_log_begins_with_it(tmp_path):
    tasks = {"a": tiny.classification_task(tmp_path, "a")}
    made = tiny.config(tmp_path, tasks, max_steps=1, unfreeze_every_n_steps=1)
    palm.Controller(made, overrides=[]).train()
    assert tiny.log_lines(tmp_path)[0].startswith("Warning: unfreeze_every_n_steps: ")
