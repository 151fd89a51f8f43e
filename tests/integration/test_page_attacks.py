"""The page in a real browser: texts, labels, names and answers that are markup, and code that is to be copied."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from tests.browser import launched, visit
from tests.page_server import FakeTask, placed, running

# From OWASP's filter evasion cheat sheet, and what breaks out of attributes, scripts, styles and text areas.
MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</title></style></script><iframe src='javascript:alert(1)'>",
    "javascript:alert(1)",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} `alert(1)`",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "&lt;img src=x onerror=alert(1)&gt; &#x3C;script&#x3E;",
    "<!--<img src='--><img src=x onerror=alert(1)//'>",
    "\u202e<script>alert(1)</script>\u2066 北京🍝",
    "__proto__",
    "constructor",
    "%3Cscript%3Ealert(1)%3C/script%3E",
]
# Quotes, blanks and what shells and Python give a meaning.
HARD_TEXTS = [
    'it\'s "quoted" and `run`',
    "'; rm -rf / #",
    "a\\b \\n \\\\ \\' \\\" \\",
    "two\nlines\n\tand a tab ",
    "$HOME ${PATH} $(id) !! %s {0} #{x} ~ * ?",
    "@/etc/passwd",
    "-d --data",
    "北京🍝👩‍👩‍👧 é\u00a0\u2028\u2029\ufeff\u200b\u202e",
    "\x01\x02\x07\x1b[31m\x7f\x85",
    "'''\"\"\"' + __import__('os').getcwd() + '",
    "</script>&amp;",
]


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


def run_text(page, text):
    page.locator("textarea").first.fill(text)
    with page.expect_response(lambda response: response.request.method == "POST"):  # the cards may be of another text
        page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card")


def check_harmless(page):
    page.wait_for_timeout(50)
    assert page.locator("body script, iframe, #cards img, svg:not(.tree > svg), math, a[href]:not(.skip)").count() == 0
    assert page.evaluate("[...document.querySelectorAll('*')].flatMap(node => [...node.attributes])"
                         ".filter(found => /^on/.test(found.name)).length") == 0  # fmt: skip


def hostile_task(kind, markup):
    span = {"type": markup, "start": 0, "end": 1, "text": markup, "start_char": 0, "end_char": len(markup)}
    answers = [{**placed(markup, 0), "probability": 0.5}, {**placed(f"x{markup}", 0), "probability": 0.5}]
    mask = {"position": 0, "tokens": [markup], "ids": [1], "probs": [0.5]}
    prediction = {
        "labels": {"label": markup, "probs": {markup: 1.0}},
        "match": {"labels": [markup, "x"], "probs": {"x": 1.0}},
        "spans": {"words": [markup], "labels": [markup], "spans": [span]},
        "tree": {"words": [markup], "heads": [0], "relations": [markup]},
        "tags": {"words": [markup], "labels": [markup], "spans": []},
        "answer": {**answers[0], "nbest": answers},
        "cloze": {"masks": [mask]},
        "value": {"value": markup},
        "choice": {"choice": markup, "ranking": [1, 0], "probs": [0, 1]},
        "error": {"error": markup},
        "other": {markup: markup},
    }[kind]
    columns = {"answer": ("question", "context"), "choice": ("text_a", "choices")}.get(kind, ("text_a",))
    known = "spans" if kind == "tags" else "labels" if kind == "error" else kind
    return FakeTask(markup, known, lambda _: prediction, columns, (markup,), {markup: 0.5})


KINDS = ["labels", "match", "spans", "tags", "tree", "answer", "value", "choice", "error", "other"]


@pytest.mark.parametrize("markup", MARKUP, ids=range(len(MARKUP)))
def test_markup_stays_text_everywhere(browser, markup):
    with running([]) as server:
        server.tasks = {f"{markup} {kind}": hostile_task(kind, markup) for kind in KINDS}
        server.facts = {"model": markup, "version": markup, "runtime": markup, "limits": {markup: markup}}
        with visit(browser, server.address) as found:
            page = found.page
            page.get_by_label("Question").fill(markup)
            page.get_by_label("Choices").fill(f"{markup}\nother")
            run_text(page, markup)
            page.locator(".about summary").click()
            for summary in page.locator(".raw summary").all():
                summary.click()
            check_harmless(page)
            assert page.locator(".card").count() == len(KINDS)
            assert page.locator("h1").text_content() == markup
            assert page.title() == f"{markup} · PALM".strip()
            assert page.locator(".bar-row bdi").first.text_content() == markup
            assert page.locator("mark.span").first.evaluate("node => node.firstChild.data") == markup
            assert page.locator("mark.found").first.text_content() == markup
            assert page.locator(".tree text").all_text_contents() == [markup, markup]
            assert page.locator(".failed p").last.text_content() == markup
            page.get_by_role("button", name="中文").click()
            check_harmless(page)


@pytest.mark.parametrize("markup", MARKUP[:6], ids=range(6))
def test_markup_stays_text_in_gaps_columns_and_refusals(browser, markup):
    with running([]) as server:
        server.tasks = {"a": hostile_task("cloze", markup), "b": FakeTask("x", "labels", lambda _: {}, (markup,))}
        server.refusals = [(422, {}, json.dumps({"error": {"rule": markup}})), (500, {}, markup)]
        with visit(browser, server.address, is_refused=True) as found:
            page = found.page
            for _ in range(2):
                page.locator("textarea").first.fill("[MASK]")
                page.keyboard.press("Control+Enter")
                page.wait_for_selector(".notice.error")
                assert markup in page.get_by_role("alert").text_content()
                check_harmless(page)
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".gap")
            assert page.locator("mark.found").text_content() == markup
            assert page.locator(".field label").last.text_content() == markup
            check_harmless(page)


def sent_by(command, server, **environment):
    before = len(server.asked)
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == before + 1
    return server.asked[-1]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_command_sends_what_the_page_sends(browser, shell):
    with running(["intent"]) as server, visit(browser, server.address) as found:
        for text in HARD_TEXTS:
            run_text(found.page, text)
            command = found.page.get_by_role("region", name="curl").inner_text()
            assert sent_by([shell, "-c", command], server) == server.asked[-2], text


def test_the_code_sends_what_the_page_sends(browser):
    pytest.importorskip("requests")
    with running(["inference", "reply"]) as server, visit(browser, server.address) as found:
        for text, other in itertools.pairwise(HARD_TEXTS):
            found.page.get_by_label("Second text").fill(other)
            found.page.get_by_role("textbox", name="Choices").fill(f"{text}\n{other}\n'")
            run_text(found.page, text)
            code = found.page.get_by_role("region", name="Python").inner_text()
            assert sent_by([sys.executable, "-c", code], server) == server.asked[-2], text


def test_no_invisible_character_is_in_the_code(browser):
    with running(["intent"]) as server, visit(browser, server.address) as found:
        found.page.locator("textarea").first.fill("".join(HARD_TEXTS))
        code = "".join(found.page.locator("pre code").all_inner_texts())
        assert [character for character in code if not character.isprintable() and character != "\n"] == []


def test_the_command_and_the_code_name_the_token_and_do_not_hold_it(browser):
    with running(["intent"]) as server:
        server.token = 'it\'s "s3cret" $1'
        with visit(browser, server.address, is_refused=True) as found:
            page = found.page
            page.get_by_label("Token", exact=True).fill(server.token)
            page.keyboard.press("Enter")
            page.wait_for_selector(".task")
            run_text(page, "a")
            for name, words in (("curl", ["sh", "-c"]), ("Python", [sys.executable, "-c"])):
                source = page.get_by_role("region", name=name).inner_text()
                assert "s3cret" not in source
                assert (
                    sent_by([*words, source], server, PALM_TOKEN=server.token)["authorization"]
                    == f"Bearer {server.token}"
                )


def test_the_code_is_copied(browser):
    with (
        running(["intent"]) as server,
        visit(browser, server.address, permissions=["clipboard-read", "clipboard-write"]) as found,
    ):
        page = found.page
        page.locator("textarea").first.fill("it's 北京")
        page.get_by_role("button", name="Copy the code of curl").click()
        page.get_by_role("status").get_by_text("Copied").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == page.get_by_role("region", name="curl").inner_text()


def test_where_copying_is_not_allowed_the_code_is_selected(browser):
    with running(["intent"]) as server, visit(browser, server.address) as found:
        page = found.page
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.locator("textarea").first.fill("a")
        page.get_by_role("button", name="Copy the code of Python").click()
        page.locator("#notice").get_by_text("The code is selected").wait_for()
        assert page.evaluate("getSelection().toString()").startswith("import requests")
