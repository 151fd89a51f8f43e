"""All layers in one call: against layers one by one, every build, threads, and weights that change."""

import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import paddle
import pytest

from palm.backbone import BACKBONES
from palm.backbone.encoder import TransformerEncoder
from palm.engine.no_grad import without_gradients
from palm.kernels.fused import encoder_call, library
from palm.kernels.fused.built import FLAGS_OF_LEVEL, find_library
from palm.kernels.fused.library import KernelLibrary, KernelsUnavailableError, load_kernels
from palm.kernels.products import bf16_products

try:
    load_kernels()
except KernelsUnavailableError as reason:
    pytest.skip(f"no fused kernels: {reason}", allow_module_level=True)

SIZES = {"vocab_size": 60, "num_hidden_layers": 3, "max_position_embeddings": 200, "initializer_range": 0.1}
KEYS = {"albert": {"embedding_size": 16, "num_hidden_groups": 2}, "electra": {"embedding_size": 16}}
BERT_LIKE = ["albert", "bert", "distilbert", "electra", "ernie", "roberta"]
# hidden, heads, inner: blocks of 32 and parts of them
WIDTHS = [(64, 4, 96), (24, 2, 40), (15, 5, 17)]
LENGTHS = [[40], [1], [9, 70, 1, 33], [30] * 7, [3, 130, 64]]
LEVELS = [
    level for level, flags in FLAGS_OF_LEVEL.items() if flags <= library.processor_flags() and find_library(level)
]


@pytest.fixture(params=LEVELS)
def every_build(request, monkeypatch):
    """The kernels of each build that this processor runs; all but `_amx` emulate its tiles."""
    load_kernels()
    built = KernelLibrary(ctypes.CDLL(str(find_library(request.param).file)), request.param.removeprefix("_"))
    assert built.count("bf16_begin") == 0
    monkeypatch.setattr(encoder_call, "load_kernels", lambda: built)
    monkeypatch.setattr(encoder_call, "kernels_here", lambda: encoder_call.KERNELS)


def encoder(name: str = "bert", width: tuple[int, int, int] = WIDTHS[0], **keys: object) -> TransformerEncoder:
    sizes = dict(zip(("hidden_size", "num_attention_heads", "intermediate_size"), width, strict=True))
    kind = BACKBONES[name]
    paddle.seed(3)
    layers = kind(kind.Config(**{**SIZES, **sizes, **KEYS.get(name, {}), **keys})).build_layers()
    layers.eval()
    return layers


def batch(lengths: list[int]) -> dict[str, paddle.Tensor]:
    seq, real = max(lengths), np.arange(max(lengths)) < np.array(lengths)[:, None]
    ids = np.random.default_rng(1).integers(5, 60, real.shape) * real
    return {
        "token_ids": paddle.to_tensor(ids),
        "position_ids": paddle.to_tensor(np.tile(np.arange(seq), (len(lengths), 1))),
        "segment_ids": paddle.to_tensor((np.arange(seq) > 3) * real.astype("int64")),
        "task_ids": paddle.to_tensor(real * 2),
        "input_mask": paddle.to_tensor(real.astype("float32")),
    }


@without_gradients
def encode(
    layers: TransformerEncoder, lengths: list[int], *, bf16: bool = False, one_call: bool = True, layer: int = -1
):
    """The hidden states of the tokens that exist, and the sentences' vectors."""
    kept, layers._one_call = layers._one_call, layers._one_call if one_call else None
    inputs = batch(lengths)
    try:
        with bf16_products() if bf16 else nullcontext():
            found = layers(inputs, layer=layer)
    finally:
        layers._one_call = kept
    hidden = found["encoder_outputs"].numpy()
    return hidden[inputs["input_mask"].numpy() > 0], found["sentence_embedding"].numpy()


