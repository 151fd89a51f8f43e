"""The page in a real browser: keyboard, languages, themes, narrow windows, refusals of the server, and the token."""

import json
import time
from contextlib import contextmanager

import pytest

from tests.browser import launched, visit
from tests.page_server import running

NARROW = {"width": 360, "height": 740}
ALL = ["intent", "entities", "answer", "inference", "words", "stars", "reply", "tags"]


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture
def opened(browser):
    """A function that opens a page with some tasks, and gives the page and the server."""

    @contextmanager
    def open_page(tasks, **settings):
        with running(tasks) as server, visit(browser, server.address, **settings) as found:
            yield found.page, server

    return open_page


def run_example(page, number=1):
    page.locator("#examples button").nth(number).click()
    page.wait_for_selector(".card")


def active(page):
    return page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")


def test_everything_is_reached_by_keyboard_alone(opened):
    with opened(["intent", "answer", "stars"]) as (page, server):
        page.keyboard.press("Tab")
        assert active(page) == "Skip to the results"
        for expected in ("中文", "SystemTheme: System. Change it."):
            page.keyboard.press("Tab")
            assert active(page) == expected
        page.keyboard.press("Tab")
        page.keyboard.type("in Rome")
        page.keyboard.press("Tab")
        page.keyboard.type("Where?")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".card")
        assert server.asked[0]["inputs"] == [{"text_a": "in Rome", "question": "Where?", "context": "in Rome"}]
        assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
        page.keyboard.press("Tab")  # the passage
        page.keyboard.press("Tab")  # the first task
        page.keyboard.press("Space")
        assert page.get_by_role("checkbox", name="intent").is_checked() is False
        assert page.locator(".card h3").all_inner_texts() == ["answer", "stars"]
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.add(active(page))
            # A task's outline is that of its label; beyond the last element the browser's own are reached.
            assert page.evaluate(
                "[document.activeElement].every(node => node === document.body || "
                "getComputedStyle(node.closest('.task') ?? node).outlineStyle !== 'none')"
            ), active(page)
        assert {"Run Ctrl ↵", "Clear Esc", "JSON", "Copy", "About this model"} <= seen


def test_escape_clears_and_what_was_written_can_be_brought_back(opened):
    with opened(["intent", "inference"]) as (page, _):
        run_example(page, 0)
        written = page.get_by_label("Text", exact=True).input_value()
        page.keyboard.press("Escape")
        assert page.get_by_label("Text", exact=True).input_value() == ""
        assert page.locator(".card").count() == 0
        assert page.locator("#code").is_hidden()
        page.get_by_role("button", name="Undo").click()
        assert page.get_by_label("Text", exact=True).input_value() == written
        assert page.get_by_label("Second text").input_value() != ""


def test_keys_of_an_input_method_neither_run_nor_clear(opened):
    with opened(["intent"]) as (page, server):
        page.get_by_label("Text", exact=True).fill("你好")
        for key in ("Escape", "Enter"):
            page.evaluate(
                "key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
                "{key, ctrlKey: true, bubbles: true, isComposing: true}))",
                key,
            )
        assert page.get_by_label("Text", exact=True).input_value() == "你好"
        assert server.asked == []


def test_screen_readers_hear_the_predictions(opened):
    with opened(["intent", "entities", "stars"]) as (page, _):
        run_example(page, 1)
        heard = page.get_by_role("status").inner_text()
        assert heard.startswith("3 predictions. intent: book_restaurant 93.1%. entities: time: On Monday, person: Ada")
        assert heard.endswith("stars: 3.7251")
        for role in ("main", "banner"):
            assert page.get_by_role(role).count() == 1
        assert page.get_by_role("region", name="Predictions").count() == 1
        assert page.get_by_role("group", name="Tasks").get_by_role("checkbox").count() == 3


def test_tasks_are_switched_off_and_on(opened):
    with opened(["intent", "inference", "stars"]) as (page, server):
        page.get_by_role("checkbox", name="inference").uncheck()
        assert page.get_by_label("Second text").is_hidden()
        page.get_by_label("Text", exact=True).fill("a")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".card")
        assert server.asked == [{"inputs": ["a"], "tasks": ["intent", "stars"], "authorization": None}]
        page.get_by_role("checkbox", name="stars").uncheck()
        assert page.locator(".card h3").all_inner_texts() == ["intent"]
        page.get_by_role("checkbox", name="inference").check()
        page.get_by_role("article", name="inference").wait_for()
        assert page.locator(".waiting h3").all_inner_texts() == ["inference"]
        page.get_by_role("checkbox", name="intent").uncheck()
        page.get_by_role("checkbox", name="inference").uncheck()
        page.get_by_role("button", name="Run").click()
        assert page.get_by_text("Select at least one task.").is_visible()


