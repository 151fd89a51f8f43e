"""A template: the parts of a prompt, checked, with those that are there by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, cast, get_args

from palm.data.prompt_form import PromptEncoder
from palm.data.prompt_literal import LiteralValue, TemplatePiece, split_template
from palm.registry import did_you_mean

PartKind = Literal["text", "hard", "mask", "sep", "soft", "prefix", "options"]

DEFAULT_PROMPT = "{'soft'}{'text': 'text_a'}{'mask'}"
OPTION = "[OPT]"
"""Stands in `add_prompt` for an option."""

_LEARNED = ("length", "encoder", "hidden_size")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "text": ("truncate", "shortenable"),
    "hard": ("truncate", "shortenable"),
    "mask": ("length",),
    "sep": (),
    "soft": (*_LEARNED, "soft_id", "duplicate", "same"),
    "soft_id": (*_LEARNED, "duplicate", "same"),
    "prefix": (*_LEARNED, "prefix_dropout"),
    "options": ("add_prompt", "add_omask"),
}
_OF_EVERY_PART = ("position", "token_type")
_WRITTEN = ("hard", "soft", "options")
_ENCODERS = get_args(PromptEncoder)
_MASKS = ("[MASK]", "<mask>")
_MOST = 10_000  # vectors or masks of a part
_WIDEST = 100_000


@dataclass(frozen=True)
class TemplatePart:
    """A part of a template.

    Attributes:
        kind: What it is.
        place: Its first character in the template, from 1.
        text: The column of a `text`; the words of a `hard`, `soft` or `prefix` part; of `options` what an option is
            put into.
        length: Number of masks, or of vectors; None: as many as `text` has tokens, else 1.
        encoder: What vectors pass through; None: as the key `soft_encoder` says.
        hidden_size: Width of this encoder; None: as the key `encoder_hidden_size` says.
        soft_id: Parts with the same have the same vectors.
        duplicate: How often the vectors are repeated.
        same: Whether repetitions are the same vectors.
        prefix_dropout: Dropout of a prefix.
        options: A file of labels, the labels themselves, or None.
        truncate: Whether it is cut if the sequence is too long.
        position: Position of its first token; None: after the part before it.
        token_type: Its segment.
        after_blank: Whether a blank stands before it.
    """

    kind: PartKind
    place: int
    text: str = ""
    length: int | None = None
    encoder: PromptEncoder | None = None
    hidden_size: int | None = None
    soft_id: int | str | None = None
    duplicate: int = 1
    same: bool = False
    prefix_dropout: float = 0.1
    options: str | tuple[str, ...] | None = None
    truncate: bool = False
    position: int | None = None
    token_type: int = 0
    after_blank: bool = False


@dataclass(frozen=True)
class PromptTemplate:
    """The parts of a prompt, with a text among them, and a mask or options."""

    parts: tuple[TemplatePart, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an example that it needs, in order."""
        return tuple(dict.fromkeys(part.text for part in self.parts if part.kind == "text"))

    @property
    def options(self) -> TemplatePart | None:
        """The part that stands for candidate labels."""
        return next((part for part in self.parts if part.kind == "options"), None)

    @property
    def prefix(self) -> TemplatePart | None:
        """The part with vectors for every layer."""
        return next((part for part in self.parts if part.kind == "prefix"), None)


def parse_template(prompt: str, *, soft: bool) -> PromptTemplate:
    """The template `prompt`, with the column text_a in front if it has no text, and a mask at the end if it has none.

    Args:
        prompt: Free text and parts such as `{'text': 'text_a'}`.
        soft: Whether fixed words become soft vectors that start from the words' embeddings.

    Raises:
        ValueError: It is not valid; the message says at which character.
    """
    parts = [part for piece in split_template(prompt) for part in _parts_of(piece)]
    if not any(part.kind == "text" for part in parts):
        parts.insert(int(bool(parts) and parts[0].kind == "prefix"), TemplatePart("text", 1, "text_a", truncate=True))
    if not any(part.kind in ("mask", "options") for part in parts):
        parts.append(TemplatePart("mask", len(prompt) + 1, length=1, token_type=-1))
    _check(parts)
    parts = _with_blanks(_with_token_types(parts))
    return PromptTemplate(tuple(_softened(part) if soft else part for part in parts))


