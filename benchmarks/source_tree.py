"""The source text of a package, parsed but never run: its files, modules, functions, imports and layers."""

import ast
import io
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_NOT_SOURCE = ("__pycache__", ".so", ".pyc")
_LAYERS = re.compile(r"^layers = (\[.*?^\])", re.MULTILINE | re.DOTALL)

Graph = Mapping[str, frozenset[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file.

    Attributes:
        name: Dotted name; a package has the name of its folder.
        path: Path from the root of the repository, with `/`.
        text: The source.
    """

    name: str
    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source."""
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        """Lines of the file, blank ones and comments included."""
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether it is the `__init__.py` of a folder."""
        return self.path.endswith("__init__.py")

    @property
    def registered(self) -> tuple[str, ...]:
        """Names under which the module registers components: `@READERS.register("cls")` → `cls`."""
        return tuple(
            str(call.args[0].value)
            for call in ast.walk(self.tree)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "register"
            if call.args and isinstance(call.args[0], ast.Constant)
        )

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Qualified name and definition of every function and method: `MultiTaskModel.loss`."""
        yield from _functions(self.tree, "")


@dataclass(frozen=True)
class SourceTree:
    """A package at one moment.

    Attributes:
        package: Its name.
        files: Path → text of everything in it, and of pyproject.toml.
    """

    package: str
    files: Mapping[str, str]

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """Files and folders directly in the package."""
        inside = [path.split("/") for path in self.files if path.startswith(f"{self.package}/")]
        return tuple(sorted({parts[1] for parts in inside}))

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """Every Python file of the package by its dotted name."""
        found = {}
        for path, text in sorted(self.files.items()):
            if path.startswith(f"{self.package}/") and path.endswith(".py"):
                name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                found[name] = Module(name, path, text)
        return found

    @property
    def packages(self) -> tuple[str, ...]:
        """The names of the folders with an `__init__.py`."""
        return tuple(name for name, module in self.modules.items() if module.is_package)

    @cached_property
    def imports(self) -> Graph:
        """Which modules each module imports, within functions and for type checking as well."""
        return {name: frozenset(self._imported(module)) - {name} for name, module in self.modules.items()}

    @cached_property
    def importers(self) -> Graph:
        """Which modules import each module."""
        found: dict[str, set[str]] = {name: set() for name in self.modules}
        for name, imported in self.imports.items():
            for other in imported:
                found[other].add(name)
        return {name: frozenset(others) for name, others in found.items()}

    @cached_property
    def layers(self) -> Mapping[str, int]:
        """Layer of each top-level entry by the first contract in pyproject.toml; 0 is the highest."""
        written = _LAYERS.search(self.files.get("pyproject.toml", ""))
        layers: list[str] = ast.literal_eval(written[1]) if written else []
        return {name.strip(" ()"): number for number, layer in enumerate(layers) for name in re.split(r"[|:]", layer)}

    def _imported(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom) and (home := node.module) in self.modules and home:
                inner = (f"{home}.{alias.name}" for alias in node.names)
                yield from (name if name in self.modules else home for name in inner)


def read_folder(root: Path, package: str = "palm") -> SourceTree:
    """The package in the working tree below `root`."""
    paths = [path for path in (root / package).rglob("*") if path.is_file()]
    files = {path.relative_to(root).as_posix(): path for path in [*paths, root / "pyproject.toml"] if path.exists()}
    return SourceTree(
        package,
        {name: path.read_text(encoding="utf-8", errors="replace") for name, path in files.items() if _is_source(name)},
    )


def read_revision(root: Path, revision: str, package: str = "palm") -> SourceTree:
    """The package as git has it at `revision`; nothing is written.

    Raises:
        subprocess.CalledProcessError: There is no such revision, or no such package in it.
    """
    command = ["git", "-C", str(root), "archive", "--format=tar", revision, "--", package, "pyproject.toml"]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    files = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and _is_source(member.name):
                files[member.name] = content.read().decode("utf-8", errors="replace")
    return SourceTree(package, files)


def circles(graph: Graph) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted: the strongly connected components of two nodes or more."""
    reached = {node: _reachable(graph, node) for node in graph}
    groups = {
        frozenset({node, *(other for other in reached[node] if node in reached.get(other, ()))}) for node in graph
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def child(package: str, module: str) -> str:
    """What directly in `package` holds the module: `palm.reader.cls` in `palm` → `reader`; empty where nothing does."""
    inside = module.removeprefix(f"{package}.")
    return "" if inside == module else inside.partition(".")[0]


def names_in(node: ast.AST) -> set[str]:
    """Every name and attribute in `node`."""
    parts = list(ast.walk(node))
    attributes = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    return attributes | {part.id for part in parts if isinstance(part, ast.Name)}


def _is_source(path: str) -> bool:
    return not any(part in path for part in _NOT_SOURCE)


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)
