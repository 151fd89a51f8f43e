"""`palm convert`: what comes out computes what transformers computes, and the way there and back loses no bit."""

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file

torch = pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

import palm  # noqa: E402 (needs the two above)
from palm.backbone.base import BACKBONES  # noqa: E402
from palm.cli.main import main  # noqa: E402
from palm.errors import CheckpointError  # noqa: E402
from palm.inference.bundle import load_bundle  # noqa: E402
from palm.pretrained.load import apply_pretrained, load_pretrained  # noqa: E402
from palm.reader.loading import load_dataset  # noqa: E402
from tests.integration import tiny  # noqa: E402
from tests.parity.small_encoders import MODELS, has_segments, new_model, padding_id  # noqa: E402

LIMIT = 1e-5


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")


def batch(*, segments):
    """Token ids, segments and mask of two rows, the second padded; no id is a padding id of any model."""
    generator = np.random.default_rng(2)
    ids = generator.integers(5, 50, (2, 11))
    mask = np.ones((2, 11), "int64")
    mask[1, 7:] = 0
    kinds = np.zeros_like(ids)
    if segments:
        kinds[:, 5:] = 1
    return ids, kinds, mask


def of_transformers(model, ids, kinds, mask, *, pad=0):
    base = getattr(model, model.base_model_prefix, model)
    words = np.where(mask, ids, pad)
    inputs = {"input_ids": words, "attention_mask": mask}
    inputs |= {"token_type_ids": kinds} if has_segments_of(model) else {}
    with torch.no_grad():
        return base(**{name: torch.tensor(array) for name, array in inputs.items()}).last_hidden_state.numpy()


def has_segments_of(model):
    return type(model).__name__.startswith(("Bert", "Ernie", "Electra", "Albert"))


def of_palm(folder, ids, kinds, mask):
    name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["palm_backbone"]
    layers = BACKBONES[name].from_config(folder).build_layers()
    report = apply_pretrained(layers, load_pretrained(folder))
    assert {part.split(".")[0] for part in report.missing} <= {"pooler"}
    layers.eval()
    arrays = {"token_ids": ids, "segment_ids": kinds, "position_ids": np.tile(np.arange(ids.shape[1]), (2, 1))}
    arrays |= {"task_ids": np.zeros_like(ids), "input_mask": mask.astype("float32")}
    with paddle.no_grad():
        return layers({key: paddle.to_tensor(array) for key, array in arrays.items()})["encoder_outputs"].numpy()


def assert_same_files(one, other):
    tensors, back = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert tensors.keys() == back.keys()
    for name, array in tensors.items():
        assert (array.dtype, array.shape) == (back[name].dtype, back[name].shape), name
        assert array.tobytes() == back[name].tobytes(), name
    assert (one / "config.json").read_bytes() == (other / "config.json").read_bytes()


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_of_transformers_computes_the_same_in_palm_and_comes_back_bit_for_bit(kind, tmp_path):
    model = new_model(kind, tmp_path / "hf")
    late = padding_id(kind)
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "palm")]) == 0

    inputs = batch(segments=has_segments(kind))
    real = inputs[2].astype(bool)
    expected = of_transformers(model, *inputs, pad=late)
    np.testing.assert_allclose(of_palm(tmp_path / "palm", *inputs)[real], expected[real], atol=LIMIT)

    assert main(["convert", str(tmp_path / "palm"), str(tmp_path / "again")]) == 0
    assert_same_files(tmp_path / "hf", tmp_path / "again")
    again = type(model).from_pretrained(tmp_path / "again").eval()
    np.testing.assert_array_equal(of_transformers(again, *inputs, pad=late), expected)


def test_half_precision_comes_back_as_it_was(tmp_path):
    model = new_model("bert", tmp_path / "full")
    model.half().save_pretrained(tmp_path / "hf")
    main(["convert", str(tmp_path / "hf"), str(tmp_path / "palm")])
    main(["convert", str(tmp_path / "palm"), str(tmp_path / "again")])
    assert_same_files(tmp_path / "hf", tmp_path / "again")


