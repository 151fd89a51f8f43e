import pytest

from palm.report.events import facts_of_log, read_log

STEP = "Global step: {}. Task: intent, step 4/30 (epoch 0), loss: 6.235, speed: 0.75 steps/s"
FAULT = (
    "global step 7, task intent, step 3/30 (epoch 0), train.tsv lines 2, 9: the loss and all gradients are finite "
    "numbers. Found: the loss is nan. The batch was skipped."
)


@pytest.mark.parametrize(
    ("line", "kind", "step", "task"),
    [
        ("Resumed from out/ckpt/step_20 at global step 20.", "resumed", 20, None),
        ("No checkpoint to resume from: training starts anew.", "anew", 12, None),
        ("An earlier run's ckpt, log.txt moved to out/earlier/1.", "anew", 12, None),
        ("The run was started with 2 processes and continues with 1. Batches …", "processes", 12, None),
        ("Stopped by SIGTERM after global step 31. `palm train … --resume` continues.", "stopped", 31, None),
        ("rank 1 (host-7, pid 123) was killed by SIGKILL; last: step 12.", "lost", 12, None),
        ("Restart 1 of 3, from the newest checkpoint.", "restarted", 12, None),
        (FAULT, "skipped", 7, "intent"),
        (
            "Global step 8, task 意图: a gradient overflowed in float16. The batch was skipped (1 …",
            "overflow",
            8,
            "意图",
        ),
        ("Restored the weights of out/ckpt/step_5; training continues with the next batch.", "restored", 12, None),
        ("intent: stops early after global step 90; its best accuracy 0.9 was …", "early stop", 90, "intent"),
        ("the run: stops early after global step 90", "early stop", 90, "the run"),
        ("intent: exported as at global step 60, its best accuracy 0.9000", "exported", 12, "intent"),
        ("Changed since the run was started: learning_rate 1 → 2. Its result will differ.", "changed", 12, None),
        ("Training waited for data 7.3 % of the time. One thread …", "data wait", 12, None),
        ("checkpoint saved at out/ckpt/step_40", "checkpoint", 40, None),
        ("Warning: something", "warning", 12, None),
    ],
)
def test_each_kind_of_line(line, kind, step, task):
    facts = facts_of_log([STEP.format(12) + "\n", line + "\n"])
    (event,) = facts.events
    assert (event.kind, event.global_step, event.task, event.text) == (kind, step, task, line)


def test_other_lines_are_no_events():
    lines = [STEP.format(1), "intent: evaluation at global step 270: f1 0.8745", "whatever", ""]
    assert facts_of_log(lines).events == []


def test_steps_per_epoch_and_sessions():
    trainer = "global step: 5, 意图: step 3/309 (epoch 0), loss: 68.965, speed: 0.58 steps/s"
    facts = facts_of_log(
        [STEP.format(1), trainer, "Resumed from a at global step 5.", "Resumed from a at global step 5."]
    )
    assert facts.steps_per_epoch == {"intent": 30, "意图": 309}
    assert facts.sessions == 3
    assert [event.kind for event in facts.of("resumed")] == ["resumed", "resumed"]


def test_a_log_is_read_from_its_folder(tmp_path):
    assert read_log(tmp_path).sessions == 0
    (tmp_path / "log.txt").write_bytes(b"Warning: \xff\n")
    assert [event.kind for event in read_log(tmp_path).events] == ["warning"]
