"""Predictions and trainings in threads of one process: each gives what it gives alone, to the last bit."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

import palm
from palm.engine.checkpoint import newest_checkpoint
from palm.errors import CheckpointError, ConfigError
from palm.inference.predictor import Predictor
from palm.kernels.choice import choose_kernels
from palm.kernels.fused import bf16
from palm.kernels.fused.built import processor_flags
from palm.kernels.products import bf16_products
from palm.storage.run_lock import exclusive_run_lock
from tests.integration import tiny
from tests.integration.test_resume import fingerprint

THREADS, ROUNDS = 3, 12
SIZES = {"hidden_size": 48, "intermediate_size": 96, "vocab_size": 4500}

BFLOAT16 = pytest.mark.skipif(not processor_flags() & bf16.FAST, reason="this processor multiplies no bfloat16")
FUSED = pytest.mark.skipif(choose_kernels("auto").name != "fused", reason="no fused kernels")
KERNELS = pytest.mark.parametrize("kernels", ["plain", pytest.param("fused", marks=FUSED)])
AMP = pytest.mark.parametrize("amp", ["off", pytest.param("bf16", marks=[FUSED, BFLOAT16])])


def training(folder, data, **keys):
    """A run of two tasks with dropout everywhere, on the files in `data`."""
    folder.mkdir()
    tasks = {
        "water": tiny.classification_task(data, "water"),
        "slots": {**tiny.slot_task(data, "slots"), "head": "mlp"},
    }
    made = tiny.config(data, tasks, **{"max_steps": 12, "num_epochs": 9, "save_every_n_steps": 12, **SIZES, **keys})
    return palm.Controller({**made, "save_path": str(folder / "out")}, overrides=[])


def left_by(folder):
    """sha256 of the last checkpoint's files."""
    return fingerprint(newest_checkpoint(folder / "out" / "ckpt")[0])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two inference models, and the file that each predicts."""
    data = tmp_path_factory.mktemp("data")
    training(data / "run", data).train()
    return {data / "run" / "out" / "water" / "infer_model": data / "water.dev.tsv",
            data / "run" / "out" / "slots" / "infer_model": data / "slots.tsv"}  # fmt: skip


def in_threads(*works):
    """What each of `works` gives, run in a thread of its own."""
    with ThreadPoolExecutor(len(works)) as threads:
        return [future.result() for future in [threads.submit(work) for work in works]]


@KERNELS
@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=[FUSED, BFLOAT16])])
def test_predictors_in_threads(models, kernels, precision):
    """Each thread has predictors of its own, and all share another one."""
    context = bf16_products if precision == "bfloat16" else nullcontext
    shared = {model: Predictor(model, kernels=kernels) for model in models}

    def predictions(predictors):
        with context():
            return [predictors[model].predict(file) for model, file in models.items()]

    alone = predictions(shared)

    def differences():
        own = {model: Predictor(model, kernels=kernels) for model in models}
        return sum(predictions(each) != alone for _, each in itertools.product(range(ROUNDS), (own, shared)))

    assert in_threads(*[differences] * THREADS) == [0] * THREADS


@KERNELS
@AMP
def test_a_prediction_beside_a_training(models, tmp_path, kernels, amp):
    """Neither changes the other, also where the predictor is built meanwhile; the prediction stays in float32."""
    keys = {"amp": amp, "kernels": kernels if amp == "off" else "auto"}
    training(tmp_path / "alone", tmp_path, **keys).train()
    alone = {model: Predictor(model, kernels=kernels).predict(file) for model, file in models.items()}
    ended = threading.Event()

    def train():
        try:
            training(tmp_path / "beside", tmp_path, **keys).train()
        finally:
            ended.set()

    def predict():
        found = []
        while not ended.is_set():
            found += [Predictor(model, kernels=kernels).predict(file) == alone[model] for model, file in models.items()]
        return found

    _, *same = in_threads(train, predict, predict)
    assert all(map(len, same))
    assert all(map(all, same))
    assert left_by(tmp_path / "beside") == left_by(tmp_path / "alone")


@pytest.mark.parametrize(
    "keys",
    [
        {"kernels": "plain"},
        pytest.param({"amp": "bf16"}, marks=[FUSED, BFLOAT16]),
        {"mode": "joint", "weighting": "pcgrad", "recompute": True},
        {"smart_weight": 1.0, "log_gradient_cosines_every_n_steps": 2, "eval_every_n_steps": 3},
    ],
    ids=lambda keys: "-".join(keys),
)
def test_trainings_in_threads(tmp_path, keys):
    """Those of two seeds, and one that evaluates an average of its weights."""
    kinds = {"one": {**keys, "random_seed": 1}, "two": {**keys, "random_seed": 2, "use_ema": True, "ema_decay": 0.9}}
    for name, own in kinds.items():
        (tmp_path / name).mkdir()
        training(tmp_path / name / "alone", tmp_path / name, **own).train()
    for again in ("beside", "again"):
        runs = [training(tmp_path / name / again, tmp_path / name, **own) for name, own in kinds.items()]
        in_threads(*(run.train for run in runs))
        for name in kinds:
            assert left_by(tmp_path / name / again) == left_by(tmp_path / name / "alone")


def trainer(folder):
    """A trainer of PALM 2's interface, for a few hundred steps."""
    head = palm.head.Classify(2, 32)
    reader = palm.reader.ClassifyReader(tiny.write_vocab(folder), 16, do_lower_case=True)
    reader.load_data(tiny.classification_task(folder, "water")["train_file"], batch_size=8, num_epochs=60)
    made = palm.Trainer("water")
    loss = made.build_forward(palm.backbone.BERT.from_config(tiny.BACKBONE), head)
    made.build_backward(palm.optimizer.Adam(loss, 1e-3))
    made.fit_reader(reader)
    return made


def test_a_trainer_that_trains_in_another_thread_refuses_what_needs_its_model(tmp_path):
    made = trainer(tmp_path)
    thread = threading.Thread(target=made.train)
    thread.start()
    message = "another one trains it. Wait for its end; or save a model"

    def evaluate_meanwhile():
        while thread.is_alive():  # the first call may come before the training
            made.evaluate(tmp_path / "water.dev.tsv")

    with pytest.raises(ConfigError, match=message):
        evaluate_meanwhile()
    with pytest.raises(ConfigError, match=message):
        made.train()
    with pytest.raises(ConfigError, match=message):
        made.save_predict_model(tmp_path / "model")
    thread.join()
    assert made.evaluate(tmp_path / "water.dev.tsv")["accuracy"] > 0.9


def test_two_threads_do_not_train_into_one_folder(tmp_path):
    refused = pytest.raises(CheckpointError, match="another run is training in this folder")
    with ThreadPoolExecutor(1) as thread, exclusive_run_lock(tmp_path), refused:
        thread.submit(exclusive_run_lock(tmp_path).__enter__).result()
