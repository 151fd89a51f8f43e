"""The documentation site in a browser: nothing from other hosts, search in both languages, the rules of axe-core."""

import functools
import importlib
import os
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser import launched
from tests.integration.documents import ROOT

for module in ("mkdocs", "material", "jieba"):
    pytest.importorskip(module, reason=f"needs {module}: pip install .[docs]")

pytestmark = pytest.mark.filterwarnings("ignore")  # as in test_site.py
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A phone and a desktop; wide tables, code, text without a translation.
VIEWS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
LOOKED_AT = ("zh/guides/encoder/", "concepts/sampling/", "zh/files/", "faq/")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    sys.path.insert(0, str(ROOT / "docs"))
    importlib.import_module("build_site").build_site(folder)
    sys.path.remove(str(ROOT / "docs"))
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture
def opened(browser, address):
    """Opens a page, and fails at the end where it asked another host or wrote to the console."""
    complaints, contexts = [], []

    def open_page(path, **settings):
        context = browser.new_context(reduced_motion="reduce", **settings)
        contexts.append(context)
        page = context.new_page()
        own = (address, "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(own) else complaints.append(sent.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(address + path)
        page.wait_for_selector("html.js")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize(
    ("path", "query", "answer"),
    [("", "out of memory", "guides/out-of-memory/"), ("zh/", "显存不足", "zh/guides/out-of-memory/")],
)
def test_the_search_answers(opened, path, query, answer):
    page = opened(path)
    page.locator("[data-md-component=search-query]").click()
    page.keyboard.insert_text(query)
    page.keyboard.press("End")  # the search listens to keys
    page.wait_for_selector(".md-search-result__link", state="attached")
    found = [link.get_attribute("href") for link in page.locator(".md-search-result__link").all()]
    assert any(f"/{answer}" in link for link in found), found


def test_the_language_changes_on_the_same_page(opened, address):
    page = opened("guides/csv/")
    page.locator(".md-select button").hover()
    page.locator(".md-select__link[hreflang=zh]").click()
    page.wait_for_url(address + "zh/guides/csv/")
    assert page.locator("h1").inner_text().startswith("我的 CSV")


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_no_rule_is_violated_and_nothing_overflows(opened, width, scheme):
    if not os.environ.get("PALM_AXE"):
        pytest.skip("needs axe-core: PALM_AXE is the path of its axe.min.js")
    axe = Path(os.environ["PALM_AXE"]).read_text(encoding="utf-8")
    for path in LOOKED_AT:
        page = opened(path, viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.wait_for_function("document.querySelector('.md-search').ariaLabel")
        page.evaluate(axe)
        found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)["violations"]
        assert [(path, one["id"], one["nodes"][0]["html"][:150]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
