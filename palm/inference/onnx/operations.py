"""What encoders and heads are written with: linear maps, normalisation, activations, attention over heads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from palm.inference.onnx.graph import Array, Graph

PADDING_SCORE = -10000.0
"""Added to attention scores of padding, as in `palm.backbone.encoder`."""
MASKED = -1e9
"""Below every feature and score: what heads add for padding."""

Floats = NDArray[np.float32]
Projection = Literal["query", "key", "value"]
_TO_THE_END = 2**62
_PARTS: tuple[Projection, ...] = ("query", "key", "value")


@dataclass(frozen=True)
class AddedWeights:
    """What a task adds to a layer's attention: to its weights (LoRA), or to its keys and values.

    Attributes:
        owner: Name of the task's part, under which the sums are kept.
        parts: float32[hidden hidden] for each part that changes.
        prefix: Keys and values before those of the sequence, float32[2 prefix hidden] (prefix tuning).
    """

    owner: str
    parts: dict[Projection, Floats] = field(default_factory=dict)
    prefix: Floats | None = None


def linear(graph: Graph, values: str, name: str, *, bias: bool = True) -> str:
    """The linear map whose parameters are called `name`: [... in] → [... out]."""
    mapped = graph.op("MatMul", values, graph.weight(f"{name}.weight"))
    return graph.op("Add", mapped, graph.weight(f"{name}.bias")) if bias else mapped


def layer_norm(graph: Graph, values: str, name: str, epsilon: float, *, bias: bool = True) -> str:
    """Layer normalisation over the last axis."""
    shift = (graph.weight(f"{name}.bias"),) if bias else ()
    return graph.op("LayerNormalization", values, graph.weight(f"{name}.weight"), *shift, axis=-1, epsilon=epsilon)


def activation(graph: Graph, values: str, name: str) -> str:
    """`palm.kernels.plain.activation`, in the forms that runtimes know and fuse.

    Raises:
        KeyError: There is no such activation.
    """
    return _ACTIVATIONS[name](graph, values)


def _gelu(graph: Graph, values: str) -> str:
    error = graph.op("Erf", graph.op("Div", values, graph.floats(2**0.5)))
    product = graph.op("Mul", values, graph.op("Add", error, graph.floats(1.0)))
    return graph.op("Mul", product, graph.floats(0.5))


def _gelu_new(graph: Graph, values: str) -> str:
    """`0.5 · x · (1 + tanh(√(2/π) · x · (1 + 0.044715 · x²)))`."""
    square = graph.op("Mul", graph.op("Mul", values, graph.floats(0.044715)), values)
    scaled = graph.op("Mul", values, graph.floats((2 / np.pi) ** 0.5))
    inner = graph.op("Mul", scaled, graph.op("Add", square, graph.floats(1.0)))
    above = graph.op("Add", graph.op("Tanh", inner), graph.floats(1.0))
    return graph.op("Mul", graph.op("Mul", values, graph.floats(0.5)), above)


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_new,
    "relu": lambda graph, values: graph.op("Relu", values),
    "tanh": lambda graph, values: graph.op("Tanh", values),
}


def input_mask(graph: Graph) -> str:
    """1 for tokens, 0 for padding: float32[batch seq]."""
    return graph.input("input_mask", "float32", ("batch", "seq"))


def missing(graph: Graph, mask: str, score: float) -> str:
    """`score` where the mask is 0, and 0 where it is 1."""
    return graph.op("Mul", graph.op("Sub", graph.floats(1.0), mask), graph.floats(score))


def padding_scores(graph: Graph) -> str:
    """What is added to attention scores: float32[batch 1 1 seq]."""
    by_head = graph.op("Unsqueeze", input_mask(graph), graph.ints([1, 2]))  # [batch 1 1 seq]
    return missing(graph, by_head, PADDING_SCORE)


def token_ids(graph: Graph) -> str:
    """int64[batch seq]."""
    return graph.input("token_ids", "int64", ("batch", "seq"))


def sequence_length(graph: Graph) -> str:
    """The tokens of a sequence, padding included: int64[1]."""
    return graph.op("Slice", graph.op("Shape", token_ids(graph)), graph.ints([1]), graph.ints([2]))


def first_rows(graph: Graph, table: str) -> str:
    """As many rows of `table` [positions …] as a sequence has tokens.

    Longer sequences than the table fail where the rows are used: their number then differs from that of the tokens.
    """
    return graph.op("Slice", table, graph.ints([0]), sequence_length(graph), graph.ints([0]))


def places(graph: Graph) -> str:
    """0 to seq - 1: int64[seq]."""
    length = graph.op("Squeeze", sequence_length(graph), graph.ints([0]))
    return graph.op("Range", graph.ints(0), length, graph.ints(1))


def distances(graph: Graph) -> str:
    """The place of the key minus that of the query: int64[seq seq]."""
    keys = graph.op("Unsqueeze", places(graph), graph.ints([0]))
    return graph.op("Sub", keys, graph.op("Unsqueeze", places(graph), graph.ints([1])))


def first_token(graph: Graph, encoded: str) -> str:
    """[batch seq hidden] → [batch hidden]."""
    return graph.op("Gather", encoded, graph.ints(0), axis=1)


def mean_of_tokens(graph: Graph, encoded: str) -> str:
    """[batch seq hidden] → [batch hidden], without padding."""
    mask = graph.op("Unsqueeze", input_mask(graph), graph.ints([2]))  # [batch seq 1]
    total = graph.op("ReduceSum", graph.op("Mul", encoded, mask), graph.ints([1]), keepdims=0)  # [batch hidden]
    return graph.op("Div", total, graph.op("ReduceSum", mask, graph.ints([1]), keepdims=0))


def clipped_distances(graph: Graph, limit: int) -> str:
    """`distances` counted from 0, as those to `-limit` and from `limit` on have one number each: int64[seq seq]."""
    clipped = graph.op("Clip", distances(graph), graph.ints(-limit), graph.ints(limit))
    return graph.op("Add", clipped, graph.ints(limit))


class AttentionWeights:
    """The projections of one layer's attention, with what a task adds, and the scale of the scores in the query's.

    Args:
        graph: The graph.
        name: Name of the layer's attention.
        heads: Number of heads.
        scale: Factor of the scores.
        added: What a task adds to the weights.
        biases: Whether the projections have biases.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        heads: int,
        scale: float,
        added: AddedWeights | None = None,
        *,
        biases: bool = True,
    ) -> None:
        self._graph, self._name, self._heads, self._scale, self._added = graph, name, heads, scale, added
        self._biases = biases
        self.hidden = graph.array(f"{name}.qkv.weight").shape[0]
        self.size = self.hidden // heads

    def owner(self, part: Projection) -> str:
        """The name under which the weight of a part is kept: the layer's, or that of a task's part that adds to it."""
        return self._added.owner if self._added and part in self._added.parts else self._name

    def weight(self, part: Projection) -> Floats:
        """float32[hidden hidden], unscaled."""
        whole = _of_part(self._graph.array(f"{self._name}.qkv.weight"), part)
        added = self._added.parts.get(part) if self._added else None
        return whole if added is None else whole + added

    def bias(self, part: Projection) -> Floats:
        """float32[hidden], unscaled, of a layer with biases."""
        return _of_part(self._graph.array(f"{self._name}.qkv.bias"), part)

    def by_head(self, hidden: str, part: Projection) -> str:
        """[batch seq hidden] → [batch heads seq size]; keys are [batch heads size seq]."""
        graph = self._graph
        order = (0, 2, 3, 1) if part == "key" else (0, 2, 1, 3)
        return graph.op("Transpose", self.unmoved(hidden, part), perm=order)

    def unmoved(self, hidden: str, part: Projection) -> str:
        """[batch seq hidden] → [batch seq heads size]."""
        graph, scale = self._graph, np.float32(self._scale if part == "query" else 1.0)
        weight = graph.derived(f"{self.owner(part)}.{part}.weight", lambda: self.weight(part) * scale)
        mapped = graph.op("MatMul", hidden, weight)
        if self._biases:
            bias = graph.derived(f"{self._name}.{part}.bias", lambda: self.bias(part) * scale)
            mapped = graph.op("Add", mapped, bias)
        return graph.op("Reshape", mapped, graph.ints([0, 0, self._heads, self.size]))  # [batch seq heads size]

    def attended(self, hidden: str, scores: str) -> str:
        """The values weighted by the softmax of the scores, projected: [batch heads seq seq] → [batch seq hidden]."""
        graph = self._graph
        prefix = self._added.prefix if self._added else None
        if prefix is None:
            return self.joined(graph.op("Softmax", scores, axis=-1), hidden)
        owner, length = self.prefix_owner(), prefix.shape[1]
        keys, values = (prefix[part].reshape(length, self._heads, self.size) for part in (0, 1))
        key = graph.derived(f"{owner}.key", lambda: keys.transpose(1, 2, 0)[None])  # [1 heads size prefix]
        value = graph.derived(f"{owner}.value", lambda: values.transpose(1, 0, 2)[None])  # [1 heads prefix size]
        first = graph.op("MatMul", self.by_head(hidden, "query"), key)  # [batch heads seq prefix]
        both = graph.op("Softmax", graph.op("Concat", first, scores, axis=-1), axis=-1)
        own = graph.op("Slice", both, graph.ints([length]), graph.ints([_TO_THE_END]), graph.ints([3]))
        before = graph.op("Slice", both, graph.ints([0]), graph.ints([length]), graph.ints([3]))
        return self.joined(own, hidden, graph.op("MatMul", before, value))

    def prefix_owner(self) -> str:
        """The name under which the keys and values of a prefix are kept."""
        return f"{self._added.owner}.prefix" if self._added else self._name

    def joined(self, probabilities: str, hidden: str, added: str | None = None) -> str:
        """The values weighted by the probabilities, projected: [batch heads seq seq] → [batch seq hidden].

        Args:
            probabilities: Of the sequence's own keys.
            hidden: The hidden states.
            added: What is added to the weighted values, [batch heads seq size].
        """
        graph = self._graph
        context = graph.op("MatMul", probabilities, self.by_head(hidden, "value"))  # [batch heads seq size]
        context = context if added is None else graph.op("Add", context, added)
        moved = graph.op("Transpose", context, perm=(0, 2, 1, 3))
        rows = graph.op("Reshape", moved, graph.ints([0, 0, self.hidden]))  # [batch seq hidden]
        return linear(graph, rows, f"{self._name}.output", bias=self._biases)


def _of_part(values: Array, part: Projection) -> Floats:
    found: Floats = np.split(values, 3, axis=-1)[_PARTS.index(part)].astype("float32")
    return found
