"""How tags mark spans: the schemes (BIO, BILOU, …), the forms of a tag (B-PER, PER-B, b_per), and which a file has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from palm.data.dataset import is_unused_label
from palm.errors import ConfigError, Problem
from palm.schema.fields import TagSchemeName

OUTSIDE = ("O", "o")
SEPARATORS = "-_:/|."
UNTYPED = "_"
"""The type of a tag that is a letter alone."""

# What a letter says about its word: it begins a span, is inside, ends it, or is a span by itself.
_MEANING = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_MOST_SHOWN = 4

TagParts = tuple[str, str]
"""Meaning (B, I, E, S, or O outside) and type of a tag."""


@dataclass(frozen=True)
class TagForm:
    """How a tag holds its letter and its type.

    Attributes:
        separator: What stands between the two; None where a tag is a type alone.
        suffix: Whether the letter comes last.
    """

    separator: str | None = "-"
    suffix: bool = False

    def split(self, tag: str) -> TagParts | None:
        """Meaning and type of `tag`, whose letter may be lower case; None where it has no letter."""
        if tag in OUTSIDE or is_unused_label(tag):
            return "O", UNTYPED
        if self.separator is None:
            return "I", tag
        letter = tag[-1:] if self.suffix else tag[:1]
        rest = tag[:-1] if self.suffix else tag[1:]
        divided = rest.endswith(self.separator) if self.suffix else rest.startswith(self.separator)
        if letter.upper() not in _MEANING or (rest and not divided):
            return None
        kind = rest.removesuffix(self.separator) if self.suffix else rest.removeprefix(self.separator)
        return _MEANING[letter.upper()], kind or UNTYPED

    def letter(self, tag: str) -> str:
        """The letter of a tag that has one, as a capital."""
        return tag[-1 if self.suffix else 0].upper()


TYPES_ALONE = TagForm(separator=None)


@dataclass(frozen=True)
class _Rules:
    """What a scheme allows.

    Attributes:
        letters: Meanings that occur, apart from O.
        before: Of which meaning the word before has to be, with the same type.
        after: Of which meaning the word after has to be, with the same type.
    """

    letters: str
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)

    def breaks(self, one: TagParts | None, other: TagParts | None) -> bool:
        """Whether two words that follow one another may not be tagged so; None stands for a tag without a letter."""
        if one is None or other is None:
            return True
        same = one[1] == other[1]
        wanted_before, wanted_after = self.before.get(other[0]), self.after.get(one[0])
        return (
            other[0] not in f"{self.letters}O"
            or (wanted_before is not None and not (same and one[0] in wanted_before))
            or (wanted_after is not None and not (same and other[0] in wanted_after))
        )


_WHOLE = _Rules("BIES", before={"I": "BI", "E": "BI"}, after={"B": "IE", "I": "IE"})
# Of schemes that fit a file equally well the first is taken.
_RULES: dict[TagSchemeName, _Rules] = {
    "bio": _Rules("BI", before={"I": "BI"}),
    "io": _Rules("I"),
    "iob1": _Rules("BI", before={"B": "BI"}),
    "ioe2": _Rules("IE", after={"I": "IE"}),
    "ioe1": _Rules("IE", after={"E": "IE"}),
    "iobes": _WHOLE,
    "bios": _Rules("BIS", before={"I": "BI"}),
    "bioe": _Rules("BIE", before={"I": "BI", "E": "BI"}, after={"I": "IE"}),
}
# Other letters, or another reading, for the same rules.
_ALIKE: dict[TagSchemeName, _Rules] = {
    "iob2": _RULES["bio"],
    "bilou": _WHOLE,
    "bmes": _WHOLE,
    "bmewo": _WHOLE,
}


@dataclass(frozen=True)
class TagScheme:
    """A scheme in the form that a file has it.

    Attributes:
        name: The scheme; `none` for tags that mark no spans.
        form: How its tags are written.
    """

    name: TagSchemeName = "bio"
    form: TagForm = field(default_factory=TagForm)

    @classmethod
    def of(cls, name: TagSchemeName, tags: Sequence[str]) -> "TagScheme":
        """The scheme `name` of a tag set, whose form follows from the tags.

        Raises:
            ConfigError: The tags are not of this scheme.
        """
        if name == "none":
            return cls("none")
        form = _form_of(tags)
        if name == "io":
            return cls("io", form or TYPES_ALONE)
        if form is None or (form == TYPES_ALONE and _inside(tags)):
            raise _unfit(f"the tags of the scheme `{name}` hold a letter and a type, such as B-PER", tags)
        # The default reading of BIO knows what E and S are.
        allowed = "BIES" if name == "bio" else (_RULES | _ALIKE)[name].letters
        wrong = [tag for tag in _inside(tags) if (parts := form.split(tag)) and parts[0] not in allowed]
        if wrong:
            raise _unfit(f"the scheme `{name}` has the letters {', '.join(_letters_of(name))}", wrong)
        return cls(name, form)

    def split(self, tag: str) -> TagParts | None:
        """Meaning and type of `tag`; None for a tag that is none of the scheme."""
        parts = self.form.split(tag)
        return ("I", parts[1]) if self.name == "io" and parts is not None and parts[0] != "O" else parts

    def break_at(self, one: str, other: str) -> bool:
        """Whether the scheme lets no word tagged `other` follow one tagged `one`; at the edges of a text that is O."""
        if self.name == "none":
            return False
        return (_RULES | _ALIKE)[self.name].breaks(self.split(one), self.split(other))

    def first_break(self, tags: Sequence[str]) -> tuple[str, str] | None:
        """The first two tags of a text that may not follow one another; None where all may."""
        return next((pair for pair in pairwise(("O", *tags, "O")) if self.break_at(*pair)), None)


def detect_scheme(names: Sequence[str], texts: Iterable[Sequence[str]]) -> TagSchemeName:
    """The scheme that `texts` break least.

    Args:
        names: All tags that there may be.
        texts: The tags of each training text.
    """
    form = _form_of(names)
    if form is None:
        return "none"
    if form == TYPES_ALONE:
        return "io"
    named = [name for name in _inside(names) if form.split(name)]
    meanings = {parts[0] for name in named if (parts := form.split(name))}
    pairs = Counter(pair for tags in texts for pair in pairwise(("O", *tags, "O")))
    split = {tag: form.split(tag) for pair in pairs for tag in pair}

    def broken(scheme: TagSchemeName) -> int:
        return sum(count for (one, other), count in pairs.items() if _RULES[scheme].breaks(split[one], split[other]))

    found = min((scheme for scheme in _RULES if meanings <= set(_RULES[scheme].letters)), key=broken)
    return _written_with({form.letter(name) for name in named}) if found == "iobes" else found


def _written_with(letters: set[str]) -> TagSchemeName:
    """Which of the schemes with the same rules has these letters."""
    if letters & {"L", "U"}:
        return "bilou"
    return "bmewo" if "W" in letters else "bmes" if "M" in letters else "iobes"


def older_scheme(names: Sequence[str]) -> TagScheme:
    """The scheme of a model that was exported when all tags were read as BIO."""
    form = _form_of(names)
    return TagScheme("bio", form if form is not None and form.separator == "" else TagForm())


def says_more_than_bio(names: Sequence[str]) -> bool:
    """Whether what was read as BIO before schemes were known is anything else: other letters, another form."""
    form = older_scheme(names).form
    letters = {form.letter(name) for name in _inside(names) if form.split(name)}
    return form != _form_of(names) or not letters <= set("BIES")


def describe_scheme(scheme: TagScheme, names: Sequence[str], *, is_set: bool) -> str:
    """A scheme for people: `bilou (from the tags of train_file, such as B-PER, L-PER)`."""
    source = "set by tag_scheme" if is_set else "from the tags of train_file"
    told = f"{scheme.name} ({source}, such as {_shown(_inside(names) or names)})"
    if scheme.name == "none":
        return f"{told}: tags mark no spans, so span_f1 reports token_accuracy alone"
    foreign = [name for name in names if scheme.split(name) is None]
    return f"{told}; outside of all spans: {_shown(foreign)}" if foreign else told


def _unfit(rule: str, tags: Sequence[str]) -> ConfigError:
    found = f"Found tags such as {_shown(tags)}. Correct tag_scheme, or leave it out."
    return ConfigError(Problem("tag_scheme", f"{rule}. {found}"))


def _letters_of(name: TagSchemeName) -> str:
    own = {"bilou": "BILUO", "bmes": "BMESO", "bmewo": "BMEWO"}
    return own.get(name, f"{(_RULES | _ALIKE)[name].letters}O")


def _shown(tags: Sequence[str]) -> str:
    return ", ".join(tags[:_MOST_SHOWN])


def _inside(tags: Sequence[str]) -> list[str]:
    return [tag for tag in tags if tag not in OUTSIDE and not is_unused_label(tag)]


def _form_of(tags: Sequence[str]) -> TagForm | None:
    """The form in which more than half of the tags have a letter.

    Without one, tags beside an O are types alone, and others mark no spans.
    """
    inside = _inside(tags)
    if not inside:
        return TagForm() if tags else None
    counted = [(sum(form.split(tag) is not None for tag in inside), form) for form in _forms(inside)]
    most, best = max(counted, key=lambda pair: pair[0])
    if 2 * most > len(inside):
        return best
    return TYPES_ALONE if any(tag in OUTSIDE for tag in tags) else None


def _forms(tags: Sequence[str]) -> Iterator[TagForm]:
    for suffix in (False, True):
        yield from (TagForm(separator, suffix) for separator in SEPARATORS)
    letters: dict[str, set[str]] = {}
    for tag in tags:
        letters.setdefault(tag[1:], set()).add(tag[:1])
    # BPER, IPER: only where each type has two letters at least, as words have such letters too.
    if all(len(found) > 1 and found <= set("BIES") for found in letters.values()):
        yield TagForm("")
