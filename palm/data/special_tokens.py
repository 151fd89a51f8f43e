"""The special tokens of a tokenizer by their roles: as its files name them, else by the names that are common."""

from collections.abc import Mapping
from dataclasses import dataclass

from palm.data.layout import TextLayout
from palm.data.tokenizer_config import ROLES, TokenizerConfig
from palm.data.tokenizer_json import Content, added_tokens, invalid, tokens_of

_COMMON = dict(zip(ROLES, (("[PAD]", "<pad>"), ("[UNK]", "<unk>"), ("[MASK]", "<mask>")), strict=True))


@dataclass(frozen=True)
class SpecialTokens:
    """The ids of a tokenizer's special tokens.

    Attributes:
        pad: Fills rows of a batch.
        unk: Stands for what the vocabulary does not know; None if it knows everything, such as all bytes.
        cls: The first of every sequence.
        sep: The last of every sequence.
        mask: Stands for a token to predict; None if there is none.
        every: All ids that text never yields: those above, other special tokens, and ids without a token.
    """

    pad: int
    unk: int | None
    cls: int
    sep: int
    mask: int | None
    every: frozenset[int]


def find_special_tokens(
    content: Content, config: TokenizerConfig, layouts: tuple[TextLayout, TextLayout], where: object
) -> SpecialTokens:
    """The special tokens of a tokenizer.json.

    Args:
        content: Its content.
        config: The tokenizer_config.json beside it.
        layouts: Of one text and of a pair.
        where: The file, for messages.

    Raises:
        ConfigError: It has no token for padding.
    """
    tokens = tokens_of(content)
    ids = {token: number for number, token in tokens.items()}
    pad, named, mask = (_find(role, ids, config) for role in ROLES)
    unk = _unknown(content, ids, named)
    if pad is None:
        raise invalid(where, "a token fills the rows of a batch (pad_token), found none in its files")
    parts = [part for layout in layouts for part in (layout.front, layout.middle, layout.back)]
    marked = {token.id for token in added_tokens(content) if token.special}
    nameless = {number for number in range(max(tokens) + 1) if not tokens.get(number)}
    every = marked | nameless | {number for part in parts for number in part.ids}
    every |= {number for number in (pad, unk, mask) if number is not None}
    first, last = layouts[0].front.ids[0], layouts[0].back.ids[-1]
    return SpecialTokens(pad, unk, first, last, mask, frozenset(every))


def _find(role: str, ids: Mapping[str, int], config: TokenizerConfig) -> int | None:
    named = config.special_tokens.get(role)
    names = (*([named] if named else []), *_COMMON[role])
    return next((ids[name] for name in names if name in ids), None)


def _unknown(content: Content, ids: Mapping[str, int], named: int | None) -> int | None:
    """What the model itself uses for unknown text."""
    model = content["model"]
    number = model.get("unk_id")
    own = ids.get(str(model.get("unk_token"))) if model.get("unk_token") is not None else number
    return own if isinstance(own, int) else named
