"""Batches come in the sampler's order, errors at their step, and the thread ends."""

import threading
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

import palm
from palm.engine.batches import THREAD_NAME, prefetched, step_batches
from palm.engine.train import train_steps
from palm.reader.cls import ClassificationReader
from tests.integration import tiny


def feed_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def new_run(folder):
    tasks = {
        "water": {**tiny.classification_task(folder, "water", count=24, chinese=True), "mix_ratio": 1.0},
        "words": {**tiny.mlm_task(folder, "words"), "mix_ratio": 0.7, "target": False},
    }
    return palm.Controller(tiny.config(folder, tasks), overrides=[])._training_run()


@pytest.fixture
def run(tmp_path):
    return new_run(tmp_path)


def source_of(run, done_steps=0, task_steps=None):
    return step_batches(run.tasks, run.sampler, done_steps=done_steps, task_steps=task_steps or {})


def test_the_prefetched_order_is_the_samplers(run):
    with closing(prefetched(source_of(run))) as feed:
        found = [step_batch for step_batch, _ in islice(feed, 40)]
    counts = dict.fromkeys(("water", "words"), 0)
    for number, step_batch in enumerate(found, 1):
        task = run.tasks[run.sampler.task_at(number)]
        wanted = task.batch_at(counts[task.name])
        assert (step_batch.global_step, step_batch.task.name, step_batch.task_step) == (
            number,
            task.name,
            counts[task.name],
        )
        assert all(np.array_equal(step_batch.batch[name], wanted[name]) for name in wanted)
        counts[task.name] += 1
    assert min(counts.values()) > 5


def test_draws_go_on_where_a_run_stopped(run):
    before = list(islice(source_of(run), 10))
    steps = {name: sum(step_batch.task.name == name for step_batch in before[:6]) for name in ("water", "words")}
    after = islice(source_of(run, 6, steps), 4)
    assert [(d.global_step, d.task_step) for d in after] == [(d.global_step, d.task_step) for d in before[6:]]


def test_an_error_is_raised_at_its_own_step():
    def source():
        yield from "abc"
        raise ZeroDivisionError("the fourth")

    with closing(prefetched(source())) as feed:
        assert [item for item, _ in islice(feed, 3)] == ["a", "b", "c"]
        with pytest.raises(ZeroDivisionError, match="the fourth"):
            next(feed)
    assert feed_threads() == []


def test_an_error_of_a_reader_ends_the_run_at_its_step_and_the_thread_with_it(run, monkeypatch):
    collate, calls = ClassificationReader.collate, []

    def failing(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise OSError("the disk is gone")
        return collate(self, *arguments)

    monkeypatch.setattr(ClassificationReader, "collate", failing)
    done = []
    with pytest.raises(OSError, match="the disk is gone"):
        done.extend(result.task for result in train_steps(run))
    assert done.count("water") == 2
    assert feed_threads() == []


def test_the_thread_works_ahead_and_ends_when_the_loop_is_left(run):
    steps = train_steps(run)
    next(steps)
    assert len(feed_threads()) == 1
    steps.close()
    assert feed_threads() == []


def test_a_run_that_ends_leaves_no_thread(run):
    results = list(train_steps(run))
    assert results[-1].last
    assert feed_threads() == []
    assert all(0 <= result.data_wait <= result.seconds for result in results)


def test_a_source_that_ends_ends_the_feed():
    assert [item for item, _ in prefetched(iter("abcd"))] == list("abcd")


def test_prefetched_training_gives_the_weights_of_plain_training(run, tmp_path, monkeypatch):
    list(train_steps(run))
    fed = {name: value.numpy() for name, value in run.model.state_dict().items()}
    monkeypatch.setattr("palm.engine.train.prefetched", lambda source: ((step_batch, 0.0) for step_batch in source))
    plain = new_run(tmp_path)
    list(train_steps(plain))
    for name, value in plain.model.state_dict().items():
        assert np.array_equal(value.numpy(), fed[name]), name
