"""Who writes what: the graph writers of encoders and of heads, by the class whose computation they write.

A component of a user's own gets one in the same way as a built-in one: `@HEAD_WRITERS.register(MyParadigm)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

from palm.backbone.base import Backbone
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.onnx.graph import Axes, Graph
from palm.inference.onnx.operations import AddedWeights, token_ids
from palm.paradigm.base import Paradigm
from palm.schema.fields import BackboneFields
from palm.spec import as_spec

Writer = TypeVar("Writer")


@dataclass(frozen=True)
class BatchFacts:
    """What is known of every batch of the exported tasks, so that it need not be an input.

    Attributes:
        counts_positions: `position_ids` count from 0, and `task_ids` are 0.
        one_segment: `segment_ids` are 0.
    """

    counts_positions: bool
    one_segment: bool


class EncoderWriter(ABC):
    """Writes an encoder: what `palm.backbone.encoder.LayeredEncoder` computes, in evaluation.

    Args:
        graph: The graph.
        backbone: The backbone.
        batches: What is known of the batches.
    """

    def __init__(self, graph: Graph, backbone: Backbone, batches: BatchFacts) -> None:
        self.graph = graph
        self.backbone = backbone
        self.batches = batches
        self._soft_table: str | None = None
        self._soft_count = 0

    def with_soft_words(self, table: str, count: int) -> "EncoderWriter":
        """The same encoder for a task with soft vectors: rows of `table`, float32[1+count emb], by `soft_ids`."""
        twin = copy(self)
        twin._soft_table, twin._soft_count = table, count
        return twin

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.backbone.config.num_hidden_layers

    @property
    def word_table(self) -> str:
        """Name of the word embeddings' weight, float32[vocab emb], which is `embedding_table`."""
        return "backbone.embeddings.word_embeddings.weight"

    def words(self) -> str:
        """The word embeddings of the tokens, with the soft vectors of the task's prompt: [batch seq emb]."""
        graph = self.graph
        words = graph.op("Gather", graph.weight(self.word_table), token_ids(graph))
        if self._soft_table is None:
            return words
        # All heads of a graph may be computed for the batch of any task: its numbers may be those of another prompt,
        # with more vectors, or a single 0, so the input has axes of its own.
        given = graph.input("soft_ids", "int64", ("prompt_batch", "prompt_seq"))
        numbers = graph.op("Min", given, graph.ints(self._soft_count))
        stands = graph.op("Unsqueeze", graph.op("Greater", numbers, graph.ints(0)), graph.ints([2]))
        return graph.op("Where", stands, graph.op("Gather", self._soft_table, numbers), words)

    @abstractmethod
    def embedded(self) -> tuple[str, str]:
        """The word embeddings, [batch seq emb], and the first hidden states, [batch seq hidden]."""

    @abstractmethod
    def layer(self, number: int, hidden: str, name: str, added: AddedWeights | None = None) -> str:
        """The next hidden states: [batch seq hidden].

        Args:
            number: The layer's number, from 0.
            hidden: The hidden states before it.
            name: Name of its parameters: those of `shared`, or of a task's copy.
            added: What a task adds to its attention; a prefix only where the backbone `takes_prefix`.
        """

    @abstractmethod
    def pooled(self, encoded: str) -> str:
        """One vector per text: [batch seq hidden] → [batch hidden]."""

    def shared(self, number: int) -> str:
        """Name of the parameters of the layer that all tasks share."""
        return f"backbone.encoder.layers.{number}"

    def per_token(self, name: str) -> str:
        """An input of the encoder with an integer for each token: int64[batch seq]."""
        return self.graph.input(name, "int64", ("batch", "seq"))


@dataclass(frozen=True)
class HeadOutput:
    """A value that a head gives, with its axes as callers see them."""

    value: str
    axes: Axes


class HeadInputs:
    """What a head is written from.

    Args:
        graph: The graph.
        encoder: Writes what all heads share.
        encoded: The hidden states that feed the head, [batch seq hidden].
        head: Key of the head's parameters.
        paradigm: The paradigm, with its keys.
    """

    def __init__(self, graph: Graph, encoder: EncoderWriter, encoded: str, head: str, paradigm: Paradigm) -> None:
        self.graph = graph
        self.encoder = encoder
        self.encoded = encoded
        self.head = head
        self.paradigm = paradigm

    @property
    def backbone(self) -> BackboneFields:
        """The encoder's keys."""
        return self.encoder.backbone.config

    @property
    def sentence(self) -> str:
        """One vector per text, [batch hidden]: `sentence_embedding`, which is `sentence_pair_embedding` as well."""
        return self.encoder.pooled(self.encoded)

    def name(self, parameter: str) -> str:
        """The whole name of a parameter of the head."""
        return f"heads.{self.head}.{parameter}"

    def width(self, parameter: str) -> int:
        """The length of a parameter's last axis."""
        return int(self.graph.array(self.name(parameter)).shape[-1])

    def classes(self, parameter: str) -> int:
        """The length of a parameter's last axis, which is the number of labels.

        Raises:
            CheckpointError: There are more labels, or less.
        """
        width, labels = self.width(parameter), self.paradigm.labels
        if labels is not None and len(labels) != width:
            rule = (
                f"a head has a class for each label. Found {width} and {len(labels)} labels in the head `{self.head}`."
            )
            raise CheckpointError(f"{rule} Export the model again, or use another copy.")
        return width

    def field(self, name: str, axes: Axes) -> str:
        """A field of the batch that the head reads, of the type that the paradigm declares."""
        return self.graph.input(name, as_spec(self.paradigm.reader_inputs("predict")[name]).dtype, axes)


WriteHead = Callable[[HeadInputs], Mapping[str, HeadOutput]]
"""The outputs that a paradigm declares for prediction, by name."""


class Writers(Generic[Writer]):
    """Writers by the class that defines what they write.

    Args:
        kind: What the classes are, for messages.
        computing: The methods that determine the computation. A subclass that defines one of its own computes something
            else, so it needs a writer of its own.
    """

    def __init__(self, kind: str, computing: tuple[str, ...]) -> None:
        self._kind, self._computing = kind, computing
        self._by_class: dict[type, Writer] = {}

    def register(self, component: type) -> Callable[[Writer], Writer]:
        """Decorator of the writer of `component`, and of its subclasses that compute the same."""

        def add(writer: Writer) -> Writer:
            self._by_class[component] = writer
            return writer

        return add

    def find(self, component: type) -> Writer | None:
        """The writer of a class; None if it has none."""
        owners = {_definer(component, method) for method in self._computing}
        found = owners.pop()
        return None if owners else self._by_class.get(found)

    def of(self, component: type, name: str, task: str) -> Writer:
        """The writer of a class that is registered as `name`, for the task `task`.

        Raises:
            ConfigError: It has none.
        """
        writer = self.find(component)
        if writer is None:
            rule = f"an ONNX graph is written for {self._kind}s that have a writer of graphs."
            found = f"Found the {self._kind} `{name}` ({component.__module__}.{component.__qualname__}) without one."
            advice = "Write one and register it as docs/extending.md says, or leave the task out."
            raise ConfigError(Problem(f"tasks.{task}", f"{rule} {found} {advice}"))
        return writer


def _definer(component: type, method: str) -> type:
    """The class that defines a method of `component`."""
    return next((each for each in component.__mro__ if method in vars(each)), component)


ENCODER_WRITERS: Writers[type[EncoderWriter]] = Writers("backbone", ("build_layers",))
HEAD_WRITERS: Writers[WriteHead] = Writers("paradigm", ("build_layers", "forward"))
