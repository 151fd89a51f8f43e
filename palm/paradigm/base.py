"""What every paradigm is: a head's parameters, its loss, and how its outputs become predictions.

A paradigm holds no parameters: `build_layers` makes them, and the tasks that share a head share those layers while each
keeps its own paradigm, labels and loss. Paddle is imported only inside the methods that compute.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from palm.data.dataset import Batch, Dataset, LabelMap
from palm.registry import Registry
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

Outputs = Mapping[str, np.ndarray]
Prediction = dict[str, object]


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


PARADIGMS: Registry[type[Paradigm]] = Registry("paradigm")
