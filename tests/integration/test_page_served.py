"""The page of a real `palm serve`: the heads of every paradigm, in English and Chinese, and a server with a token."""

import pytest

from tests.browser import launched, visit

served_tasks = pytest.importorskip("tests.integration.served_tasks", reason="needs palm serve")
server_process = pytest.importorskip("tests.integration.server_process", reason="needs palm serve")
server_process.need_the_extra()

ENGLISH = {"text_a": "the [MASK] red fish 🐟 in the house", "text_b": "the bird flies", "question": "who in the house"}
CHINESE = {"text_a": "大红[MASK]在河🐟", "text_b": "鸟飞", "question": "谁在河"}
LABELS = {"en-GB": ("Text", "Second text", "Question", "Choices"), "zh-CN": ("文本", "第二个文本", "问题", "选项")}
CHOICES = ["the bird flies", "鱼游"]


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return served_tasks.train_all(tmp_path_factory.mktemp("页面"), steps=40)


@pytest.fixture(scope="module")
def server(run):
    with server_process.serving(run) as running:
        yield running


def percent(share):
    return f"{100 * share:.1f}%"


@pytest.mark.parametrize(("locale", "row"), [("en-GB", ENGLISH), ("zh-CN", CHINESE)])
def test_every_paradigm_is_shown_with_the_servers_numbers(server, browser, locale, row):
    address = f"http://127.0.0.1:{server.port}/"
    whole = {**row, "context": row["text_a"], "choices": CHOICES}
    _, answer, _ = server.ask("/predict", {"inputs": [whole]})
    expected = answer["predictions"][0]
    assert [task for task, prediction in expected.items() if "error" in prediction] == []
    with visit(browser, address, locale=locale) as found:
        page = found.page
        for label, text in zip(LABELS[locale], (*row.values(), "\n".join(CHOICES)), strict=True):
            page.get_by_role("textbox", name=label, exact=True).fill(text)
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".card")
        assert page.locator(".card h3").all_inner_texts() == list(expected)
        assert page.locator(".failed, .waiting, .notice").count() == 0

        def card(task):
            return page.get_by_role("article", name=task, exact=True)

        for task in ("intent", "pairs"):
            best = max(expected[task]["probs"].values())
            assert card(task).locator(".bar-row .bar-number").first.inner_text() == percent(best)
            assert card(task).locator(".chosen bdi").all_inner_texts() == [expected[task]["label"]]
        assert set(card("sets").locator(".chosen bdi").all_inner_texts()) == set(expected["sets"]["labels"])
        for task in ("slots", "tags"):
            marks = card(task).locator("mark").evaluate_all("marks => marks.map(mark => mark.firstChild.data)")
            assert [mark.split() for mark in marks] == [span["text"].split() for span in expected[task]["spans"]]
        filled = card("cloze").get_by_role("button").first.inner_text()
        (mask,) = expected["cloze"]["masks"]
        assert filled.split()[0] == mask["tokens"][0]
        assert card("answers").locator(".headline-text").inner_text() == expected["answers"]["text"]
        assert card("answers").locator("mark").first.inner_text() == expected["answers"]["text"]
        assert card("picks").locator(".chosen bdi").inner_text() == expected["picks"]["choice"]
        assert float(card("wet").locator(".big-number").inner_text()) == pytest.approx(
            expected["wet"]["value"], rel=1e-4
        )
        assert float(card("rank").locator(".big-number").inner_text()) == pytest.approx(
            expected["rank"]["probs"], rel=1e-4
        )
        tree, nested = expected["trees"], expected["nested"]
        assert card("trees").locator(".tree .word").all_text_contents() == tree["words"]
        assert sorted(card("trees").locator(".tree .relation").all_text_contents()) == sorted(tree["relations"])
        assert card("nested").locator(".types dd").count() >= len(nested["spans"])
        page.locator(".about summary").click()
        assert page.locator(".about tbody tr").count() == len(expected)


def test_a_server_with_a_token(run, browser):
    options = ("--token", "s3cret-of-the-page")
    password = {"username": "user", "password": options[1]}
    with server_process.serving(run, *options) as running:
        address = f"http://127.0.0.1:{running.port}/"
        with visit(browser, address, is_refused=True, http_credentials=password) as found:
            page = found.page
            if page.locator("#token-form").is_visible():
                page.locator("#token").fill(options[1])
                page.keyboard.press("Enter")
            page.wait_for_selector(".task")
            page.locator("textarea").first.fill("the red fish")
            page.keyboard.press("Control+Enter")
            page.wait_for_selector(".card")
            command = page.get_by_role("region", name="curl").inner_text()
            assert "$PALM_TOKEN" in command
            assert options[1] not in page.content()
