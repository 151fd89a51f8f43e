"""The sentences of PALM's messages, taken from the syntax trees of its modules: see write_messages.py."""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Modules whose texts no user reads on a terminal, each with the reason.
NOT_SHOWN = {
    "palm/backbone/interface.py": "names of axes",
    "palm/cli/starter.py": "the project of `palm init`, which exists in both languages",
    "palm/inference/export/card.py": "a file in English",
    "palm/inference/model_card.py": "a file in English",
    "palm/inference/run_card.py": "a file in English",
    "palm/inference/onnx/graph.py": "names in graphs",
    "palm/inference/serving/connections.py": "HTTP, before the head of a request is read",
    "palm/inference/serving/metrics.py": "for Prometheus",
    "palm/inference/serving/schemas.py": "the OpenAPI document",
    "palm/board/stream.py": "events for the page of the board",
    "palm/runtime/former_modules.py": "Python shows it with a traceback",
}
# Texts that are no messages, though they look like sentences.
NO_MESSAGE = re.compile(
    r"(not dim )?bold|abs\(datum|default-src |content-|connection: close|from palm\.runtime\.device import"
)
# Calls whose arguments are no messages.
_NO_MESSAGES = {"Spec", "cast", "compile", "getattr", "hasattr", "TypeVar", "split", "startswith", "endswith"}
_NO_MESSAGES |= {
    "get_docs",
    "post_docs",
    "removeprefix",
    "removesuffix",
    "draw",
    "generator",
    "NewType",
    "fullmatch",
    "match",
    "search",
    "sub",
}
_TRANSLATORS = {"translated_word", "translated_phrase"}
_BY_HAND = "docs/messages_in_source.py"
_NUMBER_FORMAT = re.compile(r"[-+,.\d]*[,defgn%]$")
_PLACEHOLDER = re.compile(r"\{[a-z_][a-z_0-9]*\}")
_WEAK = {"and", "or", "of", "at", "in", "to", "by", "the", "is", "are", "not", "with"}
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_FILE = re.compile(r"# .*\n|.*Permission is hereby granted", re.DOTALL)  # Markdown, a licence
_COMMAND = re.compile(
    r"\s*([A-Z_]+=\S+ )*(palm [a-z-]+( |$)|pip |python |curl |echo |yaml |cd |%\()|\{\w+\}=\S+ palm |.* && "
)

# What syntax trees cannot distinguish from names: words that stand alone, and sentences of argparse.
WITHOUT_SOURCE = (
    "usage:",
    "example:",
    "examples:",
    "commands",
    *("task", "kind", "head", "main", "target", "auxiliary", "key", "value", "source", "overridden"),
    *("lengths", "labels", "duplicates", "overlap", "new labels", "platform", "packages", "C compiler", "disk"),
    *("step", "steps", "loss", "best", "last", "model", "curve", "dev"),
    *("row", "batch", "part", "run"),  # what a bar counts
    *("Results", "Curves", "Data", "Configuration", "Events", "Sections", "Run", "Overview", "Numbers", "Theme:"),
    *("PALM report", "system", "light", "dark", "ended", "encoder", "parameters", "device", "started", "sessions"),
    *("metric", "rows", "examples", "median", "longest", "training", "event", "asked", "achieved"),
    *("resumed", "anew", "processes", "stopped", "restarted", "exported", "warning", "changed", "name", "of", "bar"),
    "from",
    *("below", "column", "number", "count", "line", "text", "type", "tag", "class", "label", "all", "rank", "measure"),
    *("gold", "predicted", "right", "probability", "probabilities", "precision", "recall", "support", "questions"),
    *("missed", "missing", "spurious", "spans", "relation", "macro", "micro", "weighted", "temperature"),
    *("(other)", "default", "{n} of {n}", "Search", "complete", "pruned", "failed", "seconds", "reason", "score"),
    *("math", "malloc", "threads", "kernels", "speed", "Warning", "Error"),
    "Interrupted.",
    "{names} and {name}",
    "options",
    "optional arguments",
    "positional arguments",
    "show this help message and exit",
    "show program's version number and exit",
    "the following arguments are required: {names}",
    "argument {name}: {reason}",
    "one of the arguments {names} is required",
    "expected one argument",
    "expected at least one argument",
    "expected at most one argument",
    "expected {number} arguments",
    "expected {number} argument",
    "not allowed with argument {name}",
    "ignored explicit argument {value}",
    "invalid {kind} value: {value}",
    "invalid choice: {value} (choose from {choices})",
    "unrecognized arguments: {names}",
    "ambiguous option: {option} could match {matches}",
    'pip install "paddle-palm[cpu]", or "paddle-palm[gpu]" for an NVIDIA GPU',
    "{name} is a number",
    "{name} is a whole number",
    "{name} is text",
    "{name} is a value",
    "{name} is true or false",
    "{name} is one of {choices}",
    "{name} is a list of {values}",
    "{name} is a mapping of names to {values}",
    "at least {n}",
    "at most {n}",
    "above {n}",
    "below {n}",
    "a number",
    "a value",
    "a list of names",
    "a list of numbers",
    "a list of values",
    "a list of 1 or 0",
    "a mapping of names to numbers",
    "a mapping of names to values",
    "a mapping of names to names",
)