@pytest.mark.slow
def test_minilm_there_and_back(minilm: Path, tmp_path):
    assert main(["convert", str(minilm), str(tmp_path / "palm")]) == 0
    assert main(["convert", str(tmp_path / "palm"), str(tmp_path / "again")]) == 0
    assert_same_files(minilm, tmp_path / "again")
    assert (tmp_path / "again" / "vocab.txt").read_bytes() == (minilm / "vocab.txt").read_bytes()
    ids, kinds, mask = batch(segments=True)
    expected = of_transformers(transformers.AutoModel.from_pretrained(minilm).eval(), ids, kinds, mask)
    real = mask.astype(bool)
    np.testing.assert_allclose(of_palm(tmp_path / "palm", ids, kinds, mask)[real], expected[real], atol=LIMIT)


def test_paddle_1_x_weights_load_in_transformers(shared: Path, tmp_path):
    source = shared / "models" / "paddle1x-bert-tiny"
    assert main(["convert", str(source), str(tmp_path / "palm")]) == 0
    assert main(["convert", str(source), str(tmp_path / "hf"), "--to", "hf"]) == 0
    inputs = batch(segments=True)
    model = transformers.AutoModel.from_pretrained(tmp_path / "hf").eval()
    assert model.config.layer_norm_eps == 1e-6
    real = inputs[2].astype(bool)
    expected = of_transformers(model, *inputs)
    np.testing.assert_allclose(of_palm(tmp_path / "palm", *inputs)[real], expected[real], atol=LIMIT)


@pytest.mark.parametrize("backbone", ["bert", "ernie"])
def test_pdparams_of_paddlenlp(backbone, tmp_path):
    """A model under PaddleNLP's names: the weights of one of transformers, so that there is something to expect."""
    model = new_model(backbone, tmp_path / "hf")
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    theirs = {_paddlenlp_name(name): array.T if _is_dense(name) else array for name, array in weights.items()}
    (tmp_path / "nlp").mkdir()
    paddle.save(
        {name: paddle.to_tensor(array) for name, array in theirs.items()},
        str(tmp_path / "nlp" / "model_state.pdparams"),
    )
    config = {**json.loads((tmp_path / "hf" / "config.json").read_text()), "layer_norm_eps": 1e-12}
    (tmp_path / "nlp" / "config.json").write_text(json.dumps(config), encoding="utf-8")

    assert main(["convert", str(tmp_path / "nlp"), str(tmp_path / "out"), "--to", "hf"]) == 0
    out = transformers.AutoModel.from_pretrained(tmp_path / "out").eval()
    inputs = batch(segments=True)
    np.testing.assert_allclose(of_transformers(out, *inputs), of_transformers(model, *inputs), atol=LIMIT)


def _is_dense(name):
    return name.endswith("weight") and "embeddings" not in name and "LayerNorm" not in name


def _paddlenlp_name(name):
    for theirs, ours in (
        ("embeddings.LayerNorm", "embeddings.layer_norm"), ("encoder.layer.", "encoder.layers."),
        ("attention.self.query", "self_attn.q_proj"), ("attention.self.key", "self_attn.k_proj"),
        ("attention.self.value", "self_attn.v_proj"), ("attention.output.dense", "self_attn.out_proj"),
        ("attention.output.LayerNorm", "norm1"), ("intermediate.dense", "linear1"), ("output.dense", "linear2"),
        ("output.LayerNorm", "norm2"),
    ):  # fmt: skip
        name = name.replace(theirs, ours)
    return name


TASKS = {
    "water": (tiny.classification_task, "BertForSequenceClassification"),
    "slots": (tiny.slot_task, "BertForTokenClassification"),
    "questions": (tiny.mrc_task, "BertForQuestionAnswering"),
    "words": (tiny.mlm_task, "BertForMaskedLM"),
}


CLASSES = {
    "bert": "Bert", "ernie": "Ernie", "roberta": "Roberta", "electra": "Electra", "distilbert": "DistilBert",
    "albert": "Albert",
}  # fmt: skip
KEYS = {"albert": {"embedding_size": 16, "hidden_act": "gelu_new"}, "electra": {"embedding_size": 16}}


