"""Variants as flags and as a file, and messages about those that cannot be read."""

import pytest

from palm.compare.variants import Variant, read_variants
from palm.errors import ConfigError


def test_flags_and_a_file_give_the_words_of_the_command_line(tmp_path):
    file = tmp_path / "variants.yaml"
    file.write_text(
        "dwa: {weighting: dwa}\nshared_private:\n  sharing: private\n"
        "  tasks: {意图: {batch_size: 4, metrics: [f1, 准确]}}\n",
        encoding="utf-8",
    )
    found = read_variants("hard", ["uneven=mix_ratio=1,0.5,tasks.a.batch_size=8", "again="], str(file))
    assert found == [
        Variant("hard"),
        Variant("dwa", ("--weighting=dwa",)),
        Variant(
            "shared_private",
            ("--sharing=private", "--tasks.意图.batch_size=4", '--tasks.意图.metrics=["f1", "准确"]'),
        ),
        Variant("uneven", ("--mix_ratio=1,0.5", "--tasks.a.batch_size=8")),
        Variant("again"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["dwa"], "--variant: a variant is `NAME=key=value,key=value`. Found `dwa`."),
        (["dwa=weighting"], "--variant: a variant is `NAME=key=value,key=value`. Found `dwa=weighting`."),
        (
            ["../x=a=1"],
            "variant: a variant's name consists of letters, digits, `_` and `-`, since it names a folder. "
            "Found `../x`.",
        ),
        (["single=a=1"], "variant: `single` is the name of each task trained alone. Choose another name."),
        (["a=b=1", "a=b=2"], "a: a variant's name is given once. Found `a` 2 times. Rename one."),
    ],
)
def test_what_is_wrong_is_said_in_a_line(given, message):
    with pytest.raises(ConfigError) as caught:
        read_variants("together", given, None)
    assert str(caught.value) == message


def test_a_variant_of_the_file_that_is_no_mapping_is_named_by_its_line(tmp_path):
    file = tmp_path / "variants.yaml"
    file.write_text("dwa: {weighting: dwa}\nother: 3\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"variants.yaml:2: the keys of a variant are a mapping `key: value`. Found `3`"
    ):
        read_variants("together", [], str(file))
