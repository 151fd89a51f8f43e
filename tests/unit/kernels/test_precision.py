import threading

import paddle
import pytest

from palm.kernels import precision
from palm.kernels.fused import bf16
from palm.kernels.fused.library import KernelsUnavailableError
from palm.kernels.precision import ChosenPrecision, choose_precision, continued_precision, mixed_precision
from palm.kernels.products import bf16_products, in_bf16

NO_BF16 = "this processor has neither AVX512-BF16 nor AMX"
AMX, NO_TILES = "this processor has AMX", "this processor has no AMX, or the system does not allow its use"


class Library:
    def __init__(self, level):
        self.level = level


@pytest.fixture(autouse=True)
def asked_anew():
    cached = precision._warn_once, precision.bf16_refusal, bf16.check_products
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def processor(monkeypatch):
    """Make this processor one with other flags and kernels of another level."""

    def become(*flags, level):
        monkeypatch.setattr(bf16, "processor_flags", lambda: set(flags))
        monkeypatch.setattr(bf16, "bf16_product", bf16.emulated_product)
        monkeypatch.setattr(precision, "load_kernels", lambda: Library(level))

    return become


def test_a_cpu_without_bfloat16_computes_in_float32_and_says_so_once(processor, caplog):
    processor("avx2", "avx512f", level="avx512")
    for _ in range(3):
        with mixed_precision("bf16"):
            assert not in_bf16()
    assert [record.message for record in caplog.records] == [
        f"amp: bf16 cannot be used: {NO_BF16}. Computing in float32."
    ]


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_with_bfloat16_uses_it_inside_the_context_only(flag, processor, caplog):
    processor(flag, level="avx512")
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


@pytest.mark.parametrize(
    ("flags", "level", "expected"),
    [
        (["avx512_bf16", "amx_bf16"], "amx", ChosenPrecision("bf16", AMX)),
        (["avx512_bf16"], "avx512", ChosenPrecision("off", NO_TILES)),
        (["avx512_bf16", "amx_bf16"], "avx512", ChosenPrecision("off", NO_TILES)),  # a system without permission
        (["avx2"], "avx2", ChosenPrecision("off", NO_TILES)),
        ([], "amx", ChosenPrecision("off", NO_BF16)),
    ],
)
def test_auto_takes_bfloat16_with_tiles_only(flags, level, expected, processor, caplog):
    processor(*flags, level=level)
    assert choose_precision("auto") == expected
    with mixed_precision("auto"):
        assert in_bf16() is (expected.computed == "bf16")
    assert not caplog.records  # bf16 was not asked for


def test_auto_fails_safely_where_the_check_of_the_products_fails(processor, monkeypatch):
    processor("amx_bf16", level="amx")
    monkeypatch.setattr(bf16, "bf16_product", lambda one, other: 1.01 * bf16.emulated_product(one, other))
    assert choose_precision("auto") == ChosenPrecision("off", "oneDNN's product is off by 1.0e-02 on this processor")


def test_auto_is_off_without_kernels(processor, monkeypatch):
    processor("amx_bf16", level="amx")

    def missing():
        raise KernelsUnavailableError("they were not built")

    monkeypatch.setattr(precision, "load_kernels", missing)
    assert choose_precision("auto") == ChosenPrecision("off", "they were not built")


def test_auto_is_off_for_encoders_that_the_kernels_do_not_compute(processor):
    processor("amx_bf16", level="amx")
    assert choose_precision("auto", kernels="plain").computed == "off"
    assert choose_precision("bf16", kernels="plain").computed == "off"
    assert choose_precision("auto", activation="gelu_new").reason.endswith("do not compute hidden_act: gelu_new")


def test_auto_is_off_on_a_gpu(monkeypatch):
    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    assert choose_precision("auto") == ChosenPrecision("off", "on a GPU it is off")
    assert choose_precision("bf16") == ChosenPrecision("bf16")


