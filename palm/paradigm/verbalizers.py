"""How labels are read off masks: the scores of a label's words, a layer with a row per label, or options."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from palm.data.dataset import UNLABELLED, LabelMap
from palm.data.prompt_form import PromptForm
from palm.errors import ConfigError, Problem
from palm.paradigm.mlm_head import token_scores, transformed

if TYPE_CHECKING:
    from paddle import Tensor, nn

LabelTokens = Sequence[Sequence[Sequence[int]]]
"""Label → word → token ids."""
Aggregate = Literal["mean", "max", "first"]


class VerbalizerKeys(Protocol):
    """Keys of a paradigm that say how labels are read off masks."""

    @property
    def verbalizer(self) -> str:
        """`manual`, `masked` or `soft`."""

    @property
    def token_aggregate_type(self) -> Aggregate:
        """Tokens → word."""

    @property
    def word_aggregate_type(self) -> Aggregate:
        """Words → label."""

    @property
    def mask_aggregate_type(self) -> str:
        """Masks → row."""

    @property
    def label_kind(self) -> str:
        """`class` or `several`."""


def check_words(verbalizer: str, labels: LabelMap, form: PromptForm) -> None:
    """Raise ConfigError unless each label has the words that a verbalizer reads."""
    problems = []
    for name, words in zip(labels.names, form.label_words or ((),) * len(labels), strict=True):
        if not words or not all(words):
            rule = "each label needs a word that the tokenizer knows."
            problems.append(f"{rule} Found none for `{name}`. Give it one in label_file or label_words.")
        elif verbalizer == "masked" and (len(words) > 1 or len(words[0]) != form.masks):
            rule = (
                f"verbalizer: masked needs one word of {form.masks} tokens per label, as many as [MASK] in the prompt."
            )
            found = f"{len(words)} words" if len(words) > 1 else f"a word of {len(words[0])}"
            advice = "Choose words of one length and set the mask's length to it, or use verbalizer: manual."
            problems.append(f"{rule} Found {found} for `{name}`. {advice}")
    if problems:
        raise ConfigError([Problem("label_words", problem) for problem in problems])


def word_rows(table: "Tensor", words: LabelTokens) -> "Tensor":
    """The mean of the embeddings of the first word of each label: [vocab emb] → [emb label]."""
    import paddle

    rows = [paddle.gather(table, paddle.to_tensor(list(of_label[0]), "int64")).mean(0) for of_label in words]
    return paddle.stack(rows, axis=1)


def vectors_at_masks(inputs: "Mapping[str, Tensor]") -> "Tensor":
    """The encoder's vectors at the masks of each row, row by row: [batch*mask hidden]."""
    import paddle

    encoded = inputs["encoder_outputs"]
    places = inputs["mask_positions"].unsqueeze(-1).expand([-1, -1, encoded.shape[-1]])  # [batch mask hidden]
    return paddle.take_along_axis(encoded, places, axis=1).flatten(0, 1)


def label_scores(
    layers: "nn.Layer",
    masked: "Tensor",
    inputs: "Mapping[str, Tensor]",
    config: VerbalizerKeys,
    form: PromptForm,
) -> "Tensor":
    """Logits [batch label] from the vectors at the masks, [batch*mask hidden]."""
    features = transformed(layers, masked)  # [batch*mask emb]
    by_row = [-1, form.masks, features.shape[-1]]
    if config.verbalizer == "soft":
        mean = features.reshape(by_row).mean(1)  # [batch emb]
        logits: Tensor = layers.label_layer(mean)
        return logits
    if config.verbalizer == "masked":
        return _masked_scores(layers, features, inputs["embedding_table"], form)
    scores = _manual_scores(layers, features, inputs["embedding_table"], config, form)  # [batch*mask label]
    return _over_masks(scores.reshape([-1, form.masks, scores.shape[-1]]), config.mask_aggregate_type)


def _masked_scores(layers: "nn.Layer", features: "Tensor", table: "Tensor", form: PromptForm) -> "Tensor":
    """The logarithm of the product of the probabilities of each label's tokens at their masks: [batch label]."""
    import paddle
    from paddle.nn import functional

    log_probs = functional.log_softmax(token_scores(layers, features, table))  # [batch*mask vocab]
    by_mask = log_probs.reshape([-1, form.masks, log_probs.shape[-1]])
    tokens = np.array([words[0] for words in form.label_words], "int64")  # [label mask]
    of_masks = [
        paddle.index_select(by_mask[:, mask], paddle.to_tensor(tokens[:, mask]), axis=1) for mask in range(form.masks)
    ]
    return paddle.add_n(of_masks)


