"""ModernBERT and DeBERTa compute what transformers computes: every layer, heads, gradients, a step of training."""

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

from safetensors.numpy import load_file  # noqa: E402 (needs the two above)

import palm  # noqa: E402
from palm.backbone.base import BACKBONES  # noqa: E402
from palm.backbone.find import backbone_of  # noqa: E402
from palm.cli.main import main  # noqa: E402
from palm.engine.optim import AdamW  # noqa: E402
from palm.engine.optim.optimizer import Optimizer  # noqa: E402
from palm.inference.bundle import load_bundle  # noqa: E402
from palm.paradigm import MaskedLM  # noqa: E402
from palm.pretrained.load import apply_pretrained, load_pretrained  # noqa: E402
from palm.pretrained.name_maps import rename  # noqa: E402
from palm.reader.loading import load_dataset  # noqa: E402
from palm.schema.saved_model import read_json_object  # noqa: E402
from tests.integration import tiny  # noqa: E402
from tests.parity.small_models import MODELS, make  # noqa: E402

LIMIT = 1e-5
# Beyond one window of ModernBERT, beyond the length from which on it computes in blocks, and beyond DeBERTa's buckets.
LENGTHS = {7: [7, 5], 14: [14, 9], 35: [35, 20, 3]}
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01

every_kind = pytest.mark.parametrize("kind", MODELS)


