"""The paradigm `seq2seq`: losses counted by token, predictions as text, and keys that do not fit."""

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from palm.data.dataset import Dataset, Ragged
from palm.data.target_text import TargetForm
from palm.errors import ConfigError
from palm.paradigm.hugging_face import ApiRow
from palm.paradigm.seq2seq import Seq2SeqFields, SequenceToSequence
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
TARGET = TargetForm(2, 3, 11, lambda ids: "".join("零一二三四五六七八九十"[number] for number in ids if number != 3))
GOLD = np.array([[5, 6, 3], [7, 3, -100]])


def paradigm_of(**keys):
    return SequenceToSequence(Seq2SeqFields(**{"max_target_len": 4, "dropout_prob": 0.0, **keys}), target=TARGET)


def inputs(seed=0):
    generator = np.random.default_rng(seed)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], "float32")
    return {
        "encoder_outputs": paddle.to_tensor(generator.normal(size=(2, 4, 8)).astype("float32")),
        "embedding_table": paddle.to_tensor(generator.normal(size=(13, 8)).astype("float32")),
        "input_mask": paddle.to_tensor(mask),
        "target_ids": paddle.to_tensor(GOLD),
    }


def layers_of(paradigm, seed=1):
    paddle.seed(seed)
    return paradigm.build_layers(BACKBONE)


def test_a_loss_for_each_target_token():
    paradigm = paradigm_of()
    assert paradigm.count_losses({"target_ids": GOLD}, 2) == 5
    given = inputs()
    logits = paradigm.forward(layers_of(paradigm), given, "train")["logits"].numpy().astype("float64")
    assert logits.shape == (5, 13)
    gold = [5, 6, 3, 7, 3]
    expected = np.mean([np.log(np.exp(row).sum()) - row[number] for row, number in zip(logits, gold, strict=True)])
    found = paradigm.loss({"logits": paddle.to_tensor(logits.astype("float32"))}, given)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_padding_of_texts_and_of_targets_changes_nothing():
    paradigm, given = paradigm_of(), inputs()
    layers = layers_of(paradigm)
    before = paradigm.forward(layers, given, "eval")
    changed = given["encoder_outputs"].numpy().copy()
    changed[1, 2:] = 99.0
    given["encoder_outputs"] = paddle.to_tensor(changed)
    given["target_ids"] = paddle.to_tensor(np.pad(GOLD, ((0, 0), (0, 1)), constant_values=-100))
    after = paradigm.forward(layers, given, "eval")
    for name in before:
        assert np.allclose(before[name].numpy(), after[name].numpy(), atol=1e-6), name


def test_tokens_beyond_the_vocabulary_are_never_written():
    """An embedding may have more rows than the tokenizer has tokens."""
    paradigm, given = paradigm_of(num_beams=2), inputs()
    layers = layers_of(paradigm)
    layers.lm_head.bias.set_value(np.where(np.arange(13) >= 11, 50.0, 0.0).astype("float32"))
    assert paradigm.forward(layers, given, "predict")["output_ids"].numpy().max() < 11


@pytest.mark.parametrize("beams", [1, 3])
def test_a_cache_of_keys_and_values_computes_what_the_whole_text_does(beams):
    """The score of a written text is the one that teacher forcing gives it."""
    paradigm, given = paradigm_of(num_beams=beams, length_penalty=0.0), inputs(3)
    layers = layers_of(paradigm)
    written = paradigm.forward(layers, given, "predict")
    ids = written["output_ids"].numpy()
    gold = np.full((2, 4), -100)
    for row, tokens in enumerate(ids):
        kept = [*tokens[tokens >= 0].tolist(), 3][:4]
        gold[row, : len(kept)] = kept
    forced = paradigm.forward(layers, {**given, "target_ids": paddle.to_tensor(gold)}, "eval")
    sums = [part["token_log_probs"].sum() for part in split(paradigm, forced, gold)]
    # Of 13 scores only those of the 11 tokens count in what is written.
    expected = np.array(sums) + corrections(paradigm, layers, given, gold)
    assert written["output_scores"].numpy() == pytest.approx(expected, rel=1e-4)


def corrections(paradigm, layers, given, gold):
    logits = paradigm.forward(layers, {**given, "target_ids": paddle.to_tensor(gold)}, "train")["logits"].numpy()
    whole = np.log(np.exp(logits.astype("float64")).sum(-1))
    own = np.log(np.exp(logits[:, :11].astype("float64")).sum(-1))
    ends = np.cumsum([(row != -100).sum() for row in gold])[:-1]
    return [part.sum() for part in np.split(whole - own, ends)]


def split(paradigm, outputs, gold):
    return paradigm.split({name: tensor.numpy() for name, tensor in outputs.items()}, {"target_ids": gold})


def test_predictions_and_what_evaluation_adds():
    paradigm = paradigm_of()
    outputs = {
        "output_ids": np.array([[5, 6], [7, -100]]),
        "output_scores": np.array([-0.5, -0.25], "float32"),
    }
    forced = {
        "token_losses": np.zeros(5, "float32"),
        "token_log_probs": np.array([-1, -2, -3, -4, -5], "float32"),
        "token_hits": np.array([1, 1, 0, 0, 1], "float32"),
    }
    data = Dataset({"token_ids": Ragged.from_rows([[2, 3]] * 2), "record": np.arange(2)}, [{}, {}], "rows")
    written = [{"index": 0, "text": "五六", "score": -0.5}, {"index": 1, "text": "七", "score": -0.25}]
    assert paradigm.decode(paradigm.split(outputs, {}), data) == written
    assert paradigm.decode(paradigm.split(outputs | forced, {"target_ids": GOLD}), data) == [
        {**written[0], "gold_text": "五六", "gold_tokens": 3, "right_tokens": 2, "log_prob": -6.0},
        {**written[1], "gold_text": "七", "gold_tokens": 2, "right_tokens": 1, "log_prob": -9.0},
    ]
    assert paradigm.hugging_face(written[0], ApiRow(("five six",))) == [{"generated_text": "五六"}]
    assert paradigm.describe(written[0]) == ["text: 五六"]


@pytest.mark.parametrize("keys", [{"embedding_size": 12}, {}])
def test_narrow_word_embeddings_are_projected(keys):
    from palm.backbone.electra import Electra

    fields = Electra.Config(
        vocab_size=13, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, **keys
    )
    paradigm, given = paradigm_of(), inputs()
    layers, width = paradigm.build_layers(fields), fields.mlm_head().width
    given["embedding_table"] = paddle.rand([13, width])
    assert hasattr(layers.decoder, "projection") == (width != 8)
    assert paradigm.forward(layers, given, "train")["logits"].shape == [5, 13]
    assert paradigm.forward(layers, given, "predict")["output_ids"].shape[0] == 2


def test_min_target_len_is_below_max_target_len():
    with pytest.raises(ValidationError, match="min_target_len is less than max_target_len, found 4 and 4"):
        paradigm_of(min_target_len=4)


def test_without_a_tokenizer_nothing_is_written():
    paradigm = SequenceToSequence(Seq2SeqFields())
    with pytest.raises(ConfigError, match="a text is written with the tokens of a tokenizer"):
        paradigm.forward(paradigm.build_layers(BACKBONE), inputs(), "predict")
