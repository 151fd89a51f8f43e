"""Inference models that were resealed with nonsense are refused by a message, before memory is taken for them."""

import json
import logging
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import palm
from palm.cli.main import main
from palm.errors import CheckpointError, PalmError
from palm.inference.bundle import load_bundle, load_run
from palm.pretrained.convert_from import read_encoder
from palm.reader.prompt import PromptReader
from tests.attacks import altered, reseal, seal_manifest
from tests.integration import tiny
from tests.palm_command import palm_here


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `<task>/infer_model` of three tasks, and `data.tsv` for all of them."""
    folder = tmp_path_factory.mktemp("models")
    tasks = {"c": tiny.classification_task(folder, "c"), "s": tiny.slot_task(folder, "s")}
    tasks["p"] = tiny.match_task(folder, "p")
    palm.Controller(tiny.config(folder, tasks, max_steps=3), overrides=[]).train()
    tiny.write_tsv(folder / "data.tsv", ["text_a", "text_b"], [["the red fish", "the bird flies"], ["a cat", "in"]])
    return folder


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Path:
    """A copy of the tagger, to be changed."""
    return Path(shutil.copytree(models / "out/s/infer_model", tmp_path / "model"))


def change(folder: Path, path: str, value: object) -> None:
    """Put `value` at `path` (`backbone.config.hidden_size`) of config.json, and seal the folder again."""
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    *outer, last = path.split(".")
    inner: Any = content
    for key in outer:
        inner = inner[key]
    inner[last] = value
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    reseal(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("backbone.config.num_attention_heads", 5, r"num_attention_heads must divide hidden_size\. Found 32 and 5"),
        ("backbone.config.num_attention_heads", 0, r"num_attention_heads is a whole number, at least 1\. Found `0`"),
        (
            "backbone.config.num_hidden_layers",
            1000,
            r"model\.safetensors: the weights must have the shapes .*layers\.10\.",
        ),
        ("backbone.config.vocab_size", 2**31 - 1, r"word_embeddings\.weight`: \[46, 32\] here and \[2147483647, 32\]"),
        ("backbone.config.hidden_size", 64, r"the weights must have the shapes that config\.json implies"),
        ("backbone.config", None, r"`backbone\.config`: .*dictionary\. Found nothing"),
        ("backbone.config.hidden_act", "gelu2", r"hidden_act is one of .*Found `gelu2`"),
        ("backbone.name", "brt", r"unknown backbone `brt`\. Did you mean `bert`\?"),
        ("settings.layer", 99, r"layer is an index into 2 encoder layers\. Found 99"),
        ("settings.layer", "last", r"settings\.layer: layer is a whole number\. Found `last`"),
        ("settings.batch_size", 0, r"settings\.batch_size: batch_size is a whole number, at least 1\. Found `0`"),
        ("paradigm.config.layers", ["0", "99"], r"layers are indices into 2 encoder layers\. Found 99"),
        ("paradigm.config", {"head": "mlp", "head_hidden_size": 2**30}, r"the head is no larger .*Found 1073741824"),
        ("paradigm.config.head", "mlp", r"the weights do not fit the configured model"),
        ("paradigm.config.sharing_size", 2**30, r"the head is no larger than its weights.*Found 1073741824"),
        ("paradigm.name", "cls", r"needs|does not fit|do not fit"),
        ("reader.config", None, r"`reader\.config`: .*dictionary\. Found nothing"),
        ("reader.config.max_seq_len", 65, r"max_seq_len is at most the backbone's max_position_embeddings"),
        ("reader.name", ["seq_label"], r"`reader\.name`: .*string\. Found `\['seq_label'\]`"),
        ("task", [1], r"`task`: .*string\. Found `\[1\]`"),
        ("labels", ["B-colour", "B-colour"], r"`labels`: a label name stands for one class, found `B-colour` twice"),
        ("labels", ["O", 1], r"`labels\.1`: .*string\. Found `1`"),
        ("labels", ["O", "\ud800"], r"config\.json: a JSON object is expected\. Found: .*surrogates"),
        ("labels", ["O"], r"the weights do not fit|number of labels"),
        (
            "format_version",
            99,
            r"config\.json: format version `99`; this PALM \S+ reads versions 1 to \d+\. Use a newer",
        ),
        ("format_version", "3", r"`format_version`: .*integer\. Found `3`"),
    ],
)
def test_nonsense_is_refused_by_name(model: Path, path: str, value: object, message: str) -> None:
    change(model, path, value)
    with pytest.raises(PalmError, match=message):
        palm.Predictor(model)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("backbone.config.num_attention_heads", 5, r"num_attention_heads must divide hidden_size\. Found 32 and 5"),
        ("settings.layer", 99, r"layer is an index into 2 encoder layers\. Found 99"),
        ("backbone.config.vocab_size", 47, r"word_embeddings\.weight`: \[46, 32\] here and \[47, 32\] there"),
        ("labels", ["O"], r"a head on an encoder 32 wide .* with 1 classes\. Found \[32, 2\] and \[2\]"),
        ("labels", ["O", "O"], r"`labels`: a label name stands for one class"),
    ],
)
def test_nonsense_is_not_converted(model: Path, path: str, value: object, message: str) -> None:
    change(model, path, value)
    with pytest.raises(CheckpointError, match=message):
        read_encoder(model)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 50_000, "[]", "null", "", "{", "7", '{"x": ' + "9" * 5000]
)
def test_a_configuration_that_is_none(model: Path, content: str) -> None:
    (model / "config.json").write_text(content, encoding="utf-8")
    reseal(model)
    with pytest.raises(CheckpointError, match=r"config\.json: a JSON object is expected"):
        palm.Predictor(model)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800", "", ".."])
def test_a_manifest_that_lists_what_cannot_be_there(model: Path, name: str) -> None:
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    seal_manifest(model, manifest)
    with pytest.raises(CheckpointError, match=r"listed in manifest\.json but missing") as caught:
        palm.Predictor(model)
    assert len(str(caught.value)) < 1500


def test_a_manifest_altered_anywhere(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    refused = 0
    for _, changed in altered({key: value for key, value in manifest.items() if key != "seal"}):
        if isinstance(changed, dict):
            seal_manifest(model, changed)
        else:
            (model / "manifest.json").write_text(json.dumps(changed), encoding="utf-8")
        try:
            palm.Predictor(model)
        except CheckpointError:
            refused += 1
    assert refused > 50


# Keys that change what is predicted and not whether it can be: a configuration may set them to these values as well.
_FREE = (
    "batch_size", "pred_batch_size", "settings.layer = 0", "reader.config.max_seq_len", "layer_norm_eps",
    "num_attention_heads = 1", 'num_attention_heads = "1"', ".labels.", ".splits_text",
)  # fmt: skip


@pytest.mark.parametrize(("task", "first"), [("c", 0), ("p", 4), ("s", 8)])
def test_a_configuration_altered_anywhere(
    models: Path, tmp_path: Path, task: str, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by an error of PALM's, or it predicts what it did: never a traceback, never a silent change.

    Most keys are those of all three tasks, of which each tries other changes.
    """
    caplog.set_level(logging.ERROR)
    source, data = models / f"out/{task}/infer_model", models / "data.tsv"
    folder = Path(shutil.copytree(source, tmp_path / "model"))
    expected, content = _predicted(source, data), json.loads((source / "config.json").read_text(encoding="utf-8"))
    refused: list[str] = []
    for name, changed in islice(altered(content), first, None, 12):
        (folder / "config.json").write_text(json.dumps(changed), encoding="utf-8")
        reseal(folder)
        try:
            predicted = _predicted(folder, data)
        except PalmError as error:
            refused.append(str(error))
            continue
        assert predicted == expected or any(key in name for key in _FREE), name
    assert len(refused) > 80
    assert max(map(len, refused)) < 20_000


