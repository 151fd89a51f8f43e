import json

import pytest

from palm.board.buckets import ChartWindow
from palm.board.lines import lines_of
from palm.report.run_folder import read_run
from tests.unit.board.written import dev_line, step_line, write

ALL = ChartWindow(0, 100, 50)


def kinds(folder, window=ALL):
    return {(line.kind, line.task or line.name, line.metric): line for line in lines_of(read_run(folder), window)}


def test_lines_of_a_run_with_one_task(tmp_path):
    write(
        tmp_path, step_line(1, loss=2.0), step_line(2), dev_line(2, loss=1.0, accuracy=0.5), dev_line(3, accuracy=0.4)
    )
    found = kinds(tmp_path)
    expected = [("loss", "intent", ""), ("dev", "intent", "accuracy"), ("dev", "intent", "loss")]
    assert list(found) == [*expected, ("learning_rate", "", ""), ("speed", "", "")]
    assert found["loss", "intent", ""].values.tolist() == [2.0, 1.0]
    assert found["dev", "intent", "accuracy"].best == (2, 0.5)


def test_lines_of_a_mix(tmp_path):
    (tmp_path / "log.txt").write_text("", encoding="utf-8")
    probabilities, cosines = {"intent": 0.25, "标签": 0.75}, {"intent~标签": -0.5}
    write(
        tmp_path, step_line(1, sampling_probabilities=probabilities), step_line(2, task="标签"),
        {"split": "cosine", "global_step": 2, "cosines": cosines},
    )  # fmt: skip
    found = kinds(tmp_path)
    assert found["probability", "标签", ""].values.tolist() == [0.75]
    assert found["cosine", "intent · 标签", ""].values.tolist() == [-0.5]


def test_the_mix_so_far_needs_the_steps_of_an_epoch(tmp_path):
    write(
        tmp_path, step_line(1), {**step_line(2, task="b"), "step": 1}, {**step_line(4, task="b"), "step": 1, "epoch": 1}
    )
    assert ("mix", "b", "") not in kinds(tmp_path)
    lines = [
        "Global step: 1. Task: intent, step 1/9 (epoch 0), loss: 1.0",
        "Global step: 2. Task: b, step 1/2 (epoch 0), loss: 1",
    ]
    (tmp_path / "log.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert kinds(tmp_path)["mix", "b", ""].values.tolist() == pytest.approx([1 / 2, 3 / 4])


def test_a_window_has_the_points_in_it_and_those_beside_it(tmp_path):
    write(tmp_path, *(step_line(step) for step in range(1, 30)))
    assert kinds(tmp_path, ChartWindow(10, 12, 50))["loss", "intent", ""].steps.tolist() == [9, 10, 11, 12, 13]


def test_a_line_is_json(tmp_path):
    write(tmp_path, step_line(1), dev_line(1, accuracy=0.5))
    content = [line.content(ALL) for line in lines_of(read_run(tmp_path), ALL)]
    assert json.loads(json.dumps(content, allow_nan=False))[1]["best"] == [1, 0.5]
