"""Values are checked against schemas, and problems have consistent messages."""

from typing import Literal

import pytest
from pydantic import Field, model_validator

from palm.paradigm.losses import ClassLossFields
from palm.schema.fields import Flags, Float, Int, Names, Numbers, ParadigmFields, Schema, Seed
from palm.schema.settings import TrainSettings
from palm.schema.validate import validate
from palm.schema.values import Resolved, Setting


class Example(Schema):
    """One key of each kind."""

    size: Int = Field(2, ge=1, description="A size.")
    share: Float = Field(0.5, ge=0, lt=1, description="A share.")
    scale: Float = Field(1.0, description="A scale.")
    seed: Seed = Field(1, ge=0, description="A seed.")
    limit: Int | None = Field(None, ge=1, description="A limit.")
    flag: bool = Field(False, description="A flag.")
    word: str = Field("x", description="A word.")
    choice: Literal["one", "two"] = Field("one", description="A choice.")
    names: Names = Field(default_factory=list, description="Names.")
    ratios: Numbers | None = Field(None, description="Ratios.")
    tags: Flags | None = Field(None, description="Tags.")


class Needy(Schema):
    """A key without default, and a rule over two keys."""

    n_classes: Int = Field(ge=1, description="Number of classes.")
    top: Int = Field(1, description="How many are shown.")

    @model_validator(mode="after")
    def _check(self) -> "Needy":
        if self.top > self.n_classes:
            raise ValueError("top is at most n_classes.")
        return self


class Strict(Schema):
    """A rule over keys that have defaults."""

    some: Int | None = Field(None, description="Some.")

    @model_validator(mode="after")
    def _check(self) -> "Strict":
        if self.some is None:
            raise ValueError("some must be there.")
        return self


def resolved(**values: object) -> dict[str, Resolved]:
    return {key: Resolved(Setting(key, value, "tasks/mrqa.yaml:7")) for key, value in values.items()}


def problems(**values: object) -> list[str]:
    return [str(problem) for problem in validate(Example, resolved(**values), owner="the run", home="c.yaml")[1]]


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("size", "8", 8),
        ("size", 2**31 - 1, 2**31 - 1),
        ("scale", 1e30, 1e30),
        ("seed", 2**63 - 1, 2**63 - 1),
        ("size", 8.0, 8),
        ("share", "1e-3", 0.001),
        ("share", "3E-5", 3e-5),
        ("limit", None, None),
        ("flag", "no", False),
        ("flag", "on", True),
        ("flag", 1, True),
        ("word", 2020, "2020"),
        ("word", "no", "no"),
        ("names", "a, b,", ["a", "b"]),
        ("names", 7, ["7"]),
        ("names", ["a", 1], ["a", "1"]),
        ("ratios", "1.0, 0.5", [1.0, 0.5]),
        ("tags", "1,0", [True, False]),
        ("tags", 0, [False]),
    ],
)
def test_what_yaml_gives_is_coerced(key: str, written: object, value: object) -> None:
    example, wrong = validate(Example, resolved(**{key: written}), owner="the run", home="c.yaml")
    assert wrong == []
    assert getattr(example, key) == value


