"""Every layout of names, against names written out by hand."""

import numpy as np
import pytest

from palm.pretrained.name_maps import rename
from tests.unit.pretrained import foreign


@pytest.mark.parametrize("prefix", ["", "bert.", "ernie."])
def test_hugging_face(prefix: str):
    renamed = rename(foreign.hugging_face(prefix))

    assert renamed.layout == "Hugging Face"
    assert renamed.unknown == ()
    foreign.assert_same(renamed.tensors, foreign.palm())


def test_early_conversions_call_the_norms_parameters_gamma_and_beta():
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in foreign.hugging_face().items()
    }

    foreign.assert_same(rename(old).tensors, foreign.palm())


@pytest.mark.parametrize("prefix", ["", "bert.", "ernie.", "roberta."])
def test_paddle_nlp(prefix: str):
    renamed = rename(foreign.paddle_nlp(prefix))

    assert renamed.layout == "PaddleNLP"
    assert renamed.unknown == ()
    foreign.assert_same(renamed.tensors, foreign.palm())


@pytest.mark.parametrize("prefix", ["", "__paddlepalm_"])
def test_paddle_1x(prefix: str):
    renamed = rename(foreign.lark(prefix))

    assert renamed.layout == "Paddle 1.x"
    assert renamed.unknown == ()
    foreign.assert_same(renamed.tensors, foreign.palm())


def test_palms_own_names():
    own = {name: array for name, array in foreign.palm().items() if not name.startswith("mlm.")}
    saved = {f"backbone.{name}": array for name, array in own.items()} | {
        "head.linear.weight": np.ones([4, 2], "float32")
    }
    renamed = rename(saved)

    assert renamed.layout == "PALM"
    assert renamed.unknown == ("head.linear.weight",)
    foreign.assert_same(renamed.tensors, own)


def test_buffers_and_tied_decoders_are_no_news():
    named = foreign.hugging_face()
    table, bias = named["bert.embeddings.word_embeddings.weight"], named["cls.predictions.bias"]
    named |= {
        "bert.embeddings.position_ids": np.arange(9)[None],
        "cls.predictions.decoder.weight": table.copy(),
        "cls.predictions.decoder.bias": bias.copy(),
    }

    assert rename(named).unknown == ()


def test_a_decoder_of_its_own_is_named():
    named = foreign.hugging_face() | {
        "cls.predictions.decoder.weight": np.zeros([foreign.VOCAB, foreign.HIDDEN], "float32")
    }

    assert rename(named).unknown == ("cls.predictions.decoder.weight",)


def test_what_no_rule_knows_is_named():
    named = foreign.hugging_face() | {"cls.seq_relationship.weight": np.zeros([2, 4], "float32")}

    assert rename(named).unknown == ("cls.seq_relationship.weight",)


def test_a_layer_without_keys_is_not_fused():
    named = foreign.hugging_face()
    del named["bert.encoder.layer.0.attention.self.key.weight"]
    found = rename(named).tensors

    assert "encoder.layers.0.attention.qkv.weight" not in found
    assert "encoder.layers.0.attention.query.weight" in found
