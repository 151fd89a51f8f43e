from dataclasses import replace

import pytest

from palm.training.display.facts import about, duration, header_facts
from tests.live_runs import new_run

HEADER = new_run(["a", "b", "c"]).header


def test_the_header_says_what_is_trained_and_where():
    assert list(header_facts(HEADER, 130.0)) == [
        "3 tasks × 2,400 rows × 900 steps",
        "minilm-l6-en (bert)",
        "22.7 M parameters",
        "CPU, 2 threads",
        "float32",
        "about 2 min",
    ]


def test_a_gpu_has_no_threads_and_several_processes_are_counted():
    header = replace(HEADER, tasks=1, device="GPU 0", threads=0, processes=4)
    assert list(header_facts(header, None)) == [
        "1 task × 2,400 rows × 900 steps",
        "minilm-l6-en (bert)",
        "22.7 M parameters",
        "4 processes, GPU 0",
        "float32",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12, "less than a minute"),
        (59, "about 1 min"),
        (170, "about 3 min"),
        (4000, "about 67 min"),
        (7200, "about 2 h"),
        (8000, "about 2 h 10 min"),
    ],
)
def test_expected_times_are_rounded(seconds, text):
    assert about(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "0:07"), (754, "12:34"), (3723, "1:02:03"), (86400, "24:00:00")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_small_model_has_its_parameters_counted():
    assert "12,345 parameters" in list(header_facts(replace(HEADER, parameters=12_345), None))
