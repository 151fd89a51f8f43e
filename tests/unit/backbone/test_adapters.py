"""Adapters, LoRA and private bottlenecks: identity when fresh, by hand when not, gradients by both kernels."""

import numpy as np
import paddle
import pytest

from palm.backbone import Bert
from palm.backbone.adapters import Adapter, LowRank, Private
from palm.backbone.task_layers import OwnLayers, PrivateStack, squared_distance
from palm.data.dataset import LabelMap
from palm.engine.model import MultiTaskModel
from palm.kernels.contract import Rows
from palm.paradigm import Classification
from palm.schema.fields import BackboneFields

SIZES = {
    "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 8,
    "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "initializer_range": 0.3,
}  # fmt: skip
BATCH = {
    "token_ids": np.array([[2, 5, 6, 3], [2, 7, 3, 0]]),
    "position_ids": np.array([[0, 1, 2, 3]] * 2),
    "segment_ids": np.zeros((2, 4), "int64"),
    "input_mask": np.array([[1, 1, 1, 1], [1, 1, 1, 0]], "float32"),
}
KINDS = ("adapter", "lora", "private", "private_layers", "soft")
ROWS = Rows(1, 2, None)


class Task:
    """What the model asks of a task."""

    def __init__(self, head: str, sharing: str) -> None:
        self.head = head
        keys = {"sharing": sharing, "sharing_size": 3, "sharing_layers": 1}
        self.paradigm = Classification(Classification.Config(**keys), LabelMap(("否", "是")))


def model_of(*sharing: str, **backbone_config: object) -> MultiTaskModel:
    tasks = [Task(f"head{number}", kind) for number, kind in enumerate(sharing)]
    return MultiTaskModel(Bert(BackboneFields(**SIZES, **backbone_config)), tasks, seed=1)


def fill(layer: paddle.nn.Layer) -> None:
    """Every zero of a fresh part becomes something else."""
    for _, parameter in sorted(layer.named_parameters()):
        parameter.set_value(parameter + 0.2 * paddle.randn(parameter.shape))


def encoded(model: MultiTaskModel, head: str | None) -> np.ndarray:
    return model.encode(BATCH, head=head)["encoder_outputs"].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_parts_change_nothing_and_filled_ones_their_own_head_alone(kind):
    model = model_of("hard", kind, kind)
    model.eval()
    assert np.array_equal(encoded(model, None), encoded(model, "head0"))
    np.testing.assert_allclose(encoded(model, "head1"), encoded(model, None), atol=1e-6)
    fill(model.heads["head1"])

    assert np.abs(encoded(model, "head1") - encoded(model, None)).max() > 0.01
    np.testing.assert_allclose(encoded(model, "head2"), encoded(model, None), atol=1e-6)


def doubled(hidden, rows, added=None):
    """A shared layer that is known by heart."""
    return 2 * hidden


def test_an_adapter_works_on_what_the_layer_gives():
    adapter = Adapter(BackboneFields(**SIZES), 3)
    fill(adapter)
    hidden = paddle.randn([2, 8])
    down, up = adapter.bottleneck.down, adapter.bottleneck.up
    inner = paddle.nn.functional.gelu(2 * hidden @ down.weight + down.bias)

    np.testing.assert_allclose(
        adapter(doubled, hidden, ROWS).numpy(), (2 * hidden + inner @ up.weight + up.bias).numpy(), atol=1e-5
    )


def test_a_private_bottleneck_works_on_what_the_layer_gets_and_is_gated():
    private = Private(BackboneFields(**SIZES), 3)
    fill(private)
    hidden = paddle.randn([2, 8])
    wide_open = doubled(hidden, ROWS) + private.bottleneck(hidden)
    for bias, expected in ((100.0, wide_open), (-100.0, 2 * hidden)):
        private.gate.bias.set_value(paddle.to_tensor([bias]))
        np.testing.assert_allclose(private(doubled, hidden, ROWS).numpy(), expected.numpy(), atol=1e-5)


def test_low_rank_products_are_put_on_queries_and_values():
    part = LowRank(BackboneFields(**SIZES), 3)
    fill(part)
    given = []
    part(lambda hidden, rows, added=None: given.append(added.numpy()) or hidden, paddle.randn([2, 8]), ROWS)
    query, key, value = np.split(given[0], 3, axis=1)

    np.testing.assert_allclose(query, part.query_down.weight.numpy() @ part.query_up.weight.numpy(), atol=1e-6)
    np.testing.assert_allclose(value, part.value_down.weight.numpy() @ part.value_up.weight.numpy(), atol=1e-6)
    assert not key.any()


def test_a_private_stack_stands_beside_the_shared_layers_and_is_gated():
    model = model_of("private_layers")
    fill(model.heads["head0"])
    model.eval()
    layers, parts = list(model.backbone.encoder.layers), model.task_modules("head0")["parts"]
    hidden = paddle.randn([2, 8])
    lower = layers[0](hidden, ROWS)
    shared, private = layers[1](lower, ROWS), parts.copies[0](lower, ROWS)
    for bias, expected in ((100.0, private), (-100.0, shared)):
        parts.gate.bias.set_value(paddle.to_tensor([bias]))
        first, last = parts.outputs(layers, hidden, ROWS)
        np.testing.assert_array_equal(first.numpy(), lower.numpy())
        np.testing.assert_allclose(last.numpy(), expected.numpy(), atol=1e-5)
    parts.gate.weight.set_value(paddle.randn([8, 1]))
    parts.gate.bias.set_value(paddle.to_tensor([0.5]))
    share = 1 / (1 + np.exp(-(shared.numpy() @ parts.gate.weight.numpy() + 0.5)))
    *_, last = parts.outputs(layers, hidden, ROWS)
    np.testing.assert_allclose(last.numpy(), (1 - share) * shared.numpy() + share * private.numpy(), atol=1e-5)


