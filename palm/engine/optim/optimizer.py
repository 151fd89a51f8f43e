"""The optimizer of a run: one update of a model by a registered rule, with state under the parameters' own names."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import paddle
from paddle import Tensor, nn

from palm.backbone.word_embeddings import WordEmbeddings
from palm.distributed.ranks import Ranks
from palm.engine.optim.base import OptimizerFields, OwnSettings, ParameterGroup, UpdateRule
from palm.engine.optim.clipping import clip, on_gpu, squared_norm
from palm.engine.optim.freezing import layer_of
from palm.engine.optim.fused_adamw import is_table
from palm.engine.optim.gradient_sums import sum_gradients
from palm.engine.optim.gradients import StepGradients
from palm.engine.shared_state import shared_state
from palm.kernels.choice import Wanted, choose_kernels
from palm.kernels.fused.row_table import EmbeddingRows, RowNumbers
from palm.storage.tensors import first_non_finite

ValueT = TypeVar("ValueT")


def decays(name: str) -> bool:
    """Whether weight decay applies to the parameter `name`: not to LayerNorm and biases (arXiv:1810.04805, A.2)."""
    return not (name.endswith("bias") or any(part in name for part in (".bias_", "layer_norm", "scalar_mix")))


class Optimizer:
    """One update of every parameter that has a gradient; the others, and their state, are not changed.

    Args:
        model: Its trainable parameters are updated.
        rule: The update rule.
        config: An instance of the rule's `Config`.
        lr_scales: Factor of the learning rate by prefix of the parameter's name, such as `heads.intent.`; of several
            that fit a name, the first one counts.
        own: Settings of their own for parameters by such prefixes.
        kernels: Kernels of the update, if there is a choice.
        by_rows: Whether nothing in training but lookups reads the tables of word embeddings, so that their gradients,
            and updates, may be those of a batch's rows. It applies where the rule and the kernels can do so.
    """

    def __init__(
        self,
        model: nn.Layer,
        rule: type[UpdateRule],
        config: OptimizerFields,
        *,
        lr_scales: Mapping[str, float] | None = None,
        own: Mapping[str, OwnSettings] | None = None,
        kernels: Wanted = "auto",
        by_rows: bool = False,
    ) -> None:
        self._model = model
        self._max_norm = 0.0 if rule.clips else config.max_grad_norm
        self._parameters: dict[str, Tensor] = {
            name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient
        }
        self._all: list[Tensor] = list(model.parameters())
        chosen = choose_kernels(kernels).name
        self._one_pass = chosen == "fused"
        self._tables = self._follow_tables(by_rows=by_rows and rule.takes_rows and self._one_pass)
        self._checked: StepGradients | None = None
        group = ParameterGroup(
            parameters=self._parameters,
            decayed=frozenset(name for name in self._parameters if decays(name)),
            scales=_scales_by_name(self._parameters, lr_scales or {})
            | layer_lr_scales(self._parameters, config.layer_lr_decay),
            kernels=chosen,
            tables=self._tables,
            own=_by_name(self._parameters, own or {}),
        )
        with shared_state():  # which Paddle's optimizers use
            self._rule = rule(config, group)

    def _follow_tables(self, *, by_rows: bool) -> dict[str, EmbeddingRows]:
        """The tables whose gradients are rows, by name of the parameter."""
        tables = {}
        for prefix, layer in self._model.named_sublayers():
            if isinstance(layer, WordEmbeddings):
                layer.follow(None)  # that of an earlier optimizer
                name = f"{prefix}.weight"
                if by_rows and name in self._parameters and is_table(self._parameters[name]):
                    tables[name] = EmbeddingRows(self._parameters[name])
                    layer.follow(tables[name])
        return tables

    def step(self, learning_rate: float) -> None:
        """Update with the current gradients, then remove them (a head without a batch has none and is not changed)."""
        gradients = self._checked or self._current()
        if self._max_norm:
            clip(gradients, self._max_norm)
        with shared_state():
            self._rule.step(learning_rate, gradients)
        self.drop_gradients()

    def has_gradients(self) -> bool:
        """Whether there is any gradient."""
        gradients = self._current()
        return bool(gradients or gradients.rows)

    def gradients(self) -> dict[str, Tensor]:
        """Dense gradients accumulated so far, by parameter name."""
        return self._dense(self._current())

    def copied_gradients(self) -> StepGradients:
        """A copy of the gradients, which `set_gradients` accepts; it stays what it is."""
        current = self._current()
        return StepGradients({name: gradient.clone() for name, gradient in current.items()}, current.rows)

    def first_non_finite(self) -> str | None:
        """The name of the first parameter whose gradient holds a NaN or an Inf.

        The next update uses these gradients, unless they are set or dropped before.
        """
        current = self._current()
        one_pass = self._one_pass and all(gradient.dtype == paddle.float32 for gradient in current.values())
        if one_pass and math.isfinite(current.squared_norm):
            self._checked = current
            return None
        # Each number that is read waits for a GPU, so one stands for all gradients there.
        if on_gpu(current) and math.isfinite(float(squared_norm(current))):
            return None
        return first_non_finite(self._dense(current))

    def sum_over(
        self, ranks: Ranks, words: RowNumbers, facts: Sequence[float], *, done: Mapping[str, Tensor] | None = None
    ) -> list[float]:
        """Replace the gradients by their sums over all ranks, and return the sums of `facts`, in one message.

        Args:
            ranks: The ranks, which all have gradients of the same parameters.
            words: Numbers of all tokens in any rank's batches since the last update, ascending.
            facts: A few numbers.
            done: Sums that are there already, by parameter name.
        """
        current = self._current().without(done or {})
        tables = {name: words for name in current.rows}
        total, sums = sum_gradients(current, tables, facts, ranks)
        for name in total.rows:
            self._tables[name].catch_up(words)  # the rows of other ranks, too
        self.set_gradients(total.with_whole(done) if done else total)
        return sums

    def catch_up(self) -> None:
        """Make all rows of all tables what they are after all updates so far."""
        for table in self._tables.values():
            table.catch_up(None)

    def drop_gradients(self) -> None:
        """Remove all gradients of the model."""
        self._checked = None
        for table in self._tables.values():
            table.drop_gradient()
        for parameter in self._all:
            # Zero gradients, instead of none, would update the heads without a batch in the next step. Paddle ignores
            # the keyword `set_to_zero` here.
            parameter.clear_gradient(False)

    def set_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Replace all gradients by `gradients`, by parameter name, without those of frozen parameters."""
        self.drop_gradients()
        for name, gradient in gradients.items():
            if name in self._parameters:
                self._parameters[name].grad = gradient
        for name, rows in gradients.rows.items() if isinstance(gradients, StepGradients) else ():
            self._tables[name].gradient = rows

    def take_back(self, before: StepGradients) -> None:
        """Go back to gradients of before, with zeros for the parameters that have one only since then."""
        current = self._current()
        whole = {name: before[name] if name in before else paddle.zeros_like(each) for name, each in current.items()}
        self.set_gradients(
            current.replaced(whole, {name: before.rows.get(name, each.empty()) for name, each in current.rows.items()})
        )

    def _current(self) -> StepGradients:
        for table in self._tables.values():
            table.end_pass()
        whole = {name: parameter.grad for name, parameter in self._parameters.items() if parameter.grad is not None}
        rows = {name: table.gradient for name, table in self._tables.items() if table.gradient is not None}
        return StepGradients(whole, rows, order=[name for name in self._parameters if name in whole or name in rows])

    def _dense(self, gradients: StepGradients) -> dict[str, Tensor]:
        found = dict(gradients)
        for name, table in self._tables.items():
            dense = table.dense_gradient()
            if dense is not None:
                found[name] = dense
        return {name: found[name] for name in self._parameters if name in found}

    def state(self) -> dict[str, Tensor]:
        """The state of the rule, by `<parameter>.<name>`, for the updated parameters."""
        with shared_state():
            state = self._rule.state()
        return {f"{name}.{part}": tensor for name, parts in state.items() for part, tensor in parts.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; parameters without one start as if never updated."""
        by_parameter: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            parameter, _, part = name.rpartition(".")
            if parameter in self._parameters:
                by_parameter.setdefault(parameter, {})[part] = value
        with shared_state():
            self._rule.restore(by_parameter)


def head_lr_scales(scales: Iterable[tuple[str, float]]) -> dict[str, float]:
    """`(head key, lr_scale)` pairs as prefixes of parameter names; the first task of a shared head counts."""
    prefixes: dict[str, float] = {}
    for head, scale in scales:
        prefixes.setdefault(f"heads.{head}.", scale)
    return prefixes


def layer_lr_scales(names: Iterable[str], decay: float) -> dict[str, float]:
    """Factor of the learning rate by parameter name: 1 for the last encoder layer, times `decay` for each below it.

    The embeddings count as the layer below the first. Source: arXiv:1905.05583, section 5.3.4.
    """
    if decay == 1.0:
        return {}
    layers = {name: layer for name in names if (layer := layer_of(name)) is not None}
    top = max(layers.values(), default=-1)
    return {name: decay ** (top - layer) for name, layer in layers.items() if layer < top}


def _scales_by_name(names: Iterable[str], prefixes: Mapping[str, float]) -> dict[str, float]:
    found = _by_name((name for name in names if layer_of(name) is None), prefixes)
    return {name: scale for name, scale in found.items() if scale != 1.0}


def _by_name(names: Iterable[str], prefixes: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """The value of the first prefix of each name that has one."""
    found = {name: [value for prefix, value in prefixes.items() if name.startswith(prefix)] for name in names}
    return {name: values[0] for name, values in found.items() if values}
