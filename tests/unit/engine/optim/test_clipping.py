"""Clipping of gradients to a global norm, read and unread."""

import numpy as np
import paddle
import pytest

from palm.engine.optim.clipping import clip, clip_unread


def test_gradients_are_scaled_to_the_norm_of_all_of_them():
    """3, 0 and 4: their norm is 5."""
    gradients = {"a": paddle.to_tensor([3.0, 0.0]), "b": paddle.to_tensor([4.0])}
    clip(gradients, 10.0)
    assert [gradient.tolist() for gradient in gradients.values()] == [[3.0, 0.0], [4.0]]
    clip(gradients, 1.0)
    assert gradients["a"].tolist() == pytest.approx([0.6, 0.0])
    assert gradients["b"].tolist() == pytest.approx([0.8])


def test_no_gradients_are_no_error():
    clip({}, 1.0)


@pytest.mark.parametrize("max_norm", [0.01, 1e6])
def test_clipping_without_reading_the_norm_is_the_same(max_norm):
    """What a GPU computes, here on the CPU."""
    draw = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("float32")
    gradients = {str(number): paddle.to_tensor(part) for number, part in enumerate(draw)}
    clip_unread(gradients, paddle.to_tensor(np.sqrt((draw**2).sum())), max_norm)
    wanted = draw * min(1.0, max_norm / np.sqrt((draw**2).sum()))
    np.testing.assert_allclose(np.stack([tensor.numpy() for tensor in gradients.values()]), wanted, rtol=1e-5)


def test_clipping_gradients_of_zero_leaves_them():
    gradients = {"a": paddle.zeros([3])}
    clip_unread(gradients, paddle.zeros([]), 1.0)
    assert gradients["a"].numpy().tolist() == [0.0, 0.0, 0.0]