@dataclass
class _Strings(ast.NodeVisitor):
    """Collects the texts of a module: constants and f-strings that are neither documentation nor types.

    Attributes:
        found: What may be a message.
        given: What is one, though it looks like a name: given to `translated_word` or to `translated_phrase`.
    """

    found: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # else a docstring
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "summary":  # of a path, in the OpenAPI document
            self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        """No annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        node.returns = None
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Tuple(self, node: ast.Tuple) -> None:
        if not _has_chinese(node.elts):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _has_chinese(node.args):
            return
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "counted" and isinstance(node.args[1], ast.Constant):
            noun = node.args[1].value
            self.found += [f"{{n}} {noun}", f"{{n}} {noun}s"]
        elif name in ("warning", "info", "error", "debug") and node.args and isinstance(node.args[0], ast.Constant):
            self.found.append(_with_names(str(node.args[0].value), node.args[1:]))
            node.args = node.args[1:]
            self.generic_visit(node)
        elif name in _TRANSLATORS and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
            self.given += _texts_of(node.args[0])
            self.generic_visit(node)
        elif name not in _NO_MESSAGES:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.found += templates(node)
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and not _choices(part.value):
                self.visit(part.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append(re.sub(r"\{\}", "{value}", node.value))


def _texts_of(node: ast.Constant | ast.JoinedStr) -> list[str]:
    """The texts of a string that have a word of their own."""
    texts = templates(node) if isinstance(node, ast.JoinedStr) else [str(node.value)]
    return [text for text in texts if re.search("[A-Za-z]", _PLACEHOLDER.sub("", text))]


def _has_chinese(nodes: list[ast.expr]) -> bool:
    """Whether one of `nodes` is a text in Chinese, so that another one is the same in English."""
    return any(_CHINESE.search(ast.unparse(node)) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr))


def templates(node: ast.JoinedStr) -> list[str]:
    """The texts of an f-string with `{name}` for each value: its last name in the source, `n_name` for a number.

    There are several where a value is one of two texts, as in `{'is' if count == 1 else 'are'}`.
    """
    texts, used = [""], list[str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            choices = [str(part.value)]
        elif isinstance(part, ast.FormattedValue):
            choices = _choices(part.value) or [f"{{{_unused(_name(part), used)}}}"]
        texts = [text + choice for text in texts for choice in choices]
    return texts


def _choices(node: ast.expr) -> list[str]:
    """The two texts of `'is' if count == 1 else 'are'`; none of other expressions."""
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
    texts = [branch.value for branch in branches if isinstance(branch, ast.Constant) and isinstance(branch.value, str)]
    return texts if len(texts) == 2 else []


def _name(part: ast.FormattedValue) -> str:
    if isinstance(part.value, ast.Call) and getattr(part.value.func, "id", "") == "len":
        return "n_" + _last_name(part.value.args[0])
    written = "".join(
        str(piece.value) for piece in getattr(part.format_spec, "values", ()) if isinstance(piece, ast.Constant)
    )
    return ("n_" if _NUMBER_FORMAT.search(written) else "") + _last_name(part.value)


def _last_name(node: ast.expr) -> str:
    """A telling name in an expression: `folder` of `self.folder.as_posix()`."""
    names = [name.strip("_").lower() for name in re.findall(r"[A-Za-z_]\w*", ast.unparse(node))]
    return next((name for name in reversed(names) if name and name not in _CONVERSIONS), "value")


_CONVERSIONS = {"as_posix", "absolute", "name", "value", "suffix", "lower", "items", "values", "keys", "splitlines"}


def _unused(name: str, used: list[str]) -> str:
    count = used.count(name)
    used.append(name)
    return f"{name}_{count + 1}" if count else name


def _with_names(text: str, values: Iterable[ast.expr]) -> str:
    """A template of `logging` with names for `%s` and `%d`."""
    names = iter(list(values))
    used: list[str] = []

    def named(match: re.Match[str]) -> str:
        node = next(names, None)
        name = "value" if node is None else _last_name(node)
        return (
            f"{{{_unused(name if match.group().endswith('s') or match.group().endswith('r') else f'n_{name}', used)}}}"
        )

    return re.sub(r"%[-.\d]*[sdrfg]", named, text).replace("%%", "%")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a template that a translation needs: without place, final period and what is only filled in."""
    if _FILE.match(text) or NO_MESSAGE.match(text):
        return
    for line in re.split(r"\n|(?<=\S) {2,}|^ {2,}", text):
        if line and not _COMMAND.match(line):
            for sentence in _split(line):
                unit = _bare(sentence)
                if is_prose(unit):
                    yield unit


