"""Rules about files, names and structure that no linter knows."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.source_tree import Module, SourceTree, read_folder
from benchmarks.structure import SMALL_MODULE, Measure, measures

ROOT = Path(__file__).resolve().parents[2]
# Tools take these for what they made themselves, and pass over what they hold.
FOLDERS_OF_TOOLS = {"build", "dist", "venv", "node_modules"}
# Module → why it stands alone although it is short and serves one other.
SMALL_MODULES = {
    "palm.engine.regularizers.rdrop": "one regularizer a module, as fgm and smart",
}
# `path of a module: path of the test that covers it`, for each module without a mirror test.
TESTED_ELSEWHERE = ROOT / "tests" / "unit" / "tested_elsewhere.txt"
# Numbers of benchmarks/structure.py that have a goal → why it is not reached yet; empty where it is. The number of
# modules is none of them: it had a goal when the layout was redesigned, and grows with what PALM can do.
GOALS = {
    "entries of palm/": "",
    "modules under 41 lines": "",
    "lines of the longest file": "",
    "imports that point upward": "",
    "circles of modules": "",
    "circles of neighbours": "",
    "composition roots": "",
    "files that a sampler touches": "",
    "files from Controller.train to the matmul": "",
    "functions from YAML to a batch size": "",
}
# Has reasons of its own: see SMALL_MODULES.
SMALL = "modules under 40 lines with one importer that register nothing"
_CLASS_LIKE = re.compile(r"[A-Z]\w*[a-z]\w*")


@pytest.fixture(scope="module")
def source() -> SourceTree:
    return read_folder(ROOT)


@pytest.fixture(scope="module")
def numbers(source: SourceTree) -> list[Measure]:
    return measures(source)


def tracked_folders() -> set[str]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs the git repository")
    return {str(folder) for path in listed.stdout.splitlines() for folder in Path(path).parents}


def public_names(module: Module) -> Iterator[str]:
    """Classes that the module defines, and class-like names that it gives to something else."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.Assign) and not _is_type_variable(node.value):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from filter(_CLASS_LIKE.fullmatch, names)
        elif isinstance(node, ast.ImportFrom) and module.is_package:
            yield from (alias.asname for alias in node.names if alias.asname and alias.asname != alias.name)


def _is_type_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("TypeVar", "ParamSpec")


def names_of_two(tree: SourceTree) -> list[str]:
    """`Name: module, module` for each public name that stands for more than one thing."""
    homes = defaultdict(list)
    for module in tree.modules.values():
        for name in public_names(module):
            homes[name].append(module.name)
    return [f"{name}: {', '.join(modules)}" for name, modules in sorted(homes.items()) if len(modules) > 1]


def small_modules(tree: SourceTree) -> list[str]:
    """Modules that are short, serve less than two others, and register nothing."""
    return [
        module.name
        for module in tree.modules.values()
        if module.lines < SMALL_MODULE and len(tree.importers[module.name]) < 2 and not module.registered
        if not module.is_package and not module.name.endswith("__main__") and not module.name.startswith("palm.cli.")
    ]


def mirror(path: str) -> str:
    """Where the test of a module belongs: `palm/reader/cls.py` → `tests/unit/reader/test_cls.py`."""
    place = Path(path)
    return Path("tests", "unit", *place.parts[1:-1], f"test_{place.name}").as_posix()


def without_mirror(tree: SourceTree) -> set[str]:
    modules = (module for module in tree.modules.values() if not module.is_package)
    return {module.path for module in modules if not (ROOT / mirror(module.path)).is_file()}


def covered_elsewhere() -> dict[str, str]:
    lines = TESTED_ELSEWHERE.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    return {module: test for module, _, test in pairs}


def test_no_folder_has_a_name_that_tools_pass_over():
    assert sorted(folder for folder in tracked_folders() if Path(folder).name in FOLDERS_OF_TOOLS) == []


def test_a_public_name_stands_for_one_thing(source):
    assert names_of_two(source) == []


def test_a_small_module_serves_two_others_or_registers_a_component(source):
    found = small_modules(source)
    assert [name for name in found if name not in SMALL_MODULES] == []
    assert [name for name in SMALL_MODULES if name not in found] == [], "no longer small: remove it from SMALL_MODULES"


def test_every_module_has_a_mirror_test_or_says_what_covers_it(source):
    listed = covered_elsewhere()
    missing = without_mirror(source)
    assert sorted(missing - listed.keys()) == [], f"write the mirror test, or add a line to {TESTED_ELSEWHERE.name}"
    assert sorted(listed.keys() - missing) == [], (
        f"has a mirror test or is gone: remove it from {TESTED_ELSEWHERE.name}"
    )


def test_what_covers_a_module_is_a_test():
    listed = covered_elsewhere()
    assert list(listed) == sorted(listed)
    assert {test for test in listed.values() if not (ROOT / test).is_file() or "test_" not in test} == set()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xfail(reason=why) if why else ()) for name, why in GOALS.items()]
)
def test_the_structure_reaches_its_goals(numbers, name):
    measure = next(measure for measure in numbers if measure.name == name)
    assert measure.reached, f"{measure.value}, the goal is {measure.goal}: {', '.join(measure.details)}"


def test_every_goal_is_looked_at(numbers):
    assert {measure.name for measure in numbers if measure.goal is not None} == {*GOALS, SMALL, "modules"}


MADE_UP = {
    "palm/__init__.py": "",
    "palm/__main__.py": "",
    "palm/cli/__init__.py": "",
    "palm/cli/train.py": "",
    "palm/reader/__init__.py": "from palm.reader.base import Reader as Loader\n",
    "palm/reader/base.py": "from palm.reader.rows import Row\nclass Reader: pass\n",
    "palm/reader/rows.py": "Row = dict\n_Private = 1\nLIMIT = 2\n",
    "palm/reader/mrc.py": "AnyT = TypeVar('AnyT')\nimport palm.reader.base\n@READERS.register('mrc')\nclass MRC: ...\n",
}


def test_a_name_of_two_things_is_found():
    assert names_of_two(SourceTree("palm", MADE_UP)) == []
    again = {**MADE_UP, "palm/data.py": "Loader = list\nclass Row: pass\nclass MRC: pass\nLIMIT = 3\n_Private = 2\n"}
    assert names_of_two(SourceTree("palm", again)) == [
        "Loader: palm.data, palm.reader",
        "MRC: palm.data, palm.reader.mrc",
        "Row: palm.data, palm.reader.rows",
    ]


def test_a_small_module_of_one_other_is_found():
    assert small_modules(SourceTree("palm", MADE_UP)) == ["palm.reader.rows"]


def test_the_mirror_of_a_module():
    assert mirror("palm/reader/formats/cells.py") == "tests/unit/reader/formats/test_cells.py"
    assert mirror("palm/errors.py") == "tests/unit/test_errors.py"


# What changes Paddle for all threads of a process, and the one module that may do it.
_FOR_ALL_THREADS = {
    r"paddle\.seed\(": "palm/engine/shared_state.py",
    r"@paddle\.no_grad": "nowhere: see palm/engine/no_grad.py",
    r"paddle\.set_(flags|default_dtype|grad_enabled)\(": "nowhere",
}


@pytest.mark.parametrize("pattern", _FOR_ALL_THREADS)
def test_paddle_is_changed_for_all_threads_in_one_place_alone(pattern):
    files = [file for file in (ROOT / "palm").rglob("*.py") if re.search(pattern, file.read_text(encoding="utf-8"))]
    found = {file.relative_to(ROOT).as_posix() for file in files}
    assert found <= {_FOR_ALL_THREADS[pattern]}
