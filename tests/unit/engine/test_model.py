"""What regularisers make of a batch's loss in the model: against formulas worked out from the passes themselves."""

import numpy as np
import paddle
import pytest
from paddle.nn import functional

from palm.backbone import Bert
from palm.data.dataset import LabelMap
from palm.engine.model import MultiTaskModel
from palm.paradigm import Classification
from palm.schema.fields import BackboneFields
from palm.schema.settings import TaskSettings
from tests.integration import tiny

SIZES = {
    "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 8,
    "initializer_range": 0.5,
}  # fmt: skip
BATCH = {
    "token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0], [2, 9, 8, 3]]),
    "position_ids": np.array([[0, 1, 2, 3]] * 3),
    "segment_ids": np.zeros((3, 4), "int64"),
    "input_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]], "float32"),
    "label_ids": np.array([1, 0, 1]),
}


class Task:
    """What the model asks of a task."""

    def __init__(self, head: str, *, sharing: str = "hard", dropout: float = 0.3, **settings: float) -> None:
        self.head = head
        self.settings = TaskSettings(reader="cls", paradigm="cls", **settings)
        config = Classification.Config(sharing=sharing, sharing_layers=1, dropout_prob=dropout)
        self.paradigm = Classification(config, LabelMap(("否", "是")))


def model_of(*tasks: Task, dropout: float = 0.3, **backbone_config: object) -> MultiTaskModel:
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = MultiTaskModel(Bert(BackboneFields(**SIZES, **rates, **backbone_config)), tasks, seed=1)
    model.train()
    return model


def gradients(model: MultiTaskModel, loss: paddle.Tensor) -> dict[str, np.ndarray]:
    loss.backward()
    found = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    tiny.clear_gradients(model)
    return found


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_r_drop_is_the_mean_of_two_losses_and_alpha_times_half_of_both_divergences(kernels):
    """The usage that its authors publish (dropreg/R-Drop), with means for their sums; both passes get a gradient."""
    task = Task("a", rdrop_alpha=3.0)
    model = model_of(task, kernels=kernels)
    paddle.seed(4)
    loss = model.loss(task, BATCH)
    paddle.seed(4)
    one, other = (model.forward(task, BATCH, "train")[0]["logits"] for _ in range(2))
    assert np.abs((one - other).numpy()).max() > 0.01  # under other dropout
    logs, other_logs = functional.log_softmax(one), functional.log_softmax(other)
    labels = paddle.to_tensor(BATCH["label_ids"])
    ce_loss = (functional.nll_loss(logs, labels) + functional.nll_loss(other_logs, labels)) / 2
    p_loss = (other_logs.exp() * (other_logs - logs)).sum(-1).mean()  # Paddle's kl_div gives its target no gradient
    q_loss = (logs.exp() * (logs - other_logs)).sum(-1).mean()
    wanted = ce_loss + 3.0 * (p_loss + q_loss) / 2

    assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    found, expected = gradients(model, loss), gradients(model, wanted)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-6, err_msg=name)


def with_outputs(monkeypatch, *passes):
    """A task of the labels 1, 0 and 1 whose head says the probabilities of `passes`, one pass after the other."""
    task = Task("a", use_rdrop=True, alpha_rdrop=5.0)
    outputs = iter(passes)
    logits = lambda *_: {"logits": paddle.to_tensor(np.log(next(outputs)), dtype="float32")}  # noqa: E731
    monkeypatch.setattr(Classification, "forward", logits)
    return task, model_of(task)


QUARTER, HALF = (0.25, 0.75), (0.5, 0.5)


def test_use_rdrop_sums_the_divergences_of_the_batch(monkeypatch):
    """Of ¼, ¾ and ½, ½ both divergences are together ¼ ln ½⁻¹ + ¼ ln 3/2 = ¼ ln 3; two of three rows differ so."""
    task, model = with_outputs(monkeypatch, [QUARTER, QUARTER, HALF], [HALF, HALF, HALF])
    first, second = (-np.log(0.75) - np.log(0.25) + np.log(2)) / 3, np.log(2)
    expected = (first + second) / 2 + 5.0 * 2 * (np.log(3) / 4) / 2
    assert float(model.loss(task, BATCH)) == pytest.approx(expected, rel=1e-5)


def test_rows_without_a_label_do_not_count_in_the_sum(monkeypatch):
    task, model = with_outputs(monkeypatch, [QUARTER, QUARTER, HALF], [HALF, HALF, HALF])
    batch = {**BATCH, "label_ids": np.array([1, -100, 1])}
    first, second = (-np.log(0.75) + np.log(2)) / 2, np.log(2)
    expected = (first + second) / 2 + 5.0 * 1 * (np.log(3) / 4) / 2
    assert float(model.loss(task, batch)) == pytest.approx(expected, rel=1e-5)


