"""Components of packages that are built and installed for the test, into a folder of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration import tiny

ROOT = Path(__file__).resolve().parents[2]


def install(source, target):
    """`pip install` a package without a network: what it needs to be built is in the environment of the tests."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--target", target, source], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def write_package(folder, name, code, points):
    """The source of a package with one module and entry points."""
    folder.mkdir()
    declared = "".join(f'"{point}" = "{module}"\n' for point, module in points.items())
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "1.2"\n[project.entry-points."palm.components"]\n{declared}'
        f'[tool.setuptools]\npy-modules = ["{name}"]\n',
        encoding="utf-8",
    )
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package of examples/plugin, and a file that is there once its module was imported."""
    source = tmp_path_factory.mktemp("source") / "plugin"
    source.mkdir()
    for name in ("pyproject.toml", "palm_round_robin.py"):
        (source / name).write_bytes((ROOT / "examples" / "plugin" / name).read_bytes())
    target = tmp_path_factory.mktemp("installed")
    install(source, target)
    return target


def palm(command, *places, cwd):
    paths = os.pathsep.join(map(str, [ROOT, *places]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "palm", *command]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture
def config(tmp_path):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("one", "鱼")}
    keys = tiny.config(tmp_path, tasks, max_steps=8, report_to="none")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(keys, allow_unicode=True), encoding="utf-8")
    return file


def test_an_installed_sampler_works_by_its_name(installed, config, tmp_path):
    command = ["train", str(config), "--sampling", "round_robin", "--steps_per_turn=2"]
    done = palm(command, installed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = [line["task"] for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    assert steps == ["one", "one", "鱼", "鱼"] * 2


def test_without_the_package_the_name_is_unknown(config, tmp_path):
    done = palm(["check", str(config), "--sampling", "round_robin"], cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown sampling `round_robin`." in done.stderr + done.stdout


def test_a_package_that_is_not_named_is_not_imported(config, tmp_path):
    code = f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
    install(write_package(tmp_path / "source", "noisy", code, {"reader.noisy": "noisy"}), tmp_path / "target")
    done = palm(["check", str(config)], tmp_path / "target", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "imported").exists()


def test_a_broken_package_is_named_where_it_is_needed(config, tmp_path):
    source = write_package(tmp_path / "source", "broken", "\nraise OSError('没有文件')\n", {"sampler.mine": "broken"})
    install(source, tmp_path / "target")
    done = palm(["check", str(config), "--sampling", "mine"], tmp_path / "target", cwd=tmp_path)
    assert done.returncode == 2
    place = f"{tmp_path / 'target' / 'broken.py'}:2"
    fault = (
        f"the plug-in sampler.mine of broken 1.2 cannot be used: its module fails at {place} with OSError: 没有文件."
    )
    assert fault in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_lists_plug_ins_and_what_is_wrong_with_them(installed, tmp_path):
    points = {
        "sampler.mine": "strange", "sampler.round_robin": "strange", "reader.cls": "strange", "no_kind": "strange",
    }  # fmt: skip
    install(write_package(tmp_path / "source", "strange", "", points), tmp_path / "target")
    said = palm(["doctor"], installed, tmp_path / "target", cwd=tmp_path).stdout
    alone = palm(["doctor"], installed, cwd=tmp_path).stdout
    assert "  plug-ins     sampler.round_robin of palm-round-robin 0.1\n" in alone
    assert "! plug-ins     reader.cls of strange 1.2" in said
    assert "PALM has a reader `cls` of its own, which is used" in said
    assert "! plug-ins     no_kind of strange 1.2" in said
    assert "Found that its module strange registers no sampler `mine`" in said
    assert "strange 1.2 declares it as well, so it is refused" in said
    assert "palm-round-robin 0.1 declares it as well, so it is refused" in said
