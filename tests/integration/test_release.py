"""How a release is made: the workflow that builds and publishes, and the conda recipe."""

import re

import pytest
import yaml

import palm
from palm.kernels.fused.built import OPTIONS_OF_LEVEL, find_library
from tests.integration.documents import ROOT, read

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML by itself")
NEEDS = {"kernels": [], "plain": [], "installed": ["kernels", "plain"], "publish": ["installed"]}


@pytest.fixture(scope="module")
def workflow() -> dict:
    return yaml.safe_load(read(".github/workflows/release.yml"))


def commands(job: dict) -> str:
    return "\n".join(str(step.get("run", "")) for step in job["steps"])


def test_nothing_is_published_before_every_wheel_was_installed(workflow) -> None:
    assert {name: list(job.get("needs", [])) for name, job in workflow["jobs"].items()} == NEEDS
    publish = workflow["jobs"]["publish"]
    assert publish["if"] == "github.event_name == 'push'"
    assert workflow[True] == {"push": {"tags": ["v*"]}, "workflow_dispatch": None}  # YAML reads `on` as true


def test_only_the_last_job_may_publish_and_no_token_is_stored(workflow) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    rights = {"id-token": "write", "attestations": "write", "contents": "read"}
    assert allowed == {"kernels": None, "plain": None, "installed": None, "publish": rights}
    assert "secrets." not in read(".github/workflows/release.yml")
    uses = [step.get("uses", "") for step in workflow["jobs"]["publish"]["steps"]]
    assert any(use.startswith("actions/attest-build-provenance@") for use in uses)
    assert any(use.startswith("pypa/gh-action-pypi-publish@") for use in uses)


def test_the_wheels_of_both_processors_hold_every_level_or_fail(workflow) -> None:
    kernels = workflow["jobs"]["kernels"]
    machines = [entry["machine"] for entry in kernels["strategy"]["matrix"]["include"]]
    assert machines == ["x86_64", "aarch64"]
    assert "PALM_BUILD_KERNELS=all" in commands(kernels)
    assert "auditwheel repair" in commands(kernels)
    assert "PALM_BUILD_KERNELS=none" in commands(workflow["jobs"]["plain"])


def test_the_wheel_is_tried_on_every_system_with_the_oldest_and_newest_python(workflow) -> None:
    matrix = workflow["jobs"]["installed"]["strategy"]["matrix"]
    supported = re.findall(r"Python :: (3\.\d+)", read("pyproject.toml"))
    assert matrix["python"] == [supported[0], supported[-1]]
    assert {runner.partition("-")[0] for runner in matrix["runner"]} == {"ubuntu", "macos", "windows"}
    assert "palm demo" in commands(workflow["jobs"]["installed"])


def test_the_libraries_ask_for_no_library_but_libc() -> None:
    """OpenMP binds to Paddle's: a wheel that asked for libgomp would be given a copy of it by auditwheel."""
    built = [found for level in OPTIONS_OF_LEVEL if (found := find_library(level)) is not None]
    if not built:
        pytest.skip("the C kernels were not built")
    for library in built:
        names = set(re.findall(rb"lib[\w+-]+\.so[.\d]*", library.file.read_bytes()))
        assert names == {b"libc.so.6"}, library.file.name
        versions = {
            tuple(map(int, one.split(b"."))) for one in re.findall(rb"GLIBC_(\d+\.\d+)", library.file.read_bytes())
        }
        assert max(versions) <= (2, 17), library.file.name


def test_the_conda_recipe_names_this_version_and_the_same_packages() -> None:
    recipe = yaml.safe_load(read("packaging/conda/recipe.yaml"))
    assert recipe["schema_version"] == 1
    assert recipe["context"]["version"] == palm.__version__
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = {re.sub(r"\s", "", one) for one in project["dependencies"]} | {f"python{project['requires-python']}"}
    assert {one.replace(" ", "") for one in recipe["requirements"]["run"]} == wanted
    assert recipe["about"]["license"] == project["license"]
    entry = recipe["build"]["python"]["entry_points"]
    assert entry == [f"{name} = {place}" for name, place in project["scripts"].items()]
    assert (ROOT / recipe["about"]["license_file"]).is_file()
