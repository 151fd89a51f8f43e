"""The decoder of `seq2seq` computes and writes what transformers' EncoderDecoderModel does, with the same weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import pytest

pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

import torch
import transformers

from palm.data.target_text import TargetForm
from palm.paradigm.seq2seq import Seq2SeqFields, SequenceToSequence
from palm.schema.fields import BackboneFields

START, END, PAD, VOCABULARY, LONGEST = 1, 2, 0, 60, 14
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "initializer_range": 0.3,
}  # fmt: skip
LIMIT = 2e-5
# transformers says with every loss that it once counted its labels from another token.
pytestmark = pytest.mark.filterwarnings("ignore:Version v4.12.0 introduces:FutureWarning")
TARGET = TargetForm(START, END, VOCABULARY, lambda ids: " ".join(map(str, ids)))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A bert2bert with random weights, whose decoder has the encoder's word embeddings; in evaluation mode."""
    transformers.logging.set_verbosity_error()
    torch.manual_seed(3)
    keys = {**SIZES, "max_position_embeddings": LONGEST, "type_vocab_size": 2, "pad_token_id": PAD}
    encoder = transformers.BertModel(transformers.BertConfig(**{**keys, "max_position_embeddings": 20}))
    config = transformers.BertConfig(**keys, is_decoder=True, add_cross_attention=True)
    decoder = transformers.BertLMHeadModel(config)
    model = transformers.EncoderDecoderModel(encoder=encoder, decoder=decoder).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        decoder.bert.embeddings.word_embeddings.weight.copy_(encoder.embeddings.word_embeddings.weight)
        decoder.cls.predictions.decoder.weight.copy_(encoder.embeddings.word_embeddings.weight)
    model.config.decoder_start_token_id, model.config.pad_token_id, model.config.eos_token_id = START, PAD, END
    return model


@pytest.fixture(scope="module")
def inputs(theirs: Any) -> dict[str, Any]:
    """Texts of different lengths, their encoding, and targets."""
    generator = np.random.default_rng(7)
    lengths, targets = np.array([9, 5, 7, 1, 8]), np.array([6, 3, 8, 1, 5])
    ids = generator.integers(5, VOCABULARY, (5, 9)) * (np.arange(9) < lengths[:, None])
    gold = np.where(np.arange(8) < targets[:, None], generator.integers(5, VOCABULARY, (5, 8)), -100)
    gold[np.arange(5), targets - 1] = END
    mask = (np.arange(9) < lengths[:, None]).astype("float32")
    with torch.no_grad():
        found = theirs.encoder(torch.tensor(ids), attention_mask=torch.tensor(mask)).last_hidden_state
    return {"ids": ids, "mask": mask, "gold": gold, "encoded": found.numpy()}


def ours(model: Any, **keys: Any) -> tuple[SequenceToSequence, Any]:
    """PALM's paradigm with the weights of the decoder of `model`."""
    paradigm = SequenceToSequence(Seq2SeqFields(max_target_len=LONGEST, **keys), target=TARGET)
    layers = paradigm.build_layers(BackboneFields(**SIZES))
    weights = renamed({name: tensor.numpy() for name, tensor in model.decoder.state_dict().items()})
    assert weights.keys() == layers.state_dict().keys()
    for name, parameter in layers.state_dict().items():
        parameter.set_value(weights[name])
    return paradigm, layers


