"""docs: links and anchors lead somewhere, every page is in the index, code and commands run, tables are up to date."""

import functools
import operator
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from palm.cli.main import COMMANDS, build_parser
from palm.config.resolve import load_run_config
from palm.downloader.catalogue import MODELS
from tests.integration.documents import (
    DOCUMENTS,
    ROOT,
    anchors,
    blocks,
    links,
    prose,
    read,
    sections,
    tables,
    without_comments,
)
from tests.integration.small_encoder import write_small_encoder

PAGES = sorted(name for name in DOCUMENTS if name.startswith("docs/"))
COMMAND_PAGES = ("docs/command-line.md", "docs/command-line_zh.md", "docs/overview_zh.md")
ENCODER_PAGES = ("docs/guides/encoder.md", "docs/guides/encoder_zh.md")
# Pages whose content has moved; their headings lead old links on.
MOVED = ("docs/how-to.md", "docs/how-to_zh.md", "docs/scheduling.md")
TREE_PAGES = ("docs/architecture.md", "docs/overview_zh.md")
INDEXES = ("docs/README.md", "docs/README_zh.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    assert [link for link in links(name) if problem_of(name, link)] == []


def problem_of(name: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (ROOT / name).parent / path if path else ROOT / name
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text(encoding="utf-8"))


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    assert problem_of("docs/README.md", "how-to.md#no-such-heading")
    assert problem_of("docs/README.md", "no-such-page.md")
    assert not problem_of("docs/README.md", "how-to.md#which-encoder")


@pytest.mark.parametrize("name", MOVED)
def test_a_moved_page_leads_on_from_each_heading(name: str) -> None:
    """Old links to a heading find the new place below it."""
    parts = re.split(r"^##+ .*\n", read(name), flags=re.MULTILINE)[1:]
    assert len(parts) > 5
    assert [part for part in parts if not re.fullmatch(r"\n\[.*\]\((guides|concepts)/.*#.*\)\n*", part)] == []


@pytest.mark.parametrize("index", INDEXES)
def test_every_page_is_reached_from_the_index(index: str) -> None:
    reached, open_pages = {index}, [index]
    while open_pages:
        page = open_pages.pop()
        for link in links(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            files = sorted(target.glob("*.md")) if target.is_dir() else [target]
            new = {file.relative_to(ROOT).as_posix() for file in files if file.suffix == ".md"} - reached
            reached |= new
            open_pages += [name for name in new if name.startswith("docs/")]
    assert set(PAGES) - reached - set(MOVED) == set()


def test_the_index_links_every_english_page_itself() -> None:
    linked = {((ROOT / "docs") / link.partition("#")[0]).resolve() for link in links("docs/README.md")}
    own = [name for name in PAGES if not name.endswith("_zh.md") and name not in ("docs/README.md", *MOVED)]
    missing = [name for name in own if not {ROOT / name, (ROOT / name).parent} & (linked - {ROOT / "docs"})]
    assert missing == []


TRANSLATED = [name for name in PAGES if name.replace(".md", "_zh.md") in PAGES]


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translation_has_the_headings_of_its_page(name: str) -> None:
    """On the site a heading of a translation is also found by the anchor of the original."""
    levels = [re.findall(r"^(#+) ", prose(read(one)), re.MULTILINE) for one in (name, name.replace(".md", "_zh.md"))]
    assert levels[0] == levels[1]


class _Navigation(yaml.SafeLoader):
    """Reads mkdocs.yml without the functions that it names."""


_Navigation.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
_Navigation.add_constructor("!ENV", lambda *_: None)


@pytest.mark.parametrize("language", ["", "_zh"])
def test_every_page_is_in_the_navigation_of_the_site(language: str) -> None:
    sections = yaml.load(read(f"docs/site/mkdocs{language}.yml"), Loader=_Navigation)["nav"]
    shown = {page for section in sections for pages in section.values() for page in pages}
    own = {name.removeprefix("docs/") for name in PAGES if not name.endswith("_zh.md") and "/adr/" not in name}
    own |= {"overview.md"} if language else set()
    own -= {name.removeprefix("docs/") for name in MOVED}
    assert shown == {name.replace("README.md", "index.md") for name in own} | {"adr/*"}


def test_both_indexes_answer_the_same_questions() -> None:
    english, chinese = (read(name) for name in INDEXES)
    assert len(sections(english)) == len(sections(chinese))
    for wanted in ("csv", "encoder", "learning-rate", "several-gpus", "deploy"):
        assert any(wanted in link for link in links("docs/README.md")), wanted
    for wanted in ("csv", "选择编码器", "选择学习率", "多块-gpu", "部署模型"):
        assert any(wanted in link for link in links("docs/README_zh.md")), wanted


@pytest.mark.parametrize("name", COMMAND_PAGES)
def test_overview_has_every_command(name: str) -> None:
    overview = next(block for block in blocks(read(name), "bash") if "palm doctor" in block)
    assert {line.split()[1] for line in without_comments(overview)} == set(COMMANDS)
    assert str(len(MODELS)) in next(line for line in overview.splitlines() if line.startswith("palm download"))


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist_with_their_options(name: str) -> None:
    shown = [line for block in blocks(read(name), "bash") for line in without_comments(block)]
    for command in shown:
        for part in re.split(r"&&", command):
            words = shlex.split(part)
            if words[:1] != ["palm"] or "--help" in words:
                continue
            parser, chosen = build_parser(words[1])
            own, _ = chosen.split_overrides(words[2:], lambda: {"explain"})
            parser.parse_args([words[1], *own])


def test_the_chinese_page_holds_the_same_code() -> None:
    known = [without_comments(block) for block in blocks(read("docs/command-line.md"), "bash")]
    shown = [without_comments(block) for block in blocks(read("docs/overview_zh.md"), "bash")]
    assert len(shown) == 1
    assert [block for block in shown if block not in known] == []


def test_the_chinese_page_holds_the_same_tables() -> None:
    formats, benchmarks, comparison = (
        tables(read(f"docs/{name}.md")) for name in ("data-formats", "benchmarks", "comparison")
    )
    english = [formats[0], *benchmarks[:2], comparison[1]]
    chinese = tables(read("docs/overview_zh.md"))
    assert [len(table) for table in chinese] == [len(table) for table in english]
    for ours, theirs in zip(english, chinese, strict=True):
        commands = [re.findall(r"`((?:palm|python|bash) [^`]+)`", "".join(table)) for table in (ours, theirs)]
        assert commands[0] == commands[1]


@pytest.mark.parametrize("name", [name for name in TRANSLATED if name not in INDEXES])
def test_a_translation_has_the_code_and_the_tables_of_its_page(name: str) -> None:
    english, chinese = (read(one) for one in (name, name.replace(".md", "_zh.md")))
    shown, translated = ([without_comments(block) for block in blocks(text, "bash")] for text in (english, chinese))
    assert [block for block in shown if block not in translated] == []
    assert [len(table) for table in tables(english)] == [len(table) for table in tables(chinese)]
    keys = [
        [re.findall(r"`(\w+:? ?\w*)`", row.split("|")[1]) for row in functools.reduce(operator.iadd, tables(text), [])]
        for text in (english, chinese)
    ]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("name", [name for name in TRANSLATED if name not in INDEXES])
def test_a_translation_has_the_numbers_of_the_tables(name: str) -> None:
    """A measurement that is repeated is written into both pages."""
    english, chinese = (tables(read(one)) for one in (name, name.replace(".md", "_zh.md")))
    rows = zip(functools.reduce(operator.iadd, english, []), functools.reduce(operator.iadd, chinese, []), strict=True)
    assert [ours for ours, theirs in rows if numbers_in(ours) != numbers_in(theirs)] == []


def numbers_in(row: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", re.sub(r"\]\(\S+\)", "]", row)))


@pytest.mark.parametrize("name", COMMAND_PAGES)
def test_mistake_that_is_shown_is_what_palm_says(name: str, tmp_path: Path) -> None:
    run = blocks(read("README.md"), "yaml")[0].replace("learning_rate:", "learning_rat:")
    (tmp_path / "config.yaml").write_text(run, encoding="utf-8")
    done = palm("check", "config.yaml", cwd=tmp_path)
    shown = next(line for line in read(name).splitlines() if "nothing in this run reads" in line)
    said = next(line for line in done.stderr.splitlines() if "nothing in this run reads" in line)
    assert done.returncode == 2
    assert re.sub(r":\d+:", ":", said) == re.sub(r":\d+:", ":", shown)


def palm(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "palm", *words]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", COMMAND_PAGES)
def test_log_lines_are_those_of_palm(name: str) -> None:
    line = r"Global step: \d+\. Task: \w+, step \d+/\d+ \(epoch \d+\), loss: \d+\.\d{3}, speed: \d+\.\d\d steps/s"
    evaluation = r"evaluation at global step \d+: .*|train finished!|inference model saved at \S+"
    evaluation += r"|exported as at global step \d+, its best \w+ \d\.\d{4}"
    other = rf"\w+: (tag scheme \w+ \(.*\)\.|{evaluation})|\.\.\."
    (shown,) = [block for block in blocks(read(name), "") if "\nGlobal step" in block]
    assert [row for row in shown.splitlines() if not re.fullmatch(rf"{line}|{other}", row)] == []


@pytest.mark.parametrize("name", ENCODER_PAGES)
def test_encoders_that_are_recommended_can_be_downloaded(name: str) -> None:
    named = set(re.findall(r"`palm download ([\w.-]+)`", read(name)))
    known = {called for model in MODELS for called in (model.name, *model.aliases)}
    assert len(named) > 5
    assert named <= known
    assert not any("XLNet" in model for model in named)


def test_a_csv_file_becomes_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer about CSV, carried out as it stands there: split, configured, and checked with its data."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'"room {number}, quiet\nand ""clean""",{number % 2}\n' for number in range(20))
    Path("reviews.csv").write_text(f"review,stars\n{rows}", encoding="utf-8")
    subprocess.run([sys.executable, "-c", blocks(read("docs/guides/csv.md"), "python")[0]], check=True)
    write_small_encoder(tmp_path / "encoder", ROOT / "data" / "vocab" / "vocab_en.txt")
    (task,) = [block for block in blocks(read("docs/guides/csv.md"), "yaml") if "reviews" in block]
    Path("config.yaml").write_text(f"{task}backbone: bert\npretrain_model_path: encoder\n", encoding="utf-8")
    found = load_run_config(tmp_path / "config.yaml", task_dir=".", for_train=True, overrides=[])
    assert found.tasks[0].settings.train_file is not None
    done = palm("check", "config.yaml", "--data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "train_file reviews.train.csv, 18 records" in done.stdout
    assert "dev_file reviews.dev.csv, 2 records" in done.stdout


@pytest.mark.parametrize("name", TREE_PAGES)
def test_tree_shows_what_is_there(name: str) -> None:
    tree = next(block for block in blocks(read(name), "") if block.startswith("palm/"))
    inside = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    outside = re.findall(r"^(\S+)/ ", tree, re.MULTILINE)
    assert [entry for entry in inside if not (ROOT / "palm" / entry).exists()] == []
    assert [entry for entry in outside if not (ROOT / entry).is_dir()] == []
    packages = {f"{file.parent.name}/" for file in ROOT.glob("palm/*/__init__.py")}
    assert packages - set(inside) == set()
    for kind in ("reader", "backbone", "paradigm"):
        names = next(line for line in tree.splitlines() if line.startswith(f"  {kind}/"))
        assert [component for component in registry_of(kind) if component not in names] == []


def registry_of(kind: str) -> list[str]:
    from palm.backbone import BACKBONES
    from palm.paradigm import PARADIGMS
    from palm.reader import READERS

    return list({"reader": READERS, "backbone": BACKBONES, "paradigm": PARADIGMS}[kind])


@pytest.mark.parametrize("name", ["docs/data-formats.md", "docs/data-formats_zh.md", "docs/overview_zh.md"])
def test_table_of_readers_has_every_reader_and_paradigm(name: str) -> None:
    table = "".join(next(rows for rows in tables(read(name)) if "`cls`" in rows[0]))
    assert [one for kind in ("reader", "paradigm") for one in registry_of(kind) if f"`{one}`" not in table] == []


def test_contributing_names_files_that_exist() -> None:
    named = [name for name in re.findall(r"`((?:palm|tests|docs)/[\w/.]+)`", read("CONTRIBUTING.md")) if "." in name]
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_table_of_keys_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "write_configuration.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`"


def test_layers_of_the_architecture_page_are_those_that_are_checked() -> None:
    checked = read("pyproject.toml").split("layers = [")[1].split("]")[0]
    wanted = [re.sub(r"\s*\|?\s*\(\w+\)", "", layer) for layer in re.findall(r'"(.+)"', checked)]
    page = read("docs/architecture.md").split("## Imports go down only")[1]
    shown = re.findall(r"^    (\S.*)$", page.split("`make check`")[0], re.MULTILINE)
    assert shown == [layer for layer in wanted if layer]
