"""Sequence labelling: one label a word, such as the BIO tags of named entities."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.config.fields import BackboneFields, Int, ParadigmFields
from palm.dataset import Batch, Dataset, IntArray, LabelMap
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.classes import check_classes, class_names, count_classes
from palm.paradigm.cross_entropy import mean_cross_entropy
from palm.paradigm.grouping import examples_by_record
from palm.paradigm.linear_head import build_linear_head, project
from palm.spec import Phase, Spec, Specs
from palm.text.spans import spans_of

if TYPE_CHECKING:
    from paddle import Tensor, nn


class SequenceLabelFields(ParadigmFields):
    """Keys of the paradigm `seq_label`."""

    n_classes: Int | None = Field(
        None, ge=1, description="Number of classes; when unset, as many as the training file has."
    )
    for_cn: bool = Field(False, description="Chinese mode: answers and tags are handled by character.")


@final
@PARADIGMS.register("seq_label")
class SequenceLabel(Paradigm):
    """Dropout and a linear layer on every token; cross entropy, a mean over the tokens that carry a label."""

    Config: ClassVar[type[ParadigmFields]] = SequenceLabelFields
    decode_columns: ClassVar[tuple[str, ...]] = ("word_index",)
    config: SequenceLabelFields

    def __init__(
        self, config: SequenceLabelFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("span_f1", "sentence_accuracy")

    def reader_inputs(self, phase: Phase) -> Specs:
        mask = {"input_mask": Spec("batch seq", "float32")}
        return mask if phase == "predict" else mask | {"label_ids": Spec("batch seq", "int64")}

    def backbone_inputs(self) -> Specs:
        return {"encoder_outputs": Spec("batch seq hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch seq class", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("seq_label", backbone.hidden_size, count_classes(self.config.n_classes, self.labels))

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        classes = count_classes(self.config.n_classes, self.labels)
        return build_linear_head(backbone.hidden_size, classes, self.config.initializer_range)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        dropout = self.config.dropout_prob if phase == "train" else 0.0
        return {"logits": project(layers, inputs["encoder_outputs"], dropout)}  # [batch seq class]

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        logits = outputs["logits"].flatten(0, 1)  # [batch*seq class]
        return mean_cross_entropy(logits, inputs["label_ids"].flatten())

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """The best label's id of each token."""
        lengths = batch["input_mask"].sum(axis=1).astype("int64")
        best = outputs["logits"].argmax(axis=-1)  # [batch seq]
        return [{"label_ids": row[:length]} for row, length in zip(best, lengths, strict=True)]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "words", "labels", "spans": [{"type", "start", "end", "text"}]}` a record.

        `start` is a span's first word, `end` the word after its last.
        """
        groups = examples_by_record(dataset)
        return [self._prediction(index, rows, outputs, dataset) for index, rows in enumerate(groups)]

    def _prediction(self, index: int, rows: IntArray, outputs: Sequence[Outputs], dataset: Dataset) -> Prediction:
        words = cast("Sequence[str]", dataset.records[index]["words"])
        windows = [(dataset.ragged("word_index")[row], outputs[row]["label_ids"]) for row in rows]
        ids = _merge(windows, len(words))
        names = class_names(self.labels, count_classes(self.config.n_classes, self.labels))
        outside = "O" if "O" in names else names[0]
        labels = [outside if number < 0 else names[number] for number in ids]
        glue = "" if self.config.for_cn else " "
        spans = [
            {"type": span.type, "start": span.start, "end": span.end, "text": glue.join(words[span.start : span.end])}
            for span in spans_of(labels)
        ]
        return {"index": index, "words": list(words), "labels": labels, "spans": spans}


def _merge(windows: Sequence[tuple[np.ndarray, np.ndarray]], count: int) -> list[int]:
    """Label id of each word from the window that shows most context around it; -1 for a word that no window shows."""
    ids, context = np.full(count, -1), np.full(count, -1)
    for word_index, label_ids in windows:
        places = np.flatnonzero(word_index >= 0)
        words = word_index[places]
        around = np.minimum(places, len(word_index) - 1 - places)
        better = around > context[words]
        ids[words[better]], context[words[better]] = label_ids[places[better]], around[better]
    merged: list[int] = ids.tolist()
    return merged