def renamed(theirs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of a `BertLMHeadModel` under PALM's names; segments are all 0, so their row is one of positions."""
    bert, head = "bert.embeddings.", "cls.predictions."
    segment = theirs[f"{bert}token_type_embeddings.weight"][0]
    found = {"decoder.position_embeddings.weight": theirs[f"{bert}position_embeddings.weight"] + segment}
    found |= _norm("decoder.layer_norm", theirs, f"{bert}LayerNorm")
    for number in range(SIZES["num_hidden_layers"]):
        own, other = f"decoder.layers.{number}.", f"bert.encoder.layer.{number}."
        for part, name in (("self_attention", "attention"), ("cross_attention", "crossattention")):
            found |= _linear(f"{own}{part}.query", theirs, f"{other}{name}.self.query")
            found |= _linear(f"{own}{part}.key_value", theirs, f"{other}{name}.self.key", f"{other}{name}.self.value")
            found |= _linear(f"{own}{part}.output", theirs, f"{other}{name}.output.dense")
            found |= _norm(f"{own}{part}.layer_norm", theirs, f"{other}{name}.output.LayerNorm")
        found |= _linear(f"{own}ffn.intermediate", theirs, f"{other}intermediate.dense")
        found |= _linear(f"{own}ffn.output", theirs, f"{other}output.dense")
        found |= _norm(f"{own}ffn.layer_norm", theirs, f"{other}output.LayerNorm")
    found |= _linear("lm_head.transform", theirs, f"{head}transform.dense")
    found |= _norm("lm_head.layer_norm", theirs, f"{head}transform.LayerNorm")
    return {**found, "lm_head.bias": theirs[f"{head}bias"]}


def _linear(own: str, theirs: Mapping[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    weight = np.concatenate([theirs[f"{name}.weight"].T for name in names], axis=1)
    return {f"{own}.weight": weight, f"{own}.bias": np.concatenate([theirs[f"{name}.bias"] for name in names])}


def _norm(own: str, theirs: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {f"{own}.weight": theirs[f"{name}.weight"], f"{own}.bias": theirs[f"{name}.bias"]}


def given(inputs: Mapping[str, Any], theirs: Any) -> dict[str, paddle.Tensor]:
    table = theirs.encoder.embeddings.word_embeddings.weight.detach().numpy()
    return {
        "encoder_outputs": paddle.to_tensor(inputs["encoded"], stop_gradient=False),
        "embedding_table": paddle.to_tensor(table, stop_gradient=False),
        "input_mask": paddle.to_tensor(inputs["mask"]),
        "target_ids": paddle.to_tensor(inputs["gold"]),
    }


def test_logits_and_loss(theirs, inputs):
    paradigm, layers = ours(theirs)
    tensors, gold = given(inputs, theirs), inputs["gold"]
    found = paradigm.forward(layers, tensors, "eval")
    trained = SequenceToSequence(Seq2SeqFields(max_target_len=LONGEST, dropout_prob=0.0), target=TARGET)
    logits = trained.forward(layers, tensors, "train")["logits"]
    with torch.no_grad():
        expected = theirs(
            encoder_outputs=(torch.tensor(inputs["encoded"]),),
            attention_mask=torch.tensor(inputs["mask"]),
            labels=torch.tensor(gold),
        )
    assert np.abs(logits.numpy() - expected.logits.numpy()[gold != -100]).max() < LIMIT
    assert float(paradigm.loss(found, tensors)) == pytest.approx(float(expected.loss), abs=LIMIT)
    assert float(paradigm.loss({"logits": logits}, tensors)) == pytest.approx(float(expected.loss), abs=LIMIT)


def test_loss_with_label_smoothing(theirs, inputs):
    """As the Trainer's `label_smoothing_factor` has it."""
    from transformers.trainer_pt_utils import LabelSmoother

    paradigm, layers = ours(theirs, label_smoothing=0.3, dropout_prob=0.0)
    tensors, gold = given(inputs, theirs), torch.tensor(inputs["gold"])
    with torch.no_grad():
        encoded, mask = (torch.tensor(inputs["encoded"]),), torch.tensor(inputs["mask"])
        logits = theirs(encoder_outputs=encoded, attention_mask=mask, labels=gold).logits
        expected = LabelSmoother(epsilon=0.3)({"logits": logits}, gold)
    for phase in ("train", "eval"):
        loss = paradigm.loss(paradigm.forward(layers, tensors, phase), tensors)
        assert float(loss) == pytest.approx(float(expected), abs=LIMIT)


def test_gradients(theirs, inputs):
    """Of every parameter, of the encoder's outputs and of the word embeddings."""
    paradigm, layers = ours(theirs, dropout_prob=0.0)
    tensors = given(inputs, theirs)
    paradigm.loss(paradigm.forward(layers, tensors, "train"), tensors).backward()
    theirs.zero_grad()
    encoded = torch.tensor(inputs["encoded"], requires_grad=True)
    outputs = theirs(
        encoder_outputs=(encoded,), attention_mask=torch.tensor(inputs["mask"]), labels=torch.tensor(inputs["gold"])
    )
    outputs.loss.backward()
    gradients = {name: parameter.grad for name, parameter in theirs.decoder.named_parameters()}
    words = gradients["bert.embeddings.word_embeddings.weight"]
    if theirs.decoder.cls.predictions.decoder.weight is not theirs.decoder.bert.embeddings.word_embeddings.weight:
        words = words + gradients["cls.predictions.decoder.weight"]
    assert np.abs(tensors["embedding_table"].grad.numpy() - words.numpy()).max() < LIMIT
    assert np.abs(tensors["encoder_outputs"].grad.numpy() - encoded.grad.numpy()).max() < LIMIT
    named = {name: tensor.numpy() for name, tensor in gradients.items() if tensor is not None}
    named.setdefault("cls.predictions.bias", gradients.get("cls.predictions.decoder.bias"))
    # The row of segment 0 is part of PALM's positions, whose gradient is that of the positions alone.
    named["bert.embeddings.token_type_embeddings.weight"] = np.zeros((2, SIZES["hidden_size"]), "float32")
    expected = renamed(named)
    for name, parameter in layers.named_parameters():
        assert np.abs(parameter.grad.numpy() - expected[name]).max() < LIMIT, name


SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, no run of two twice": {"no_repeat_ngram_size": 2},
    "greedy, at least four": {"min_target_len": 4},
    "beams": {"num_beams": 4},
    "beams for long texts": {"num_beams": 3, "length_penalty": 2.0},
    "beams for short texts": {"num_beams": 5, "length_penalty": -1.0},
    "the most probable text": {"num_beams": 4, "length_penalty": 0.0},
    "beams with limits": {"num_beams": 3, "no_repeat_ngram_size": 1, "min_target_len": 5, "length_penalty": 0.7},
}


@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("end_bias", [0.0, 4.0])
def test_written_texts(theirs, inputs, kind, end_bias):
    """With and without a bias for the end, so that texts end early and at max_target_len."""
    keys = SEARCHES[kind]
    paradigm, layers = ours(theirs, **keys)
    bias = theirs.decoder.cls.predictions.bias
    before = bias[END].item()
    with torch.no_grad():
        bias[END] = before + end_bias
        layers.lm_head.bias.set_value(bias.numpy())
        expected = theirs.generate(
            encoder_outputs=transformers.modeling_outputs.BaseModelOutput(torch.tensor(inputs["encoded"])),
            attention_mask=torch.tensor(inputs["mask"]),
            max_new_tokens=LONGEST,
            min_new_tokens=keys.get("min_target_len") or None,
            num_beams=keys.get("num_beams", 1),
            length_penalty=keys.get("length_penalty", 1.0),
            no_repeat_ngram_size=keys.get("no_repeat_ngram_size", 0),
            do_sample=False,
            decoder_start_token_id=START, eos_token_id=END, pad_token_id=PAD,
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        bias[END] = before
    found = paradigm.forward(layers, given(inputs, theirs), "predict")
    assert [[number for number in row if number >= 0] for row in found["output_ids"].numpy().tolist()] == [
        cut(row[1:]) for row in expected.sequences.tolist()
    ]
    if keys.get("num_beams", 1) > 1:
        assert found["output_scores"].numpy() == pytest.approx(expected.sequences_scores.numpy(), abs=LIMIT, rel=1e-6)


def cut(ids: list[int]) -> list[int]:
    """The tokens before the end."""
    return ids[: ids.index(END)] if END in ids else ids
