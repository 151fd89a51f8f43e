"""The catalog of translations: reads the part of gettext's .po format that `make messages` writes, and indexes it."""

import ast
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from palm.locale.pattern import Pattern

CATALOG = Path(__file__).parent / "zh_CN" / "LC_MESSAGES" / "palm.po"


def read_catalog(file: Path = CATALOG) -> dict[str, str]:
    """Msgid → msgstr of each entry, empty where it is not translated; the header is left out."""
    entries: dict[str, str] = {}
    msgid, field = "", ""
    for line in file.read_text(encoding="utf-8").splitlines():
        keyword, _, quoted = line.partition(" ")
        if keyword == "msgid":
            msgid, field = _unquoted(quoted), keyword
        elif keyword == "msgstr":
            field = keyword
            entries[msgid] = _unquoted(quoted)
        elif line.startswith('"') and field == "msgid":
            msgid += _unquoted(line)
        elif line.startswith('"') and field == "msgstr":
            entries[msgid] += _unquoted(line)
    entries.pop("", None)
    return entries


def _unquoted(quoted: str) -> str:
    """The text of a quoted line, whose escapes are those of C and of Python."""
    return str(ast.literal_eval(quoted))


def by_rarest_word(patterns: Sequence[Pattern]) -> Mapping[str, list[Pattern]]:
    """The patterns by the word of each that fewest others have."""
    counts = Counter(word for pattern in patterns for word in pattern.words)
    found: dict[str, list[Pattern]] = defaultdict(list)
    for pattern in patterns:
        if pattern.words:
            found[min(pattern.words, key=lambda word: (counts[word], word))].append(pattern)
    return found
