import pytest

from benchmarks.speed.flops import Shares, encoder_operations
from benchmarks.speed.matmul_floor import layer_products
from benchmarks.speed.peak import measure_peak
from benchmarks.speed.side_by_side import Timings
from benchmarks.speed.worker import Lap

BERT = {"hidden_size": 12, "intermediate_size": 48, "num_attention_heads": 3, "num_hidden_layers": 2}


def operations_of(product):
    """Twice the multiplications of one product."""
    rows, inner = product.one[-2:][::-1] if product.transpose_one else product.one[-2:]
    columns = product.other[-2] if product.transpose_other else product.other[-1]
    copies = 1
    for size in product.one[:-2]:
        copies *= size
    return 2 * copies * rows * inner * columns


def test_a_training_step_has_the_operations_of_its_products():
    listed = sum(map(operations_of, layer_products(BERT, batch=5, seq=7)))
    assert encoder_operations(BERT, [7], training=True) == 2 * listed / 5
    assert encoder_operations(BERT, [7], training=False) == 2 * listed / 15


def test_examples_count_with_their_own_lengths():
    each = [encoder_operations(BERT, [length], training=True) for length in (3, 9)]
    assert encoder_operations(BERT, [3, 9], training=True) == sum(each) / 2


def test_a_share_is_of_the_precision_in_the_name():
    shares = Shares({"float32": 100.0, "bf16": 1000.0}, operations=5.0)
    ten_a_second = Timings([[Lap("", 1.0, 10)]], peak_bytes=0)
    assert shares.cell("PALM float32", ten_a_second) == "50.0"
    assert shares.cell("Trainer, length grouping, bf16", ten_a_second) == "5.0"
    assert shares.cell("PyTorch medium", ten_a_second) == "5.0"
    assert shares.cell("ONNX Runtime int8", ten_a_second) == "–"


def test_the_peak_is_measured():
    try:
        found = measure_peak(1)
    except OSError:
        pytest.skip("no gcc")
    assert all(1e8 < rate < 1e14 for rate in found.values())
    if "bf16" in found:
        assert found["bf16"] > found["float32"]
