"""The lower bounds of dependencies, which `make lowest` tests."""

import re

from tests.lowest_versions import PROJECT, lowest_versions


def test_every_dependency_has_a_lower_bound():
    text = PROJECT.read_text(encoding="utf-8")
    core = text.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]
    names = re.findall(r'^    "([A-Za-z0-9_.-]+)', core, re.MULTILINE)
    found = lowest_versions(text)
    assert set(names) <= set(found)
    assert {"hypothesis", "paddlepaddle", "pytest"} <= set(found)
    assert all(re.fullmatch(r"[0-9]+(\.[0-9]+)*", version) for version in found.values())


def test_bounds_are_read_as_they_stand():
    text = '\ndependencies = [\n    "a>=1.2,<4",\n    "b-c>=3",  # why\n]\ntest = ["d>=0.1", "e>=2.0.0"]\n'
    assert lowest_versions(text) == {"a": "1.2", "b-c": "3", "d": "0.1", "e": "2.0.0"}
