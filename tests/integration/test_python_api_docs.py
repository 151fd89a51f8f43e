"""docs/python-api.md runs as it is written, and docs/api-reference.md is up to date."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import palm
from tests.integration.documents import blocks, without_comments
from tests.integration.small_encoder import write_small_encoder


def run(*words, cwd, repository):
    search = os.pathsep.join(filter(None, (str(repository), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def home(repository, tmp_path):
    for name in ("intent", "slots"):
        shutil.copytree(repository / "data" / "travel" / "en" / name, tmp_path / "data" / "travel" / "en" / name)
    write_small_encoder(tmp_path / "pretrain" / "minilm-l6-en", repository / "data" / "vocab" / "vocab_en.txt")
    return tmp_path


def test_the_page_runs_from_top_to_bottom(home, repository):
    text = (repository / "docs" / "python-api.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    (home / "page.py").write_text(code, encoding="utf-8")
    status, output = run("page.py", cwd=home, repository=repository)

    assert status == 0, output
    assert re.search(
        r"^global step: 10, intent: step 10/30 \(epoch 0\), loss: \d\.\d{3}, speed: ", output, re.MULTILINE
    )
    assert (home / "output" / "predict" / "step_180" / "intent" / "manifest.json").is_file()
    assert (home / "output" / "predictions" / "slots" / "predictions.json").is_file()


def test_the_chinese_page_has_the_same_code(repository):
    """So what is run above is what stands there, but for the comments."""
    pages = [(repository / "docs" / name).read_text(encoding="utf-8") for name in ("python-api.md", "python-api_zh.md")]
    english, chinese = ([without_comments(block) for block in blocks(page, "python")] for page in pages)
    assert len(english) > 5
    assert chinese == english


def test_the_reference_is_up_to_date(home, repository):
    status, output = run(
        str(repository / "docs" / "write_api_reference.py"), "--check", cwd=home, repository=repository
    )
    assert status == 0, output or "docs/api-reference.md is out of date: run `make docs`"


def test_the_reference_has_every_public_name(repository):
    text = (repository / "docs" / "api-reference.md").read_text(encoding="utf-8")
    names = [f"palm.{name}" for name in palm.__all__ if name != "__version__"]
    for module in ("reader", "head", "optimizer", "lr_sched", "backbone"):
        schedules = {"Schedule", "TriangularScheduler", "WarmupScheduler", "TriangularSchedualer", "WarmupSchedualer"}
        public = [
            name
            for name in getattr(palm, module).__all__
            if module not in ("optimizer", "lr_sched") or (name in schedules) == (module == "lr_sched")
        ]
        names += [f"palm.{module}.{name}" for name in public if not name.isupper() or name in ("MRC", "BERT", "ERNIE")]
    missing = [name for name in names if f"`{name}`" not in text]
    configs = [f"palm.backbone.{name}" for name in palm.backbone.__all__ if name.endswith("Config")]
    assert missing == ["palm.reader.Reader", "palm.lr_sched.Schedule", *configs]
