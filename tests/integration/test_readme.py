"""README and README_zh: what they show runs, what they claim is measured, and both say the same."""

import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from palm.config.resolve import load_run_config
from tests.integration.documents import (
    READMES,
    ROOT,
    blocks,
    links,
    prose,
    read,
    section,
    sections,
    tables,
    without_comments,
)
from tests.integration.small_encoder import write_small_encoder

PICTURES = ("docs/images/multi-task-light.svg", "docs/images/multi-task-dark.svg")
# Section of docs/results.md, run of multi-task training, column of its table: one for each row of the README's table.
RESULTS = [
    ("rte", "together", "rte accuracy"),
    ("atis", "one_pass_as_long", "mean"),
    ("atis", "alternating", "mean"),
    ("clue", "hard", "mean"),
    ("clue", "shared_private", "mean"),
]
PEERS = ("MaChAmp", "Ludwig", "transformers", "spaCy")


@pytest.mark.parametrize("name", READMES)
def test_opens_with_one_sentence_and_the_picture(name: str) -> None:
    title, sentence, picture = read(name).split("\n\n")[:3]
    assert title == "# PALM"
    assert re.fullmatch(r"[^.。\n]+[.。]", sentence)
    assert picture.startswith("<picture>")
    assert re.search(rf'prefers-color-scheme: dark\)" srcset="{PICTURES[1]}"', picture)
    assert f'<img src="{PICTURES[0]}" alt="' in picture


def test_both_pictures_differ_in_colours_alone() -> None:
    light, dark = (read(name) for name in PICTURES)
    for text in (light, dark):
        ElementTree.fromstring(text)
    colour = r"#[0-9a-f]{6}\b"
    assert re.sub(colour, "", light) == re.sub(colour, "", dark)
    pairs = list(zip(re.findall(colour, light), re.findall(colour, dark), strict=True))
    assert all(one != other for one, other in pairs)


@pytest.mark.parametrize("name", READMES)
def test_install_and_two_commands(name: str) -> None:
    for_cpu = ['pip install ".[cpu]"\n', "palm demo\n", "make test\n"]
    for_gpu = 'pip install ".[gpu]"\npalm demo --use_gpu\n'
    assert blocks(section(read(name), 1), "bash") == [*for_cpu, for_gpu]


def test_ci_calls_the_readmes_test_command() -> None:
    lines = [line.strip() for line in read(".ci/run").splitlines()]
    assert {"make install", "make check", "make test"} <= set(lines)


@pytest.mark.parametrize("name", READMES)
def test_configuration_of_the_readme_is_sound(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run, task = blocks(read(name), "yaml")
    assert len(run.splitlines()) in range(18, 23)
    assert len(task.splitlines()) == 5
    write_small_encoder(tmp_path / "encoder", ROOT / "data" / "vocab" / "vocab_en.txt")
    config = tmp_path / "config.yaml"
    config.write_text(run.replace("backbone:", f"{task}backbone:", 1), encoding="utf-8")
    overrides = [f"--pretrain_model_path={tmp_path / 'encoder'}"]
    found = load_run_config(config, task_dir=str(tmp_path), for_train=True, overrides=overrides)
    assert [(one.name, one.settings.target) for one in found.tasks] == [
        ("intent", True),
        ("slots", True),
        ("masked_words", False),
    ]


@pytest.mark.parametrize("name", READMES)
def test_five_log_lines_of_the_run_that_the_docs_show(name: str) -> None:
    (shown,) = [block for block in blocks(read(name), "") if block.startswith("Global step")]
    lines = [line for line in shown.splitlines() if line != "..."]
    assert len(lines) == 5
    assert set(lines) <= set(read("docs/command-line.md").splitlines())


@pytest.mark.parametrize("name", READMES)
def test_results_are_those_of_the_results_page(name: str) -> None:
    rows = tables(section(read(name), 3))[0]
    assert len(rows) == len(RESULTS)
    for row, (part, run, column) in zip(rows, RESULTS, strict=True):
        alone, together, gain, seeds, parameters = [cell.strip() for cell in row.strip("|").split("|")][2:]
        measured, facts = results_of(part)
        assert (alone, together) == (percent(measured["single"][column]), percent(measured[run][column]))
        assert gain == percent(re.findall(r"\(([^)]*)\)", measured[run][column])[0]).replace("-", "−")
        assert seeds.split()[0].rstrip(":") == facts["seeds"]
        both = [f"{float(measured[one]['parameters'].split()[0]):.1f} M" for one in ("single", run)]
        assert parameters == " → ".join(both)


def results_of(part: str) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The table of a section of docs/results.md, run → column → cell; and what it says it was made with."""
    text = read("docs/results.md").split(f"<!-- {part}: begin -->")[1].split(f"<!-- {part}: end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    header, *runs = [row for row in rows if set(row[0]) != {"-"} and len(row) == len(rows[0])]
    table = {row[0]: dict(zip(header, row, strict=True)) for row in runs if len(row) == len(header)}
    facts = dict(re.findall(r"(\w+) ([^;\n]+)", next(line for line in text.splitlines() if line.startswith("seeds "))))
    return table, facts


def percent(cell: str) -> str:
    """`0.5824 ± 0.0246 (+0.0144)` as the README writes it: `58.2 ± 2.5`."""
    numbers = re.sub(r"\s*\(.*\)", "", cell).split(" ± ")
    signed = "+" if cell.startswith("+") else ""
    rounded = [(100 * Decimal(number)).quantize(Decimal("0.1"), ROUND_HALF_UP) for number in numbers]
    return " ± ".join(f"{number:{signed}}" for number in rounded)


@pytest.mark.parametrize("name", READMES)
def test_each_peer_has_a_row_with_what_palm_lacks(name: str) -> None:
    rows = tables(section(read(name), 4))[0]
    assert [next(peer for peer in PEERS if peer in row) for row in rows] == list(PEERS)
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4
        assert all(len(cell) > 10 for cell in cells)
    page = read("docs/comparison.md")
    assert all(peer in next(line for line in page.splitlines() if line.startswith("| | PALM")) for peer in PEERS)


def test_both_readmes_say_the_same() -> None:
    english, chinese = (read(name) for name in READMES)
    for language in ("", "bash", "yaml"):
        assert [without_comments(block) for block in blocks(english, language)] == [
            without_comments(block) for block in blocks(chinese, language)
        ]
    assert len(sections(english)) == len(sections(chinese))
    for number in range(1, len(sections(english)) + 1):
        ours, theirs = (section(text, number) for text in (english, chinese))
        assert [len(table) for table in tables(ours)] == [len(table) for table in tables(theirs)]
        numbers = [re.findall(r"[+−]?\d+\.\d", prose(text)) for text in (ours, theirs)]
        assert numbers[0] == numbers[1]
        assert len(blocks(ours, "bash")) == len(blocks(theirs, "bash"))


def test_both_readmes_lead_to_the_index() -> None:
    assert "docs/README.md" in links("README.md")
    assert "docs/README_zh.md" in links("README_zh.md")
