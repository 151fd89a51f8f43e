"""Soft vectors in place of word embeddings, their encoders, and prefixes before keys and values."""

import numpy as np
import paddle
import pytest

from palm.backbone import Bert
from palm.backbone.soft_prompt import PrefixVectors, SoftPrompt, VectorEncoder
from palm.data.dataset import LabelMap
from palm.data.prompt_form import PromptForm, SoftGroup
from palm.engine.model import MultiTaskModel
from palm.kernels import plain
from palm.kernels.contract import LayerSettings, Rows
from palm.paradigm import Classification, Prompt
from palm.schema.fields import BackboneFields
from tests.unit.backbone.test_adapters import BATCH, SIZES

LABELS = LabelMap(("否", "是"))
WORDS = (((5,),), ((6,),))


class Task:
    """What the model asks of a task."""

    def __init__(self, head: str, form: PromptForm | None) -> None:
        self.head = head
        if form is None:
            self.paradigm = Classification(Classification.Config(), LABELS)
        else:
            self.paradigm = Prompt(Prompt.Config(verbalizer="soft"), LABELS, prompt=form)


def model_of(*forms: PromptForm | None, **keys: object) -> MultiTaskModel:
    tasks = [Task(f"head{number}", form) for number, form in enumerate(forms)]
    model = MultiTaskModel(Bert(BackboneFields(**SIZES, **keys)), tasks, seed=1)
    model.eval()
    return model


def form_of(*starts: int | None, encoder: str = "none") -> PromptForm:
    group = SoftGroup(encoder, 4, tuple(range(1, len(starts) + 1)))
    return PromptForm(soft_starts=starts, soft_groups=(group,), label_words=WORDS)


def encoded(model: MultiTaskModel, head: str | None, soft_ids: list[list[int]]) -> np.ndarray:
    return model.encode({**BATCH, "soft_ids": np.array(soft_ids)}, head=head)["encoder_outputs"].numpy()


def test_a_vector_that_starts_from_a_word_computes_what_the_word_does():
    model = model_of(form_of(7, 9), None)
    # Both stand where the batch has other words.
    replaced = {**BATCH, "token_ids": np.array([[2, 7, 9, 3], [2, 9, 3, 0]])}
    expected = model.encode(replaced, head="head1")["encoder_outputs"].numpy()

    np.testing.assert_array_equal(encoded(model, "head0", [[0, 1, 2, 0], [0, 2, 0, 0]]), expected)
    assert np.abs(encoded(model, "head0", [[0, 2, 1, 0], [0, 1, 0, 0]]) - expected).max() > 0.01


def test_texts_without_soft_vectors_are_those_of_other_heads_to_the_bit():
    model = model_of(form_of(None), None)
    nowhere = [[0] * 4] * 2
    np.testing.assert_array_equal(encoded(model, "head0", nowhere), encoded(model, "head1", nowhere))
    assert model.has_own_pass("head0")
    assert not model.has_own_pass("head1")


def test_vectors_are_in_the_order_of_their_numbers_whatever_their_groups():
    groups = (SoftGroup("none", 0, (3, 1)), SoftGroup("mlp", 4, (2,)))
    prompt = SoftPrompt(PromptForm(soft_starts=(None,) * 3, soft_groups=groups), 8, 0.5)
    table, own = prompt.table().numpy(), prompt.vectors.numpy()

    assert not table[0].any()
    np.testing.assert_array_equal(table[[1, 3]], own[[0, 2]])
    mlp = prompt.encoders[0]
    inner = np.maximum(own[1] @ mlp.inner.weight.numpy() + mlp.inner.bias.numpy(), 0)
    np.testing.assert_allclose(table[2], inner @ mlp.outer.weight.numpy() + mlp.outer.bias.numpy(), atol=1e-6)


def test_an_lstm_lets_each_vector_know_the_others():
    lstm = VectorEncoder("lstm", 8, 4, 8, 0.5)
    vectors = paddle.randn([3, 8])
    before = lstm(vectors).numpy()
    assert before.shape == (3, 8)
    vectors[2] = vectors[2] + 1.0
    assert (np.abs(lstm(vectors).numpy() - before).max(1) > 1e-4).all()


@pytest.mark.parametrize("encoder", ["none", "lstm", "mlp"])
def test_the_gradient_reaches_vectors_and_their_encoder(encoder):
    model = model_of(form_of(7, None, encoder=encoder))
    model.train()
    encoded_batch = model.encode({**BATCH, "soft_ids": np.array([[0, 1, 2, 0], [0, 2, 0, 0]])}, head="head0")
    encoded_batch["encoder_outputs"].square().sum().backward()
    prompt = model.heads["head0"].soft_prompt
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in prompt.parameters())


def test_a_prefix_is_more_keys_and_values_for_every_query():
    """By numpy: softmax over the prefix and the words that are no padding."""
    rng = np.random.default_rng(3)
    qkv = rng.normal(size=(2 * 3, 3 * 4)).astype("float32")  # two texts of three words, two heads of two
    prefix = rng.normal(size=(2, 2, 4)).astype("float32")
    mask = np.zeros((2, 1, 1, 3), "float32")
    mask[1, ..., 2] = -10000.0
    rows = Rows(2, 3, paddle.to_tensor(mask), prefix=paddle.to_tensor(prefix))
    found = plain.attention(paddle.to_tensor(qkv), settings=LayerSettings(2, "gelu", 1e-5, 0.0, 0.0), rows=rows)

    expected = np.zeros((6, 4))
    for text, words in enumerate((3, 2)):
        query, key, value = np.split(qkv[3 * text : 3 * text + 3], 3, axis=1)
        for head in (slice(0, 2), slice(2, 4)):
            keys = np.concatenate([prefix[0][:, head], key[:words, head]])
            values = np.concatenate([prefix[1][:, head], value[:words, head]])
            weights = np.exp(query[:, head] @ keys.T / np.sqrt(2))
            expected[3 * text : 3 * text + 3, head] = weights / weights.sum(1, keepdims=True) @ values
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_prefix_feeds_its_head_alone_and_trains(kernels, recompute):
    form = PromptForm(label_words=WORDS, prefix_length=3, prefix_encoder="mlp", prefix_hidden_size=5)
    model = model_of(form, None, kernels=kernels, recompute=recompute)
    nowhere = [[0] * 4] * 2
    assert np.abs(encoded(model, "head0", nowhere) - encoded(model, "head1", nowhere)).max() > 1e-4

    model.train()
    model.encode({**BATCH, "soft_ids": np.array(nowhere)}, head="head0")["encoder_outputs"].square().sum().backward()
    parts = model.task_modules("head0")["parts"]
    assert isinstance(parts, PrefixVectors)
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in parts.parameters())
