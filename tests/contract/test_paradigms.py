"""What every registered paradigm promises, on the outputs of a stand-in backbone."""

from collections.abc import Mapping

import numpy as np
import paddle
import pytest

from palm.data.dataset import LabelMap
from palm.data.prompt_form import PromptForm
from palm.data.target_text import TargetForm
from palm.metric import METRICS
from palm.paradigm import PARADIGMS, Paradigm
from palm.schema.fields import BackboneFields
from palm.spec import Phase, Specs

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
SIZES = {"batch": 3, "seq": 5, "hidden": 8, "emb": 8, "vocab": 11, "mask": 4, "class": 3}
LABELS = LabelMap(("O", "B-城市", "I-城市"))
FORM = PromptForm(masks=2, label_words=(((4, 5), (6,)), ((7,),), ((8, 9),)))
TARGET = TargetForm(start_id=2, end_id=3, tokens=11, text_of=lambda ids: " ".join(map(str, ids)))
KEYS: dict[str, dict[str, object]] = {"seq2seq": {"max_target_len": 3}}
"""Keys with which outputs are no longer than the texts of the batch."""
PHASES: tuple[Phase, ...] = ("train", "eval", "predict")
BATCH = {
    "token_ids": np.array([[2, 5, 6, 7, 3], [2, 5, 6, 3, 0], [2, 5, 3, 0, 0]]),
    "input_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]], "float32"),
    "word_starts": np.array([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 1, 0, 0, 0]], "float32"),
    "head_positions": np.array([[-100, 2, 0, -100, -100], [-100, 0, 1, -100, -100], [-100, 0, -100, -100, -100]]),
    "start_positions": np.array([1, 2, 0]),
    "end_positions": np.array([3, 2, 0]),
    "mask_pos": np.array([1, 3, 7, 11]),
    "mask_label": np.array([4, 10, 8, 1]),
    "pair_rows": np.array([[0, 1], [0, 2], [1, 2]]),
    "choice_rows": np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]]),
    "choice_mask": np.ones((3, 3), "float32"),
    "relevance": np.array([[0, 1, 2], [1, 0, 0], [0.5, 3, 0]], "float32"),
    "text_rows": np.array([[0, 1], [1, 2], [2, 0]]),
    "pair_scores": np.array([[1], [0], [0.5]], "float32"),
    "anchor_mask": np.ones(3, "float32"),
    "label_values": np.array([0.5, -1.0, 3.0], "float32"),
    "soft_ids": np.array([[0, 1, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]]),
    "mask_positions": np.array([[1, 3], [2, 1], [1, 1]]),
    "span_labels": np.array([[[1, 2, 0], [1, 3, 2]], [[2, 2, 1], [-100, -100, -100]], [[-100] * 3, [-100] * 3]]),
    "target_ids": np.array([[5, 6, 3], [7, 3, -100], [3, -100, -100]]),
    "label_sets": np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], "float32"),
}
LABEL_IDS = {
    "batch": np.array([2, 0, 1]),
    "batch seq": np.array([[-100, 0, 1, -100, -100], [-100, 2, 1, -100, -100], [-100, 0, -100, -100, -100]]),
}

every_paradigm = pytest.mark.parametrize("name", list(PARADIGMS))


def build(name: str, **keys: object) -> Paradigm:
    kind = PARADIGMS[name]
    known = {"prompt": FORM} if kind.answers_prompts else {"target": TARGET} if kind.writes_text else {}
    return kind(kind.Config(**KEYS.get(name, {}), **keys), LABELS, **known)


def batch_of(paradigm: Paradigm, phase: Phase) -> dict[str, np.ndarray]:
    gold = paradigm.reader_inputs(phase).get("label_ids")
    return BATCH | ({"label_ids": LABEL_IDS[gold.axes]} if gold else {})


def backbone_outputs(specs: Specs) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {
        name: rng.normal(size=[SIZES[axis] for axis in spec.axes.split()]).astype(spec.dtype)
        for name, spec in specs.items()
    }


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, paddle.Tensor]:
    return {name: paddle.to_tensor(array, stop_gradient=array.dtype != "float32") for name, array in arrays.items()}


def inputs_of(paradigm: Paradigm, phase: Phase) -> dict[str, paddle.Tensor]:
    """Exactly what the paradigm declares, and nothing else."""
    batch = batch_of(paradigm, phase)
    declared = {name: batch[name] for name in paradigm.reader_inputs(phase)}
    return tensors(declared | backbone_outputs(paradigm.backbone_inputs()))


@every_paradigm
@pytest.mark.parametrize("phase", PHASES)
def test_outputs_are_the_declared_ones(name: str, phase: Phase):
    paradigm = build(name)
    outputs = paradigm.forward(paradigm.build_layers(BACKBONE), inputs_of(paradigm, phase), phase)

    declared = paradigm.outputs_attr(phase)
    assert set(outputs) == set(declared)
    for key, spec in declared.items():
        array, axes = outputs[key].numpy(), spec.axes.split()
        assert (array.ndim, str(array.dtype)) == (spec.rank, spec.dtype)
        known = [(axis, size) for axis, size in zip(axes, array.shape, strict=True) if axis in SIZES]
        assert known == [(axis, SIZES[axis]) for axis, _ in known]


@every_paradigm
def test_declared_inputs_have_the_declared_form(name: str):
    paradigm = build(name)
    batch = batch_of(paradigm, "train")

    for key, spec in paradigm.reader_inputs("train").items():
        assert (batch[key].ndim, str(batch[key].dtype)) == (spec.rank, spec.dtype)


