"""What is distributed: a source archive and a wheel that hold everything, and install where there is no compiler."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest

import palm

ROOT_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def run(*words, cwd, **environment):
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(repository, tmp_path_factory):
    """A copy of what the archives are built from."""
    pytest.importorskip("build", reason="needs the package `build`: the extra `dev`")
    source = tmp_path_factory.mktemp("source")
    for name in ROOT_FILES:
        shutil.copy(repository / name, source / name)
    shutil.copytree(repository / "palm", source / "palm", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return source


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """The two archives, the wheel made from the source archive by a compiler that fails at everything."""
    target = tmp_path_factory.mktemp("dist")
    no_compiler = {"CC": "false", "CXX": "false"}
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source, cwd=target, **no_compiler)
    return target


def wheel_of(folder):
    (wheel,) = folder.glob("*.whl")
    return wheel


def package_files(repository):
    kinds = (".py", ".typed", ".c", ".h", ".html", ".css", ".js", ".svg")
    demo = repository / "palm" / "cli" / "demo_files"
    files = [file for file in (repository / "palm").rglob("*") if file.name == "py.typed" or file.suffix in kinds]
    files += [file for file in demo.rglob("*") if file.is_file()]
    return {file.relative_to(repository).as_posix() for file in files if "__pycache__" not in file.parts}


def test_both_archives_hold_every_file_of_the_package(built, repository):
    wanted = package_files(repository)
    assert {"palm/py.typed", "palm/kernels/fused/kernels.c", "palm/kernels/fused/vector_math.h"} <= wanted
    page = {f"palm/inference/serving/page/{name}" for name in ("index.html", "page.css", "page.js", "palm.svg")}
    assert page <= wanted
    assert {f"palm/cli/demo_files/{code}/demo_data/mrc/train.json" for code in ("en", "zh")} <= wanted
    with zipfile.ZipFile(wheel_of(built)) as archive:
        assert wanted <= set(archive.namelist())
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"pyproject.toml", "setup.py", "README.md", "LICENSE"} <= names


def test_the_wheel_holds_nothing_else(built):
    with zipfile.ZipFile(wheel_of(built)) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"palm"}


def test_the_wheel_installs_and_runs_in_a_fresh_environment(built, tmp_path):
    venv.create(tmp_path / "venv", system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel_of(built), cwd=tmp_path, CC="false")
    # Its dependencies are those of this process; only PALM itself comes from the new environment.
    search = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    code = "import palm, sys; print(palm.__file__); from palm.cli.main import main; sys.exit(main(['--version']))"
    words = run(python, "-S", "-c", f"import sys; sys.path[:0] = [{str(_site(tmp_path))!r}]; {code}", cwd=tmp_path,
                PYTHONPATH=search)  # fmt: skip
    place, version = words.splitlines()
    assert place.startswith(str(tmp_path))
    assert version == f"palm {palm.__version__}"


def test_the_version_stands_in_one_place_and_the_others_follow(repository):
    version = palm.__version__
    for file, line in (("CITATION.cff", f"\nversion: {version}\n"), ("CHANGELOG.md", f"\n## [{version}] - ")):
        assert line in (repository / file).read_text(encoding="utf-8"), file
    assert not re.search(r'^version = "', (repository / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_tag_names_no_version_of_python(built, tmp_path):
    assert re.fullmatch(r"paddle_palm-[\w.]+-py3-none-linux_\w+\.whl", wheel_of(built).name)


def test_without_kernels_one_wheel_serves_every_platform(source, tmp_path):
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, source, cwd=tmp_path,
        PALM_BUILD_KERNELS="none")  # fmt: skip
    assert wheel_of(tmp_path).name.endswith("-py3-none-any.whl")


def test_a_release_fails_where_a_level_does_not_compile(source, tmp_path):
    for value, said in (("all", "error: "), ("some", "PALM_BUILD_KERNELS: auto, all or none. Found 'some'.")):
        words = [sys.executable, "setup.py", "build_ext", "--build-lib", str(tmp_path)]
        environment = {**os.environ, "CC": "false", "PALM_BUILD_KERNELS": value}
        done = subprocess.run(words, cwd=source, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stderr


def _site(tmp_path):
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    return site
