from palm.engine import precision
from palm.engine.precision import mixed_precision


def test_the_cpu_computes_in_float32_and_says_so_once(caplog):
    precision._say_once.cache_clear()
    for _ in range(3):
        with mixed_precision("bf16"):
            pass
    assert [record.message for record in caplog.records] == [
        "amp: bf16 is for GPUs: Paddle's CPU build has no products in bfloat16. Computing in float32."
    ]


def test_off_says_nothing(caplog):
    with mixed_precision("off"):
        pass
    assert not caplog.records
