"""What is no component is refused where it is registered, by what it lacks."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from palm.backbone.base import BACKBONES
from palm.errors import RegistryError
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import READERS, Reader
from palm.reader.cls import ClassificationReader
from palm.registry import Registry
from palm.schema.fields import ReaderFields
from tests.integration import tiny


class WithoutConfig(Reader):
    """A reader without keys."""


class WithAnotherConfig(Reader):
    """A reader whose `Config` is a dictionary."""

    Config = {"max_seq_len": 128}  # type: ignore[assignment]  # noqa: RUF012


class HalfAReader(Reader):
    """A reader that encodes nothing."""

    Config = ReaderFields


@pytest.mark.parametrize(
    ("registry", "component", "message"),
    [
        (
            READERS,
            WithoutConfig,
            r"reader `mine`: its class attribute `Config` is a subclass of `ReaderFields`.*none in",
        ),
        (READERS, WithAnotherConfig, r"`Config` is a subclass of `ReaderFields`.*Found `\{'max_seq_len': 128\}`"),
        (READERS, HalfAReader, r"reader `mine`: it implements `Reader`\. Found no `collate`, `encode`, .* in `HalfA"),
        (READERS, Paradigm, r"a class that extends `Reader` is expected\. Found"),
        (READERS, lambda: None, r"a class that extends `Reader` is expected\. Found"),
        (PARADIGMS, ClassificationReader, r"paradigm `mine`: a class that extends `Paradigm` is expected"),
        (BACKBONES, 7, r"backbone `mine`: a class that extends `Backbone` is expected\. Found `7`"),
    ],
)
def test_what_is_no_component(registry: Registry[object], component: object, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        registry.register("mine")(component)
    assert "mine" not in registry


def test_a_component_without_a_name() -> None:
    """`@READERS.register` without brackets would replace the class by a function and register nothing."""
    with pytest.raises(RegistryError, match=r'A reader is registered under a name: `\.register\("name"\)`\. Found'):
        READERS.register(HalfAReader)  # type: ignore[arg-type]


def test_the_name_of_an_object() -> None:
    registry: Registry[type] = Registry("thing")
    registry.register("整数")(int)
    assert registry.name_of(3) == "整数"
    with pytest.raises(RegistryError, match=r"A thing is registered under a name\. Found none of `bool`\."):
        registry.name_of(component=True)


def test_an_unknown_name_is_shown_in_part() -> None:
    with pytest.raises(RegistryError, match=r"unknown reader `x{80}`") as caught:
        READERS["x" * 5000]
    assert len(str(caught.value)) < 500


def test_the_command_names_the_line_of_the_users_file(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    lines = ["from palm.reader.base import READERS, Reader", "", '@READERS.register("mine")', "class Mine(Reader):"]
    own.write_text("\n".join([*lines, "    pass", ""]), encoding="utf-8")
    made = tiny.config(tmp_path, {"c": {**tiny.classification_task(tmp_path, "c"), "reader": "mine"}})
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**made, "imports": [str(own)]}), encoding="utf-8")
    for command in ("check", "train"):
        done = subprocess.run(
            [sys.executable, "-m", "palm", command, str(tmp_path / "config.yaml")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"the module fails at {own}:3 with RegistryError: reader `mine`: its class attribute" in done.stderr
        assert "Traceback" not in done.stderr
