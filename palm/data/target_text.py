"""Text that a model writes: its special tokens, and how its tokens become text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from palm.data.tokenizer import Tokenizer

_UNSPACED = "\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31a0-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
_BESIDE_UNSPACED = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")
_IN_NUMBER = re.compile(r"(?<=\d) ?([.:/]|,(?= ?\d{3}\b)) ?(?=\d)")
_IN_WORD = re.compile(r"(?<=\w) ([-_]|['’](?= (?:s|t|m|d|re|ve|ll|clock)\b)) (?=\w)")

_BESIDE_SIGN = re.compile(r" (?=[;:)\]}%])|(?<=[(\[{]) ")


@dataclass(frozen=True)
class TargetForm:
    """What a decoder needs to know of a tokenizer.

    Attributes:
        start_id: The token before the first: [CLS], or `<s>`.
        end_id: The token after the last: [SEP], or `</s>`.
        tokens: Number of tokens; word embeddings may have more rows.
        text_of: The text of token ids, without special tokens.
    """

    start_id: int
    end_id: int
    tokens: int
    text_of: Callable[[Sequence[int]], str]


def target_form(tokenizer: Tokenizer) -> TargetForm:
    """The form of texts that are written with the tokens of `tokenizer`."""
    return TargetForm(
        tokenizer.cls_id, tokenizer.sep_id, tokenizer.vocab_size, lambda ids: written_text(tokenizer, ids)
    )


def written_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of `ids`, without special tokens.

    Tokens that know of blanks (SentencePiece, BPE of bytes) give the text as it was. Those of BERT do not: they are
    joined with blanks, but for those inside numbers and words (`8:30`, `check-in`, `it's`), before a closing sign and
    after an opening one, and beside Chinese and Japanese.
    """
    text = tokenizer.spaced_text(ids)
    if tokenizer.keeps_blanks:
        return text.strip()
    text = _IN_WORD.sub(r"\1", _IN_NUMBER.sub(r"\1", text))
    return _BESIDE_UNSPACED.sub("", _BESIDE_SIGN.sub("", text)).strip()
