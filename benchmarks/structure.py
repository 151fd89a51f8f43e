"""Numbers about the structure of PALM's source: `python -m benchmarks.structure [--rev REVISION] [--json]`.

They are read from the source text; it is not executed. With `--rev` the text is that of a git revision. Definitions:

* an *entry* is a file or folder directly in palm/, `__init__.py`, `__main__.py` and `py.typed` included;
* a *module* is a .py file that is not an `__init__.py`; its lines are all lines of the file;
* an *import* leads from one file to another, once, whether at the top, in a function or under TYPE_CHECKING;
* it points *upward* where the layers of the revision's own pyproject.toml forbid it. `palm/__init__.py` is in no layer;
* a *circle* is a group of modules (without `palm/__init__.py`), or of neighbours in a folder, that import each other;
* a *composition root* is a module that calls `TrainingRun(...)`;
* a *sampler touches* the files of palm/ that hold its class, one of its keys or its name, and its test and its page.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.routes import ROUTES, length
from benchmarks.source_tree import Graph, Module, SourceTree, child, circles, names_in, read_folder, read_revision

ROOT = Path(__file__).resolve().parents[1]
SHORT_MODULE, SMALL_MODULE, LONG_FUNCTION = 41, 40, 40
COMPOSED = "TrainingRun"
# A sampler with its own keys stands for a new one; besides palm/, its test and its page are written.
SAMPLER, SAMPLER_KEYS, SAMPLER_TEST_AND_PAGE = "adaptive", ("sampling_by", "sampling_floor"), 2


@dataclass(frozen=True)
class Measure:
    """One number.

    Attributes:
        name: What is counted.
        value: The number; None if it cannot be determined.
        goal: The largest acceptable number; None if there is no goal.
        details: The items that were counted, if useful.
    """

    name: str
    value: int | None
    goal: int | None = None
    details: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.goal is None or (self.value is not None and self.value <= self.goal)


def measures(tree: SourceTree) -> list[Measure]:
    """Every number about `tree`."""
    return [*sizes(tree), *import_measures(tree), *function_measures(tree), *route_measures(tree)]


def sizes(tree: SourceTree) -> Iterator[Measure]:
    """Entries, modules, and modules that are too short."""
    modules = _modules(tree)
    small = [module.name for module in modules if is_small(tree, module)]
    longest = max(modules, key=lambda module: module.lines)
    yield Measure("entries of palm/", len(tree.entries), 35)
    yield Measure("modules", len(modules), 215)
    yield Measure(f"modules under {SHORT_MODULE} lines", sum(module.lines < SHORT_MODULE for module in modules), 25)
    yield Measure("files with one importer", sum(len(importers) == 1 for importers in tree.importers.values()))
    rule = f"modules under {SMALL_MODULE} lines with one importer that register nothing"
    yield Measure(rule, len(small), 0, tuple(small))
    yield Measure("lines of the longest file", longest.lines, 400, (longest.path,))


def is_small(tree: SourceTree, module: Module) -> bool:
    """Whether a module is short, has one importer, and registers nothing, so that it belongs in its importer."""
    return module.lines < SMALL_MODULE and len(tree.importers[module.name]) == 1 and not module.registered


def import_measures(tree: SourceTree) -> Iterator[Measure]:
    """Imports between the top-level entries, upward ones, and circles."""
    between = neighbours(tree, tree.package)
    upward = list(upward_imports(tree))
    to_root = tuple(sorted(tree.importers[tree.package]))
    groups = circles(without(tree.imports, [tree.package]))
    of_neighbours = [
        f"{package}: {_joined(group)}" for package in tree.packages for group in circles(neighbours(tree, package))
    ]
    yield Measure("imports between entries", sum(map(len, between.values())))
    yield Measure("imports that point upward", len(upward), 0, tuple(upward))
    yield Measure(f"files that import {tree.package}/__init__.py", len(to_root), None, to_root)
    yield Measure("circles of modules", len(groups), 0, tuple(map(_joined, groups)))
    yield Measure("circles of neighbours", len(of_neighbours), 0, tuple(of_neighbours))


def neighbours(tree: SourceTree, package: str) -> Graph:
    """Which of its neighbours each module or folder directly in `package` imports, with all that it holds."""
    found: dict[str, set[str]] = {}
    for name, imported in tree.imports.items():
        if one := child(package, name):
            found.setdefault(one, set()).update({child(package, other) for other in imported} - {"", one})
    return {name: frozenset(others) for name, others in found.items()}


def upward_imports(tree: SourceTree) -> Iterator[str]:
    """Imports of a higher layer, or of another entry of the same one."""
    for name, imported in tree.imports.items():
        for other in sorted(imported):
            one, two = child(tree.package, name), child(tree.package, other)
            if one != two and one in tree.layers and two in tree.layers and tree.layers[two] <= tree.layers[one]:
                yield f"{name} -> {other}"


def function_measures(tree: SourceTree) -> Iterator[Measure]:
    """Composition roots, long functions, and what a sampler touches."""
    roots = [module.name for module in tree.modules.values() if COMPOSED in _called(module)]
    long = [
        f"{module.name}:{name}"
        for module in tree.modules.values()
        for name, function in module.functions()
        if (function.end_lineno or 0) - function.lineno + 1 > LONG_FUNCTION
    ]
    touched = sampler_files(tree)
    yield Measure("composition roots", len(roots), 1, tuple(roots))
    yield Measure(f"functions over {LONG_FUNCTION} lines", len(long), None, tuple(long))
    yield Measure("files that a sampler touches", len(touched) + SAMPLER_TEST_AND_PAGE, 4, tuple(touched))


def sampler_files(tree: SourceTree) -> list[str]:
    """The files of the package with the class, a key or the name of one sampler."""
    home = next((module for module in tree.modules.values() if SAMPLER in module.registered), None)
    words = {SAMPLER, *SAMPLER_KEYS, *(_classes_registered(home, SAMPLER) if home else ())}
    return [module.path for module in tree.modules.values() if words & _words(module)]


def route_measures(tree: SourceTree) -> Iterator[Measure]:
    """Lengths of the declared routes."""
    for route in ROUTES:
        value, broken = length(tree, route)
        yield Measure(f"{route.counts} {route.name}", value, route.goal, (broken,) if broken else ())


def without(graph: Graph, left_out: Iterable[str]) -> Graph:
    """`graph` without some of its nodes."""
    dropped = frozenset(left_out)
    return {node: others - dropped for node, others in graph.items() if node not in dropped}


def table(found: Sequence[Measure], *, details: bool) -> str:
    """The numbers as text, each with its goal."""
    width = max(len(measure.name) for measure in found)
    lines = []
    for measure in found:
        value = "-" if measure.value is None else str(measure.value)
        goal = "" if measure.goal is None else f"   goal {measure.goal}{'' if measure.reached else ', missed'}"
        lines.append(f"{measure.name:<{width}} {value:>6}{goal}")
        if details or measure.value is None:
            lines += [f"    {detail}" for detail in measure.details]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.structure", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rev", help="a git revision instead of the working tree")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--details", action="store_true", help="list the items behind each number")
    options = parser.parse_args(argv)
    tree = read_revision(ROOT, options.rev) if options.rev else read_folder(ROOT)
    found = measures(tree)
    if options.json:
        print(json.dumps([asdict(measure) for measure in found], indent=2))
    else:
        print(table(found, details=options.details))
    return 0


def _modules(tree: SourceTree) -> list[Module]:
    return [module for module in tree.modules.values() if not module.is_package]


def _joined(group: Sequence[str]) -> str:
    return ", ".join(group)


def _called(module: Module) -> set[str]:
    """Last parts of the names that the module calls."""
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    attributes = {called.attr for called in calls if isinstance(called, ast.Attribute)}
    return attributes | {called.id for called in calls if isinstance(called, ast.Name)}


def _words(module: Module) -> set[str]:
    """Names, attributes, keywords, imported names and short strings of a module."""
    nodes = list(ast.walk(module.tree))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return strings | keywords | imported | classes | names_in(module.tree)


def _classes_registered(module: Module, name: str) -> list[str]:
    """Classes that a decorator registers under `name`."""
    return [
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and decorator.args
        if isinstance(decorator.args[0], ast.Constant) and decorator.args[0].value == name
    ]


if __name__ == "__main__":
    sys.exit(main())
