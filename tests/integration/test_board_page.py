"""The page of `palm board` in a real browser, on runs that appear, grow, are resumed and disappear."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.board_process import running_board
from tests.browser import launched, visit
from tests.unit.board.written import dev_line, step_line, write

EVIL = "<img src=x onerror=alert(1)>"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture
def root(tmp_path):
    grow(tmp_path / "第一", 1, 60)
    return tmp_path


def grow(folder, first, last, mode="w"):
    tasks = ("意图", EVIL)
    lines = [step_line(step, task=tasks[step % 2], loss=2 / step) for step in range(first, last + 1)]
    return write(folder, *lines, dev_line(last, task="意图", accuracy=0.5, loss=1.0), mode=mode)


def opened(browser, board, **settings):
    return visit(browser, board.address, ready=".plot canvas", **settings)


def choose(page, name):
    page.locator("#runs .run", has=page.get_by_text(name, exact=True)).locator("input").click()


def wait(page, condition):
    """Waits without evaluating text in the page, which its policy forbids."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, page.locator("body").inner_text()
        page.wait_for_timeout(50)


def steps(page):
    return page.locator("#range").inner_text()


def test_a_run_moves_and_others_appear_without_reload(browser, root):
    with running_board(root) as board, opened(browser, board) as found:
        page = found.page
        wait(page, lambda: steps(page) == "steps 0 – 60")
        assert "意图" in page.locator("#charts h2").all_inner_texts()
        assert EVIL in page.locator("#charts h2").all_inner_texts()
        page.evaluate("window.isTheSame = true")
        grow(root / "第一", 61, 90, mode="a")
        wait(page, lambda: steps(page) == "steps 0 – 90")
        grow(root / f"nested/{EVIL}", 1, 120)
        wait(page, lambda: page.locator("#count").inner_text() == "2")
        choose(page, f"nested/{EVIL}")
        wait(page, lambda: steps(page) == "steps 0 – 120")
        legend = page.locator("section[data-task='意图'] .legend").first.locator("span")
        wait(page, lambda: legend.count() == 4)  # the losses of both, of training and on dev rows
        (root / "第一/metrics.jsonl").unlink()
        wait(page, lambda: page.locator("#count").inner_text() == "1")
        assert page.evaluate("window.isTheSame")


def test_a_resumed_run_goes_back(browser, root):
    with running_board(root) as board, opened(browser, board) as found:
        page = found.page
        wait(page, lambda: steps(page) == "steps 0 – 60")
        aside = grow(root.parent / f"{root.name}-aside", 1, 20) / "metrics.jsonl"
        aside.replace(root / "第一/metrics.jsonl")
        wait(page, lambda: steps(page) == "steps 0 – 20")
        grow(root / "第一", 21, 40, mode="a")
        wait(page, lambda: steps(page) == "steps 0 – 40")


def test_a_connection_that_is_lost_comes_back(browser, root):
    with running_board(root) as board, opened(browser, board, is_refused=True) as found:
        page, port = found.page, board.port
        wait(page, lambda: steps(page) == "steps 0 – 60")
        board.process.terminate()
        board.process.wait(10)
        wait(page, lambda: page.locator("#connection").inner_text() == "connection lost, trying again")
        grow(root / "第一", 61, 70, mode="a")
        with running_board(root, port):
            wait(page, lambda: page.locator("#connection").inner_text() == "live")
            wait(page, lambda: steps(page) == "steps 0 – 70")


@pytest.mark.parametrize(
    ("options", "path", "locale", "expected"),
    [
        ((), "", "zh-CN", "zh"),
        ((), "", "en-GB", "en"),
        ((), "?lang=zh", "en-GB", "zh"),
        (("--lang", "zh"), "", "en-GB", "zh"),
        (("--lang", "en"), "?lang=zh", "zh-CN", "zh"),
    ],
)
def test_the_page_has_the_language_that_is_asked_for(browser, root, options, path, locale, expected):
    other = {"zh": "en", "en": "zh"}
    results = {"zh": "各任务在开发集上的最佳评估", "en": "The best evaluation of each task on its dev rows"}
    running = running_board(root, options=options)
    with running as board, visit(browser, board.address + path, ready=".plot canvas", locale=locale) as found:
        page = found.page
        for language in (expected, other[expected]):
            wait(page, lambda wanted=language: results[wanted] in page.locator("#tables").inner_text())
            assert page.locator("html").get_attribute("lang") == {"zh": "zh-CN", "en": "en"}[language]
            page.locator("#language").click()


def test_the_keyboard_moves_the_charts(browser, root):
    with running_board(root) as board, opened(browser, board) as found:
        page = found.page
        wait(page, lambda: steps(page) == "steps 0 – 60")
        page.locator(".plot").first.focus()
        page.keyboard.press("+")
        wait(page, lambda: steps(page) == "steps 12 – 48")
        page.keyboard.press("ArrowRight")
        wait(page, lambda: steps(page) == "steps 19 – 55")
        page.keyboard.press("0")
        wait(page, lambda: steps(page) == "steps 0 – 60")
        page.locator("#search").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        wait(page, lambda: page.locator("#empty").inner_text() == "Choose a run to see its curves.")


def test_dragging_moves_every_chart(browser, root):
    with running_board(root) as board, opened(browser, board) as found:
        page = found.page
        wait(page, lambda: steps(page) == "steps 0 – 60")
        page.locator("#closer").click()
        wait(page, lambda: steps(page) == "steps 15 – 45")
        box = page.locator(".plot").first.bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + 150, box["y"] + 80, steps=5)
        page.mouse.up()
        first, last = map(int, re.findall(r"\d+", steps(page)))
        assert first > 15
        assert last - first == 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("settings", [{}, {"locale": "zh-CN"}, {"viewport": {"width": 390, "height": 844}}], ids=str)
def test_no_rule_of_accessibility_is_violated(browser, root, scheme, settings):
    if not os.environ.get("PALM_AXE"):
        pytest.skip("needs axe-core: PALM_AXE is the path of its axe.min.js")
    grow(root / "other", 1, 50)
    axe = Path(os.environ["PALM_AXE"]).read_text(encoding="utf-8")
    with running_board(root) as board, opened(browser, board, color_scheme=scheme, **settings) as found:
        page = found.page
        wait(page, lambda: page.locator("#count").inner_text() == "2")
        page.locator("#runs input:not(:checked)").click()
        page.wait_for_selector("#tables table")
        page.locator(".plot").first.hover()
        page.evaluate(axe)
        result = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        assert len(result["passes"]) > 20
        assert [(one["id"], node["html"][:150]) for one in result["violations"] for node in one["nodes"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
