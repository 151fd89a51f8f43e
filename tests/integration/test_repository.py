"""Makefile, .github and the other files of the repository's front: they agree with the package and with each other."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import palm
from tests.integration.documents import READMES, ROOT, read

FOR_DEVELOPERS = ("test", "check", "format", "coverage")
FOR_USERS = ("quickstart", "quickstart_zh", "demo")


def make(*words: str, cwd: Path = ROOT) -> str:
    # Under `make test` a make of its own would count as a sub-make and say which directory it enters.
    inherited = ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {key: value for key, value in os.environ.items() if key not in inherited}
    done = subprocess.run(["make", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_make_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert phony is not None
    targets = set(re.findall(r"^([a-z0-9_-]+):", read("Makefile"), re.MULTILINE))
    assert targets == set(phony[1].split())
    listed = {line.split()[0] for line in make().splitlines()}
    assert listed == targets - {"ready", "installed", "site-tools"}


def test_makefile_has_every_target_that_is_named() -> None:
    names = (*READMES, "CONTRIBUTING.md", ".ci/run", ".github/workflows/tests.yml", ".github/pull_request_template.md")
    names += tuple(file.relative_to(ROOT).as_posix() for file in ROOT.glob("docs/**/*.md"))
    named = {target for name in names for target in re.findall(r"(?:`|^|run: |- )make ([a-z_]+)", read(name), re.M)}
    targets = set(re.findall(r"^([a-z_]+):", read("Makefile"), re.MULTILINE))
    assert {"install", "quickstart", "format", "coverage"} <= named
    assert named <= targets


def test_makefile_runs_in_a_folder_with_a_blank(tmp_path: Path) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    (folder / "Makefile").write_text(read("Makefile"), encoding="utf-8")
    shown = make("--dry-run", "install", "test", "check", "quickstart", f"VENV={tmp_path}/an environment", cwd=folder)
    assert f'"{tmp_path}/an environment/bin/python" -m pytest' in shown


@pytest.mark.parametrize("target", [*FOR_USERS, *FOR_DEVELOPERS])
def test_users_get_palm_alone_and_developers_the_tools(target: str, tmp_path: Path) -> None:
    shown = make("--dry-run", target, f"VENV={tmp_path}/venv")
    installed = re.findall(r"pip install --editable (\S+?);?(?: .*)?$", shown, re.MULTILINE)
    assert installed == (['".[cpu,test,dev]"' if target in FOR_DEVELOPERS else '".[cpu]"'])


def test_what_users_get_holds_no_tool_of_developers() -> None:
    project = read("pyproject.toml")
    needed = names_of(project.split("\ndependencies = [")[1])
    tools = names_of(project.split("\ndev = [")[1]) | names_of(project.split("\ntest = [")[1])
    assert "numpy" in needed
    assert {"coverage", "ruff", "mypy", "pytest"} <= tools
    assert needed & tools == set()


def names_of(text: str) -> set[str]:
    """Package names of a list of requirements that begins at `text`."""
    lines = text.split("\n]")[0] if text.startswith("\n") else text.split("]\n")[0]
    return {re.split(r"[\[<>=; ]", found)[0].lower() for found in re.findall(r'"([^"]+)"', lines)}


def test_every_supported_python_is_tested() -> None:
    workflow = yaml.safe_load(read(".github/workflows/tests.yml"))
    job = workflow["jobs"]["tests"]
    supported = re.findall(r"Python :: (3\.\d+)", read("pyproject.toml"))
    assert job["strategy"]["matrix"]["python"] == supported
    commands = [step["run"] for step in job["steps"] if "run" in step]
    made = [command.split()[1] for command in commands if command.startswith("make ")]
    assert made == ["install", "check", "test"]
    older = workflow["jobs"]["paddle26"]["steps"]
    assert [step["run"] for step in older if "run" in step] == ["make test-paddle26 PYTHON3=python"]
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_forms_are_valid(name: str) -> None:
    form = yaml.safe_load(read(f".github/ISSUE_TEMPLATE/{name}.yml"))
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["type"] in ("textarea", "input", "dropdown", "checkboxes") for field in fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == palm.__version__
    assert f'license = "{citation["license"]}"' in read("pyproject.toml")


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_reports_go_through_github_and_no_address_is_made_up(name: str) -> None:
    text = read(name)
    assert "Report a vulnerability" in text
    assert re.findall(r"[\w.]+@[\w.]+", text) == []


def test_no_path_of_a_developers_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a git clone")
    own = re.compile(r"(?<![\w.~}])/(?:work|home/\w+|root|Users/\w+)/")
    found = []
    for name in listed.stdout.splitlines():
        file = ROOT / name
        if file.is_file() and own.search(file.read_text(encoding="utf-8", errors="ignore")):
            found.append(name)
    assert [name for name in found if name != "tests/integration/test_repository.py"] == []
