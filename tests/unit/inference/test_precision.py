"""The precision of predictions: the key and the arguments, what a model was trained in, the size of a batch."""

import logging
import threading

import numpy as np
import pytest

import palm
from palm.cli.main import main
from palm.errors import ConfigError
from palm.inference import precision
from palm.kernels import precision as kernels_precision
from palm.kernels.products import in_bf16
from tests.integration import tiny

TEXTS = ["红鸟飞", "鱼 the fish swims in the river"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run in float32 and one with `amp: bf16`."""
    folder = tmp_path_factory.mktemp("精度")
    for amp in ("off", "bf16"):
        keys = {"amp": amp, "max_steps": 2, "save_path": str(folder / amp)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels_precision, "bf16_refusal", lambda: None)
            config = tiny.config(folder, {"c": tiny.classification_task(folder, "c", 16)}, **keys)
            palm.Controller(config, overrides=[]).train()
    return folder


@pytest.fixture
def bf16_here(monkeypatch):
    """A machine with bfloat16, on which it is faster from 10 tokens on; what batches were computed in."""
    monkeypatch.setattr(kernels_precision, "bf16_refusal", lambda: None)
    monkeypatch.setattr(precision, "_smallest_faster", lambda model: 10)
    precision._smallest.clear()
    yield computed_in(monkeypatch)
    precision._smallest.clear()


def computed_in(monkeypatch) -> list[bool]:
    found: list[bool] = []
    from palm.engine import predict

    forward = predict._forward_each
    monkeypatch.setattr(predict, "_forward_each", lambda *rest: found.append(in_bf16()) or forward(*rest))
    return found


def test_a_model_trained_in_float32_stays_in_float32(runs, bf16_here):
    predictor = palm.load(runs / "off" / "c")
    predictor(TEXTS)
    predictor.evaluate(tiny.classification_task(runs, "c", 16)["train_file"])
    assert predictor.precision == "predicts in float32"
    assert not any(bf16_here)


def test_auto_is_as_trained_but_for_small_batches(runs, bf16_here, caplog):
    caplog.set_level(logging.INFO, "palm")
    predictor = palm.load(runs / "bf16" / "c")
    for _ in range(2):
        predictor(TEXTS)
        predictor([TEXTS[0]])
    assert bf16_here == [True, False] * 2
    said = "predicts in bf16 as it was trained; batches below 10 tokens in float32, which is faster for them here"
    assert [record.message for record in caplog.records].count(said) == 1


def test_what_is_asked_for_wins(runs, bf16_here):
    palm.load(runs / "bf16" / "c", precision="float32")(TEXTS)
    palm.load(runs / "off" / "c", precision="bf16")([TEXTS[0]])
    assert bf16_here == [False, True]
    problem = r"one of auto, float32, bf16, int8 is expected\. Found `fp16`\. There is no such precision"
    with pytest.raises(ConfigError, match=problem):
        palm.load(runs / "off" / "c", precision="fp16")
    with pytest.raises(ConfigError, match=r"precision: bf16 multiplies in the fused kernels\. Found kernels: plain"):
        palm.Predictor(runs / "off" / "c" / "infer_model", kernels="plain", precision="bf16")


def test_a_machine_without_bfloat16_predicts_in_float32(runs, monkeypatch):
    monkeypatch.setattr(kernels_precision, "bf16_refusal", lambda: "no bfloat16")
    found = computed_in(monkeypatch)
    palm.load(runs / "bf16" / "c")(TEXTS)
    assert found == [False]


def test_the_key_is_read_by_check_and_by_the_controller(runs, bf16_here, capsys):
    folder = runs / "key"
    folder.mkdir()
    task = tiny.classification_task(folder, "c", 16)
    tasks = {"c": {**task, "pred_file": task["train_file"]}}
    keys = tiny.config(folder, tasks, save_path=str(runs / "off"), precision="bf16")
    controller = palm.Controller(keys, for_train=False, overrides=[])
    controller.pred("c")
    assert set(bf16_here) == {True}
    bf16_here.clear()
    controller.pred("c", precision="float32")
    assert set(bf16_here) == {False}
    assert main(["pred", str(runs / "off" / "c"), TEXTS[0], "--precision", "bf16"]) == 0
    assert "c: predicts in bf16" in capsys.readouterr().err
    assert main(["pred", str(runs / "off" / "c"), TEXTS[0], "--precision", "int8"]) == 2


def test_the_evaluation_of_training_is_in_the_precision_of_training(runs, monkeypatch):
    monkeypatch.setattr(kernels_precision, "bf16_refusal", lambda: None)
    found = computed_in(monkeypatch)
    task = {**tiny.classification_task(runs, "e", 16)}
    task["dev_file"] = task["train_file"]
    keys = {"amp": "bf16", "max_steps": 2, "save_path": str(runs / "evaluated"), "eval_every_n_steps": 1}
    palm.Controller(tiny.config(runs, {"e": task}, **keys), overrides=[]).train()
    assert found
    assert all(found)


def test_threads_with_other_precisions_beside_each_other(runs, bf16_here):
    one, other = palm.load(runs / "off" / "c"), palm.load(runs / "off" / "c", precision="bf16")
    expected = {predictor: predictor(TEXTS) for predictor in (one, other)}
    wrong = []

    def repeat(predictor) -> None:
        wrong.extend(1 for _ in range(20) if predictor(TEXTS) != expected[predictor])

    threads = [threading.Thread(target=repeat, args=[predictor]) for predictor in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_smallest_batch_is_where_bfloat16_is_faster(runs, monkeypatch):
    model = palm.load(runs / "off" / "c").runtime.model
    assert model.backbone_config.max_position_embeddings == 64  # fewer than the largest size
    seconds = {"float32": {8: 1.0, 32: 2.0, 64: 9.0}, "bf16": {8: 3.0, 32: 1.0, 64: 4.0}}
    names = {context: name for name, context in precision._CONTEXTS.items()}

    def told(model, inputs, context) -> float:
        return seconds[names[context]][inputs["token_ids"].shape[1]]

    monkeypatch.setattr(precision, "_inputs", lambda model, tokens: {"token_ids": np.zeros([1, tokens])})
    monkeypatch.setattr(precision, "_seconds", told)
    assert precision._smallest_faster(model) == 32
    seconds["bf16"][64] = 10.0
    assert precision._smallest_faster(model) is None
    seconds["bf16"] = {8: 0.5, 32: 1.0, 64: 4.0}
    assert precision._smallest_faster(model) == 0
