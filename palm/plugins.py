"""Components of other installed packages: the entry points of the group `palm.components`.

An entry point is named `<kind>.<name>`, such as `reader.poems`, and its value is the module that registers the
component. Nothing of a package is imported before something asks for a component of this kind and name that PALM does
not have: installing a package runs none of its code in `palm train` of a configuration that does not name it.
"""

import importlib
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from palm.errors import RegistryError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "palm.components"
_PALM = Path(__file__).parent


@dataclass(frozen=True)
class Plugin:
    """A component that an installed package declares.

    Attributes:
        kind: What it is, such as `reader` or `gradient_method`; empty if the entry point's name is not `kind.name`.
        name: Its name in configurations.
        module: The module that registers it.
        package: The package and its version.
    """

    kind: str
    name: str
    module: str
    package: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name} of {self.package}" if self.kind else f"{self.name} of {self.package}"


def plugins() -> tuple[Plugin, ...]:
    """What the installed packages declare, in the order of kinds and names. Nothing is imported."""
    return _declared(tuple(sys.path))


@cache
def _declared(path: tuple[str, ...]) -> tuple[Plugin, ...]:
    from importlib.metadata import entry_points  # noqa: PLC0415 (slow, and `palm --help` needs none)

    del path  # by which the result is remembered
    found = dict.fromkeys(map(_plugin, entry_points(group=GROUP)))
    return tuple(sorted(found, key=lambda each: (each.kind, each.name, each.package)))


def _plugin(point: "EntryPoint") -> Plugin:
    kind, dot, name = point.name.partition(".")
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
    return Plugin(kind if dot else "", name if dot else point.name, point.module, package)


def declared_kind(kind: str) -> str:
    """The kind of a registry as in the name of an entry point: `gradient method` → `gradient_method`."""
    return kind.replace(" ", "_")


def find_plugin(kind: str, name: str) -> Plugin | None:
    """The plug-in that declares a component.

    Args:
        kind: The kind of a registry.
        name: The component's name.

    Raises:
        RegistryError: Several packages declare it.
    """
    wanted = declared_kind(kind)
    found = [each for each in plugins() if (each.kind, each.name) == (wanted, name)]
    if len({each.package for each in found}) > 1:
        packages = " and ".join(each.package for each in found)
        rule = f"a {kind} name stands for one component."
        raise RegistryError(f"{rule} Found `{name}` in the packages {packages}. Uninstall one of them.")
    return found[0] if found else None


def load_plugin(plugin: Plugin) -> None:
    """Import the module of a plug-in, which registers its components.

    Raises:
        RegistryError: The import fails.
    """
    try:
        importlib.import_module(plugin.module)
    except Exception as error:  # the code of another package may raise anything
        message = f"the plug-in {plugin} cannot be used: {_reason(error)}. Update or uninstall the package."
        raise RegistryError(message) from error


def _reason(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = (frame for frame in reversed(frames) if frame.filename.endswith(".py") and "importlib" not in frame.filename)
    where = next((frame for frame in own if not Path(frame.filename).is_relative_to(_PALM)), None)
    place = f" at {where.filename}:{where.lineno}" if where is not None else ""
    return f"its module fails{place} with {type(error).__name__}: {error}".rstrip(". ")


def plugin_faults(registered: dict[str, tuple[str, ...]]) -> Iterator[tuple[Plugin, str]]:
    """Each plug-in that can never be used, with the reason.

    Args:
        registered: The names of PALM's own components, by the kind in entry points.
    """
    for plugin in plugins():
        others = [each for each in plugins() if (each.kind, each.name) == (plugin.kind, plugin.name)]
        if plugin.kind not in registered:
            kinds = ", ".join(sorted(registered))
            yield plugin, f"its entry point is not named `<kind>.<name>`, with a kind among {kinds}"
        elif plugin.name in registered[plugin.kind]:
            yield plugin, f"PALM has a {plugin.kind} `{plugin.name}` of its own, which is used"
        elif len(others) > 1:
            packages = ", ".join(each.package for each in others if each != plugin)
            yield plugin, f"{packages} declares it as well, so it is refused"
