"""What a model needs to know of a prompt: its soft vectors, its prefix, its masks, and the words of its labels."""

from dataclasses import dataclass
from typing import Literal

PromptEncoder = Literal["none", "lstm", "mlp"]


@dataclass(frozen=True)
class SoftGroup:
    """Soft vectors that pass through one encoder together.

    Attributes:
        encoder: What they pass through; `none`: they stand in the sequence as they are.
        hidden_size: Width of the encoder.
        vectors: Their numbers from 1, in the order in which they pass through it.
    """

    encoder: PromptEncoder
    hidden_size: int
    vectors: tuple[int, ...]


@dataclass(frozen=True)
class PromptForm:
    """The parts of a prompt that have parameters, and what is read off its masks.

    Attributes:
        soft_starts: Of each soft vector, the token whose word embedding it starts from; None: it starts at random.
        soft_groups: The soft vectors by encoder; each vector is in one group.
        masks: Number of [MASK] in a sequence.
        label_words: Label (in the order of `LabelMap`) → word → token ids; empty for labels without words.
        prefix_length: Number of learned keys and values before each layer's own.
        prefix_encoder: What the prefix passes through,
        prefix_hidden_size: its width,
        prefix_dropout: and the dropout of the prefix.
    """

    soft_starts: tuple[int | None, ...] = ()
    soft_groups: tuple[SoftGroup, ...] = ()
    masks: int = 1
    label_words: tuple[tuple[tuple[int, ...], ...], ...] = ()
    prefix_length: int = 0
    prefix_encoder: PromptEncoder = "none"
    prefix_hidden_size: int = 0
    prefix_dropout: float = 0.0
