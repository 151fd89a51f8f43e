"""Prompts: the class of a text from what a masked language model says at the [MASK] of a template.

Sources: PET, arXiv:2001.07676 (`manual`); P-tuning, arXiv:2103.10385 (`masked`); WARP, arXiv:2101.00121 (`soft`); EFL,
arXiv:2104.14690 (`none`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field, model_validator

from palm.data.dataset import Batch, Dataset, LabelMap, Record
from palm.data.prompt_form import PromptForm
from palm.errors import ConfigError, Problem
from palm.paradigm import verbalizers
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction, PseudoLabel
from palm.paradigm.comparison import Comparison, compare_label_sets
from palm.paradigm.decoding import (
    class_names,
    decode_classes,
    decode_label_sets,
    describe_label_set,
    pseudo_label_set,
    split_logits,
)
from palm.paradigm.losses import mean_cross_entropy
from palm.paradigm.mlm_head import MLM_HEAD, build_mlm_head
from palm.paradigm.output_distance import symmetric_kl_by_label
from palm.paradigm.rgl import rgl_loss
from palm.schema.facts import Key, when
from palm.schema.fields import BackboneFields, Float, ParadigmFields
from palm.schema.prompt_training import PromptTrainingFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

MASK_VECTORS = "mask_vectors"
"""Output in training with `use_rgl`: the encoder's vector at the masks, float32[batch hidden]."""


class PromptFields(PromptTrainingFields):
    """Keys of the paradigm `prompt`."""

    dropout_prob: Float = Field(0.0, ge=0, lt=1, description="Dropout before the head.")
    verbalizer: Literal["manual", "masked", "soft", "none"] = Field(
        "manual",
        description="How a label is read off the [MASK]: by the scores of its words, which may be several and of "
        "several tokens (`manual`); by one word with a token for each [MASK], trained on the whole vocabulary "
        "(`masked`); by a layer with a row for each label, which starts from the word's embedding (`soft`); or, for a "
        "template with `options`, by whether the first token's vector says that the label is true (`none`).",
    )
    token_aggregate_type: Literal["mean", "max", "first"] = Field(
        "mean", description="`verbalizer: manual`: the score of a word from those of its tokens."
    )
    word_aggregate_type: Literal["mean", "max", "first"] = Field(
        "mean", description="`verbalizer: manual`: the score of a label from the log probabilities of its words."
    )
    mask_aggregate_type: Literal["product", "mean", "max", "first"] = Field(
        "product",
        description="`verbalizer: manual`: the score of a label from those at several [MASK]; `product` is that of "
        "probabilities.",
    )
    label_kind: Literal["class", "several", "number"] = Field(
        "class",
        description="Content of `label`: one `class`; any number of labels (`several`), separated by `|` (for "
        "multi_label); or a `number` (for regression).",
    )
    label_threshold: Float = Field(0.5, gt=0, lt=1, description="Smallest probability of a predicted label.")
    use_rgl: bool = Field(
        False,
        description="RGL: add a loss of all pairs of a batch, by which vectors at the [MASK] of texts with one label "
        "become similar, and those of different labels dissimilar; not for label_kind: several.",
    )
    alpha_rgl: Annotated[Float, Key(read=(when(use_rgl=True),))] = Field(
        0.5, ge=0, description="`use_rgl`: weight of this loss; with 0, RGL is off."
    )

    @model_validator(mode="after")
    def _check_kind(self) -> "PromptFields":
        if self.label_kind == "number":
            raise ValueError("label_kind: a prompt answers with labels, found `number`")
        if self.label_kind == "several" and self.verbalizer == "masked":
            rule = "verbalizer: masked compares the words of all labels, of which one is right; for label_kind: several"
            raise ValueError(f"{rule} use soft or manual")
        if self.use_rgl and (self.label_kind == "several" or self.verbalizer == "none"):
            found = "label_kind: several" if self.label_kind == "several" else "verbalizer: none"
            raise ValueError(f"use_rgl compares texts by their one label and the vector at [MASK], found {found}")
        return self


