from palm.report.configuration_sections import configuration_sections
from tests.unit.report.reported import a_run, titles

GIVEN = {"learning_rate": ("2", "config.yaml:3", "`1` (x.yaml:1)"), "use_ema": ("false", "default")}


def test_values_with_their_sources_and_defaults_folded():
    (section,) = configuration_sections([a_run(values=GIVEN)])
    given, defaults = section.blocks
    assert given.rows == [("learning_rate", "2", "config.yaml:3", "`1` (x.yaml:1)")]
    assert defaults.rows == [("use_ema", "false", "default")]
    assert (given.is_folded, defaults.is_folded) == (False, True)


def test_no_column_for_what_overrides_nothing():
    (section,) = configuration_sections([a_run(values={"a": ("1", "config.yaml:3")})])
    assert section.blocks[0].header == ("key", "value", "source")


def test_a_run_without_sources_says_so():
    (section,) = configuration_sections([a_run(values={"a": ("1",)})])
    assert section.blocks[0].is_note
    assert section.blocks[1].rows == [("a", "1", None)]
    assert next(iter(configuration_sections([a_run()]))).blocks == []


def test_runs_are_compared_first():
    runs = [
        a_run(name, values={"a": (value, "config.yaml:1"), "b": ("1", "default")})
        for name, value in (("x", "1"), ("y", "2"))
    ]
    (section,) = configuration_sections(runs)
    assert section.blocks[0].header == ("key", "x", "y")
    assert section.blocks[0].rows == [("a", "1", "2")]
    assert titles(section)[1:] == [
        "What was set (x)",
        "All other values (x)",
        "What was set (y)",
        "All other values (y)",
    ]
    (section,) = configuration_sections([runs[0], runs[0]])
    assert titles(section)[0] == "The runs have the same values."
