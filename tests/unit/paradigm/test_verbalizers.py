"""Scores of labels from masks, against cases worked out by hand."""

import math

import numpy as np
import paddle
import pytest

from palm.data.prompt_form import PromptForm
from palm.paradigm import Prompt, verbalizers


class Head:
    """A masked language model head that changes nothing, with or without a bias."""

    def __init__(self, bias=None):
        self.transform = self.activation = self.layer_norm = lambda values: values
        if bias is not None:
            self.bias = paddle.to_tensor(bias)


# Four tokens; the scores of a vector are its coordinates.
TABLE = paddle.to_tensor(np.eye(4, dtype="float32"))


def scores(vectors, form, bias=None, **keys):
    config = Prompt.Config(**keys)
    inputs = {"embedding_table": TABLE}
    found = verbalizers.label_scores(Head(bias), paddle.to_tensor(vectors), inputs, config, form)
    return found.numpy().tolist()


def log_softmax(*values):
    total = math.log(sum(math.exp(value) for value in values))
    return [value - total for value in values]


def test_one_word_of_one_token_scores_its_log_probability_among_the_labels_words():
    form = PromptForm(label_words=(((1,),), ((3,),)))
    assert scores([[9.0, 1.0, 9.0, 2.0]], form)[0] == pytest.approx(log_softmax(1, 2), abs=1e-6)
    with_bias = scores([[9.0, 1.0, 9.0, 2.0]], form, bias=[0.0, 1.5, 0.0, 0.0])
    assert with_bias[0] == pytest.approx(log_softmax(2.5, 2), abs=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("mean", 2.0), ("max", 3.0), ("first", 1.0)])
def test_tokens_of_a_word(kind, expected):
    form = PromptForm(label_words=(((1, 2),), ((3,),)))
    found = scores([[9.0, 1.0, 3.0, 2.5]], form, token_aggregate_type=kind)
    assert found[0] == pytest.approx(log_softmax(expected, 2.5), abs=1e-6)


@pytest.mark.parametrize("kind", ["mean", "max", "first"])
def test_words_of_a_label(kind):
    """They share one softmax with the words of the other label."""
    form = PromptForm(label_words=(((1,), (2,)), ((3,),)))
    one, two, three = log_softmax(1.0, 3.0, 2.5)
    expected = {"mean": (one + two) / 2, "max": two, "first": one}[kind]
    assert scores([[9.0, 1.0, 3.0, 2.5]], form, word_aggregate_type=kind)[0] == pytest.approx(
        [expected, three], abs=1e-6
    )


@pytest.mark.parametrize("kind", ["product", "mean", "max", "first"])
def test_several_masks(kind):
    form = PromptForm(masks=2, label_words=(((1,),), ((3,),)))
    first, second = log_softmax(1, 2), log_softmax(4, 0)
    pairs = list(zip(first, second, strict=True))
    expected = {
        "product": [sum(pair) for pair in pairs],
        "mean": [sum(pair) / 2 for pair in pairs],
        "max": [max(pair) for pair in pairs],
        "first": first,
    }[kind]
    found = scores([[9.0, 1.0, 9.0, 2.0], [9.0, 4.0, 9.0, 0.0]], form, mask_aggregate_type=kind)
    assert found[0] == pytest.approx(expected, abs=1e-6)


def test_several_labels_are_scored_each_by_itself():
    form = PromptForm(label_words=(((1, 2),), ((3,),)))
    assert scores([[9.0, 1.0, 3.0, -2.5]], form, label_kind="several") == [[2.0, -2.5]]


def test_the_masked_verbalizer_multiplies_probabilities_of_the_vocabulary():
    form = PromptForm(masks=2, label_words=(((1, 2),), ((3, 0),)))
    first, second = log_softmax(0, 1, 0, 2), log_softmax(1, 0, 4, 0)
    found = scores([[0.0, 1.0, 0.0, 2.0], [1.0, 0.0, 4.0, 0.0]], form, verbalizer="masked")
    assert found[0] == pytest.approx([first[1] + second[2], first[3] + second[0]], abs=1e-6)


def test_the_soft_verbalizer_reads_the_mean_of_the_masks():
    head = Head()
    head.label_layer = lambda values: values[:, :2] * 10
    vectors = paddle.to_tensor([[1.0, 0.0, 5.0, 5.0], [3.0, 1.0, 5.0, 5.0]])
    form = PromptForm(masks=2)
    found = verbalizers.label_scores(head, vectors, {}, Prompt.Config(verbalizer="soft"), form)
    assert found.numpy().tolist() == [[20.0, 5.0]]


def test_vectors_at_masks_come_row_by_row():
    encoded = paddle.arange(24, dtype="float32").reshape([2, 4, 3])
    found = verbalizers.vectors_at_masks(
        {"encoder_outputs": encoded, "mask_positions": paddle.to_tensor([[1, 3], [0, 2]])}
    )
    assert found.numpy()[:, 0].tolist() == [3.0, 9.0, 12.0, 18.0]


def test_options_are_read_off_the_rows_of_their_sequences():
    head = Head()
    head.label_layer = lambda values: values
    inputs = {
        "sentence_embedding": paddle.to_tensor([[0.0, 1.0], [2.0, 0.5], [1.0, 1.0], [0.0, 9.0]]),
        "choice_rows": paddle.to_tensor([[0, 1], [3, 2]]),
    }
    assert verbalizers.option_scores(head, inputs).numpy().tolist() == [[1.0, -1.5], [9.0, 0.0]]