@pytest.mark.parametrize("backbone", CLASSES)
@pytest.mark.parametrize("task", TASKS)
def test_what_palm_trained_answers_the_same_in_transformers(task, backbone, tmp_path):
    make, name = TASKS[task]
    name = name.replace("Bert", CLASSES[backbone], 1)
    keys = make(tmp_path, task)
    more = {"backbone": backbone, **KEYS.get(backbone, {})}
    palm.Controller(tiny.config(tmp_path, {task: keys}, num_epochs=1, **more), overrides=[]).train()
    model = tmp_path / "out" / task / "infer_model"
    assert main(["convert", str(model), str(tmp_path / "hf")]) == 0
    theirs = getattr(transformers, name).from_pretrained(tmp_path / "hf").eval()
    config = json.loads((tmp_path / "hf" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == [name]

    bundle = load_bundle(model)
    file = Path(keys["train_file"])
    dataset = load_dataset(bundle.task.reader, file, "train" if task == "words" else "predict")
    ours = bundle.task.reader.collate(dataset, np.arange(4), np.random.default_rng(1))
    bundle.model.eval()
    with paddle.no_grad():
        outputs, _ = bundle.model.forward(bundle.task, ours, "eval" if task == "words" else "predict")
    with torch.no_grad():
        wanted = theirs(
            input_ids=torch.tensor(ours["token_ids"]),
            attention_mask=torch.tensor(ours["input_mask"].astype("int64")),
            **({"token_type_ids": torch.tensor(ours["segment_ids"])} if has_segments_of(theirs) else {}),
        )
    real = ours["input_mask"] > 0
    if task == "questions":
        np.testing.assert_allclose(outputs["start_logits"].numpy()[real], wanted.start_logits.numpy()[real], atol=LIMIT)
        np.testing.assert_allclose(outputs["end_logits"].numpy()[real], wanted.end_logits.numpy()[real], atol=LIMIT)
    elif task == "words":
        logits = wanted.logits.numpy().reshape(-1, wanted.logits.shape[-1])[ours["mask_pos"]]
        np.testing.assert_allclose(outputs["logits"].numpy(), logits, atol=5 * LIMIT)
    else:
        rows = real if task == "slots" else np.ones(4, bool)
        np.testing.assert_allclose(outputs["logits"].numpy()[rows], wanted.logits.numpy()[rows], atol=LIMIT)
    if task == "water":
        assert theirs.config.id2label == {0: "air", 1: "water"}


def test_a_palm_folder_is_pretrained_weights_for_a_run(tmp_path):
    keys = tiny.classification_task(tmp_path, "water")
    config = tiny.config(tmp_path, {"water": keys}, num_epochs=1)
    palm.Controller(config, overrides=[]).train()
    main(["convert", str(tmp_path / "out" / "water" / "infer_model"), str(tmp_path / "palm"), "--to", "palm"])
    backbone_config = {key: config.pop(key) for key in tiny.BACKBONE}
    config["pretrain_model_path"] = str(tmp_path / "palm")

    again = palm.Controller({**config, "save_path": str(tmp_path / "second")}, overrides=[])
    assert again.config.backbone.hidden_size == backbone_config["hidden_size"]
    again.train()


def test_models_that_compute_something_else_are_refused(tmp_path, capsys):
    new_model("bert", tmp_path / "bert")
    text = (tmp_path / "bert" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "bert" / "config.json").write_text(text.replace('"bert"', '"nomic_bert"'), encoding="utf-8")
    assert main(["convert", str(tmp_path / "bert"), str(tmp_path / "out")]) == 2
    assert "Found model_type `nomic_bert`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sizes_that_are_not_those_of_the_weights_are_refused(tmp_path, capsys):
    new_model("bert", tmp_path / "hf")
    text = (tmp_path / "hf" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "hf" / "config.json").write_text(
        text.replace('"num_hidden_layers": 2', '"num_hidden_layers": 1'), encoding="utf-8"
    )
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "out")]) == 2
    assert "config.json sets 1 layer, the weights differ in number or architecture" in capsys.readouterr().err


def test_a_damaged_inference_model_is_refused(tmp_path, repository):
    from palm.pretrained.convert_from import read_encoder

    shutil.copytree(repository / "tests" / "formats" / "v2" / "infer_model", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(CheckpointError):
        read_encoder(tmp_path / "model")


def test_something_of_the_users_is_not_overwritten(tmp_path, capsys):
    new_model("bert", tmp_path / "hf")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert str(tmp_path / "mine") in capsys.readouterr().err
