"""docs/extending.md: its code runs as it stands there, from YAML, on the command line and from Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from palm.backbone import BACKBONES
from palm.balancing.gradients.base import GRADIENT_METHODS
from palm.balancing.sampling import SAMPLERS
from palm.balancing.weighting.base import WEIGHTINGS
from palm.engine.optim.base import OPTIMIZERS
from palm.engine.optim.schedules import SCHEDULES
from palm.inference.onnx.writers import ENCODER_WRITERS, HEAD_WRITERS
from palm.metric.base import METRICS
from palm.paradigm import PARADIGMS
from palm.reader import READERS
from tests.palm_command import palm_here

WORDS = {"bad": 0, "poor": 1, "fair": 2, "good": 3, "great": 4, "差": 0, "好": 4}
LONGEST = 40


def blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "docs" / "extending.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def home(repository, tmp_path):
    """A folder with the components, the configuration and the data that the page speaks of."""
    *components, _ = blocks(repository, "python")
    (tmp_path / "my_components.py").write_text("\n\n".join(components), encoding="utf-8")
    (tmp_path / "config.yaml").write_text(blocks(repository, "yaml")[0], encoding="utf-8")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "room", "was", "房", "间", "很"]
    vocab = [*special, *WORDS]
    vocab += [f"[unused{number}]" for number in range(4096 - len(vocab))]
    (tmp_path / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    generator = np.random.default_rng(1)
    for name, count in (("train", 64), ("dev", 20)):
        words = generator.choice(list(WORDS), count)
        lines = [f"{WORDS[word]} {'房间很' if word in '差好' else 'the room was '}{word}" for word in words]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


REGISTRIES = (
    *(READERS, BACKBONES, PARADIGMS, METRICS, SAMPLERS, WEIGHTINGS, GRADIENT_METHODS, OPTIMIZERS, SCHEDULES),
    *(ENCODER_WRITERS, HEAD_WRITERS),
)


@contextmanager
def own_components_forgotten():
    """Let a command of this process import the components, and the next one import them anew."""
    with ExitStack() as stack:
        for registry in REGISTRIES:
            (known,) = (value for value in vars(registry).values() if isinstance(value, dict))
            stack.enter_context(patch.dict(known))
        stack.enter_context(patch.object(sys, "path", [*sys.path]))
        stack.callback(sys.modules.pop, "my_components", None)
        yield


def palm_command(home, *words, expected=0):
    with own_components_forgotten():
        done = palm_here(*words, cwd=home)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout if expected == 0 else done.stderr


def run(home, repository, *words, expected=0):
    """A command line in a process of its own."""
    search = os.pathsep.join(filter(None, (str(repository), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout if expected == 0 else done.stderr


def test_each_component_takes_no_more_than_forty_lines(repository):
    *components, _ = blocks(repository, "python")
    assert len(components) == 10
    for code in components:
        lines = [line for line in code.splitlines() if line and not line.startswith(("from ", "import "))]
        assert len(lines) <= LONGEST, "\n".join(lines)


def test_the_components_train_evaluate_and_predict_from_yaml(home, repository):
    lines = run(home, repository, "-m", "palm", "train", "config.yaml").splitlines()
    figures = [line for line in lines if line.startswith("review: evaluation")]
    error = float(re.search(r"mean_absolute_error (\d\.\d+)", figures[-1])[1])
    assert error < 0.4  # guessing the middle gives 1.5
    assert "review: inference model saved at output_model/review/infer_model" in lines

    run(home, repository, "-m", "palm", "pred", "config.yaml", "review")
    rows = (home / "output_model" / "review" / "predictions.json").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["index"] for row in rows] == list(range(20))


def test_they_are_checked_like_built_in_ones(home, repository):
    assert "review" in palm_command(home, "check", "config.yaml", "--explain")
    found = palm_command(home, "check", "config.yaml", "--tasks.review.reader", "scord", expected=2)
    assert "unknown reader `scord`. Did you mean `scored`?" in found


def test_the_command_line_imports_the_same(home, repository):
    config = (home / "config.yaml").read_text(encoding="utf-8")
    (home / "plain.yaml").write_text(re.sub("import: .*\n", "", config), encoding="utf-8")
    message = palm_command(home, "check", "plain.yaml", expected=2)
    assert "unknown reader `scored`" in message
    palm_command(home, "check", "plain.yaml", "--import", "my_components.py")
    palm_command(home, "train", "plain.yaml", "--num_epochs=1", "--import", "my_components.py")
    model = ["--model", "output_model/review/infer_model", "--file", "dev.txt"]
    shown = palm_command(home, "pred", *model, "--import", "my_components.py")
    assert json.loads(shown.splitlines()[0]).keys() >= {"index", "score"}
    text = ["--model", "output_model/review/infer_model", "--text", "the room was good"]
    shown = palm_command(home, "pred", *text, "--import", "my_components.py")
    assert json.loads(shown).keys() == {"index", "score", "text_a"}


def test_a_reader_without_parse_rows_says_so(home, repository):
    components = (home / "my_components.py").read_text(encoding="utf-8")
    without = re.sub(r"    def parse_rows.*\n.*\n", "", components)
    assert without != components
    (home / "my_components.py").write_text(without, encoding="utf-8")
    palm_command(home, "train", "config.yaml", "--num_epochs=1")
    text = ["--model", "output_model/review/infer_model", "--text", "the room was good"]
    message = palm_command(home, "pred", *text, "--import", "my_components.py", expected=2)
    assert message.endswith(
        "rows, ScoredReader: this reader only reads files. Define its method `parse_rows`, or predict a file.\n"
    )


COMPARE = """
import numpy as np, onnxruntime, palm, my_components
from pathlib import Path
from palm.inference.onnx.model_file import build_graph