def _predicted(folder: Path, data: Path) -> str:
    return json.dumps(palm.Predictor(folder).predict(data))


@pytest.mark.parametrize("altering", ["nan", "int", "float64", "complex", "axes", "gone", "more"])
def test_weights_that_are_no_weights(model: Path, altering: str) -> None:
    weights = load_file(str(model / "model.safetensors"))
    name = "backbone.embeddings.word_embeddings.weight"
    changes: dict[str, dict[str, np.ndarray]] = {
        "nan": {name: np.where(np.arange(32) == 7, np.float32("nan"), weights[name])},
        "int": {name: weights[name].astype("int64")},
        "float64": {"head.linear.bias": weights["head.linear.bias"].astype("float64")},
        "complex": {name: weights[name].astype("complex64")},
        "axes": {name: weights[name][None]},
        "gone": {},
        "more": {"backbone.encoder.layers.2.ffn.output.bias": np.ones(32, "float32")},
    }
    if altering == "gone":
        del weights["backbone.pooler.dense.bias"]
    save_file({**weights, **changes[altering]}, str(model / "model.safetensors"))
    reseal(model)
    with pytest.raises(CheckpointError, match="model"):
        palm.Predictor(model)


def test_a_nan_is_named_with_its_file(model: Path) -> None:
    weights = load_file(str(model / "model.safetensors"))
    weights["head.linear.weight"][3, 1] = np.inf
    save_file(weights, str(model / "model.safetensors"))
    reseal(model)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: weights are finite.*`heads\.head\.linear\.weight`"):
        palm.Predictor(model)


