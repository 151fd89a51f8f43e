"""The Dockerfile's steps, run without Docker: its RUN and COPY lines in an empty folder, its command as a server.

Each absolute path of the image stands for the same path below a temporary root, `/opt/palm` → `ROOT/opt/palm`. What
needs the image's own system (apt-get, useradd) is only read. The virtual environment sees the packages of this one, so
that nothing is downloaded.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from palm.kernels.fused.built import levels_here
from tests.integration.documents import ROOT, read
from tests.integration.served_tasks import ENGLISH, train_all
from tests.integration.server_process import need_the_extra

MOUNT = re.compile(r"--mount=type=bind,from=build,source=(/\w+),target=\1 ")


@dataclass(frozen=True)
class Step:
    """One instruction: `RUN`, and the rest of its line; and the number of its stage."""

    stage: int
    name: str
    words: str


def steps() -> list[Step]:
    joined = re.sub(r"\\\n\s*", "", read("Dockerfile"))
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    found, stage = [], -1
    for line in lines:
        name, _, words = line.partition(" ")
        stage += name == "FROM"
        found.append(Step(stage, name, words.strip()))
    return found


def named(name: str, stage: int | None = None) -> list[str]:
    return [step.words for step in steps() if step.name == name and stage in (None, step.stage)]


def test_two_stages_and_the_second_has_no_compiler() -> None:
    bases = named("FROM")
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim( AS build)?", base) for base in bases)
    assert "gcc" in " ".join(named("RUN", 0))
    assert not re.search(r"gcc|build-essential", " ".join(named("RUN", 1)))
    supported = re.findall(r"Python :: (3\.\d+)", read("pyproject.toml"))
    assert {re.findall(r"3\.\d+", base)[0] for base in bases} <= set(supported)


def test_the_second_stage_installs_the_wheel_of_the_first_and_copies_nothing() -> None:
    assert "PALM_BUILD_KERNELS=all pip wheel" in " ".join(named("RUN", 0))
    assert named("COPY", 1) == []
    [install] = [words for words in named("RUN", 1) if "pip install" in words]
    assert MOUNT.match(install)
    assert re.search(r"set -- /wheels/\*\.whl && \S+/pip install --no-cache-dir \"\$1\[[a-z,]+\]\"$", install)


def test_it_does_not_run_as_root_and_says_whether_it_is_well() -> None:
    assert "useradd" in " ".join(named("RUN", 1))
    [user] = named("USER", 1)
    assert user.isdigit()
    assert f"--uid {user} palm" in " ".join(named("RUN", 1))
    assert "/v2/health/ready" in named("HEALTHCHECK", 1)[0]
    assert named("STOPSIGNAL") == ["SIGTERM"]


def test_installed_packages_leave_no_lists() -> None:
    for words in named("RUN"):
        if "apt-get" in words:
            assert "--no-install-recommends" in words
            assert "rm -rf /var/lib/apt/lists/*" in words


def test_what_is_copied_is_what_dockerignore_lets_in() -> None:
    copied = {name for words in named("COPY", 0) for name in words.split()[:-1]}
    lines = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert lines[0] == "*"
    assert all((ROOT / name).exists() for name in copied)
    assert any(fnmatch.fnmatch("palm/kernels/x.so", line.removeprefix("**/")) for line in lines)


def test_compose_serves_the_same_image() -> None:
    [service] = yaml.safe_load(read("compose.yaml"))["services"].values()
    assert service["build"] == "."
    assert service["ports"][0].endswith(f":{named('EXPOSE')[0]}")
    assert service["volumes"][0].endswith(":/model:ro")
    assert service["environment"]["PALM_TOKEN"].startswith("${PALM_TOKEN:?")
    assert service["read_only"] is True
    # Longer than the time that a stop may take.
    assert int(service["stop_grace_period"].removesuffix("s")) > 30


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder after the steps of both stages."""
    need_the_extra()
    root = tmp_path_factory.mktemp("image")
    stages = [root / "build", root / "final"]
    folders = {0: "/", 1: "/"}
    for step in steps():
        place = stages[step.stage]
        if step.name == "WORKDIR":
            folders[step.stage] = step.words
            below(place, step.words).mkdir(parents=True, exist_ok=True)
        elif step.name == "COPY":
            copy(step.words, place, folders[step.stage])
        elif step.name == "RUN" and not re.match(r"apt-get", step.words):
            run_step(step.words, stages, step.stage, below(place, folders[step.stage]))
    return stages[1]


