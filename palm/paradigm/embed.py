"""Classification by embeddings from few labels, as SetFit: a contrastive loss, and a logistic regression on top."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, final

import numpy as np
from pydantic import Field

from palm.data.dataset import UNLABELLED, Batch, Dataset, LabelMap
from palm.paradigm.base import PARADIGMS, Outputs, Prediction
from palm.paradigm.contrastive import mean_squared_error, pair_cosines, unit_length
from palm.paradigm.decoding import check_classes, count_classes, decode_classes
from palm.paradigm.embedding import EMBEDDINGS, Embedding, EmbeddingFields, of_unit_length
from palm.paradigm.logistic import fit_logistic
from palm.randomness import philox
from palm.schema.facts import Key
from palm.schema.fields import BackboneFields, ClassCountFields, Float, Int, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class EmbedFields(EmbeddingFields, ClassCountFields):
    """Keys of the paradigm `embed`."""

    logistic_c: Annotated[Float, Key(export="kept")] = Field(
        1.0,
        gt=0,
        description="Inverse of the penalty on the weights of the logistic regression, as `C` of scikit-learn.",
    )
    logistic_rows: Annotated[Int, Key(export="kept")] = Field(
        10_000,
        ge=2,
        description="Training rows that the logistic regression is fitted to, at most: before each evaluation and "
        "export, the encoder runs over so many, which are sampled once.",
    )


@final
@PARADIGMS.register("embed")
class TextEmbedding(Embedding):
    """A label per text from its embedding.

    The encoder trains on pairs of texts: their cosine is to be 1 for texts of the same class, and 0 for others. The
    head is a logistic regression on the normalised embeddings of the training rows, which no gradient trains: it is
    fitted exactly before each evaluation and export (docs/adr/0008-fitted-heads.md). Source: SetFit, arXiv:2209.11055.

    Raises:
        ConfigError: n_classes and the labels disagree.
    """

    Config: ClassVar[type[ParadigmFields]] = EmbedFields
    config: EmbedFields
    squared_error = True
    fits_head: ClassVar[bool] = True
    pipeline_tag: ClassVar[str | None] = "text-classification"

    def __init__(
        self, config: EmbedFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "macro_f1")

    def gold_inputs(self) -> Specs:
        return {"text_rows": Spec("batch text", "int64"), "pair_scores": Spec("batch pair", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        return {"logits": Spec("batch class", "float32"), **super().outputs_attr(phase)}

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        classes = count_classes(self.config.n_classes, self.labels)
        return ("embed", backbone.hidden_size, classes, *self.pooling_form())

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """The parameters of pooling, and a layer `linear` of zeros, which is fitted: [hidden class] and [class]."""
        import paddle
        from paddle import nn

        layers = super().build_layers(backbone)
        classes = count_classes(self.config.n_classes, self.labels)
        linear = nn.Layer()
        linear.register_buffer("weight", paddle.zeros([backbone.hidden_size, classes]))
        linear.register_buffer("bias", paddle.zeros([classes]))
        layers.add_sublayer("linear", linear)
        return layers

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        from paddle.nn import functional

        outputs = super().forward(layers, inputs, phase)
        units = unit_length(outputs[EMBEDDINGS])
        return {"logits": functional.linear(units, layers.linear.weight, layers.linear.bias), **outputs}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Mean squared error of the cosines: what is logged of a dev file, too, beside the metrics of the labels."""
        return mean_squared_error(pair_cosines(outputs[EMBEDDINGS], inputs["text_rows"]), inputs["pair_scores"])

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """The mean squared difference of the cosines."""
        first, second = (pair_cosines(outputs[EMBEDDINGS], inputs["text_rows"]) for outputs in (one, other))
        return mean_squared_error(first, second)

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        rows = batch["text_rows"][:, 0] if "text_rows" in batch else np.arange(len(batch["token_ids"]))
        return [{"logits": outputs["logits"][row], EMBEDDINGS: outputs[EMBEDDINGS][row][None]} for row in rows]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "label", "probs": {label: p}, "logits": [..]}` per record; on request with `embedding`."""
        found = decode_classes(outputs, dataset, self.labels, self.temperature)
        if self.config.with_embedding:
            for prediction, output in zip(found, outputs, strict=True):
                prediction["embedding"] = of_unit_length(output[EMBEDDINGS][0]).tolist()
        return found

    @property
    def uncalibrated(self) -> str | None:
        return None

    def rows_to_fit(self, dataset: Dataset, seed: int, task: str) -> Dataset:
        most, count = self.config.logistic_rows, len(dataset.records)
        if count > most:
            kept = np.zeros(count, "bool")
            kept[philox(seed, "logistic rows", task).permutation(count)[:most]] = True
            dataset = dataset.take(kept)
        columns = {name: column for name, column in dataset.columns.items() if name != "label_ids"}
        return Dataset(columns, dataset.records, dataset.file)

    def fit_head(self, layers: "nn.Layer", outputs: Sequence[Outputs], datasets: Sequence[Dataset]) -> None:
        """Fit the logistic regression to the embeddings of labelled texts."""
        if self.labels is None:
            raise ValueError("The labels of the training file must be known. Found `labels = None`.")
        ids = self.labels.ids()
        records = [dataset.records[int(row)] for dataset in datasets for row in dataset.array("record")]
        labels = np.array([ids.get(str(record["label"]), UNLABELLED) for record in records], "int64")
        known = labels != UNLABELLED
        features = of_unit_length(np.concatenate([output[EMBEDDINGS] for output in outputs]))
        classes = layers.linear.bias.shape[0]
        found = fit_logistic(features[known], labels[known], classes, inverse_penalty=self.config.logistic_c)
        layers.linear.weight.set_value(found[:-1].astype("float32"))
        layers.linear.bias.set_value(found[-1].astype("float32"))
