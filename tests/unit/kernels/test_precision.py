import threading

import pytest

from palm.kernels import precision
from palm.kernels.fused import bf16
from palm.kernels.precision import mixed_precision
from palm.kernels.products import bf16_products, in_bf16


@pytest.fixture(autouse=True)
def asked_anew():
    for function in (precision._on_this_cpu, bf16.check_products):
        function.cache_clear()
    yield
    for function in (precision._on_this_cpu, bf16.check_products):
        function.cache_clear()


def test_a_cpu_without_bfloat16_computes_in_float32_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setattr(bf16, "processor_flags", lambda: {"avx2", "avx512f"})
    for _ in range(3):
        with mixed_precision("bf16"):
            assert not in_bf16()
    assert [record.message for record in caplog.records] == [
        "amp: bf16 cannot be used: this processor has neither AVX512-BF16 nor AMX. Computing in float32."
    ]


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_with_bfloat16_uses_it_inside_the_context_only(flag, monkeypatch, caplog):
    monkeypatch.setattr(bf16, "processor_flags", lambda: {flag})
    monkeypatch.setattr(bf16, "bf16_product", bf16.emulated_product)
    with mixed_precision("bf16"):
        assert in_bf16()
    assert not in_bf16()
    assert not caplog.records


def test_products_that_come_out_wrong_are_not_used(monkeypatch, caplog):
    monkeypatch.setattr(bf16, "processor_flags", lambda: {"avx512_bf16"})
    monkeypatch.setattr(bf16, "bf16_product", lambda one, other: 1.01 * bf16.emulated_product(one, other))
    with mixed_precision("bf16"):
        assert not in_bf16()
    assert "oneDNN's product is off by 1.0e-02 on this processor" in caplog.text


def test_off_says_nothing(caplog):
    with mixed_precision("off"):
        assert not in_bf16()
    assert not caplog.records


def test_another_thread_stays_in_float32():
    found = []
    with bf16_products():
        thread = threading.Thread(target=lambda: found.append(in_bf16()))
        thread.start()
        thread.join()
        assert in_bf16()
    assert found == [False]
