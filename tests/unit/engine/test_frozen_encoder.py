"""The frozen encoder of another model: no dropout, no gradient, and no backward pass where nothing below trains."""

import numpy as np
import paddle
import pytest

from palm.engine.optim.freezing import freeze
from palm.schema.settings import TrainSettings
from tests.unit.engine.test_model import BATCH, Task, gradients, model_of


def frozen_model(*tasks: Task, **backbone_config: object):
    model = model_of(*tasks, **backbone_config)
    model.frozen_encoder = "fingerprint"
    freeze(model, TrainSettings(), encoder=True)
    model.use_training_mode()
    return model


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_the_head_trains_on_the_features_of_prediction(kernels):
    task = Task("a", dropout=0.0)
    model = frozen_model(task, kernels=kernels)
    features = model.encode(BATCH, head="a")["sentence_embedding"]
    model.eval()
    expected = model.encode(BATCH, head="a")["sentence_embedding"]
    assert features.numpy().tobytes() == expected.numpy().tobytes()
    assert features.stop_gradient


def test_the_heads_own_dropout_stays():
    task = Task("a", dropout=0.3)
    model = frozen_model(task)
    losses = {float(model.loss(task, BATCH)) for _ in range(4)}
    assert len(losses) > 1


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("sharing", ["hard", "adapter", "lora", "private", "private_layers", "soft"])
def test_every_parameter_of_the_head_and_none_of_the_encoder_has_a_gradient(sharing, kernels):
    task = Task("a", sharing=sharing)
    model = frozen_model(task, kernels=kernels)
    found = gradients(model, model.loss(task, BATCH))
    heads = {name for name, _ in model.named_parameters() if name.startswith("heads.")}
    assert set(found) == heads


def test_the_gradient_of_a_head_is_that_of_a_model_without_dropout_that_trains_it_all():
    task = Task("a", sharing="adapter", dropout=0.0)
    frozen, whole = frozen_model(task), model_of(task, dropout=0.0)
    found, expected = (gradients(model, model.loss(task, BATCH)) for model in (frozen, whole))
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-4, atol=1e-7)


def test_smart_perturbs_a_frozen_encoder():
    task = Task("a", dropout=0.0, smart_weight=1.0)
    model = frozen_model(task)
    paddle.seed(1)
    with_penalty = float(model.loss(task, BATCH))
    task.settings = task.settings.model_copy(update={"smart_weight": 0.0})
    assert with_penalty > float(model.loss(task, BATCH))


def test_a_model_that_trains_its_encoder_keeps_its_dropout():
    task = Task("a")
    model = model_of(task)
    model.use_training_mode()
    assert model.backbone.training
    features = [model.encode(BATCH, head="a")["sentence_embedding"] for _ in range(2)]
    assert not np.array_equal(features[0].numpy(), features[1].numpy())
    assert not features[0].stop_gradient