@every_paradigm
def test_prediction_needs_no_gold(name: str):
    gold = {
        "label_ids",
        "head_positions",
        "start_positions",
        "end_positions",
        "mask_label",
        "label_values",
        "label_sets",
        "pair_rows",
        "span_labels",
        "target_ids",
    }

    assert not gold & set(build(name).reader_inputs("predict"))


@every_paradigm
def test_gradients_reach_every_parameter_and_the_backbone(name: str):
    paradigm = build(name)
    layers, inputs = paradigm.build_layers(BACKBONE), inputs_of(paradigm, "train")
    paradigm.loss(paradigm.forward(layers, inputs, "train"), inputs).backward()

    reached = {key: parameter.grad is not None for key, parameter in layers.named_parameters()}
    reached |= {key: inputs[key].grad is not None for key in paradigm.backbone_inputs()}
    assert reached == dict.fromkeys(reached, True)
    moved = [key for key, parameter in layers.named_parameters() if paddle.abs(parameter.grad).sum() > 0]
    assert moved == [key for key, _ in layers.named_parameters()]


@every_paradigm
def test_same_seed_same_result(name: str):
    def run(seed: int) -> tuple[float, list[np.ndarray]]:
        paddle.seed(seed)
        paradigm = build(name, dropout_prob=0.5)
        layers, inputs = paradigm.build_layers(BACKBONE), inputs_of(paradigm, "train")
        loss = paradigm.loss(paradigm.forward(layers, inputs, "train"), inputs)
        return float(loss), [parameter.numpy() for parameter in layers.parameters()]

    (first, weights), (again, same_weights), (other, _) = run(3), run(3), run(4)
    assert first == again
    assert all(np.array_equal(one, two) for one, two in zip(weights, same_weights, strict=True))
    assert first != other


@every_paradigm
def test_loss_is_a_mean_per_example(name: str):
    paradigm = build(name, dropout_prob=0.0)
    layers, inputs = paradigm.build_layers(BACKBONE), inputs_of(paradigm, "eval")
    twice = {
        key: tensor if key == "embedding_table" else paddle.concat([tensor, tensor]) for key, tensor in inputs.items()
    }

    losses = [paradigm.loss(paradigm.forward(layers, some, "eval"), some) for some in (inputs, twice)]
    assert losses[0].shape == []
    assert float(losses[1]) == pytest.approx(float(losses[0]), rel=1e-5)


@every_paradigm
def test_a_fresh_head_is_small_and_drawn_from_initializer_range(name: str):
    paddle.seed(1)
    layers = build(name, initializer_range=0.3).build_layers(BACKBONE)
    if not layers.parameters():  # all of it is fitted, or there is nothing but the encoder
        assert not any(buffer.numpy().any() for buffer in layers.buffers())
        return
    drawn = {key: p.numpy() for key, p in layers.named_parameters()}
    matrices = np.concatenate([array.ravel() for array in drawn.values() if array.ndim == 2])

    assert 0.15 < matrices.std() < 0.45
    assert all(not array.any() for key, array in drawn.items() if key.endswith("bias"))


@every_paradigm
def test_dropout_works_in_training_alone(name: str):
    paradigm = build(name, dropout_prob=0.5)
    layers, inputs = paradigm.build_layers(BACKBONE), inputs_of(paradigm, "eval")

    def outputs(phase: Phase) -> list[np.ndarray]:
        given = paradigm.forward(layers, inputs, phase)
        return [given[key].numpy() for key in sorted(given)]

    for phase in ("eval", "predict"):
        assert all(np.array_equal(one, two) for one, two in zip(outputs(phase), outputs(phase), strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(outputs("train"), outputs("train"), strict=True))


@every_paradigm
@pytest.mark.parametrize("phase", ["eval", "predict"])
def test_split_gives_one_part_an_example_within_its_length(name: str, phase: Phase):
    paradigm = build(name)
    outputs = paradigm.forward(paradigm.build_layers(BACKBONE), inputs_of(paradigm, phase), phase)
    batch = {key: array for key, array in batch_of(paradigm, phase).items() if phase == "eval" or key != "mask_label"}

    parts = paradigm.split({key: tensor.numpy() for key, tensor in outputs.items()}, batch)
    assert len(parts) == SIZES["batch"]
    tokens = [{len(array) for array in part.values()} for part in parts]
    assert all(max(backbone_config) <= length for backbone_config, length in zip(tokens, (5, 4, 3), strict=True))


@every_paradigm
def test_heads_of_different_sizes_are_told_apart(name: str):
    wider = BACKBONE.model_copy(update={"hidden_size": 12})
    paradigm = build(name)

    assert paradigm.head_shape(BACKBONE)[0] in PARADIGMS  # a prompt without vectors of its own has the head of `mlm`
    assert paradigm.head_shape(BACKBONE) == build(name).head_shape(BACKBONE)
    assert paradigm.head_shape(BACKBONE) != paradigm.head_shape(wider)


@every_paradigm
def test_default_metrics_are_registered(name: str):
    metrics = build(name).default_metrics

    assert metrics
    assert all(metric in METRICS for metric in metrics)


@every_paradigm
def test_wiring_is_known_before_labels_are(name: str):
    paradigm = PARADIGMS[name](PARADIGMS[name].Config())

    assert paradigm.backbone_inputs()
    assert all(isinstance(paradigm.reader_inputs(phase), dict) for phase in PHASES)


@every_paradigm
def test_every_key_is_described(name: str):
    fields = PARADIGMS[name].Config.model_fields

    assert [key for key, field in fields.items() if not field.description] == []
