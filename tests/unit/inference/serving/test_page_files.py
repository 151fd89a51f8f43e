"""The files of the page: what its policy forbids is in none of them, and its texts are complete in both languages."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import palm

PAGE = Path(palm.__file__).parent / "inference" / "serving" / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
# What turns data into markup or code, or is not in the page's own files.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\(\s*[\"'`]|srcdoc|"
    r"createContextualFragment|DOMParser|importScripts|https?://(?!www\.w3\.org/2000/svg)"
)
_ENTRY = re.compile(r'^  "([\w.]+)":\s+"((?:[^"\\]|\\.)*)",$', re.MULTILINE)


class _Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, source):
        super().__init__()
        self.found = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def elements():
    return _Elements((PAGE / "index.html").read_text(encoding="utf-8")).found


def texts(language):
    return dict(_ENTRY.findall((PAGE / f"texts_{language}.js").read_text(encoding="utf-8")))


def used_keys():
    """Keys that scripts and elements name, and the beginnings of those that scripts put together."""
    scripts = "\n".join(file.read_text(encoding="utf-8") for file in SCRIPTS if "texts_" not in file.name)
    named = re.findall(r'\b(?:text|counted)\(\s*"([\w.]+)"', scripts) + re.findall(r'"([a-z]+\.[\w.]+)"', scripts)
    in_elements = re.findall(r'data-text="([\w.]+)"', (PAGE / "index.html").read_text(encoding="utf-8"))
    return {*named, *in_elements}, set(re.findall(r"`(\w+\.)\$\{", scripts))


@pytest.mark.parametrize("file", sorted(PAGE.iterdir()), ids=lambda file: file.name)
def test_nothing_turns_data_into_markup_or_asks_another_host(file):
    assert FORBIDDEN.findall(file.read_text(encoding="utf-8")) == []


def test_the_page_has_neither_inline_scripts_nor_styles(elements):
    assert [tag for tag, attributes in elements if tag == "script" and "src" not in attributes] == []
    assert [tag for tag, _ in elements if tag in ("style", "iframe", "object", "base")] == []
    assert [name for _, attributes in elements for name in attributes if name == "style" or name.startswith("on")] == []


def test_every_file_that_the_page_names_is_there(elements):
    named = {value for _, attributes in elements for name, value in attributes.items() if name in ("src", "href")}
    imported = {
        name for file in SCRIPTS for name in re.findall(r'from "\./([\w.]+)"', file.read_text(encoding="utf-8"))
    }
    named = {name for name in named if not name.startswith("#")}
    assert {*named, *imported, "index.html"} == {file.name for file in PAGE.iterdir()}


def test_no_file_is_long():
    assert {file.name for file in PAGE.iterdir() if len(file.read_text(encoding="utf-8").splitlines()) > 300} == set()


def test_both_languages_have_the_same_texts_with_the_same_values():
    english, chinese = texts("en"), texts("zh")
    assert len(english) > 100
    assert list(english) == list(chinese)
    values = {
        key: (set(re.findall(r"\{(\w+)\}", english[key])), set(re.findall(r"\{(\w+)\}", chinese[key])))
        for key in english
    }
    assert {key: pair for key, pair in values.items() if pair[0] != pair[1]} == {}


def test_chinese_texts_are_chinese():
    same = {key for key, value in texts("zh").items() if not re.search("[一-鿿]", value)}
    assert same == {"title", "language.other", "language.switch", "missing.field", "separator", "about.version", "raw"}


def test_every_text_is_used_and_every_used_text_exists():
    named, beginnings = used_keys()
    known = texts("en")
    assert {"run", "skip", "error.429.seconds"} <= named
    assert {key for key in named if key not in known} == set()
    assert {
        key for key in known if key.removesuffix(".one") not in named and not key.startswith(tuple(beginnings))
    } == set()
