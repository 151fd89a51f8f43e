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
        {"type": "c", "start": 0, "end": 1, "text": "Roma", "start_char": 0, "end_char": 4},
        {"type": "d", "start": 7, "end": 8, "text": "beyond"},
    ]
    prediction = {"words": ["Rome"], "labels": ["O"], "spans": spans}
    page, _ = shown(["entities"], {"Text": "Rome"}, predictions={"entities": prediction})
    assert pieces(page.locator(".readable")) == [["Rome", "b"]]
    lost = page.locator(".note", has_text="could not be placed")
    assert sorted(lost.locator("dd").all_inner_texts()) == ["Paris", "Roma", "beyond"]


def within(readable):
    """A readable text as nested lists: strings, and [label, parts] of marks."""
    return readable.evaluate(
        """node => {
            const shown = one => [...one.childNodes].filter(part => part.className !== 'span-label');
            const label = one => one.lastChild.querySelector('bdi').textContent;
            const parts = one => shown(one).map(part => part.nodeType === 3 ? part.data : [label(part), parts(part)]);
            return parts(node);
        }"""
    )


NESTED = "研究者🍝浙江大学的安娜"


def spans_of(*found):
    """Predicted spans of NESTED: (start, end, type)."""
    return [
        {"type": kind, "start": start, "end": end, "text": NESTED[start:end], "score": 0.9}
        for start, end, kind in found
    ]


def test_spans_within_each_other_are_marks_within_marks(shown):
    found = spans_of((0, 11, "all"), (4, 8, "school"), (4, 6, "city"), (4, 6, "region"), (9, 11, "person"))
    page, _ = shown(["nested"], {"Text": NESTED}, predictions={"nested": {"spans": found}})
    school = ["school", [["city", [["region", ["浙江"]]]], "大学"]]
    assert within(page.locator(".readable")) == [["all", ["研究者🍝", school, "的", ["person", ["安娜"]]]]]
    assert page.locator(".note").count() == 0
    assert page.locator(".relations").count() == 0


def test_of_spans_that_cross_the_first_is_marked_and_the_other_listed(shown):
    found = spans_of((4, 8, "school"), (6, 9, "odd"), (9, 11, "person"))
    page, _ = shown(["nested"], {"Text": NESTED}, predictions={"nested": {"spans": found}})
    assert within(page.locator(".readable")) == ["研究者🍝", ["school", ["浙江大学"]], "的", ["person", ["安娜"]]]
    crossing = page.locator(".note", has_text="These cross another span, and are not marked:")
    assert crossing.locator("dd").all_inner_texts() == ["大学的"]


def test_relations_are_lines_and_are_said(shown):
    relations = [{"type": "<b>在</b>", "head": 1, "tail": 0, "score": 0.7}, {"type": "lost", "head": 0, "tail": 7}]
    found = {"spans": spans_of((4, 8, "school"), (9, 11, "person")), "relations": relations}
    page, _ = shown(["nested"], {"Text": NESTED}, predictions={"nested": found})
    lines = page.get_by_role("list", name="Relations between the spans").get_by_role("listitem")
    assert lines.all_inner_texts() == ["安娜 —<b>在</b>→ 浙江大学"]
    hues = [page.locator("mark", has_text=text).get_attribute("class").split()[1] for text in ("安娜", "浙江大学")]
    assert lines.locator(".end").evaluate_all("ends => ends.map(end => end.classList[1])") == hues
    assert "person: 安娜, 安娜 <b>在</b> 浙江大学" in page.get_by_role("status").inner_text()


TREE = {
    "words": ["我", "爱", "<b>北京</b>", "。"],
    "heads": [2, 0, 2, 2],
    "relations": ["nsubj", "root", "obj", "punct"],
}


def test_a_tree_is_a_drawing_and_a_table(shown):
    page, _ = shown(["tree"], {"Text": "x"}, predictions={"tree": TREE})
    drawing = page.get_by_role("region", name="Drawing of the tree")
    assert drawing.locator("text.word").all_text_contents() == TREE["words"]
    assert sorted(drawing.locator("text.relation").all_text_contents()) == sorted(TREE["relations"])
    assert drawing.locator("path.arc").count() == 4
    page.get_by_text("As a table").click()
    rows = page.get_by_role("table").get_by_role("row").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["No.", "Word", "Relation", "Head"],
        ["1", "我", "nsubj", "2 爱"],
        ["2", "爱", "root", "–"],
        ["3", "<b>北京</b>", "obj", "2 爱"],
        ["4", "。", "punct", "2 爱"],
    ]


def test_arcs_of_a_tree_hold_each_other_and_point_to_their_words(shown):
    page, _ = shown(["tree"], {"Text": "x"}, predictions={"tree": TREE})
    words = dict(
        page.locator(".tree .word").evaluate_all("all => all.map(one => [one.textContent, +one.getAttribute('x')])")
    )
    tops = dict(
        page.locator(".tree .relation").evaluate_all("all => all.map(one => [one.textContent, one.getBBox().y])")
    )
    assert tops["root"] < tops["punct"] < tops["obj"] == tops["nsubj"], "爱 → 。 holds 爱 → 北京"
    tips = page.locator(".tree .tip").evaluate_all("all => all.map(one => one.getBBox().x + one.getBBox().width / 2)")
    assert sorted(tips) == pytest.approx(sorted(words.values()), abs=1)


@pytest.mark.parametrize(
    "wrong", [{"heads": [1]}, {"relations": None}, {"heads": ["a", 0, 1, 1]}, {"words": 3}], ids=str
)
def test_what_is_no_tree_is_shown_as_json(shown, wrong):
    page, _ = shown(["tree"], {"Text": "x"}, predictions={"tree": {**TREE, **wrong}})
    assert page.locator(".note", has_text="This page does not know how to show").count() == 1


@pytest.mark.parametrize("width", [375, 1280])
def test_a_long_tree_scrolls_by_itself(shown, width):
    page, _ = shown(["tree"], {"Text": "one word " * 30}, viewport={"width": width, "height": 800})
    whole, own = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('.tree').scrollWidth]")
    assert whole <= width < own
    drawing = page.get_by_role("region", name="Drawing of the tree")
    drawing.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert drawing.evaluate("node => node.scrollLeft") > 0


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
