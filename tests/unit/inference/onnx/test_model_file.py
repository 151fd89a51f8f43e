"""The ONNX file of a run's model and of a task's: real rows, the same bytes again, and what is refused."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")

from google.protobuf.message import EncodeError  # noqa: E402 (needs the two above)

import palm  # noqa: E402
from palm.engine.predict import batches_by_length  # noqa: E402
from palm.errors import CheckpointError, ConfigError  # noqa: E402
from palm.inference import onnx_runtime  # noqa: E402
from palm.inference.onnx import model_file  # noqa: E402
from palm.inference.onnx.model_file import build_graph, write_onnx  # noqa: E402
from palm.inference.onnx_runtime import OnnxRuntime  # noqa: E402
from palm.inference.run_predictor import RunPredictor  # noqa: E402
from tests.attacks import reseal  # noqa: E402
from tests.integration import all_heads  # noqa: E402
from tests.onnx_models import LIMIT, largest_difference, run, session_of  # noqa: E402


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's model with every paradigm and kind of sharing, and each task's own of the same moment."""
    folder = tmp_path_factory.mktemp("一个模型")
    made = palm.Controller(all_heads.config(folder, kernels="plain"), overrides=[])._training_run()
    all_heads.train(made)
    all_heads.save_both(made, folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def predictor(models: Path) -> RunPredictor:
    found = palm.load(models, kernels="plain")
    assert isinstance(found, RunPredictor)
    return found


@pytest.fixture(scope="module")
def whole(models: Path) -> Any:
    """The graph of all tasks."""
    return build_graph(models / "infer_model")


def copied(models: Path, task: str, folder: Path) -> Path:
    """A copy of a task's model, to be changed."""
    return Path(shutil.copytree(models / task / "infer_model", folder / "copy"))


def metadata(model: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def real_batches(predictor: RunPredictor, name: str) -> list[Mapping[str, np.ndarray]]:
    """English and Chinese rows through the task's reader."""
    single = predictor[name]
    rows = all_heads.rows_for(predictor.text_columns(name), masked=name == "words")
    found = batches_by_length(single._task, single.read_rows(rows))
    return [batch for _, batch in found]


def assert_same_outputs(session: Any, predictor: RunPredictor, name: str) -> None:
    """Of one task, for real rows."""
    single = predictor[name]
    for batch in real_batches(predictor, name):
        found = run(session, batch)
        [expected] = single.runtime.outputs([single._task], batch, "predict")
        for output, values in expected.items():
            assert largest_difference(found[f"{name}.{output}"], values, batch["input_mask"]) <= LIMIT, output


def test_every_task_of_a_run_from_one_graph(whole: Any, predictor: RunPredictor) -> None:
    session = session_of(whole.SerializeToString(), onnxruntime)
    for name in predictor:
        assert_same_outputs(session, predictor, name)


def test_every_task_alone(models: Path, predictor: RunPredictor) -> None:
    for name in ("water", "soft", "lora", "slots", "words"):
        session = session_of(build_graph(models / name / "infer_model").SerializeToString(), onnxruntime)
        assert_same_outputs(session, predictor, name)


def test_the_encoder_is_in_the_graph_once(models: Path, whole: Any) -> None:
    tables = [weight for weight in whole.graph.initializer if "word_embeddings" in weight.name]
    assert len(tables) == 1
    shared = build_graph(models / "infer_model", ["water", "again", "sets", "wet", "tags", "水"])
    alone = build_graph(models / "infer_model", ["water"])
    normalised = [sum(node.op_type == "LayerNormalization" for node in model.graph.node) for model in (shared, alone)]
    assert normalised[0] == normalised[1] == 1 + 2 * 2


def test_a_part_of_its_own_branches_off_where_it_must(models: Path) -> None:
    def layers(*tasks: str) -> int:
        """Layers that are computed, by their attention."""
        model = build_graph(models / "infer_model", list(tasks))
        return sum(node.op_type == "Softmax" for node in model.graph.node)

    assert layers("water") == 2
    assert layers("shallow") == 1
    assert layers("water", "shallow", "水") == 2
    assert layers("water", "copied") == 3  # a stack of one layer beside the last
    assert layers("water", "soft") == 3
    assert layers("water", "adapted") == 3  # the first layer's input is the same
    assert layers("water", "private") == 3
    assert layers("water", "lora") == 4


def test_what_a_model_says_of_itself(models: Path, whole: Any) -> None:
    said = metadata(whole)
    assert said["palm.version"] == palm.__version__
    assert json.loads(said["palm.tasks"]) == list(all_heads.tasks(models))
    assert said["palm.config"] == (models / "infer_model" / "config.json").read_text(encoding="utf-8")
    constants = json.loads(said["palm.constants"])
    assert constants == {"slots.transitions": "heads.slots.transitions.weight"}
    table = next(weight for weight in whole.graph.initializer if weight.name == constants["slots.transitions"])
    expected = load_file(models / "infer_model" / "model.safetensors")["heads.slots.transitions.weight"]
    assert np.array_equal(onnx.numpy_helper.to_array(table), expected)
    assert whole.opset_import[0].version == 17


def test_some_tasks_have_no_other_heads(models: Path) -> None:
    model = build_graph(models / "infer_model", ["tags", "water"])
    assert [output.name for output in model.graph.output] == ["tags.logits", "water.logits"]
    heads = {weight.name.split(".")[1] for weight in model.graph.initializer if weight.name.startswith("heads.")}
    assert heads == {"tags", "water"}
    with pytest.raises(ConfigError, match=r"has no task `watr`\. Did you mean `water`"):
        build_graph(models / "infer_model", ["watr"])


def test_inputs_are_those_that_matter(models: Path, whole: Any) -> None:
    def inputs(model: Any) -> list[str]:
        return [each.name for each in model.graph.input]

    single = build_graph(models / "infer_model", ["water", "slots"])
    assert set(inputs(single)) == {"token_ids", "input_mask"}
    assert set(inputs(build_graph(models / "infer_model", ["water", "pairs"]))) == {
        "token_ids", "segment_ids", "input_mask",
    }  # fmt: skip
    fields = {"token_ids", "segment_ids", "input_mask", "mask_pos", "choice_rows", "choice_mask", "word_starts"}
    assert set(inputs(whole)) == fields


def test_a_batch_without_the_fields_of_some_tasks(whole: Any, predictor: RunPredictor) -> None:
    """Their fields are empty, and so are their outputs."""
    session = session_of(whole.SerializeToString(), onnxruntime)
    found = run(session, real_batches(predictor, "water")[0])
    assert found["words.top_ids"].shape == (0, 5)
    assert found["which.logits"].shape == (0, 0)


def test_the_same_bytes_in_another_process(models: Path, tmp_path: Path) -> None:
    target = tmp_path / "模型" / "model.onnx"
    assert write_onnx(models / "infer_model", target) == [target]
    script = (
        "import sys\nfrom pathlib import Path\nfrom palm.inference.onnx.model_file import write_onnx\n"
        f"write_onnx(Path({str(models / 'infer_model')!r}), Path({str(tmp_path / 'again.onnx')!r}))\n"
        "print('paddle' in sys.modules)"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "False", "an ONNX file is written without Paddle"
    assert (tmp_path / "again.onnx").read_bytes() == target.read_bytes()
    assert list(target.parent.iterdir()) == [target]


def test_large_weights_lie_beside_the_graph(
    models: Path, tmp_path: Path, predictor: RunPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "LARGEST_FILE", 1000)
    target = tmp_path / "model.onnx"
    assert write_onnx(models / "infer_model", target, ["tags"]) == [target, tmp_path / "model.onnx.data"]
    assert target.stat().st_size < (tmp_path / "model.onnx.data").stat().st_size
    assert_same_outputs(session_of(str(target), onnxruntime), predictor, "tags")
    first = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
    write_onnx(models / "infer_model", target, ["tags"])
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == first


class AboveTwoGigabytes:
    """A model as protobuf treats one of that size: while it holds its weights, its bytes cannot even be counted."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def ByteSize(self) -> int:  # noqa: N802 (protobuf's name)
        raise EncodeError("Failed to serialize proto")


def test_a_model_above_two_gigabytes_is_loaded_from_files(
    models: Path, predictor: RunPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_file, "LARGEST_FILE", 1000)
    monkeypatch.setattr(onnx_runtime, "build_graph", lambda *given: AboveTwoGigabytes(build_graph(*given)))
    runtime = OnnxRuntime.of_model(models / "infer_model", ["tags"])
    assert_same_outputs(runtime._session, predictor, "tags")


def test_a_list_of_threads_as_openmp_takes_it(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert OnnxRuntime.of_model(models / "infer_model", ["tags"]).tasks == ("tags",)


def test_a_file_in_the_way(models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match=r"file.*cannot be written: .*choose another --to_file"):
        write_onnx(models / "water" / "infer_model", tmp_path / "file" / "model.onnx", key="--to_file")
    assert (tmp_path / "file").read_text() == "mine"


def test_folders_that_are_no_models(models: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no inference model here"):
        build_graph(tmp_path / "none")
    damaged = copied(models, "water", tmp_path)
    (damaged / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json: differs from what was written"):
        build_graph(damaged)


@pytest.mark.parametrize(
    ("task", "name", "values", "message"),
    [
        ("adapted", "head.task_adapters.1.bottleneck.up.bias", None, r"Found no .*task_adapters\.1\.bottleneck\.up\.b"),
        ("water", "head.linear.bias", None, r"asks for\. Found no 'heads\.head\.linear\.bias'"),
        ("slots", "head.lstm.bias_hh_l0", None, r"asks for\. Found no 'heads\.head\.lstm\.bias_hh_l0'"),
        ("water", "head.more.weight", [1.0], r"every parameter of a head .*Found `heads\.head\.more\.weight`"),
        ("water", "head.task_adapters.0.gate.bias", [1.0], r"Found `heads\.head\.task_adapters\.0\.gate\.bias`"),
        ("water", "head.linear.bias", [float("nan"), 0.0], r"finite numbers\. Found others in `heads\.head\.linear\.b"),
        ("water", "head.linear.weight", np.ones((32, 3)), r"a class for each label\. Found 3 and 2 labels"),
    ],
)
def test_weights_that_do_not_fit(models: Path, tmp_path: Path, task: str, name: str, values: Any, message: str) -> None:
    folder = copied(models, task, tmp_path)
    weights = load_file(folder / "model.safetensors")
    if values is None:
        del weights[name]
    else:
        weights[name] = np.array(values, "float32")
    save_file(weights, folder / "model.safetensors")
    reseal(folder)
    with pytest.raises((CheckpointError, ConfigError), match=message):
        build_graph(folder)


def test_without_onnx(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r'Found none.*Install it: pip install "paddle-palm\[onnx\]"'):
        build_graph(models / "infer_model")
