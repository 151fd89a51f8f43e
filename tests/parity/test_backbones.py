"""Every architecture computes what transformers computes: outputs, gradients and one step, with either kernels."""

import json
from pathlib import Path

import numpy as np
import paddle
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

from palm.backbone.base import BACKBONES  # noqa: E402 (needs the two above)
from palm.backbone.find import backbone_of  # noqa: E402
from palm.pretrained.load import apply_pretrained, load_pretrained  # noqa: E402
from palm.pretrained.name_maps import rename  # noqa: E402
from tests.parity.small_models import MODELS, has_segments, new_model, padding_id  # noqa: E402

LIMIT = 1e-5
ENCODERS = [kind for kind, (name, _) in MODELS.items() if name.endswith("Model")]
every_encoder = pytest.mark.parametrize("kind", ENCODERS)
every_kernel = pytest.mark.parametrize("kernels", ["fused", "plain"])


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")


def batch(kind):
    """Token ids, segments and mask of two rows, the second padded; no id is a padding id of any model."""
    generator = np.random.default_rng(2)
    mask = np.ones((2, 37), "int64")
    mask[1, 20:] = 0
    segments = np.zeros_like(mask)
    if has_segments(kind):
        segments[:, 5:] = 1
    return generator.integers(5, 50, mask.shape), segments, mask


def run_theirs(model, kind, arrays):
    ids, segments, mask = arrays
    inputs = {"input_ids": np.where(mask, ids, padding_id(kind)), "attention_mask": mask}
    inputs |= {"token_type_ids": segments} if has_segments(kind) else {}
    return model(**{name: torch.tensor(array) for name, array in inputs.items()})


def our_layers(folder, kernels="auto", **keys):
    """The layers of the folder's backbone with its weights, and the report of loading them."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = BACKBONES[backbone_of(config)]
    made = kind.from_config({**config, "kernels": kernels, **keys})
    layers = made.build_layers()
    layers.eval()
    return made, layers, apply_pretrained(layers, load_pretrained(folder, kind))


def run_ours(made, layers, arrays):
    ids, segments, mask = arrays
    inputs = {
        "token_ids": ids, "position_ids": np.tile(np.arange(ids.shape[1]), (len(ids), 1)), "segment_ids": segments,
        "task_ids": np.zeros_like(ids), "input_mask": mask.astype("float32"),
    }  # fmt: skip
    return layers({name: paddle.to_tensor(inputs[name]) for name in made.inputs_attr()})


@every_kernel
@every_encoder
def test_outputs(kind: str, kernels: str, tmp_path: Path):
    model, arrays = new_model(kind, tmp_path), batch(kind)
    made, layers, report = our_layers(tmp_path, kernels)
    with torch.no_grad():
        theirs = run_theirs(model, kind, arrays)
    ours = run_ours(made, layers, arrays)
    real = arrays[2].astype(bool)
    expected = theirs.last_hidden_state.numpy()
    np.testing.assert_allclose(ours["encoder_outputs"].numpy()[real], expected[real], atol=LIMIT)
    assert report.unexpected == ()
    pooled = getattr(theirs, "pooler_output", None)
    if pooled is None:
        assert report.missing == ("pooler.dense.weight", "pooler.dense.bias")
    else:
        assert report.missing == ()
        np.testing.assert_allclose(ours["sentence_embedding"].numpy(), pooled.numpy(), atol=LIMIT)


@every_kernel
@every_encoder
def test_gradients_of_a_step_and_the_weights_after_it(kind: str, kernels: str, tmp_path: Path):
    """Of a loss over all real tokens, by plain gradient descent: weights differ as much as gradients do."""
    model, arrays = new_model(kind, tmp_path), batch(kind)
    made, layers, _ = our_layers(tmp_path, kernels)
    target = np.random.default_rng(3).normal(size=(*arrays[2].shape, made.config.hidden_size)).astype("float32")
    target *= arrays[2][..., None]

    (run_theirs(model, kind, arrays).last_hidden_state * torch.tensor(target)).mean().backward()
    (run_ours(made, layers, arrays)["encoder_outputs"] * paddle.to_tensor(target)).mean().backward()

    gradients = {name: each.grad.numpy() for name, each in model.named_parameters() if each.grad is not None}
    expected = rename(gradients).tensors
    offset = made.first_position(model.config.to_dict())
    table = "embeddings.position_embeddings.weight"
    expected[table] = expected[table][offset:]
    found = {name: each.grad.numpy() for name, each in layers.named_parameters() if each.grad is not None}
    assert {name for name in found if np.abs(found[name]).max() > 0} <= expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=LIMIT, err_msg=name)
    step = paddle.optimizer.SGD(1.0, parameters=layers.parameters())
    before = {name: each.numpy().copy() for name, each in layers.named_parameters()}
    step.step()
    for name, each in layers.named_parameters():
        if name in expected:
            np.testing.assert_allclose(each.numpy(), before[name] - expected[name], atol=LIMIT, err_msg=name)


@pytest.mark.parametrize("kind", ["mpnet", "albert", "roberta"])
def test_recomputation_gives_the_same_gradients(kind: str, tmp_path: Path):
    new_model(kind, tmp_path)
    arrays, found = batch(kind), []
    for recompute in (False, True):
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        made, layers, _ = our_layers(tmp_path, recompute=recompute, **quiet)
        layers.train()
        run_ours(made, layers, arrays)["encoder_outputs"].square().mean().backward()
        found.append({name: each.grad.numpy() for name, each in layers.named_parameters() if each.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        np.testing.assert_allclose(found[1][name], gradient, atol=1e-6, err_msg=name)


def test_a_table_that_is_too_short_is_refused(tmp_path: Path):
    from palm.errors import CheckpointError
    from palm.pretrained.load import from_zero

    tensors = {"embeddings.position_embeddings.weight": np.zeros((2, 4))}
    with pytest.raises(CheckpointError, match="positions start behind the first 2 rows"):
        from_zero(tensors, BACKBONES["roberta"], {"pad_token_id": 1}, tmp_path)
    assert from_zero(tensors, BACKBONES["roberta"], {"cls_token_id": 101}, tmp_path)
