"""On a GPU the loss of a step is read after its backward pass: the same run as one that reads it before, on the CPU."""

import pytest

from palm.engine import forward_backward
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
from palm.errors import TrainingError
from tests.integration import test_not_finite
from tests.integration.test_not_finite import controller, same, weights
from tests.integration.test_resume import fingerprint

poison = test_not_finite.poison


@pytest.fixture
def late(monkeypatch):
    """Read losses as on a GPU from now on."""
    return lambda: monkeypatch.setattr(forward_backward, "reads_late", lambda losses: len(losses) == 1)


def trained(folder, **keys):
    run = controller(folder, **keys)._training_run()
    results = [(result.loss, result.fault) for result in train_steps(run)]
    save_checkpoint(run, folder / f"{len(list(folder.iterdir()))}.ckpt", keep=1)
    return run, results


def test_a_run_is_the_same(tmp_path, late):
    run, results = trained(tmp_path, gradient_accumulation_steps=2)
    late()
    again, found = trained(tmp_path, gradient_accumulation_steps=2)
    assert found == results
    assert same(weights(run), weights(again))
    one, other = (fingerprint(next(folder.iterdir())) for folder in tmp_path.glob("*.ckpt"))
    assert one == other


@pytest.mark.parametrize("gradient_only", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_skipped_the_same(tmp_path, poison, late, value, gradient_only):
    found = []
    for step in (0, 1):
        if step:
            late()
        poison({2, 5}, value, gradient_only=gradient_only)
        found.append(trained(tmp_path, on_nan="skip", gradient_accumulation_steps=2))
    (one, told), (other, told_late) = found
    assert [fault for _, fault in told_late] == [fault for _, fault in told]
    assert sum(fault is not None for _, fault in told) == 2
    assert same(weights(one), weights(other))


def test_abort_names_the_loss_before_the_update(tmp_path, poison, late):
    late()
    poison({3}, float("nan"))
    run = controller(tmp_path)._training_run()
    steps = train_steps(run)
    next(steps), next(steps)
    before = weights(run)
    with pytest.raises(TrainingError, match=r"global step 3, .*Found: the loss is nan\."):
        next(steps)
    assert same(before, weights(run))


def test_a_loss_that_is_not_finite_with_gradients_that_are(tmp_path, monkeypatch, late):
    """Such as one that is infinite in every place: its slope is zero."""
    late()
    run = controller(tmp_path, on_nan="skip")._training_run()
    steps = train_steps(run)
    next(steps)
    before = weights(run)
    true_losses = forward_backward._losses
    monkeypatch.setattr(
        forward_backward, "_losses", lambda *words: [loss + float("inf") for loss in true_losses(*words)]
    )
    assert "the loss is inf" in str(next(steps).fault)
    assert same(before, weights(run))
