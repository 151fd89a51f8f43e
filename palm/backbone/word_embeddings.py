"""Word embeddings, of which a training step may read, differentiate and update the rows of its batch alone."""

from collections import OrderedDict
from collections.abc import Callable, ItemsView, ValuesView
from typing import Any, final

from paddle import Tensor, nn

from palm.kernels.fused.row_table import EmbeddingRows


@final
class WordEmbeddings(nn.Embedding):
    """`paddle.nn.Embedding`, whose updates may be late: see `palm.engine.optim.lazy_rows`.

    Lookups of a training step catch up on what their own rows have missed. All other ways to the parameter lead
    through the layer (`weight`, `parameters()`, `state_dict()` of it or of a model with it), which first catches up on
    all rows. So do not keep the parameter from one training step to the next: ask the layer for it again.
    """

    _table: EmbeddingRows | None = None

    def follow(self, table: EmbeddingRows | None) -> None:
        """Let `table` keep the gradient, and what the rows have missed; None for Paddle's dense gradient."""
        self.catch_up()
        if not isinstance(self._parameters, _CaughtUp):
            self.__dict__["_parameters"] = _CaughtUp(self._parameters, self.catch_up)
        self._table = table

    @property
    def by_rows(self) -> bool:
        """Whether a forward pass reads the rows of its batch alone, and the table has no dense gradient."""
        return self._table is not None and self.training

    def catch_up(self) -> None:
        """Make all rows what they are after all updates so far."""
        if self._table is not None:
            self._table.catch_up(None)

    def forward(self, ids: Tensor) -> Tensor:
        """The rows `ids`: [..., width]."""
        if self._table is not None and self.training:  # `by_rows`, which types cannot express
            return self._table.lookup(ids)
        found: Tensor = super().forward(ids)
        return found


class _CaughtUp(OrderedDict[str, Any]):
    """A layer's parameters, which are caught up before anything gets them."""

    def __init__(self, parameters: "OrderedDict[str, Any]", catch_up: Callable[[], None]) -> None:
        super().__init__(parameters)
        self._catch_up = catch_up

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a parameter, or None
        self._catch_up()
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        self._catch_up()
        return super().get(name, default)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._catch_up()
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._catch_up()
        return super().values()
