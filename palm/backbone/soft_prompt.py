"""Learned vectors of a task's prompt: in place of word embeddings, or before the keys and values of attention.

Sources: P-tuning, arXiv:2103.10385 (soft tokens, with an LSTM before them); prefix tuning, arXiv:2101.00190.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, final

import paddle
from paddle import ParamAttr, Tensor, nn

from palm.data.prompt_form import PromptEncoder, PromptForm
from palm.kernels import plain
from palm.kernels.contract import Rows
from palm.schema.fields import BackboneFields


class VectorEncoder(nn.Layer):
    """What learned vectors pass through: `outer(relu(inner(vectors)))`, with a bidirectional LSTM of two layers or not.

    Args:
        kind: `lstm` or `mlp`.
        size: Width of the vectors.
        hidden_size: Inner width.
        width: Width of the results.
        deviation: Standard deviation of the initial weights.
    """

    def __init__(self, kind: PromptEncoder, size: int, hidden_size: int, width: int, deviation: float) -> None:
        super().__init__()

        def normal() -> ParamAttr:
            return ParamAttr(initializer=nn.initializer.Normal(0.0, deviation))

        if kind == "lstm":
            self.lstm = nn.LSTM(
                size, hidden_size, num_layers=2, direction="bidirect", weight_ih_attr=normal(), weight_hh_attr=normal()
            )
            size = 2 * hidden_size
        self.inner = nn.Linear(size, hidden_size, weight_attr=normal())
        self.outer = nn.Linear(hidden_size, width, weight_attr=normal())

    def forward(self, vectors: Tensor) -> Tensor:
        """[vector size] → [vector width]."""
        if hasattr(self, "lstm"):
            vectors = self.lstm(vectors.unsqueeze(0))[0].squeeze(0)  # [vector 2*hidden_size]
        found: Tensor = self.outer(nn.functional.relu(self.inner(vectors)))
        return found


@final
class SoftPrompt(nn.Layer):
    """The soft vectors of a template.

    Args:
        form: What is known of the prompt.
        size: Width of the word embeddings.
        deviation: Standard deviation of initial weights, and of vectors that start from no word.
    """

    def __init__(self, form: PromptForm, size: int, deviation: float) -> None:
        super().__init__()
        self._starts = form.soft_starts
        normal = nn.initializer.Normal(0.0, deviation)
        self.vectors = self.create_parameter([len(form.soft_starts), size], default_initializer=normal)
        self._groups = form.soft_groups
        self.encoders = nn.LayerList(
            [
                VectorEncoder(group.encoder, size, group.hidden_size, size, deviation)
                for group in form.soft_groups
                if group.encoder != "none"
            ]
        )

    def start_as(self, table: Tensor) -> None:
        """Copy the word embeddings, [vocab emb], of the words that vectors start from."""
        starts = {number: token for number, token in enumerate(self._starts) if token is not None}
        if not starts:
            return
        with paddle.no_grad():
            words = paddle.gather(table, paddle.to_tensor(list(starts.values()), "int64"))
            self.vectors.set_value(paddle.scatter(self.vectors, paddle.to_tensor(list(starts), "int64"), words))

    def forward(self, soft_ids: Tensor) -> Tensor:
        """The vectors at the places of `soft_ids`, int64[batch seq]: float32[batch seq emb], 0 for other tokens."""
        return nn.functional.embedding(soft_ids, self.table())

    def table(self) -> Tensor:
        """The vectors by their number, behind their encoders: [1+vector emb]; number 0 is none."""
        rows = [paddle.zeros([1, self.vectors.shape[1]])]
        order = [0]
        encoders = iter(self.encoders)
        for group in self._groups:
            numbers = paddle.to_tensor([number - 1 for number in group.vectors], "int64")
            vectors = paddle.gather(self.vectors, numbers)
            rows.append(vectors if group.encoder == "none" else next(encoders)(vectors))
            order += group.vectors
        places = sorted(range(len(order)), key=order.__getitem__)
        return paddle.gather(paddle.concat(rows), paddle.to_tensor(places, "int64"))


@final
class PrefixVectors(nn.Layer):
    """Learned keys and values before those of each layer, the same for all texts.

    Args:
        form: What is known of the prompt.
        config: The backbone's config.
    """

    PADDED: ClassVar[bool] = True

    def __init__(self, form: PromptForm, config: BackboneFields) -> None:
        super().__init__()
        self._shape = [form.prefix_length, config.num_hidden_layers, 2, config.hidden_size]
        self._dropout = form.prefix_dropout
        deviation, width = config.initializer_range, 2 * config.num_hidden_layers * config.hidden_size
        encoded = form.prefix_encoder != "none"
        size = config.hidden_size if encoded else width
        normal = nn.initializer.Normal(0.0, deviation)
        self.vectors = self.create_parameter([form.prefix_length, size], default_initializer=normal)
        if encoded:
            self.encoder = VectorEncoder(form.prefix_encoder, size, form.prefix_hidden_size, width, deviation)

    def outputs(self, layers: Sequence[nn.Layer], hidden: Tensor, rows: Rows) -> Iterator[Tensor]:
        """Yield the hidden states after each of `layers`, the encoder's lowest: [batch*seq hidden]."""
        vectors = self.encoder(self.vectors) if hasattr(self, "encoder") else self.vectors
        # All texts have the same prefix, so its mask is that of no row of the batch.
        vectors = plain.dropout(vectors, self._dropout if self.training else 0.0, before=0)
        of_layers = vectors.reshape(self._shape).transpose([1, 2, 0, 3])  # [layer 2 prefix hidden]
        for number, layer in enumerate(layers):
            hidden = layer(hidden, replace(rows, prefix=of_layers[number]))
            yield hidden
