"""The page in a real browser by the rules of axe-core, whose axe.min.js $PALM_AXE names."""

import os
from pathlib import Path

import pytest

from tests.browser import launched, visit
from tests.page_server import running

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TASKS = ["intent", "entities", "answer", "inference", "topics", "words", "stars", "reply", "slots", "tags", "relevance"]
TASKS += ["nested", "tree"]


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def axe():
    if not os.environ.get("PALM_AXE"):
        pytest.skip("needs axe-core: PALM_AXE is the path of its axe.min.js")
    return Path(os.environ["PALM_AXE"]).read_text(encoding="utf-8")


def violations(page, axe):
    page.evaluate(axe)
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert len(found["passes"]) > 20
    return [
        (one["id"], node["html"][:150], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("settings", [{}, {"locale": "zh-CN"}, {"viewport": {"width": 360, "height": 740}}], ids=str)
def test_no_rule_is_violated(browser, axe, scheme, settings):
    with running(TASKS) as server, visit(browser, server.address, color_scheme=scheme, **settings) as found:
        page = found.page
        assert violations(page, axe) == []
        page.locator("#examples button").nth(3).click()
        page.wait_for_selector(".gap")
        page.locator(".about summary").click()
        page.locator(".raw summary").first.click()
        page.locator("textarea").first.press("x")  # the remark that the input has changed
        assert violations(page, axe) == []


def test_no_rule_is_violated_by_refusals_and_the_token(browser, axe):
    with running(["intent", "answer"]) as server:
        server.token = "s3cret"
        server.refusals = [(429, {}, "{}")]
        server.predictions = {"intent": {"error": "odd"}}
        with visit(browser, server.address, is_refused=True) as found:
            page = found.page
            page.locator("#token").fill("wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector(".notice.error")
            assert violations(page, axe) == []
            page.locator("#token").fill("s3cret")
            page.keyboard.press("Enter")
            page.wait_for_selector(".task")
            page.locator("textarea").first.fill("a")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".notice.error")
            assert violations(page, axe) == []
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".failed")
            assert violations(page, axe) == []
            page.keyboard.press("Escape")
            page.wait_for_selector(".notice.quiet")
            assert violations(page, axe) == []