class PalmModel(paddle.nn.Layer):
    """PALM's encoder and masked-word head with the weights of a folder, dropout off."""

    def __init__(self, folder: Path, **keys: object) -> None:
        super().__init__()
        written = read_json_object(folder / "config.json")
        off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **keys}
        described = BACKBONES[backbone_of(written)].from_config({**written, **off})
        self.inputs = tuple(described.inputs_attr())
        self.depth = described.config.num_hidden_layers
        self.paradigm = MaskedLM(MaskedLM.Config())
        self.backbone, self.head = described.build_layers(), self.paradigm.build_layers(described.config)
        weights = load_pretrained(folder)
        self.report = apply_pretrained(self.backbone, weights)
        if any(name.startswith("mlm.") for name in weights.tensors):
            assert apply_pretrained(self.head, weights, "mlm.").missing == ()

    def encode(self, batch: dict[str, np.ndarray], layer: int = -1) -> dict[str, np.ndarray]:
        with paddle.no_grad():
            return {name: tensor.numpy() for name, tensor in self(batch, layer).items()}

    def forward(self, batch: dict[str, np.ndarray], layer: int = -1) -> dict[str, paddle.Tensor]:
        tensors = {name: paddle.to_tensor(array) for name, array in batch.items()}
        return tensors | self.backbone({name: tensors[name] for name in self.inputs}, layer=layer)

    def mlm(self, batch: dict[str, np.ndarray]) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Logits of the masked words, and the loss."""
        inputs = self(batch)
        outputs = self.paradigm.forward(self.head, inputs, "train")
        return outputs["logits"], self.paradigm.loss(outputs, inputs)


def batch_of(lengths: list[int], seed: int = 2) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    width = max(lengths)
    real = np.arange(width) < np.array(lengths)[:, None]
    masked = np.flatnonzero(real)[::3]
    return {
        "token_ids": generator.integers(5, 50, real.shape) * real,
        "position_ids": np.tile(np.arange(width), (len(lengths), 1)),
        "segment_ids": ((np.arange(width) > 3) * real).astype("int64"),
        "input_mask": real.astype("float32"),
        "mask_pos": masked,
        "mask_label": generator.integers(5, 50, len(masked)),
    }


def torch_inputs(batch: dict[str, np.ndarray], model: Any) -> dict[str, Any]:
    names = {"input_ids": "token_ids", "attention_mask": "input_mask"}
    if "type_vocab_size" in model.config.to_dict() and model.config.type_vocab_size:
        names["token_type_ids"] = "segment_ids"
    return {theirs: torch.tensor(batch[ours]).long() for theirs, ours in names.items()}


def torch_loss(model: Any, batch: dict[str, np.ndarray]) -> tuple[Any, Any]:
    logits = model(**torch_inputs(batch, model)).logits.flatten(0, 1)[torch.tensor(batch["mask_pos"])]
    return logits, torch.nn.functional.cross_entropy(logits, torch.tensor(batch["mask_label"]))


def assert_close(ours: np.ndarray, theirs: np.ndarray, name: str = "", limit: float = LIMIT) -> None:
    assert ours.shape == theirs.shape, name
    assert np.abs(ours - theirs).max() <= limit * max(np.abs(theirs).max(), 1e-3), name


@every_kind
@pytest.mark.parametrize("kernels", ["fused", "plain"])
@pytest.mark.parametrize("width", LENGTHS)
def test_every_layer_computes_the_same(kind: str, kernels: str, width: int, tmp_path: Path) -> None:
    theirs, batch = make(kind, tmp_path), batch_of(LENGTHS[width])
    ours, real = PalmModel(tmp_path, kernels=kernels), batch["input_mask"] > 0
    ours.eval()
    with torch.no_grad():
        base = getattr(theirs, theirs.base_model_prefix)
        found = base(**torch_inputs(batch, theirs), output_hidden_states=True)
        logits, _ = torch_loss(theirs, batch)
    states = [state.numpy() for state in found.hidden_states[1:]]
    states[-1] = found.last_hidden_state.numpy()
    for layer, state in enumerate(states):
        assert_close(ours.encode(batch, layer)["encoder_outputs"][real], state[real], f"layer {layer}")
    assert_close(ours.mlm(batch)[0].numpy(), logits.numpy(), "logits")


@every_kind
def test_the_vector_of_a_text_is_what_transformers_classifies(kind: str, tmp_path: Path) -> None:
    theirs, batch = make(kind, tmp_path, "ForSequenceClassification", num_labels=3), batch_of(LENGTHS[14])
    ours = PalmModel(tmp_path)
    ours.eval()
    with torch.no_grad():
        logits = theirs(**torch_inputs(batch, theirs)).logits.numpy()
    weights = load_file(tmp_path / "model.safetensors")
    vector = ours.encode(batch)["sentence_embedding"]

    assert ours.report.missing == ()
    assert_close(vector @ weights["classifier.weight"].T + weights["classifier.bias"], logits)


@every_kind
@pytest.mark.parametrize("kernels", ["fused", "plain"])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_step_of_training_is_the_same(kind: str, kernels: str, recompute: bool, tmp_path: Path) -> None:
    theirs, batch = make(kind, tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0), batch_of([35, 20])
    ours = PalmModel(tmp_path, kernels=kernels, recompute=recompute)
    ours.train()
    optimizer = Optimizer(ours, AdamW, AdamW.Config(weight_decay=WEIGHT_DECAY, max_grad_norm=1.0))
    _, loss = ours.mlm(batch)
    loss.backward()
    _, other = torch_loss(theirs, batch)
    other.backward()
    assert float(loss) == pytest.approx(other.item(), rel=LIMIT)
    own = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters() if p.grad is not None}
    compare(own, gradients, limit=5 * LIMIT)

    plain = [name.endswith("bias") or "norm" in name.lower() for name, _ in theirs.named_parameters()]
    groups = [
        {
            "params": [p for p, skip in zip(theirs.parameters(), plain, strict=True) if skip is kind],
            "weight_decay": decay,
        }
        for kind, decay in ((True, 0.0), (False, WEIGHT_DECAY))
    ]
    stepper = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
    optimizer.step(LEARNING_RATE)
    stepper.step()
    assert float(ours.mlm(batch)[1]) == pytest.approx(torch_loss(theirs, batch)[1].item(), rel=LIMIT)


def compare(ours: dict[str, Any], theirs: dict[str, np.ndarray], *, limit: float) -> None:
    """Compare arrays by parameter; the mask of words reaches all but the pooler."""
    renamed = rename(theirs)
    wanted = {name: array for name, array in renamed.tensors.items() if not name.startswith("pooler.")}
    found = {
        f"mlm.{name.removeprefix('head.')}" if name.startswith("head.") else name.removeprefix("backbone."): tensor
        for name, tensor in ours.items()
    }
    assert renamed.unknown == ()
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert_close(found[name].numpy(), array, name, limit)


@every_kind
@pytest.mark.parametrize("ending", ["Model", "ForMaskedLM", "ForSequenceClassification"])
def test_a_converted_model_comes_back_bit_for_bit(kind: str, ending: str, tmp_path: Path) -> None:
    model, batch = make(kind, tmp_path / "hf", ending), batch_of(LENGTHS[14])
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "palm")]) == 0
    assert main(["convert", str(tmp_path / "palm"), str(tmp_path / "again")]) == 0

    one, other = (load_file(tmp_path / folder / "model.safetensors") for folder in ("hf", "again"))
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.shape, array.tobytes()) == (
            other[name].dtype,
            other[name].shape,
            other[name].tobytes(),
        )
    again = type(model).from_pretrained(tmp_path / "again", attn_implementation="eager").eval()
    direct, through = PalmModel(tmp_path / "hf"), PalmModel(tmp_path / "palm")
    for each in (direct, through):
        each.eval()
    np.testing.assert_array_equal(direct.encode(batch)["encoder_outputs"], through.encode(batch)["encoder_outputs"])
    if ending == "ForMaskedLM":
        np.testing.assert_array_equal(direct.mlm(batch)[0].numpy(), through.mlm(batch)[0].numpy())
    with torch.no_grad():
        for one_output, other_output in zip(
            *(m(**torch_inputs(batch, m)).values() for m in (model, again)), strict=True
        ):
            assert torch.equal(one_output, other_output)


TRAINED = {
    "modernbert": {"backbone": "modernbert", "local_attention": 8, "hidden_dropout_prob": 0.1},
    "deberta": {
        "backbone": "deberta", "relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": "p2c|c2p", "position_biased_input": False, "type_vocab_size": 0,
    },
    "deberta of version 2": {
        "backbone": "deberta", "relative_attention": True, "pos_att_type": "c2p", "type_vocab_size": 2,
        "embedding_size": 24, "conv_kernel_size": 3,
    },
}  # fmt: skip
TASKS = {
    "water": (tiny.classification_task, "ForSequenceClassification"),
    "slots": (tiny.slot_task, "ForTokenClassification"),
    "questions": (tiny.mrc_task, "ForQuestionAnswering"),
    "words": (tiny.mlm_task, "ForMaskedLM"),
}


@pytest.mark.parametrize("encoder", TRAINED)
@pytest.mark.parametrize("task", TASKS)
def test_what_palm_trained_answers_the_same_in_transformers(task: str, encoder: str, tmp_path: Path, capsys) -> None:
    make_task, ending = TASKS[task]
    keys = make_task(tmp_path, task)
    palm.Controller(tiny.config(tmp_path, {task: keys}, max_steps=3, **TRAINED[encoder]), overrides=[]).train()
    model = tmp_path / "out" / task / "infer_model"
    assert main(["convert", str(model), str(tmp_path / "hf")]) == 0
    said = capsys.readouterr().out
    (name,) = read_json_object(tmp_path / "hf" / "config.json")["architectures"]
    theirs, info = getattr(transformers, name).from_pretrained(
        tmp_path / "hf", attn_implementation="eager", output_loading_info=True
    )
    theirs.eval()
    assert not info["missing_keys"]
    # ModernBERT's taggers and readers project every token first: their linear layer is another one.
    keeps = not (encoder == "modernbert" and task in ("slots", "questions"))
    assert name.endswith(ending if keeps else "Model")
    assert keeps or "skipped" in said

    bundle = load_bundle(model)
    dataset = load_dataset(bundle.task.reader, Path(keys["train_file"]), "train" if task == "words" else "predict")
    batch = bundle.task.reader.collate(dataset, np.arange(4), np.random.default_rng(1))
    bundle.model.eval()
    with paddle.no_grad():
        outputs, encoded = bundle.model.forward(bundle.task, batch, "eval" if task == "words" else "predict")
    with torch.no_grad():
        wanted = theirs(**torch_inputs(batch, theirs))
    real = batch["input_mask"] > 0
    if not keeps:
        assert_close(encoded["encoder_outputs"].numpy()[real], wanted.last_hidden_state.numpy()[real])
    elif task == "words":
        logits = wanted.logits.numpy().reshape(-1, wanted.logits.shape[-1])[batch["mask_pos"]]
        assert_close(outputs["logits"].numpy(), logits)
    elif task == "questions":
        assert_close(outputs["start_logits"].numpy()[real], wanted.start_logits.numpy()[real])
        assert_close(outputs["end_logits"].numpy()[real], wanted.end_logits.numpy()[real])
    else:
        rows = real if task == "slots" else np.ones(4, bool)
        assert_close(outputs["logits"].numpy()[rows], wanted.logits.numpy()[rows])
