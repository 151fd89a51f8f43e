"""Prompts: labels from masks by each verbalizer, their losses, predictions and errors."""

import math
from pathlib import Path

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from palm.data.dataset import Dataset, LabelMap
from palm.data.prompt_form import PromptForm
from palm.errors import ConfigError
from palm.paradigm import MaskedLM, Prompt
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=8, hidden_size=3, num_hidden_layers=1, num_attention_heads=1)
LABELS = LabelMap(("体育", "sports news"), words=(("运动",), ("sports",)))
ONE_MASK = PromptForm(label_words=(((5,),), ((6,),)))


def prompt_of(form=ONE_MASK, labels=LABELS, **keys):
    return Prompt(Prompt.Config(**keys), labels, prompt=form)


def outputs(*logits):
    return [{"logits": np.array(row, "float32")} for row in logits]


def dataset(count=2):
    return Dataset({"record": np.arange(count)}, [{"text_a": "鱼"}] * count, Path("a.txt"))


def test_a_hard_prompt_has_the_parameters_of_the_masked_language_model_and_can_share_its_head():
    names = {name for name, _ in prompt_of().build_layers(BACKBONE).named_parameters()}
    of_mlm = {name for name, _ in MaskedLM(MaskedLM.Config()).build_layers(BACKBONE).named_parameters()}
    assert names == of_mlm
    assert prompt_of().head_shape(BACKBONE) == MaskedLM(MaskedLM.Config()).head_shape(BACKBONE)
    assert prompt_of(verbalizer="soft").head_shape(BACKBONE) != prompt_of().head_shape(BACKBONE)
    soft = PromptForm(soft_starts=(None,), label_words=ONE_MASK.label_words)
    assert prompt_of(soft).head_shape(BACKBONE) != prompt_of().head_shape(BACKBONE)


def test_the_soft_verbalizer_starts_from_the_mean_of_each_first_words_tokens():
    form = PromptForm(label_words=(((5, 7),), ((6,), (2,))))
    paradigm = prompt_of(form, verbalizer="soft")
    layers = paradigm.build_layers(BACKBONE)
    table = np.arange(24, dtype="float32").reshape(8, 3)
    paradigm.start_from_words(layers, paddle.to_tensor(table))

    np.testing.assert_allclose(layers.label_layer.weight.numpy(), np.stack([(table[5] + table[7]) / 2, table[6]], 1))
    assert not layers.label_layer.bias.numpy().any()
    assert {name for name, _ in layers.named_parameters()} == {
        "transform.weight", "transform.bias", "layer_norm.weight", "layer_norm.bias",
        "label_layer.weight", "label_layer.bias",
    }  # fmt: skip


def test_losses_by_hand():
    logits = paddle.to_tensor([[0.0, math.log(3.0)], [1.0, 1.0]])
    labels = {"label_ids": paddle.to_tensor([1, 0])}
    by_class = -(math.log(0.75) + math.log(0.5)) / 2
    assert float(prompt_of().loss({"logits": logits}, labels)) == pytest.approx(by_class)
    # Of logarithms of probabilities: those of the labels' words, at two masks.
    logs = paddle.to_tensor([[-9.0, -1.0], [-3.0, -9.0]])
    two = PromptForm(masks=2, label_words=(((5, 1),), ((6, 2),)))
    assert float(prompt_of(two, verbalizer="masked").loss({"logits": logs}, labels)) == pytest.approx((1 + 3) / 2 / 2)
    # Odds of 1 and 3 for the first row, of e for both labels of the second: each label is true or not.
    e = math.e
    options = -(math.log(0.5) + math.log(0.75) + math.log(e / (1 + e)) + math.log(1 / (1 + e))) / 4
    assert float(prompt_of(verbalizer="none").loss({"logits": logits}, labels)) == pytest.approx(options)
    sets = {"label_sets": paddle.to_tensor([[0.0, 1.0], [1.0, 0.0]])}
    several = prompt_of(label_kind="several", verbalizer="soft")
    assert float(several.loss({"logits": logits}, sets)) == pytest.approx(options)


@pytest.mark.parametrize("verbalizer", ["manual", "masked", "none"])
def test_rows_without_a_label_do_not_count(verbalizer):
    logits = paddle.to_tensor([[-1.0, -2.0], [-5.0, -0.1]])
    paradigm = prompt_of(verbalizer=verbalizer)
    one = paradigm.loss({"logits": logits[:1]}, {"label_ids": paddle.to_tensor([0])})
    both = paradigm.loss({"logits": logits}, {"label_ids": paddle.to_tensor([0, -100])})
    assert float(both) == pytest.approx(float(one))
    assert float(paradigm.loss({"logits": logits}, {"label_ids": paddle.to_tensor([-100, -100])})) == 0


def test_predictions_are_labels_with_probabilities():
    found = prompt_of().decode(outputs([0.0, math.log(3.0)], [2.0, 0.0]), dataset())
    assert [prediction["label"] for prediction in found] == ["sports news", "体育"]
    assert found[0]["probs"] == pytest.approx({"体育": 0.25, "sports news": 0.75})
    # Options that are true with 1/2 and 3/4.
    options = prompt_of(verbalizer="none").decode(outputs([0.0, math.log(3.0)]), dataset(1))
    assert options[0]["probs"] == pytest.approx({"体育": 0.4, "sports news": 0.6})
    several = prompt_of(label_kind="several", verbalizer="soft").decode(outputs([0.0, -3.0]), dataset(1))
    assert several[0]["labels"] == ["体育"]


def test_metrics_are_those_of_the_kind_of_labels():
    assert prompt_of().default_metrics == ("accuracy", "macro_f1")
    assert prompt_of(label_kind="several", verbalizer="soft").default_metrics == ("label_set_f1",)


@pytest.mark.parametrize(
    ("words", "masks", "verbalizer", "message"),
    [
        ((((5,),), ()), 1, "manual", "each label needs a word that the tokenizer knows. Found none for `sports news`"),
        ((((5,),), ((),)), 1, "soft", "Found none for `sports news`"),
        ((((5,),), ((6, 7),)), 1, "masked", "needs one word of 1 tokens per label, .* Found a word of 2 for `sports"),
        ((((5,), (4,)), ((6,),)), 1, "masked", "Found 2 words for `体育`"),
        ((((5,),), ((6,),)), 2, "masked", "needs one word of 2 tokens per label, .* Found a word of 1 for `体育`"),
    ],
)
def test_words_that_a_verbalizer_cannot_read_are_refused(words, masks, verbalizer, message):
    with pytest.raises(ConfigError, match=message):
        prompt_of(PromptForm(masks=masks, label_words=words), verbalizer=verbalizer)


def test_kinds_of_labels_that_a_prompt_cannot_answer_are_refused():
    with pytest.raises(ValidationError, match="a prompt answers with labels, found `number`"):
        Prompt.Config(label_kind="number")
    with pytest.raises(ValidationError, match="for label_kind: several use soft or manual"):
        Prompt.Config(label_kind="several", verbalizer="masked")
