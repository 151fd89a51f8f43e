"""Draws after a seed, beside another thread that seeds and draws as well."""

import sys
import threading

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.distributed.fleet.utils import recompute

from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.optimizer import Optimizer
from palm.engine.shared_state import seeded, shared_state

ROUNDS, DRAWS = 100, 5


def draws(seed):
    with seeded(seed):
        return [int(paddle.randint(0, 2**31 - 1, [])) for _ in range(DRAWS)]


def test_threads_draw_what_each_draws_alone():
    wanted = {seed: draws(seed) for seed in (3, 4)}
    assert wanted[3] != wanted[4]
    wrong = []

    def draw(seed):
        wrong.extend(seed for _ in range(ROUNDS) if draws(seed) != wanted[seed])

    threads = [threading.Thread(target=draw, args=[seed]) for seed in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_seed_within_a_seed_is_for_what_follows():
    with seeded(3):
        assert draws(4) == draws(4)


@pytest.fixture
def hasty_threads():
    """Threads take turns after microseconds, so that a test of milliseconds meets the moments that matter."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_an_optimizer_of_paddle_keeps_its_rate_while_another_thread_recomputes(hasty_threads):
    """Its step would find no rate, or set none; here each step has another one."""
    rule, ended = OPTIMIZERS["adamw"], threading.Event()

    def weights_after_updates():
        with seeded(3):
            model = nn.Linear(2, 2)
        optimizer = Optimizer(model, rule, rule.Config(), kernels="plain")
        for step in range(500):
            optimizer.set_gradients({"weight": paddle.ones([2, 2]), "bias": paddle.ones([2])})
            optimizer.step(1e-3 * (step + 1))
        return np.append(model.weight.numpy(), model.bias.numpy())

    layer, rows = nn.Linear(2, 2), paddle.ones([3, 2])
    rows.stop_gradient = False

    def recompute_layers():
        while not ended.is_set():
            with shared_state():
                recompute(layer, rows).sum().backward()

    alone = weights_after_updates()
    other = threading.Thread(target=recompute_layers)
    other.start()
    try:
        beside = weights_after_updates()
    finally:
        ended.set()
        other.join()
    assert beside.tolist() == alone.tolist()
