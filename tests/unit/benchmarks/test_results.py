import json
import sys

import pytest

from benchmarks.speed.results import Goal, Result, publish, put_section, section, table


def test_a_table_is_markdown_with_figures_to_the_right():
    assert table(("who", "ms"), [("PALM", "12.5"), ("别人", "30.0")]) == (
        "| who | ms |\n| --- | ---: |\n| PALM | 12.5 |\n| 别人 | 30.0 |"
    )


@pytest.mark.parametrize(
    ("found", "at_most", "met", "row"),
    [
        (2.7, False, True, ("ratio", "≥ 2.7", "2.70", "met")),
        (2.69, False, False, ("ratio", "≥ 2.7", "2.69", "**missed**")),
        (2.69, True, True, ("ratio", "≤ 2.7", "2.69", "met")),
        (2.71, True, False, ("ratio", "≤ 2.7", "2.71", "**missed**")),
        (None, False, None, ("ratio", "≥ 2.7", "–", "not measured here")),
    ],
)
def test_a_goal_says_whether_it_is_met(found, at_most, met, row):
    goal = Goal("ratio", found, 2.7, at_most)

    assert goal.met is met
    assert goal.row() == row


def test_a_section_is_replaced_in_its_place_and_nothing_else_is():
    first, second = ("<!-- one: begin -->\nold\n<!-- one: end -->", "<!-- two: begin -->\nb\n<!-- two: end -->")
    text = f"# Title\n\n{first}\n\nA remark: 说明.\n\n{second}\n"

    assert put_section(text, "one", r"new \1") == text.replace("old", r"new \1")


def test_a_new_section_is_appended():
    assert put_section("# Title\n", "one", "body") == "# Title\n\n<!-- one: begin -->\nbody\n<!-- one: end -->\n"


def test_a_section_names_command_facts_tables_and_goals():
    result = Result("one", "B1: title", {"cpu": "X, 2 cores"}, ["a table"], [Goal("ratio", 3, 2.5)], {})

    assert section(result, "python -m x --steps 2").split("\n\n") == [
        "## B1: title",
        "```bash\npython -m x --steps 2\n```",
        "cpu X, 2 cores",
        "a table",
        "| goal | target | measured |  |\n| --- | ---: | ---: | ---: |\n| ratio | ≥ 2.5 | 3.00 | met |",
    ]


def test_publishing_twice_leaves_one_section_and_the_latest_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed.py", "--model", "my model"])
    file = tmp_path / "new" / "RESULTS.md"
    for rate in (10, 20):
        publish(Result("one", "B1", {"cpu": "X"}, [f"rate {rate}"], [Goal("rate", rate, 15)], {"rate": rate}), file)

    text = file.read_text(encoding="utf-8")
    assert text.count("## B1") == 1
    assert "rate 20" in text
    assert "rate 10" not in text
    saved = json.loads((tmp_path / "new" / "results" / "one.json").read_text(encoding="utf-8"))
    assert saved["figures"] == {"rate": 20}
    assert saved["goals"] == [{"what": "rate", "wanted": 15, "found": 20, "met": True}]
    assert saved["command"].endswith("--model 'my model'")
    assert "rate 20" in capsys.readouterr().out
