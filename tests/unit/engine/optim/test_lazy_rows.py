"""Whole trainings with updates of the rows of each batch alone end in the bits of dense ones."""

import numpy as np
import paddle
import pytest
from paddle import nn

from palm.backbone.word_embeddings import WordEmbeddings
from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.optimizer import Optimizer
from palm.kernels.choice import choose_kernels

pytestmark = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")

ROWS = 4200


class Model(nn.Layer):
    def __init__(self, width=70):
        super().__init__()
        paddle.seed(3)
        self.words = WordEmbeddings(ROWS, width)
        self.out = nn.Linear(width, 2)

    def forward(self, ids):
        return (self.out(paddle.tanh(self.words(paddle.to_tensor(ids)))) ** 2).mean()


def optimizer_of(model, *, by_rows, kernels="fused", **keys):
    rule = OPTIMIZERS["adamw"]
    found = Optimizer(model, rule, rule.Config(**keys), kernels=kernels, by_rows=by_rows)
    assert bool(found._tables) is (by_rows and kernels == "fused")
    return found


def batches(steps):
    """Words by Zipf's law: most are rare, so their rows miss few or hundreds of updates."""
    generator = np.random.default_rng(0)
    return [generator.zipf(1.3, size=(2, 4, 5)).clip(max=ROWS - 1) for _ in range(steps)]


def bits(model, optimizer):
    tensors = {**model.state_dict(), **optimizer.state()}
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def trained(*, by_rows, steps=150, look_at=(), resume_at=None, accumulate=1, rate=2e-3, **keys):
    model = Model()
    optimizer = optimizer_of(model, by_rows=by_rows, **keys)
    found = []
    for step, batch in enumerate(batches(steps)):
        if step == resume_at:
            weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
            model = Model()
            model.set_state_dict(weights)
            optimizer = optimizer_of(model, by_rows=by_rows, **keys)
            optimizer.restore(state)
        model.train()
        for _ in range(accumulate):
            (model(batch[0]) + model(batch[1])).backward()
            assert optimizer.first_non_finite() is None
        optimizer.step(rate * min(1.0, step / 20) * (1 - step / steps))
        if step in look_at:
            model.eval()
            found.append(model(batch[0]).numpy().tobytes())
            found.append(model.words.weight.numpy().tobytes())
    return found, bits(model, optimizer)


CASES = {
    "usual": {},
    "decay": {"weight_decay": 0.01},
    "strong decay": {"weight_decay": 300.0, "rate": 1e-3},
    "looks": {"weight_decay": 0.01, "look_at": (3, 40, 41, 149)},
    "resume": {"weight_decay": 0.01, "resume_at": 77},
    "accumulation": {"weight_decay": 0.01, "accumulate": 3, "steps": 40},
    "no clipping": {"max_grad_norm": 0.0},
    "clipping": {"max_grad_norm": 1e-3},
    "betas": {"adam_beta1": 0.4, "adam_beta2": 0.9, "weight_decay": 0.01},
    "tiny betas": {"adam_beta1": 1e-6, "adam_beta2": 1e-6},
    "layers": {"layer_lr_decay": 0.5},
    "plain kernels": {"kernels": "plain", "steps": 20},
    "rate of 0": {"rate": 0.0, "weight_decay": 0.01},
}


@pytest.mark.parametrize("case", CASES)
def test_rows_end_in_the_bits_of_dense_updates(case):
    keys = CASES[case]
    assert trained(by_rows=True, **keys) == trained(by_rows=False, **keys)


@pytest.mark.parametrize(("decay", "size"), [(0.0, 1.0), (0.01, 1.0), (0.01, 1e-4), (0.0, 1e-30)])
def test_what_a_row_misses_for_long_is_the_same_too(decay, size):
    """Moments fade to the least number, moves below the last place of the weight, zeros and tiny weights."""

    def missed(by_rows):
        model = Model(width=67)
        optimizer = optimizer_of(model, by_rows=by_rows, weight_decay=decay, max_grad_norm=0.0)
        weights = model.words.weight.numpy().copy()
        weights[5, :8] = [0.0, -0.0, 1e-30, -1e-38, 1e-42, 1e-12, 3.0, 1.0]
        weights[6] *= 1e4
        model.words.weight.set_value(weights)
        for step in range(1300):
            ids = [5, 6, 9] if step in (0, 1150) else [9]
            (model.words(paddle.to_tensor(ids)) * (size * (1 + np.arange(67, dtype="float32") - 30))).sum().backward()
            optimizer.step(2e-5 * (1 + step % 3))
        return bits(model, optimizer)

    assert missed(True) == missed(False)


def test_a_dense_gradient_of_a_table_updates_all_rows():
    def mixed(by_rows):
        model = Model()
        optimizer = optimizer_of(model, by_rows=by_rows, weight_decay=0.01)
        for step, batch in enumerate(batches(30)):
            if step % 7 == 3:  # as after a resume inside an accumulation
                whole = np.random.default_rng(step).normal(size=(ROWS, 70)).astype("float32")
                optimizer.set_gradients({"words.weight": paddle.to_tensor(whole)})
            model(batch[0]).backward()
            optimizer.step(1e-3)
        return bits(model, optimizer)

    assert mixed(True) == mixed(False)


def test_set_aside_gradients_replace_those_of_a_bad_batch():
    def skipped(by_rows):
        model = Model()
        optimizer = optimizer_of(model, by_rows=by_rows)
        first, second, third = batches(3)
        model(first[0]).backward()
        assert optimizer.first_non_finite() is None
        pending = optimizer.copied_gradients()
        (model(second[0]) * float("inf")).backward()
        assert optimizer.first_non_finite() == "words.weight"
        optimizer.set_gradients(pending)
        model(third[0]).backward()
        dense = {name: gradient.numpy().tobytes() for name, gradient in optimizer.gradients().items()}
        assert list(dense) == ["words.weight", "out.weight", "out.bias"]
        optimizer.step(0.01)
        assert not optimizer.has_gradients()
        return dense, bits(model, optimizer)

    assert skipped(True) == skipped(False)


def test_another_optimizer_of_the_same_model_starts_from_all_updates():
    def restarted(by_rows, then):
        model = Model()
        for rows in (by_rows, then):
            optimizer = optimizer_of(model, by_rows=rows, weight_decay=0.1)
            for batch in batches(12):
                model(batch[0]).backward()
                optimizer.step(1e-3)
        return bits(model, optimizer)

    assert restarted(True, True) == restarted(True, False) == restarted(False, False)


def test_a_step_only_touches_the_rows_of_its_batch():
    """Otherwise nothing would be gained."""
    model = Model()
    optimizer = optimizer_of(model, by_rows=True, weight_decay=0.1)
    model(np.array([[1, 2]])).backward()
    optimizer.step(1e-3)
    late = optimizer._parameters["words.weight"]
    before = late.numpy().copy()
    model(np.array([[2, 3]])).backward()
    optimizer.step(1e-3)
    moved = np.flatnonzero((late.numpy() != before).any(axis=1))
    assert moved.tolist() == [2, 3]
    assert np.flatnonzero((model.words.weight.numpy() != before).any(axis=1)).size > ROWS - 5
