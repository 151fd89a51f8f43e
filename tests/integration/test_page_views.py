"""The page in a real browser: how it shows the prediction of each kind of task."""

import pytest

from tests.browser import launched, visit
from tests.page_server import FakeTask, placed, running

ENGLISH = "On Monday Ada Lovelace flew from London to Vienna."


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture
def shown(browser):
    """A function that opens a page with some tasks, writes a row, runs it, and gives the page and the server."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def show(tasks, row, *, predictions=None, **settings):
            server = stack.enter_context(running(tasks))
            server.predictions = predictions or {}
            page = stack.enter_context(visit(browser, server.address, **settings)).page
            for label, text in row.items():
                page.get_by_label(label, exact=True).fill(text)
            page.get_by_role("button", name="Run").click()
            page.wait_for_selector(".card")
            return page, server

        yield show


def bars(card):
    rows = card.locator(".bar-row").all()
    return [(row.locator("bdi").inner_text(), row.locator(".bar-number").inner_text()) for row in rows]


def pieces(readable):
    """A readable text as its parts: strings, and (text, label) of marks."""
    return readable.evaluate(
        """node => [...node.childNodes].map(part => part.nodeType === 3 ? part.data : [part.firstChild.data,
        part.querySelector('bdi')?.textContent ?? null])"""
    )


def test_labels_are_bars_with_the_most_probable_first(shown):
    page, server = shown(["intent"], {"Text": ENGLISH})
    card = page.get_by_role("article", name="intent")
    assert bars(card)[:2] == [("book_restaurant", "93.1%"), ("book_train", "4.1%")]
    assert len(bars(card)) == 5
    assert card.locator(".bar-row.chosen").count() == 1
    assert "(predicted)" in card.locator(".bar-row").first.text_content()
    widths = card.locator(".bar").evaluate_all(
        "bars => bars.map(bar => bar.firstChild.style.getPropertyValue('--share'))"
    )
    assert widths[0] == "0.931"
    assert card.locator(".bar").first.get_attribute("aria-hidden") == "true"
    card.get_by_role("button", name="Show all 6").click()
    assert bars(card)[-1] == ("chat", "<0.1%")
    assert card.get_by_role("button", name="Show fewer").get_attribute("aria-expanded") == "true"
    assert server.asked == [{"inputs": [ENGLISH], "authorization": None}]


def test_several_labels_and_none(shown):
    page, _ = shown(["topics"], {"Text": "x"})
    assert page.locator(".bar-row.chosen bdi").all_inner_texts() == ["travel", "food"]
    page, _ = shown(["topics"], {"Text": "x"}, predictions={"topics": {"labels": [], "probs": {"a": 0.2}}})
    assert page.get_by_text("No label is probable enough.", exact=True).is_visible()


def test_a_probability_is_never_rounded_to_certainty(shown):
    probs = {"a": 0.99996, "b": 0.00004, "c": 0, "d": None}
    page, _ = shown(["intent"], {"Text": "x"}, predictions={"intent": {"label": "a", "probs": probs}})
    assert bars(page) == [("a", ">99.9%"), ("b", "<0.1%"), ("c", "0.0%"), ("d", "–")]


def test_spans_are_marked_where_they_are(shown):
    page, _ = shown(["entities"], {"Text": ENGLISH})
    assert pieces(page.locator(".readable")) == [
        ["On Monday", "time"], " ", ["Ada Lovelace", "person"], " flew from ", ["London", "city"], " to ",
        ["Vienna", "city"], ".",
    ]  # fmt: skip
    assert page.locator(".type", has_text="city").locator("dd").all_inner_texts() == ["London", "Vienna"]
    hues = page.locator("mark").evaluate_all("marks => marks.map(mark => mark.className)")
    assert hues[2] == hues[3]
    assert len(set(hues)) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("🍝👩‍👩‍👧 北京", ["🍝👩‍👩‍👧 ", ["北京", "city"]]),
        ("𠮷野家在杭州😀，不在上海", ["𠮷野家在", ["杭州", "city"], "😀，不在", ["上海", "city"]]),
        ("é́ Rome\n\n  Vienna", ["é́ ", ["Rome", "city"], "\n\n  ", ["Vienna", "city"]]),
    ],
)
def test_offsets_are_code_points(shown, text, expected):
    page, _ = shown(["entities"], {"Text": text})
    assert pieces(page.locator(".readable")) == expected


def test_spans_of_words_are_found_in_the_text(shown):
    page, _ = shown(["slots"], {"Text": "to  Rome   and to Rome 🍝"})
    assert pieces(page.locator(".readable")) == ["to  ", ["Rome", "capital"], "   and to ", ["Rome", "capital"], " 🍝"]


def test_a_span_of_several_words(shown):
    words = ["北", "京", "市", "很", "大"]
    span = {"type": "city", "start": 0, "end": 3, "text": "北京市"}
    prediction = {"words": words, "labels": ["B", "I", "I", "O", "O"], "spans": [span]}
    page, _ = shown(["slots"], {"Text": " 北京市很大"}, predictions={"slots": prediction})
    assert pieces(page.locator(".readable")) == [" ", ["北京市", "city"], "很大"]


def test_spans_that_are_not_in_the_text_are_listed(shown):
    spans = [
        {"type": "a", "start": 0, "end": 1, "text": "Paris", "start_char": 0, "end_char": 5},
        {"type": "b", "start": 0, "end": 1, "text": "Rome", "start_char": 0, "end_char": 4},
        {"type": "c", "start": 0, "end": 1, "text": "om", "start_char": 1, "end_char": 3},
        {"type": "d", "start": 7, "end": 8, "text": "beyond"},
    ]
    prediction = {"words": ["Rome"], "labels": ["O"], "spans": spans}
    page, _ = shown(["entities"], {"Text": "Rome"}, predictions={"entities": prediction})
    assert pieces(page.locator(".readable")) == [["Rome", "b"]]
    lost = page.locator(".note", has_text="could not be placed")
    assert sorted(lost.locator("dd").all_inner_texts()) == ["Paris", "beyond", "om"]


def test_no_span(shown):
    page, _ = shown(["entities"], {"Text": "nothing here"})
    assert page.get_by_text("No span found.", exact=True).is_visible()
    assert pieces(page.locator(".readable")) == ["nothing here"]


def test_tags_without_spans_stand_below_their_words(shown):
    page, _ = shown(["tags"], {"Text": "Anna met Bo"})
    found = page.get_by_role("list", name="Words with their tags").get_by_role("listitem").all()
    parts = [(item.locator(".word").inner_text(), item.locator(".tag").inner_text()) for item in found]
    assert parts == [("Anna", "NOUN"), ("met", "VERB"), ("Bo", "DET")]


def test_an_answer_is_marked_and_others_can_be_selected(shown):
    passage = "Siemens is in Vienna, not in London."
    page, server = shown(["answer"], {"Question": "Where?", "Passage": passage})
    assert server.asked[0]["inputs"] == [{"question": "Where?", "context": passage}]
    card = page.get_by_role("article", name="answer")
    assert card.locator(".headline").inner_text().split("\n") == ["Siemens", "87.0%"]
    assert pieces(card.locator(".readable")) == [["Siemens", None], " is in Vienna, not in London."]
    others = card.get_by_role("list", name="The best answers: select one to mark it").get_by_role("button")
    assert [button.get_attribute("aria-pressed") for button in others.all()] == ["true", "false", "false"]
    others.nth(2).click()
    assert pieces(card.locator(".readable")) == ["Siemens is in Vienna, not in ", ["London", None], "."]
    assert [button.get_attribute("aria-pressed") for button in others.all()] == ["false", "false", "true"]


def test_an_answer_that_occurs_twice_is_marked_where_the_model_found_it(shown):
    row = {"Question": "?", "Passage": "Rome or 🍝 Rome"}
    second = {**placed("Rome", 10), "probability": 0.5, "nbest": []}
    page, _ = shown(["answer"], row, predictions={"answer": second})
    assert pieces(page.locator(".readable")) == ["Rome or 🍝 ", ["Rome", None]]
    assert page.locator(".note").count() == 0


@pytest.mark.parametrize("answer", [placed("Oslo", 0), placed("Rome", 99), {"text": "Rome or 🍝 Rome"}])
def test_an_answer_that_is_not_at_its_place_is_not_marked(shown, answer):
    row = {"Question": "?", "Passage": "Rome or 🍝 Rome"}
    page, _ = shown(["answer"], row, predictions={"answer": {**answer, "probability": 0.5, "nbest": []}})
    assert pieces(page.locator(".readable")) == ["Rome or 🍝 Rome"]
    assert page.get_by_text("It does not stand in the passage where the model places it").is_visible()


def test_no_answer(shown):
    nbest = [{"text": "", "probability": 0.9}, {"text": "Rome", "probability": 0.1}]
    prediction = {"text": "", "probability": 0.9, "nbest": nbest}
    page, _ = shown(["answer"], {"Question": "?", "Passage": "Rome"}, predictions={"answer": prediction})
    assert page.locator(".none").inner_text() == "No answer in the passage"
    assert page.locator("mark").count() == 0


def test_one_text_is_also_the_passage(shown):
    page, server = shown(["intent", "answer"], {"Text": "in Rome", "Question": "Where?"})
    assert server.asked[0]["inputs"] == [{"text_a": "in Rome", "question": "Where?", "context": "in Rome"}]
    assert pieces(page.get_by_role("article", name="answer").locator(".readable")) == ["in ", ["Rome", None]]


def test_pairs(shown):
    page, server = shown(["inference", "relevance"], {"Text": "a", "Second text": "b"})
    assert server.asked[0]["inputs"] == [{"text_a": "a", "text_b": "b"}]
    assert bars(page.get_by_role("article", name="inference"))[0] == ("entailment", "91.2%")
    card = page.get_by_role("article", name="relevance")
    assert card.locator(".big-number").inner_text() == "0.8231"
    assert card.get_by_text("Score from 0 to 1").is_visible()


def test_gaps_are_filled_and_other_tokens_can_be_tried(shown):
    page, _ = shown(["words"], {"Text": "Paris is the [MASK] of [MASK]."})
    readable = page.locator(".readable")
    assert readable.inner_text() == "Paris is the capital of capital."
    second = page.get_by_role("group", name="Gap 2")
    assert [chip.inner_text() for chip in second.get_by_role("button").all()] == [
        "capital 93.0%",
        "heart 2.0%",
        "##centre <0.1%",
    ]
    second.get_by_role("button", name="##centre").click()
    assert readable.inner_text() == "Paris is the capital of centre."
    assert second.get_by_role("button", name="capital").get_attribute("aria-pressed") == "false"


def test_a_text_without_a_mask_is_not_sent(shown):
    page, server = shown(["intent", "words"], {"Text": "Paris"})
    assert server.asked[0]["tasks"] == ["intent"]
    assert page.get_by_role("article", name="words").get_by_text("Write [MASK] in place of a word").is_visible()
    page.get_by_role("button", name="Insert [MASK]").click()
    assert page.get_by_label("Text", exact=True).input_value() == "Paris[MASK]"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".gap")
    assert "tasks" not in server.asked[1]


def test_a_number(shown):
    page, _ = shown(["stars"], {"Text": "a"})
    assert page.locator(".big-number").inner_text() == "3.7251"
    page, _ = shown(["stars"], {"Text": "a"}, predictions={"stars": {"value": None}})
    assert page.locator(".big-number").inner_text() == "–"


def test_choices_are_ranked(shown):
    page, server = shown(["reply"], {"Text": "a", "Choices": "yes\n\n  no \nmaybe"})
    assert server.asked[0]["inputs"] == [{"text_a": "a", "choices": ["yes", "no", "maybe"]}]
    assert bars(page) == [("no", "70.0%"), ("yes", "20.0%"), ("maybe", "10.0%")]
    assert page.locator(".bar-row.chosen bdi").all_inner_texts() == ["no"]


def test_what_a_task_needs_is_said_in_its_card(shown):
    page, server = shown(["intent", "answer", "inference", "reply"], {"Text": "a", "Choices": "one"})
    assert server.asked[0]["tasks"] == ["intent"]
    missing = {
        card.locator("h3").inner_text(): card.locator(".missing").inner_text()
        for card in page.locator(".waiting").all()
    }
    assert missing == {
        "answer": "Needs more input: “Question”.",
        "inference": "Needs more input: “Second text”.",
        "reply": "Needs more input: at least two choices.",
    }


def test_an_error_of_a_task_stands_in_its_card(shown):
    page, _ = shown(["intent", "stars"], {"Text": "a"}, predictions={"stars": {"error": "the text is <odd>."}})
    card = page.get_by_role("article", name="stars")
    expected = ["This task could not read the input.", "the text is <odd>."]
    assert card.locator(".failed p").all_inner_texts() == expected
    assert bars(page.get_by_role("article", name="intent"))


def test_a_prediction_of_another_shape_is_shown_as_json(shown):
    page, _ = shown(["intent", "stars"], {"Text": "a"}, predictions={"intent": {"sentiment": 3}, "stars": [1]})
    assert page.locator(".note", has_text="This page does not know how to show").count() == 2
    assert '"sentiment": 3' in page.get_by_role("article", name="intent").locator("pre").first.inner_text()


def test_a_cut_text_says_so_and_the_json_can_be_read(shown):
    prediction = {"label": "a", "probs": {"a": 1}, "truncated": True}
    page, _ = shown(["intent"], {"Text": "a"}, predictions={"intent": prediction})
    assert page.get_by_text("its end was cut off").is_visible()
    page.locator(".raw summary").click()
    page.locator(".raw pre", has_text="truncated").wait_for()  # polling by a script is against the page's policy


def test_columns_of_other_readers_have_fields_of_their_own_names(browser):
    with running([]) as server:
        server.tasks = {
            "mine": FakeTask("mine", "labels", lambda row: {"label": row["clause"], "probs": {}}, ("clause",))
        }
        with visit(browser, server.address) as found:
            found.page.get_by_label("clause").fill("§ 1")
            found.page.keyboard.press("Control+Enter")
            found.page.wait_for_selector(".card")
        assert server.asked[0]["inputs"] == [{"clause": "§ 1"}]
