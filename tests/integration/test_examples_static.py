"""Every shipped configuration and example: documented as the others are, sound, and with commands that work."""

import json
import py_compile
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from palm.config.resolve import load_run_configs
from palm.data.vocab import load_vocab
from tests.integration.small_encoder import write_small_encoder

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGS = sorted(
    [*ROOT.glob("configs/*.yaml"), *ROOT.glob("configs/methods/*.yaml"), *ROOT.glob("examples/*/config*.yaml")]
)
NO_RUNS = {"__pycache__", "plugin"}  # a package, which tests/integration/test_plugins.py installs
EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if folder.is_dir() and folder.name not in NO_RUNS)
# What these train on is made of public data: tests/integration/test_public_examples.py runs them.
ON_PUBLIC_DATA = {"classification", "matching", "tagging", "reading", "dnet", "methods"}
WITHOUT_YAML = {"multi_task_api", "train_with_eval", "predict", "from_transformers", "infer_onnx", "few_shot"}
COMPLETE = [config for config in CONFIGS if config.parent.name not in ON_PUBLIC_DATA]
SCRIPTS = sorted([*ROOT.glob("examples/*/*.sh"), ROOT / ".ci" / "run"])


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def header(config: Path) -> dict[str, str]:
    """The `word  command` lines of the comment that a configuration opens with."""
    comment = re.match(r"(?:#.*\n)+", config.read_text(encoding="utf-8"))
    return dict(re.findall(r"^#   (\w+) +(\S.*)$", comment.group() if comment else "", re.MULTILINE))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain") / "minilm-l6-en"
    write_small_encoder(folder, ROOT / "data" / "vocab" / "vocab_en.txt", layers=6)
    return folder


def check(config: Path, encoder: Path, overrides: list[str]) -> None:
    """What `palm check` does, with a small encoder where MiniLM should be."""
    words = list(overrides)
    for key, value in yaml.safe_load(config.read_text(encoding="utf-8")).items():
        if isinstance(value, str) and "minilm-l6-en" in value:
            words.append(f"--{key}={encoder / value.split('minilm-l6-en')[1].lstrip('/')}")
        if key == "encoder":
            words.append(f"--encoder={encoder}")
    tasks = config.parent / "tasks"
    task_dir = tasks if tasks.is_dir() else config.parent
    load_run_configs(config, task_dir=str(task_dir), for_train=True, overrides=words, wiring=True)


def test_there_is_something_to_test() -> None:
    assert len(CONFIGS) >= 12
    assert {folder.name for folder in EXAMPLES} >= {"quickstart", "demo1", "demo2", "demo3", "atis"}


@pytest.mark.parametrize(("name", "language"), [("quickstart", "en"), ("quickstart_zh", "zh")])
def test_a_quickstart_trains_what_the_demo_trains(name: str, language: str) -> None:
    """So what is measured of the demo is true of the quickstart."""
    quickstart, demo = (
        yaml.safe_load((ROOT / folder / "config.yaml").read_text(encoding="utf-8"))
        for folder in (f"examples/{name}", f"palm/cli/demo_files/{language}")
    )
    for config in (quickstart, demo):
        for key in ("encoder", "backbone", "pretrain_model_path", "do_lower_case", "use_gpu", "print_every_n_steps"):
            config.pop(key, None)
    home, tasks = ROOT / "examples" / name, quickstart.pop("tasks")
    assert quickstart == {key: value for key, value in demo.items() if key != "tasks"}
    assert list(tasks) == list(demo["tasks"])
    for task, keys in demo["tasks"].items():
        for key, value in keys.items():
            if key.endswith("_file"):
                file = ROOT / "palm" / "cli" / "demo_files" / language / value
                assert (home / tasks[task].pop(key)).read_bytes() == file.read_bytes()
        assert tasks[task] == {key: value for key, value in keys.items() if not key.endswith("_file")}


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_configuration_opens_with_what_to_do(config: Path) -> None:
    first = config.read_text(encoding="utf-8").splitlines()[0]
    assert re.match(r"# .{20,}", first)
    assert {"needs", "run", "override"} <= set(header(config))


@pytest.fixture
def atis_tables(tmp_path: Path) -> Path:
    """Two utterances a split, in the form that prepare.py writes."""
    public = tmp_path / "public"
    for split in ("train", "dev", "test"):
        (public / split).mkdir(parents=True)
        (public / split / "seq.in").write_text("fly to boston\nwhat is the fare\n", encoding="utf-8")
        (public / split / "seq.out").write_text("O O B-toloc\nO O O O\n", encoding="utf-8")
        (public / split / "label").write_text("flight\nfare\n", encoding="utf-8")
    script = ROOT / "examples" / "atis" / "prepare.py"
    subprocess.run([sys.executable, str(script), "--data", str(public), "--out", str(tmp_path / "data")], check=True)
    return tmp_path / "data"


