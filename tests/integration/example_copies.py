"""Copies of examples in folders that look like the repository, their commands in processes of their own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from tests.integration.documents import ROOT

EXAMPLES = ROOT / "examples"


def copy_of(name: str, home: Path) -> Path:
    """The example in `home`, without what it may have written, beside the configs and the data of the repository."""
    copied = home / "examples" / name
    ignored = shutil.ignore_patterns("output_model", "data", "__pycache__")
    shutil.copytree(EXAMPLES / name, copied, ignore=ignored)
    for folder in ("configs", "data"):
        (home / folder).symlink_to(ROOT / folder)
    return copied


def environment() -> dict[str, str]:
    """That of a process that runs this interpreter and this PALM."""
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": search, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


def run(folder: Path, *words: str) -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def script_of(name: str, file: str) -> ModuleType:
    """A script of an example as a module."""
    spec = importlib.util.spec_from_file_location(f"{name}_{Path(file).stem}", EXAMPLES / name / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