def _split(line: str) -> list[str]:
    """Cut behind `.`, `?` and `!` outside backticks, and behind values that stand for sentences of their own."""
    masked = re.sub(r"`[^`]*`", lambda match: "\0" * len(match.group()), line)
    cuts = [match.end() for match in re.finditer(r"[.?!](?=\s+[^a-z\s]|\{|$)\s*", masked)]
    pieces = [line[start:end] for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True)]
    return [part for piece in pieces for part in _without_values_before(piece)]


def _without_values_before(piece: str) -> list[str]:
    """`{rule} Found {count}` → `Found {count}`; `Warning: {rule} Raise it` → `Warning`, `Raise it`."""
    match = re.match(r"((Warning: )?(\{(?!n_)\w+\}:? ?)+)(?=[A-Z`(])", piece)
    if match and (match.group().endswith(" ") or match.group().endswith("}")):
        rest = piece[match.end() :]
        return [rest] if rest[:1] != "`" and match.group().rstrip()[-1] == "}" else [piece]
    return [piece]


def _bare(sentence: str) -> str:
    text = sentence.strip().strip("→✗").strip()
    text = re.sub(r"^Warning: ", "", text)
    text = re.sub(r"^(\{\w+\}: )+", "", text)
    text = re.sub(r"^Warning: ", "", text)
    if text.startswith("(") and text.rstrip(".").endswith(")") and text.count("(") == 1:
        text = text.rstrip(".")[1:-1]
    text = text.lstrip("(;,:").strip() if text.count("(") > text.count(")") or text[:1] in ";,:" else text
    return re.sub(r"(?<!\.)[.:]$", "", text.rstrip(" ")).strip()


def is_prose(unit: str) -> bool:
    """Whether it has words of its own: two in lower case outside backticks, or one beside a value."""
    if _CHINESE.search(re.sub(r"`[^`]*`", "", unit)) or unit.startswith(("http", "--", "<")) or not unit.isprintable():
        return False
    bare = re.sub(r"`[^`]*`|\{\w+\}|https?:\S+|\S*[/_=\\<>]\S*|\(\?.*", " ", unit)
    words = re.findall(r"(?<![\w.-])[A-Za-z][a-z']*[a-z](?![\w(])", bare)
    if " " not in unit.strip() or bare.count(" ") > 8 * len(words):
        return False
    return len(words) >= 2 or (len(words) == 1 and "{" in unit and words[0] not in _WEAK)


@dataclass
class Message:
    """A sentence, the modules that say it, and what its placeholders are called there."""

    places: list[str] = field(default_factory=list)
    names: str = ""


def numbered(unit: str) -> tuple[str, str]:
    """`{n_rows} in {file}` → `{n1} in {2}`, so that a renamed variable needs no new translation; and the names."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match.group()[1:-1]
        names.append(name)
        return f"{{{'n' if name == 'n' or name.startswith('n_') else ''}{len(names)}}}"

    msgid = _PLACEHOLDER.sub(number, unit)
    return msgid, " ".join(f"{{{place}}} {name.removeprefix('n_')}" for place, name in enumerate(names, 1))


def extract(root: Path = ROOT) -> dict[str, Message]:
    """Each sentence of `palm/`, in the order of the modules."""
    found: dict[str, Message] = {}
    by_hand = ((_BY_HAND, text, True) for text in WITHOUT_SOURCE)
    for place, text, is_whole in [*by_hand, *_texts(root)]:
        for unit in [text.strip()] if is_whole else sentences(text):
            msgid, names = numbered(unit)
            message = found.setdefault(msgid, Message(names=names))
            if place not in message.places:
                message.places.append(place)
    return found


def _texts(root: Path) -> Iterator[tuple[str, str, bool]]:
    """Module and text of each string, and whether all of it is a message."""
    for file in sorted((root / "palm").rglob("*.py")):
        place = file.relative_to(root).as_posix()
        if not any(fnmatch(place, hidden) for hidden in NOT_SHOWN):
            strings = _Strings()
            strings.visit(ast.parse(file.read_text(encoding="utf-8")))
            yield from ((place, text, False) for text in strings.found)
            yield from ((place, text, True) for text in strings.given)
    listed = "palm/downloader/datasets.json"
    yield from ((listed, entry["content"], False) for entry in json.loads((root / listed).read_text(encoding="utf-8")))