@pytest.fixture
def generated(tmp_path: Path, config: Path) -> Path:
    """What make_data.py writes."""
    script = config.parent / "make_data.py"
    subprocess.run([sys.executable, str(script), "--out", str(tmp_path / "example" / "data")], check=True)
    return tmp_path / "example" / "data"


@pytest.mark.parametrize("config", COMPLETE, ids=name_of)
@pytest.mark.parametrize("overridden", [False, True])
def test_configuration_is_sound(
    config: Path, overridden: bool, encoder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, and with the override that it recommends."""
    own = "generated" if (config.parent / "make_data.py").exists() else None
    made = {"atis": "atis_tables"}.get(config.parent.name, own)
    monkeypatch.chdir(request.getfixturevalue(made).parent if made else config.parent)
    words = shlex.split(header(config)["override"])
    flags = words[next(place for place, word in enumerate(words) if word.startswith("--") and word != "--task_dir") :]
    flags = flags[2:] if flags[0] == "--task_dir" else flags
    check(config, encoder, flags if overridden else [])


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_commands_in_the_header_name_files_that_exist(config: Path) -> None:
    home = ROOT if config.parent.name in ("configs", "methods") else config.parent
    for key in ("run", "override", "predict"):
        for word in re.findall(r"[\w/.]+\.(?:yaml|py|sh)", header(config).get(key, "")):
            assert (home / word).is_file(), f"{key}: {word}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example_is_complete(example: Path) -> None:
    wanted = ["README.md", "train.py" if example.name == "few_shot" else "run.py", "run.sh"]
    wanted += ["config.yaml"] if example.name not in WITHOUT_YAML else []
    assert [name for name in wanted if not (example / name).is_file()] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_shell_scripts_parse(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", sorted(ROOT.glob("examples/*/*.py")), ids=name_of)
def test_python_scripts_compile(script: Path, tmp_path: Path) -> None:
    py_compile.compile(str(script), cfile=str(tmp_path / "compiled"), doraise=True)


@pytest.mark.parametrize(
    ("demo", "task_dir"), [("demo1", ""), ("demo2", ', task_dir="tasks"'), ("demo3", ', task_dir="tasks"')]
)
def test_demos_are_the_manuals_own_lines(demo: str, task_dir: str) -> None:
    lines = (ROOT / "examples" / demo / "run.py").read_text(encoding="utf-8").splitlines()
    assert [line.strip() for line in lines if line.strip() and not line.startswith("#")][:5] == [
        "import palm",
        'if __name__ == "__main__":',
        f'controller = palm.Controller("config.yaml"{task_dir})',
        'controller.load_pretrain("../../pretrain/minilm-l6-en")',
        "controller.train()",
    ]


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_ernie"])
def test_small_encoders_have_room_for_both_vocabularies(name: str) -> None:
    backbone_config = json.loads((ROOT / "configs" / f"{name}.json").read_text(encoding="utf-8"))
    for language in ("en", "zh"):
        assert len(load_vocab(ROOT / "data" / "vocab" / f"vocab_{language}.txt")) <= backbone_config["vocab_size"]


def test_prepare_refuses_files_of_different_length(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "seq.in").write_text("fly to boston\nto boston\n", encoding="utf-8")
    (tmp_path / "train" / "seq.out").write_text("O O B-toloc\n", encoding="utf-8")
    (tmp_path / "train" / "label").write_text("flight\n", encoding="utf-8")
    command = [
        sys.executable,
        str(ROOT / "examples/atis/prepare.py"),
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "have a line for each utterance. Found 2, 1 and 1 lines." in done.stderr


def test_score_counts_what_the_literature_counts(tmp_path: Path, atis_tables: Path) -> None:
    """One of two intents right; of one gold span one found, and one too many: F1 2/3; one sentence right in both."""
    predictions = {
        "intent": [{"label": "flight"}, {"label": "flight"}],
        "slots": [{"labels": ["O", "O", "B-toloc"]}, {"labels": ["B-fare", "O", "O", "O"]}],
    }
    for task, rows in predictions.items():
        (tmp_path / "out" / task).mkdir(parents=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "out" / task / "predictions.json").write_text(text, encoding="utf-8")
    script = str(ROOT / "examples" / "atis" / "score.py")
    command = [sys.executable, script, "--data", str(atis_tables), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = {"intent_accuracy": 50.0, "slot_f1": 66.67, "sentence_accuracy": 50.0, "sentences": 2}
    assert json.loads(done.stdout) == expected
