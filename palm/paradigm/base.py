"""The interface of paradigms: a head's parameters, its loss, and the conversion of outputs to predictions.

A paradigm has no parameters: `build_layers` creates them. Tasks that share a head share those layers, and each keeps
its own paradigm, labels and loss. Paddle is only imported inside the methods that compute.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from palm.data.dataset import UNLABELLED, Batch, Dataset, LabelMap, Record
from palm.data.prompt_form import PromptForm
from palm.paradigm.comparison import Comparison, ScoredLabels, compare_classes
from palm.paradigm.hugging_face import AnswerKind, ApiRow, scores_by_label
from palm.paradigm.output_distance import squared_difference, symmetric_kl
from palm.registry import Registry, component_problem
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.spec import Phase, Specs
from palm.storage.layout import PREDICTIONS_FILE

if TYPE_CHECKING:
    from paddle import Tensor, nn

Outputs = Mapping[str, np.ndarray]
Prediction = dict[str, object]

MOST_SHOWN = 3
"""Labels, answers or tokens that `Paradigm.describe` lists, best first."""


@dataclass(frozen=True)
class TransformersHead:
    """The model of transformers with the same linear head as the paradigm.

    Attributes:
        class_ending: Its class, without the encoder's name: `ForSequenceClassification`.
        layer: Name of the linear layer.
        has_labels: Whether config.json lists names of its outputs.
    """

    class_ending: str
    layer: str = "classifier"
    has_labels: bool = True


@dataclass(frozen=True)
class PseudoLabel:
    """A predicted label that stands for the gold label of a row.

    Attributes:
        label: The label, as rows of a training file have it.
        probability: Its probability.
    """

    label: object
    probability: float


class Paradigm(ABC):
    """One kind of task on top of a backbone. Concrete paradigms are final.

    Args:
        config: An instance of the class's `Config`.
        labels: The reader's label names; None if the reader has none.
        vocab: The vocabulary's tokens by id, for paradigms whose predictions contain them.
    """

    Config: ClassVar[type[ParadigmFields]]
    decode_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that `decode` reads besides `record`. A paradigm without any needs one example per record."""
    predicts_tokens: ClassVar[bool] = False
    """Whether predictions name tokens of the vocabulary."""
    squared_error: bool = False
    """Whether the loss is a squared error; else it is a negative log likelihood."""
    fits_head: ClassVar[bool] = False
    """Whether `fit_head` determines parameters of the head from the outputs for the training rows."""
    pretrained_head: ClassVar[str | None] = None
    """Prefix of the head's pre-trained weights; None for a new head."""
    new_head_advice: ClassVar[str] = ""
    """What to do, in a sentence after a blank, where the weights have none for a head that hardly works without."""
    prompt_parameters: ClassVar[tuple[str, ...]] = ()
    """Prefixes of its parameters' names that a prompt adds to a pre-trained model, such as `soft_prompt.`.

    They can train with settings of their own, or alone; its `Config` is a `PromptTrainingFields` then.
    """
    described_fields: ClassVar[tuple[str, ...]] = ("label", "value", "text", "probs")
    """Fields of a prediction that `describe` shows if it has no probabilities by label."""
    extra_files: ClassVar[tuple[str, ...]] = ()
    """Files of `prediction_files` besides predictions.json."""
    pipeline_tag: ClassVar[str | None] = None
    """What Hugging Face's hub calls the task: https://huggingface.co/tasks. None if it has no name for it."""
    answer_kind: ClassVar[AnswerKind] = "labels"
    """What its predictions say, for servers and pages that show them."""
    decodes_alone: ClassVar[bool] = True
    """Whether what `decode` says of a record is the same whatever other records the data set has."""
    lr_scale: ClassVar[float] = 1.0
    """Factor of the learning rate for its head where the task has no `lr_scale`."""
    answers_prompts: ClassVar[bool] = False
    """Whether `__init__` also takes `prompt`, what is known of the template of the task's reader."""
    writes_text: ClassVar[bool] = False
    """Whether `__init__` also takes `target`, what is known of the tokens of texts that it writes."""
    export_refusal: ClassVar[str | None] = None
    """Why its head is no graph of a fixed number of operations, a phrase after "as"; None if it is one."""
    prompt: PromptForm | None = None
    temperature: float = 1.0
    """What scores are divided by before they become probabilities (`palm calibrate`). It changes no answer."""

    def __init__(
        self, config: ParadigmFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        self.config = config
        self.labels = labels
        self.vocab = vocab

    @classmethod
    def head_lr_scale(cls, given: float | None) -> float:
        """Factor of the learning rate for its head: `lr_scale` of the task, or by default its own."""
        return cls.lr_scale if given is None else given

    @property
    @abstractmethod
    def default_metrics(self) -> tuple[str, ...]:
        """Names of the default metrics for dev_file."""

    @abstractmethod
    def reader_inputs(self, phase: Phase) -> Specs:
        """The inputs of `forward` and `loss` from the reader's batch."""

    @abstractmethod
    def backbone_inputs(self) -> Specs:
        """The inputs of `forward` from the backbone's outputs."""

    @abstractmethod
    def outputs_attr(self, phase: Phase) -> Specs:
        """The outputs of `forward`."""

    @abstractmethod
    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        """What must be equal for tasks to share a head: paradigm name and the sizes of its parameters."""

    @property
    def head_kind(self) -> str | None:
        """What paradigms with the same kind of head have in common, so that tasks of both can share one; None: nothing.

        Tasks of one paradigm can share a head whatever its kind, if their `head_shape` is equal.
        """
        return None

    @abstractmethod
    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        """The head's initialized parameters, for the config of `backbone`."""

    def start_from_words(self, layers: "nn.Layer", table: "Tensor") -> None:
        """Initialize parameters that start from word embeddings, `table` float32[vocab emb]: by default none."""
        del layers, table

    @abstractmethod
    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        """Outputs (logits, …) from the backbone's outputs and the batch, merged in `inputs`."""

    @abstractmethod
    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        """Mean loss per example (or per token), a scalar."""

    def count_losses(self, batch: Batch, examples: int) -> int:
        """How many losses `loss` is the mean of: the labels of `label_ids` in the batch, without them its examples.

        Processes that share a batch weight the mean of each one's rows by it.
        """
        labels = batch.get("label_ids")
        return examples if labels is None else int((labels != UNLABELLED).sum())

    def loss_weight(self, batch: Batch, examples: int) -> float:
        """The same as a sum of weights, where the mean is a weighted one."""
        return self.count_losses(batch, examples)

    @abstractmethod
    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """A batch's outputs as one small dict per example, without padding."""

    @abstractmethod
    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """One prediction per record of `dataset`, in order, from the outputs of each example."""

    def rows_to_fit(self, dataset: Dataset, seed: int, task: str) -> Dataset:
        """The training rows whose outputs `fit_head` takes, without gold, so that their batches are those to predict.

        Args:
            dataset: The training rows of a task.
            seed: The run's seed.
            task: The task's name.
        """
        del seed, task
        return dataset

    def fit_head(self, layers: "nn.Layer", outputs: Sequence[Outputs], datasets: Sequence[Dataset]) -> None:
        """Determine the head's parameters that no gradient trains; only where `fits_head`.

        Args:
            layers: The head's parameters.
            outputs: Those of each example of `datasets`, as `split` gives them.
            datasets: From `rows_to_fit`, of each task that shares the head.
        """
        raise NotImplementedError(f"`{type(self).__name__}` does not fit its head. Set fits_head to False.")

    @property
    def decoding_rules(self) -> dict[str, object]:
        """What a program without PALM needs to decode outputs, beside config and labels: serializable as JSON."""
        return {}

    def outputs_with_gold(self, outputs: Outputs, batch: Batch) -> Outputs:
        """The outputs that `split` takes in phase `eval`, from those of phase `predict` for the same batch."""
        return outputs

    def gold_records(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records as metrics compare them with predictions: what `decode` derives from labels is theirs too."""
        return records

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Comparison | None:
        """Predictions side by side with gold, for analyses: by default the `label` of each; None without it.

        Args:
            predictions: Those of `decode`, over records with gold.
            records: From `gold_records`.
        """
        return compare_classes(predictions, records, self.labels)

    def scored_labels(self, outputs: Outputs, batch: Batch) -> list[ScoredLabels] | None:
        """The scores of the labels inside each example of a batch with gold; None if predictions have them."""
        del outputs, batch
        return None

    @property
    def uncalibrated(self) -> str | None:
        """Why no temperature can be fitted to its probabilities, a phrase after "as"; None if one can."""
        return "its predictions have no probabilities that a temperature changes"

    @property
    def notes(self) -> Sequence[str]:
        """What people should know before training: how the task's labels are understood, a line each."""
        return ()

    @property
    def missing_metrics(self) -> Collection[str]:
        """Names of values that its metrics do not report with these labels."""
        return ()

    def output_distance(
        self, one: "Mapping[str, Tensor]", other: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]"
    ) -> "Tensor":
        """The distance of two outputs for one batch, a scalar, which `rdrop_alpha` and `smart_weight` penalize.

        For distributions, the outputs `…logits`, half the sum of both Kullback-Leibler divergences, averaged over those
        with a label; for numbers (`squared_error`) the squared difference.
        """
        if self.squared_error:
            return squared_difference(one, other)
        return symmetric_kl(one, other, inputs.get("label_ids"))

    @property
    def compares_examples(self) -> str | None:
        """The key with which `loss` compares the examples of a batch; None if its terms are of one example each.

        Processes that share a batch cannot compute such a loss, since each has a part of the examples.
        """
        return None

    @property
    def incomparable(self) -> str | None:
        """The name in messages of outputs that `smart_weight` cannot compare; None if it can."""
        return None

    @property
    def transformers_head(self) -> TransformersHead | None:
        """The head of transformers with the same parameters and inputs; None if there is none."""
        return None

    def describe(self, prediction: Prediction) -> list[str]:
        """What `prediction` says, in lines for a terminal: the most probable labels, or else its single values."""
        probabilities = prediction.get("probs")
        if isinstance(probabilities, Mapping):
            best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:MOST_SHOWN]
            return [f"{label}  {probability:.3f}" for label, probability in best]
        single = {name: value for name, value in prediction.items() if name in self.described_fields}
        return [
            f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}" for name, value in single.items()
        ]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`prediction` in the shape of Hugging Face's inference API: by default that of text classification.

        A prediction without probabilities by label stays as it is.
        """
        probabilities = prediction.get("probs")
        return scores_by_label(probabilities, row.top_k) if isinstance(probabilities, Mapping) else prediction

    def similarity(self, prediction: Prediction) -> object:
        """How similar both texts of a pair are, a number; None where predictions do not say."""
        del prediction
        return None

    def proposed_tokens(self, prediction: Prediction) -> Sequence[Sequence[tuple[int, float]]]:
        """The tokens that a prediction proposes for each [MASK], with their probabilities; none by default."""
        del prediction
        return ()

    def pseudo_label(self, prediction: Prediction) -> PseudoLabel | None:
        """The label that `prediction` gives its row, with its probability; None where it gives none."""
        probabilities, label = prediction.get("probs"), prediction.get("label")
        if not isinstance(probabilities, Mapping) or label not in probabilities:
            return None
        return PseudoLabel(label, float(probabilities[label]))

    def prediction_files(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        """Content of each file of predictions, by file name: one JSON object per line."""
        lines = [json.dumps(prediction, ensure_ascii=False) + "\n" for prediction in predictions]
        return {PREDICTIONS_FILE: "".join(lines)}

    def text_in(self, ending: str, predictions: Sequence[Prediction]) -> str | None:
        """Predictions in the format of files that end in `ending`, such as `.conllu`; None where they have none."""
        del ending, predictions
        return None


PARADIGMS: Registry[type[Paradigm]] = Registry(
    "paradigm", lambda component: component_problem(component, Paradigm, ParadigmFields)
)