def _parts_of(piece: TemplatePiece) -> list[TemplatePart]:
    if piece.text is None:
        return [_part_of(_Keys(piece))]
    shown = next((name for name in _MASKS if name in piece.text), None)
    if shown:
        rule = f"`{shown}` in free text is no mask. Write {{'mask'}}, or {{'hard': …}} if it is text."
        raise ValueError(f"character {piece.place + piece.text.index(shown)}: {rule}")
    return [TemplatePart("hard", piece.place, piece.text, token_type=-1)]


def _part_of(keys: "_Keys") -> TemplatePart:
    kind = keys.kind()
    part = TemplatePart(
        cast("PartKind", "soft" if kind == "soft_id" else kind),
        keys.place,
        position=keys.whole("position", least=0),
        token_type=_or(keys.whole("token_type", least=0, most=1), -1),  # -1: as the part before it
        length=keys.whole("length", least=1, most=_MOST),
        truncate=keys.flag("truncate", default=keys.flag("shortenable", default=kind == "text")),
    )
    if kind == "mask":
        return replace(part, length=part.length or 1)
    if kind == "options":
        return _options_of(part, keys)
    if kind in ("soft", "soft_id", "prefix"):
        return _learned_of(part, keys, kind)
    return replace(part, text=keys.text(kind)) if kind in ("text", "hard") else part


def _learned_of(part: TemplatePart, keys: "_Keys", kind: str) -> TemplatePart:
    """A part with vectors."""
    words = keys.found.get(kind) if kind != "soft_id" else None
    if words is not None and not isinstance(words, str):
        keys.fail(kind, "words that the vectors start from, or None")
    return replace(
        part,
        text=words or "",
        encoder=keys.encoder(),
        hidden_size=keys.whole("hidden_size", least=1, most=_WIDEST),
        soft_id=keys.identity(),
        duplicate=_or(keys.whole("duplicate", least=1, most=_MOST), 1),
        same=keys.flag("same", default=False),
        prefix_dropout=keys.fraction("prefix_dropout", default=0.1),
    )


def _options_of(part: TemplatePart, keys: "_Keys") -> TemplatePart:
    """The part of the candidates."""
    if keys.flag("add_omask", default=False):
        keys.fail(
            "add_omask", "False: options that share one sequence are not available, each is a sequence of its own"
        )
    options = keys.found["options"]
    if isinstance(options, tuple):
        options = tuple(str(option) for option in options)
        if len(set(options)) < 2:
            keys.fail("options", "two labels or more")
    elif isinstance(options, str) and options.isidentifier():
        keys.fail("options", "a file such as './labels.txt', or None: the reader choice takes candidates of each row")
    elif options is not None and (not isinstance(options, str) or not options.strip()):
        keys.fail("options", "a file of labels, a list of labels, or None for the labels of the task")
    around = keys.text("add_prompt") if "add_prompt" in keys.found else OPTION
    if OPTION not in around:
        keys.fail("add_prompt", f"a text with {OPTION}, where the option stands")
    return replace(part, options=options, text=around)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