def test_a_key_of_another_version_is_named_and_ignored(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    change(model, "paradigm.config.of_the_future", 1)
    palm.Predictor(model)
    assert "config.json: `paradigm` has no key `of_the_future`; it is ignored." in caplog.text


@pytest.mark.parametrize(("key", "value"), [("layer", 0), ("layers", ["0", "1"])])
def test_the_layer_of_training_stays(models: Path, key: str, value: object) -> None:
    tasks = {"s": {**tiny.slot_task(models, "s"), key: value}}
    with pytest.raises(CheckpointError, match=rf"`{key}` must have its value from training"):
        palm.Controller(tiny.config(models, tasks), for_train=False, overrides=[]).pred("s")


def test_the_layer_of_training_counts_where_a_configuration_says_nothing(tmp_path: Path) -> None:
    task = tiny.slot_task(tmp_path, "s")
    palm.Controller(tiny.config(tmp_path, {"s": {**task, "layer": 0}}, max_steps=2), overrides=[]).train()
    alone = palm.Predictor(tmp_path / "out/s/infer_model").predict(task["pred_file"])
    configured = palm.Controller(tiny.config(tmp_path, {"s": task}), for_train=False, overrides=[]).pred("s")
    assert configured == alone


def test_the_command_line_says_it_without_a_traceback(model: Path, models: Path) -> None:
    change(model, "backbone.config.num_attention_heads", 5)
    words = ["pred", "--model", str(model), "--file", str(models / "data.tsv")]
    done = palm_here(*words)
    assert done.returncode == 2
    assert "num_attention_heads must divide hidden_size. Found 32 and 5." in done.stderr
    assert "Traceback" not in done.stderr
    change(model, "labels", ["\ud800", "O"])
    assert main(words) == 2


def test_the_words_of_labels_come_back(tmp_path: Path) -> None:
    """A model of a prompt needs neither its prompt file nor its file of labels."""
    files = {"label_file": str(tmp_path / "label.txt"), "prompt_path": str(tmp_path / "prompt.json")}
    task = {**tiny.classification_task(tmp_path, "c"), "reader": "prompt", **files}
    lines = (tmp_path / str(task["train_file"])).read_text(encoding="utf-8").splitlines()[1:]
    names = sorted({line.partition("\t")[0] for line in lines})
    (tmp_path / "label.txt").write_text("".join(f"{name}==红{name}\n" for name in names), encoding="utf-8")
    (tmp_path / "prompt.json").write_text(json.dumps({"template": [{"text": "the fish {'mask'}"}]}), encoding="utf-8")
    palm.Controller(tiny.config(tmp_path, {"c": task}, max_steps=2), overrides=[]).train()
    for name in ("label.txt", "prompt.json"):
        (tmp_path / name).unlink()
    of_task = load_bundle(tmp_path / "out/c/infer_model").task
    (of_run,) = load_run(tmp_path / "out/infer_model").tasks
    for reader in (of_task.reader, of_run.reader):
        assert isinstance(reader, PromptReader)
        assert reader.labels is not None
        assert list(reader.labels.names) == names
        assert reader.labels.words == tuple((f"红{name}",) for name in names)
        assert reader.config.prompt == "the fish {'mask'}"
