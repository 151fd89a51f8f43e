"""Sequences of a template: its parts as tokens, with the texts cut until they fit, and the form of its soft vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from palm.data.prompt_form import PromptEncoder, PromptForm, SoftGroup
from palm.data.prompt_template import OPTION, PromptTemplate, TemplatePart
from palm.data.tokenizer import Tokenizer

TruncateMode = Literal["tail", "head", "manual"]


@dataclass(frozen=True)
class PromptSettings:
    """How sequences are cut, and what soft vectors pass through.

    Attributes:
        max_seq_len: Longest sequence, with special tokens.
        truncate_mode: Which end of a text is cut; `manual`: the first text to `first_max_length` and others to
            `other_max_length`, at their end.
        first_max_length: Tokens of the first text; None: no limit of its own.
        other_max_length: Tokens of each other text.
        encoder: What soft vectors pass through where the template does not say it.
        hidden_size: Width of this encoder.
    """

    max_seq_len: int
    truncate_mode: TruncateMode = "tail"
    first_max_length: int | None = None
    other_max_length: int | None = None
    encoder: PromptEncoder = "lstm"
    hidden_size: int = 200


@dataclass(frozen=True)
class PromptSequence:
    """One sequence, special tokens included.

    Attributes:
        token_ids: Its tokens; where a soft vector stands, the token that it starts from, or any other.
        soft_ids: The number of the soft vector at each token, 0 for none.
        segment_ids: The segment of each token.
        position_ids: The position of each token.
        mask_positions: Where the masks stand.
        num_cut: Tokens of texts that were cut.
    """

    token_ids: list[int]
    soft_ids: list[int]
    segment_ids: list[int]
    position_ids: list[int]
    mask_positions: list[int]
    num_cut: int


@dataclass
class _SoftVectors:
    """The soft vectors of a template, numbered from 1 in the order in which they occur."""

    starts: list[int | None] = field(default_factory=list)
    groups: dict[tuple[PromptEncoder, int], list[int]] = field(default_factory=dict)
    shared: dict[int | str, tuple[int, ...]] = field(default_factory=dict)

    def numbers(self, part: TemplatePart, words: Sequence[int], settings: PromptSettings) -> tuple[int, ...]:
        """The vectors of a part.

        Raises:
            ValueError: Its length contradicts its words, or the part whose vectors it shares.
        """
        known = self.shared.get(part.soft_id) if part.soft_id is not None else None
        if known is None:
            found = self._new(part, words, settings)
            if part.soft_id is not None:
                self.shared[part.soft_id] = found
            return found
        if words or part.encoder or part.hidden_size or part.duplicate > 1 or part.length not in (None, len(known)):
            rule = f"a part with a soft_id that stood before shares its {len(known)} vectors, found other keys"
            raise ValueError(f"character {part.place}: {rule}. Leave them out, or use another soft_id.")
        return known

    def _new(self, part: TemplatePart, words: Sequence[int], settings: PromptSettings) -> tuple[int, ...]:
        starts: list[int | None] = _filled(part, words)
        first = len(self.starts) + 1
        times = 1 if part.same else part.duplicate
        numbers = tuple(range(first, first + len(starts) * times))
        self.starts += starts * times
        encoder = part.encoder or settings.encoder
        width = 0 if encoder == "none" else part.hidden_size or settings.hidden_size
        self.groups.setdefault((encoder, width), []).extend(numbers)
        return numbers * part.duplicate if part.same else numbers


def _filled(part: TemplatePart, words: Sequence[int]) -> list[int | None]:
    """`words`, and None for each further vector."""
    length = part.length or max(len(words), 1)
    if len(words) > length:
        rule = f"`length` must be at least the number of tokens of the words, {len(words)}, found {length}"
        raise ValueError(f"character {part.place}: {rule}. Raise it, or shorten the words.")
    return [*words, *[None] * (length - len(words))]


@dataclass(frozen=True)
class _Tokens:
    """A part as tokens: `soft` numbers of vectors, all 0 for a part without."""

    part: TemplatePart
    ids: Sequence[int]
    soft: Sequence[int] = ()

    @property
    def is_cut(self) -> bool:
        return self.part.truncate


class PromptEncoding:
    """A template in the tokens of an encoder.

    Args:
        template: The template.
        tokenizer: Its tokenizer.
        settings: How sequences are cut, and what soft vectors pass through.

    Raises:
        ValueError: Parts contradict each other.
        ConfigError: The tokenizer has no token for a mask.
    """

    def __init__(self, template: PromptTemplate, tokenizer: Tokenizer, settings: PromptSettings) -> None:
        self.template, self.settings = template, settings
        self._tokenizer = tokenizer
        self._filler = _filler(tokenizer)
        self._vectors = _SoftVectors()
        self._follows = _follows(template.parts)
        self._parts = [self._fixed(place) for place in range(len(template.parts))]
        self.num_fixed = sum(len(tokens.ids) for tokens in self._parts if tokens is not None and not tokens.is_cut)
        """Tokens of the prompt itself, without special tokens around it, texts and options."""

    @property
    def has_soft(self) -> bool:
        """Whether there are soft vectors."""
        return bool(self._vectors.starts)

    @property
    def num_masks(self) -> int:
        """Masks of a sequence."""
        return sum(part.length or 1 for part in self.template.parts if part.kind == "mask")

    @property
    def room(self) -> int:
        """Tokens that are left for texts and options; below 0 if the prompt alone is too long."""
        return self.settings.max_seq_len - self._tokenizer.single.num_special - self.num_fixed

    @property
    def has_segments(self) -> bool:
        """Whether some part has another segment than 0."""
        return self._tokenizer.pair.num_segments > 1 and any(part.token_type for part in self.template.parts)

    @property
    def has_positions(self) -> bool:
        """Whether positions are other than one after the other."""
        return any(part.position is not None for part in self.template.parts)

    def form(self, label_words: tuple[tuple[tuple[int, ...], ...], ...]) -> PromptForm:
        """What a model needs to know of the template, with the words of its labels as tokens."""
        groups = tuple(SoftGroup(*key, tuple(numbers)) for key, numbers in self._vectors.groups.items())
        prefix = self.template.prefix
        starts = tuple(self._vectors.starts)
        if prefix is None:
            return PromptForm(starts, groups, self.num_masks, label_words)
        encoder = prefix.encoder or "mlp"
        width = 0 if encoder == "none" else prefix.hidden_size or self.settings.hidden_size
        words = self._tokenizer.encode_ids([prefix.text])[0] if prefix.text else []
        length = len(_filled(prefix, words))
        return PromptForm(
            starts, groups, self.num_masks, label_words, length, encoder, width, prefix.prefix_dropout
        )  # fmt: skip

    def described(self) -> list[dict[str, object]]:
        """The parts for a program without PALM, serializable as JSON: `encoding_rules` of export.json."""
        found: list[dict[str, object]] = []
        for place, (part, fixed) in enumerate(zip(self.template.parts, self._parts, strict=True)):
            ids, soft = ([], []) if fixed is None else (list(fixed.ids), list(fixed.soft or [0] * len(fixed.ids)))
            found.append(
                {
                    "column": part.text if part.kind == "text" else None,
                    "option": part.text if part.kind == "options" else None,
                    "ids": ids, "soft_ids": soft, "is_mask": part.kind == "mask", "is_cut": part.truncate,
                    "follows": self._follows[place], "after_blank": part.after_blank,
                    "segment": part.token_type if self.has_segments else 0, "position": part.position,
                }
            )  # fmt: skip
        return found

    def word_ids(self, words: Sequence[str]) -> list[list[int]]:
        """Tokens of words that stand at the first mask."""
        place = next((place for place, part in enumerate(self.template.parts) if part.kind == "mask"), None)
        return self._tokenizer.encode_ids(words) if place is None else self._encode(place, words)

    def encode_texts(self, texts: Mapping[str, Sequence[str]]) -> list[dict[int, list[int]]]:
        """Tokens of the texts of each example, by the number of their part.

        Args:
            texts: Column → texts.
        """
        columns = {
            place: self._encode(place, texts[part.text])
            for place, part in enumerate(self.template.parts)
            if part.kind == "text"
        }
        count = len(next(iter(texts.values()), ()))
        return [{place: ids[row] for place, ids in columns.items()} for row in range(count)]

    def encode_options(self, options: Sequence[str]) -> list[list[int]]:
        """Tokens of candidate labels, each in what stands around it."""
        place = next(place for place, part in enumerate(self.template.parts) if part.kind == "options")
        around = self.template.parts[place].text
        return self._encode(place, [around.replace(OPTION, option) for option in options])

    def sequence(self, texts: Mapping[int, Sequence[int]], option: Sequence[int] = ()) -> PromptSequence | None:
        """The sequence of an example; None if it has no room for its texts.

        Args:
            texts: Tokens of its texts by the number of their part.
            option: Tokens of a candidate label.
        """
        parts = [self._filled_part(place, texts, option) for place in range(len(self._parts))]
        limit = self.settings.max_seq_len - self._tokenizer.single.num_special
        room = limit - sum(len(tokens.ids) for tokens in parts if not tokens.is_cut)
        lengths = [len(tokens.ids) for tokens in parts if tokens.is_cut]
        if room < int(any(lengths)):
            return None
        kept = iter(self._kept_lengths(lengths, room))
        shortened = [self._shortened(tokens, next(kept)) if tokens.is_cut else tokens for tokens in parts]
        return self._joined(shortened, sum(lengths) - sum(len(each.ids) for each in shortened if each.is_cut))

    def _encode(self, place: int, texts: Sequence[str]) -> list[list[int]]:
        part = self.template.parts[place]
        if not self._follows[place] and not part.after_blank:
            return self._tokenizer.encode_ids(texts)
        return self._tokenizer.encode_inside(texts, after_blank=part.after_blank)

    def _fixed(self, place: int) -> _Tokens | None:
        """A part with the same tokens in every sequence; None for another."""
        part = self.template.parts[place]
        if part.kind in ("text", "options"):
            return None
        if part.kind == "mask":
            return _Tokens(part, [self._tokenizer.mask_id] * (part.length or 1))
        if part.kind == "sep":
            return _Tokens(part, [self._tokenizer.sep_id])
        words = self._encode(place, [part.text])[0] if part.text else []
        if part.kind != "soft":
            return _Tokens(part, words if part.kind == "hard" else [])
        numbers = self._vectors.numbers(part, words, self.settings)
        starts = (self._vectors.starts[number - 1] for number in numbers)
        return _Tokens(part, [self._filler if start is None else start for start in starts], numbers)

    def _filled_part(self, place: int, texts: Mapping[int, Sequence[int]], option: Sequence[int]) -> _Tokens:
        fixed = self._parts[place]
        if fixed is not None:
            return fixed
        part = self.template.parts[place]
        return _Tokens(part, texts[place] if part.kind == "text" else option)

    def _kept_lengths(self, lengths: Sequence[int], room: int) -> list[int]:
        """Tokens that are kept of each text: the longest are cut until all fit."""
        settings = self.settings
        if settings.truncate_mode == "manual":
            limits = [settings.first_max_length, *[settings.other_max_length] * len(lengths)]
            lengths = [
                length if limit is None else min(length, limit) for length, limit in zip(lengths, limits, strict=False)
            ]
        return fit_lengths(lengths, room)

    def _shortened(self, tokens: _Tokens, length: int) -> _Tokens:
        cut = len(tokens.ids) - length
        kept = tokens.ids[cut:] if self.settings.truncate_mode == "head" else tokens.ids[:length]
        return _Tokens(tokens.part, kept)

    def _joined(self, parts: Sequence[_Tokens], num_cut: int) -> PromptSequence:
        layout = self._tokenizer.single
        found = PromptSequence(
            list(layout.front.ids), [0] * len(layout.front), [0] * len(layout.front), list(range(len(layout.front))),
            [], num_cut,
        )  # fmt: skip
        position, segment = len(layout.front), 0
        for tokens in parts:
            part, size = tokens.part, len(tokens.ids)
            position = position if part.position is None else part.position
            segment = part.token_type if self.has_segments else 0
            if part.kind == "mask":
                found.mask_positions.extend(range(len(found.token_ids), len(found.token_ids) + size))
            _extend(found, tokens.ids, tokens.soft or [0] * size, segment, position)
            position += size
        _extend(found, layout.back.ids, [0] * len(layout.back), segment, position)
        return found


def fit_lengths(lengths: Sequence[int], room: int) -> list[int]:
    """`lengths` with the longest shortened until their sum is at most `room`; of equal ones the last first."""
    kept = list(lengths)
    limit, rest, left = 0, room, len(kept)
    for length in sorted(kept):
        if length * left > rest:
            limit, left = divmod(rest, left)  # `left` of those that are cut have one token more
            break
        rest, left = rest - length, left - 1
    else:
        return kept
    for place, length in enumerate(kept):
        if length > limit:
            kept[place] = limit + (left > 0)
            left -= 1
    return kept


def _extend(found: PromptSequence, ids: Sequence[int], soft: Sequence[int], segment: int, position: int) -> None:
    found.token_ids.extend(ids)
    found.soft_ids.extend(soft)
    found.segment_ids.extend([segment] * len(ids))
    found.position_ids.extend(range(position, position + len(ids)))


def _follows(parts: Sequence[TemplatePart]) -> list[bool]:
    """Of each part whether it continues text: not at the start, and not after what is no text."""
    before = [None, *(part.kind for part in parts)]
    return [kind in ("text", "hard", "mask", "options") for kind in before[:-1]]


def _filler(tokenizer: Tokenizer) -> int:
    """What stands in a sequence where a vector that starts at random does: no special token, which would be counted."""
    return next(number for number in range(tokenizer.vocab_size) if number not in tokenizer.special_ids)
