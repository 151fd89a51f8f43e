"""A step of several ranks: losses, faults and signals of one are those of all."""

import json
import math
import signal

import pytest

import palm
from palm.distributed.ranks import Ranks
from palm.engine.batches import batch_of
from palm.engine.forward_backward import OVERFLOW
from palm.engine.rank_step import compute_and_agree
from tests.integration import tiny


class Others(Ranks):
    """This rank and one that sends given numbers beside gradients of zero."""

    def __init__(self, facts, fault=None):
        super().__init__(0, 2)
        self.facts, self.fault = list(facts), fault

    def sum_in_place(self, flat):
        told = self.facts.pop(0)
        values = flat.numpy()
        values[-len(told) :] += told
        flat.set_value(values)

    def gather(self, data):
        return [data, json.dumps([self.fault for _ in json.loads(data)]).encode()]


@pytest.fixture
def made(tmp_path):
    """A run of two ranks, and this one's part of a batch."""

    def make(ranks, **keys):
        tasks = {"water": tiny.classification_task(tmp_path, "water")}
        run = palm.Controller(tiny.config(tmp_path, tasks, **keys), overrides=[])._training_run()
        object.__setattr__(run, "ranks", ranks)
        return run, [batch_of(run.tasks[0], 0, 1, ranks)]

    return make


def computed(outcomes):
    """A computation that gives these outcomes, one after the other, and notes how many batches it had."""
    seen = []

    def compute(parts):
        seen.append(len(parts))
        return outcomes[: len(parts)]

    return compute, seen


def test_the_loss_is_the_sum_of_the_shares(made):
    run, parts = made(Others([[1.5, 0.0, 0.0, 0.0, 0.0]]))
    compute, seen = computed([(2.0, None)])
    assert compute_and_agree(run, parts, compute, updates=False) == [(2.0 * 0.5 + 1.5, None)]
    assert seen == [1]
    assert run.ranks.agreed_stop == 0


def test_a_signal_to_another_rank_is_one_to_all(made):
    run, parts = made(Others([[1.0, 0.0, 0.0, 0.0, 1.0]]))
    compute_and_agree(run, parts, computed([(2.0, None)])[0], updates=False)
    assert run.ranks.agreed_stop == signal.SIGTERM


def test_a_batch_with_a_fault_of_another_rank_is_left_out(made):
    run, parts = made(Others([[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0]], "the loss is nan"), on_nan="skip")
    compute, seen = computed([(2.0, None)])
    [(_, fault)] = compute_and_agree(run, parts, compute, updates=False)
    assert fault == "the loss is nan (rank 1)"
    assert seen == [1]  # nothing is left to compute again
    assert not run.optimizer.has_gradients()


def test_a_fault_ends_a_run_that_does_not_skip(made):
    run, parts = made(Others([[0.0, 0.0, 0.0, 0.0, 0.0]]), on_nan="abort")
    found = compute_and_agree(run, parts, computed([(float("nan"), "the loss is nan")])[0], updates=False)
    [(loss, fault)] = found
    assert math.isnan(loss)
    assert fault == "the loss is nan (rank 0)"


def test_an_overflow_of_another_rank_costs_all_the_batch_and_is_no_fault(made):
    run, parts = made(Others([[1.0, 0.0, 2.0**-20, 0.0, 0.0], [0.0, 0.0]]))
    compute, seen = computed([(2.0, None)])
    [(loss, fault)] = compute_and_agree(run, parts, compute, updates=False)
    assert (loss, fault) == (2.0, OVERFLOW)
    assert seen == [1]
    assert not run.optimizer.has_gradients()


def test_a_fault_beside_an_overflow_is_a_fault(made):
    run, parts = made(Others([[1.0, 0.0, 1.0, 0.0, 0.0]], fault="the loss is nan"))
    [(_, fault)] = compute_and_agree(run, parts, computed([(2.0, OVERFLOW)])[0], updates=False)
    assert fault == "the loss is nan (rank 1)"
