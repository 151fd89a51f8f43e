"""Runs with a tokenizer.json: five kinds of tasks train, resume, export and predict alone, in English and Chinese."""

import hashlib
import json
import re
import shutil

import pytest
import yaml

import palm
from palm.data.tokenizer import Tokenizer
from palm.errors import CheckpointError, ConfigError
from tests.attacks import reseal
from tests.integration import tiny
from tests.palm_command import palm_here

TEXT = "北京大学在北京。\u00a0The cafe\u0301 is in New  York 😀, </s> near the river."


def configuration(folder, tokenizer, **keys):
    tasks = {
        "意图": tiny.classification_task(folder, "c"),
        "阅读": tiny.mrc_task(folder, "m", chinese=True),
        "s": tiny.slot_task(folder, "s"),
        "p": tiny.match_task(folder, "p"),
        "w": tiny.mlm_task(folder, "w"),
    }
    made = Tokenizer.from_file(tokenizer / "tokenizer.json")
    sizes = {"vocab_size": made.vocab_size, "type_vocab_size": made.pair.num_segments}
    shape = {"max_position_embeddings": 96, "max_seq_len": 64, "max_unk_fraction": 1}
    config = tiny.config(folder, tasks, **{"max_steps": 10, "num_epochs": 9, **sizes, **shape, **keys})
    config.pop("do_lower_case")
    return {**config, "vocab_path": str(tokenizer / "tokenizer.json")}


@pytest.fixture(scope="module", params=["roberta", "xlm-r", "deberta-v3"])
def trained(request, tmp_path_factory, small_tokenizers):
    """All tasks after a few steps, and a copy of the tokenizer that is gone by the time of prediction."""
    folder = tmp_path_factory.mktemp("训练")
    source = shutil.copytree(small_tokenizers[request.param], folder / "编码器")
    palm.Controller(configuration(folder, source, save_every_n_steps=5), overrides=[]).train()
    files = {file.name: file.read_bytes() for file in source.iterdir()}
    shutil.rmtree(source)
    return folder, files


def test_a_model_carries_its_tokenizer(trained):
    folder, files = trained
    for task in ("意图", "阅读", "s", "p", "w"):
        model = folder / "out" / task / "infer_model"
        assert (model / "tokenizer.json").read_bytes() == files["tokenizer.json"]
        assert not (model / "vocab.txt").exists()
        saved = json.loads((model / "config.json").read_text(encoding="utf-8"))
        digest = hashlib.sha256(files["tokenizer.json"]).hexdigest()
        assert saved["tokenizer"] == {"name": "tokenizer.json", "sha256": digest}
    assert (folder / "out/ckpt/step_10/tokenizer.json").read_bytes() == files["tokenizer.json"]


def test_models_predict_alone(trained, tmp_path):
    folder, _ = trained
    models = shutil.copytree(folder / "out", tmp_path / "模型")
    (label,) = palm.Predictor(models / "意图/infer_model").predict_rows([TEXT])
    assert label["label"] in ("water", "air")
    (tags,) = palm.Predictor(models / "s/infer_model").predict_rows(
        [{"text_a": ["New", "York", "\u200b", "北京", "大"]}]
    )
    assert tags["words"] == ["New", "York", "\u200b", "北京", "大"]
    assert len(tags["labels"]) == 5
    (answer,) = palm.Predictor(models / "阅读/infer_model").predict_rows([{"question": "谁在河?", "context": TEXT}])
    assert answer["text"]
    for each in answer["nbest"]:
        assert each["text"] in TEXT
        assert each["text"] == each["text"].strip()
    (mask,) = palm.Predictor(models / "w/infer_model").predict_rows([{"text_a": "the [MASK] fish in the river"}])
    assert len(mask["masks"]) == 1
    assert all(isinstance(token, str) and "Ġ" not in token for token in mask["masks"][0]["tokens"])
    (pair,) = palm.Predictor(models / "p/infer_model").predict_rows([{"text_a": TEXT, "text_b": ""}])
    assert pair["label"] in ("0", "1")


