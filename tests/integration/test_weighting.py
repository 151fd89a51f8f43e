"""A weighting in a whole run: what it does to the loss, and that a resumed run has it to the same bits."""

import math

from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from tests.integration.test_sampling import controller


def test_dwa_follows_the_mean_losses_of_the_epochs_and_resumes_in_the_same_bits(tmp_path):
    def new_run():
        return controller(tmp_path, "exact", weighting="dwa", num_epochs=4)._training_run()

    whole = list(train_steps(new_run()))
    means = {
        (name, epoch): sum(r.loss for r in whole if (r.task, r.epoch) == (name, epoch)) / count
        for name, count in (("large", 6), ("small", 2))
        for epoch in (1, 2)
    }
    powers = {name: math.exp(means[name, 2] / means[name, 1] / 2) for name in ("large", "small")}
    last = [r for r in whole if r.epoch == 3]
    wanted = {name: 2 * power / sum(powers.values()) for name, power in powers.items()}
    assert all(math.isclose(r.loss_factor, wanted[r.task], rel_tol=1e-9) for r in last if r.global_step == 25)
    assert all(r.loss_factor == 1.0 for r in whole[:8])
    assert any(r.loss_factor != 1.0 for r in last)

    first = new_run()
    for result in train_steps(first):
        if result.global_step == 21:
            break
    save_checkpoint(first, tmp_path / "ckpt", keep=1)
    second = new_run()
    restore_checkpoint(second, tmp_path / "ckpt" / "step_21")
    assert [(r.loss, r.loss_factor) for r in train_steps(second)] == [(r.loss, r.loss_factor) for r in whole[21:]]
