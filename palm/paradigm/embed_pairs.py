"""Embeddings from pairs of texts: those that mean the same, or with a score for how similar they are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.data.dataset import Batch, Dataset, LabelMap, Record
from palm.paradigm.base import PARADIGMS, Outputs, Prediction
from palm.paradigm.comparison import Comparison, compare_numbers, compare_order
from palm.paradigm.contrastive import in_batch_loss, mean_squared_error, pair_cosines
from palm.paradigm.embedding import EMBEDDINGS, Embedding, EmbeddingFields, of_unit_length
from palm.paradigm.hugging_face import ApiRow, one_label
from palm.schema.facts import Key, when
from palm.schema.fields import BackboneFields, Float, PairKindFields, ParadigmFields
from palm.spec import Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor

_ROWS_AT_ONCE = 1024
_ROUNDING = 1e-6
"""Cosines that differ by less are of the same text."""


class EmbedPairsFields(EmbeddingFields, PairKindFields):
    """Keys of the paradigm `embed_pairs`."""

    similarity_scale: Annotated[Float, Key(read=(when(pair_kind="positive"),))] = Field(
        20.0, gt=0, description="Factor of the cosines before the softmax over the texts of a batch: 1 / temperature."
    )
    symmetric_loss: Annotated[bool, Key(read=(when(pair_kind="positive"),))] = Field(
        False, description="Also find text_a by text_b, with the mean of both losses."
    )


@final
@PARADIGMS.register("embed_pairs")
class PairEmbedding(Embedding):
    """The cosine of two texts. Positive pairs: in-batch negatives; scored ones: mean squared error of the cosine."""

    Config: ClassVar[type[ParadigmFields]] = EmbedPairsFields
    answer_kind = "value"
    decodes_alone: ClassVar[bool] = False
    config: EmbedPairsFields
    pipeline_tag: ClassVar[str | None] = "sentence-similarity"

    def __init__(
        self, config: EmbedPairsFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        self.squared_error = config.pair_kind == "scored"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("pearson", "spearman") if self.config.pair_kind == "scored" else ("accuracy",)

    def gold_inputs(self) -> Specs:
        gold = "label_values" if self.config.pair_kind == "scored" else "anchor_mask"
        return {"text_rows": Spec("batch text", "int64"), gold: Spec("batch", "float32")}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("embed_pairs", backbone.hidden_size, *self.pooling_form())

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        embeddings, text_rows = outputs[EMBEDDINGS], inputs["text_rows"]
        if self.config.pair_kind == "scored":
            return mean_squared_error(pair_cosines(embeddings, text_rows), inputs["label_values"].unsqueeze(-1))
        scale, symmetric = self.config.similarity_scale, self.config.symmetric_loss
        return in_batch_loss(embeddings, text_rows, inputs["anchor_mask"], scale=scale, symmetric=symmetric)

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """The mean squared difference of the cosines."""
        first, second = (pair_cosines(outputs[EMBEDDINGS], inputs["text_rows"]) for outputs in (one, other))
        return mean_squared_error(first, second)

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        return [{EMBEDDINGS: outputs[EMBEDDINGS][rows]} for rows in batch["text_rows"]]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "value": cosine}` per record; on request with `embedding_a` and `embedding_b`.

        Over positive pairs with gold also `label`: `1` where no other row has a text_b that is nearer, else `0`.
        """
        return list(self._predictions(outputs, dataset))

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Comparison | None:
        if self.config.pair_kind == "scored":
            return compare_numbers(predictions, records)
        return compare_order(predictions, "value")

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """The cosine as the score of the one label `similarity`."""
        return [one_label("similarity", prediction["value"])]

    def similarity(self, prediction: Prediction) -> object:
        return prediction["value"]

    def _predictions(self, outputs: Sequence[Outputs], dataset: Dataset) -> Iterator[Prediction]:
        records = dataset.array("record")
        units = np.stack([of_unit_length(output[EMBEDDINGS]) for output in outputs]) if outputs else np.zeros((0, 2, 1))
        cosines = (units[:, 0] * units[:, 1]).sum(-1)  # [example]
        with_gold = self.config.pair_kind == "positive" and all("label" in dataset.records[int(row)] for row in records)
        nearest = _own_is_nearest(units, cosines) if with_gold else None
        for number, index in enumerate(records):
            prediction: Prediction = {"index": int(index), "value": float(cosines[number])}
            if nearest is not None:
                prediction["label"] = str(int(nearest[number]))
            if self.config.with_embedding:
                names = ("embedding_a", "embedding_b")
                prediction |= dict(zip(names, cast("list[list[float]]", units[number].tolist()), strict=True))
            yield prediction


def _own_is_nearest(units: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Whether no text_b is nearer to a row's text_a than its own: bool[example]."""
    found = np.zeros(len(units), "bool")
    for start in range(0, len(units), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        best = (units[start:end, 0] @ units[:, 1].T).max(axis=1)
        found[start:end] = cosines[start:end] >= best - _ROUNDING
    return found