def test_the_last_short_batch_sums_over_its_own_rows(monkeypatch):
    task, model = with_outputs(monkeypatch, [QUARTER], [HALF])
    batch = {name: values[:1] for name, values in BATCH.items()}
    expected = (-np.log(0.75) + np.log(2)) / 2 + 5.0 * (np.log(3) / 4) / 2
    assert float(model.loss(task, batch)) == pytest.approx(expected, rel=1e-5)


def test_use_rdrop_with_a_weight_of_0_is_one_pass(monkeypatch):
    task, model = with_outputs(monkeypatch, [QUARTER, QUARTER, HALF])
    task.settings = task.settings.model_copy(update={"alpha_rdrop": 0.0})
    expected = (-np.log(0.75) - np.log(0.25) + np.log(2)) / 3
    assert float(model.loss(task, BATCH)) == pytest.approx(expected, rel=1e-5)


def test_smart_adds_its_weight_times_one_and_the_same_roughness():
    losses = {}
    for weight in (0.0, 1000.0, 3000.0):
        task = Task("a", dropout=0.0, smart_weight=weight, smart_epsilon=0.2)
        model = model_of(task, dropout=0.0)
        paddle.seed(4)
        losses[weight] = float(model.loss(task, BATCH))

    assert losses[1000.0] > losses[0.0] * 1.01
    assert losses[3000.0] - losses[0.0] == pytest.approx(3 * (losses[1000.0] - losses[0.0]), rel=1e-3)


def test_the_shift_of_smart_is_put_on_the_word_embeddings():
    """A shift by what another word differs is that other word."""
    task = Task("a", dropout=0.0)
    model = model_of(task, dropout=0.0)
    table = model.backbone.embeddings.word_embeddings.weight
    shift = paddle.zeros([3, 4, 8])
    shift[0, 1] = table[10] - table[5]
    other = {**BATCH, "token_ids": np.array([[2, 10, 6, 3], [2, 7, 3, 0], [2, 9, 8, 3]])}
    shifted, _ = model.forward(task, BATCH, "train", shift)
    wanted, _ = model.forward(task, other, "train")

    np.testing.assert_allclose(shifted["logits"].numpy(), wanted["logits"].numpy(), atol=1e-5)


def test_soft_sharing_adds_its_weight_times_the_squared_distance():
    losses = {}
    for weight in (0.0, 0.25):
        tasks = [Task(name, sharing="soft", dropout=0.0, soft_sharing_weight=weight) for name in ("a", "乙")]
        model = model_of(*tasks, dropout=0.0)
        far = model.task_modules("乙")["parts"].copies[0].ffn.output.bias
        far.set_value(far + 3.0)  # of 8 numbers
        losses[weight] = [float(model.loss(task, BATCH)) for task in tasks]

    for without, found in zip(losses[0.0], losses[0.25], strict=True):
        assert found == pytest.approx(without + 0.25 * 8 * 3.0**2, rel=1e-5)


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_lora_is_the_encoder_with_the_products_in_its_weights(kernels):
    """W + BA of section 4.1: the same outputs as those of plain layers that hold the sum."""
    task = Task("a", sharing="lora", dropout=0.0)
    model = model_of(task, dropout=0.0, kernels=kernels)
    paddle.seed(6)
    parts = list(model.task_modules("a")["parts"].children())
    for part in parts:
        for parameter in part.parameters():
            parameter.set_value(paddle.randn(parameter.shape) * 0.3)
    found = model.encode(BATCH, head="a")["encoder_outputs"].numpy()
    for part, layer in zip(parts, model.backbone.encoder.layers, strict=True):
        query, key, value = np.split(layer.attention.qkv.weight.numpy(), 3, axis=1)
        query = query + part.query_down.weight.numpy() @ part.query_up.weight.numpy()
        value = value + part.value_down.weight.numpy() @ part.value_up.weight.numpy()
        layer.attention.qkv.weight.set_value(paddle.to_tensor(np.concatenate([query, key, value], axis=1)))
    merged = model.encode(BATCH)["encoder_outputs"].numpy()

    assert np.abs(merged).max() > 0.1
    np.testing.assert_allclose(found, merged, atol=1e-5)


def test_the_encoder_runs_once_for_tasks_that_see_the_same():
    tasks = [Task("a"), Task("b"), Task("c", layer=0), Task("d", sharing="private_layers"), Task("a")]
    model = model_of(*tasks)
    model.eval()
    passes = []
    model.backbone.register_forward_post_hook(lambda layer, inputs, outputs: passes.append(len(passes)))

    found, passes_before = [], []
    for encoded in model.encode_for(tasks, BATCH):
        found.append(encoded["encoder_outputs"].numpy())
        passes_before.append(len(passes))
    assert passes_before == [1, 1, 2, 3, 3]  # no pass before its first task is asked for

    for task, outputs in zip(tasks, found, strict=True):
        alone = model.encode(BATCH, layer=task.settings.layer, head=task.head)["encoder_outputs"].numpy()
        np.testing.assert_array_equal(outputs, alone)
