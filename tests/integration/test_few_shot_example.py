"""examples/few_shot: the commands of PaddleNLP's document with few steps, on news of FewCLUE."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import palm
from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import script_here

ROOT = Path(palm.__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "few_shot"
PROMPT = "这条新闻标题的主题是"
TRAIN = f"""--data_dir ./data/tnews --output_dir ./checkpoints/ --prompt {PROMPT} --max_seq_length 128
--learning_rate 3e-5 --ppt_learning_rate 3e-4 --do_train --do_eval --max_steps 1000 --eval_steps 100 --logging_steps 10
--per_device_eval_batch_size 32 --per_device_train_batch_size 32""".split()
PREDICT = ["--do_predict", "--data_dir", "./data/tnews", "--output_dir", "./predict_ckpt"]
PREDICT += ["--resume_from_checkpoint", "./checkpoints", "--max_seq_length", "128"]
LAUNCH = f"""--data_dir ./data/tnews --output_dir ./ranks/ --prompt {PROMPT} --max_seq_length 128 --learning_rate 3e-5
--ppt_learning_rate 3e-4 --do_train --do_eval --max_steps 1000 --eval_steps 100 --logging_steps 10
--per_device_eval_batch_size 32 --per_device_train_batch_size 8 --do_predict --do_export""".split()
STEPS = {"max_steps": "12", "eval_steps": "6", "logging_steps": "4", "save_steps": "8"}
ENCODER = ["--device", "cpu", "--model_name_or_path", "./编码器"]
FEW = [*ENCODER, *(f"--{name}={value}" for name, value in STEPS.items())]
LONG = "很长的新闻" * 60
STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] \[    INFO\] - "


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def lines_of(found: list[dict], count: int) -> list[str]:
    """`text<TAB>label` of rows in equal distances, as files are sorted by label."""
    return [f"{row['sentence']}\t{row['label_desc']}" for row in found[:: max(len(found) // count, 1)][:count]]


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/tnews and a small encoder without a masked language model head."""
    folder = tmp_path_factory.mktemp("少样本")
    source, data = shared / "data" / "fewclue_tnews", folder / "data" / "tnews"
    data.mkdir(parents=True)
    names = [f"{row['label_desc']}=={row['label_zh']}" for row in rows(source / "label_index2en2zh.json")]
    files = {
        "train": lines_of(rows(source / "train_0.json"), 240),
        "dev": lines_of(rows(source / "dev_0.json"), 40),
        "test": lines_of(rows(source / "test_public.json"), 30),
        "data": [*(row["sentence"] for row in rows(source / "test.json")[:6]), LONG],
        "label": names,
    }
    for name, lines in files.items():
        (data / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_small_encoder(folder / "编码器", shared / "models" / "me5-small-zh-char" / "vocab.txt")
    return folder


def run(home: Path, *command: str) -> str:
    """What a command prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def train_py(home: Path, *words: str) -> str:
    """What the script prints in this process."""
    done = script_here(EXAMPLE / "train.py", *words, cwd=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(home: Path) -> str:
    """What the document's first command prints, in a process of its own."""
    return run(home, str(EXAMPLE / "train.py"), *TRAIN, *FEW, "--report_to", "visualdl")


@pytest.fixture(scope="module")
def exported(home: Path, trained: str) -> Path:
    """The folder of the document's export, in Paddle's format with ONNX beside it."""
    train_py(home, *PREDICT[1:], "--do_export", "--device", "cpu")
    return home / "predict_ckpt" / "export"


def test_training_logs_what_the_document_shows(trained: str) -> None:
    lines = [re.sub(f"^{STAMP}", "", line) for line in trained.splitlines() if re.match(STAMP, line)]
    for line in ("ppt_learning_rate             :0.0003", f"prompt                        :{PROMPT}"):
        assert line in lines
    start = lines.index("***** Running training *****")
    assert [line.strip() for line in lines[start + 1 : start + 8]] == [
        "Num examples = 240",
        "Num Epochs = 2",
        "Instantaneous batch size per device = 32",
        "Total train batch size (w. parallel, distributed & accumulation) = 32",
        "Gradient Accumulation steps = 1",
        "Total optimization steps = 12",
        "Total num train samples = 384",
    ]
    evaluated = [line for line in lines if line.startswith("eval_loss: ")]
    number = r"\d+(\.\d+)?(e-\d+)?"
    names = ("eval_loss", "eval_accuracy", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "epoch")
    pattern = ", ".join(f"{name}: {number}" for name in names)
    assert [re.fullmatch(pattern, line) is not None for line in evaluated] == [True, True], evaluated
    assert [line.rpartition(" ")[2] for line in evaluated] == ["0.75", "1.5"]
    assert [line.split()[5] for line in lines if line.startswith("loss: ")] == ["4,", "8,", "12,"]
    assert "Saving model checkpoint to ./checkpoints/checkpoint-8" in lines
    assert "tokenizer config file saved in ./checkpoints/checkpoint-8/tokenizer_config.json" in lines


def test_what_is_guessed_or_dropped_is_said_once(trained: str) -> None:
    assert trained.count("head few_shot: newly initialized") == 1
    assert trained.count("--report_to is accepted and has no effect") == 1


def test_the_files_of_a_training(home: Path, trained: str) -> None:
    folder = home / "checkpoints"
    names = {"model.safetensors", "config.json", "manifest.json", "tokenizer_config.json", "special_tokens_map.json"}
    names |= {"vocab.txt", "template_config.json", "verbalizer_config.json"}
    assert {file.name for file in (folder / "checkpoint-8").iterdir()} == names | {"trainer_state.json"}
    assert {file.name for file in (folder / "few_shot" / "infer_model").iterdir()} == names
    template = json.loads((folder / "checkpoint-8" / "template_config.json").read_text(encoding="utf-8"))
    assert (template["prompt"], template["prompt_kind"]) == (PROMPT, "soft")
    verbalizer = json.loads((folder / "checkpoint-8" / "verbalizer_config.json").read_text(encoding="utf-8"))
    assert verbalizer["label_words"]["news_car"] == ["汽车"]
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    assert (state["global_step"], state["epoch"], state["max_steps"]) == (12, 1.5, 12)
    assert [entry["step"] for entry in state["log_history"]] == [4, 6, 8, 12, 12]
    assert set(json.loads((folder / "train_results.json").read_text())) == {
        *("epoch", "train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second")
    }


def test_nothing_is_pickled(home: Path, exported: Path) -> None:
    files = [file for file in home.rglob("*") if file.is_file()]
    assert len(files) > 40
    suffixes = {".pdparams", ".pdopt", ".pkl", ".pickle", ".pt", ".bin"}
    assert [file.name for file in files if file.suffix in suffixes or file.read_bytes()[:1] == b"\x80"] == []


def test_a_folder_is_enough_to_predict(home: Path, trained: str) -> None:
    said = train_py(home, *PREDICT, "--device", "cpu")
    assert re.search(f"{STAMP}\\*\\*\\*\\*\\* Running Prediction", said)
    for line in (
        "Num examples = 30",
        "Pre device batch size = 8",
        "Total Batch size = 8",
        "Total prediction steps = 4",
    ):
        assert f"  {line}\n" in said
    table = said[said.index("***** test metrics *****") :]
    metrics = json.loads((home / "predict_ckpt" / "test_results.json").read_text())
    model = palm.Predictor(home / "checkpoints" / "few_shot" / "infer_model", precision="float32")
    expected = model.evaluate(home / "data" / "tnews" / "test.txt")
    assert metrics["test_accuracy"] == expected["accuracy"]
    assert metrics["test_loss"] == pytest.approx(expected["loss"], abs=1e-6)
    assert float(re.search(r"test_accuracy +=\s+(\S+)", table)[1]) == pytest.approx(expected["accuracy"], abs=5e-5)
    assert re.search(r"test_runtime +=\s+0:00:\d\d\.\d\d\n", table)


def read_module(folder: Path, name: str):
    spec = importlib.util.spec_from_file_location(f"few_shot_{name}", folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def static_logits(folder: Path, batch: dict[str, np.ndarray]) -> np.ndarray:
    """The logits of Paddle's program, by paddle.inference."""
    from paddle import inference

    config = inference.Config(str(folder / "model.json"), str(folder / "model.pdiparams"))
    config.disable_glog_info()
    program = inference.create_predictor(config)
    for name in program.get_input_names():
        program.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(batch[name]))
    program.run()
    return program.get_output_handle(program.get_output_names()[0]).copy_to_cpu()


def test_answers_are_equal_within_1e_4(home: Path, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (home / "data" / "tnews" / "data.txt").read_text(encoding="utf-8").splitlines()
    given = [{"text_a": text} for text in texts]
    model = palm.Predictor(home / "checkpoints" / "few_shot" / "infer_model", precision="float32")
    eager = np.array([row["logits"] for row in model.predict_rows(given)])
    dataset = model.read_rows(given)
    batch = model.reader.collate(dataset, np.arange(len(texts)), np.random.default_rng(0))
    monkeypatch.syspath_prepend(str(EXAMPLE.parent / "infer_onnx"))
    for name in ("encode", "decode"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    onnx = read_module(EXAMPLE.parent / "infer_onnx", "run").Model(exported / "onnx").predict("few_shot", given)
    for name in ("encode", "decode"):
        sys.modules.pop(name, None)
    assert np.abs(static_logits(exported, batch) - eager).max() < 1e-4
    assert np.abs(np.array([row["logits"] for row in onnx]) - eager).max() < 1e-4
    assert np.abs(eager - eager.mean(axis=0)).max() > 1e-3, "the texts differ"
    # The prompt is never cut: ten vectors and the mask, also of the long text.
    assert batch["token_ids"].shape == (7, 128)
    assert [sorted(set(row) - {0}) for row in batch["soft_ids"].tolist()] == [list(range(1, len(PROMPT) + 1))] * 7
    assert batch["token_ids"][6, batch["mask_positions"][6, 0]] == model.reader.tokenizer.mask_id


def test_inference_by_onnx_runtime_alone(home: Path, exported: Path) -> None:
    prefix = ["--model_path_prefix", "predict_ckpt/export/model", "--data_dir", "./data/tnews"]
    blocked = "import sys; sys.modules['palm'] = sys.modules['paddle'] = None; import runpy; "
    program = f"{blocked}sys.argv[0] = {str(EXAMPLE / 'infer.py')!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    said = run(home, "-c", program, *prefix, "--batch_size", "4", "--device", "cpu").splitlines()
    texts = (home / "data" / "tnews" / "data.txt").read_text(encoding="utf-8").splitlines()
    model = palm.Predictor(home / "checkpoints" / "few_shot" / "infer_model", precision="float32")
    labels = [row["label"] for row in model.predict_rows([{"text_a": text} for text in texts])]
    assert said == [
        line
        for text, label in zip(texts, labels, strict=True)
        for line in (f"input data: {text}", f"labels: {label}", "-" * 29)
    ]


def test_export_to_onnx_alone(home: Path, trained: str) -> None:
    words = ["--data_dir", "./data/tnews", "--output_dir", "./onnx", "--resume_from_checkpoint"]
    said = train_py(home, *words, "./checkpoints/checkpoint-8", "--do_export", "--export_type", "onnx")
    assert "few_shot.logits" in said, "compared with PALM"
    assert (home / "onnx" / "export" / "model.onnx").is_file()
    assert not (home / "onnx" / "export" / "onnx").exists()


def test_two_processes_by_the_launch_module(home: Path) -> None:
    launch = ["-u", "-m", "paddle.distributed.launch", "--log_dir", "ranklogs", "--nproc_per_node", "2"]
    few = ["--max_steps=4", "--logging_steps=4"]
    said = run(home, *launch, str(EXAMPLE / "train.py"), *LAUNCH, *ENCODER, *few)
    assert "Total train batch size (w. parallel, distributed & accumulation) = 16\n" in said
    assert said.count("***** Running training *****") == 1
    assert (home / "ranks" / "export" / "onnx" / "model.onnx").is_file()
    assert 0 <= json.loads((home / "ranks" / "test_results.json").read_text())["test_accuracy"] <= 1


def test_an_error_is_a_message(home: Path) -> None:
    words = ["--data_dir", "./data/tnews", "--output_dir", "./wrong", "--do_train", "--prompt", "主题{'mask'", *ENCODER]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLE / "train.py"), *words]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "prompt" in done.stderr
    assert "character 3" in done.stderr
    assert "Traceback" not in done.stderr
