"""A worker that only computes the products of a training step: no encoder can be faster in float32.

Settings: `sizes` of the encoder, `batch`, `seq`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.speed.worker import Pace


class Product(NamedTuple):
    """One `paddle.matmul`: shapes in memory, and the transposed operand."""

    one: tuple[int, ...]
    other: tuple[int, ...]
    transpose_one: bool = False
    transpose_other: bool = False


def layer_products(backbone_config: Mapping[str, Any], *, batch: int, seq: int) -> Iterator[Product]:
    """The products of one layer, forward and backward."""
    hidden, heads = backbone_config["hidden_size"], backbone_config["num_attention_heads"]
    inner, rows = backbone_config["intermediate_size"], batch * seq
    for width, out in ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)):
        yield from with_gradients((rows, width), (width, out))
    by_head, scores = (batch, heads, seq, hidden // heads), (batch, heads, seq, seq)
    yield Product(by_head, by_head, transpose_other=True)  # scores of queries and keys
    yield from (Product(scores, by_head), Product(scores, by_head, transpose_one=True))  # gradients of both
    yield from with_gradients(scores, by_head)  # the context


def with_gradients(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[Product, Product, Product]:
    """`one @ other`, and the two products of its gradients."""
    result = (*one[:-1], other[-1])
    return (
        Product(one, other),
        Product(result, other, transpose_other=True),
        Product(one, result, transpose_one=True),
    )


def main() -> None:
    pace = Pace.of_process()
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (as above)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415 (stdout belongs to the pace by now)

    prepare_runtime()
    import_paddle()
    import paddle  # noqa: PLC0415 (the process has to be set up first)

    settings = pace.settings
    products = list(layer_products(settings["sizes"], batch=settings["batch"], seq=settings["seq"]))
    tensors = {shape: paddle.rand(shape) for each in products for shape in (each.one, each.other)}
    pace.ready()
    while True:
        for _ in range(settings["sizes"]["num_hidden_layers"]):
            for one, other, transpose_one, transpose_other in products:
                paddle.matmul(tensors[one], tensors[other], transpose_one, transpose_other)  # type: ignore[no-untyped-call]
        pace.lap(settings["batch"])


if __name__ == "__main__":
    main()
