"""Nothing in PALM may run what comes from outside: calls that could are banned, wherever they stand in the source."""

import ast
from pathlib import Path

import pytest

import palm

SOURCE = Path(palm.__file__).parent
# module.name, or name alone for builtins; `*` stands for any name.
BANNED = {
    "eval", "exec", "compile", "__import__", "breakpoint",
    "pickle.*", "_pickle.*", "cPickle.*", "dill.*", "cloudpickle.*", "joblib.*", "shelve.*", "marshal.*",
    "pandas.read_pickle", "paddle.load", "paddle.jit.load", "paddle.hub.*", "paddle.utils.cpp_extension.*", "torch.*",
    "numpy.fromfile", "numpy.lib.format.read_array",
    "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all",
    "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "yaml.UnsafeConstructor",
    "os.system", "os.popen", "os.execv", "os.execl", "os.spawnl", "os.spawnv", "os.posix_spawn", "pty.*", "runpy.*",
    "subprocess.getoutput", "subprocess.getstatusoutput", "code.*", "timeit.*", "xml.*", "importlib.reload",
    "shutil.unpack_archive", "tempfile.mktemp",
}  # fmt: skip
BANNED_METHODS = {"extractall", "allow_pickle_files", "set_verify", "read_pickle", "run_module", "load_module"}
# Calls that need a closer look, each with its place and reason.
ALLOWED = {
    ("pretrained/pdparams.py", "pickle._Unpickler"): "the base of an unpickler that denies every global",
    ("pretrained/pdparams.py", "pickle._Unpickler.dispatch"): "its instructions, of which one is taken away",
    ("pretrained/pdparams.py", "pickle._Unpickler.dispatch.items"): "the same",
    ("pretrained/pdparams.py", "pickle.BYTEARRAY8"): "that one",
    ("pretrained/pdparams.py", "pickle.BUILD"): "another one, which is checked first",
    ("pretrained/pdparams.py", "pickle.UnpicklingError"): "an error",
}
# importlib.import_module of names that are not ours.
IMPORTS_OF_USERS = {
    "analysis/packages.py": "one of the packages that it lists, for a page",
    "config/user_code.py": "`--import` and `import:`, which the user writes",
    "plugins.py": "the module that an installed package declares for a component that a configuration names",
}


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What each name of a module stands for: `np` → `numpy`, `run` → `subprocess.run`."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names)
        return f"{before}.{node.attr}" if before else None
    return None


def is_banned(name: str) -> bool:
    return name in BANNED or any(name.startswith(rule[:-1]) for rule in BANNED if rule.endswith(".*"))


def findings(source: str, place: str) -> list[str]:
    tree = ast.parse(source)
    names = imported_names(tree)
    found = []
    for node in ast.walk(tree):
        name = dotted(node, names) if isinstance(node, ast.Name | ast.Attribute) else None
        if name and is_banned(name) and (place, name) not in ALLOWED and not _local(name, names):
            found.append(f"{place}:{node.lineno}: {name}")
        if isinstance(node, ast.Call):
            found += [f"{place}:{node.lineno}: {what}" for what in _bad_call(node, names, place)]
    return found


def _local(name: str, names: dict[str, str]) -> bool:
    """A variable that happens to be called like a banned module: `code.strip()`."""
    root = name.split(".")[0]
    return "." in name and root not in {full.split(".")[0] for full in names.values()}


def _bad_call(node: ast.Call, names: dict[str, str], place: str) -> list[str]:
    name = dotted(node.func, names) or ""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    bad = [f".{method}()"] if method in BANNED_METHODS else []
    for keyword, wrong in (("shell", True), ("verify", False), ("allow_pickle", True), ("trust_remote_code", True)):
        value = keywords.get(keyword)
        if value is not None and not (isinstance(value, ast.Constant) and value.value is not wrong):
            bad.append(f"{name}({keyword}=…)")
    if name == "numpy.load" and "allow_pickle" not in keywords:
        bad.append("numpy.load without allow_pickle=False")
    if name == "importlib.import_module" and place not in IMPORTS_OF_USERS and not _is_ours(node.args[0]):
        bad.append("importlib.import_module of a name from elsewhere")
    return bad


def _is_ours(argument: ast.expr) -> bool:
    """A name written in the source, that of a module of PALM's, or one from a table of the module itself."""
    if isinstance(argument, ast.JoinedStr):
        first = argument.values[0]
        return isinstance(first, ast.Constant) and str(first.value).startswith("palm.")
    return isinstance(argument, ast.Constant) or (isinstance(argument, ast.Subscript) and _is_constant(argument.value))


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id.isupper()


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_the_source_calls_nothing_that_runs_foreign_bytes(file):
    assert findings(file.read_text(encoding="utf-8"), file.relative_to(SOURCE).as_posix()) == []


def test_everything_that_is_allowed_is_still_there():
    for place, name in ALLOWED:
        assert name.split(".")[-1] in (SOURCE / place).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "planted",
    [
        "eval(text)",
        "exec(text)",
        "run = eval",
        "compile(text, 'x', 'exec')",
        "__import__(name)",
        "import pickle\npickle.load(stream)",
        "import pickle as p\np.loads(data)",
        "from pickle import loads\nloads(data)",
        "from pickle import Unpickler as U\nU(stream).load()",
        "import paddle\npaddle.load(path)",
        "from paddle import load\nload(path)",
        "import torch\ntorch.load(path)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=flag)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nyaml.unsafe_load(text)",
        "import yaml\nclass L(yaml.Loader): ...",
        "import os\nos.system(command)",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "import subprocess as s\ns.Popen(command, shell=flag)",
        "import requests\nrequests.get(url, verify=False)",
        "import tarfile\ntarfile.open(f).extractall(folder)",
        "import zipfile\nzipfile.ZipFile(f).extractall()",
        "import shutil\nshutil.unpack_archive(f)",
        "import importlib\nimportlib.import_module(name)",
        "import marshal\nmarshal.loads(data)",
        "import runpy\nrunpy.run_path(path)",
        "import xml.etree.ElementTree as tree\ntree.parse(path)",
    ],
)
def test_what_is_planted_is_found(planted):
    assert findings(planted, "somewhere.py")


@pytest.mark.parametrize(
    "harmless",
    ["model.eval()", "re.compile(pattern)", "import yaml\nyaml.safe_dump(x)", "code.strip()", "json.load(stream)",
     "import numpy as np\nnp.load(path, allow_pickle=False)", "import importlib\nimportlib.import_module('paddle')"],
)  # fmt: skip
def test_what_is_harmless_is_not(harmless):
    assert findings(harmless, "somewhere.py") == []
