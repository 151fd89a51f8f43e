import pytest

pytest.importorskip("altair")

from palm.report.sections import all_sections
from tests.unit.report.reported import a_run, data, description, dev, step

COSINE = {"split": "cosine", "global_step": 2, "task": None, "cosines": {"a~b": 0.5}}
RECORDS = [step(1, "a"), step(2, "b"), COSINE, dev(2, "a", accuracy=0.5)]


def test_the_order_of_the_page():
    run = a_run(records=RECORDS, described=description(a=data(), b=data()), values={"x": ("1", "default")})
    keys = [section.key for section in all_sections([run])]
    assert keys == ["results", "curves", "speed", "mix", "cosines", "data", "configuration", "events"]


def test_sections_without_content_are_left_out():
    assert [section.key for section in all_sections([a_run()])] == ["events"]