class _Keys:
    """The keys of a part in braces, each with its type."""

    def __init__(self, piece: TemplatePiece) -> None:
        self.place, self.found = piece.place, piece.keys

    def kind(self) -> str:
        """The key that says what the part is; others must belong to it."""
        kinds = [key for key in self.found if key in _KEYS]
        if sorted(kinds) == ["soft", "soft_id"]:
            kinds = ["soft"]
        own = {kind: [kind, *_KEYS[kind], *_OF_EVERY_PART] for kind in kinds or _KEYS}
        known = list(dict.fromkeys(key for keys in own.values() for key in keys))
        for key in self.found:
            if key not in known:
                listed = ", ".join(known)
                self._refuse(f"the keys here are {listed}, found `{key}`.{did_you_mean(key, known)} Correct it.")
        if len(kinds) != 1:
            found = " and ".join(f"`{kind}`" for kind in kinds) or "none"
            self._refuse(f"a part has one of {', '.join(_KEYS)}, found {found}. Write it as one part, or as several.")
        return kinds[0]

    def text(self, key: str) -> str:
        """The text under a key that must be there."""
        value = self.found.get(key)
        if not isinstance(value, str) or (not value.strip() and key != "hard"):
            self.fail(key, "a column" if key == "text" else "text")
        return value

    def whole(self, key: str, *, least: int, most: int = 1_000_000) -> int | None:
        """A whole number, if there is one."""
        value = self.found.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fail(key, f"a whole number from {least} to {most}")
        return value

    def fraction(self, key: str, *, default: float) -> float:
        """A number from 0 to below 1."""
        value = self.found.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
            self.fail(key, "a number from 0 to below 1")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or False."""
        value = self.found.get(key, default)
        if not isinstance(value, bool):
            self.fail(key, "True or False")
        return value

    def encoder(self) -> PromptEncoder | None:
        """What vectors pass through, if the part says it."""
        if "encoder" not in self.found:
            return None
        value = self.found["encoder"]
        if value is not None and value not in _ENCODERS:
            self.fail("encoder", f"one of {', '.join(_ENCODERS)}")
        return cast("PromptEncoder", value or "none")

    def identity(self) -> int | str | None:
        """The id of vectors that parts have in common."""
        value = self.found.get("soft_id")
        if "soft_id" in self.found and (not isinstance(value, int | str) or isinstance(value, bool)):
            self.fail("soft_id", "a number or a name")
        return cast("int | str | None", value)

    def fail(self, key: str, expected: str) -> NoReturn:
        """Refuse the value of a key."""
        self._refuse(f"`{key}` must be {expected}, found {_shown(self.found.get(key))}. Correct it.")

    def _refuse(self, message: str) -> NoReturn:
        raise ValueError(f"character {self.place}: {message}")


def _shown(value: LiteralValue) -> str:
    return "nothing" if value is None else f"`{value!r:.60}`"


def _check(parts: Sequence[TemplatePart]) -> None:
    """Refuse parts that do not go together."""
    for kind in ("prefix", "options"):
        twice = [part for part in parts if part.kind == kind][1:]
        if twice:
            rule = f"a prompt has one part `{kind}`, found another one. Remove it."
            raise ValueError(f"character {twice[0].place}: {rule}")
    late = next((part for part in parts[1:] if part.kind == "prefix"), None)
    if late is not None:
        raise ValueError(f"character {late.place}: a prefix must be the first part. Move it to the front.")
    if any(part.kind == "options" for part in parts):
        mask = next((part for part in parts if part.kind == "mask"), None)
        if mask is not None:
            rule = "a prompt with options is answered at its first token, found a mask. Remove it, or the options."
            raise ValueError(f"character {mask.place}: {rule}")


def _with_token_types(parts: Sequence[TemplatePart]) -> list[TemplatePart]:
    """The parts, each with its segment: that of the part before it unless it has its own."""
    current, found = 0, []
    for part in parts:
        current = part.token_type if part.token_type >= 0 else current
        found.append(replace(part, token_type=current))
    return found


def _with_blanks(parts: Sequence[TemplatePart]) -> list[TemplatePart]:
    """The parts, with blanks around fixed words as a property of what follows them."""
    found, after_blank = [], False
    for part in parts:
        text = part.text if part.kind in _WRITTEN else ""
        starts_blank = bool(text) and text[0].isspace()
        if part.kind == "hard" and not text.strip():
            after_blank = after_blank or bool(text)
            continue
        own = text.strip() if part.kind in _WRITTEN else part.text
        found.append(replace(part, text=own, after_blank=after_blank or starts_blank))
        after_blank = bool(text) and text[-1].isspace()
    return found


def _softened(part: TemplatePart) -> TemplatePart:
    return replace(part, kind="soft", truncate=False) if part.kind == "hard" else part