def test_predictions_for_another_text_say_so(opened):
    with opened(["intent"]) as (page, _):
        run_example(page, 0)
        assert page.locator("#stale").is_hidden()
        page.get_by_label("Text", exact=True).press("a")
        assert page.locator("#stale").is_visible()
        page.keyboard.press("Backspace")
        assert page.locator("#stale").is_hidden()


def test_an_empty_text_is_not_sent(opened):
    with opened(["intent", "answer"]) as (page, server):
        page.get_by_label("Text", exact=True).fill("  \n ")
        page.get_by_role("button", name="Run").click()
        assert page.get_by_text("There is nothing to predict yet. The selected tasks read: “Text”").is_visible()
        assert server.asked == []


@pytest.mark.parametrize(
    ("asked", "lang", "run"), [("zh-CN", "zh-CN", "运行"), ("zh-TW", "zh-CN", "运行"), ("de-DE", "en", "Run")]
)
def test_the_language_is_that_of_the_browser(opened, asked, lang, run):
    with opened(["intent"], locale=asked) as (page, _):
        assert page.locator("html").get_attribute("lang") == lang
        assert page.locator("#run span").inner_text() == run


def test_the_language_is_switched_with_what_is_shown(opened):
    with opened(["intent", "answer", "tags", "inference"]) as (page, _):
        page.get_by_label("Text", exact=True).fill("在杭州 🍝")
        page.get_by_role("button", name="Run").click()
        page.wait_for_selector(".card")
        page.get_by_role("button", name="中文").click()
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        assert page.get_by_label("文本", exact=True).input_value() == "在杭州 🍝"
        assert page.locator(".card .kind").all_inner_texts() == ["分类", "阅读理解", "序列标注", "文本对"]
        assert (
            page.get_by_role("article", name="inference").locator(".missing").inner_text()
            == "还需要输入：“第二个文本”。"
        )
        left = page.evaluate("document.body.innerText")
        assert not {"Text", "Run", "Predictions", "Needs", "Examples"} & set(left.split())
        page.reload()
        page.wait_for_selector(".task")
        assert page.locator("#run span").inner_text() == "运行"
        page.get_by_role("button", name="English").click()
        assert page.locator("html").get_attribute("lang") == "en"


def test_the_theme_is_that_of_the_system_unless_it_is_chosen(opened):
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(["intent"], color_scheme="dark") as (page, _):
        dark = page.evaluate(background)
        page.get_by_role("button", name="Theme: System").click()
        light = page.evaluate(background)
        assert (light, dark) == ("rgb(247, 245, 240)", "rgb(17, 20, 18)")
        page.get_by_role("button", name="Theme: Light").click()
        assert page.evaluate(background) == dark
        page.reload()
        page.wait_for_selector(".task")
        assert page.get_by_role("button", name="Theme: Dark").is_visible()


def test_nothing_moves_for_those_who_prefer_it(opened):
    style = "getComputedStyle(document.querySelector('{}')).{}"
    durations = f"[{style.format('.bar-fill', 'animationName')}, {style.format('.cards', 'transitionDuration')}]"
    for preference, expected in (("reduce", ["none", "0s"]), ("no-preference", ["grow", "0.2s"])):
        with opened(["intent"], reduced_motion=preference) as (page, _):
            run_example(page, 0)
            assert page.evaluate(durations) == expected


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("width", [320, 360, 768, 1920])
def test_no_window_scrolls_sideways(opened, locale, width):
    with opened(ALL, locale=locale, viewport={"width": width, "height": 740}) as (page, server):
        server.facts = {"model": "a-very-long-name-of-a-model-" * 4}
        page.reload()
        page.wait_for_selector(".task")
        run_example(page, 1)
        page.get_by_label("Text" if locale == "en-GB" else "文本", exact=True).fill(
            "w" * 300 + " [MASK] " + "北京" * 200
        )
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".gap")
        page.locator(".about summary").click()
        page.locator(".raw summary").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_predictions_come_into_view_in_a_narrow_window(opened):
    with opened(["intent"], viewport=NARROW) as (page, _):
        page.get_by_label("Text", exact=True).fill("a")
        page.get_by_role("button", name="Run").click()
        page.wait_for_selector(".card")
        results = page.locator("#results")
        deadline = time.monotonic() + 10
        while results.bounding_box()["y"] >= NARROW["height"] / 2:
            assert time.monotonic() < deadline, "the predictions did not come into view"
            page.wait_for_timeout(50)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"Retry-After": "3"}, {"error": {"rule": "queue is full."}}, ["Try again in 3 s.", "queue is full."]),
        (429, {}, {}, ["as many requests waiting as it allows. Try again in a moment."]),
        (413, {}, {"error": {"rule": "too large.", "where": "inputs"}}, ["Shorten", "rows 256", "inputs: too large."]),
        (408, {}, {"detail": "too slow"}, ["reached the server too slowly", "too slow"]),
        (422, {}, {"error": {"rule": "no NUL.", "found": "It has.", "advice": "Go."}}, ["no NUL. It has. Go."]),
        (503, {}, {"error": "stopping"}, ["is stopping, or the prediction took too long", "stopping"]),
        (500, {}, "<b>oops</b>", ["The server failed (status 500)", "<b>oops</b>"]),
        (418, {}, {"message": "tea"}, ["refused the request (status 418)", "tea"]),
        (200, {}, "no json", ["not one of PALM: no json"]),
        (200, {}, {"hello": 1}, ['not one of PALM: {"hello":1}']),
    ],
)  # fmt: skip
def test_refusals_are_explained_and_can_be_tried_again(browser, status, headers, body, expected):
    with running(["intent"]) as server:
        server.refusals = [(status, headers, body if isinstance(body, str) else json.dumps(body))]
        with visit(browser, server.address, is_refused=True) as found:
            page = found.page
            page.get_by_label("Text", exact=True).fill("a")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".notice.error")
            said = page.get_by_role("alert").inner_text()
            assert [part for part in expected if part not in said] == []
            page.get_by_role("button", name="Try again").click()
            page.wait_for_selector(".card")
            assert page.get_by_role("alert").inner_text() == ""


