"""What int8 costs a task, and from where on it is refused."""

import pytest

from palm.errors import ConfigError
from palm.inference.export.quantize import Cost, refuse_costly

pytest.importorskip("onnx")


def test_a_drop_is_in_points_and_a_loss_is_better_when_lower() -> None:
    assert Cost("t", "accuracy", 0.95, 0.945, 200, "dev").drop == pytest.approx(0.5)
    assert Cost("t", "accuracy", 0.94, 0.95, 200, "dev").drop == pytest.approx(-1.0)
    assert Cost("t", "loss", 0.20, 0.21, 200, "dev").drop == pytest.approx(1.0)


def test_every_task_that_loses_too_much_is_named() -> None:
    kept, lost, worse = (
        Cost(name, "f1", 0.9, value, 9, "开发.tsv") for name, value in (("a", 0.897), ("b", 0.8), ("c", 0.1))
    )
    refuse_costly([kept], 0.31)
    with pytest.raises(ConfigError) as refused:
        refuse_costly([kept, lost, worse], 0.31)
    message = str(refused.value)
    assert "Found b: f1 90.00 in float32, 80.00 in int8, a drop of 10.00 (9 rows of 开发.tsv)" in message
    assert "Found c: " in message
    assert "Found a: " not in message


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"may cost 0\.3 points"):
        refuse_costly([Cost("a", "f1", 0.9, float("nan"), 9, "dev")], 0.3)