@pytest.mark.parametrize(
    ("key", "written", "rule"),
    [
        ("size", 0, "size is a whole number, at least 1. Found `0`. Meaning: A size."),
        ("size", 1.5, "size is a whole number, at least 1. Found `1.5`."),
        ("size", True, "size is a whole number, at least 1. Found `True`."),
        ("size", None, "size is a whole number, at least 1. Found nothing."),
        ("size", "9" * 5000, "size is a whole number, at least 1. Found `999"),
        ("share", 1, "share is a number, at least 0, below 1. Found `1`."),
        ("share", "nan", "share is a number, at least 0, below 1. Found `nan`."),
        ("share", "inf", "share is a number, at least 0, below 1. Found `inf`."),
        ("limit", 0, "limit is a whole number, at least 1. Found `0`."),
        ("flag", "maybe", "flag is true or false. Found `maybe`."),
        ("word", ["a"], "word is text. Found `['a']`."),
        ("choice", "three", "choice is one of `one`, `two`. Found `three`."),
        ("names", {"a": 1}, "names is a list of names. Found `{'a': 1}`."),
        ("ratios", "a, b", "ratios is a list of numbers. Found `a, b`."),
        ("ratios", [True, 1], "ratios is a list of numbers. Found `[True, 1]`."),
        ("ratios", [1e308, 1e308], "numbers go up to 1e+30, whole ones up to 2147483647. Found `[1e+308, 1e+308]`."),
        ("size", 2**31, "numbers go up to 1e+30, whole ones up to 2147483647. Found `2147483648`."),
        (
            "size",
            10**30,
            "numbers go up to 1e+30, whole ones up to 2147483647. Found `1000000000000000000000000000000`.",
        ),
        ("limit", 2**31, "numbers go up to 1e+30, whole ones up to 2147483647. Found `2147483648`."),
        ("scale", 1e31, "numbers go up to 1e+30, whole ones up to 2147483647. Found `1e+31`."),
        ("scale", -1e31, "numbers go up to 1e+30, whole ones up to 2147483647. Found `-1e+31`."),
        ("seed", 2**63, "seed is a whole number, at least 0, below 9.22337e+18. Found `9223372036854775808`."),
    ],
)
def test_wrong_values(key: str, written: object, rule: str) -> None:
    found = problems(**{key: written})
    assert len(found) == 1
    assert found[0].startswith(f"tasks/mrqa.yaml:7: {rule}")
    assert len(found[0]) < 300


def test_all_wrong_values_are_told_at_once() -> None:
    assert len(problems(size=0, share=2, flag="maybe", word="right")) == 3


def test_missing_key() -> None:
    _, wrong = validate(Needy, {}, owner="reader cls", home="tasks/a.yaml")
    assert [str(problem) for problem in wrong] == [
        "tasks/a.yaml: reader cls needs `n_classes`. Found nothing. Add it: Number of classes."
    ]


def test_rules_over_several_keys_keep_their_words() -> None:
    _, wrong = validate(Needy, resolved(n_classes=2, top=3), owner="reader cls", home="tasks/a.yaml")
    assert [str(problem) for problem in wrong] == [
        "tasks/mrqa.yaml:7: reader cls: top is at most n_classes. Found `n_classes: 2`, `top: 3`. Change one of them."
    ]


def test_rules_over_several_unset_keys_are_located() -> None:
    _, wrong = validate(Strict, {}, owner="reader cls", home="tasks/a.yaml")
    assert [str(problem) for problem in wrong] == ["tasks/a.yaml: reader cls: some must be there."]


def test_the_users_own_name_of_a_key_is_shown() -> None:
    values = {"size": Resolved(Setting("size", 0, "c.yaml:1", written="n"))}
    _, wrong = validate(Example, values, owner="the run", home="c.yaml")
    assert str(wrong[0]).startswith("c.yaml:1: n is a whole number")


def test_what_was_found_is_said_once() -> None:
    (problem,) = validate(ParadigmFields, resolved(layers="3"), owner="paradigm cls", home="c.yaml")[1]
    assert problem.message.startswith(
        "`last`, `mix`, or at least two indices such as `0, 3, -1` are expected, found `3`;"
    )
    assert "Found" not in problem.message


def test_a_name_has_one_weight() -> None:
    (problem,) = validate(TrainSettings, resolved(selection="意图: 1, b, 意图: 2"), owner="training", home="c.yaml")[1]
    assert problem.message.startswith("a name must have a single weight. Found `意图: 1, b, 意图: 2`.")


def test_what_a_mapping_holds_is_said() -> None:
    given = resolved(class_weights={"水": -1})
    (problem,) = validate(ClassLossFields, given, owner="paradigm cls", home="c.yaml")[1]
    rule = "class_weights is a mapping of names to numbers, at least 0. Found `{'水': -1}`."
    assert problem.message.startswith(rule)
