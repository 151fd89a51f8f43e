"""The words of the house: `python -m tests.words [--counts] [FILES]` says where another one is used, and what to say.

Names (of modules, classes, functions, arguments, variables) are split at underscores and capitals and looked at where
they are bound. Prose is comments, docstrings, messages and Markdown without code. Without FILES everything is read.

`tests/words_remaining.txt` holds how many findings of a word are still to be worked off; a word that is not in it is
an error anywhere. `--update` lowers its numbers to those of today.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.word_list import ALLOWED, NAMES, PROSE

ROOT = Path(__file__).resolve().parents[1]
REMAINING = ROOT / "tests" / "words_remaining.txt"
READ = re.compile(r"(palm|docs|benchmarks|examples|tests)/.*\.(py|md)|(README|CONTRIBUTING|CHANGELOG)\.md")
# Recorded data, and what speaks of the words themselves.
NOT_READ = re.compile(r"tests/formats/v|tests/(unit/test_)?words?(_list)?\.py")
# Literals of these hold sentences to be classified, and parts of messages of others.
NO_MESSAGES = re.compile(r"(tests|examples)/")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`|\]\([^)\n]+\)|https?://\S+", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, order=True)
class Finding:
    """A word in its place."""

    path: str
    line: int
    word: str
    found: str
    say: str

    def __str__(self) -> str:
        """`palm/spec.py:17: nobody: found "nobody". Say: the passive voice.`"""
        return f'{self.path}:{self.line}: {self.word}: found "{self.found}". Say: {self.say}.'


def findings(path: str, text: str) -> list[Finding]:
    """What to say otherwise in a Python or Markdown file."""
    if path.endswith(".md"):
        found = set(_in_prose(path, 1, _without_code(text)))
    else:
        nodes = list(ast.walk(ast.parse(text)))
        found = {*_in_names(path, nodes), *_in_comments(path, text), *_in_strings(path, nodes)}
    return sorted(finding for finding in found if (finding.word, path) not in ALLOWED)


def split_name(name: str) -> list[str]:
    """`MultiTaskModel` and `multi_task_model` → `["multi", "task", "model"]`."""
    return [part.lower() for part in _PARTS.findall(name)]


def _in_names(path: str, nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    words = [word for word in NAMES if word.applies_to(path)]
    for line, name in {(1, Path(path).stem), *_bound_names(nodes)}:
        parts = " ".join(split_name(name))
        for word in words:
            if name == word.name if word.exact else word.pattern.search(parts):
                yield Finding(path, line, word.name, name, word.say)


def _bound_names(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def _in_comments(path: str, text: str) -> Iterator[Finding]:
    # Reading tokens is slow. A comment ends with its line, so most files need no reading.
    ends = (line[at.start() :] for line in text.splitlines() for at in re.finditer("#", line))
    if not any(True for end in ends for _ in _in_prose(path, 1, _without_code(end))):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from _in_prose(path, token.start[0], _without_code(token.string))


def _in_strings(path: str, nodes: Sequence[ast.AST]) -> Iterator[Finding]:
    docstrings = {id(string) for string in _docstrings(nodes)}
    strings = (node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    for node in strings:
        if " " in str(node.value) and (id(node) in docstrings or not NO_MESSAGES.match(path)):
            yield from _in_prose(path, node.lineno, _without_code(str(node.value)))


def _docstrings(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Strings that stand alone: docstrings, and those below an attribute."""
    return (node.value for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _in_prose(path: str, first_line: int, text: str) -> Iterator[Finding]:
    for word in PROSE:
        if word.pattern.search(text) and word.applies_to(path):
            for match in word.pattern.finditer(text):
                line = first_line + text.count("\n", 0, match.start())
                yield Finding(path, line, word.name, " ".join(match[0].split()), word.say)


def _without_code(text: str) -> str:
    """`text` with code and addresses blanked out, each character in its place."""
    return _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def all_files() -> list[str]:
    """Every file of the repository that is read."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in listed if is_read(path) and (ROOT / path).is_file()]


def is_read(path: str) -> bool:
    """Whether the words of a file are looked at."""
    return bool(READ.fullmatch(path)) and not NOT_READ.match(path)


def findings_in(paths: Iterable[str]) -> list[Finding]:
    """What to say otherwise in files of the repository, in their order."""
    return [found for path in paths for found in findings(path, (ROOT / path).read_text(encoding="utf-8"))]


def remaining() -> dict[str, int]:
    """How many findings of a word are still to be worked off."""
    lines = REMAINING.read_text(encoding="utf-8").splitlines() if REMAINING.exists() else []
    pairs = (line.rpartition(": ") for line in lines if line)
    return {word: int(number) for word, _, number in pairs}


def write_remaining(numbers: Mapping[str, int]) -> None:
    """Lower the numbers of words_remaining.txt to `numbers`; words without findings leave the file."""
    known = remaining() if REMAINING.exists() else numbers
    lowered = {word: min(numbers[word], number) for word, number in sorted(known.items()) if word in numbers}
    REMAINING.write_text("".join(f"{word}: {number}\n" for word, number in lowered.items()), encoding="utf-8")


def counts(found: Iterable[Finding]) -> dict[str, int]:
    """Findings of each word, the most frequent first."""
    return dict(Counter(finding.word for finding in found).most_common())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings; 1 where one of them is of a word that has been worked off."""
    parser = argparse.ArgumentParser(prog="python -m tests.words", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="*", help="what to read; everything when left out")
    parser.add_argument("--counts", action="store_true", help="print one number per word in place of the findings")
    parser.add_argument("--update", action="store_true", help="lower the numbers of words_remaining.txt")
    options = parser.parse_args(argv)
    paths = [Path(file).resolve().relative_to(ROOT).as_posix() for file in options.files] or all_files()
    found = findings_in(path for path in paths if is_read(path))
    known = remaining()
    if options.update:
        write_remaining(counts(found))
    lines = [f"{number:5} {word}" for word, number in counts(found).items()] if options.counts else map(str, found)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(any(finding.word not in known for finding in found))


if __name__ == "__main__":
    sys.exit(main())
