from palm.report import event_sections as module
from palm.report.event_sections import event_sections
from tests.unit.report.reported import a_run, step, titles

LOG = [
    "Global step: 4. Task: a, step 4/30 (epoch 0), loss: 6.235, speed: 0.75 steps/s",
    "Resumed from out/ckpt/step_2 at global step 2.",
    "checkpoint saved at out/ckpt/step_4",
    "global step 3, task a, step 3/30 (epoch 0), a.tsv lines 2: … Found: the loss is nan. The batch was skipped.",
]
EXPORT = {"split": "export", "global_step": 9, "task": "a", "task_steps": 9, "of_step": 6}


def test_what_happened_in_the_order_of_the_steps():
    run = a_run(records=[step(3, "a", loss=None), step(5, "意图", loss=None), EXPORT], log=LOG, checkpoints=(2, 4))
    (section,) = event_sections([run])
    rows = [row[:3] for row in section.blocks[0].rows]
    assert rows == [
        (2, None, "resumed"), (3, "a", "batch skipped"), (5, "意图", "loss not finite"), (9, "a", "exported"),
    ]  # fmt: skip
    assert titles(section)[1] == "Checkpoints: 1 written; those of global step 2, 4 are there."


def test_a_target_that_is_retired():
    run = a_run(records=[EXPORT], values={"leave_mix_when_finished": ("true",)})
    (section,) = event_sections([run])
    assert section.blocks[0].rows == [(9, "a", "exported", "the weights of global step 6; not trained any more")]


def test_a_run_in_which_nothing_happened():
    (section,) = event_sections([a_run(rank_logs=("rank1.log",), earlier_runs=2)])
    assert titles(section) == [
        "No resume, no skipped batch and no warning.",
        "Output of other ranks: rank1.log in the folder ranks.",
        "Earlier runs in the same folder: 2, in the folder earlier.",
    ]


def test_many_events_are_cut_and_said_to_be(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    (section,) = event_sections([a_run("x", log=["Warning: a"] * 5), a_run("y")])
    assert len(section.blocks[0].rows) == 2
    assert titles(section)[1:] == [
        "3 later ones are in log.txt (x).",
        "No resume, no skipped batch and no warning (y).",
    ]
