"""Where the special tokens of one text and of a pair stand, and which segments the texts have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tokenizers import Encoding

_PROBES = ("a", "0", "的", "ا")


@dataclass(frozen=True)
class Part:
    """Special tokens that stand together: their ids, and the segment of each."""

    ids: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TextLayout:
    """One text or a pair with its special tokens.

    Attributes:
        front: Before the first text, such as [CLS].
        first: Segment of the first text.
        back: At the end, such as [SEP].
        middle: Between the texts of a pair.
        second: Segment of the second text of a pair.
    """

    front: Part
    first: int
    back: Part
    middle: Part = Part()
    second: int = 0

    @property
    def num_special(self) -> int:
        """Number of special tokens."""
        return len(self.front) + len(self.middle) + len(self.back)

    @property
    def num_segments(self) -> int:
        """Number of segments, which are counted from 0."""
        parts = (self.front, self.middle, self.back)
        return 1 + max(self.first, self.second, *(segment for part in parts for segment in part.segments))

    def single(self, ids: Sequence[int]) -> list[int]:
        """Token ids of one text with its special tokens."""
        return [*self.front.ids, *ids, *self.back.ids]

    def pair(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
        """Token ids and segment ids of a pair with its special tokens."""
        ids = [*self.front.ids, *first, *self.middle.ids, *second, *self.back.ids]
        segments = [*self.front.segments, *[self.first] * len(first), *self.middle.segments]
        return ids, [*segments, *[self.second] * len(second), *self.back.segments]

    def in_one_segment(self) -> "TextLayout":
        """The same for an encoder without segments."""
        front, middle, back = (
            replace(part, segments=(0,) * len(part)) for part in (self.front, self.middle, self.back)
        )
        return TextLayout(front, 0, back, middle, 0)


def ask_layouts(encode: Callable[..., Encoding]) -> tuple[TextLayout, TextLayout]:
    """The layouts of one text and of a pair, as a tokenizer builds them.

    Args:
        encode: Encodes a text, or two, with special tokens.

    Raises:
        ValueError: It adds no special token before a text and after it, so that nothing stands for the whole text; or
            it does not encode one text after the other.
    """
    probe = next((text for text in _PROBES if 0 in encode(text).sequence_ids), _PROBES[0])
    one, two = encode(probe), encode(probe, probe)
    layouts = _layout(one), _layout(two)
    if any(not layout.front.ids or not layout.back.ids for layout in layouts):
        found = " ".join(one.tokens)
        raise ValueError(f"a text stands between special tokens such as [CLS] and [SEP], found `{found}` for `{probe}`")
    if layouts[0].num_segments > 1:
        raise ValueError(f"a single text has segment 0, found {one.type_ids}")
    return layouts


def _layout(encoding: Encoding) -> TextLayout:
    texts = encoding.sequence_ids
    first, second = ([place for place, text in enumerate(texts) if text == number] for number in (0, 1))
    if not first or first != list(range(first[0], first[-1] + 1)) or (second and second[0] < first[-1]):
        raise ValueError(f"one text stands after the other, found `{' '.join(encoding.tokens)}`")

    def part(start: int, end: int | None) -> Part:
        return Part(tuple(encoding.ids[start:end]), tuple(encoding.type_ids[start:end]))

    segments = encoding.type_ids
    if not second:
        return TextLayout(part(0, first[0]), segments[first[0]], part(first[-1] + 1, None))
    middle = part(first[-1] + 1, second[0])
    return TextLayout(part(0, first[0]), segments[first[0]], part(second[-1] + 1, None), middle, segments[second[0]])