def continued(amp, recorded):
    return continued_precision(amp, choose_precision(amp), recorded)


def test_a_run_goes_on_in_what_auto_chose_here(processor):
    processor("amx_bf16", level="amx")
    assert continued("auto", "bf16") == ("bf16", [])
    processor("avx2", level="avx2")
    assert continued("auto", "off") == ("off", [])


def test_a_run_of_a_cpu_without_tiles_stays_in_float32_on_one_with_them(processor):
    processor("amx_bf16", level="amx")
    warning = (
        "Warning: The run was started in float32; amp: auto would choose bfloat16 on this machine "
        f"({AMX}). Continuing in float32, as started."
    )
    assert continued("auto", "off") == ("off", [warning])


def test_a_run_in_bfloat16_stays_in_it_without_tiles(processor):
    processor("avx512_bf16", level="avx512")
    computed, [warning] = continued("auto", "bf16")
    assert computed == "bf16"
    assert warning.endswith("Continuing in bfloat16, as started; another processor rounds differently.")


def test_a_run_in_bfloat16_cannot_go_on_in_it_everywhere(processor):
    processor("avx2", level="avx2")
    computed, [warning] = continued("auto", "bf16")
    assert computed == "off"
    assert warning.endswith(
        f"Continuing in float32, since bfloat16 is not possible: {NO_BF16}. Its result will differ."
    )


@pytest.mark.parametrize(("amp", "recorded", "now"), [("off", "bf16", "float32"), ("bf16", "off", "bfloat16")])
def test_a_precision_that_is_set_is_used_and_its_change_is_named(amp, recorded, now, processor):
    processor("amx_bf16", level="amx")
    before = precision.NAMES[recorded]
    line = f"The run was started in {before}, and continues in {now} (amp: {amp}). Its result will differ."
    assert continued(amp, recorded) == (amp, [line])


@pytest.fixture
def gpu(monkeypatch):
    """Make Paddle say that it computes on a GPU, which has these kinds of products."""

    def become(*, float16=True, bfloat16=True):
        monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
        monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: float16)
        monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: bfloat16)

    return become


@pytest.mark.parametrize(("amp", "dtype"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_on_a_gpu_paddle_chooses_the_operations(gpu, monkeypatch, amp, dtype):
    gpu()
    asked = []
    monkeypatch.setattr(paddle.amp, "auto_cast", lambda **words: asked.append(words))
    mixed_precision(amp)
    assert asked == [{"dtype": dtype, "level": "O1"}]
    assert choose_precision(amp).computed == amp


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_a_gpu_without_such_products_computes_in_float32_and_says_so_once(gpu, caplog, amp):
    gpu(float16=False, bfloat16=False)
    assert [choose_precision(amp).computed for _ in range(2)] == ["off", "off"]
    assert [record.message for record in caplog.records] == [
        f"amp: {amp} cannot be used: this GPU, or this build of Paddle, has no {amp} products. Computing in float32."
    ]


def test_auto_is_float32_on_a_gpu(gpu):
    gpu()
    assert choose_precision("auto") == ChosenPrecision("off", "on a GPU it is off")


@pytest.mark.parametrize(("computed", "evaluated"), [("off", "off"), ("bf16", "bf16"), ("fp16", "off")])
def test_float16_is_for_training_alone(computed, evaluated):
    assert precision.evaluated_precision(computed) == evaluated


def test_a_run_in_float16_that_goes_on_without_a_gpu_says_so():
    found, lines = continued_precision("fp16", ChosenPrecision("off"), "fp16")
    assert found == "off"
    assert lines == ["The run was started in float16, and continues in float32 (amp: fp16). Its result will differ."]
    found, lines = continued_precision("auto", ChosenPrecision("off", NO_TILES), "fp16")
    assert found == "off"
    assert "float16 is not possible: float16 is for amp: fp16." in lines[0]
