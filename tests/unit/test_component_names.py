"""Components say what they do: outside its own module, the name of a component in a literal decides nothing.

Nor does the name of something that one reader or paradigm alone puts into records, batches, outputs or predictions.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.source_tree import SourceTree, read_folder

ROOT = Path(__file__).resolve().parents[2]
# Metrics are not among them: `accuracy` and `loss` are keys of predictions and logs as well.
REGISTRIES = {
    "BACKBONES", "GRADIENT_METHODS", "OPTIMIZERS", "PARADIGMS", "READERS", "SAMPLERS", "SCHEDULES", "WEIGHTINGS",
}  # fmt: skip
# What the line holds → why the name is another thing there.
ALLOWED = {
    r'"mix_ratio": ': "the key of a task, not the sampler",
    r"\b[Pp]ooling\b.*\"cls\"": "the vector of the token [CLS]",
    r'"linear": nn\.Linear|head (== |not in \()"linear"': "a kind of head, and its layer, not the schedule",
    r'^"adamw": "P': "a function of the C kernels",
    r'"prompt": entry\.prompt': "the key of the reader, in the module of its keys",
    r'"temperature": paradigm\.temperature': "what scores are divided by, not the sampler",
    r'(record|row|prediction)\["spans"\]|"spans"(: | in record)': "the spans of a record or prediction",
    r"^_SPAN_FIELDS = |^_POINTING = ": "fields of a file",
    r'file_format == "spans"|known_formats: ': "the form of a file",
    r"prediction\['choice'\]|\"choice\": _candidates_of": "the best candidate of a prediction",
    r'^"spans",$': "the module of a graph writer",
    r"\bmodel_types\b|\balso_reads\b|TransformersNames\(": "Hugging Face's `model_type`",
}

# What is in records, batches or predictions of one component alone is named by it and its relatives.
# The graph writers of heads are a part of these, written apart because they are for another library.
COMPONENT_FOLDERS = ("palm/reader/", "palm/paradigm/", "palm/metric/", "palm/inference/onnx/")
# Words of a component that mean something in general modules too → what.
OTHER_MEANINGS = {
    "choice_rows": "an input of every paradigm that scores candidates",
    "eval": "a phase",
    "id": "a field of KServe's requests",
    "head": "the head of a task, and a way to cut texts",
    "ids": "an input of the parts of templates",
    "n_classes": "a key of any task with classes",
    "options": "a part of templates",
    "parts": "a keyword of every encoder",
    "position": "an attribute of the parts of templates",
    "predict": "a phase",
    "sentence_embedding": "an output of every encoder",
    "soft_ids": "an input of the embeddings of every encoder",
    "tags": "a field of model cards",
    "tail": "a group of a pattern: the end of what is translated",
    "tokens": "a limit of requests",
    "train": "a phase",
    "values": "a part of a stored column, of lists of any length",
}


@cache
def palm_source() -> SourceTree:
    """The source of PALM."""
    return read_folder(ROOT)


def registered(tree: SourceTree) -> dict[str, set[str]]:
    """The paths of the modules that register a component under each name."""
    found = defaultdict(set)
    for module in tree.modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "register":
                registry, (name, *_) = node.func.value, node.args
                if isinstance(registry, ast.Name) and registry.id in REGISTRIES and isinstance(name, ast.Constant):
                    found[str(name.value)].add(module.path)
    return dict(found)


def deciding_strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Strings that something is decided by: compared, matched, looked up, a key of a mapping, a member of a set."""
    for node in ast.walk(tree):
        for side in [*_compared(node), *_looked_up(node)]:
            yield from _strings(side)


def _compared(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.MatchValue):
        return [node.value]
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Set | ast.Tuple | ast.List):
        return [node.value]
    return []