def _manual_scores(
    layers: "nn.Layer", features: "Tensor", table: "Tensor", config: VerbalizerKeys, form: PromptForm
) -> "Tensor":
    """What the words of each label score at each mask: [batch*mask label].

    The scores of words are log probabilities among the words of all labels, unless several labels may be right.
    """
    from paddle.nn import functional

    words = list(chain.from_iterable(form.label_words))
    scores = _scores_of(layers, features, table, list(chain.from_iterable(words)))  # [batch*mask token]
    of_words = _aggregated(scores, [len(word) for word in words], config.token_aggregate_type)  # [batch*mask word]
    if config.label_kind == "class":
        of_words = functional.log_softmax(of_words)
    return _aggregated(of_words, [len(of_label) for of_label in form.label_words], config.word_aggregate_type)


def _scores_of(layers: "nn.Layer", features: "Tensor", table: "Tensor", tokens: Sequence[int]) -> "Tensor":
    """The logits of some tokens: [mask emb] → [mask token]."""
    import paddle

    from palm.kernels.products import product

    rows = paddle.to_tensor(list(tokens), "int64")
    scores = product(features, paddle.gather(table, rows), transpose_other=True)
    bias = getattr(layers, "bias", None)
    return scores if bias is None else scores + paddle.gather(bias, rows)


def _aggregated(scores: "Tensor", counts: Sequence[int], kind: Aggregate) -> "Tensor":
    """One column for each group of neighbouring columns of `scores`, [row column], by their numbers: [row group]."""
    import paddle

    # Without loops and zip, which Paddle's conversion to static graphs rewrites.
    members = np.array(counts)[:, None]
    starts = np.cumsum([0, *counts[:-1]])
    if kind == "mean":
        weights = np.repeat(np.eye(len(counts)) / members, counts, axis=0)  # [column group]
        mean: Tensor = scores @ paddle.to_tensor(weights.astype("float32"))
        return mean
    if kind == "first":
        return paddle.index_select(scores, paddle.to_tensor(starts), axis=1)
    # Shorter groups repeat their first column, which changes no maximum.
    steps = np.arange(max(counts))
    places = starts[:, None] + np.where(steps < members, steps, 0)  # [group step]
    columns = paddle.index_select(scores, paddle.to_tensor(places.flatten()), axis=1)
    highest: Tensor = columns.reshape([-1, *places.shape]).max(-1)
    return highest


def _over_masks(scores: "Tensor", kind: str) -> "Tensor":
    """The score of each label from those at several masks, which are logarithms: [batch mask label] → [batch label]."""
    if kind == "first":
        return scores[:, 0]
    return scores.sum(1) if kind == "product" else scores.mean(1) if kind == "mean" else scores.max(1)


def word_loss(scores: "Tensor", labels: "Tensor") -> "Tensor":
    """Mean of minus the score of each row's label, whose scores are logarithms of probabilities: 0 without labels."""
    import paddle

    labelled = labels != UNLABELLED
    gold = paddle.where(labelled, labels, paddle.zeros_like(labels))
    own = paddle.take_along_axis(scores, gold.unsqueeze(1), axis=1).squeeze(1)  # [batch]
    known = labelled.astype("float32")
    return -(own * known).sum() / paddle.clip(known.sum(), min=1.0)


def option_scores(layers: "nn.Layer", inputs: "Mapping[str, Tensor]") -> "Tensor":
    """How much rather each label is true than not, of its own sequence, in log odds: [batch label]."""
    import paddle

    both = layers.label_layer(inputs["sentence_embedding"])  # [row 2]
    odds = both[:, 1] - both[:, 0]
    rows = inputs["choice_rows"]
    return paddle.gather(odds, rows.flatten()).reshape(rows.shape)


def option_loss(odds: "Tensor", labels: "Tensor") -> "Tensor":
    """Mean cross entropy of "true" for the label of each row, and "not true" for the others; 0 without labels."""
    import paddle
    from paddle.nn import functional

    labelled = labels != UNLABELLED
    gold = functional.one_hot(paddle.where(labelled, labels, paddle.zeros_like(labels)), odds.shape[1])
    losses = functional.binary_cross_entropy_with_logits(odds, gold, reduction="none").mean(1)  # [batch]
    known = labelled.astype("float32")
    return (losses * known).sum() / paddle.clip(known.sum(), min=1.0)