def test_a_private_stack_of_all_layers_sees_the_embeddings():
    model = model_of("hard")
    parts = PrivateStack(BackboneFields(**SIZES), 2, model.backbone.encoder.build_layer)
    model.eval()
    parts.eval()
    layers, hidden = list(model.backbone.encoder.layers), paddle.randn([2, 8])
    parts.gate.bias.set_value(paddle.to_tensor([100.0]))
    *_, last = parts.outputs(layers, hidden, ROWS)
    private = parts.copies[1](parts.copies[0](hidden, ROWS), ROWS)
    np.testing.assert_allclose(last.numpy(), private.numpy(), atol=1e-5)


def test_own_layers_stand_in_the_place_of_the_shared_ones():
    model = model_of("soft")
    fill(model.heads["head0"])
    model.eval()
    layers, parts = list(model.backbone.encoder.layers), model.task_modules("head0")["parts"]
    hidden = paddle.randn([2, 8])
    lower = layers[0](hidden, ROWS)
    first, last = parts.outputs(layers, hidden, ROWS)
    np.testing.assert_array_equal(first.numpy(), lower.numpy())
    np.testing.assert_array_equal(last.numpy(), parts.copies[0](lower, ROWS).numpy())
    assert len(list(parts.outputs(layers[:1], hidden, ROWS))) == 1


def test_the_distance_is_the_mean_over_the_others_and_moves_its_own_layers_alone():
    config = BackboneFields(**SIZES)
    encoder = model_of("hard").backbone.encoder
    own, near, far = (OwnLayers(config, count, encoder.build_layer) for count in (1, 1, 2))
    shared = list(encoder.layers)
    for part in (own, near, far):
        part.start_as(shared)
    weight, bias = own.copies[0].ffn.output.weight, own.copies[0].ffn.output.bias
    bias.set_value(bias + 2.0)  # of 8 numbers
    far.copies[0].ffn.output.bias.set_value(bias + 9.0)  # of a layer that `own` shares
    far.copies[1].ffn.output.weight.set_value(weight - 0.5)  # of 32 · 8 numbers
    distance = squared_distance(own, [part.encoder(shared) for part in (near, far)])
    distance.backward()

    assert float(distance) == pytest.approx((8 * 2.0**2 + (8 * 2.0**2 + 256 * 0.5**2)) / 2, rel=1e-5)
    np.testing.assert_allclose(bias.grad.numpy(), 2 * 2.0, rtol=1e-5)
    np.testing.assert_allclose(weight.grad.numpy(), 2 * 0.5 / 2, rtol=1e-5)
    fixed = [*near.parameters(), *far.parameters(), *(p for layer in shared for p in layer.parameters())]
    assert all(parameter.grad is None for parameter in fixed)


@pytest.mark.parametrize(
    ("kinds", "own", "others"),
    [
        (("soft", "soft", "soft"), True, [1, 2]),
        (("soft", "soft", "hard", "lora"), True, [1, "shared"]),
        (("soft",), True, []),
        (("hard", "soft"), False, []),
    ],
)
def test_whose_encoders_are_kept_near(kinds, own, others):
    model = model_of(*kinds)
    mine, found = model._encoders("head0")
    shared = list(model.backbone.encoder.layers)
    tops = {id(shared[-1]): "shared"}
    for number in range(len(kinds)):
        part = model.task_modules(f"head{number}").get("parts")
        tops |= {id(part.copies[-1]): number} if isinstance(part, OwnLayers) else {}
    assert (mine is not None) == own
    assert [tops[id(encoder[-1])] for encoder in found] == others
    assert all(encoder[0] is shared[0] for encoder in found)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_same_by_all_kernels(kind, frozen, recompute):
    found = {}
    for kernels in ("plain", "auto"):
        model = model_of(kind, kernels=kernels, recompute=recompute)
        paddle.seed(5)
        fill(model.heads["head0"])
        model.train()
        for parameter in model.backbone.parameters():
            parameter.stop_gradient = frozen
        kept = paddle.to_tensor(BATCH["input_mask"]).unsqueeze(-1)  # packed rows have none of padding
        (model.encode(BATCH, head="head0")["encoder_outputs"] ** 3 * kept).mean().backward()
        own = model.task_modules("head0")["parts"].named_parameters()
        found[kernels] = {name: parameter.grad.numpy() for name, parameter in own}
        passed_by = "encoder.layers.1." if kind == "soft" else "none"  # by the head's own layer
        shared = [p for p in model.backbone.named_parameters() if p[0].startswith("encoder")]
        assert all((p.grad is None) == (frozen or name.startswith(passed_by)) for name, p in shared)
    assert all(np.abs(gradient).max() > 0 for gradient in found["plain"].values())
    for name, gradient in found["plain"].items():
        np.testing.assert_allclose(found["auto"][name], gradient, atol=2e-5, err_msg=name)