folder = Path("output_model/review/infer_model")
session = onnxruntime.InferenceSession(build_graph(folder).SerializeToString(), providers=["CPUExecutionProvider"])
predictor = palm.load(folder)
for text in ("the room was good", "房间很差"):
    ids = np.array([[2, *predictor.reader.tokenizer.encode_ids([text])[0], 3]])
    found = session.run(["review.score"], {"token_ids": ids, "input_mask": np.ones(ids.shape, "float32")})
    print(abs(found[0][0] - predictor([text])[0]["score"]) < 1e-5)
"""


def test_they_are_written_as_an_onnx_graph(home, repository):
    pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")
    palm_command(home, "train", "config.yaml", "--num_epochs=1")
    assert run(home, repository, "-c", COMPARE).splitlines() == ["True", "True"]


def test_the_python_api_takes_them(home, repository):
    (home / "use.py").write_text(blocks(repository, "python")[-1], encoding="utf-8")
    lines = run(home, repository, "use.py").splitlines()
    assert float(re.search(r"'mean_absolute_error': (\d\.\d+)", lines[-1])[1]) < 0.4


def test_a_relative_path_is_looked_up_beside_the_yaml_too(home, repository):
    (home / "elsewhere").mkdir()
    relative = palm_command(home / "elsewhere", "check", "../config.yaml", "--explain")
    assert "my_components.py" in relative


def test_a_module_that_fails_is_named_with_the_line_of_the_yaml(home, repository):
    (home / "my_components.py").write_text("1 / 0\n", encoding="utf-8")
    message = palm_command(home, "check", "config.yaml", expected=2)
    assert message.startswith("config.yaml:1: the module fails at")
    assert "ZeroDivisionError" in message


SECOND = """
  rating:
    reader: scored
    paradigm: score
    train_file: train.txt
    dev_file: dev.txt
"""


@pytest.fixture
def methods(home, repository):
    """The same with two tasks, and with the methods of the page; the components come by --import."""
    first, second = blocks(repository, "yaml")
    first = re.sub("import: .*\n", "", first).replace("    pred_file: dev.txt\n", f"    pred_file: dev.txt{SECOND}")
    (home / "methods.yaml").write_text(first.replace("num_epochs: 30", "num_epochs: 6") + second, encoding="utf-8")

    def palm(command, *words, expected=0):
        return palm_command(home, command, "methods.yaml", "--import", "my_components.py", *words, expected=expected)

    return palm


def steps_of(folder):
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["split"] == "train"]


def test_methods_with_keys_of_their_own_are_checked(methods):
    shown = methods("check", "--explain")
    for key in ("turn_length", "hardest_power", "momentum", "cosine_floor"):
        assert key in shown
    assert "Warning" not in shown
    assert "turn_length is a whole number, at least 1" in methods("check", "--turn_length", "0", expected=2)
    said = methods("check", "--length_power", "0.5")
    assert "`length_power` only has an effect with `weighting: even_length`. Found it with `weighting: hardest`" in said
    message = methods("check", "--optimizer", "momentun", expected=2)
    assert "unknown optimizer `momentun`. Did you mean `momentum`?" in message


def test_methods_with_keys_of_their_own_train(home, methods):
    methods("train", "--print_every_n_steps=1")
    found = steps_of(home / "output_model")
    tasks = [step["task"] for step in found]
    assert tasks[:12] == (["review"] * 3 + ["rating"] * 3) * 2
    total, highest = 96, 0.05  # 6 epochs of 8 batches for each task
    assert len(found) == total
    assert found[0]["learning_rate"] == pytest.approx(highest / 9)  # 9 steps of warm-up
    assert found[8]["learning_rate"] == pytest.approx(highest)
    assert found[-1]["learning_rate"] == pytest.approx(0.1 * highest)
    factors = [step["loss_factor"] for step in found]
    assert factors[0] == 1.0
    assert len(set(factors)) > 50


@pytest.mark.parametrize(
    "keys", [(), ("--weighting=even_length", "--length_power=0.5")], ids=["weighting", "gradients"]
)
def test_methods_of_ones_own_resume_to_the_same_bits(home, methods, keys):
    methods("train", "--save_every_n_steps=40", "--keep_checkpoints=9", *keys)
    whole, part = home / "output_model", home / "resumed"
    shutil.copytree(whole, part)
    for later in ("ckpt/step_80", "ckpt/step_96", "review/infer_model", "rating/infer_model"):
        shutil.rmtree(part / later)
    said = methods("train", "--save_every_n_steps=40", "--resume", "--save_path=resumed", *keys)
    assert "at global step 40" in said
    for file in ("review/infer_model/model.safetensors", "ckpt/step_96/optimizer.safetensors"):
        assert (part / file).read_bytes() == (whole / file).read_bytes(), file


def test_a_key_of_ones_own_makes_a_difference(home, methods):
    losses = {}
    for key in ("momentum=0.8", "momentum=0.1", "hardest_power=2", "turn_length=1"):
        methods("train", f"--{key}", f"--save_path={key}", "--max_steps=20", "--print_every_n_steps=1")
        losses[key] = [step["loss"] for step in steps_of(home / key)]
    assert len({tuple(own) for own in losses.values()}) == len(losses)


def test_the_state_of_another_optimizer_is_refused(methods):
    methods("train", "--save_every_n_steps=40", "--max_steps=50")
    message = methods("train", "--resume", "--optimizer=adam", expected=2)
    assert "was saved with optimizer `momentum`" in message
    assert "Found `adam` now" in message
