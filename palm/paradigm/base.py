"""What every paradigm is: a head's parameters, its loss, and how its outputs become predictions.

A paradigm holds no parameters: `build_layers` makes them, and the tasks that share a head share those layers while each
keeps its own paradigm, labels and loss. Paddle is imported only inside the methods that compute.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, LabelMap
from palm.paradigm.output_distance import squared_difference, symmetric_kl
from palm.registry import Registry
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Specs
from palm.storage.layout import PREDICTIONS_FILE

if TYPE_CHECKING:
    from paddle import Tensor, nn

Outputs = Mapping[str, np.ndarray]
Prediction = dict[str, object]


@dataclass(frozen=True)
class TransformersHead:
    """The model of transformers whose head is one linear layer, as the paradigm's is.

    Attributes:
        class_ending: Its class, without the encoder's name: `ForSequenceClassification`.
        layer: Name of the linear layer.
        has_labels: Whether its outputs are labels that config.json names.
    """

    class_ending: str
    layer: str = "classifier"
    has_labels: bool = True


class Paradigm(ABC):
    """One kind of task on top of a backbone. Concrete paradigms are final.

    Args:
        config: An instance of the class's `Config`.
        labels: The reader's label names; None where the reader has none.
        vocab: The vocabulary's word-pieces by id, for paradigms whose predictions name them.
    """

    Config: ClassVar[type[ParadigmFields]]
    decode_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that `decode` reads beside `record`. A paradigm without any takes one example a record."""
    squared_error: ClassVar[bool] = False
    """Whether the loss is a squared error; else it is a negative log likelihood."""
    pretrained_head: ClassVar[str | None] = None
    """Prefix of the pre-trained weights that the head starts from; None for a head that starts fresh."""
    extra_files: ClassVar[tuple[str, ...]] = ()
    """Files that `prediction_files` may name beside predictions.json."""

    def __init__(
        self, config: ParadigmFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        self.config = config
        self.labels = labels
        self.vocab = vocab

    @property
    @abstractmethod
    def default_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that dev_file is measured by when the task names none."""

    @abstractmethod
    def reader_inputs(self, phase: Phase) -> Specs:
        """What `forward` and `loss` take from the reader's batch."""

    @abstractmethod
    def backbone_inputs(self) -> Specs:
        """What `forward` takes from the backbone's outputs."""

    @abstractmethod
    def outputs_attr(self, phase: Phase) -> Specs:
        """What `forward` gives."""

    @abstractmethod
    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        """What tasks that share a head must have in common: paradigm name and the sizes of its parameters."""

    @abstractmethod
    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """The head's parameters, freshly initialised, on top of `backbone`'s sizes."""

    @abstractmethod
    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        """Outputs (logits, …) from the backbone's outputs and the batch, merged in `inputs`."""

    @abstractmethod
    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Mean loss per example (or per token), a scalar."""

    @abstractmethod
    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """A batch's outputs as one small dict an example, without padding."""

    @abstractmethod
    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """One prediction a record of `dataset`, in its order, from the outputs of each example."""

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """How far two outputs for one batch are apart, a scalar: what `rdrop_alpha` and `smart_weight` keep small.

        Of distributions, in the outputs `…logits`, it is half the sum of both Kullback-Leibler divergences, a mean over
        those with a label; of numbers (`squared_error`) the squared difference.
        """
        if self.squared_error:
            return squared_difference(one, other)
        return symmetric_kl(one, other, inputs.get("label_ids"))

    @property
    def incomparable(self) -> str | None:
        """What `smart_weight` cannot compare the outputs of, as a message names it; None where it can."""
        return None

    @property
    def transformers_head(self) -> TransformersHead | None:
        """The head of transformers that has the same parameters and inputs; None where there is no such head."""
        return None

    def prediction_files(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        """Content of each file that predictions are written to, by its name: one JSON object a line."""
        lines = [json.dumps(prediction, ensure_ascii=False) + "\n" for prediction in predictions]
        return {PREDICTIONS_FILE: "".join(lines)}


PARADIGMS: Registry[type[Paradigm]] = Registry("paradigm")