def below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def copy(words: str, place: Path, folder: str) -> None:
    """COPY from the repository."""
    *sources, target = words.split()
    for source in sources:
        found, goal = ROOT / source, below(place, os.path.normpath(os.path.join(folder, target)))
        if found.is_dir():
            shutil.copytree(found, goal, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, goal)


def run_step(words: str, stages: list[Path], stage: int, folder: Path) -> None:
    """RUN without useradd: paths of the image below its stage's, and packages from this environment, not the net."""
    place = stages[stage]
    mounted = MOUNT.match(words)
    command = MOUNT.sub("", words)
    if mounted:
        command = command.replace(f"{mounted[1]}/", f"{stages[0]}{mounted[1]}/")
    else:
        command = command.replace(" /wheels ", f" {place}/wheels ")
    command = re.sub(r"(?<![\w.])/opt/", f"{place}/opt/", command)
    command = re.sub(r"useradd [^&]*&& ", "", command)
    command = command.replace("python -m venv", f"{shlex.quote(sys.executable)} -m venv --without-pip", 1)
    pip = f"{shlex.quote(sys.executable)} -m pip"
    command = re.sub(r"(\S+/bin)/pip install", rf"{pip} --python \1/python install --no-index --no-deps", command)
    command = command.replace(" pip wheel", f" {pip} wheel --no-index --no-build-isolation")
    environment = {**os.environ, "CC": str(quick_compiler(place))}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    if "venv" in words:  # the packages that PALM depends on
        [site] = below(place, "/opt/palm").glob("lib/python3*/site-packages")
        own = next(path for path in sys.path if path.endswith("site-packages"))
        (site / "of_the_tests.pth").write_text(f"{own}\n", encoding="utf-8")


def quick_compiler(place: Path) -> Path:
    """A C compiler that does not optimise, which takes most of a build's time."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / "cc"
    file.write_text('#!/bin/sh\nexec cc "$@" -O0\n', encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.mark.slow
def test_the_image_serves(image: Path, tmp_path: Path) -> None:
    run = train_all(tmp_path, steps=4)
    entry, more = json.loads(named("ENTRYPOINT")[0]), json.loads(named("CMD")[0])
    assert entry[:3] == ["palm", "serve", "/model"]
    token = "of-the-container"
    python = below(image, "/opt/palm/bin/python")
    words = [str(python), "-I", "-m", *entry, *more, "--port", "0", "--tasks", "intent"]
    words[words.index("/model")] = str(run)
    kept = ("PATH", "LD_LIBRARY_PATH", "LANG", "HOME")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    process = subprocess.Popen(
        words, env={**environment, "PALM_TOKEN": token, "OMP_NUM_THREADS": "1"}, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://0.0.0.0:" in line, process.communicate()[1]
        port = line.strip().rpartition(":")[2]
        [check] = named("HEALTHCHECK")
        probe = json.loads(check.partition("CMD ")[2])
        probe = [str(python), "-I", *(word.replace(":8000", f":{port}") for word in probe[1:])]
        subprocess.run(probe, check=True, env=environment)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/predict", json.dumps({"inputs": [ENGLISH]}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {token}"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.loads(response.read())
        assert answer["predictions"][0]["intent"]["label"] in ("air", "water")
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_image_holds_palm_alone_of_this_repository(image: Path) -> None:
    python = below(image, "/opt/palm/bin/python")
    code = "import palm; print(palm.__file__)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    package = Path(done.stdout.strip()).parent
    assert package.is_relative_to(image)
    kernels = {file.name.partition(".")[0] for file in (package / "kernels" / "fused").glob("*.so")}
    assert kernels == set(levels_here())
    assert not (image / "src").exists()