def test_clearing_while_the_server_computes_leaves_no_error(opened):
    with opened(["intent"]) as (page, _):
        page.route("**/predict", lambda route: None)  # never answered
        page.get_by_label("Text", exact=True).fill("a")
        with page.expect_request("**/predict"):
            page.keyboard.press("Control+Enter")
        page.keyboard.press("Escape")
        page.get_by_text("Input cleared.").wait_for()
        assert page.get_by_role("status").inner_text() == ""
        assert page.locator("#results").get_attribute("aria-busy") is None


def test_a_server_that_is_gone(opened):
    with opened(["intent"], is_refused=True) as (page, _):
        page.route("**/predict", lambda route: route.abort())
        page.get_by_label("Text", exact=True).fill("a")
        page.evaluate("document.getElementById('form').requestSubmit()")
        page.get_by_text("The server does not answer.").wait_for()


def test_the_token_is_asked_for_and_kept_in_memory_alone(browser):
    with running(["intent"]) as server:
        server.token = "s3cret"
        with visit(browser, server.address, is_refused=True) as found:
            page = found.page
            field = page.get_by_label("Token", exact=True)
            assert field.get_attribute("type") == "password"
            assert page.locator("#work, #code, #about").locator("visible=true").count() == 0
            field.fill("wrong")
            page.keyboard.press("Enter")
            page.get_by_text("The server does not accept this token.").wait_for()
            field.fill("s3cret")
            page.keyboard.press("Enter")
            page.wait_for_selector(".task")
            assert page.locator("#token-form").is_hidden()
            page.get_by_label("Text", exact=True).fill("a")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".card")
            assert server.asked[0]["authorization"] == "Bearer s3cret"
            assert "s3cret" not in page.content()
            assert "$PALM_TOKEN" in page.get_by_role("region", name="curl").inner_text()
            assert "s3cret" not in page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
            server.token = "another"
            page.keyboard.press("Control+Enter")
            page.get_by_label("Token", exact=True).wait_for()
            page.reload()
            page.wait_for_selector("#token-form:not([hidden])")


def test_a_token_that_the_browser_asks_for_is_in_the_code_too(browser):
    password = {"username": "user", "password": "s3cret"}
    with running(["intent"]) as server:
        server.token, server.takes_password = "s3cret", True
        with visit(browser, server.address, is_refused=True, http_credentials=password) as found:
            page = found.page
            assert page.locator("#token-form").is_hidden()
            page.locator("textarea").first.fill("a")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".card")
            assert server.asked[-1]["authorization"].startswith("Basic ")
            assert "$PALM_TOKEN" in page.get_by_role("region", name="curl").inner_text()


def test_another_model_is_noticed(opened):
    with opened(["intent"]) as (page, server):
        server.facts = {"global_step": 13000}
        run_example(page, 0)
        page.get_by_text("The server has loaded another model.").wait_for()
        assert "step 13,000" in page.locator("#facts").inner_text()
        assert page.locator(".card").count() == 1


def test_the_facts_of_the_model(opened):
    with opened(["intent", "answer"]) as (page, _):
        assert page.title() == "travel-assistant · PALM"
        assert page.get_by_role("heading", level=1).inner_text() == "travel-assistant"
        facts = page.locator("#facts span").all_inner_texts()
        assert facts == ["2 tasks", "step 12,000", "runtime palm", "float32", "PALM 1.9.0"]
        page.locator(".about summary").click()
        row = page.get_by_role("row", name="answer")
        assert row.get_by_role("cell").all_inner_texts() == [
            "mrc",
            "question, context",
            "",
            "f1 0.8123, exact_match 0.712",
        ]
        assert "rows 256" in page.locator(".facts-list").inner_text()


def test_the_latency_is_shown(opened):
    with opened(["intent"]) as (page, _):
        run_example(page, 0)
        assert page.locator("#latency").inner_text().startswith("12 ms in the server · ")
