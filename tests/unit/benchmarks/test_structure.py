import json
import subprocess

import pytest

from benchmarks import structure
from benchmarks.routes import Route, Stop, first_broken, length
from benchmarks.source_tree import SourceTree, child, circles, read_folder, read_revision
from benchmarks.structure import measures, sampler_files, table, upward_imports

FILLED = "\n" * 50
FILES = {
    "pyproject.toml": '[tool.importlinter]\nlayers = [\n    "cli",\n    "engine | sampling",\n    "errors",\n]\n',
    "palm/__init__.py": "from palm.engine.run import go\n",
    "palm/py.typed": "",
    "palm/errors.py": "import palm.engine.run\n",
    "palm/cli/__init__.py": "",
    "palm/cli/main.py": (
        "import palm\nfrom palm.engine import run\n\n\ndef main():\n    run.go()\n    return TrainingRun()\n" + FILLED
    ),
    "palm/engine/__init__.py": "",
    "palm/engine/run.py": (
        "from typing import TYPE_CHECKING\nfrom palm.engine.loop import Loop\n"
        "if TYPE_CHECKING:\n    from palm.sampling import Adaptive\n"
        "def go():\n    layer = Loop()\n    return layer(settings.sampling_floor)\n" + FILLED
    ),
    "palm/engine/loop.py": (
        "class Loop:\n    def forward(self):\n        from palm.engine.run import go\n        return paddle.matmul()\n"
    ),
    "palm/sampling/__init__.py": "from palm.sampling.adaptive import Adaptive\n",
    "palm/sampling/adaptive.py": '@SAMPLERS.register("adaptive")\nclass Adaptive:\n    pass\n',
}
CHAIN = (
    "palm.cli.main:main",
    "palm.engine.run:go",
    "palm.engine.loop:Loop.forward as layer",
    "paddle:matmul",
)


@pytest.fixture
def tree():
    return SourceTree("palm", FILES)


def by_name(tree):
    return {measure.name: measure for measure in measures(tree)}


def test_entries_modules_and_lines(tree):
    found = by_name(tree)
    assert tree.entries == ("__init__.py", "cli", "engine", "errors.py", "py.typed", "sampling")
    assert found["entries of palm/"].value == 6
    assert found["modules"].value == 5
    assert found["modules under 41 lines"].value == 3
    assert found["lines of the longest file"].details == ("palm/cli/main.py",)


def test_imports_count_wherever_they_stand(tree):
    assert tree.imports["palm.engine.run"] == {"palm.engine.loop", "palm.sampling"}
    assert tree.imports["palm.engine.loop"] == {"palm.engine.run"}
    assert tree.imports["palm.cli.main"] == {"palm", "palm.engine.run"}
    assert tree.importers["palm"] == {"palm.cli.main"}


def test_imports_between_entries_and_upward_ones(tree):
    assert by_name(tree)["imports between entries"].value == 3  # cli → engine, errors → engine, engine → sampling
    assert sorted(upward_imports(tree)) == [
        "palm.engine.run -> palm.sampling",
        "palm.errors -> palm.engine.run",
    ]


def test_circles_include_late_imports(tree):
    found = by_name(tree)
    assert found["circles of modules"].details == ("palm.engine.loop, palm.engine.run",)
    assert found["circles of neighbours"].details == ("palm.engine: loop, run",)


def test_circles_of_folders_that_no_module_closes():
    files = {f"palm/{name}.py": "" for name in ("__init__", "a/__init__", "b/__init__", "a/y", "b/x")}
    files |= {"palm/a/x.py": "import palm.b.x", "palm/b/y.py": "import palm.a.y"}
    found = by_name(SourceTree("palm", files))
    assert found["circles of modules"].value == 0
    assert found["circles of neighbours"].details == ("palm: a, b",)


def test_circles_that_share_a_node_are_one():
    graph = {"a": frozenset("b"), "b": frozenset("ac"), "c": frozenset("b"), "d": frozenset("a")}
    assert circles(graph) == [["a", "b", "c"]]


