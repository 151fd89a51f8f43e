import pytest

from palm.errors import ConfigError
from palm.tune.space import SearchedKey, plain_space, read_space, shown_value, word_of


def read(search):
    return read_space(search, {("learning_rate",): "c.yaml:3"}, "c.yaml:2")


def fault(search):
    with pytest.raises(ConfigError) as caught:
        read(search)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ([1e-5, 5e-4, "log"], {"low": 1e-5, "high": 5e-4, "log": True}),
        ([0.0, 0.3], {"low": 0.0, "high": 0.3}),
        ([1, 5], {"low": 1, "high": 5}),
        ({"low": 8, "high": 64, "step": 8}, {"low": 8, "high": 64, "step": 8}),
        ({"low": 1e-5, "high": 1e-3, "log": True}, {"low": 1e-5, "high": 1e-3, "log": True}),
        ({"choices": [16, 32]}, {"choices": (16, 32)}),
        ({"choices": ["宽", None, True, [1, 2]]}, {"choices": ("宽", None, True, [1, 2])}),
    ],
)
def test_forms_of_values(given, parsed):
    assert read({"learning_rate": given}) == (SearchedKey("learning_rate", "c.yaml:3", **parsed),)


def test_keys_of_tasks_in_both_forms_and_aliases():
    keys = read({"tasks": {"新闻": {"lr_scale": [1, 2]}}, "tasks.faq.epoch": [1, 2], "max_seqlen": [8, 9]})
    assert [each.key for each in keys] == ["tasks.新闻.lr_scale", "tasks.faq.num_epochs", "max_seq_len"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3e-5, "a range of numbers or choices are expected. Found `3e-05`"),
        ([16, 32, 64], "the third of a range is `log` or nothing. Found `64`"),
        (["adam", "adamw"], "a range of numbers or choices are expected."),
        ([5, 1], "`low` is below `high`. Found `5` and `1`."),
        ([0, 1, "log"], "on a logarithmic scale both ends are above 0."),
        ([True, 2], "a range of numbers or choices are expected."),
        ({"choise": [1, 2]}, "Found `choise`. Did you mean `choices`?"),
        ({"choices": [16]}, "`choices` is a list of 2 values or more, alone."),
        ({"choices": [16, 16]}, "a choice is given once. Found 16 again."),
        ({"choices": [{"a": 1}, 2]}, "Found a mapping."),
        ({"low": 1}, "a range has the numbers `low` and `high`."),
        ({"low": 1, "high": 2, "log": "yes"}, "`log` is true or false"),
        ({"low": 1, "high": 9, "step": 0}, "`step` a number above 0"),
        ({"low": 1, "high": 9, "step": 2, "log": True}, "`step` or `log`, not both"),
    ],
)
def test_what_is_wrong_has_its_line(given, message):
    said = fault({"learning_rate": given})
    assert said.startswith("c.yaml:3: search.learning_rate: ")
    assert message in said


def test_a_key_is_searched_once():
    assert "search.epoch: a key is searched once, whatever its form." in fault({"num_epochs": [1, 2], "epoch": [1, 3]})


def test_an_empty_search_is_refused():
    assert fault({}).startswith("c.yaml:2: `search` needs at least one key.")


def test_all_problems_are_named_at_once():
    assert len(fault({"a": 1, "b": [2, 1]}).splitlines()) == 2


@pytest.mark.parametrize(
    ("given", "inside", "outside"),
    [
        ([1, 5], [1, 3, 5], [0, 6, "3", True, None]),
        ([0.1, 0.5], [0.1, 0.3], [0.6]),
        ({"low": 8, "high": 64, "step": 8}, [8, 16, 64], [12, 72]),
        ({"choices": [None, "a"]}, [None, "a"], ["b"]),
    ],
)
def test_which_values_a_key_holds(given, inside, outside):
    (key,) = read({"k": given})
    assert [value for value in inside if not key.holds(value)] == []
    assert [value for value in outside if key.holds(value)] == []


def test_values_of_a_check_are_in_the_range():
    for given in ([1, 5], [0.1, 0.5], [1e-5, 1e-2, "log"], {"low": 0.5, "high": 2.0, "step": 0.5}):
        (key,) = read({"k": given})
        assert all(key.holds(value) for value in key.samples)
        assert {key.low, key.high} <= set(key.samples)


@pytest.mark.parametrize(
    ("value", "word", "shown"),
    [
        (3e-05, "k=3e-05", "3e-05"),
        (True, "k=true", "true"),
        (None, "k=null", "null"),
        ("宽", "k=宽", "宽"),
        ([1], "k=[1]", "[1]"),
    ],
)
def test_a_value_on_the_command_line_and_in_a_table(value, word, shown):
    assert (word_of("k", value), shown_value(value)) == (word, shown)


def test_the_space_as_it_is_kept():
    assert plain_space(read({"k": {"choices": [1, 2]}, "n": [1, 2]})) == {
        "k": {"choices": [1, 2]}, "n": {"low": 1, "high": 2, "log": False, "step": None},
    }  # fmt: skip
