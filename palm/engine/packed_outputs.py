"""The outputs of many examples as a few arrays, to be sent from one rank to another."""

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from palm.paradigm.base import Outputs

Losses = Sequence[tuple[float, int, int]]

_PARTS = ("numbers", "shapes", "values")


def pack(examples: Mapping[int, Outputs], losses: Losses) -> bytes:
    """Outputs by the example's number, and rows of three numbers, as the bytes of an `.npz`.

    The arrays of one output have one type and as many axes in all examples, and lie one behind the other.
    """
    arrays = {"losses": np.array(losses, "float64").reshape(-1, 3)}
    for name in sorted({name for outputs in examples.values() for name in outputs}):
        own = {number: outputs[name] for number, outputs in examples.items() if name in outputs}
        axes = next(iter(own.values())).ndim
        shapes = np.array([array.shape for array in own.values()], "int64").reshape(len(own), axes)
        found = (np.array(list(own), "int64"), shapes, np.concatenate([array.reshape(-1) for array in own.values()]))
        arrays |= {f"{part}/{name}": array for part, array in zip(_PARTS, found, strict=True)}
    sent = io.BytesIO()
    np.savez(sent, **arrays)  # type: ignore[arg-type] # numpy's stub takes a flag among the names
    return sent.getvalue()


def unpack(data: bytes) -> tuple[dict[int, dict[str, np.ndarray]], list[tuple[float, int, int]]]:
    """What `pack` packed."""
    examples: dict[int, dict[str, np.ndarray]] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        losses = [(float(loss), int(count), int(batch)) for loss, count, batch in loaded["losses"]]
        for name in (key.partition("/")[2] for key in loaded.files if key.startswith("numbers/")):
            numbers, shapes, values = (loaded[f"{part}/{name}"] for part in _PARTS)
            for number, array in zip(numbers.tolist(), _split(values, shapes), strict=True):
                examples.setdefault(number, {})[name] = array
    return examples, losses


def _split(values: np.ndarray, shapes: np.ndarray) -> Iterator[np.ndarray]:
    ends = np.cumsum(shapes.prod(axis=1))
    for end, shape in zip(ends.tolist(), shapes.tolist(), strict=True):
        start = end - int(np.prod(shape))
        yield values[start:end].reshape(shape)
