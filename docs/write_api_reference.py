"""Write docs/api-reference.md from the public names of the package, their signatures and docstrings: `make docs`."""

import argparse
import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import palm

HEAD = """# The Python API, name by name

Written by `make docs` from the code; [the Python API](python-api.md) shows how the names work together.
"""

PUBLIC = {
    "palm": ("Controller", "load", "Predictor", "Trainer", "MultiHeadTrainer"),
    "palm.reader": (
        "DataReader", "ClassifyReader", "MatchReader", "MRCReader", "SequenceLabelReader", "MaskLMReader",
        "RegisteredReader",
    ),
    "palm.backbone": (
        "Backbone", "Bert", "Ernie", "Roberta", "Electra", "DistilBert", "Mpnet", "Albert", "ModernBert", "Deberta",
    ),
    "palm.head": ("Head", "Classify", "Match", "MRC", "SequenceLabel", "MaskLM", "RegisteredHead"),
    "palm.lr_sched": ("TriangularScheduler", "WarmupScheduler"),
    "palm.optimizer": ("Adam", "Loss"),
    "palm.downloader": ("ls", "download"),
    "palm.errors": (
        "PalmError", "ConfigError", "DataError", "RegistryError", "CheckpointError", "TrainingError", "DownloadError",
    ),
}  # fmt: skip
ALSO = {
    "palm.backbone.Bert": "palm.backbone.BERT",
    "palm.backbone.Ernie": "palm.backbone.ERNIE",
    "palm.lr_sched.TriangularScheduler": "palm.lr_sched.TriangularSchedualer",
    "palm.lr_sched.WarmupScheduler": "palm.lr_sched.WarmupSchedualer",
}
FOLDED = ("Args", "Attributes", "Raises", "Returns")


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for module, names in PUBLIC.items():
        parts.append(f"## `{module}`\n")
        for name in names:
            parts += describe(f"{module}.{name}", getattr(_public(module), name))
    return "\n".join(parts)


def _public(name: str) -> object:
    """The module that a user reaches as `name`: a submodule, or an attribute of the package."""
    inside = name.partition(".")[2]
    return getattr(palm, inside, None) or importlib.import_module(name)


def describe(name: str, thing: object) -> Iterator[str]:
    """The paragraphs about a class with its methods, or about a function."""
    also = f" (also `{ALSO[name]}`)" if name in ALSO else ""
    yield f"### `{name}`{also}\n"
    if not inspect.isclass(thing):
        yield from _callable(name, thing)
        return
    yield from _class_head(name, thing)
    for method, value in vars(thing).items():
        if method.startswith("_") or getattr(value, "__isabstractmethod__", False):
            continue
        if isinstance(value, property):
            yield f"**`.{method}`** — {_prose(value)}"
        elif isinstance(value, FunctionType | classmethod) and value.__doc__:
            yield from _callable(f".{method}", getattr(thing, method))


def _class_head(name: str, thing: type) -> Iterator[str]:
    # A class without a constructor of its own has that of its private bases; a public one has its own paragraph.
    homes = (each for each in thing.__mro__ if each is thing or each.__name__.startswith("_"))
    parts = (part for home in homes for part in _node(home).body)
    maker = next((part for part in parts if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if maker is not None:
        yield f"```python\n{_signature(name, maker)}\n```\n"
    yield _prose(thing)


def _callable(name: str, thing: object) -> Iterator[str]:
    yield f"```python\n{_signature(name, _node(thing))}\n```\n"
    yield _prose(thing)


def _node(thing: object) -> ast.FunctionDef | ast.ClassDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    return node


def _signature(name: str, node: ast.FunctionDef) -> str:
    arguments = node.args
    arguments.args = [argument for argument in arguments.args if argument.arg not in ("self", "cls")]
    given = ast.unparse(arguments)
    gives = f" -> {ast.unparse(node.returns).strip(chr(39))}" if node.returns and node.name != "__init__" else ""
    return textwrap.fill(f"{name}({given}){gives}", 110, subsequent_indent="    ", break_long_words=False)


def _prose(thing: object) -> str:
    """The docstring, its sections of `name: text` as lists."""
    lines = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        heading = line.removesuffix(":")
        entry = re.fullmatch(r"    (\w+): (.*)", line)
        if heading in FOLDED and line.endswith(":"):
            lines += [f"*{heading}*", ""]
        elif entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        else:
            lines.append(re.sub(r"^        (\S)", r"  \1", line))
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the file is out of date")
    file = Path(__file__).with_name("api-reference.md")
    text = reference()
    if parser.parse_args().check:
        return int(not file.is_file() or file.read_text(encoding="utf-8") != text)
    file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