@pytest.fixture
def calls(monkeypatch):
    """The depth of each call."""
    found: list[int] = []
    whole = encoder_call.EncoderCall.of_packed
    monkeypatch.setattr(
        encoder_call.EncoderCall, "of_packed", lambda self, *rest: found.append(rest[-1]) or whole(self, *rest)
    )
    return found


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_float32_is_that_of_layers_one_by_one(every_build, calls, width, lengths):
    layers = encoder(width=width)
    for one, other in zip(encode(layers, lengths), encode(layers, lengths, one_call=False), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert calls == [3]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_bfloat16_is_that_of_layers_one_by_one_to_the_bit(monkeypatch, every_build, calls, width, lengths):
    from palm.kernels.fused import bf16_layer, packed_layer

    monkeypatch.setattr(packed_layer, "load_kernels", encoder_call.load_kernels)
    monkeypatch.setattr(bf16_layer, "layer_is_fast", lambda: True)
    layers = encoder(width=width)
    one, other = encode(layers, lengths, bf16=True), encode(layers, lengths, bf16=True, one_call=False)
    np.testing.assert_array_equal(one[0], other[0])
    assert calls == [3]
    float32 = encode(layers, lengths)[0]
    assert np.linalg.norm(one[0] - float32) <= 2e-2 * np.linalg.norm(float32)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("name", BERT_LIKE)
def test_every_backbone_of_berts_kind(calls, name, activation):
    layers = encoder(name, hidden_act=activation)
    for depth, layer in ((3, -1), (1, 0)):
        one, other = encode(layers, [9, 4], layer=layer), encode(layers, [9, 4], layer=layer, one_call=False)
        np.testing.assert_allclose(one[0], other[0], atol=1e-5)
        assert calls.pop() == depth


def test_what_the_call_does_not_compute_is_computed_layer_by_layer(calls):
    for layers in (encoder("mpnet"), encoder(hidden_act="gelu_new"), encoder(kernels="plain")):
        encode(layers, [9, 4])
    layers = encoder()
    layers(batch([9, 4]))  # with gradients
    layers.train()
    encode(layers, [9, 4])
    assert not calls


def test_padding_is_zero_and_a_text_does_not_depend_on_those_beside_it():
    layers = encoder()
    together = encode(layers, [50, 9, 31])[0]
    np.testing.assert_allclose(together[:50], encode(layers, [50])[0], atol=1e-5)
    with paddle.no_grad():
        hidden = layers(batch([50, 9]))["encoder_outputs"].numpy()
    assert not hidden[1, 9:].any()


@pytest.mark.parametrize("bf16", [False, True])
def test_changed_weights_are_seen(monkeypatch, bf16):
    monkeypatch.setattr(encoder_call, "kernels_here", lambda: encoder_call.KERNELS)
    layers = encoder(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    weight = layers.encoder.layers[1].ffn.intermediate.weight

    def assert_fresh() -> None:
        again = encoder()
        again.set_state_dict(layers.state_dict())
        np.testing.assert_array_equal(encode(layers, [9, 4], bf16=bf16)[0], encode(again, [9, 4], bf16=bf16)[0])

    before = encode(layers, [9, 4], bf16=bf16)[0]
    weight.set_value(weight * 2)
    assert_fresh()
    with paddle.no_grad():
        weight[0, 0] = 9.0
    assert_fresh()
    state = {name: value * 0.5 for name, value in layers.state_dict().items()}
    layers.set_state_dict(state)
    assert_fresh()
    assert np.abs(encode(layers, [9, 4], bf16=bf16)[0] - before).max() > 1e-2

    layers.train()
    layers(batch([9, 4]))["encoder_outputs"].sum().backward()
    ctypes.memset(weight.data_ptr(), 0, 4)  # as an optimizer in C writes
    layers.eval()
    assert_fresh()


def digest() -> str:
    """A sha256 of what one text, some, and many give in both precisions."""
    found = hashlib.sha256()
    with patch.object(encoder_call, "kernels_here", lambda: encoder_call.KERNELS):
        layers = encoder()
        for lengths in ([33], [60, 60, 9], [30] * 20, [130, 64, 3]):
            for bf16 in (False, True):
                found.update(encode(layers, lengths, bf16=bf16)[0].tobytes())
    return found.hexdigest()


def test_two_threads_in_one_model_and_in_two_do_not_disturb_each_other(monkeypatch):
    monkeypatch.setattr(encoder_call, "kernels_here", lambda: encoder_call.KERNELS)
    models = [encoder(), encoder("roberta")]
    jobs = [(model, bf16) for model in models for bf16 in (False, True)]
    expected = [encode(model, [30, 7], bf16=bf16)[0] for model, bf16 in jobs]
    models[0]._one_call.forget_weights()

    def again(number: int) -> bool:
        model, bf16 = jobs[number % 4]
        with paddle.no_grad(), bf16_products() if bf16 else nullcontext():
            inputs = batch([30, 7])
            hidden = model(inputs)["encoder_outputs"].numpy()[inputs["input_mask"].numpy() > 0]
        return np.array_equal(hidden, expected[number % 4])

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(again, range(40)))
