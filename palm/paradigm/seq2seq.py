"""Sequence to sequence: a decoder that writes a text for each text, such as its translation or its summary."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, final

import numpy as np
from pydantic import Field, model_validator

from palm.data.dataset import UNLABELLED, Batch, Dataset, LabelMap, Record
from palm.data.target_text import TargetForm
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.beam_search import SearchSettings, write_texts
from palm.paradigm.comparison import ComparedTexts
from palm.paradigm.hugging_face import ApiRow
from palm.paradigm.mlm_head import build_mlm_head, token_scores, transformed
from palm.schema.facts import Key, when
from palm.schema.fields import BackboneFields, Float, Int, ParadigmFields, TargetTextFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

_MOST_BEAMS = 16
_BEAMS = when(num_beams=tuple(range(2, _MOST_BEAMS + 1)))
_LOSSES, _LOG_PROBS, _HITS = "token_losses", "token_log_probs", "token_hits"
_IDS, _SCORES = "output_ids", "output_scores"
_GOLD = "gold_ids"


class Seq2SeqFields(TargetTextFields, ParadigmFields):
    """Keys of the paradigm `seq2seq`."""

    dropout_prob: Float = Field(0.1, ge=0, lt=1, description="Dropout in the decoder.")
    decoder_layers: Annotated[Int, Key(export="fixed")] = Field(
        2, ge=1, le=6, description="Layers of the decoder, which starts untrained."
    )
    label_smoothing: Float = Field(
        0.0, ge=0, lt=1, description="Fraction of each gold token's probability that is distributed over all tokens."
    )
    num_beams: Int = Field(
        1,
        ge=1,
        le=_MOST_BEAMS,
        description="Beam search: how many continuations of a text are kept while it is written; 1 takes the most "
        "probable token each time.",
    )
    length_penalty: Annotated[Float, Key(read=(_BEAMS,))] = Field(
        1.0,
        description="`num_beams` above 1: exponent of the length that the score of a text is divided by; larger for "
        "longer texts, 0 for the most probable one.",
    )
    no_repeat_ngram_size: Int = Field(
        0, ge=0, description="No run of as many tokens occurs twice in a text that is written; 0 allows any."
    )
    min_target_len: Int = Field(
        0, ge=0, description="Least tokens of a text that is written, [SEP] at its end not counted."
    )

    @model_validator(mode="after")
    def _check_lengths(self) -> "Seq2SeqFields":
        if self.min_target_len >= self.max_target_len:
            found = f"found {self.min_target_len} and {self.max_target_len}"
            raise ValueError(f"min_target_len is less than max_target_len, {found}")
        return self


@final
@PARADIGMS.register("seq2seq")
class SequenceToSequence(Paradigm):
    """A Transformer decoder over the encoder's outputs, with BERT's language model head.

    Words are rows of the encoder's embeddings, both those that it reads and those that it scores.

    Args:
        config: An instance of `Seq2SeqFields`.
        labels: Unused.
        vocab: Unused.
        target: What is known of the tokens that it writes.
    """

    Config: ClassVar[type[ParadigmFields]] = Seq2SeqFields
    writes_text: ClassVar[bool] = True
    answer_kind = "text"
    export_refusal: ClassVar[str | None] = "a text is written token by token, in a loop that ends when it is finished"
    described_fields: ClassVar[tuple[str, ...]] = ("text",)
    pipeline_tag: ClassVar[str | None] = "text2text-generation"
    config: Seq2SeqFields

    def __init__(
        self,
        config: Seq2SeqFields,
        labels: LabelMap | None = None,
        *,
        vocab: Sequence[str] | None = None,
        target: TargetForm | None = None,
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        self._target = target

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("exact_match", "teacher_forcing")

    def reader_inputs(self, phase: Phase) -> Specs:
        mask = {"input_mask": Spec("batch seq", "float32")}
        return mask if phase == "predict" else mask | {"target_ids": Spec("batch target", "int64")}

    def backbone_inputs(self) -> Specs:
        return {
            "encoder_outputs": Spec("batch seq hidden", "float32"),
            "embedding_table": Spec("vocab emb", "float32"),
        }

    def outputs_attr(self, phase: Phase) -> Specs:
        if phase == "train":
            return {"logits": Spec("token vocab", "float32")}
        written = {_IDS: Spec("batch output", "int64"), _SCORES: Spec("batch", "float32")}
        forced = {name: Spec("token", "float32") for name in (_LOSSES, _LOG_PROBS, _HITS)}
        return written if phase == "predict" else forced | written

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        form = self.config.decoder_layers, self.config.max_target_len, backbone.hidden_size, backbone.inner_size
        return ("seq2seq", *form, backbone.vocab_size, backbone.mlm_head().width)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """`decoder`, and `lm_head` as in `mlm`."""
        from paddle import nn

        from palm.paradigm.text_decoder import DecoderForm, TextDecoder

        deviation, layers = self.config.initializer_range, nn.Layer()
        form = DecoderForm(self.config.decoder_layers, self.config.max_target_len, deviation)
        layers.decoder = TextDecoder(backbone, form)
        layers.lm_head = build_mlm_head(backbone, deviation)
        return layers

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        """In training the logits of each target token after those before it; else also the texts that it writes."""
        if phase == "train":
            return {"logits": self._forced_logits(layers, inputs, self.config.dropout_prob)}
        forced = self._forced_scores(layers, inputs) if phase == "eval" and "target_ids" in inputs else {}
        return {**forced, **self._written(layers, inputs)}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Mean cross entropy per target token, [SEP] included."""
        if _LOSSES in outputs:
            return outputs[_LOSSES].mean()
        labels = _target_tokens(inputs)[1]
        return self._token_losses(outputs["logits"], labels)[0].mean()

    def count_losses(self, batch: Batch, examples: int) -> int:
        """The target tokens."""
        return int((batch["target_ids"] != UNLABELLED).sum())

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """The tokens and the score of each text, and in evaluation those of its gold tokens."""
        written = zip(outputs[_IDS], outputs[_SCORES], strict=True)
        parts: list[Outputs] = [{_IDS: ids[ids != UNLABELLED], _SCORES: score[None]} for ids, score in written]
        if _LOSSES not in outputs:
            return parts
        gold = [row[row != UNLABELLED] for row in batch["target_ids"]]
        ends = np.cumsum([len(row) for row in gold])[:-1]
        forced = zip(*(np.split(outputs[name], ends) for name in (_LOG_PROBS, _HITS)), strict=True)
        return [
            {**part, _GOLD: row, _LOG_PROBS: log_probs, _HITS: hits}
            for part, row, (log_probs, hits) in zip(parts, gold, forced, strict=True)
        ]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "text", "score"}` per record; the score is the log probability by length ** length_penalty.

        Over rows with gold also `gold_text`, the target as the vocabulary writes it, and of its tokens their number
        (`gold_tokens`), how many are the most probable after those before (`right_tokens`), and the sum of their log
        probabilities (`log_prob`).
        """
        return [
            self._prediction(int(index), output) for index, output in zip(dataset.array("record"), outputs, strict=True)
        ]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedTexts | None:
        """Texts beside their targets as the vocabulary writes them."""
        del records  # their targets may have case and characters that the vocabulary lacks
        if not all("gold_text" in row for row in predictions):
            return None
        gold, written = ([str(row[name]) for row in predictions] for name in ("gold_text", "text"))
        log_probs, tokens = (
            np.array([row[name] for row in predictions], "float64") for name in ("log_prob", "gold_tokens")
        )
        return ComparedTexts(gold, written, -log_probs / np.maximum(tokens, 1))

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`[{"generated_text"}]`."""
        return [{"generated_text": prediction["text"]}]

    def _prediction(self, index: int, output: Outputs) -> Prediction:
        text_of = self._form.text_of
        found: Prediction = {"index": index, "text": text_of(output[_IDS].tolist()), "score": float(output[_SCORES][0])}
        if _GOLD not in output:
            return found
        return {
            **found,
            "gold_text": text_of(output[_GOLD].tolist()),
            "gold_tokens": len(output[_GOLD]),
            "right_tokens": int(output[_HITS].sum()),
            "log_prob": float(output[_LOG_PROBS].sum(dtype="float64")),
        }

    def _forced_logits(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", dropout: float) -> "Tensor":
        """The logits of the target tokens, [token vocab], each after those before it."""
        import paddle

        from palm.paradigm.text_decoder import EncodedTexts

        targets, table = inputs["target_ids"], inputs["embedding_table"]
        start = paddle.full([targets.shape[0], 1], self._form.start_id, "int64")
        before = paddle.concat([start, targets[:, :-1]], axis=1)  # [batch target]
        before = paddle.where(before == UNLABELLED, paddle.full_like(before, self._form.end_id), before)
        source = EncodedTexts.of(inputs["encoder_outputs"], inputs["input_mask"])
        hidden = layers.decoder(before, table, source, dropout)  # [batch*target hidden]
        places, _ = _target_tokens(inputs)
        return token_scores(layers.lm_head, transformed(layers.lm_head, paddle.gather(hidden, places)), table)

    def _forced_scores(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        logits, (_, labels) = self._forced_logits(layers, inputs, 0.0), _target_tokens(inputs)
        losses, log_probs = self._token_losses(logits, labels)
        hits = (logits.argmax(-1) == labels).astype("float32")
        return {_LOSSES: losses, _LOG_PROBS: log_probs, _HITS: hits}

    def _token_losses(self, logits: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """The loss of each token, and its log probability: float32[token] each."""
        import paddle
        from paddle.nn import functional

        cross = functional.cross_entropy(logits, labels, reduction="none").reshape([-1])  # [token]
        smoothing = self.config.label_smoothing
        if not smoothing:
            return cross, -cross
        uniform = paddle.logsumexp(logits, axis=-1) - logits.mean(-1)  # [token]
        return (1.0 - smoothing) * cross + smoothing * uniform, -cross

    def _written(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        import paddle

        from palm.paradigm.text_decoder import EncodedTexts, TextWriter

        keys, form = self.config, self._form
        settings = SearchSettings(
            form.start_id,
            form.end_id,
            longest=keys.max_target_len,
            shortest=keys.min_target_len,
            beams=keys.num_beams,
            length_penalty=keys.length_penalty,
            no_repeat=keys.no_repeat_ngram_size,
        )
        with paddle.no_grad():
            source = EncodedTexts.of(inputs["encoder_outputs"], inputs["input_mask"])
            table = inputs["embedding_table"]
            writer = TextWriter(layers, table, source, beams=keys.num_beams, tokens=form.tokens)
            found = write_texts(writer.advance, source.batch, settings)
        return {_IDS: paddle.to_tensor(found.ids), _SCORES: paddle.to_tensor(found.scores)}

    @property
    def _form(self) -> TargetForm:
        if self._target is None:
            rule = "a text is written with the tokens of a tokenizer. Found none. Set vocab_path."
            raise ConfigError(Problem("vocab_path", rule))
        return self._target


def _target_tokens(inputs: "Mapping[str, Tensor]") -> "tuple[Tensor, Tensor]":
    """Where the tokens of the targets stand among rows [batch*target], and their ids: int64[token] each."""
    import paddle

    flat = inputs["target_ids"].flatten()  # [batch*target]
    places = paddle.nonzero(flat != UNLABELLED).flatten()
    return places, paddle.gather(flat, places)