def _looked_up(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    if isinstance(node, ast.Subscript) and not ast.unparse(node.value).endswith("Literal"):
        return [node.slice]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        return node.args[:1]
    return []


def _strings(node: ast.expr) -> Iterator[ast.Constant]:
    parts = node.elts if isinstance(node, ast.Set | ast.Tuple | ast.List) else [node]
    yield from (part for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def findings(tree: SourceTree) -> list[str]:
    """`path:line: name, and the line` of each name that decides something in another module."""
    names = registered(tree)
    found = []
    for module in tree.modules.values():
        lines = module.text.splitlines()
        for constant in sorted(set(deciding_strings(module.tree)), key=lambda constant: constant.lineno):
            line = lines[constant.lineno - 1].strip()
            foreign = module.path not in names.get(str(constant.value), {module.path})
            if foreign and not any(re.search(pattern, line) for pattern in ALLOWED):
                found.append(f"{module.path}:{constant.lineno}: {constant.value!r} in `{line}`")
    return found


def component_fields(tree: SourceTree) -> dict[str, set[str]]:
    """The names of the components, such as `mrc`, in whose modules each key of a mapping stands."""
    found = defaultdict(set)
    by_path = {module.path: module for module in tree.modules.values()}
    for path in {path for paths in registered(tree).values() for path in paths if path.startswith(COMPONENT_FOLDERS)}:
        for node in ast.walk(by_path[path].tree):
            keys = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
            for key in keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value].add(Path(path).stem)
    return dict(found)


def field_findings(tree: SourceTree) -> list[str]:
    """`path:line: name, and the line` of each field of one component that decides something in a general module."""
    own = {name for name, components in component_fields(tree).items() if len(components) == 1} - OTHER_MEANINGS.keys()
    general = [module for module in tree.modules.values() if not module.path.startswith(COMPONENT_FOLDERS)]
    return [
        f"{module.path}:{constant.lineno}: {constant.value!r}"
        for module in general
        for constant in sorted(set(deciding_strings(module.tree)), key=lambda constant: constant.lineno)
        if constant.value in own
    ]


def test_no_module_decides_by_the_name_of_a_component():
    assert findings(palm_source()) == []


def test_no_general_module_decides_by_a_field_of_one_component():
    assert field_findings(palm_source()) == []


def test_every_other_meaning_is_needed():
    tree = palm_source()
    fields = component_fields(tree)
    general = [module for module in tree.modules.values() if not module.path.startswith(COMPONENT_FOLDERS)]
    deciding = {constant.value for module in general for constant in deciding_strings(module.tree)}
    assert [word for word in OTHER_MEANINGS if len(fields.get(word, ())) != 1 or word not in deciding] == []


def test_the_fields_of_built_in_components_are_known():
    fields = component_fields(palm_source())
    alone = {"nbest": "mrc", "question": "mrc", "conllu": "parse", "mask_pos": "mlm"}
    assert {name: fields[name] for name in alone} == {name: {component} for name, component in alone.items()}


def test_a_planted_field_is_found():
    files = {
        "palm/paradigm/mrc.py": '@PARADIGMS.register("mrc")\nclass MRC:\n    prediction = {"nbest": 1}',
        "palm/inference/predictor.py": 'if "nbest" in prediction: pass',
    }
    assert len(field_findings(SourceTree("palm", files))) == 1


def test_everything_that_is_allowed_is_still_there():
    lines = [line.strip() for text in palm_source().files.values() for line in text.splitlines()]
    assert [pattern for pattern in ALLOWED if not any(re.search(pattern, line) for line in lines)] == []


def test_the_names_of_built_in_components_are_known():
    assert {"mlm", "cls", "bert", "adaptive", "gradnorm", "nash_mtl"} <= registered(palm_source()).keys()


HOME = {"palm/paradigm/mlm.py": '@PARADIGMS.register("mlm")\nclass MaskLM:\n    same = name == "mlm"\n'}


@pytest.mark.parametrize(
    "planted",
    [
        'if name == "mlm": pass',
        'if name in ("cls", "mlm"): pass',
        'if "mlm" in names: pass',
        'HEADS = {"mlm": 1}',
        'HEADS = ("mlm", "cls")',
        'HEADS["mlm"]',
        'HEADS.get("mlm", 1)',
        'match name:\n    case "mlm": pass',
    ],
)
def test_a_planted_name_is_found(planted):
    assert len(findings(SourceTree("palm", {**HOME, "palm/engine/model.py": planted}))) == 1


@pytest.mark.parametrize(
    "harmless",
    ['Kind = Literal["mlm"]', 'rule = "mlm needs a vocabulary"', 'build("mlm")', 'name: str = "mlm"', 'x == "crf"'],
)
def test_a_harmless_name_is_not(harmless):
    assert findings(SourceTree("palm", {**HOME, "palm/engine/model.py": harmless})) == []
