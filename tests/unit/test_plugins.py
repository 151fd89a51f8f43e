import sys

import pytest

from palm import plugins
from palm.errors import RegistryError
from palm.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes the metadata of an installed package, and its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, points, code=""):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{point} = {module}\n" for point, module in points.items())
        (info / "entry_points.txt").write_text(f"[palm.components]\n{lines}")
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        plugins._declared.cache_clear()

    yield write
    plugins._declared.cache_clear()


@pytest.fixture
def things():
    return Registry("gradient method")


REGISTERS = "import tests.unit.test_plugins as home\nhome.PRESENT.register('mine')(object)\n"
PRESENT = None


def test_a_declared_component_is_loaded_when_it_is_asked_for(package, things, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PRESENT", things)
    monkeypatch.setitem(sys.modules, "tests.unit.test_plugins", sys.modules[__name__])
    package("mine_all_mine", {"gradient_method.mine": "mine_all_mine"}, REGISTERS)
    assert "mine_all_mine" not in sys.modules
    assert "other" not in things
    assert "mine_all_mine" not in sys.modules
    assert "mine" in things
    assert things["mine"] is object


def test_two_packages_with_one_name_are_refused(package, things):
    for name in ("first", "second"):
        package(name, {"gradient_method.mine": name})
    with pytest.raises(RegistryError, match=r"Found `mine` in the packages first 1\.0 and second 1\.0\. Uninstall one"):
        assert "mine" in things


def test_a_broken_package_is_named_with_the_line(package, things):
    package("broken_one", {"gradient_method.mine": "broken_one"}, "\n\n1 / 0\n")
    with pytest.raises(RegistryError) as caught:
        assert things["mine"]
    assert str(caught.value).startswith("the plug-in gradient_method.mine of broken_one 1.0 cannot be used: its module")
    assert "broken_one.py:3 with ZeroDivisionError: division by zero. Update or uninstall" in str(caught.value)


def test_a_module_that_does_not_exist_is_named(package, things):
    package("lost", {"gradient_method.mine": "no_such_module"})
    with pytest.raises(RegistryError, match="ModuleNotFoundError: No module named 'no_such_module'"):
        assert "mine" in things


def test_a_module_that_registers_something_else_is_named(package, things):
    package("empty", {"gradient_method.mine": "empty"})
    with pytest.raises(RegistryError, match="its module empty registers no gradient method `mine`"):
        assert "mine" in things


def test_what_is_declared_is_listed_without_an_import(package):
    package("listed", {"reader.b": "listed", "reader.a": "listed.more", "strange": "listed"})
    found = [each for each in plugins.plugins() if each.package == "listed 1.0"]
    assert [str(each) for each in found] == [
        "strange of listed 1.0",
        "reader.a of listed 1.0",
        "reader.b of listed 1.0",
    ]
    assert "listed" not in sys.modules


def test_a_name_that_is_no_text_is_no_plug_in(things):
    assert 3 not in things
