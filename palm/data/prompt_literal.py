"""Reads the syntax of prompts: free text and parts in braces, which hold constants as Python writes them.

Nothing is evaluated: names, calls and other expressions are refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

Constant = str | int | float | bool | None
LiteralValue = Constant | tuple[Constant, ...]

LONGEST_PROMPT = 100_000
"""Characters."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<number>[+-]?\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?(?![\w.]))
      | (?P<name>True|False|None|true|false|null)\b
      | (?P<sign>[{}\[\]():,])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "\n": ""}
_NAMES = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_CURLY = "‘’“”"
_CLOSING = {"[": "]", "(": ")"}


@dataclass(frozen=True)
class TemplatePiece:
    """Free text, or a part in braces.

    Attributes:
        place: Its first character, counted from 1.
        keys: Of a part its keys and values; a key without a value has None.
        text: The free text; None for a part.
    """

    place: int
    keys: Mapping[str, LiteralValue]
    text: str | None = None


@dataclass(frozen=True)
class _Token:
    kind: str
    value: Constant
    place: int


def split_template(prompt: str) -> list[TemplatePiece]:
    """The pieces of a prompt in their order.

    Raises:
        ValueError: It is not valid; the message says at which character.
    """
    if len(prompt) > LONGEST_PROMPT:
        raise ValueError(f"a prompt has up to {LONGEST_PROMPT} characters, found {len(prompt)}. Shorten it.")
    scanner, pieces = _Scanner(prompt), list[TemplatePiece]()
    while scanner.place < len(prompt):
        start = scanner.place
        if prompt[start] == "{":
            pieces.append(TemplatePiece(start + 1, scanner.braces()))
            continue
        end = prompt.find("{", start)
        scanner.place = len(prompt) if end < 0 else end
        text = prompt[start : scanner.place]
        if "}" in text:
            place = start + text.index("}") + 1
            raise ValueError(_at(place, "a brace must be opened before it closes, found `}`. Write {'hard': '}'}."))
        pieces.append(TemplatePiece(start + 1, {}, text))
    return pieces


def parse_mapping(text: str) -> dict[str, LiteralValue]:
    """The mapping `{'0': 'bad', '1': ['good', 'great']}`.

    Raises:
        ValueError: It is not valid; the message says at which character.
    """
    scanner = _Scanner(text)
    scanner.place = len(text) - len(text.lstrip())
    if not text.startswith("{", scanner.place):
        raise ValueError("a mapping such as {'0': 'bad', '1': 'good'} is expected")
    found = scanner.braces()
    if text[scanner.place :].strip():
        scanner.fail(scanner.place, "a mapping must end with its brace, found more text. Remove it")
    return found


def _at(place: int, message: str) -> str:
    return f"character {place}: {message}"


class _Scanner:
    """Reads constants, lists and braces from a text, from `place` on."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0

    def braces(self) -> dict[str, LiteralValue]:
        """The keys between the braces at `place`, which is then behind them."""
        start = self.place
        self.place += 1
        found: dict[str, LiteralValue] = {}
        token = self._next(start)
        while token.value != "}" or token.kind != "sign":
            key = self._key(token)
            if key in found:
                self.fail(token.place, f"a key must occur once in braces, found `{key}` twice. Remove one")
            token = self._next(start)
            found[key] = None
            if self._is_sign(token, ":"):
                found[key] = self._value(start)
                token = self._next(start)
            token = self._after_item(token, "}", start)
        if not found:
            self.fail(start, "braces must hold a part such as {'mask'}, found none. Fill them or remove them")
        return found

    def fail(self, place: int, message: str) -> NoReturn:
        """Raise a ValueError about the character `place`, from 0."""
        raise ValueError(_at(place + 1, f"{message}."))

    def _key(self, token: _Token) -> str:
        if token.kind == "sign" or not isinstance(token.value, str | int) or isinstance(token.value, bool):
            self.fail(token.place, f"a key in quotation marks is expected, such as {{'mask'}}, found `{token.value}`")
        return str(token.value)

    def _value(self, start: int) -> LiteralValue:
        """A constant, or a list of them."""
        token = self._next(start)
        if token.kind == "sign" and token.value in ("[", "("):
            closing, items = _CLOSING[token.value], list[Constant]()
            token = self._next(start)
            while not self._is_sign(token, closing):
                items.append(self._constant(token))
                token = self._after_item(self._next(start), closing, start)
            return tuple(items)
        return self._constant(token)

    def _constant(self, token: _Token) -> Constant:
        if token.kind == "sign":
            self.fail(token.place, f"a text, a number, True, False or None is expected, found `{token.value}`")
        return token.value

    def _after_item(self, token: _Token, closing: str, start: int) -> _Token:
        """The token behind the comma, or what closes."""
        if self._is_sign(token, ","):
            return self._next(start)
        if not self._is_sign(token, closing):
            self.fail(token.place, f"`,` or `{closing}` is expected, found `{token.value}`")
        return token

    def _is_sign(self, token: _Token, sign: str) -> bool:
        return token.kind == "sign" and token.value == sign

    def _next(self, opened: int) -> _Token:
        """The next token inside the brace that was opened at `opened`."""
        found = _TOKEN.match(self.text, self.place)
        if found is None:
            self._refuse(opened)
        kind = str(found.lastgroup)
        place = found.start(kind)
        self.place = found.end()
        raw = found[kind]
        if kind == "string":
            return _Token(kind, _ESCAPE.sub(_unescaped, raw[1:-1]), place)
        if kind == "number":
            return _Token(kind, int(raw) if raw.lstrip("+-").isdecimal() else float(raw), place)
        return _Token(kind, _NAMES[raw] if kind == "name" else raw, place)

    def _refuse(self, opened: int) -> NoReturn:
        """Say what is wrong at `place`, where no token stands."""
        rest = self.text[self.place :].lstrip()
        place = len(self.text) - len(rest)
        if not rest:
            self.fail(opened, "a brace must be closed, found none of its own. Add }")
        if rest[0] in _CURLY:
            self.fail(place, f"quotation marks must be straight (' or \"), found `{rest[0]}`. Replace it")
        if rest[0] in "'\"":
            self.fail(place, f"a text must end with its quotation mark, found `{rest[:20]}`. Add {rest[0]}")
        rule = "braces hold constants, as in {'text': 'text_a'}; nothing is evaluated"
        self.fail(place, f"{rule}. Found `{rest[:20]}`. Put text in quotation marks")


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return _ESCAPED.get(escape, found[0])
