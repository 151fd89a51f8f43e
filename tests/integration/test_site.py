"""The documentation site: both languages are built without a warning, links lead somewhere, nothing is fetched."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from tests.integration.documents import ROOT

for module in ("mkdocs", "material", "jieba"):
    pytest.importorskip(module, reason=f"needs {module}: pip install .[docs]")

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # jieba's regular expressions, and what MkDocs says of its next release


@pytest.fixture(scope="module")
def scripts():
    """The modules of docs/, which is no package."""
    sys.path.insert(0, str(ROOT / "docs"))
    yield {name: importlib.import_module(name) for name in ("build_site", "site_links", "site_pages")}
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def site(scripts, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    external = scripts["build_site"].build_site(folder)
    assert all(link.startswith("https://") for link in external)
    return folder


def pages(folder: Path) -> set[str]:
    return {page.relative_to(folder).as_posix() for page in folder.rglob("index.html")}


def test_every_page_is_there_in_both_languages(site: Path) -> None:
    english = {name for name in pages(site) if not name.startswith("zh/")}
    assert english - pages(site / "zh") == set()
    assert pages(site / "zh") - english == {"overview/index.html"}
    assert {"guides/csv/index.html", "concepts/exact/index.html", "repository/CONTRIBUTING/index.html"} <= english


def test_a_page_says_its_language_and_leads_to_the_other_one(site: Path) -> None:
    english, chinese = ((site / name / "index.html").read_text("utf-8") for name in ("porting", "zh/porting"))
    assert ('<html lang="en"' in english, '<html lang="zh"' in chinese) == (True, True)
    assert re.search(r'href="\.\./\./zh/porting/" hreflang="zh"', english)
    assert re.search(r'href="\.\./\.\./porting/" hreflang="en"', chinese)
    untranslated = (site / "zh" / "architecture" / "index.html").read_text("utf-8")
    assert "本页只有英文" in untranslated
    assert '<div lang="en">' in untranslated
    assert "本页只有英文" not in chinese


def test_a_translation_is_found_by_the_anchors_of_the_original(site: Path) -> None:
    chinese = (site / "zh" / "porting" / "index.html").read_text("utf-8")
    assert {'id="what-differs"', 'id="差异"'} <= set(re.findall(r'id="[^"]+"', chinese))


@pytest.mark.parametrize("language", ["", "zh"])
def test_text_is_shown_as_it_is_meant(site: Path, language: str) -> None:
    """No blank where a line ends within a Chinese sentence, and no backslash before a | in the code of a table."""
    text = (site / language / "data-formats" / "index.html").read_text("utf-8")
    assert "<code>a|b</code>" in text
    assert "\\|" not in text
    assert re.search(r"[\u4e00-\u9fff，。；]\n[\u4e00-\u9fff]", text) is None


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("行尾，\n下一行", "行尾，下一行"),
        ("* 行尾\n  下一行", "* 行尾下一行"),
        ("words\nmore words", "words\nmore words"),
        ("    代码：\n    下一行", "    代码：\n    下一行"),
        (r"| `a\|b` | c \| d |", r"| `a|b` | c \| d |"),
    ],
)
def test_lines_and_bars_are_built_as_github_shows_them(scripts, text: str, built: str) -> None:
    assert scripts["build_site"]._as_on_github(text) == built


def test_the_search_knows_words_of_both_languages(site: Path) -> None:
    english, chinese = (
        json.loads((site / folder / "search" / "search_index.json").read_text("utf-8")) for folder in ("", "zh")
    )
    assert chinese["config"]["lang"] == ["zh", "en"]
    assert any("mix_ratio" in one["text"] for one in english["docs"])
    words = {word for one in chinese["docs"] for word in one["text"].split("\u200b")}
    assert {"学习", "编码器"} <= words or {"学习", "编码"} <= words


def test_problems_of_built_pages_are_found(scripts, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text('<h2 id="here">Here</h2><a href="../picture.svg">x</a>', "utf-8")
    lines = [
        '<a href="other/#here">fine</a><a href="other/#gone">1</a><a href="gone/">2</a>',
        '<script src="https://cdn.example/x.js"></script><a href="https://example.org/page">listed</a>',
        '<link rel="stylesheet" href="https://fonts.example/a.css"><link rel="canonical" href="https://a.example/">',
    ]
    (tmp_path / "index.html").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match="leads nowhere") as raised:
        scripts["site_links"].check_site(tmp_path)
    found = str(raised.value).splitlines()
    assert [line.split(": ", 1)[1].split()[0] for line in found] == [
        "gone/", "https://cdn.example/x.js", "https://fonts.example/a.css", "other/#gone", "../picture.svg",
    ]  # fmt: skip


def test_links_out_of_the_repositorys_docs_lead_to_copies(scripts) -> None:
    page = scripts["site_pages"].pages_of("en")["docs/README.md"]
    text = scripts["site_pages"].rewrite_links(page, scripts["site_pages"].pages_of("en"))
    assert "(repository/CONTRIBUTING.md)" in text
    assert "](../" not in text
    assert '<a href="zh/">README_zh.md</a>' in text