@final
@PARADIGMS.register("prompt")
class Prompt(Paradigm):
    """The masked language model head of the encoder, read by a verbalizer.

    Args:
        config: An instance of `PromptFields`.
        labels: The reader's labels.
        vocab: Unused.
        prompt: What is known of the template and of the labels' words.

    Raises:
        ConfigError: The words of the labels do not fit the verbalizer.
    """

    Config: ClassVar[type[ParadigmFields]] = PromptFields
    pretrained_head: ClassVar[str | None] = MLM_HEAD
    new_head_advice: ClassVar[str] = (
        " A prompt asks what a masked language model has learnt: train a task `mlm` first, in a stage of its own, or "
        "choose an encoder with such a head."
    )
    pipeline_tag: ClassVar[str | None] = "text-classification"
    prompt_parameters: ClassVar[tuple[str, ...]] = ("soft_prompt.", "task_adapters.", "label_layer.")
    answers_prompts: ClassVar[bool] = True
    config: PromptFields

    def __init__(
        self,
        config: PromptFields,
        labels: LabelMap | None = None,
        *,
        vocab: Sequence[str] | None = None,
        prompt: PromptForm | None = None,
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        self.prompt = prompt
        if labels is not None and prompt is not None and config.verbalizer != "none":
            verbalizers.check_words(config.verbalizer, labels, prompt)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("label_set_f1",) if self._several else ("accuracy", "macro_f1")

    def reader_inputs(self, phase: Phase) -> Specs:
        if self._by_option:
            places = {"choice_rows": Spec("batch choice", "int64")}
        else:
            places = {"mask_positions": Spec("batch mask", "int64")}
        soft = {"soft_ids": Spec("batch seq", "int64")} if self.prompt is None or self.prompt.soft_starts else {}
        gold = (
            {"label_sets": Spec("batch class", "float32")} if self._several else {"label_ids": Spec("batch", "int64")}
        )
        return {**soft, **places, **({} if phase == "predict" else gold)}

    def backbone_inputs(self) -> Specs:
        if self._by_option:
            return {"sentence_embedding": Spec("batch hidden", "float32")}
        encoded = {"encoder_outputs": Spec("batch seq hidden", "float32")}
        # With a label layer no step reads the table of word embeddings, which then has gradients of the batch's rows.
        return (
            encoded if self.config.verbalizer == "soft" else encoded | {"embedding_table": Spec("vocab emb", "float32")}
        )

    def outputs_attr(self, phase: Phase) -> Specs:
        logits = {"logits": Spec("batch class", "float32")}
        compared = {MASK_VECTORS: Spec("batch hidden", "float32")}
        return logits | compared if phase == "train" and self._rgl_weight else logits

    @property
    def head_kind(self) -> str | None:
        """A masked language model head, if it has no parameters beside it."""
        own = self.config.verbalizer not in ("manual", "masked") or self._form.soft_starts or self._form.prefix_length
        return None if own else MLM_HEAD

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        form = self._form
        if self.head_kind is not None:
            return ("mlm", backbone.hidden_size, backbone.vocab_size, backbone.mlm_head().width)
        kind = self.config.verbalizer
        rows = self._count_labels() if kind in ("soft", "none") else backbone.vocab_size
        soft = ("soft", len(form.soft_starts), *form.soft_groups) if form.soft_starts else ()
        encoder = form.prefix_encoder, form.prefix_hidden_size
        prefix = ("prefix", form.prefix_length, *encoder) if form.prefix_length else ()
        return (*("prompt", kind, backbone.hidden_size, backbone.mlm_head().width, rows), *soft, *prefix)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """That of `mlm`, or with `label_layer`: weight [emb class], bias [class]; for options weight [hidden 2]."""
        from paddle import ParamAttr, nn

        kind, deviation = self.config.verbalizer, self.config.initializer_range
        if kind == "none":
            layers, shape = nn.Layer(), (backbone.hidden_size, 2)
        else:
            layers = build_mlm_head(backbone, deviation, decoder=kind != "soft")
            shape = (backbone.mlm_head().width, self._count_labels())
        if kind in ("soft", "none"):
            layers.label_layer = nn.Linear(
                *shape, weight_attr=ParamAttr(initializer=nn.initializer.Normal(0.0, deviation))
            )
        return layers

    def start_from_words(self, layers: "nn.Layer", table: "Tensor") -> None:
        """The label layer's weights from the mean of the embeddings of each label's first word."""
        if self.config.verbalizer == "soft":
            layers.label_layer.weight.set_value(verbalizers.word_rows(table, self._form.label_words))

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        from palm.kernels import plain

        if self._by_option:
            return {"logits": verbalizers.option_scores(layers, inputs)}
        masked = verbalizers.vectors_at_masks(inputs)  # [batch*mask hidden]
        compared = masked.reshape([-1, self._form.masks, masked.shape[-1]]).mean(1)  # [batch hidden]
        if phase == "train":
            masked = plain.dropout(masked, self.config.dropout_prob)
        logits = {"logits": verbalizers.label_scores(layers, masked, inputs, self.config, self._form)}
        return logits | {MASK_VECTORS: compared} if phase == "train" and self._rgl_weight else logits

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Cross entropy of the label; of each [MASK] over the vocabulary (`masked`); binary ones of each label.

        With `use_rgl`, that loss of the batch's pairs is added in training.
        """
        loss = self._label_loss(outputs, inputs)
        if MASK_VECTORS in outputs:
            loss = loss + self._rgl_weight * rgl_loss(outputs[MASK_VECTORS], inputs["label_ids"])
        return loss

    def _label_loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        from paddle.nn import functional

        logits = outputs["logits"]
        if self._several:
            return functional.binary_cross_entropy_with_logits(logits, inputs["label_sets"])
        if self._by_option:
            return verbalizers.option_loss(logits, inputs["label_ids"])
        if self.config.verbalizer == "masked":
            return verbalizers.word_loss(logits, inputs["label_ids"]) / self._form.masks
        return mean_cross_entropy(logits, inputs["label_ids"])

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return split_logits(outputs)

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """Those of `cls`, or with several labels of `multi_label`."""
        if self._several:
            names = class_names(self.labels, self._count_labels())
            return decode_label_sets(outputs, dataset, names, self.config.label_threshold, self.temperature)
        if self._by_option:  # the logarithm of the probability that a label is true, to be compared with the others'
            outputs = [{"logits": -np.logaddexp(0.0, -output["logits"])} for output in outputs]
        return decode_classes(outputs, dataset, self.labels, self.temperature)

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Comparison | None:
        if not self._several:
            return super().compare(predictions, records)
        return compare_label_sets(predictions, records, class_names(self.labels, self._count_labels()))

    @property
    def uncalibrated(self) -> str | None:
        return None

    def describe(self, prediction: Prediction) -> list[str]:
        """The labels with their probabilities."""
        return describe_label_set(prediction) if self._several else super().describe(prediction)

    def pseudo_label(self, prediction: Prediction) -> PseudoLabel | None:
        return pseudo_label_set(prediction) if self._several else super().pseudo_label(prediction)

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """As in `cls`, or with several labels, or one true or not, of each label by itself."""
        if self._several or self._by_option:
            return symmetric_kl_by_label(one["logits"], other["logits"])
        return super().output_distance(one, other, inputs)

    @property
    def compares_examples(self) -> str | None:
        return "use_rgl" if self._rgl_weight else None

    @property
    def _rgl_weight(self) -> float:
        return self.config.alpha_rgl if self.config.use_rgl else 0.0

    @property
    def _several(self) -> bool:
        return self.config.label_kind == "several"

    @property
    def _by_option(self) -> bool:
        return self.config.verbalizer == "none"

    @property
    def _form(self) -> PromptForm:
        if self.prompt is None:
            rule = "the paradigm `prompt` is for readers with a template. Found none. Use reader: prompt."
            raise ConfigError(Problem("reader", rule))
        return self.prompt

    def _count_labels(self) -> int:
        if self.labels is None:
            rule = "the labels are needed. Found none. Set label_file, label_words or train_file."
            raise ConfigError(Problem("labels", rule))
        return len(self.labels)