def test_small_modules_with_one_importer_register_something(tree):
    name = "modules under 40 lines with one importer that register nothing"
    assert by_name(tree)[name].details == ("palm.engine.loop",)
    plain = SourceTree("palm", {**FILES, "palm/sampling/adaptive.py": "class Adaptive:\n    pass\n"})
    assert by_name(plain)[name].details == ("palm.engine.loop", "palm.sampling.adaptive")


def test_composition_roots_are_the_modules_that_build_a_run(tree):
    assert by_name(tree)["composition roots"].details == ("palm.cli.main",)


def test_long_functions_count_their_docstring(tree):
    long = SourceTree("palm", {**FILES, "palm/errors.py": "def f():\n    '''Long.\n" + FILLED + "    '''\n"})
    assert by_name(long)["functions over 40 lines"].details == ("palm.errors:f",)
    assert by_name(tree)["functions over 40 lines"].value == 0


def test_a_sampler_touches_what_holds_its_class_keys_or_name(tree):
    assert sampler_files(tree) == ["palm/engine/run.py", "palm/sampling/__init__.py", "palm/sampling/adaptive.py"]
    assert by_name(tree)["files that a sampler touches"].value == 5


def test_a_route_that_holds_is_counted(tree):
    route = Route("there", "files", 3, (("palm.cli.main:gone",), CHAIN), consecutive=True)
    assert length(tree, route) == (3, "")
    route = Route("there", "functions", 3, (CHAIN,), consecutive=False)
    assert length(tree, route) == (3, "")


@pytest.mark.parametrize(
    ("chain", "consecutive", "broken"),
    [
        (("palm.cli.main:start",), True, "palm.cli.main:start does not exist"),
        (("palm.cli.main:main", "palm.engine.loop:Loop.forward as layer"), True, "not called by the stop before it"),
        ((*CHAIN[:3], "palm.engine.run:go"), True, "palm.engine.run:go is not called"),
        ((*CHAIN[:3], "palm.engine.run:go"), False, None),
    ],
)
def test_a_route_that_does_not_hold_says_where(tree, chain, consecutive, broken):
    found = first_broken(tree, [Stop.parse(stop) for stop in chain], consecutive=consecutive)
    assert found == broken if broken is None else broken in found


def test_a_constructor_is_called_by_its_class():
    assert Stop.parse("palm.controller:Controller.__init__").called == "Controller"
    assert Stop.parse("palm.engine.model:Model.forward as backbone").called == "backbone"


def test_what_holds_a_module():
    assert [child("palm", name) for name in ("palm", "palm.errors", "palm.kernels.fused.layer")] == [
        "", "errors", "kernels"
    ]  # fmt: skip
    assert child("palm.kernels", "palm.kernels.fused.layer") == "fused"
    assert child("palm.kernels", "palm.kernelsmith") == ""


def test_the_table_marks_what_misses_its_goal(tree):
    text = table(measures(tree), details=False)
    assert "modules                                                             5   goal 215\n" in text
    assert "circles of modules                                                  1   goal 0, missed\n" in text


@pytest.fixture
def repository_of_one_commit(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "First"]):
        subprocess.run([*git, *words], check=True)
    return tmp_path


def test_a_revision_is_read_without_the_working_tree(repository_of_one_commit):
    (repository_of_one_commit / "palm/errors.py").unlink()
    (repository_of_one_commit / "palm/__pycache__").mkdir()
    (repository_of_one_commit / "palm/__pycache__/errors.pyc").write_bytes(b"\0")
    assert dict(read_revision(repository_of_one_commit, "HEAD").files) == FILES
    now = read_folder(repository_of_one_commit)
    assert "palm/errors.py" not in now.files
    assert "__pycache__" not in now.entries


def test_the_command_prints_json(repository_of_one_commit, capsys, monkeypatch):
    monkeypatch.setattr(structure, "ROOT", repository_of_one_commit)
    assert structure.main(["--rev", "HEAD", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"name": "modules", "value": 5, "goal": 215, "details": []} in printed
