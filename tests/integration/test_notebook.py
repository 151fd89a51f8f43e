"""The quickstart's notebook trains and predicts: cell after cell, and in a real kernel where there is one.

A small random encoder stands where MiniLM should be.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.small_encoder import write_small_encoder

NOTEBOOK = Path("examples") / "quickstart" / "quickstart.ipynb"
STEP = re.compile(r"Global step: \d+\. Task: \w+, step \d+/\d+ \(epoch 0\), loss: \d+\.\d{3}, speed: .+ steps/s")
API_STEP = re.compile(r"global step: \d+, intent: step \d+/30 \(epoch \d\), loss: \d+\.\d{3}, speed: .+ steps/s")


@pytest.fixture
def home(repository, tmp_path):
    for name in ("examples/quickstart", "data", "palm/cli/demo_files"):
        ignored = shutil.ignore_patterns("output_model", "__pycache__")
        shutil.copytree(repository / name, tmp_path / name, ignore=ignored)
    write_small_encoder(tmp_path / "pretrain" / "minilm-l6-en", repository / "data" / "vocab" / "vocab_en.txt")
    return tmp_path


def shortened(home):
    """The notebook, with a fifth of an epoch instead of two."""
    notebook = json.loads((home / NOTEBOOK).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = [line.replace('"--num_epochs", "2.2"', '"--num_epochs", "0.2"') for line in cell["source"]]
    return notebook


def environment(repository):
    search = os.pathsep.join(filter(None, (str(repository), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"}


def check(text, home, by_hand=1):
    """Three targets are trained by the Controller, and one by hand: steps 10 to 60, after five without a line."""
    lines = text.splitlines()
    assert any(STEP.fullmatch(line) for line in lines)
    assert len([line for line in lines if line.endswith("train finished!")]) == 3 + by_hand
    assert sum(bool(API_STEP.fullmatch(line)) for line in lines) == 6 * by_hand
    for task in ("answer", "intent", "slots"):
        assert (home / "examples" / "quickstart" / "output_model" / task / "infer_model" / "manifest.json").is_file()


def test_the_cells_run_one_after_the_other_whatever_jupyter_was_started_with(home, repository):
    code = ["import sys", "sys.argv = ['ipykernel_launcher.py', '-f', '/tmp/kernel.json', '--num_epochs', 'many']"]
    code += ["".join(cell["source"]) for cell in shortened(home)["cells"] if cell["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n\n".join(code)],
        cwd=(home / NOTEBOOK).parent, env=environment(repository), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(done.stdout, home)


@pytest.mark.filterwarnings("ignore")  # of Jupyter's packages
def test_it_runs_in_a_kernel(home, repository, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: the extra `notebook`")
    pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel: the extra `notebook`")
    import nbformat

    for name, value in environment(repository).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.reads(json.dumps(shortened(home)), as_version=4)
    nbformat.validate(notebook)
    place = {"metadata": {"path": str((home / NOTEBOOK).parent)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()

    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    streams = {
        name: "".join(each.text for each in outputs if each.get("name") == name) for name in ("stdout", "stderr")
    }
    lines = streams["stdout"].splitlines()
    assert not any(STEP.fullmatch(line) or API_STEP.fullmatch(line) for line in lines), "the tables show them"
    assert "arning" not in streams["stderr"], "no widgets are needed"
    tables = [output.data["text/html"] for output in outputs if output.output_type == "display_data"]
    assert any("<td>output_model/intent/infer_model</td>" in table for table in tables)
    check((home / "examples" / "quickstart" / "output_model" / "log.txt").read_text(encoding="utf-8"), home, by_hand=0)


def test_it_is_stored_without_outputs(repository):
    notebook = json.loads((repository / NOTEBOOK).read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