def test_padding_changes_nothing(trained):
    """Whatever the id of padding is, a text alone and one in a padded batch have the same outputs."""
    model = palm.Predictor(trained[0] / "out/意图/infer_model")
    texts = ["红鱼", TEXT, "the bird"]
    together = model.predict_rows(texts)
    for text, expected in zip(texts, together, strict=True):
        (alone,) = model.predict_rows([text])
        assert alone["logits"] == pytest.approx(expected["logits"], abs=1e-5)


def test_another_tokenizer_in_a_model_is_refused(trained, tmp_path):
    model = shutil.copytree(trained[0] / "out/意图/infer_model", tmp_path / "m")
    content = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    (model / "tokenizer.json").write_text(json.dumps({**content, "normalizer": None}), encoding="utf-8")
    reseal(model)
    with pytest.raises(CheckpointError, match=r"a model predicts with its own tokenizer"):
        palm.Predictor(model)


def test_resume_with_another_tokenizer_is_refused(tmp_path, small_tokenizers):
    source = shutil.copytree(small_tokenizers["roberta"], tmp_path / "t")
    config = configuration(tmp_path, source, save_every_n_steps=5, max_steps=5)
    palm.Controller(config, overrides=[]).train()
    content = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"] = {"type": "Lowercase"}
    (source / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError, match="has another vocabulary, or other settings of its tokenizer"):
        palm.Controller({**config, "max_steps": 8, "resume": "auto"}, overrides=[]).train()


@pytest.mark.parametrize("kind", ["roberta", "deberta-v3"])
def test_the_command_line(tmp_path, small_tokenizers, kind):
    folder = tmp_path / "项目"
    folder.mkdir()
    config = configuration(folder, small_tokenizers[kind], max_steps=3)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    def run(*words):
        return palm_here(*words, cwd=folder)

    for words in (("check", "config.yaml", "--data"), ("train", "config.yaml")):
        done = run(*words)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    done = run("check", "config.yaml", "--type_vocab_size", "1")
    assert (done.returncode == 0) is (kind == "roberta")
    done = run("check", "config.yaml", "--explain")
    assert re.search(r"tasks\.意图\.do_lower_case +False +…?\S*tokenizer\.json", done.stdout)
    done = run("check", "config.yaml", "--do_lower_case", "true")
    assert "`do_lower_case` contradicts the encoder's tokenizer" in done.stdout


def test_the_python_api(tmp_path, small_tokenizers):
    file = tiny.classification_task(tmp_path, "c")["train_file"]
    vocab = small_tokenizers["xlm-r"] / "tokenizer.json"
    reader = palm.reader.ClassifyReader(vocab, 32, lang="zh", seed=1)
    reader.load_data(file, batch_size=8)
    made = Tokenizer.from_file(vocab)
    sizes = {"vocab_size": made.vocab_size, **{key: tiny.BACKBONE[key] for key in tiny.BACKBONE if key != "vocab_size"}}
    trainer = palm.Trainer("意图", max_unk_fraction=1)
    backbone = palm.backbone.BERT.from_config(sizes)
    loss = trainer.build_forward(backbone, palm.head.Classify(num_classes=2, input_dim=32))
    trainer.build_backward(palm.optimizer.Adam(loss, 1e-3))
    trainer.fit_reader(reader)
    trainer.train()
    refused = palm.Trainer("意图", max_unk_fraction=0)
    loss = refused.build_forward(backbone, palm.head.Classify(num_classes=2, input_dim=32))
    refused.build_backward(palm.optimizer.Adam(loss, 1e-3))
    refused.fit_reader(reader)
    unknown = made.unk_id in reader.dataset.ragged("token_ids").values
    if unknown:
        with pytest.raises((ConfigError, palm.errors.DataError), match="may be unknown"):
            refused.train()
